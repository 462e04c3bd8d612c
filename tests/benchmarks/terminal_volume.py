"""Scrolling a volume of 1024 x 1024 x 1024 floats, 4 GiB on the disk, at 25 keys a second.

    python tests/benchmarks/terminal_volume.py [--side 1024] [--folder DIR]

Where the folder has no room the volume is as thick as fits, which is said.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

import numpy as np
from pseudo_terminal import Terminal
from report import figure

from tomotui.formats.mrc import write_volume

APP = """
import sys
from pathlib import Path
from textual.app import App
from tomotui.tui.raster.capability import Capability
from tomotui.tui.raster.volume import VolumeReader
from tomotui.tui.widgets.pacing import FrameAcknowledgements
from tomotui.tui.widgets.slice_view import SliceView

class Minimal(FrameAcknowledgements, App):
    CSS = "SliceView { width: 1fr; height: 1fr; }"
    BINDINGS = [("j", "next", "")]

    def compose(self):
        view = SliceView(VolumeReader(Path(sys.argv[1])), Capability(glyphs="octant"))
        view.move_slice(-5000)
        yield view

    def action_next(self):
        self.query_one(SliceView).move_slice(1)

Minimal().run()
"""
FRAMES_A_SECOND = 25
N_FRAMES = 125
ROOM_LEFT_BYTES = 4 << 30
_SLAB = 32


def make_volume(path: Path, side: int) -> int:
    """Write noise in pieces and return how many planes there was room for."""
    free = shutil.disk_usage(path.parent).free - ROOM_LEFT_BYTES
    depth = max(min(side, free // (4 * side * side)), _SLAB)
    write_volume(path, np.zeros((1, side, side), np.float32), 10.0)
    header = bytearray(path.read_bytes()[:1024])
    # Sections, and intervals along z: the planes follow the header.
    for at in (8, 36):
        header[at : at + 4] = int(depth).to_bytes(4, "little")
    noise = np.random.default_rng(4).normal(0, 1, (_SLAB, side, side)).astype(np.float32)
    with path.open("wb") as file:
        file.write(header)
        for start in range(0, depth, _SLAB):
            np.roll(noise, start, axis=2)[: depth - start].tofile(file)
    return depth


def measure(path: Path) -> None:
    terminal = Terminal(["-c", APP, str(path)])
    terminal.run(60, until=lambda: terminal.paints() > 0.3)
    terminal.settle(quiet=1.5)
    used, asked = terminal.cpu_seconds(), terminal.questions
    for _ in range(N_FRAMES):
        terminal.press("j")
        terminal.run(1 / FRAMES_A_SECOND)
    used, shown = terminal.cpu_seconds() - used, terminal.questions - asked
    terminal.close()
    seconds = N_FRAMES / FRAMES_A_SECOND
    figure("scrolling: CPU time of a frame", 1000 * used / max(shown, 1), "ms", "<= 40")
    figure("scrolling: frames shown", shown / seconds, "1/s", f"{FRAMES_A_SECOND}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--folder", type=Path, help="where there is room for 4 GiB")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.folder) as name:
        path = Path(name) / "volume.mrc"
        depth = make_volume(path, asked.side)
        figure("volume: planes", depth, "", f"{asked.side} of {asked.side} x {asked.side} floats")
        measure(path)


if __name__ == "__main__":
    main()

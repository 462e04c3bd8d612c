"""Make the pictures of the README: the demo's project in a real pseudo-terminal, and a slice.

    python tests/benchmarks/pictures.py [PROJECT]

Runs the demo first when no project is given. Needs Pillow, pyte and the DejaVu fonts.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyte
from PIL import Image
from stage_runner import RecordingTask, run_stage
from terminal_picture import paint_screen

from tomotui.formats.mrc import read_volume
from tomotui.jobs import agent_status
from tomotui.project import Project

PICTURES = Path(__file__).resolve().parents[1] / "pictures"
SAMPLE_FOLDER = Path(__file__).resolve().parents[2] / "sample_data"
COLUMNS, LINES = 120, 34
# Queries and modes that pyte would print as text.
QUERIES = re.compile(
    rb"\x1b\[[?>=<][0-9;]*\$?[a-zA-Z]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b\[[0-9;]*t"
)
KEEP = re.compile(rb"\x1b\[\?(?:25|1049|7)[hl]")


class Terminal:
    """A program in a pseudo-terminal, and the screen it has drawn."""

    def __init__(
        self,
        command: Sequence[str],
        environment: dict[str, str],
        columns: int = COLUMNS,
        lines: int = LINES,
    ) -> None:
        self.screen = pyte.Screen(columns, lines)
        self.stream = pyte.ByteStream(self.screen)
        self.child, self.terminal = pty.fork()
        if self.child == 0:
            os.environ.update(environment)
            os.execvp(command[0], list(command))
        size = struct.pack("HHHH", lines, columns, 0, 0)
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, size)
        self.screen.write_process_input = lambda text: os.write(self.terminal, text.encode())

    def wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if select.select([self.terminal], [], [], 0.05)[0]:
                data = os.read(self.terminal, 1 << 16)
                self.stream.feed(QUERIES.sub(lambda m: m[0] if KEEP.match(m[0]) else b"", data))

    def press(self, keys: str, seconds: float = 1.5) -> None:
        os.write(self.terminal, keys.encode())
        self.wait(seconds)

    def picture(self, name: str) -> None:
        paint_screen(self.screen, PICTURES / f"{name}.png")
        print(f"wrote {PICTURES / name}.png")

    def close(self) -> None:
        os.kill(self.child, 15)
        os.waitpid(self.child, 0)


def screens(folder: Path) -> None:
    """Walk through the screens of a project."""
    os.chdir(folder)
    terminal = Terminal([sys.executable, "-m", "tomotui", str(folder)], environment())
    terminal.wait(5)
    terminal.picture("datasets")
    terminal.press("L", 2)
    terminal.picture("launch")
    terminal.press("\x1b", 1)
    terminal.press("i", 2)
    terminal.picture("import")
    terminal.press("\x1b", 1)
    terminal.press(":", 1)
    terminal.press("theme\r", 2)
    terminal.picture("themes")
    terminal.press("\x1b", 1)
    terminal.press(":", 1)
    terminal.press("doctor\r", 15)
    terminal.picture("doctor")
    terminal.press("\x1b", 1)
    terminal.press("\x10", 2)
    terminal.picture("palette")
    terminal.press("\x1b", 1)
    terminal.press("\r", 5)
    terminal.press("))", 3)
    terminal.picture("slices")
    terminal.press("X", 3)
    terminal.picture("slices-xz")
    terminal.press("F", 5)
    terminal.picture("slices-spectrum")
    terminal.press("F", 2)
    terminal.press("X", 2)
    terminal.press("X", 2)
    terminal.press("d", 5)
    terminal.picture("slices-compared")
    terminal.press("d", 2)
    terminal.press("O", 5)
    terminal.picture("slices-planes")
    terminal.press("\x1b", 2)
    terminal.press("b", 3)
    terminal.picture("tilt-series")
    terminal.press("t", 3)
    terminal.picture("tilt-series-tracks")
    terminal.press("Q", 4)
    terminal.picture("quality")
    terminal.press("\t\t\t\tz", 2)
    terminal.picture("quality-spectrum")
    terminal.press("\x1b", 1)
    terminal.press("\x1b", 1)
    terminal.press("4", 2)
    # The first but one, an alignment: it has figures.
    terminal.press("Gk", 2)
    terminal.picture("jobs")
    terminal.press("\r", 4)
    terminal.picture("job")
    terminal.press("D", 3)
    terminal.picture("job-tree")
    terminal.press("\x1b", 1)
    terminal.press("?", 2)
    terminal.picture("help")
    terminal.press("\x1b", 1)
    terminal.press("7", 3)
    terminal.picture("live")
    terminal.close()


def welcome() -> None:
    """Start where there are tilt series but no project."""
    with tempfile.TemporaryDirectory() as name:
        cells = Path(name) / "cells"
        cells.mkdir()
        for file in SAMPLE_FOLDER.iterdir():
            (cells / file.name).symlink_to(file)
        os.chdir(cells)
        terminal = Terminal([sys.executable, "-m", "tomotui"], environment(home=name))
        terminal.wait(12)
        terminal.picture("welcome")
        terminal.close()


def test_card(folder: Path) -> None:
    """Start in a terminal of which nobody knows what its font draws."""
    unknown = {**environment(), "TOMOTUI_GLYPHS": ""}
    terminal = Terminal([sys.executable, "-m", "tomotui", str(folder)], unknown)
    terminal.wait(6)
    terminal.picture("test-card")
    terminal.close()


def at_work(folder: Path) -> None:
    """Show this machine while an alignment runs in a copy of a project."""
    tomotui = [sys.executable, "-m", "tomotui"]
    with tempfile.TemporaryDirectory() as name:
        copy = Path(name) / folder.name
        shutil.copytree(folder, copy)
        subprocess.run([*tomotui, "run", "align", "-p", str(copy)], check=True)
        terminal = Terminal([*tomotui, str(copy)], environment())
        terminal.wait(30)
        terminal.press("5", 6)
        terminal.picture("cluster")
        terminal.close()
        with Project.open(copy, read_only=True) as project:
            number = max(job.id for job in project.jobs())
        subprocess.run([*tomotui, "cancel", str(number), "-p", str(copy)], check=True)
        while agent_status(copy).is_alive:
            time.sleep(0.5)


def motion() -> None:
    """Take in a series of simulated movies, and show how they moved."""
    tomotui = [sys.executable, "-m", "tomotui"]
    with tempfile.TemporaryDirectory() as name:
        folder, raw = Path(name) / "movies", Path(name) / "raw"
        simulate = ["simulate", str(raw), "--name", "ts_1", "--size", "256", "--frames", "8"]
        simulate += ["--seed", "1", "--set", "height_px=256", "pixel_size_angstrom=8"]
        for words in (
            simulate,
            ["init", str(folder)],
            ["import", str(raw / "movies/ts_1.mdoc"), "-p", str(folder)],
        ):
            subprocess.run([*tomotui, *words], check=True)
        terminal = Terminal([*tomotui, str(folder)], environment())
        terminal.wait(5)
        terminal.press("Q", 4)
        # Back from the first panel to the last.
        terminal.press("\x1b[Z", 2)
        terminal.picture("quality-motion")
        terminal.close()


def review(folder: Path) -> None:
    """Review the candidates of a project that has a particle set, and show them as tiles."""
    terminal = Terminal([sys.executable, "-m", "tomotui", str(folder)], environment())
    terminal.wait(5)
    terminal.press("3", 5)
    # The first of its sets.
    terminal.press("S", 2)
    terminal.press("\x1b[H", 1)
    terminal.press("\r", 5)
    # From the best; one that is typical, smoothed for the eye.
    terminal.press("o", 3)
    for key in "nnnnnnnnnnn-fffc":
        terminal.press(key, 1)
    terminal.wait(3)
    terminal.picture("picks")
    terminal.press("g", 6)
    terminal.picture("gallery")
    terminal.close()


def maps(folder: Path) -> None:
    """Show the newest map of a project that has some, and its surface alone."""
    terminal = Terminal([sys.executable, "-m", "tomotui", str(folder)], environment())
    terminal.wait(5)
    terminal.press("6", 5)
    terminal.press("\t", 1)
    terminal.press("lljj", 3)
    terminal.picture("maps")
    terminal.press("z", 3)
    terminal.picture("map-surface")
    terminal.close()


def course(folder: Path) -> None:
    """Show an early iteration of the newest map beside its last, and drift on a tilt image."""
    terminal = Terminal([sys.executable, "-m", "tomotui", str(folder)], environment())
    terminal.wait(5)
    terminal.press("6", 5)
    terminal.press("\t\t\t\t", 2)
    # The first iteration of all.
    terminal.press("g", 3)
    terminal.picture("map-iterations")
    terminal.press("G", 1)
    terminal.press("\t\t\tz", 3)
    terminal.picture("map-drift")
    terminal.close()


def environment(home: str = "") -> dict[str, str]:
    """Describe a terminal that draws everything, and folders without a history."""
    for name in ("TMUX", "NO_COLOR", "TERM_PROGRAM", "XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        os.environ.pop(name, None)
    return {
        "TERM": "xterm-256color",
        "COLORTERM": "truecolor",
        "TOMOTUI_GLYPHS": "octant",
        # Paths below it are shown from ~ on.
        "HOME": home or tempfile.mkdtemp(),
        "LANG": "C.UTF-8",
    }


def slice_picture(folder: Path) -> None:
    """Reconstruct with the SIRT-like filter and draw the mean of five middle sections."""
    with Project.open(folder, read_only=True) as project:
        series = project.tilt_series()[0]
        alignment = project.latest("alignment", series.uid)
    with tempfile.TemporaryDirectory() as scratch:
        task = RecordingTask(Path(scratch))
        chosen = {"voxel_size_angstrom": 20.0, "filter": "sirt-like", "halves": "off"}
        made = run_stage("reconstruct", task, [series, alignment], chosen).records
        (tomogram,) = (record for record in made if record.kind == "tomogram")
        volume, _ = read_volume(tomogram.path)
    middle = len(volume) // 2
    section = volume[middle - 2 : middle + 3].mean(axis=0)
    inner = section[20:-20, 20:-20]
    scaled = (section - np.median(inner)) / (6 * inner.std()) + 0.5
    image = Image.fromarray((np.clip(scaled, 0, 1) * 255).astype(np.uint8))
    large = image.resize((2 * image.width, 2 * image.height), Image.Resampling.BICUBIC)
    large.quantize(64).save(PICTURES / "tomogram.png", optimize=True)
    print(f"wrote {PICTURES / 'tomogram.png'}")


def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    if len(sys.argv) > 1:
        folder = Path(sys.argv[1])
    else:
        folder = Path(tempfile.mkdtemp()) / "first-light"
        command = [sys.executable, "-m", "tomotui", "demo", str(folder), "--headless"]
        subprocess.run(command, check=True)
    slice_picture(folder)
    screens(folder)
    at_work(folder)
    with Project.open(folder, read_only=True) as project:
        has_candidates = bool(project.particle_sets(picks_only=True))
        has_maps = bool(project.records("map"))
    if has_candidates:
        review(folder)
    if has_maps:
        maps(folder)
        course(folder)
    motion()
    test_card(folder)
    welcome()


if __name__ == "__main__":
    main()

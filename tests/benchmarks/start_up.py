"""CPU time from the shell's prompt to the first screen of a project, in a pseudo-terminal.

    python tests/benchmarks/start_up.py [PROJECT]

Without a project, one with 48 imported tilt series is made.
"""

from __future__ import annotations

import os
import pty
import select
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from report import figure

from tomotui.project import Project
from tomotui.records import Tilt, TiltSeries

RUNS = 7


def make_project(folder: Path) -> Path:
    tilts = tuple(Tilt(index=i, nominal_tilt_deg=-60.0 + 3 * i) for i in range(41))
    series = [
        TiltSeries(
            name=f"ts_{number:03d}",
            stack_path="none.mrc",
            width_px=4092,
            height_px=5760,
            pixel_size_angstrom=1.35,
            tilts=tilts,
        )
        for number in range(48)
    ]
    with Project.create(folder, "start") as project:
        project.add_records(series)
    return folder


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def start(project: Path, words: bytes, state: str) -> float:
    """Start the app and return the CPU seconds it had used when the words were drawn."""
    child, terminal = pty.fork()
    if child == 0:
        os.environ.update(TERM="xterm-256color", COLORTERM="truecolor", XDG_STATE_HOME=state)
        os.environ.update(XDG_CONFIG_HOME=state, TOMOTUI_GLYPHS="quadrant")
        os.execv(sys.executable, [sys.executable, "-m", "tomotui", str(project)])
    seen, deadline = b"", time.monotonic() + 60
    while words not in seen and time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.1)[0]:
            data = os.read(terminal, 1 << 16)
            seen += data
            if b"\x1b[6n" in data:
                os.write(terminal, b"\x1b[1;2R")
    used = cpu_seconds(child)
    os.kill(child, 9)
    os.waitpid(child, 0)
    os.close(terminal)
    if words not in seen:
        raise SystemExit(f"{words!r} was never drawn")
    return used


def main() -> None:
    state = tempfile.mkdtemp()
    if len(sys.argv) > 1:
        project, words = Path(sys.argv[1]), b"tilt series"
    else:
        project, words = make_project(Path(tempfile.mkdtemp()) / "project"), b"ts_001"
    start(project, words, state)
    times = [start(project, words, state) for _ in range(RUNS)]
    figure("start to first screen, CPU (median)", statistics.median(times), "s", "< 1")
    figure("start to first screen, CPU (least)", min(times), "s")
    code = "import sys, tomotui.tui.app; print(int('torch' in sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    figure("torch is imported by the screens", int(loaded.stdout), "", "0")


if __name__ == "__main__":
    main()

"""CPU time from the shell's prompt to the first screen of a project, in a pseudo-terminal.

    python tests/benchmarks/start_up.py [PROJECT]

Without a project, one with 48 imported tilt series is made. The byte code of all modules is
compiled before, wherever the environment forbids Python to keep it.
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
from terminal_projects import make_whole

RUNS = 7
HEAVY = ("torch", "scipy", "pandas", "numpy", "sqlite_utils")


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def environment(state: str) -> dict[str, str]:
    """Return an environment with byte code and preferences of its own."""
    found = dict(os.environ, TERM="xterm-256color", COLORTERM="truecolor")
    found |= {"XDG_STATE_HOME": state, "XDG_CONFIG_HOME": state, "TOMOTUI_GLYPHS": "quadrant"}
    found["PYTHONPYCACHEPREFIX"] = str(Path(state) / "bytecode")
    found.pop("PYTHONDONTWRITEBYTECODE", None)
    return found


def start(project: Path, words: bytes, environ: dict[str, str]) -> float:
    """Start the app and return the CPU seconds it had used when the words were drawn."""
    child, terminal = pty.fork()
    if child == 0:
        os.execve(sys.executable, [sys.executable, "-m", "tomotui", str(project)], environ)
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


def import_seconds(module: str, environ: dict[str, str]) -> float:
    """Return the least CPU time of a Python that imports a module and ends."""
    times = []
    for _ in range(RUNS):
        before = os.times()
        subprocess.run([sys.executable, "-c", f"import {module}"], env=environ, check=True)
        after = os.times()
        times.append(after.children_user + after.children_system)
        times[-1] -= before.children_user + before.children_system
    return min(times)


def main() -> None:
    state = tempfile.mkdtemp()
    environ = environment(state)
    if len(sys.argv) > 1:
        project, words = Path(sys.argv[1]), b"tilt series"
    else:
        project = make_whole(Path(tempfile.mkdtemp()) / "project", n_series=48)
        words = b"ts_001"
    start(project, words, environ)
    times = [start(project, words, environ) for _ in range(RUNS)]
    figure("start to first screen, CPU (median)", statistics.median(times), "s", "<= 0.8")
    figure("start to first screen, CPU (least)", min(times), "s")
    own = import_seconds("tomotui.tui.app", environ)
    figure("import of the screens, CPU (least)", own, "s")
    figure("import of Textual, CPU (least)", import_seconds("textual.app", environ), "s")
    code = f"import sys, tomotui.tui.app; print(sum(name in sys.modules for name in {HEAVY}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    figure("heavy libraries imported by the screens", int(loaded.stdout), "", "0")


if __name__ == "__main__":
    main()

"""CPU time of long lists: 50,000 candidates opened, and the cursor held down in each table.

python tests/benchmarks/terminal_lists.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from pseudo_terminal import Terminal
from report import figure
from terminal_projects import make_whole

from tomotui.project import Project
from tomotui.records import JobRequest, Target

FEW, MANY = 50, 50_000
N_SERIES, N_JOBS = 300, 300
N_KEYS = 60
KEYS_A_SECOND = 30
MODES = {"datasets": "1", "jobs": "4", "picks": "3"}


def opened(folder: Path) -> Terminal:
    """Return a terminal that shows the tilt series of a project and is at rest."""
    terminal = Terminal(["-m", "tomotui", str(folder / "project")], state=folder)
    terminal.run_until("ts_001")
    terminal.settle(quiet=2.0)
    return terminal


def first_rows(n_particles: int) -> float:
    """Return the CPU seconds from the key to the first rows of a list of candidates.

    The picture and the volume beside them are drawn afterwards.
    """
    with tempfile.TemporaryDirectory() as name:
        make_whole(Path(name) / "project", n_particles=n_particles)
        terminal = opened(Path(name))
        before = terminal.cpu_seconds()
        terminal.press(MODES["picks"])
        terminal.run_until(f"/{n_particles}")
        used = terminal.cpu_seconds() - before
        terminal.close()
    return used


def measure_opening() -> None:
    """Report what a long list costs beyond a short one, whose cost is the screen itself."""
    few, many = first_rows(FEW), first_rows(MANY)
    figure(f"picks: first rows of {FEW}, with imports", few, "s")
    figure(f"picks: first rows of {MANY}, with imports", many, "s")
    figure(f"picks: what {MANY} add", many - few, "s", "<= 0.3")


def measure_cursor() -> None:
    """Report the CPU time of each row that the cursor goes down while the key is held."""
    with tempfile.TemporaryDirectory() as name:
        place = make_whole(Path(name) / "project", N_SERIES, MANY)
        with Project.open(place) as project:
            for number in range(N_JOBS):
                target = Target(name=f"ts_{number:03d}")
                project.submit(JobRequest(stage="align", targets=(target,)))
        terminal = opened(Path(name))
        for mode, key in MODES.items():
            terminal.press(key)
            terminal.settle(quiet=2.5)
            before, begin = terminal.cpu_seconds(), len(terminal.received)
            for _ in range(N_KEYS):
                terminal.press("j")
                terminal.run(1 / KEYS_A_SECOND)
            terminal.settle()
            used = terminal.cpu_seconds() - before
            sent_kb = (len(terminal.received) - begin) / 1000
            figure(f"{mode}: cursor down held, each row", 1000 * used / N_KEYS, "ms")
            figure(f"{mode}: cursor down held, each row", sent_kb / N_KEYS, "kB")
        terminal.close()


def main() -> None:
    measure_opening()
    measure_cursor()


if __name__ == "__main__":
    main()

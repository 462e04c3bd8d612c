"""Measure reviews of many candidates: opening, sorting, deciding, bytes, memory, and a kill.

    python tests/benchmarks/curating.py [--candidates 100000]

Prints lines of ``name value unit``. The screens run in a real pseudo-terminal of 160 x 48.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import re
import resource
import select
import signal
import struct
import sys
import tempfile
import termios
import time
from pathlib import Path

import mrcfile
import numpy as np

from tomotui.project import Project
from tomotui.project.curation import ORDERS, Curation, particle_set_named
from tomotui.records import (
    Alignment,
    ParticleSet,
    Tilt,
    TiltAlignment,
    TiltSeries,
    Tomogram,
)
from tomotui.records.particle_table import Candidates, ParticleTable

SIZE_ZYX = (200, 480, 464)
PIXEL = 10.0
COLUMNS, LINES = 160, 48
SLOW_LINK_BYTES = 400_000
"""Bytes a second of a slow connection."""


def say(name: str, value: float, unit: str) -> None:
    print(f"{name:46} {value:12.3f} {unit}", flush=True)


def make_project(folder: Path, n: int, n_tomograms: int = 20) -> None:
    """Make tomograms with candidates; they share one file, for the picture is not the point."""
    random = np.random.default_rng(0)
    volume = folder / "volume.mrc"
    with Project.create(folder) as project:
        with mrcfile.new(volume, random.normal(0, 1, SIZE_ZYX).astype(np.float32)) as file:
            file.voxel_size = PIXEL
        held = ParticleSet(name="ribosome", diameter_angstrom=250)
        for number in range(n_tomograms):
            series = TiltSeries(
                name=f"ts_{number:03d}",
                stack_path="none.mrc",
                width_px=64,
                height_px=64,
                pixel_size_angstrom=PIXEL,
                tilts=(Tilt(index=0, nominal_tilt_deg=0),),
            )
            tilt = TiltAlignment(
                index=0, tilt_deg=0, axis_deg=0, shift_x_angstrom=0, shift_y_angstrom=0
            )
            alignment = Alignment(series_uid=series.uid, tilts=(tilt,))
            tomogram = Tomogram(
                series_uid=series.uid,
                alignment_uid=alignment.uid,
                path=volume.name,
                size_xyz=SIZE_ZYX[::-1],
                pixel_size_angstrom=PIXEL,
                window_low=-1,
                window_high=1,
            )
            project.add_records([series, alignment, tomogram])
            reach = np.array(SIZE_ZYX[::-1]) * PIXEL / 2
            m = n // n_tomograms
            scores = random.random(m)
            table = ParticleTable.of(
                tomogram.uid,
                random.uniform(-reach, reach, (m, 3)),
                scores=scores,
                uncertainties=random.random(m),
                priorities=random.random(m),
                source="find",
            )
            project.take_candidates(Candidates(held, tomogram.uid, table, 20.0))


def in_memory(folder: Path) -> None:
    """Measure what the screens and the command line share."""
    with Project.open(folder) as project:
        held = particle_set_named(project, "ribosome")
        start = time.perf_counter()
        curation = Curation(project, held, user="b", session="memory")
        say("read all candidates", time.perf_counter() - start, "s")
        for order in ORDERS:
            start = time.perf_counter()
            curation.order(order)
            say(f"sort by {order}", 1e3 * (time.perf_counter() - start), "ms")
        start = time.process_time()
        for row in range(500):
            curation.decide([row], "accepted" if row % 3 else "rejected")
        say("one decision, committed", 2 * (time.process_time() - start), "ms of CPU")
        start = time.perf_counter()
        curation.curve()
        say("precision at every threshold", 1e3 * (time.perf_counter() - start), "ms")
        start = time.perf_counter()
        n = len(curation.apply_threshold(0.5))
        say("apply a threshold to the rest, one act", time.perf_counter() - start, "s")
        start = time.perf_counter()
        assert len(curation.undo()) == n
        say("take that back", time.perf_counter() - start, "s")
        for _ in range(500):
            curation.undo()
    say("memory", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "MiB")


class Session:
    """The program in a pseudo-terminal that counts what it sends."""

    REPORT = re.compile(rb"\x1b\[6n")

    def __init__(self, folder: Path) -> None:
        self.n_bytes = 0
        self.text = b""
        self.child, self.terminal = pty.fork()
        if self.child == 0:
            os.environ.update(
                TERM="xterm-256color",
                TOMOTUI_GLYPHS="octant",
                XDG_STATE_HOME=tempfile.mkdtemp(),
                XDG_CONFIG_HOME=tempfile.mkdtemp(),
            )
            for name in ("TMUX", "NO_COLOR", "COLORTERM"):
                os.environ.pop(name, None)
            os.execvp(sys.executable, [sys.executable, "-m", "tomotui", str(folder)])
        size = struct.pack("HHHH", LINES, COLUMNS, 0, 0)
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, size)

    def wait(self, quiet_seconds: float = 0.4, longest_seconds: float = 30.0) -> float:
        """Read until nothing has come for a while, answering questions; returns when it ended."""
        last = time.monotonic()
        end = last + longest_seconds
        while time.monotonic() < end and time.monotonic() - last < quiet_seconds:
            if select.select([self.terminal], [], [], 0.05)[0]:
                data = os.read(self.terminal, 1 << 16)
                self.n_bytes += len(data)
                self.text = (self.text + data)[-(1 << 20) :]
                for _ in self.REPORT.findall(data):
                    os.write(self.terminal, b"\x1b[1;1R")
                last = time.monotonic()
        return last

    def until(self, words: bytes, longest_seconds: float = 60.0) -> None:
        """Read until words were sent."""
        end = time.monotonic() + longest_seconds
        while words not in self.text:
            assert time.monotonic() < end, f"{words!r} did not come"
            self.wait(0.05, 0.1)

    def press(self, keys: bytes) -> None:
        os.write(self.terminal, keys)

    def cpu_seconds(self) -> float:
        """Return the CPU time of the program so far."""
        fields = Path(f"/proc/{self.child}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_mib(self) -> float:
        """Return the program's memory."""
        lines = Path(f"/proc/{self.child}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024

    def kill(self) -> None:
        os.kill(self.child, signal.SIGKILL)
        os.waitpid(self.child, 0)


def n_decided(folder: Path) -> int:
    with Project.open(folder, read_only=True) as project:
        held = particle_set_named(project, "ribosome")
        return int((project.particle_table([held.uid]).decisions != "undecided").sum())


def on_screen(folder: Path, n_decisions: int = 40) -> None:
    """Measure the screens, then kill them in mid-review."""
    session = Session(folder)
    session.until(b"ts_003")
    session.wait(1.5)
    start = time.monotonic()
    session.press(b"3")
    session.until(b"open/")
    say("open the review on the screen", session.wait(1.5) - start, "s to stillness")
    say("memory of the screens", session.memory_mib(), "MiB")
    before_bytes, before_cpu = session.n_bytes, session.cpu_seconds()
    took = 0.0
    for number in range(n_decisions):
        start = time.monotonic()
        session.press(b"ax"[number % 2 : number % 2 + 1])
        took += session.wait(0.5) - start
    n_bytes = (session.n_bytes - before_bytes) / n_decisions
    say("bytes of a decision, with its picture", n_bytes, "bytes")
    say(
        "CPU of a decision, with its picture",
        1e3 * (session.cpu_seconds() - before_cpu) / n_decisions,
        "ms",
    )
    say("key to stillness", 1e3 * took / n_decisions, "ms")
    say("candidates a minute at 0.4 MB/s", 60 * SLOW_LINK_BYTES / n_bytes, "at most")
    assert n_decided(folder) == n_decisions
    before = session.n_bytes
    session.wait(3.0, 3.0)
    say("bytes while nothing is done for 3 s", session.n_bytes - before, "bytes")
    before = session.n_bytes
    session.press(b"g")
    session.wait(1.5)
    say("bytes of a gallery page", session.n_bytes - before, "bytes")
    before = session.n_bytes
    session.press(b"a")
    session.wait(0.5)
    say("bytes of a decision in the gallery", session.n_bytes - before, "bytes")
    session.press(b"g")
    session.wait(1.0)
    session.press(b"axaxaxaxax")
    deadline = time.monotonic() + 20
    while n_decided(folder) < n_decisions + 6 and time.monotonic() < deadline:
        session.wait(0.02, 0.02)
    committed = n_decided(folder)
    session.kill()
    with Project.open(folder) as project:
        problems = project.problems()
    assert n_decided(folder) >= committed
    say("decisions lost by kill -9 in mid-review", max(committed - n_decided(folder), 0), "")
    say("damage to the project file", len(problems), "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--candidates", type=int, default=100_000)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "many"
        make_project(folder, wanted.candidates)
        on_screen(folder)
        in_memory(folder)


if __name__ == "__main__":
    main()

"""What starting costs, and that a screen at rest sends nothing."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pyte

from tomotui.project import Project
from tomotui.tui import session

HEAVY = ("torch", "scipy", "pandas")


def test_the_screens_load_no_heavy_library() -> None:
    code = (
        "import sys, tomotui.tui.app, tomotui.tui.screens.launch, tomotui.tui.screens.palette, "
        "tomotui.tui.screens.import_stacks, tomotui.stages; tomotui.stages.all_stages(); "
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == "[]"


NOT_AT_FIRST = (
    # Arrays and pictures come with the first slice, forms with the first launch.
    "numpy",
    "PIL",
    "psutil",
    "tomotui.stages.align",
    "tomotui.tui.raster.palette",
    "tomotui.tui.screens.slices_mode",
    "tomotui.tui.screens.jobs",
    "tomotui.tui.screens.palette",
    # Only a project that is made or brought up to date needs its migrations.
    "sqlite_utils",
)


def test_the_first_screen_of_a_project_loads_nothing_of_the_others(folder: Path) -> None:
    code = f"""
import asyncio, sys
from pathlib import Path
from tomotui.tui.app import TomotuiApp
from tomotui.tui.widgets.table import Table

async def look():
    app = TomotuiApp(Path({str(folder)!r}), start_agents=False)
    async with app.run_test() as pilot:
        while not (app.screen.query(Table) and app.screen.query_one("#series", Table).rows):
            await pilot.pause(0.02)
        print([name for name in {HEAVY + NOT_AT_FIRST!r} if name in sys.modules])

asyncio.run(look())
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == "[]"


class Terminal:
    """The program on a terminal of its own; ``before`` is code that runs ahead of it."""

    def __init__(self, folder: Path, before: str = "") -> None:
        self.fd, child = pty.openpty()
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 32, 120, 0, 0))
        code = (
            f"{before}from pathlib import Path; from tomotui.tui.app import TomotuiApp; "
            f"app = TomotuiApp(Path({str(folder)!r}), start_agents=False); "
            "app.run(); raise SystemExit(app.return_code)"
        )
        environ = {**os.environ, "TERM": "xterm-256color", "TEXTUAL_ANIMATIONS": "none"}
        # A test runner's idea of the size would go before the terminal's own.
        for name in ("COLUMNS", "LINES"):
            environ.pop(name, None)
        self.process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=child,
            stdout=child,
            stderr=child,
            env=environ,
            start_new_session=True,
        )
        os.close(child)
        self.seen = b""
        self._undrawn = b""
        self._screen = pyte.Screen(120, 32)
        self._stream = pyte.ByteStream(self._screen)

    def read(self, seconds: float) -> bytes:
        """Return what comes within some time."""
        received, deadline = b"", time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            ready, _, _ = select.select([self.fd], [], [], left)
            if not ready:
                break
            with contextlib.suppress(OSError):
                received += os.read(self.fd, 65536)
        self.seen += received
        self._undrawn += received
        return received

    def shows(self, words: str) -> bool:
        """Tell whether words are on the screen; of those some may have been there before."""
        # Those that begin with a sign are questions, which pyte would take for text.
        self._stream.feed(re.sub(rb"\x1b\[[<>=?][0-9;]*[a-zA-Z]", b"", self._undrawn))
        self._undrawn = b""
        return any(words in line for line in self._screen.display)

    def read_until_shown(self, words: str, seconds: float = 60.0) -> None:
        deadline = time.monotonic() + seconds
        while not self.shows(words):
            assert time.monotonic() < deadline, f"{words!r} never came"
            self.read(0.2)

    def read_until(self, words: bytes, seconds: float = 60.0) -> None:
        deadline = time.monotonic() + seconds
        while words not in self.seen:
            assert time.monotonic() < deadline, f"{words!r} never came"
            self.read(0.2)

    def settle(self) -> None:
        """Read until nothing more comes for a while."""
        while self.read(0.8):
            pass

    def press(self, keys: str) -> None:
        self.seen = b""
        os.write(self.fd, keys.encode())

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.fd)


def test_a_screen_at_rest_writes_nothing_and_hanging_up_ends_it(folder: Path) -> None:
    terminal = Terminal(folder)
    try:
        terminal.read_until(b"ts_006")
        terminal.settle()
        assert terminal.read(2.0) == b""
        terminal.press("4")
        terminal.read_until_shown("reconstruct")
        terminal.settle()
        terminal.press("j")
        terminal.read_until_shown("0002-align")
        with Project.open(folder) as project:
            # Nothing runs any more, so that no age has to change.
            project.request_cancel(2)
            task = project.task(2, "ts_002")
            project.finish_task(task, task.status.CANCELLED)
        terminal.read_until_shown("2 cancelled")
        # The job has ended with it, which is told once.
        terminal.read_until(b"\a")
        terminal.settle()
        assert terminal.read(2.0) == b""
        terminal.process.send_signal(1)
        assert terminal.process.wait(timeout=30) == 129
        assert session.load_session(folder).mode == "jobs"
    finally:
        terminal.close()

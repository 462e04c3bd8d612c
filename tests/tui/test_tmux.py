"""The program in tmux, as on the login node: falling back, coming back, resizing, hanging up."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import shutil
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.tui.picks_project import make_project
from tomotui.tui import session

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")

PATIENCE_SECONDS = 60.0
STORM = [(60 + 35 * (n % 5), 16 + 11 * (n * 3 % 5)) for n in range(19)] + [(100, 30)]
"""From 60x16 to 200x60, and back to something between."""
OCTANTS = [chr(code) for code in range(0x1CD00, 0x1CDE6)]


class Tmux:
    """A server of its own with the program in its only pane."""

    def __init__(self, folder: Path, project: Path, **environment: str) -> None:
        self.socket = str(folder / "tmux")
        self.environment = {
            **{k: v for k, v in os.environ.items() if k not in ("TMUX", "COLUMNS", "LINES")},
            "TERM": "xterm-256color",
            "LC_ALL": "C.UTF-8",
            **environment,
        }
        code = (
            "from pathlib import Path; from tomotui.tui import app; "
            "app.TomotuiApp.ask_for_characters = lambda self: None; "
            f"app.run(Path({str(project)!r}), read_only=True)"
        )
        words = f'exec "{sys.executable}" -c "{code}"'
        size = ("-x", "120", "-y", "32")
        self("-f", "/dev/null", "new-session", "-d", "-s", "work", *size, words)
        self("set-option", "-g", "remain-on-exit", "on")
        self("set-option", "-g", "status", "off")

    def __call__(self, *words: str) -> str:
        command = ["tmux", "-S", self.socket, *words]
        done = subprocess.run(
            command, capture_output=True, text=True, env=self.environment, timeout=PATIENCE_SECONDS
        )
        assert done.returncode == 0, (words, done.stderr)
        return done.stdout

    def screen(self, *options: str) -> str:
        return self("capture-pane", "-p", *options)

    def press(self, *keys: str) -> None:
        self("send-keys", *keys)

    def wait(self, condition: Callable[[str], object]) -> str:
        """Wait until the screen is as wanted, and return it."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition(seen := self.screen()):
            assert time.monotonic() < deadline, seen
            time.sleep(0.05)
        return seen

    def pid(self) -> int:
        return int(self("display-message", "-p", "#{pane_pid}"))

    def keeps_octants(self) -> bool:
        """Ask this tmux whether it gives an octant the width of a character; many drop them."""
        self("new-window", "-d", "-n", "width", f"printf '{OCTANTS[0]}'; exec sleep 60")
        self.wait(
            lambda seen: (
                "sleep" in self("list-panes", "-t", "width", "-F", "#{pane_current_command}")
            )
        )
        return self("display-message", "-p", "-t", "width", "#{cursor_x}").strip() == "1"

    def is_dead(self) -> bool:
        return self("display-message", "-p", "#{pane_dead}").strip() == "1"


class Visitor:
    """Somebody who looks at the session from a terminal."""

    def __init__(self, tmux: Tmux) -> None:
        self.seen = b""
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 32, 120, 0, 0))
        self.process = subprocess.Popen(
            ["tmux", "-S", tmux.socket, "attach"],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=tmux.environment,
            start_new_session=True,
        )
        os.close(slave)
        self._reader = threading.Thread(target=self._read, daemon=True)

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            while more := os.read(self._master, 1 << 16):
                self.seen += more

    def __enter__(self) -> Visitor:
        self._reader.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join(PATIENCE_SECONDS)
        os.close(self._master)


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("tmux") / "cells"
    make_project(place)
    return place


@pytest.fixture
def tmux(tmp_path: Path, cells: Path) -> Iterator[Tmux]:
    server = Tmux(tmp_path, cells)
    try:
        yield server
    finally:
        server("kill-server")


def in_picture(seen: str) -> bool:
    """Return whether a slice is drawn to the end."""
    return all(words in seen for words in ("2 Slices", "256/", "z 13/24")) and " 0 kB" not in seen


def test_it_boots_falls_back_is_resized_and_comes_back(tmux: Tmux, cells: Path) -> None:
    seen = tmux.wait(lambda seen: "ts_2" in seen)
    assert "tilt series" in seen
    tmux.press("Enter")
    seen = tmux.wait(in_picture)
    keeps = tmux.keeps_octants()
    assert keeps or "/octant" not in seen
    assert ("/octant" in seen) == any(glyph in seen for glyph in OCTANTS)
    coloured = tmux.screen("-e")
    assert "\x1b[38;5;" in coloured or "48;5;" in coloured
    assert "38;2;" not in coloured, "TERM promises 256 colours"

    # Somebody comes with a terminal, leaves, and comes back to the same screen.
    before = tmux.screen()
    with Visitor(tmux) as visitor:
        tmux.wait(lambda seen: "ts_1" in visitor.seen.decode(errors="replace"))
        tmux("detach-client", "-s", "work")
        assert visitor.process.wait(timeout=PATIENCE_SECONDS) == 0
    tmux.wait(lambda seen: seen == before)

    for width, height in STORM:
        tmux("resize-window", "-x", str(width), "-y", str(height))
    width, height = STORM[-1]

    def is_whole(seen: str) -> bool:
        lines = seen.splitlines()
        return in_picture(seen) and len(lines) == height and "next slice" in lines[-1]

    lines = tmux.wait(is_whole).splitlines()
    assert lines[0].startswith(" tomotui")

    # The line is cut.
    tmux.press("j")
    tmux.wait(lambda seen: "z 14/24" in seen)
    os.kill(tmux.pid(), signal.SIGHUP)
    tmux.wait(lambda seen: tmux.is_dead())
    kept = session.load_session(cells)
    assert (kept.mode, kept.series) == ("slices", "ts_1")
    assert [place.index for place in kept.places.values()] == [13]
    assert "Traceback" not in tmux.screen("-S", "-")


@pytest.mark.slow
def test_a_still_is_handed_through_to_the_terminal(tmp_path: Path, cells: Path) -> None:
    server = Tmux(tmp_path, cells, TOMOTUI_STILL="kitty")
    try:
        server("set-option", "-g", "allow-passthrough", "on")
        with Visitor(server) as visitor:
            server.wait(lambda seen: "ts_2" in seen)
            server.press("Enter")
            server.wait(in_picture)
            server.press("H")
            server.wait(lambda seen: "any key goes back" in seen and "kitty" in seen)
            server.wait(lambda seen: b"m=0;" in visitor.seen)
            assert b"\x1b_Ga=T,U=1,f=100" in visitor.seen
            # The characters that stand for the picture are kept in the pane.
            assert server.wait(lambda seen: "\U0010eeee" in seen).count("\U0010eeee") > 1000
            assert "\U0010eeee".encode() in visitor.seen
            server.press("q")
            server.wait(lambda seen: in_picture(seen) and "\U0010eeee" not in seen)
            server.wait(lambda seen: b"\x1b_Ga=d,d=I" in visitor.seen)
    finally:
        server("kill-server")

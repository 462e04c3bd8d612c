"""A terminal without a screen: counts what a program sends, over a link as slow as wanted."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Sequence
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
EAGER_WINDOW = 2_000_000
"""Bytes that an SSH connection takes in before it slows the program down."""
QUESTION, ANSWER = b"\x1b[6n", b"\x1b[1;1R"
_OCTANTS = ("\U0001cd00", "\U0001cde5")


class Terminal:
    """A pseudo terminal of 200 x 60 that counts bytes and answers cursor reports.

    Parameters
    ----------
    words
        What Python is started with: ``-c`` and a program, or ``-m`` and a module.
    rate
        Bytes a second of the link; as fast as they come when not given.
    state
        Where the program keeps preferences and sessions; otherwise those of the user.
    """

    def __init__(
        self, words: Sequence[str], rate: float | None = None, state: Path | None = None
    ) -> None:
        self.rate = rate
        self.received, self.window, self.tail = bytearray(), bytearray(), b""
        self.questions = 0
        self.passed_at = time.monotonic()
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 60, 200, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, *words],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=_environment(state),
            start_new_session=True,
        )
        os.close(slave)

    def press(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def run(self, seconds: float, until: Callable[[], bool] | None = None) -> int:
        """Read for some time, or until something is true; return the bytes that came through.

        What is read first lies in the window of the connection; it comes through at the rate of
        the link, and only then does the terminal answer what it was asked.
        """
        begin = len(self.received)
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and not (until and until()):
            room = len(self.window) < EAGER_WINDOW
            wait = min(left, 0.005 if self.window or self.rate else 0.05)
            if room and select.select([self.master], [], [], wait)[0]:
                try:
                    self.window += os.read(self.master, 65536)
                except OSError:
                    break
            elif not room:
                time.sleep(wait)
            self._pass()
        return len(self.received) - begin

    def run_until(self, words: str, seconds: float = 60.0) -> None:
        """Read until words have come since the last key."""
        begin, wanted = len(self.received), words.encode()
        self.run(seconds, until=lambda: wanted in self.received[begin:])
        if wanted not in self.received[begin:]:
            raise SystemExit(f"{words!r} was never drawn")

    def _pass(self) -> None:
        """Let through what the link has carried by now."""
        now = time.monotonic()
        if self.rate is None:
            n = len(self.window)
        else:
            n = int((now - self.passed_at) * self.rate)
            if n == 0 and self.window:
                return
        self.passed_at = now
        chunk, self.window = self.window[:n], self.window[n:]
        self.received += chunk
        asked = (self.tail + chunk).count(QUESTION)
        self.tail = bytes(chunk[-3:]) if chunk else self.tail
        if asked:
            self.questions += asked
            os.write(self.master, ANSWER * asked)

    def settle(self, quiet: float = 0.6, longest: float = 20.0) -> float:
        """Read until nothing came for a while; return the seconds until the last byte."""
        begin = last = time.monotonic()
        while time.monotonic() - last < quiet and time.monotonic() - begin < longest:
            if self.run(0.05):
                last = time.monotonic()
        return last - begin

    def paints(self) -> float:
        """Return how many times the image was sent, in whole pictures of octants."""
        text = self.received.decode("utf-8", "ignore")
        low, high = _OCTANTS
        return sum(low <= character <= high for character in text) / (60 * 200)

    def cpu_seconds(self) -> float:
        """Return the CPU time that the program and its threads have used."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def close(self) -> None:
        """End the program that was started here."""
        self.process.kill()
        self.process.wait()
        os.close(self.master)


def _environment(state: Path | None) -> dict[str, str]:
    environment = dict(os.environ, TERM="xterm-256color", COLUMNS="200", LINES="60")
    environment |= {"TEXTUAL_ANIMATIONS": "none", "PYTHONPATH": str(REPOSITORY)}
    environment |= {"TOMOTUI_GLYPHS": "octant", "TOMOTUI_COLOURS": "256"}
    if state is not None:
        environment |= {"XDG_STATE_HOME": str(state), "XDG_CONFIG_HOME": str(state)}
    for name in ("NO_COLOR", "TMUX", "COLORTERM"):
        environment.pop(name, None)
    return environment

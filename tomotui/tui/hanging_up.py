"""Leaving when the terminal is gone, however it went.

A lost connection mostly says so by SIGHUP, but not always: a multiplexer that was killed, or
another process that still holds the other side, leave a terminal that swallows everything and
answers nothing. And while writing waits for a terminal that reads no more, the event loop hears
no signal.
"""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import sys
import termios
import threading
from collections.abc import Callable
from types import FrameType
from typing import IO, Any

PATIENCE_SECONDS = 3.0
"""For the orderly way out; a terminal that is gone may keep it from ending."""


def is_gone(descriptor: int | None = None) -> bool:
    """Tell whether the terminal of this process was hung up; no terminal is none that is gone."""
    try:
        termios.tcgetattr(sys.__stdin__.fileno() if descriptor is None else descriptor)  # type: ignore[union-attr]
    except termios.error as error:
        return bool(error.args[0] != errno.ENOTTY)
    except (OSError, ValueError):
        return True
    return False


def leave_for_certain(number: int, patience_seconds: float = PATIENCE_SECONDS) -> None:
    """End this process after a while, also when its event loop is held up."""
    last = threading.Timer(patience_seconds, os._exit, (128 + number,))
    last.daemon = True
    last.start()


def on_hangup(leave: Callable[[int], None]) -> None:
    """Leave on SIGHUP and SIGTERM, also while the event loop waits for the terminal."""
    loop = asyncio.get_running_loop()

    def heard(number: int, _: FrameType | None) -> None:
        leave_for_certain(number)
        loop.call_soon_threadsafe(leave, number)

    for number in (signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, heard)


class Outlet:
    """What is written to a terminal; once that is gone, nothing is, and nobody waits.

    Parameters
    ----------
    file
        The terminal.
    gone
        Is told once, by the thread that writes.
    """

    def __init__(self, file: IO[str], gone: Callable[[], None]) -> None:
        self._file, self._gone, self._is_gone = file, gone, False

    def write(self, text: str) -> int:
        """Write text, or drop it."""
        self._try(self._file.write, text)
        return len(text)

    def flush(self) -> None:
        """Flush what was written."""
        self._try(self._file.flush)

    def _try(self, write: Callable[..., Any], *text: str) -> None:
        if self._is_gone:
            return
        try:
            write(*text)
        except OSError:
            self._is_gone = True
            self._gone()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

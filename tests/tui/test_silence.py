"""Every screen and dialog comes to rest and then sends nothing; a dialog costs little to open."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.tui.sights import AT_THE_LISTS, AT_THE_PICTURES, Sight
from tests.tui.test_start import Terminal
from tests.tui.whole_project import make_whole

pytestmark = pytest.mark.slow
SILENCE_SECONDS = 2.0
PATIENCE_SECONDS = 20.0
MOST_BYTES = 40_000
"""Of opening a dialog."""
KEYS = {
    "escape": "\x1b",
    "enter": "\r",
    "tab": "\t",
    "space": " ",
    "f4": "\x1bOS",
    "ctrl+o": "\x0f",
    "ctrl+p": "\x10",
    "ctrl+x": "\x18",
}
QUICK_CHECKS = (
    "import tomotui.doctor; from tomotui.checks import Check; "
    "tomotui.doctor.collect = lambda: [Check('python', 'ok', '3.12')]; "
)
"""The checks of a machine take seconds and are not what is looked at here."""


class AnsweringTerminal(Terminal):
    """A terminal that says where its cursor is, as pictures ask after each frame."""

    def read(self, seconds: float) -> bytes:
        received = super().read(seconds)
        for _ in range(received.count(b"\x1b[6n")):
            os.write(self.fd, b"\x1b[1;2R")
        return received

    def press_all(self, keys: Sequence[str]) -> None:
        """Press keys one after another; what is seen is kept from the last one on."""
        for key in keys:
            self.seen = b""
            os.write(self.fd, KEYS.get(key, key).encode())
            # An escape that another key follows at once would be an alt key.
            self.read(0.3 if key in ("escape", "enter") else 0.02)

    def comes_to_rest(self) -> bool:
        """Wait for silence; tell whether there was any."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self._hears_something():
            if time.monotonic() > deadline:
                return False
        return True

    def _hears_something(self) -> bool:
        deadline = time.monotonic() + SILENCE_SECONDS
        while (left := deadline - time.monotonic()) > 0:
            if self.read(left):
                return True
        return False


def faults_of(folder: Path, walk: Sequence[Sight]) -> list[str]:
    """Go through sights on a terminal; return what is not as it should be."""
    faults = []
    terminal = AnsweringTerminal(folder, QUICK_CHECKS)
    try:
        terminal.read_until(b"ts_3")
        for sight in walk:
            terminal.press_all(sight.keys)
            if not terminal.comes_to_rest():
                faults.append(f"{sight.name} never rests: {terminal.seen[-200:]!r}")
            if sight.is_dialog and sight.keys and len(terminal.seen) > MOST_BYTES:
                faults.append(f"{sight.name} takes {len(terminal.seen)} bytes to open")
            if terminal.process.poll() is not None:
                return [*faults, f"it has ended at {sight.name}: {terminal.seen[-2000:]!r}"]
            terminal.press_all(sight.leaves)
            while terminal.read(0.4):
                pass
    finally:
        terminal.close()
    return faults


def test_every_screen_and_dialog_comes_to_rest(tmp_path: Path) -> None:
    # Nothing is at work in it, so that no age has to change.
    first = make_whole(tmp_path / "first", at_work=False)
    half = next(at for at, sight in enumerate(AT_THE_LISTS) if sight.name == "tour")
    walks = (AT_THE_LISTS[:half], AT_THE_LISTS[half:], AT_THE_PICTURES)
    places = [shutil.copytree(first, tmp_path / f"copy-{number}") for number in range(len(walks))]
    with ThreadPoolExecutor(len(walks)) as pool:
        found = list(pool.map(faults_of, places, walks))
    assert not any(found), "\n".join(fault for faults in found for fault in faults)

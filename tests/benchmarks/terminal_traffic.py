"""What goes over the line: silence, dialogs, keys held and keys pressed.

python tests/benchmarks/terminal_traffic.py
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path
from time import perf_counter

from pseudo_terminal import Terminal
from report import figure
from terminal_projects import make_whole

APP = """
import numpy as np
from textual.app import App
from tomotui.tui.raster.capability import Capability
from tomotui.tui.raster.volume import ArraySource
from tomotui.tui.widgets.pacing import FrameAcknowledgements
from tomotui.tui.widgets.slice_view import SliceView

class Minimal(FrameAcknowledgements, App):
    CSS = "SliceView { width: 1fr; height: 1fr; }"
    BINDINGS = [("j", "next", "")]

    def compose(self):
        rng = np.random.default_rng(1)
        noise = rng.normal(0, 25, (160, 400, 660)).astype(np.int8)
        view = SliceView(ArraySource(noise), Capability(glyphs="octant"))
        view.move_slice(-1000)
        yield view

    def action_next(self):
        self.query_one(SliceView).move_slice(1)

Minimal().run()
"""
RATES = (12e6, 1.5e6, 0.4e6)
MODES = ("datasets", "slices", "picks", "jobs", "cluster", "maps", "live", "variation")
DIALOGS = {"help": "?", "palette": "\x10", "command_line": ":", "jump": "\x0f"}
N_PRESSES = 15
HELD_KEYS, KEYS_A_SECOND = 90, 30


def one_picture(rate: float | None = None) -> Terminal:
    """Return a terminal that shows a picture of 200 x 60 and is at rest."""
    terminal = Terminal(["-c", APP], rate)
    terminal.run(30, until=lambda: terminal.paints() > 0.3)
    terminal.settle(quiet=1.5)
    return terminal


def measure_start() -> None:
    """Report how often the picture is painted until it rests."""
    terminal = one_picture()
    # Some patterns share characters with other blocks: a picture counts a little below one.
    figure("start: times the image is painted", round(terminal.paints() + 0.1), "", "<= 2")
    terminal.close()


def settled_after(terminal: Terminal, keys: str) -> float:
    """Press keys as fast as one that is held; return the seconds until the picture rests then."""
    for key in keys:
        terminal.press(key)
        terminal.run(1 / KEYS_A_SECOND)
    return terminal.settle()


def measure_hold() -> None:
    """Report how soon the picture rests after a key was held for 3 s at 30 Hz."""
    for rate in RATES:
        terminal = one_picture(rate)
        before = len(terminal.received)
        settled = settled_after(terminal, "j" * HELD_KEYS)
        sent_mb = (len(terminal.received) - before) / 1e6
        terminal.close()
        name, target = f"key held, {rate / 1e6:g} MB/s", "<= 1" if rate == min(RATES) else "-"
        figure(f"{name}: settled after", settled, "s", target)
        figure(f"{name}: sent", sent_mb, "MB")


def measure_program(folder: Path) -> None:
    """Report the same of the whole program, in a tomogram so thin that keys go to and fro."""
    to_and_fro = "".join("jk"[number // 10 % 2] for number in range(HELD_KEYS))
    terminal = Terminal(["-m", "tomotui", str(folder / "project")], state=folder)
    terminal.run_until("ts_001")
    terminal.press(":slices\r")
    terminal.settle(quiet=2.5)
    for name, rate, target in (("12 MB/s", 12e6, "-"), ("0.4 MB/s", 0.4e6, "<= 1")):
        terminal.rate = rate
        asked = terminal.questions
        settled = settled_after(terminal, to_and_fro)
        figure(f"program, key held, {name}: settled after", settled, "s", target)
        figure(f"program, key held, {name}: pictures", terminal.questions - asked, "")
    terminal.close()


def measure_key() -> None:
    """Report the time from a key to the whole picture of the next slice, at 12 MB/s."""
    terminal = one_picture(12e6)
    seconds = []
    for _ in range(N_PRESSES):
        asked, begin = terminal.questions, perf_counter()
        terminal.press("j")
        terminal.run(5, until=lambda asked=asked: terminal.questions > asked)
        seconds.append(perf_counter() - begin)
        terminal.settle(quiet=0.4)
    terminal.close()
    figure("key to frame, 12 MB/s (median)", 1000 * statistics.median(seconds), "ms", "<= 150")
    figure("key to frame, 12 MB/s (worst)", 1000 * max(seconds), "ms")


def measure_screens(folder: Path) -> None:
    """Report what each screen of a project sends at rest, and what a dialog over it costs."""
    terminal = Terminal(["-m", "tomotui", str(folder / "project")], state=folder)
    terminal.run_until("ts_001")
    terminal.settle(quiet=1.5)
    for name in MODES:
        begin = len(terminal.received)
        # Not by its number: where candidates are judged numbers are classes.
        terminal.press(f":{name}\r")
        terminal.settle(quiet=2.5)
        figure(f"{name}: opened", (len(terminal.received) - begin) / 1000, "kB")
        figure(f"{name}: idle for 4 s", terminal.run(4.0), "B", "= 0")
    terminal.press(":slices\r")
    terminal.settle(quiet=1.5)
    for name, key in DIALOGS.items():
        for verb, pressed, target in (("opened", key, "<= 40"), ("closed", "\x1b", "-")):
            begin = len(terminal.received)
            terminal.press(pressed)
            terminal.settle(quiet=1.2)
            figure(
                f"{name} over a slice: {verb}",
                (len(terminal.received) - begin) / 1000,
                "kB",
                target,
            )
    terminal.close()


def main() -> None:
    measure_start()
    measure_key()
    measure_hold()
    with tempfile.TemporaryDirectory() as name:
        make_whole(Path(name) / "project")
        measure_program(Path(name))
        measure_screens(Path(name))


if __name__ == "__main__":
    main()

"""Pictures through tmux to the terminal that it is shown by, in sequences that it hands on unread.

tmux knows nothing of such a picture, so that this is done on request only, and only where its
option ``allow-passthrough`` is on. kitty draws a picture wherever characters stand that stand for
its parts: those are text to tmux, which keeps them in their place and takes them away. Other
protocols draw where the terminal's own cursor is, so that the place of the pane has to be known,
and tmux has to draw everything anew afterwards.
"""

from __future__ import annotations

import subprocess
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import NamedTuple

from tomotui.tui.raster.still_support import Protocol, TmuxSays
from tomotui.tui.raster.stills import KITTY_IMAGE, Grey, encoded, kitty_commands
from tomotui.tui.terminal import passed_on

Ask = Callable[[Sequence[str]], str]
"""Gets what tmux answers to the words of a command; empty when it does not."""

PLACEHOLDER = "\U0010eeee"
"""Stands for a part of a picture of kitty's."""
SIXEL_BAND_CELLS = 4
"""Rows of cells that are sent at a time: tmux drops sequences of more than a megabyte."""
MOST_PIXELS = 600_000
"""Of a file that has to be sent in one sequence."""
PATIENCE_SECONDS = 2.0
_PLACE = "#{pane_top} #{pane_left} #{status} #{status-position}"


class PanePlace(NamedTuple):
    """Where the upper left cell of a pane is in the terminal, counted from 0."""

    row: int
    column: int


def ask_tmux(words: Sequence[str]) -> str:
    """Return what the tmux about this process answers to a command."""
    try:
        done = subprocess.run(
            ["tmux", *words], capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


def passes_on(ask: Ask = ask_tmux) -> bool:
    """Return whether tmux hands sequences of this pane on."""
    # What the pane says for itself counts more than what holds for all.
    said = ask(("show-options", "-pqv", "allow-passthrough"))
    said = said or ask(("show-options", "-wqv", "allow-passthrough"))
    return (said or ask(("show-options", "-gqv", "allow-passthrough"))) in ("on", "all")


def what_tmux_says(ask: Ask = ask_tmux) -> TmuxSays:
    """Return what the tmux about us does with pictures."""
    features = ask(("display-message", "-p", "#{client_termfeatures}"))
    return TmuxSays(passes_on(ask), "sixel" in features.split(","))


def pane_place(ask: Ask = ask_tmux) -> PanePlace | None:
    """Return where our pane is; ``None`` when tmux does not say."""
    parts = ask(("display-message", "-p", _PLACE)).split()
    if len(parts) < 3 or not (parts[0].isdecimal() and parts[1].isdecimal()):
        return None
    at_top = parts[3:] == ["top"]
    # The option is the number of lines from two on.
    lines = {"off": 0, "on": 1}.get(parts[2], int(parts[2]) if parts[2].isdecimal() else 0)
    return PanePlace(int(parts[0]) + (lines if at_top else 0), int(parts[1]))


def draw_again(ask: Ask = ask_tmux) -> None:
    """Let tmux draw the terminal anew: it does not know what lies over its characters."""
    ask(("refresh-client",))


def through_tmux(
    protocol: Protocol,
    picture: Grey,
    cells: tuple[int, int],
    at: tuple[int, int],
    pane: PanePlace,
) -> str:
    """Return what shows a picture over a number of cells of a pane.

    Parameters
    ----------
    picture
        8-bit greys, ``[rows, columns]``.
    cells
        Height and width that it fills.
    at
        Row and column of its upper left cell in the pane, counted from 0.
    pane
        Where the pane is.
    """
    if protocol == "kitty":
        return _kitty(picture, cells, at)
    top, left = at[0] + pane.row, at[1] + pane.column
    bands = [(0, picture)]
    if protocol == "sixel":
        bands = list(_bands(picture, cells[0]))
    return "".join(
        passed_on(f"\x1b7{_to(top + row, left)}{encoded(protocol, band, cells)}\x1b8", "tmux")
        for row, band in bands
    )


def taken_away(protocol: Protocol) -> str:
    """Return what lets the terminal forget a picture that was sent through tmux."""
    if protocol != "kitty":
        return ""
    return passed_on(f"\x1b_Ga=d,d=I,i={KITTY_IMAGE % 256},q=2\x1b\\", "tmux")


def _to(row: int, column: int) -> str:
    return f"\x1b[{row + 1};{column + 1}H"


def _bands(picture: Grey, rows: int) -> Iterator[tuple[int, Grey]]:
    """Cut a picture at rows of cells; with the row at which each part begins."""
    per_row = picture.shape[0] / rows
    for row in range(0, rows, SIXEL_BAND_CELLS):
        end = min(row + SIXEL_BAND_CELLS, rows)
        yield row, picture[round(row * per_row) : round(end * per_row)]


def _kitty(picture: Grey, cells: tuple[int, int], at: tuple[int, int]) -> str:
    """Send a picture that is not placed yet, then the characters that stand for it."""
    # The number is a colour that any depth can tell.
    number = KITTY_IMAGE % 256
    rows, columns = min(cells[0], len(row_marks())), cells[1]
    first = f"a=T,U=1,f=100,i={number},c={columns},r={rows},q=2,"
    sent = [passed_on(each, "tmux") for each in kitty_commands(picture, first)]
    lines = [
        f"{_to(at[0] + row, at[1])}{PLACEHOLDER}{row_marks()[row]}{PLACEHOLDER * (columns - 1)}"
        for row in range(rows)
    ]
    return "".join((*sent, "\x1b7", f"\x1b[38;5;{number}m", *lines, "\x1b[39m\x1b8"))


@cache
def row_marks() -> tuple[str, ...]:
    """Return the marks above a character that stand for the rows of a picture, in their order.

    The protocol names those of the combining class of marks above that no letter is composed
    with. The columns follow from the neighbour on the left.
    """
    every = [chr(code) for code in range(0x300, 0x1100)]
    composing = {mark for letter in map(chr, range(0x80, 0x2FFF)) for mark in _marks_of(letter)}
    return tuple(
        each
        for each in every[: 0x082E - 0x300]
        if unicodedata.combining(each) == 230
        and each not in composing
        and not unicodedata.decomposition(each)
    )


def _marks_of(letter: str) -> str:
    return unicodedata.normalize("NFD", letter)[1:]

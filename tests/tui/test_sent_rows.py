"""Only cells that differ from what the terminal shows go over the line."""

from __future__ import annotations

import random

import numpy as np
import pyte
import pytest
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.geometry import Region, Size
from textual.strip import Strip

from tomotui.tui.raster.emit import to_frame
from tomotui.tui.raster.glyphs import GLYPHS
from tomotui.tui.raster.pack import pack
from tomotui.tui.raster.palette import make_palette
from tomotui.tui.raster.strip import strips_of
from tomotui.tui.sent_rows import SentRows

WIDTH, HEIGHT = 24, 3
CONSOLE = Console(width=WIDTH, color_system="truecolor", force_terminal=True)
WORDS = ("a", "bc", "def", "漢字", "x漢", "─", "█▌", "   ")
STYLES = (None, Style(color="red"), Style(bgcolor="blue", bold=True), Style(reverse=True))


def whole(*rows: list[Strip]) -> LayoutUpdate:
    return LayoutUpdate(list(rows), Region(0, 0, WIDTH, len(rows)))


def words(text: str, style: Style | None = None) -> Strip:
    return Strip([Segment(text.ljust(WIDTH), style)])


def picture(seed: int = 1) -> list[Strip]:
    """Return the rows of a picture, whose text is ready made."""
    glyphs = GLYPHS["octant"]
    grid = np.random.default_rng(seed).integers(0, 256, (4 * HEIGHT, 2 * WIDTH)).astype(np.uint8)
    return strips_of(to_frame(pack(grid, glyphs, True), glyphs, make_palette("256")))[0]


def any_row(chance: random.Random) -> list[Strip]:
    """Return a row in pieces: of a picture, or of words some of which take two cells each."""
    if chance.random() < 0.3:
        strip = picture(chance.randrange(3))[0]
    else:
        segments = [Segment(chance.choice(WORDS), chance.choice(STYLES)) for _ in range(WIDTH)]
        strip = Strip(segments).crop(0, WIDTH)
    cuts = sorted({*chance.sample(range(1, WIDTH), chance.randrange(3)), WIDTH})
    return list(strip.divide(cuts))


class Shown:
    """What a terminal shows that gets some text."""

    def __init__(self) -> None:
        self._screen = pyte.Screen(WIDTH, HEIGHT)
        self._stream = pyte.Stream(self._screen)

    def feed(self, text: str) -> None:
        self._stream.feed(text)

    def cells(self) -> list[tuple[object, ...]]:
        places = [(y, x) for y in range(HEIGHT) for x in range(WIDTH)]
        found = (self._screen.buffer[y][x] for y, x in places)
        return [(one.data, one.fg, one.bg, one.bold, one.reverse) for one in found]


@pytest.mark.parametrize("seed", range(4))
def test_the_terminal_shows_the_same_as_if_all_had_been_sent(seed: int) -> None:
    chance = random.Random(seed)
    sent, part, full = SentRows(), Shown(), Shown()
    rows = [any_row(chance) for _ in range(HEIGHT)]
    for _ in range(60):
        for y in chance.sample(range(HEIGHT), chance.randrange(HEIGHT + 1)):
            rows[y] = any_row(chance)
        part.feed(sent.unsent(whole(*rows), CONSOLE))
        full.feed(
            "".join(
                f"\x1b[{y + 1}H" + "".join(s.render(CONSOLE) for s in row)
                for y, row in enumerate(rows)
            )
        )
        assert part.cells() == full.cells()


def test_what_is_shown_already_is_not_sent_again() -> None:
    sent = SentRows()
    rows = [[strip] for strip in picture()]
    assert sent.unsent(whole(*rows), CONSOLE)
    assert sent.unsent(whole(*[[strip] for strip in picture()]), CONSOLE) == ""
    # A letter upon a picture, as in the jump mode, and taken away again.
    left, _, right = rows[1][0].divide([5, 8, WIDTH])
    covered = [rows[0], [left, Strip([Segment(" a ")]), right], rows[2]]
    assert sent.unsent(whole(*covered), CONSOLE) == "\x1b[2;6H a "
    back = sent.unsent(whole(*rows), CONSOLE)
    assert back.startswith("\x1b[2;6H")
    assert len(back) < len(rows[1][0].render(CONSOLE)) / 2


def test_of_a_row_of_words_those_are_sent_that_are_others() -> None:
    sent = SentRows()
    sent.unsent(whole([words("ts_001  running  12 %")]), CONSOLE)
    cells = [{0: words("ts_001  running  13 %")}]
    update = ChopsUpdate(cells, [(0, 0, WIDTH)], [[WIDTH]])
    assert sent.unsent(update, CONSOLE) == "\x1b[1;19H3"
    # What a style means to the program is not seen.
    meant = Style(meta={"offset": (1, 2)})
    same = whole([words("ts_001  running  13 %", meant)])
    assert sent.unsent(same, CONSOLE) == ""
    # Another look is another cell, also where nothing is written in it.
    assert sent.unsent(whole([words("ts_001  running  13 %", STYLES[2])]), CONSOLE)


def test_nothing_is_taken_for_shown_once_others_have_written() -> None:
    sent = SentRows()
    rows = [[strip] for strip in picture()]
    sent.fit(Size(WIDTH, HEIGHT))
    everything = sent.unsent(whole(*rows), CONSOLE)
    sent.forget()
    assert sent.unsent(whole(*rows), CONSOLE) == everything
    sent.fit(Size(WIDTH, HEIGHT))
    assert sent.unsent(whole(*rows), CONSOLE) == ""
    sent.fit(Size(WIDTH, HEIGHT + 1))
    assert sent.unsent(whole(*rows), CONSOLE) == everything

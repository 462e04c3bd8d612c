"""What the terminal shows already is not sent again.

Textual repaints by regions: all of the screen when a dialog opens or closes, most often twice, the
row of a picture from its left edge for a letter upon it, a whole row of a list for one figure in
it. The rows are drawn for that, but of those only the cells go over the line that are others than
those which the terminal got last.

Private names of Textual are used here.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from rich.cells import cell_len
from rich.color import ColorSystem
from rich.console import Console, RenderableType
from rich.style import Style
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.geometry import Size
from textual.strip import Strip

from tomotui.tui.raster.ready import ReadyStrip, safe_render

if TYPE_CHECKING:
    from textual.app import App
    from textual.screen import Screen

    Base = App[Any]
else:
    Base = object

GAP_CELLS = 8
"""So many equal cells between others are sent along: a jump of the cursor takes as much."""


class Cell(NamedTuple):
    """What is seen in one cell: characters, how they look, and which of their cells it is."""

    text: str
    look: str
    at: int


class Piece(NamedTuple):
    """Columns of a row, and the strip seen there, with the column where that begins."""

    begin: int
    end: int
    origin: int
    strip: Strip


class SentRows:
    """The rows that a terminal shows."""

    def __init__(self) -> None:
        self._rows: dict[int, list[Piece]] = {}
        self._size = Size(0, 0)

    def fit(self, size: Size) -> None:
        """Take the size of the screen; terminals do what they like with rows when it changes."""
        if size != self._size:
            self._size = size
            self.forget()

    def forget(self) -> None:
        """Take nothing for granted: something else has written to the terminal."""
        self._rows.clear()

    def unsent(self, update: LayoutUpdate | ChopsUpdate, console: Console) -> str:
        """Return what has to be written for an update, and take it for written."""
        pieces = _of_screen(update) if isinstance(update, LayoutUpdate) else _of_spans(update)
        return "".join(self._unsent(y, x, strip, console) for y, x, strip in pieces)

    def _unsent(self, y: int, x: int, strip: Strip, console: Console) -> str:
        row = self._rows.setdefault(y, [])
        piece = Piece(x, x + strip.cell_length, x, strip)
        under = [old for old in row if old.begin < piece.end and old.end > piece.begin]
        text = strip.render(console)
        same_place = len(under) == 1 and under[0][:3] == piece[:3]
        if same_place and (old := under[0].strip).cell_length == strip.cell_length:
            if old is strip or old.render(console) == text:
                return ""
            if isinstance(old, ReadyStrip) and isinstance(strip, ReadyStrip):
                # Another picture: nearly every cell of it is another.
                under = []
        old_cells = _cells_under(piece, under) if under else []
        self._rows[y] = [part for old in row for part in _beside(old, piece)] + [piece]
        if not old_cells:
            return f"{_to(x, y)}{text}"
        return _changed(piece, y, old_cells, console)


def _of_screen(update: LayoutUpdate) -> Iterator[tuple[int, int, Strip]]:
    """Return row, column and strip of all that a whole screen is made of."""
    for y, strips in enumerate(update.strips, update.region.y):
        x = update.region.x
        for strip in strips:
            yield y, x, strip
            x += strip.cell_length


def _of_spans(update: ChopsUpdate) -> Iterator[tuple[int, int, Strip]]:
    """Return row, column and strip of what lies in the spans of an update."""
    for y, begin, end in update.spans:
        for strip_end, (x, strip) in zip(
            update.chop_ends[y], update.chops[y].items(), strict=False
        ):
            if strip is not None and x < end and strip_end > begin:
                yield y, x, strip.crop(0, min(strip_end, end) - x)


def _to(x: int, y: int) -> str:
    return f"\x1b[{y + 1};{x + 1}H"


def _beside(old: Piece, new: Piece) -> Iterator[Piece]:
    """Return what is still seen of a piece when another one was drawn over it."""
    if old.begin < new.begin:
        yield old._replace(end=min(old.end, new.begin))
    if old.end > new.end:
        yield old._replace(begin=max(old.begin, new.end))


def _cells_under(piece: Piece, under: list[Piece]) -> list[Cell | None]:
    """Return the cells that are seen where a piece goes; ``None`` where nobody knows."""
    found: list[Cell | None] = [None] * (piece.end - piece.begin)
    for old in under:
        cells = _cells(old.strip)
        begin, end = max(old.begin, piece.begin), min(old.end, piece.end)
        known = cells[begin - old.origin : end - old.origin]
        found[begin - piece.begin : begin - piece.begin + len(known)] = known
    return found


def _changed(piece: Piece, y: int, old: list[Cell | None], console: Console) -> str:
    """Return what turns the cells that are seen into those of a piece."""
    strip, new = piece.strip, _cells(piece.strip)
    if len(new) != len(old):
        return f"{_to(piece.begin, y)}{strip.render(console)}"
    runs = _runs(old, new)
    if isinstance(strip, ReadyStrip) and 2 * sum(end - begin for begin, end in runs) > len(new):
        # Its ready text is shorter than the same cells one by one.
        runs = [(0, len(new))]
    return "".join(
        f"{_to(piece.begin + begin, y)}{strip.crop(begin, end).render(console)}"
        for begin, end in runs
    )


def _runs(old: list[Cell | None], new: list[Cell]) -> list[tuple[int, int]]:
    """Return where cells differ, as half-open ranges that cut no character into two."""
    runs: list[tuple[int, int]] = []
    for i, (before, now) in enumerate(zip(old, new, strict=True)):
        if before == now:
            continue
        begin = i - now.at
        end = begin + max(cell_len(now.text), 1)
        if runs and begin - runs[-1][1] <= GAP_CELLS:
            runs[-1] = runs[-1][0], max(end, runs[-1][1])
        else:
            runs.append((begin, end))
    return runs


def _cells(strip: Strip) -> list[Cell]:
    """Return the cells of a strip; characters of other widths than one stay together."""
    found: list[Cell] = []
    for text, style, _ in strip:
        look = _look(style) if style is not None else ""
        if text.isascii() or all(cell_len(character) == 1 for character in text):
            found += [Cell(character, look, 0) for character in text]
        else:
            found += [Cell(text, look, at) for at in range(cell_len(text))]
    return found


@lru_cache(maxsize=4096)
def _look(style: Style) -> str:
    """Return what a style makes the terminal do, without what it means to the program."""
    return style.render(" ", color_system=ColorSystem.TRUECOLOR)


class SendsChanges(Base):
    """Mixin for the app: sends of each update what the terminal does not show yet."""

    def __init__(self, *words: Any, **settings: Any) -> None:
        self._sent = SentRows()
        self._sends_all = safe_render()
        super().__init__(*words, **settings)

    def forget_sent(self) -> None:
        """Send the next update whole: something else has written to the terminal."""
        self._sent.forget()

    def on_resize(self) -> None:
        """Rely on nothing; the size may be the old one again by the time of the next update."""
        self.forget_sent()

    def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        if self._writes() and isinstance(renderable, LayoutUpdate | ChopsUpdate):
            self._sent.fit(screen._compositor.size)
            text = self._sent.unsent(renderable, self.console)
            place = self.screen.outer_size.clamp_offset(self.cursor_position)
            if not text and place == self._previous_cursor_position:
                renderable = None
            else:
                renderable = cast(RenderableType, _Ready(text))
        super()._display(screen, renderable)

    def _writes(self) -> bool:
        """Tell whether an update that is displayed now goes to a terminal."""
        is_open = self._running and not self._closed and self._driver is not None
        return is_open and not (self._sends_all or self._batch_count or self.is_headless)


class _Ready(CompositorUpdate):
    """An update whose text is there."""

    def __init__(self, text: str) -> None:
        self.text = text

    def render_segments(self, console: Console) -> str:
        """Return the text."""
        return self.text

"""Rows of a picture as Textual strips that carry their terminal text ready made.

Textual turns a strip into text segment by segment; a picture has thousands of one-cell segments,
and that would take most of a frame's time. ``RasterStrip`` brings the text along and makes its
segments only when somebody asks for them: a dialog over the picture, an export, a crop. This
module is the only one that touches private names of Textual; its tests say what is relied on.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from tomotui.tui.raster.emit import Frame, emit
from tomotui.tui.raster.palette import Palette
from tomotui.tui.raster.ready import ReadyStrip, safe_render
from tomotui.tui.raster.turning import turned

if TYPE_CHECKING:
    from collections.abc import Iterable


class RasterStrip(ReadyStrip):
    """One row of a frame, with its text ready for the terminal."""

    __slots__ = ("_built", "_frame", "_row")

    def __init__(self, frame: Frame, row: int, text: str) -> None:
        width = frame.shape[1]
        self._built: list[Segment] | None = None
        self._frame = frame
        self._row = row
        super().__init__((), width)
        self._render_cache = text
        self._cell_count = width
        self._link_ids = set()

    @property
    def _segments(self) -> list[Segment]:
        if self._built is None:
            self._built = segments_of(self._frame, self._row)
        return self._built

    @_segments.setter
    def _segments(self, segments: Iterable[Segment]) -> None:
        # The base class sets an empty list when it is made; the real ones come on demand.
        self._built = list(segments) or None

    def __bool__(self) -> bool:
        return self.cell_length > 0


def segments_of(frame: Frame, row: int) -> list[Segment]:
    """Return a row of a frame as Rich segments."""
    palette = frame.palette
    return [
        Segment(run.text, rich_style(palette, run.foreground, run.background))
        for run in frame.runs(row)
    ]


def rich_style(palette: Palette, foreground: int, background: int) -> Style:
    """Return the Rich style of two palette entries."""
    if palette.is_mono:
        return Style.null()
    return _style(_key(palette, foreground), _key(palette, background))


def _key(palette: Palette, entry: int) -> tuple[int, int, int, int]:
    return (palette.numbers[entry], *palette.rgb[entry])


@lru_cache(maxsize=8192)
def _style(foreground: tuple[int, int, int, int], background: tuple[int, int, int, int]) -> Style:
    return Style(color=_colour(foreground), bgcolor=_colour(background))


def _colour(key: tuple[int, int, int, int]) -> Color:
    number, red, green, blue = key
    return Color.from_rgb(red, green, blue) if number < 0 else Color.from_ansi(number)


def strips_of(frame: Frame) -> tuple[list[Strip], int]:
    """Return the strips of a frame and the bytes they take on the line."""
    frame = turned(frame)
    rows = emit(frame)
    n_bytes = sum(len(row.encode()) for row in rows)
    if safe_render():
        width = frame.shape[1]
        return [Strip(segments_of(frame, row), width) for row in range(len(rows))], n_bytes
    return [RasterStrip(frame, row, text) for row, text in enumerate(rows)], n_bytes

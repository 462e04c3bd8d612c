"""From cells to rows of text with SGR sequences: only what changed since the last cell is sent."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tomotui.tui.raster.glyphs import GlyphSet
from tomotui.tui.raster.pack import Cells
from tomotui.tui.raster.palette import Palette

RESET = "\x1b[0m"


class Run(NamedTuple):
    """Neighbouring cells of one colour pair."""

    text: str
    foreground: int
    background: int


@dataclass
class Frame:
    """A picture of characters with palette entries, still open to overlays.

    Attributes
    ----------
    characters
        One character a cell, object array of shape ``[height, width]``.
    foreground, background
        Palette entries, shape ``[height, width]``.
    """

    characters: NDArray[np.object_]
    foreground: NDArray[np.intp]
    background: NDArray[np.intp]
    palette: Palette

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in cells."""
        return self.characters.shape[0], self.characters.shape[1]

    def write(
        self, row: int, column: int, text: str, role: str = "text", ground: str | None = "shade"
    ) -> None:
        """Write text over the picture; what falls outside is cut.

        ``ground=None`` keeps the picture's mean tone of each cell as the background.
        """
        height, width = self.shape
        if not 0 <= row < height:
            return
        for offset, character in enumerate(text):
            at = column + offset
            if not 0 <= at < width:
                continue
            self.characters[row, at] = character
            self.foreground[row, at] = self.palette.role(role)
            if ground is not None:
                self.background[row, at] = self.palette.role(ground)

    def runs(self, row: int) -> list[Run]:
        """Return a row as runs of cells of equal colours."""
        characters = self.characters[row].tolist()
        foreground, background = self.foreground[row], self.background[row]
        changed = (np.diff(foreground) != 0) | (np.diff(background) != 0)
        bounds = [0, *(np.flatnonzero(changed) + 1).tolist(), len(characters)]
        return [
            Run("".join(characters[a:b]), int(foreground[a]), int(background[a]))
            for a, b in pairwise(bounds)
            if b > a
        ]


def to_frame(
    cells: Cells,
    glyphs: GlyphSet,
    palette: Palette,
    inside: NDArray[np.bool_] | None = None,
    merge_tolerance: int = 0,
) -> Frame:
    """Choose characters and palette entries of cells.

    Parameters
    ----------
    inside
        Which cells lie on the image, shape ``[height, width]``; the others are left empty.
    merge_tolerance
        Repeat the colours of the cell before when both differ by no more than so many entries:
        fewer bytes for slow links.
    """
    codes = cells.codes
    if cells.foreground is None or cells.background is None or palette.is_mono:
        plain = palette.role("text")
        foreground = np.full(codes.shape, plain, np.intp)
        background = np.full(codes.shape, palette.role("outside"), np.intp)
    else:
        foreground = palette.quantise[cells.foreground]
        background = palette.quantise[cells.background]
        if merge_tolerance:
            _merge(foreground, background, merge_tolerance)
        # One tone needs no pattern: a space compresses and merges best.
        codes = np.where(foreground == background, np.uint8(0), codes)
    characters = glyphs.table[codes]
    if inside is not None and not inside.all():
        characters = np.where(inside, characters, " ")
        outside = palette.role("outside")
        foreground = np.where(inside, foreground, outside)
        background = np.where(inside, background, outside)
    return Frame(characters, foreground, background, palette)


def _merge(foreground: NDArray[np.intp], background: NDArray[np.intp], tolerance: int) -> None:
    """Let near-equal colours of neighbours become equal, from left to right, in place."""
    for column in range(1, foreground.shape[1]):
        before_fg, before_bg = foreground[:, column - 1], background[:, column - 1]
        fg, bg = foreground[:, column], background[:, column]
        near = (abs(fg - before_fg) <= tolerance) & (abs(bg - before_bg) <= tolerance)
        foreground[near, column] = before_fg[near]
        background[near, column] = before_bg[near]


class _Tables(NamedTuple):
    """Escape sequences by palette entry: both colours in two halves, or one of them alone."""

    first_of_both: NDArray[np.object_]
    second_of_both: NDArray[np.object_]
    foreground: NDArray[np.object_]
    background: NDArray[np.object_]


@lru_cache(maxsize=32)
def _tables(foreground: tuple[str, ...], background: tuple[str, ...]) -> _Tables:
    def table(form: str, values: tuple[str, ...]) -> NDArray[np.object_]:
        # One entry more, at the end and so at index -1: nothing to send.
        return np.array([*(form.format(v) if v else "" for v in values), ""], dtype=object)

    return _Tables(
        table("\x1b[{};", foreground),
        table("{}m", background),
        table("\x1b[{}m", foreground),
        table("\x1b[{}m", background),
    )


def emit(frame: Frame) -> list[str]:
    """Return one string a row: characters with the SGR sequences that change their colours.

    Every row starts from the terminal's default colours and returns to them, so that rows can be
    sent alone and in any order.
    """
    height, width = frame.shape
    if not width:
        return [""] * height
    if frame.palette.is_mono:
        return ["".join(row) for row in frame.characters.tolist()]
    fg, bg = frame.foreground, frame.background
    new_fg, new_bg = np.ones(fg.shape, bool), np.ones(bg.shape, bool)
    new_fg[:, 1:] = fg[:, 1:] != fg[:, :-1]
    new_bg[:, 1:] = bg[:, 1:] != bg[:, :-1]
    # A space shows no foreground: its colour can wait for the next character that needs it.
    blank = frame.characters == " "
    if blank.any():
        new_fg = _deferred(fg, blank)
    tables = _tables(frame.palette.foreground, frame.palette.background)
    both = new_fg & new_bg
    parts = np.empty((height, width, 3), dtype=object)
    parts[..., 0] = tables.first_of_both[np.where(both, fg, -1)]
    parts[..., 1] = tables.second_of_both[np.where(both, bg, -1)]
    only_fg, only_bg = new_fg & ~new_bg, new_bg & ~new_fg
    parts[..., 0][only_fg] = tables.foreground[fg[only_fg]]
    parts[..., 1][only_bg] = tables.background[bg[only_bg]]
    parts[..., 2] = frame.characters
    return ["".join(row) + RESET for row in parts.reshape(height, -1).tolist()]


def _deferred(fg: NDArray[np.intp], blank: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return where a foreground must be sent when blanks leave it as it was."""
    columns = np.arange(fg.shape[1])
    last_shown = np.maximum.accumulate(np.where(blank, -1, columns), axis=1)
    before = np.empty_like(last_shown)
    before[:, 0] = -1
    before[:, 1:] = last_shown[:, :-1]
    previous = np.take_along_axis(fg, np.maximum(before, 0), axis=1)
    changed: NDArray[np.bool_] = ~blank & ((before < 0) | (fg != previous))
    return changed


def byte_count(rows: list[str]) -> int:
    """Return the bytes that rows take on the line."""
    return sum(len(row.encode()) for row in rows)

"""One call from an image to a frame of cells, with what is drawn over it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomotui.tui.raster.ascii_twins import in_ascii
from tomotui.tui.raster.emit import Frame, to_frame
from tomotui.tui.raster.glyphs import GLYPHS, GlyphSet
from tomotui.tui.raster.lines import dot_cells, polyline
from tomotui.tui.raster.pack import Cells, pack
from tomotui.tui.raster.palette import Palette
from tomotui.tui.raster.resample import Grid, Image, covered, resample, sample_affine
from tomotui.tui.raster.window import Window


@dataclass(frozen=True)
class Turn:
    """How an image is turned and shifted before it is shown.

    Attributes
    ----------
    matrix
        Rotation on (x, y) from the shown frame to the image, row by row.
    offset
        Where the shown frame's centre lies in the image, (x, y) pixels from pixel ``n // 2``.
    """

    matrix: tuple[tuple[float, float], tuple[float, float]]
    offset: tuple[float, float]


@dataclass(frozen=True)
class Mark:
    """Something pointed at in a picture.

    Attributes
    ----------
    row, column
        Position on the image in voxels; voxel i has its middle at ``i``.
    radius
        Half the side of its bracket in voxels.
    role
        Colour role, such as ``accepted``.
    label
        Short text beside the bracket.
    strong
        Heavy corners with arms, to be seen over any picture.
    """

    row: float
    column: float
    radius: float
    role: str = "accent"
    label: str = ""
    strong: bool = False


@dataclass(frozen=True, eq=False)
class Trail:
    """A thin line over a picture, or characters at points.

    Attributes
    ----------
    rows, columns
        Corners on the image in voxels, shape ``[n]``; a line breaks where one is not finite.
    role
        Colour role.
    mark
        Drawn at every point instead of a line.
    """

    rows: NDArray[np.float64]
    columns: NDArray[np.float64]
    role: str = "accent"
    mark: str = ""


@dataclass(frozen=True, eq=False)
class Stain:
    """What colours the cells of a picture: a segmentation, or scores above a threshold.

    Attributes
    ----------
    values
        On the sub-pixels of the picture; what is no number colours nothing.
    threshold
        Cells whose mean is above it are coloured.
    role
        Colour role.
    """

    values: Image
    threshold: float
    role: str = "accent"


def sample(image: Image, grid: Grid, turn: Turn | None) -> tuple[Image, NDArray[np.bool_] | None]:
    """Return an image's values on a grid, and where the image is when it is turned."""
    if turn is None:
        return resample(image, grid), None
    return sample_affine(image, grid, np.array(turn.matrix), turn.offset)


def compose(
    values: Image,
    inside: NDArray[np.bool_],
    window: Window,
    glyphs: GlyphSet,
    palette: Palette,
    merge_tolerance: int = 0,
) -> Frame:
    """Return the frame of resampled values.

    Parameters
    ----------
    values
        Shape ``[height * glyphs.rows, width * glyphs.columns]``.
    inside
        Cells that lie on the image, shape ``[height, width]``.
    """
    cells: Cells = pack(window.apply(values), glyphs, two_tone=not palette.is_mono)
    return to_frame(cells, glyphs, palette, inside, merge_tolerance)


def inside_cells(
    grid: Grid, shape: tuple[int, int], glyphs: GlyphSet, on_image: NDArray[np.bool_] | None
) -> NDArray[np.bool_]:
    """Return which cells show the image."""
    if on_image is None:
        return covered(grid, shape, glyphs.rows, glyphs.columns)
    height, width = grid.rows // glyphs.rows, grid.columns // glyphs.columns
    split = on_image.reshape(height, glyphs.rows, width, glyphs.columns)
    result: NDArray[np.bool_] = split.mean(axis=(1, 3)) >= 0.5
    return result


def nice_length(longest: float) -> float:
    """Return the largest of 1, 2 and 5 times a power of ten that is not longer."""
    if not longest > 0:
        return 0.0
    power = 10.0 ** math.floor(math.log10(longest))
    return max(step * power for step in (1, 2, 5) if step * power <= longest * (1 + 1e-9))


def scale_bar(frame: Frame, nm_per_cell: float, ascii_only: bool = False) -> None:
    """Draw a bar of a round length in nm in the lower right corner."""
    height, width = frame.shape
    length_nm = nice_length(nm_per_cell * width / 5)
    cells = round(length_nm / nm_per_cell) if nm_per_cell > 0 else 0
    if cells < 2 or height < 2:
        return
    left, line, right = ("|", "-", "|") if ascii_only else ("├", "─", "┤")
    text = f" {length_nm:g} nm {left}{line * (cells - 2)}{right} "
    if len(text) <= width:
        frame.write(height - 1, width - len(text), text)


def caption(frame: Frame, text: str) -> None:
    """Write a caption in the lower left corner."""
    if text and len(text) + 2 <= frame.shape[1] // 2:
        frame.write(frame.shape[0] - 1, 0, f" {text} ")


def draw_marks(
    frame: Frame, grid: Grid, glyphs: GlyphSet, marks: Sequence[Mark], ascii_only: bool = False
) -> None:
    """Draw corner brackets round marks; the middle stays free, for it is what one looks at."""
    corners = "++++" if ascii_only else "⌜⌝⌞⌟"
    for mark in marks:
        y = (mark.row + 0.5 - grid.top) / (grid.row_step * glyphs.rows)
        x = (mark.column + 0.5 - grid.left) / (grid.column_step * glyphs.columns)
        reach_y = max(mark.radius / (grid.row_step * glyphs.rows), 1.0)
        reach_x = max(mark.radius / (grid.column_step * glyphs.columns), 1.0)
        top, bottom = math.floor(y - reach_y), math.floor(y + reach_y)
        left, right = math.floor(x - reach_x), math.floor(x + reach_x)
        places = ((top, left), (top, right), (bottom, left), (bottom, right))
        chosen = corners if ascii_only or not mark.strong else _STRONG_CORNERS
        for (row, column), corner in zip(places, chosen, strict=True):
            frame.write(row, column, corner, mark.role, ground=None)
        if mark.strong and right - left >= _ROOM_FOR_ARMS:
            arm = "-" if ascii_only else "━"
            for row in (top, bottom):
                frame.write(row, left + 1, arm, mark.role, ground=None)
                frame.write(row, right - 1, arm, mark.role, ground=None)
        if mark.label:
            label = in_ascii(mark.label) if ascii_only else mark.label
            frame.write(top, right + 1, label, mark.role)


def draw_trails(
    frame: Frame, grid: Grid, glyphs: GlyphSet, trails: Sequence[Trail], ascii_only: bool = False
) -> None:
    """Draw thin lines with dots of braille; the picture stays as the ground of their cells."""
    dots = GLYPHS["braille"]
    for trail in trails:
        down = (trail.rows + 0.5 - grid.top) / (grid.row_step * glyphs.rows)
        across = (trail.columns + 0.5 - grid.left) / (grid.column_step * glyphs.columns)
        if trail.mark:
            for y, x in zip(down.tolist(), across.tolist(), strict=True):
                if math.isfinite(y) and math.isfinite(x):
                    mark = _marked(trail.mark, ascii_only)
                    frame.write(math.floor(y), math.floor(x), mark, trail.role, ground=None)
            continue
        x_dots, y_dots = polyline(across * dots.columns - 0.5, down * dots.rows - 0.5)
        rows, columns, bits = dot_cells(x_dots, y_dots, frame.shape)
        patterns = np.zeros(frame.shape, np.uint8)
        np.bitwise_or.at(patterns, (rows, columns), bits)
        touched = patterns > 0
        frame.characters[touched] = "." if ascii_only else dots.table[patterns[touched]]
        frame.foreground[touched] = frame.palette.role(trail.role)


def draw_stains(
    frame: Frame, glyphs: GlyphSet, stains: Sequence[Stain], ascii_only: bool = False
) -> None:
    """Colour cells: their lighter tone takes the role's colour, the pattern of the picture stays.

    Cells without a pattern get a light one, so that the colour is seen there, too.
    """
    height, width = frame.shape
    for stain in stains:
        split = stain.values.reshape(height, glyphs.rows, width, glyphs.columns)
        means = np.where(np.isfinite(split), split, -np.inf).mean(axis=(1, 3))
        chosen = means > stain.threshold
        frame.characters[chosen & (frame.characters == " ")] = ":" if ascii_only else "░"
        frame.foreground[chosen] = frame.palette.role(stain.role)


_STRONG_CORNERS = "┏┓┗┛"
_ROOM_FOR_ARMS = 4
"""Cells across a bracket from which its corners have arms."""
_ASCII_MARKS = {"●": "o", "○": ".", "◆": "#", "✗": "x", "━": "-", "┃": "|"}


def _marked(mark: str, ascii_only: bool) -> str:
    """Return a sign, or words, at a point."""
    return _ASCII_MARKS.get(mark, in_ascii(mark)) if ascii_only else mark

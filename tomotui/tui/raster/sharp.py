"""A slice as greys of the screen's own pixels, for terminals that show pictures."""

from __future__ import annotations

import numpy as np

from tomotui.tui.raster.picture import nice_length, sample
from tomotui.tui.raster.resample import Grid, Image, covered
from tomotui.tui.raster.stills import Grey
from tomotui.tui.raster.view import SliceViewState
from tomotui.tui.raster.volume import SliceSource
from tomotui.tui.raster.window import Window, auto_window

_BAR_SHARE, _BAR_MARGIN, _BAR_HEIGHT = 0.2, 0.02, 0.008
"""Of the width: the longest bar, its distance from the corner, its height."""


def sharp_picture(
    source: SliceSource,
    view: SliceViewState,
    image: Image,
    window: Window,
    cells: tuple[int, int],
    pixels: tuple[int, int],
    scale: tuple[float, float],
) -> tuple[Grey, str]:
    """Return the part of a slice that a view shows with a scale bar, and how long that is.

    An automatic contrast is made anew: finer pixels are noisier, and would all be black or white.

    Parameters
    ----------
    image
        The slice that ``view`` names, already filtered.
    window
        The contrast of the picture in characters.
    cells, pixels
        Height and width of the picture.
    scale
        Voxels across the width of a cell, and the height of a cell over its width.
    """
    per_cell, aspect = scale
    rows, columns = pixels
    row_step = cells[0] * per_cell * aspect / rows
    column_step = cells[1] * per_cell / columns
    row, column = view.middle(source.shape)
    grid = Grid(
        rows,
        columns,
        row - rows * row_step / 2,
        column - columns * column_step / 2,
        row_step,
        column_step,
    )
    values, on_image = sample(image, grid, source.turn(view.index) if view.aligned else None)
    inside = covered(grid, view.slice_shape(source.shape), 1, 1) if on_image is None else on_image
    if view.window is None:
        found = auto_window(values[inside])
        window = Window(found.low, found.high, view.inverted) if found is not None else window
    grey = np.where(inside, window.apply(values), np.uint8(0)).astype(np.uint8)
    if not source.has_scale:
        return grey, ""
    return grey, _bar(grey, column_step * source.pixel_size_angstrom / 10)


def _bar(grey: Grey, nm_per_pixel: float) -> str:
    """Draw a bar of a round length into the lower right corner: white with a black rim."""
    height, width = grey.shape
    length_nm = nice_length(nm_per_pixel * width * _BAR_SHARE)
    length = round(length_nm / nm_per_pixel)
    thick, margin = max(round(_BAR_HEIGHT * width), 2), max(round(_BAR_MARGIN * width), 3)
    top, left = height - margin - thick, width - margin - length
    if length < 2 or top < 1 or left < 1:
        return ""
    grey[top - 1 : top + thick + 1, left - 1 : left + length + 1] = 0
    grey[top : top + thick, left : left + length] = 255
    return f"bar {length_nm:g} nm"

"""From voxels to sub-pixels: area averages when shrinking, linear interpolation when magnifying."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomotui.tui.raster.glyphs import GlyphSet

Image = NDArray[np.float32]

ZOOM_LADDER = (16.0, 12.0, 8.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0, 1 / 2, 1 / 3, 1 / 4, 1 / 6, 1 / 8)
"""Voxels per sub-pixel of the zoom steps: whole ratios keep voxels evenly sized."""


@dataclass(frozen=True)
class Grid:
    """Where the sub-pixels of a picture lie on an image.

    Attributes
    ----------
    rows, columns
        Number of sub-pixels.
    top, left
        Corner of the first sub-pixel in voxels; voxel i covers ``i .. i + 1``.
    row_step, column_step
        Voxels per sub-pixel.
    """

    rows: int
    columns: int
    top: float
    left: float
    row_step: float
    column_step: float


def cell_grid(
    glyphs: GlyphSet,
    cells: tuple[int, int],
    centre: tuple[float, float],
    voxels_per_cell: float,
    cell_aspect: float = 2.0,
) -> Grid:
    """Return the sub-pixel grid of a picture.

    Parameters
    ----------
    glyphs
        Sets how a cell is divided.
    cells
        Height and width in cells.
    centre
        Row and column of the image, in voxels, at the middle of the picture.
    voxels_per_cell
        Voxels across the width of a cell.
    cell_aspect
        Height of a cell over its width.
    """
    height, width = cells
    row_step = voxels_per_cell * cell_aspect / glyphs.rows
    column_step = voxels_per_cell / glyphs.columns
    rows, columns = height * glyphs.rows, width * glyphs.columns
    top = centre[0] - rows * row_step / 2
    left = centre[1] - columns * column_step / 2
    # Whole ratios only stay exact averages when the sub-pixels begin at a voxel's edge.
    if row_step >= 1 and row_step == round(row_step):
        top = float(round(top))
    if column_step >= 1 and column_step == round(column_step):
        left = float(round(left))
    return Grid(rows, columns, top, left, row_step, column_step)


def fit_voxels_per_cell(
    shape: tuple[int, int], cells: tuple[int, int], cell_aspect: float = 2.0
) -> float:
    """Return the voxels per cell width at which the whole image is just seen."""
    height, width = max(cells[0], 1), max(cells[1], 1)
    return max(shape[0] / (height * cell_aspect), shape[1] / width, 1e-3)


def resample(image: Image, grid: Grid) -> Image:
    """Sample an image on a sub-pixel grid.

    Each axis is averaged over the sub-pixel's extent where a sub-pixel spans a voxel or more, and
    interpolated linearly where it is smaller. Beyond the image the edge is repeated; ``covered``
    tells those sub-pixels apart.

    Parameters
    ----------
    image
        Grey values, shape ``[y, x]``.

    Returns
    -------
    Values of shape ``[grid.rows, grid.columns]``.
    """
    if image.ndim != 2 or 0 in image.shape:
        raise ValueError(f"an image has two axes that are not empty, not shape {image.shape}")
    # Only the visible part is worth touching; one voxel more for the interpolation.
    first, last = _visible(grid.left, grid.column_step, grid.columns, image.shape[1])
    part = np.asarray(image[:, first:last], dtype=np.float32)
    by_rows = _along_first_axis(part, grid.top, grid.row_step, grid.rows)
    turned = np.ascontiguousarray(by_rows.T)
    columns = _along_first_axis(turned, grid.left - first, grid.column_step, grid.columns)
    return np.ascontiguousarray(columns.T)


def _visible(start: float, step: float, n: int, size: int) -> tuple[int, int]:
    first = min(max(math.floor(start) - 1, 0), size - 1)
    last = max(min(math.ceil(start + n * step) + 1, size), first + 1)
    return first, last


def _along_first_axis(values: Image, start: float, step: float, n: int) -> Image:
    if step >= 1.0:
        return _box(values, start, step, n)
    return _linear(values, start + (np.arange(n, dtype=np.float64) + 0.5) * step - 0.5)


def _linear(values: Image, at: NDArray[np.float64]) -> Image:
    """Interpolate along the first axis at positions where voxel i's centre is ``i``."""
    clipped = np.clip(at, 0, len(values) - 1)
    below = np.minimum(clipped.astype(np.intp), max(len(values) - 2, 0))
    above = np.minimum(below + 1, len(values) - 1)
    fraction = (clipped - below).astype(np.float32)[:, None]
    low = values[below]
    between: Image = low + (values[above] - low) * fraction
    return between


def _box(values: Image, start: float, step: float, n: int) -> Image:
    """Average along the first axis over consecutive extents of ``step`` voxels, ``step >= 1``."""
    size = len(values)
    whole = round(step)
    if step == whole and start == round(start):
        first = round(start)
        if first >= 0 and first + n * whole <= size:
            block = values[first : first + n * whole]
            mean: Image = block.reshape(n, whole, -1).mean(axis=1, dtype=np.float32)
            return mean
    edges = np.clip(start + np.arange(n + 1) * step, 0.0, float(size))
    lower, upper = edges[:-1], edges[1:]
    # Extents beyond the image repeat its edge.
    outside = upper - lower < 1e-9
    lower = np.where(outside, np.clip(lower, 0, size - 1), lower)
    upper = np.where(outside, lower + 1, upper)
    first_voxel = np.floor(lower).astype(np.intp)
    last_voxel = np.minimum(np.ceil(upper).astype(np.intp), size) - 1
    total = _sums(values, first_voxel, last_voxel)
    cut_low = (lower - first_voxel).astype(np.float32)[:, None]
    cut_high = (last_voxel + 1 - upper).astype(np.float32)[:, None]
    total -= values[first_voxel] * cut_low
    total -= values[last_voxel] * cut_high
    total /= (upper - lower).astype(np.float32)[:, None]
    return total


def _sums(values: Image, first: NDArray[np.intp], last: NDArray[np.intp]) -> Image:
    """Return sums over ``first .. last`` inclusive along the first axis."""
    longest = int((last - first).max()) + 1
    if longest <= 8:
        total = values[first].astype(np.float32)
        for step in range(1, longest):
            inside = (first + step <= last).astype(np.float32)[:, None]
            total += values[np.minimum(first + step, last)] * inside
        return total
    bounds = np.stack([first, last + 1], axis=1).ravel()
    padded = np.concatenate([values, np.zeros((1, values.shape[1]), np.float32)])
    return np.add.reduceat(padded, bounds, axis=0)[::2]


def covered(grid: Grid, shape: tuple[int, int], rows: int, columns: int) -> NDArray[np.bool_]:
    """Return which cells have their middle on the image.

    Parameters
    ----------
    rows, columns
        Sub-pixels of a cell.

    Returns
    -------
    Boolean array of shape ``[grid.rows // rows, grid.columns // columns]``.
    """
    y = grid.top + (np.arange(grid.rows // rows) + 0.5) * rows * grid.row_step
    x = grid.left + (np.arange(grid.columns // columns) + 0.5) * columns * grid.column_step
    on_y = (y >= 0) & (y < shape[0])
    on_x = (x >= 0) & (x < shape[1])
    return on_y[:, None] & on_x[None, :]


def sample_affine(
    image: Image,
    grid: Grid,
    matrix: NDArray[np.float64],
    offset: tuple[float, float],
) -> tuple[Image, NDArray[np.bool_]]:
    """Sample a turned and shifted image on a sub-pixel grid.

    The grid lies in a frame of the image's own size; a point at (x, y) from that frame's pixel
    ``n // 2`` is looked up at ``matrix (x, y) + offset`` from the image's pixel ``n // 2``. For an
    aligned tilt image the matrix is the rotation by the tilt axis and the offset its shift, as in
    the projection equation of ``tomotui.geometry.tilt``.

    Parameters
    ----------
    matrix
        Rotation on (x, y), shape ``[2, 2]``.
    offset
        Shift (x, y) in pixels.

    Returns
    -------
    Values of shape ``[grid.rows, grid.columns]`` and whether each lies on the image.
    """
    # Averaging whole blocks first keeps fine noise from aliasing into the coarse picture.
    block = max(1, math.floor(min(grid.row_step, grid.column_step)))
    height, width = image.shape
    small = _blocks(image, block)
    y = grid.top + (np.arange(grid.rows) + 0.5) * grid.row_step - 0.5 - height // 2
    x = grid.left + (np.arange(grid.columns) + 0.5) * grid.column_step - 0.5 - width // 2
    m = np.asarray(matrix, dtype=np.float32)
    y, x = y.astype(np.float32)[:, None], x.astype(np.float32)[None, :]
    at_x = m[0, 0] * x + m[0, 1] * y + np.float32(offset[0] + width // 2)
    at_y = m[1, 0] * x + m[1, 1] * y + np.float32(offset[1] + height // 2)
    inside = (at_x >= -0.5) & (at_x < width - 0.5) & (at_y >= -0.5) & (at_y < height - 0.5)
    if block > 1:
        at_x = (at_x + np.float32(0.5)) / np.float32(block) - np.float32(0.5)
        at_y = (at_y + np.float32(0.5)) / np.float32(block) - np.float32(0.5)
    return _bilinear(small, at_y, at_x), inside


def _blocks(image: Image, block: int) -> Image:
    """Return means over whole blocks of ``block x block`` pixels."""
    if block == 1:
        return np.asarray(image, dtype=np.float32)
    rows, columns = max(image.shape[0] // block, 1), max(image.shape[1] // block, 1)
    grid = Grid(rows, columns, 0.0, 0.0, float(block), float(block))
    return resample(image, grid)


def _bilinear(image: Image, y: Image, x: Image) -> Image:
    height, width = image.shape
    y, x = np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)
    row = np.minimum(y.astype(np.intp), max(height - 2, 0))
    column = np.minimum(x.astype(np.intp), max(width - 2, 0))
    down, right = min(1, height - 1) * width, min(1, width - 1)
    fy, fx = y - row.astype(np.float32), x - column.astype(np.float32)
    flat = np.ascontiguousarray(image).ravel()
    at = row * width + column
    top = flat[at] * (1 - fx) + flat[at + right] * fx
    bottom = flat[at + down] * (1 - fx) + flat[at + down + right] * fx
    result: Image = top + (bottom - top) * fy
    return result

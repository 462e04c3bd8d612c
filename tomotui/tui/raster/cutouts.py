"""Small boxes cut out of volumes about particles, and how they are drawn as tiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from tomotui.tui.raster.artist import SliceArtist
from tomotui.tui.raster.emit import Frame
from tomotui.tui.raster.filters import filtered
from tomotui.tui.raster.picture import compose
from tomotui.tui.raster.resample import cell_grid, resample
from tomotui.tui.raster.tiers import GlyphName
from tomotui.tui.raster.volume import AXES, Axis
from tomotui.tui.raster.window import Window, auto_window

Image = NDArray[np.float32]
Voxel = tuple[float, float, float]
"""A place in a volume along (z, y, x); voxel i has its middle at ``i``."""


@runtime_checkable
class Boxes(Protocol):
    """A volume that boxes can be cut out of."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along z, y and x."""

    @property
    def pixel_size_angstrom(self) -> float:
        """Edge of a voxel."""

    def box(self, first: tuple[int, int, int], end: tuple[int, int, int]) -> Image:
        """Return the voxels from a corner to before another, all inside the volume."""


@dataclass(frozen=True)
class Cut:
    """How a box is cut.

    Attributes
    ----------
    side_voxels
        Edge of the box in the planes that are shown.
    slab_voxels
        How many slices are averaged across a plane.
    filter_name
        Name of a filter preset.
    """

    side_voxels: int
    slab_voxels: int
    filter_name: str = "none"

    @classmethod
    def about(
        cls, diameter_angstrom: float, pixel_size_angstrom: float, filter_name: str = "none"
    ) -> Cut:
        """Return the cut that shows a particle with what is next to it."""
        diameter = diameter_angstrom / pixel_size_angstrom
        side = max(round(1.5 * diameter), 8)
        return cls(side + side % 2, max(round(diameter / 4), 1), filter_name)


def plane(source: Boxes, voxel: Voxel, axis: Axis, cut: Cut) -> Image:
    """Return the mean of the slices about a particle across an axis, ``[side, side]``.

    Outside of the volume the mean of what is inside stands in.

    Raises
    ------
    SliceError
        When the file cannot be read any more.
    """
    sizes = [cut.slab_voxels if one == axis else cut.side_voxels for one in AXES]
    first = [round(at) - size // 2 for at, size in zip(voxel, sizes, strict=True)]
    inside = [
        (min(max(start, 0), n), min(max(start + size, 0), n))
        for start, size, n in zip(first, sizes, source.shape, strict=True)
    ]
    number = AXES.index(axis)
    if any(start >= end for start, end in inside):
        return np.zeros((cut.side_voxels, cut.side_voxels), dtype=np.float32)
    (z0, z1), (y0, y1), (x0, x1) = inside
    image = source.box((z0, y0, x0), (z1, y1, x1)).mean(axis=number)
    whole = np.full((cut.side_voxels, cut.side_voxels), image.mean(), dtype=np.float32)
    row, column = (i for i in range(3) if i != number)
    top, left = inside[row][0] - first[row], inside[column][0] - first[column]
    whole[top : top + image.shape[0], left : left + image.shape[1]] = image
    return filtered(whole, source.pixel_size_angstrom, cut.filter_name)


def window_of(images: Sequence[Image], inverted: bool = False) -> Window:
    """Return one contrast for several images."""
    values = np.concatenate([image.ravel() for image in images]) if images else np.zeros(1)
    found = auto_window(values.astype(np.float32))
    if found is None:
        level = float(values.mean())
        found = Window(level - 1.0, level + 1.0)
    return Window(found.low, found.high, inverted)


def draw_tile(
    artist: SliceArtist, image: Image, cells: tuple[int, int], window: Window, glyphs: GlyphName
) -> Frame:
    """Draw an image so that its shorter side fills a tile.

    Parameters
    ----------
    cells
        Height and width of the tile.
    """
    chosen, palette = artist.glyph_set(glyphs), artist.palette()
    height, width = cells
    aspect = artist.capability.cell_aspect
    per_cell = min(image.shape[0] / (height * aspect), image.shape[1] / width)
    middle = (image.shape[0] / 2, image.shape[1] / 2)
    grid = cell_grid(chosen, cells, middle, per_cell, aspect)
    inside = np.ones(cells, dtype=bool)
    return compose(resample(image, grid), inside, window, chosen, palette)


def blank_frame(artist: SliceArtist, cells: tuple[int, int]) -> Frame:
    """Return an empty picture to put tiles and words into."""
    palette = artist.palette()
    outside = palette.role("outside")
    return Frame(
        np.full(cells, " ", dtype=object),
        np.full(cells, outside, dtype=np.intp),
        np.full(cells, outside, dtype=np.intp),
        palette,
    )


def paste(frame: Frame, tile: Frame, row: int, column: int) -> None:
    """Put a tile into a picture; what falls outside is cut."""
    height, width = (
        min(tile.shape[0], frame.shape[0] - row),
        min(tile.shape[1], frame.shape[1] - column),
    )
    if height <= 0 or width <= 0:
        return
    at = (slice(row, row + height), slice(column, column + width))
    of = (slice(0, height), slice(0, width))
    frame.characters[at] = tile.characters[of]
    frame.foreground[at] = tile.foreground[of]
    frame.background[at] = tile.background[of]

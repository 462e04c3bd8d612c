"""What the pictures of maps share: which maps, and drawing when it is time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tomotui.tui.raster.capability import Capability
from tomotui.tui.raster.cutouts import blank_frame
from tomotui.tui.raster.density import Density
from tomotui.tui.raster.emit import Frame
from tomotui.tui.raster.glyphs import GlyphSet
from tomotui.tui.raster.strip import strips_of
from tomotui.tui.widgets.worded_picture import WordedPicture


class DensityPicture(WordedPicture):
    """A picture of one map, or of several side by side.

    Attributes
    ----------
    densities
        The maps that are drawn; none where there is only a message.
    """

    def __init__(self, capability: Capability, *, id: str | None = None) -> None:
        super().__init__(capability, id=id)
        self.densities: tuple[Density, ...] = ()

    @property
    def has_picture(self) -> bool:
        """Whether there is a map."""
        return bool(self.densities)

    def show(self, densities: Sequence[Density], message: str = "") -> None:
        """Draw other maps from where one looks now, or say why there is none."""
        fresh = tuple(densities)
        if fresh == self.densities and message == self.message:
            return
        begins = not self.densities
        self.densities, self.message = fresh, message
        self.take(fresh, begins)
        if fresh:
            self.redraw()
        else:
            self.say_instead()

    def take(self, densities: Sequence[Density], begins: bool) -> None:
        """Take note of other maps; ``begins`` when there were none before."""

    def draw_into(self, frame: Frame, cheap: bool) -> None:
        """Draw the maps; there are some, and room for them."""
        raise NotImplementedError

    def make_picture(self, cheap: bool) -> int | None:
        """Draw all maps."""
        height, width = self.size.height, self.size.width
        if not self.densities or height < 3 or width < 8:
            return None
        frame = blank_frame(self.artist, (height, width))
        self.draw_into(frame, cheap)
        self._strips, n_bytes = strips_of(frame)
        return n_bytes


def grids_of(n: int) -> list[tuple[int, int]]:
    """Return rows and columns in which pictures can be laid out, side by side first."""
    found: list[tuple[int, int]] = []
    for across in range(n, 0, -1):
        down = -(-n // across)
        if not found or found[-1][0] != down:
            found.append((down, across))
        else:
            # As many rows, fewer columns: the same with less left empty.
            found[-1] = (down, across)
    return found


def places_of(height: int, width: int, n: int, aspect: float) -> list[tuple[int, int, int, int]]:
    """Return row, column, height and width of pictures: side by side, above each other, or both.

    Whichever lets the pictures, which are as high as wide, be largest.
    """
    gap = int(n > 1)

    def size_of(grid: tuple[int, int]) -> tuple[int, int]:
        down, across = grid
        return max(height // down, 1), max((width - gap * (across - 1)) // across, 1)

    def edge_of(grid: tuple[int, int]) -> float:
        tall, wide = size_of(grid)
        return min(tall * aspect, wide)

    best = max(grids_of(max(n, 1)), key=edge_of)
    tall, wide = size_of(best)
    return [
        (number // best[1] * tall, number % best[1] * (wide + gap), tall, wide)
        for number in range(n)
    ]


def cell_means(values: NDArray[np.float32], glyphs: GlyphSet) -> NDArray[np.float32]:
    """Return the mean of the sub-pixels of each cell."""
    height, width = values.shape[0] // glyphs.rows, values.shape[1] // glyphs.columns
    split = values.reshape(height, glyphs.rows, width, glyphs.columns)
    means: NDArray[np.float32] = split.mean(axis=(1, 3), dtype=np.float32)
    return means

"""From grey sub-pixels to cells: which pattern, which two greys."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomotui.tui.raster.glyphs import GlyphSet

Grey = NDArray[np.uint8]

_BAYER = np.array([[0, 2], [3, 1]])
for _ in range(2):
    _BAYER = np.block([[4 * _BAYER, 4 * _BAYER + 2], [4 * _BAYER + 3, 4 * _BAYER + 1]])
BAYER_8 = ((_BAYER + 0.5) * 4).astype(np.uint8)
"""Ordered-dither thresholds of 8 x 8 pixels, 2..254."""


@dataclass(frozen=True)
class Cells:
    """Cells of a picture before colours are chosen.

    Attributes
    ----------
    codes
        Index into the glyph table, shape ``[height, width]``.
    foreground, background
        Grey of the set and of the other sub-pixels, 0..255, shape ``[height, width]``;
        ``None`` for glyph sets whose pattern alone is the tone.
    """

    codes: NDArray[np.uint8]
    foreground: Grey | None = None
    background: Grey | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in cells."""
        return self.codes.shape[0], self.codes.shape[1]


def pack(grid: Grey, glyphs: GlyphSet, two_tone: bool = True) -> Cells:
    """Choose the pattern and the two greys of every cell.

    Parameters
    ----------
    grid
        Grey sub-pixels, shape ``[height * glyphs.rows, width * glyphs.columns]``.
    glyphs
        The characters to paint with.
    two_tone
        Colours may be used; otherwise the pattern is an ordered dither.

    Raises
    ------
    ValueError
        When the grid is not a whole number of cells.
    """
    if grid.shape[0] % glyphs.rows or grid.shape[1] % glyphs.columns:
        raise ValueError(
            f"a grid of {grid.shape} sub-pixels is not a whole number of cells of "
            f"{glyphs.rows} x {glyphs.columns}"
        )
    if glyphs.kind == "ramp":
        return Cells(_ramp(equalise(grid), len(glyphs.table)))
    if glyphs.kind == "dots":
        return Cells(_bits(line_art(grid), glyphs))
    if not two_tone:
        return Cells(_bits(dither(_stretch(smooth(grid, 1))), glyphs))
    if glyphs.bits == 2:
        upper, lower = grid[0::2], grid[1::2]
        return Cells(np.full(upper.shape, 1, np.uint8), upper, lower)
    return _two_tone(_planes(grid, glyphs), glyphs.bits)


def _planes(grid: NDArray[np.generic], glyphs: GlyphSet) -> NDArray[np.generic]:
    """Return one plane per sub-pixel of the cell, shape ``[bits, height, width]``, contiguous."""
    height, width = grid.shape[0] // glyphs.rows, grid.shape[1] // glyphs.columns
    split = grid.reshape(height, glyphs.rows, width, glyphs.columns)
    return np.ascontiguousarray(split.transpose(1, 3, 0, 2)).reshape(glyphs.bits, height, width)


def _two_tone(planes: NDArray[np.generic], bits: int) -> Cells:
    """Split every cell at its mean, then once more half-way between the two means.

    The second split is one step of Lloyd's quantiser: nearly the optimal two tones at a third of
    its cost.
    """
    grey = planes.astype(np.uint16)
    total = grey.sum(axis=0, dtype=np.uint16)
    low, high, bright = _split(grey, total, total / np.float32(bits), bits)
    low, high, bright = _split(grey, total, (low + high) * np.float32(0.5), bits)
    codes = np.zeros(total.shape, np.uint8)
    for bit in range(bits):
        codes |= bright[bit].view(np.uint8) << bit
    return Cells(codes, _to_grey(high), _to_grey(low))


def _split(
    grey: NDArray[np.uint16],
    total: NDArray[np.uint16],
    threshold: NDArray[np.float32],
    bits: int,
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]:
    """Return the means below and above a threshold, and who is above."""
    # Integers above a fraction are those above its floor: the comparison stays in 16 bits.
    bright = grey > threshold.astype(np.uint16)
    n_bright = bright.sum(axis=0, dtype=np.uint16)
    sum_bright = np.multiply(grey, bright).sum(axis=0, dtype=np.uint16)
    high = sum_bright / np.maximum(n_bright, 1).astype(np.float32)
    low = (total - sum_bright) / np.maximum(bits - n_bright, 1).astype(np.float32)
    high = np.where(n_bright == 0, low, high)
    return low, high, bright


def _to_grey(values: NDArray[np.float32]) -> Grey:
    return (values + np.float32(0.5)).astype(np.uint8)


def _bits(on: NDArray[np.bool_], glyphs: GlyphSet) -> NDArray[np.uint8]:
    planes = _planes(on, glyphs)
    codes = np.zeros(planes.shape[1:], np.uint8)
    for bit in range(glyphs.bits):
        codes |= planes[bit].astype(np.uint8) << np.uint8(bit)
    return codes


def _ramp(grid: Grey, n_characters: int) -> NDArray[np.uint8]:
    return ((grid.astype(np.uint16) * n_characters) >> 8).astype(np.uint8)


def dither(grid: Grey) -> NDArray[np.bool_]:
    """Return which pixels are lit by an ordered dither of 8 x 8 pixels."""
    height, width = grid.shape
    repeat = (-(-height // 8), -(-width // 8))
    return grid > np.tile(BAYER_8, repeat)[:height, :width]


def smooth(grid: Grey, reach: int) -> NDArray[np.float32]:
    """Return means over squares of ``2 * reach + 1`` pixels, the edge repeated."""
    size = 2 * reach + 1
    values = grid.astype(np.float32)
    for axis in (0, 1):
        widths = [(0, 0), (0, 0)]
        widths[axis] = (reach + 1, reach)
        total = np.cumsum(np.pad(values, widths, mode="edge"), axis=axis)
        low, high = [slice(None)] * 2, [slice(None)] * 2
        low[axis], high[axis] = slice(0, -size), slice(size, None)
        values = (total[tuple(high)] - total[tuple(low)]) / np.float32(size)
    return values


def line_art(grid: Grey, share: float = 0.2) -> NDArray[np.bool_]:
    """Return the pixels that are darkest against their surroundings.

    Dots cannot carry tones next to each other; what they can show is where membranes and
    particles are.

    Parameters
    ----------
    share
        Part of the pixels that are drawn.
    """
    detail = smooth(grid, 6) - smooth(grid, 1)
    cut = np.quantile(detail, 1.0 - share)
    drawn: NDArray[np.bool_] = detail > max(float(cut), 0.5)
    return drawn


def _stretch(values: NDArray[np.float32]) -> Grey:
    """Spread values to 0..255 so that 2 % of them are cut at each end."""
    low, high = np.quantile(values, (0.02, 0.98))
    if high - low < 1.0:
        return _to_grey(values)
    scaled = (values - np.float32(low)) * np.float32(255.0 / (high - low))
    stretched: Grey = np.clip(scaled, 0.0, 255.0).astype(np.uint8)
    return stretched


def equalise(grid: Grey) -> Grey:
    """Spread the greys evenly over 0..255, so that few tones show the most."""
    counts = np.bincount(grid.ravel(), minlength=256)
    middle = np.cumsum(counts) - counts / 2
    table = (middle * (255 / max(grid.size, 1))).astype(np.uint8)
    if np.count_nonzero(counts) < 2:
        return grid
    return table[grid]

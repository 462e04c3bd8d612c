"""Power spectra of slices, as slices to look at: which detail there is, and what is missing."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tomotui.tui.raster.picture import Trail
from tomotui.tui.raster.view import SliceViewState
from tomotui.tui.raster.volume import AXES, PLANES, Axis, Sliced, SliceSource
from tomotui.tui.raster.window import Window

Image = NDArray[np.float32]

MOST_SIDE = 512
"""Edge of a transform; larger images are averaged over tiles of it."""
_ROUND = (1000, 500, 200, 100, 60, 40, 30, 20, 15, 10, 8, 6, 5, 4, 3, 2)
"""Resolutions in Angstrom that rings are drawn at."""
_FIRST_RING, _BETWEEN_RINGS = 0.2, 0.2
"""Of the way to Nyquist: the innermost ring, and the least distance of two."""
_CIRCLE = np.linspace(0, 2 * np.pi, 121)


def side_of(shape: tuple[int, int]) -> int:
    """Return the edge of the spectrum of images of a shape; even, so that zero is a pixel."""
    longest = max(shape)
    return min(longest + longest % 2, MOST_SIDE)


def power_spectrum(image: Image, side: int) -> Image:
    """Return the power of an image, ``[side, side]``, frequency zero at ``side // 2``.

    The image fades to its mean at its rim, so that opposite edges that do not match make no
    cross. Of images larger than ``side`` the power is averaged over tiles that overlap by half
    (P. D. Welch 1967, IEEE Trans. Audio Electroacoust. 15:70).
    """
    finite = np.isfinite(image)
    mean = float(image[finite].mean()) if finite.any() else 0.0
    values = np.where(finite, image - np.float32(mean), np.float32(0))
    height, width = (min(n, side) for n in values.shape)
    taper = np.outer(np.hanning(height + 2)[1:-1], np.hanning(width + 2)[1:-1])
    taper = (taper / math.sqrt(float(np.square(taper).sum()))).astype(np.float32)
    total = np.zeros((side, side // 2 + 1), np.float32)
    corners = [
        (y, x) for y in _starts(len(values), height) for x in _starts(values.shape[1], width)
    ]
    for y, x in corners:
        tile = values[y : y + height, x : x + width]
        total += np.square(np.abs(np.fft.rfft2((tile - tile.mean()) * taper, s=(side, side))))
    return _whole(total / np.float32(len(corners)))


def _starts(size: int, tile: int) -> list[int]:
    """Return where tiles begin that cover an axis and overlap by half or a little more."""
    count = 1 if size <= tile else math.ceil((size - tile) / (tile / 2)) + 1
    return [round(start) for start in np.linspace(0, size - tile, count)]


def _whole(half: Image) -> Image:
    """Return all of a spectrum of which the columns from zero on are known, zero in the middle."""
    side = len(half)
    mirrored = np.roll(half[::-1, 1 : side // 2], 1, axis=0)[:, ::-1]
    # Columns: -n/2 (which is also n/2), -n/2 + 1 .. -1, then 0 .. n/2 - 1.
    columns = np.concatenate([half[:, -1:], mirrored, half[:, :-1]], axis=1)
    return np.ascontiguousarray(np.roll(columns, side // 2, axis=0))


class SpectrumSource(Sliced):
    """The spectra of the slices of a source across one axis, as slices.

    With a slab the powers of its slices are averaged, not the slices: what differs between
    neighbours is noise of the estimate, and goes away.

    Parameters
    ----------
    source
        What the slices are of.
    axis
        Across which it is cut.
    tilts_deg
        Range of the tilts; the lines between which nothing was measured are drawn in XZ planes.
    """

    has_scale = False

    def __init__(
        self, source: SliceSource, axis: Axis, tilts_deg: tuple[float, float] | None = None
    ) -> None:
        self.source = source
        self.axis = axis
        self.tilts_deg = tilts_deg
        self.name = source.name
        self.is_stack = source.is_stack
        self.pixel_size_angstrom = source.pixel_size_angstrom
        self.default_window: Window | None = None
        rows, columns = (n for a, n in zip(AXES, source.shape, strict=True) if a != axis)
        self.side = side_of((rows, columns))
        z, y, x = (source.n_slices(a) if a == axis else self.side for a in AXES)
        self.shape = (z, y, x)

    @property
    def axes(self) -> tuple[Axis, ...]:
        """The one axis."""
        return (self.axis,)

    def read(self, axis: Axis, index: int, slab: int = 0) -> Image:
        """Return the logarithm of the power of a slice, or its mean over those of a slab."""
        reach = 0 if self.is_stack else slab
        first, last = max(index - reach, 0), min(index + reach, self.n_slices(axis) - 1)
        total = np.zeros((self.side, self.side), np.float32)
        for i in range(first, last + 1):
            total += power_spectrum(self.source.read(axis, i), self.side)
        total /= np.float32(last - first + 1)
        floor = float(total.max()) * 1e-12
        logarithm: Image = np.log10(total + np.float32(max(floor, 1e-30)))
        return logarithm

    def describe(self, axis: Axis, index: int) -> str:
        """Say of which slice the spectrum is."""
        return f"spectrum {'' if self.is_stack else PLANES[axis]}".rstrip()

    @property
    def nyquist_angstrom(self) -> float:
        """The finest detail that pixels of this size can hold."""
        return 2 * self.pixel_size_angstrom

    def trails(self, view: SliceViewState) -> list[Trail]:
        """Return the rings of resolutions, the lines of the wedge, and labels over both."""
        found = [self._ring(d) for d in self.rings_angstrom()]
        if self.axis == "y" and self.tilts_deg is not None:
            found += [self._spoke(angle) for angle in self.tilts_deg]
        return found + [self._label(d) for d in self.rings_angstrom()]

    def rings_angstrom(self) -> list[float]:
        """Return the resolutions of the rings, coarsest first, Nyquist last."""
        chosen: list[float] = []
        before = _FIRST_RING - _BETWEEN_RINGS
        for d in _ROUND:
            share = self.nyquist_angstrom / d
            if share - before >= _BETWEEN_RINGS and share <= 1 - _BETWEEN_RINGS / 2:
                chosen.append(float(d))
                before = share
        return [*chosen, self.nyquist_angstrom]

    def _radius(self, d_angstrom: float) -> float:
        return self.side * self.pixel_size_angstrom / d_angstrom

    def _role(self, d_angstrom: float) -> str:
        return "dim" if d_angstrom == self.nyquist_angstrom else "accent"

    def _ring(self, d_angstrom: float) -> Trail:
        middle, radius = self.side // 2, self._radius(d_angstrom)
        rows, columns = middle + radius * np.sin(_CIRCLE), middle + radius * np.cos(_CIRCLE)
        return Trail(rows, columns, self._role(d_angstrom))

    def _label(self, d_angstrom: float) -> Trail:
        # Labels lie on the diagonal: the axes are where one looks for streaks.
        middle, at = self.side // 2, np.array([self._radius(d_angstrom) / math.sqrt(2)])
        return Trail(middle - at, middle + at, self._role(d_angstrom), f"{d_angstrom:.3g} Å")

    def _spoke(self, tilt_deg: float) -> Trail:
        """Return the line of what one tilt has measured: at right angles to its beam."""
        middle, reach = self.side // 2, self.side / 2 - 1
        ends = np.array([-reach, reach])
        angle = math.radians(tilt_deg)
        return Trail(middle + ends * math.sin(angle), middle + ends * math.cos(angle), "unsure")


def tilt_range(tilts_deg: Sequence[float]) -> tuple[float, float] | None:
    """Return the lowest and the highest tilt; ``None`` where there are fewer than two."""
    known = [one for one in tilts_deg if math.isfinite(one)]
    return (min(known), max(known)) if len(known) > 1 else None

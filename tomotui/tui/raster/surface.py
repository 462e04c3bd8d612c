"""The shaded surface of a map at a level, by casting parallel rays; numpy alone.

Most of a box is empty, so rays are not followed from its face. The voxels at the surface are
thrown on a coarse screen first; a ray begins just before the nearest of them about its pixel, and
gives up behind the furthest.

Screen axes are right, down and away from the viewer: a right-handed frame, so that hands are
shown as they are. Without any turn one looks along z with x to the right and y down, as in
sections across z.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tomotui.tui.raster.density import Density, Volume, trilinear

Matrix = NDArray[np.float64]
Image = NDArray[np.float32]

_STEP = 0.75
"""Voxels from one sample of a ray to the next."""
_COARSE = 2.0
"""Voxels across a pixel of the coarse screen, at least."""
_REACH = 1.8
"""Voxels from a voxel at the surface to any point of the surface in its cells (a diagonal)."""
_LIGHT = np.array([-0.45, -0.65, -0.61], dtype=np.float32)
"""From the surface to the light: at the upper left, behind the viewer's shoulder."""
_AMBIENT, _DIFFUSE, _FILL, _DEPTH_CUE = 0.06, 0.64, 0.30, 0.45
_SLOPE_VOXELS, _SLOPE_PIXELS = 1.2, 1.0
"""Half the distance that the slope of the density is measured over, at least."""
_CLEFT_SHARE, _CLEFT_DARKNESS = 0.12, 0.55
"""Of the way from middle to face: how far about a place is looked for what takes its light."""
_MATTER_PERCENTILE = 99.0
_DEPTH_SHARE = 0.7
"""Of the way from the middle of the box to its face: where light is least and most."""


@dataclass(frozen=True, eq=False)
class Screen:
    """Where pixels lie: how the map is turned, and what part of it is seen.

    Attributes
    ----------
    turn
        Rotation from the map's axes (x, y, z) to (right, down, away), ``[3, 3]``.
    shape
        Rows and columns of pixels.
    row_angstrom, column_angstrom
        From one pixel to the next.
    """

    turn: Matrix
    shape: tuple[int, int]
    row_angstrom: float
    column_angstrom: float

    def right(self) -> Image:
        """Return the place of each column, Angstrom from the middle."""
        n = self.shape[1]
        return ((np.arange(n) - (n - 1) / 2) * self.column_angstrom).astype(np.float32)

    def down(self) -> Image:
        """Return the place of each row, Angstrom from the middle."""
        n = self.shape[0]
        return ((np.arange(n) - (n - 1) / 2) * self.row_angstrom).astype(np.float32)


class Surface:
    """The surface of a map at one level; made once, drawn from anywhere.

    Parameters
    ----------
    density
        The map.
    level
        Value of the contour.
    """

    def __init__(self, density: Density, level: float) -> None:
        self.density = density
        self.level = np.float32(level)
        self.voxel = density.pixel_size_angstrom
        # A rim of emptiness closes surfaces at the faces of the box.
        low = np.float32(min(float(density.values.min()), level) - abs(level) - 1.0)
        self._values = np.pad(density.values, 1, constant_values=low)
        self._middle = np.array([at + 1 for at in density.middle[::-1]], dtype=np.float32)
        self._at_surface = self._places(surface_voxels(self._values, self.level))

    def _places(self, voxels: NDArray[np.intp]) -> Image:
        """Return places (x, y, z) in Angstrom of voxels (z, y, x), ``[n, 3]``."""
        places = voxels[:, ::-1].astype(np.float32) - self._middle
        return places * np.float32(self.voxel)

    @property
    def extent_angstrom(self) -> float:
        """From the middle to the surface furthest out, specks of noise left aside."""
        if not len(self._at_surface):
            return self.density.radius_angstrom
        return float(np.percentile(np.linalg.norm(self._at_surface, axis=1), _MATTER_PERCENTILE))

    def shaded(self, screen: Screen) -> Image:
        """Return the brightness of each pixel, 0 to 1; NaN where there is no surface."""
        rows, columns, depth = self._hits(screen)
        shades = np.full(screen.shape, np.nan, dtype=np.float32)
        if len(depth):
            lit = self._shade(screen, rows, columns, depth)
            image = np.full(screen.shape, np.nan, dtype=np.float32)
            image[rows, columns] = depth
            open_sky = self._open_sky(screen, image)[rows, columns]
            shades[rows, columns] = np.clip(lit * open_sky, 0.0, 1.0)
        return shades

    # ---- rays

    def _hits(self, screen: Screen) -> tuple[NDArray[np.intp], NDArray[np.intp], Image]:
        """Return rows and columns of the pixels that show the surface, and its depth, Angstrom."""
        span = self._span(screen)
        rows, columns = np.nonzero(np.isfinite(span.near))
        if not len(rows):
            return rows, columns, np.zeros(0, dtype=np.float32)
        near, far = span.near[rows, columns], span.far[rows, columns]
        ray = _Ray(screen.right()[columns], screen.down()[rows], self._axes(screen))
        depth = self._march(ray, near, far)
        found = np.isfinite(depth)
        return rows[found], columns[found], depth[found]

    def _span(self, screen: Screen) -> _Span:
        """Return between which depths the surface may be under each pixel."""
        seen = self._at_surface @ screen.turn.T.astype(np.float32)
        cell = max(_COARSE * self.voxel, screen.row_angstrom, screen.column_angstrom)
        height = int(screen.shape[0] * screen.row_angstrom / cell) + 3
        width = int(screen.shape[1] * screen.column_angstrom / cell) + 3
        column = np.floor(seen[:, 0] / cell + width / 2).astype(np.intp)
        row = np.floor(seen[:, 1] / cell + height / 2).astype(np.intp)
        inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        at, depth = row[inside] * width + column[inside], seen[inside, 2]
        near = np.full(height * width, np.inf, dtype=np.float32)
        far = np.full(height * width, -np.inf, dtype=np.float32)
        np.minimum.at(near, at, depth)
        np.maximum.at(far, at, depth)
        nearest = _spread(near.reshape(height, width), np.minimum)
        furthest = _spread(far.reshape(height, width), np.maximum)
        rows = np.floor(screen.down() / cell + height / 2).astype(np.intp)
        columns = np.floor(screen.right() / cell + width / 2).astype(np.intp)
        pixels = np.ix_(rows, columns)
        reach = np.float32(_REACH * self.voxel)
        return _Span(nearest[pixels] - reach, furthest[pixels] + reach)

    def _axes(self, screen: Screen) -> Image:
        """Return the screen's axes in voxels of the map, ``[3, 3]``, one a row."""
        return (screen.turn / self.voxel).astype(np.float32)

    def _sample(self, ray: _Ray, depth: Image) -> Volume:
        x, y, z = ray.at(depth) + self._middle[:, None]
        return trilinear(self._values, z, y, x)

    def _march(self, ray: _Ray, near: Image, far: Image) -> Image:
        """Follow rays to the first crossing of the level; NaN for those that meet none."""
        found = np.full(len(near), np.nan, dtype=np.float32)
        step = np.float32(_STEP * self.voxel)
        open_rays = np.arange(len(near))
        depth, limit = near.copy(), far
        before = self._sample(ray, depth)
        # A ray that begins inside has its surface right there.
        inside = before >= self.level
        found[inside] = depth[inside]
        while True:
            going = ~inside & (depth < limit)
            open_rays, limit = open_rays[going], limit[going]
            depth, before = depth[going], before[going]
            if not len(open_rays):
                return found
            ray = ray.some(going)
            depth = depth + step
            now = self._sample(ray, depth)
            inside = now >= self.level
            share = (self.level - before[inside]) / (now[inside] - before[inside])
            found[open_rays[inside]] = depth[inside] - step * (1 - share)
            before = now

    # ---- light

    def _shade(
        self, screen: Screen, rows: NDArray[np.intp], columns: NDArray[np.intp], depth: Image
    ) -> Image:
        """Return the brightness of points of the surface: Lambert's law, darker further away."""
        ray = _Ray(screen.right()[columns], screen.down()[rows], self._axes(screen))
        at = ray.at(depth) + self._middle[:, None]
        slope = np.empty_like(at)
        # What is finer than the screen shows would only be noise on it.
        pixel = max(screen.row_angstrom, screen.column_angstrom) / self.voxel
        for axis in range(3):
            step = np.zeros((3, 1), dtype=np.float32)
            step[axis] = max(_SLOPE_VOXELS, _SLOPE_PIXELS * pixel)
            after, before = at + step, at - step
            slope[axis] = trilinear(self._values, *after[::-1]) - trilinear(
                self._values, *before[::-1]
            )
        # Outwards is where density falls; into the frame of the screen, where the light is.
        normal = -screen.turn.astype(np.float32) @ slope
        normal /= np.maximum(np.linalg.norm(normal, axis=0), 1e-12)
        light = _LIGHT / np.linalg.norm(_LIGHT)
        lit = _DIFFUSE * np.maximum(light @ normal, 0.0)
        # A weaker light beside the viewer: else all that lies in shade would look flat.
        lit += _AMBIENT + _FILL * np.maximum(-normal[2], 0.0)
        radius = np.float32(_DEPTH_SHARE * self.density.radius_angstrom)
        further = np.clip(depth / radius, -1, 1) / 2 + 0.5
        lightness: Image = (lit * (1 - _DEPTH_CUE * further)).astype(np.float32)
        return lightness

    def _open_sky(self, screen: Screen, depth: Image) -> Image:
        """Return how much light reaches each pixel past what stands about it, 0 to 1.

        What lies deeper than its surroundings on the screen lies in a cleft.
        """
        reach = _CLEFT_SHARE * self.density.radius_angstrom
        sizes = (
            2 * round(reach / step) + 1 for step in (screen.row_angstrom, screen.column_angstrom)
        )
        deeper = (depth - nearby_mean(depth, *sizes)) / np.float32(reach)
        light: Image = 1 - _CLEFT_DARKNESS * np.clip(np.nan_to_num(deeper), 0.0, 1.0)
        return light


class _Span(NamedTuple):
    near: Image
    far: Image


class _Ray(NamedTuple):
    """Rays through pixels: their places on the screen, and the screen's axes in voxels."""

    right: Image
    down: Image
    axes: Image

    def at(self, depth: Image) -> Image:
        """Return the places at depths, in voxels from the middle, (x, y, z) by ray ``[3, n]``."""
        right, down, away = self.axes
        at = right[:, None] * self.right + down[:, None] * self.down + away[:, None] * depth
        places: Image = at.astype(np.float32)
        return places

    def some(self, which: NDArray[np.bool_]) -> _Ray:
        return _Ray(self.right[which], self.down[which], self.axes)


def surface_voxels(values: Volume, level: np.float32) -> NDArray[np.intp]:
    """Return the voxels (z, y, x) that reach a level next to one that does not, ``[n, 3]``.

    The outermost layer of voxels must not reach it.
    """
    solid = values >= level
    buried = solid.copy()
    for axis in range(3):
        buried &= np.roll(solid, 1, axis) & np.roll(solid, -1, axis)
    return np.argwhere(solid & ~buried)


def _spread(image: Image, choose: np.ufunc) -> Image:
    """Return the least or greatest value among each pixel and its eight neighbours."""
    for axis in (0, 1):
        padded = np.pad(image, [(1, 1) if one == axis else (0, 0) for one in (0, 1)], mode="edge")
        n = image.shape[axis]
        low, middle, high = (np.take(padded, range(at, at + n), axis) for at in (0, 1, 2))
        image = choose(choose(low, middle), high)
    return image


def nearby_mean(image: Image, rows: int, columns: int) -> Image:
    """Return the mean of the numbers within a box about each pixel; NaN where there are none.

    Parameters
    ----------
    rows, columns
        Size of the box, odd.
    """
    known = np.isfinite(image)
    total = np.where(known, image, 0.0)
    number = known.astype(np.float64)
    for axis, size in enumerate((rows, columns)):
        total, number = (_box_sum(one, size, axis) for one in (total, number))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(total / number, dtype=np.float32)


def _box_sum(values: NDArray[np.float64], size: int, axis: int) -> NDArray[np.float64]:
    half = size // 2
    widths = [(half + 1, half) if one == axis else (0, 0) for one in (0, 1)]
    sums = np.cumsum(np.pad(values, widths), axis=axis)
    n = values.shape[axis]
    return np.take(sums, range(size, size + n), axis) - np.take(sums, range(n), axis)


def turned(
    turn: Matrix, right_deg: float = 0.0, down_deg: float = 0.0, roll_deg: float = 0.0
) -> Matrix:
    """Turn a view further, about the axes of the screen.

    Parameters
    ----------
    right_deg
        The side that faces the viewer moves to the right.
    down_deg
        It moves down.
    roll_deg
        Clockwise, as the viewer sees it.
    """
    a, b, c = np.deg2rad([right_deg, down_deg, roll_deg])
    # What faces the viewer lies at negative depth.
    about_down = np.array([[np.cos(a), 0, -np.sin(a)], [0, 1, 0], [np.sin(a), 0, np.cos(a)]])
    about_right = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    about_away = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    made: Matrix = about_away @ about_right @ about_down @ turn
    u, _, v = np.linalg.svd(made)
    # Many small turns must not add up to a shear.
    exact: Matrix = u @ v
    return exact

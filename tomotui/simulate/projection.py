"""Projections of particles, membranes, beads and gold: potential summed along the beam."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from tomotui.imaging.potential import Template

Array = NDArray[np.floating]
ComplexArray = NDArray[np.complexfloating]

_MOST_PADDED_PX = 320
"""Side to which templates are padded where twice their own is less; 0.13 GB as complex64."""


@dataclass(frozen=True)
class FrequencyGrid:
    """The half plane of frequencies of a real image, in 1/A.

    Parameters
    ----------
    shape_yx
        Shape of the image.
    """

    shape_yx: tuple[int, int]
    pixel_size_angstrom: float

    @property
    def ky(self) -> Array:
        """Frequencies along y, shape ``[ny, 1]``."""
        return fft.fftfreq(self.shape_yx[0], self.pixel_size_angstrom)[:, None]

    @property
    def kx(self) -> Array:
        """Frequencies along x, shape ``[1, nx // 2 + 1]``."""
        return fft.rfftfreq(self.shape_yx[1], self.pixel_size_angstrom)[None, :]

    @property
    def k2(self) -> Array:
        """Squared frequencies, shape ``[ny, nx // 2 + 1]``."""
        return np.asarray(self.ky**2 + self.kx**2)

    def shift_phase(self, xy_angstrom: Array) -> ComplexArray:
        """Return the factors that move the content by each shift ``[n, 2]`` in (x, y)."""
        x, y = xy_angstrom[:, 0, None], xy_angstrom[:, 1, None]
        along_x = np.exp(-2j * np.pi * x * self.kx[0])
        along_y = np.exp(-2j * np.pi * y * self.ky[:, 0])
        return np.asarray(along_y[:, :, None] * along_x[:, None, :])


class TemplateProjector:
    """Projections of one template in any orientation, by central slices of its transform.

    The transform is sampled by trilinear interpolation on a grid padded six times where
    memory allows. Interpolation weighs real space by a squared sinc, which is divided out of
    the template beforehand; what is left is an error of 1 % (root mean square) at six times,
    and 1.5 % in projections along the template's own axes, which need no interpolation.
    Frequencies beyond the circle of Nyquist radius are left out.

    Parameters
    ----------
    box_px
        Even side of the projections, pixels; the particle's centre falls on ``box_px // 2``.
    """

    def __init__(self, template: Template, box_px: int) -> None:
        self.template = template
        side = template.potential_v.shape[0]
        # Padding below two would let the neighbouring copies into the box.
        padded = max(2 * side, min(6 * side, _MOST_PADDED_PX))
        self._padded = 2 * int(fft.next_fast_len(padded // 2, real=True))
        self.grid = FrequencyGrid((box_px, box_px), template.pixel_size_angstrom)
        self._spectrum = self._padded_spectrum()
        nyquist = 0.5 / template.pixel_size_angstrom
        inside = self.grid.k2 < (nyquist * (1 - 4 / self._padded)) ** 2
        self._rows, self._columns = np.nonzero(inside)
        self._k = np.stack(
            [self.grid.kx[0, self._columns], self.grid.ky[self._rows, 0]], axis=-1
        ).astype(np.float32)

    def _padded_spectrum(self) -> ComplexArray:
        """Return the transform ``[z, y, x >= 0]`` with z and y frequencies ascending."""
        potential = self.template.potential_v
        side, padded = potential.shape[0], self._padded
        coordinate = np.arange(side) - side // 2
        blur = np.sinc(coordinate / padded) ** 2
        sharpened = potential / (blur[:, None, None] * blur[:, None] * blur)
        volume = np.zeros((padded,) * 3, dtype=np.float32)
        start = padded // 2 - side // 2
        volume[start : start + side, start : start + side, start : start + side] = sharpened
        spectrum = fft.rfftn(fft.ifftshift(volume))
        return np.asarray(fft.fftshift(spectrum, axes=(0, 1)))

    def slices(self, rotations: Array) -> ComplexArray:
        """Return transforms of the projections along z after each rotation.

        Parameters
        ----------
        rotations
            Reference to camera, shape ``[n, 3, 3]``.

        Returns
        -------
        Volt x Angstrom summed over the box's pixels, complex64, shape
        ``[n, box, box // 2 + 1]``; the particle's centre at pixel 0.
        """
        pixel = self.template.pixel_size_angstrom
        # A projection's frequency (kx, ky, 0) is the reference's frequency R^T (kx, ky, 0).
        q = np.einsum("nik,pi->npk", rotations[:, :2].astype(np.float32), self._k)
        q *= np.float32(self._padded * pixel)
        backwards = q[..., 0] < 0
        q = np.where(backwards[..., None], -q, q)
        values = self._interpolate(q)
        values = np.where(backwards, values.conj(), values)
        result = np.zeros((len(rotations), *self.grid.k2.shape), dtype=np.complex64)
        result[:, self._rows, self._columns] = values * np.float32(pixel)
        return result

    def _interpolate(self, q: Array) -> ComplexArray:
        """Sample the transform at frequencies (x, y, z) in grid steps, x not negative."""
        _, n_y, n_x = self._spectrum.shape
        flat = self._spectrum.reshape(-1)
        middle = self._padded // 2
        x, y, z = q[..., 0], q[..., 1] + middle, q[..., 2] + middle
        x0, y0, z0 = (np.floor(c).astype(np.int32) for c in (x, y, z))
        fx, fy, fz = x - x0, y - y0, z - z0
        base = (z0 * n_y + y0) * n_x + x0
        total = np.zeros(base.shape, dtype=np.complex64)
        for dz, wz in ((0, 1 - fz), (1, fz)):
            for dy, wy in ((0, 1 - fy), (1, fy)):
                corner = base + (dz * n_y + dy) * n_x
                weight = wz * wy
                total += (weight * (1 - fx)) * flat.take(corner)
                total += (weight * fx) * flat.take(corner + 1)
        return total


def shell_transform(k: Array, radius: float, sigma: float) -> Array:
    """Return the transform of a sphere's surface with a Gaussian profile of unit height.

    ``4 pi int r^2 exp(-(r - R)^2 / 2 s^2) sinc(2 k r) dr`` in closed form; its central slice, in
    any direction, is the transform of the projection.

    Parameters
    ----------
    k
        Frequencies, 1/A.
    radius, sigma
        R and s in Angstrom, ``sigma`` much smaller than ``radius``.
    """
    w = 2 * np.pi * np.where(k > 0, k, 1.0)
    wave = radius * np.sin(w * radius) + w * sigma**2 * np.cos(w * radius)
    value = wave / w
    at_zero = radius**2 + sigma**2
    envelope = np.sqrt(2 * np.pi) * sigma * np.exp(-2 * np.pi**2 * sigma**2 * k**2)
    return np.asarray(4 * np.pi * envelope * np.where(k > 0, value, at_zero))


LEAFLET_OFFSET_ANGSTROM = 19.0
LEAFLET_SIGMA_ANGSTROM = 5.0
LEAFLET_EXCESS_V = 2.8
CORE_EXCESS_V = 0.3
CORE_SIGMA_ANGSTROM = 7.0
"""A bilayer's profile: two layers of head groups about a core that is nearly as ice."""


def bilayer_layers(radius: float) -> tuple[tuple[float, float, float], ...]:
    """Return (radius, sigma, volts) of the shells that make up a bilayer."""
    return (
        (radius - LEAFLET_OFFSET_ANGSTROM, LEAFLET_SIGMA_ANGSTROM, LEAFLET_EXCESS_V),
        (radius, CORE_SIGMA_ANGSTROM, CORE_EXCESS_V),
        (radius + LEAFLET_OFFSET_ANGSTROM, LEAFLET_SIGMA_ANGSTROM, LEAFLET_EXCESS_V),
    )


def vesicle_transform(grid: FrequencyGrid, radius: float) -> Array:
    """Return the transform of a vesicle's projection, volt Angstrom summed over pixels."""
    k = np.sqrt(grid.k2)
    total = sum(v * shell_transform(k, r, s) for r, s, v in bilayer_layers(radius))
    return np.asarray(total) / grid.pixel_size_angstrom**2


def bead_image(xy_px: Array, shape_yx: tuple[int, int]) -> Array:
    """Lay points on an image, each on the four pixels about it, float32 ``[ny, nx]``.

    Parameters
    ----------
    xy_px
        Positions (x, y) in pixels from the corner, shape ``[n, 2]``; those outside are left out.
    """
    height, width = shape_yx
    base = np.floor(xy_px).astype(np.int64)
    inside = (base >= 0).all(axis=1) & (base[:, 0] < width - 1) & (base[:, 1] < height - 1)
    base, fraction = base[inside], (xy_px - base)[inside]
    flat = base[:, 1] * width + base[:, 0]
    total = np.zeros(height * width)
    for dy in (0, 1):
        for dx in (0, 1):
            wx = fraction[:, 0] if dx else 1 - fraction[:, 0]
            wy = fraction[:, 1] if dy else 1 - fraction[:, 1]
            total += np.bincount(flat + dy * width + dx, wx * wy, minlength=height * width)
    return total.reshape(height, width).astype(np.float32)


def sphere_thickness(
    centre_px: tuple[float, float], radius_px: float, side_px: int, oversampling: int = 4
) -> Array:
    """Return how thick a sphere is along the beam, in pixels, averaged over each pixel.

    Parameters
    ----------
    centre_px
        Centre (x, y) in pixels; pixel 0 spans -0.5..0.5.

    Returns
    -------
    Shape ``[side_px, side_px]``.
    """
    sub = (np.arange(side_px * oversampling) + 0.5) / oversampling - 0.5
    dx2 = (sub - centre_px[0]) ** 2
    dy2 = (sub - centre_px[1]) ** 2
    thickness = 2 * np.sqrt(np.maximum(0.0, radius_px**2 - dy2[:, None] - dx2[None, :]))
    blocks = thickness.reshape(side_px, oversampling, side_px, oversampling)
    return np.asarray(blocks.mean(axis=(1, 3)))

"""Restored tomograms against known truth: inside the missing wedge, outside, and in all.

Volumes are compared with protein bright and their borders tapered. The wedge is what lies more
than a degree beyond the steepest tilt; the band is 300 to 25 A. Nothing is scaled or filtered
before it is compared.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

COARSEST_ANGSTROM, FINEST_ANGSTROM = 300.0, 25.0
SHELL_PER_ANGSTROM = 1 / 800.0
REACH = 1.6
"""Of what is cut about a particle, over its radius."""
Volume = NDArray[np.float32]


@dataclass(frozen=True)
class Figures:
    """What one volume is worth.

    Attributes
    ----------
    wedge, measured, whole
        Correlation with truth inside the missing wedge, outside, and in the whole band.
    fsc_wedge, fsc_measured
        By shell of 1/800 per Angstrom.
    particles
        Sum of the density about all particles of a kind.
    """

    wedge: float
    measured: float
    whole: float
    fsc_wedge: NDArray[np.float64]
    fsc_measured: NDArray[np.float64]
    particles: NDArray[np.float64]


class Truth:
    """The true volume of one series, in the frame of its tomogram.

    Parameters
    ----------
    volume
        True potential; may be thinner than the tomogram.
    n_z
        Sections of the tomogram.
    voxel_size_angstrom
        Of both.
    steepest_deg
        Of the tilts.
    particles
        Centres (x, y, z) in Angstrom of particles of one kind, and their radius.
    """

    def __init__(
        self,
        volume: Volume,
        n_z: int,
        voxel_size_angstrom: float,
        steepest_deg: float,
        particles: tuple[NDArray[np.float64], float],
    ) -> None:
        before = n_z // 2 - volume.shape[0] // 2
        self.volume = np.pad(
            volume, ((before, n_z - volume.shape[0] - before), (0, 0), (0, 0))
        ).astype(np.float32)
        self.voxel, self.particles = voxel_size_angstrom, particles
        self.window = _window(self.volume.shape)
        self.spectrum = self._transform(self.volume)
        kz, ky, kx = (np.fft.fftfreq(n, voxel_size_angstrom) for n in (*self.volume.shape[:2], 1))
        kx = np.fft.rfftfreq(self.volume.shape[2], voxel_size_angstrom)
        radius = np.sqrt(kz[:, None, None] ** 2 + ky[:, None] ** 2 + kx**2)
        self.band = (radius > 1 / COARSEST_ANGSTROM) & (radius < 1 / FINEST_ANGSTROM)
        height, across = np.abs(kz)[:, None, None], np.abs(kx)
        blur = 1 / (self.volume.shape[2] * voxel_size_angstrom)
        beyond = height > np.tan(np.deg2rad(steepest_deg + 1)) * across + blur
        self.wedge = np.broadcast_to(beyond, radius.shape)
        self.measured = np.broadcast_to(
            height <= np.tan(np.deg2rad(steepest_deg)) * across, radius.shape
        )
        self.shell = (radius / SHELL_PER_ANGSTROM).astype(int)

    def figures(self, volume: Volume) -> Figures:
        """Return what a volume, protein bright, is worth."""
        spectrum = self._transform(volume)
        return Figures(
            self._correlation(spectrum, self.wedge & self.band),
            self._correlation(spectrum, self.measured & self.band),
            self._correlation(spectrum, self.band),
            self._shells(spectrum, self.wedge & self.band),
            self._shells(spectrum, self.measured & self.band),
            self.particle_sum(volume),
        )

    def particle_sum(self, volume: Volume) -> NDArray[np.float64]:
        """Return the sum of the density about all particles that lie inside."""
        centres, radius = self.particles
        reach = int(np.ceil(REACH * radius / self.voxel))
        shape = np.array(volume.shape)
        total = np.zeros((2 * reach + 1,) * 3)
        for x, y, z in centres:
            middle = np.round(np.array([z, y, x]) / self.voxel).astype(int) + shape // 2
            if (middle - reach < 0).any() or (middle + reach >= shape).any():
                continue
            low, high = middle - reach, middle + reach + 1
            total += volume[low[0] : high[0], low[1] : high[1], low[2] : high[2]]
        return total

    def _transform(self, volume: Volume) -> NDArray[np.complex64]:
        return np.fft.rfftn((volume - volume.mean()) * self.window)

    def _correlation(self, spectrum: NDArray[np.complex64], where: NDArray[np.bool_]) -> float:
        a, b = spectrum[where], self.spectrum[where]
        powers = (np.abs(a) ** 2).sum() * (np.abs(b) ** 2).sum()
        return float((a * b.conj()).real.sum() / np.sqrt(powers + 1e-30))

    def _shells(
        self, spectrum: NDArray[np.complex64], where: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        index, a, b = self.shell[where], spectrum[where], self.spectrum[where]
        n_shells = int(1 / FINEST_ANGSTROM / SHELL_PER_ANGSTROM)

        def sums(values: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.bincount(index, weights=values, minlength=n_shells)[:n_shells]

        powers = sums(np.abs(a) ** 2) * sums(np.abs(b) ** 2)
        return sums((a * b.conj()).real) / np.sqrt(powers + 1e-30)


def elongation(density: NDArray[np.float64]) -> float:
    """Return RMS extent along z over that across z, minus 1, of a mean of many particles.

    Second moments of what is above a tenth of the greatest density, that at the rim being zero.
    """
    reach = density.shape[0] // 2
    line = np.arange(-reach, reach + 1)
    z, y, x = np.meshgrid(line, line, line, indexing="ij")
    distance = np.sqrt(x**2 + y**2 + z**2)
    rim = (distance > 0.85 * reach) & (distance <= reach)
    inside = np.where(distance <= reach, density - density[rim].mean(), 0)
    inside = np.where(inside > 0.1 * inside.max(), inside, 0)
    along, across = (inside * z**2).sum(), (inside * (x**2 + y**2)).sum() / 2
    return float(np.sqrt(along / across) - 1)


def _window(shape: tuple[int, ...]) -> Volume:
    window = np.ones(shape, dtype=np.float32)
    for axis, side in enumerate(shape):
        line = np.arange(side) + 0.5
        taper = np.clip(np.minimum(line, side - line) / (side / 10) - 0.3, 0, 1)
        sides = [-1 if a == axis else 1 for a in range(len(shape))]
        window *= (0.5 - 0.5 * np.cos(np.pi * taper)).reshape(sides).astype(np.float32)
    return window

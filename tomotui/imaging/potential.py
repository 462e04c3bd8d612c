"""Matter as points with form factors, and its electrostatic potential on a grid."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import gemmi
import numpy as np
from numpy.typing import NDArray
from scipy import fft

Array = NDArray[np.floating]
FormFactor = Callable[[Array], Array]
"""Squared frequency in 1/A^2 to the transform of the potential above ice in V A^3."""

ICE_POTENTIAL_V = 4.53
"""Mean inner potential of vitreous ice, from free atoms at 0.93 g/cm^3 (Vulovic 2013)."""

VOLT_A2 = 47.87801
"""Potential of a scattering factor: h^2 / (2 pi m e) in V A^2."""

B_FACTOR_A2 = 40.0
"""Thermal motion and disorder of all atoms."""

EXCLUDED_VOLUME_A3 = {"H": 5.15, "C": 16.44, "N": 2.49, "O": 9.13, "P": 5.73, "S": 19.86}
"""Volume of ice that an atom displaces (Fraser, MacRae and Suzuki 1978)."""

_OTHER_VOLUME_A3 = 10.0


@dataclass(frozen=True)
class Scatterers:
    """Points of one kind.

    Parameters
    ----------
    positions_angstrom
        Shape ``[n, 3]``, (x, y, z).
    weights
        How much each point counts, shape ``[n]``.
    form
        Their common form factor.
    """

    positions_angstrom: Array
    weights: Array
    form: FormFactor


@dataclass(frozen=True)
class Matter:
    """A particle before it is sampled: points about their centre of mass."""

    groups: tuple[Scatterers, ...]
    mass_kda: float

    @property
    def radius_angstrom(self) -> float:
        """Distance of the farthest point from the centre, and an atom's size."""
        return 3.0 + max(
            float(np.sqrt((g.positions_angstrom**2).sum(axis=1).max())) for g in self.groups
        )


@dataclass(frozen=True)
class Template:
    """The potential of a particle above that of ice.

    Parameters
    ----------
    potential_v
        Volts, float32, shape ``[n, n, n]``, zyx, centred at voxel ``n // 2``, without
        frequencies above Nyquist.
    radius_angstrom
        Of a sphere about the centre that holds all atoms.
    """

    name: str
    potential_v: NDArray[np.float32]
    pixel_size_angstrom: float
    radius_angstrom: float
    mass_kda: float


def sample(matter: Matter, name: str, pixel_size_angstrom: float) -> Template:
    """Sample the potential of a particle, free of aliasing.

    The points are laid on a grid of at most 2 A (and of at most half the pixel), transformed,
    multiplied by their form factors and cropped to the wanted Nyquist frequency.
    """
    pixel = pixel_size_angstrom
    radius = matter.radius_angstrom
    side = 2 * fft.next_fast_len(int(np.ceil((radius + 8.0) / pixel)), real=True)
    fine = max(2, int(np.ceil(pixel / 2.0)))
    k = fft.fftfreq(side, pixel)
    kx = fft.rfftfreq(side, pixel)
    k2 = k[:, None, None] ** 2 + k[None, :, None] ** 2 + kx[None, None, :] ** 2
    total = np.zeros(k2.shape, dtype=np.complex64)
    for group in matter.groups:
        spectrum = _cropped_spectrum(group, side, fine, pixel / fine)
        total += spectrum * group.form(k2).astype(np.float32)
    # The Nyquist planes belong to two frequencies at once; they are left empty.
    total[side // 2] = 0
    total[:, side // 2] = 0
    total[:, :, side // 2] = 0
    potential = fft.irfftn(total, s=(side,) * 3) / pixel**3
    centred = fft.fftshift(potential).astype(np.float32)
    return Template(name, centred, pixel, radius, matter.mass_kda)


def _cropped_spectrum(group: Scatterers, side: int, fine: int, voxel: float) -> NDArray:
    """Return the transform of the points themselves up to the coarse grid's frequencies."""
    n = side * fine
    grid = np.zeros(n**3, dtype=np.float32)
    position = group.positions_angstrom[:, ::-1] / voxel
    base = np.floor(position).astype(np.int64)
    fraction = position - base
    for corner in np.ndindex(2, 2, 2):
        index = (base + np.array(corner)) % n
        weight = np.where(np.array(corner), fraction, 1 - fraction).prod(axis=1) * group.weights
        flat = (index[:, 0] * n + index[:, 1]) * n + index[:, 2]
        grid += np.bincount(flat, weight, minlength=n**3).astype(np.float32)
    spectrum = fft.rfftn(grid.reshape(n, n, n))
    half = side // 2
    keep = np.r_[0:half, n - half : n]
    cropped = spectrum[keep][:, keep][:, :, : half + 1]
    # Laying a point on the 8 voxels about it blurs it with a triangle, undone here.
    blur = np.sinc(fft.fftfreq(side, fine)) ** 2
    blur_x = np.sinc(fft.rfftfreq(side, fine)) ** 2
    cropped /= (blur[:, None, None] * blur[None, :, None] * blur_x).astype(np.float32)
    return np.asarray(cropped)


def gaussian_form(excess_v_a3: float, sigma_angstrom: float) -> FormFactor:
    """Return the form factor of a Gaussian blob with an integrated potential."""

    def form(k2: Array) -> Array:
        return np.asarray(excess_v_a3 * np.exp(-2 * np.pi**2 * sigma_angstrom**2 * k2))

    return form


def atomic_matter(atoms: Mapping[str, tuple[Array, Array]]) -> Matter:
    """Return atoms about their centre of mass, as scatterers.

    Parameters
    ----------
    atoms
        By element: positions in Angstrom ``[n, 3]``, (x, y, z), and occupancies ``[n]``.
    """
    # The potential of one element is summed over a fixed order, so that it never varies.
    names = sorted(atoms)
    everything = np.concatenate([atoms[n][0] for n in names])
    masses = np.concatenate([atoms[n][1] * gemmi.Element(n).weight for n in names])
    centre = (everything * masses[:, None]).sum(axis=0) / masses.sum()
    groups = tuple(Scatterers(atoms[n][0] - centre, atoms[n][1], _atom_form(n)) for n in names)
    return Matter(groups, sum(_mass_da(n, atoms[n][1]) for n in atoms) / 1e3)


def _mass_da(element: str, occupancies: Array) -> float:
    return float(occupancies.sum()) * float(gemmi.Element(element).weight)


def _atom_form(element: str) -> FormFactor:
    """Return an atom's potential minus that of the ice it displaces (Peng 1999 Gaussians)."""
    coefficients = gemmi.Element(element).c4322
    a, b = list(coefficients.a), list(coefficients.b)
    if not any(a):
        carbon = gemmi.Element("C").c4322
        a, b = list(carbon.a), list(carbon.b)
    volume = EXCLUDED_VOLUME_A3.get(element, _OTHER_VOLUME_A3)

    def form(k2: Array) -> Array:
        atom = sum(ai * np.exp(-(bi + B_FACTOR_A2) * k2 / 4) for ai, bi in zip(a, b, strict=True))
        ice = ICE_POTENTIAL_V * volume * np.exp(-np.pi * volume ** (2 / 3) * k2)
        return np.asarray(VOLT_A2 * atom - ice * np.exp(-B_FACTOR_A2 * k2 / 4))

    return form

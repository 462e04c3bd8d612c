"""Helical symmetry: maps of filaments averaged over their subunits, and rise and twist refined.

As in real-space helical reconstruction (Egelman 2000, Ultramicroscopy 85:225; He and Scheres 2017,
J. Struct. Biol. 198:163) only the central part of a map is believed, where every particle of a
filament contributes; it is laid over itself by rise and twist until the box is full.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import Tensor

from tomotui.algorithms.refine.maps import frequencies_within
from tomotui.geometry.angles import rotations_of_vectors
from tomotui.imaging.slices import SliceSource

Array = NDArray[np.float64]

CENTRAL_SHARE = 0.5
"""Length of the central part over the diameter of the ball that holds the particle."""

MOST_RISE_SHARE, MOST_TWIST_DEG = 0.1, 5.0
"""How far rise and twist may be refined from where they began."""

_EDGE_SHARE = 0.2
_LEAST_COUNT = 0.02
_MOST_COMPARED = 8
_FIRST_RISE_SHARE, _FIRST_TWIST_DEG = 0.01, 0.5
_EVALUATIONS = 60


@dataclass(frozen=True)
class Helix:
    """How the subunits of a filament along z follow each other.

    Attributes
    ----------
    rise_angstrom
        From a subunit to the next along z; above 0.
    twist_deg
        About z meanwhile; above 0 for a right-handed screw.
    length_angstrom
        Of the central part that is believed.
    """

    rise_angstrom: float
    twist_deg: float
    length_angstrom: float

    def turns(self, steps: Array) -> Array:
        """Return how subunits some steps on are turned, ``[s, 3, 3]``."""
        vectors = np.zeros((len(steps), 3))
        vectors[:, 2] = np.deg2rad(self.twist_deg) * steps
        return rotations_of_vectors(vectors)

    def window(self, size: int, pixel_size_angstrom: float, shift_angstrom: float = 0.0) -> Tensor:
        """Return how much each height counts, moved along z, ``[n]`` from 0 to 1."""
        z = (torch.arange(size) - size // 2) * pixel_size_angstrom - shift_angstrom
        edge = _EDGE_SHARE * self.length_angstrom
        inside = (0.5 * (self.length_angstrom + edge) - z.abs()) / edge
        return 0.5 - 0.5 * torch.cos(math.pi * inside.clamp(0, 1))


def helically_averaged(volume: Tensor, pixel_size_angstrom: float, helix: Helix) -> Tensor:
    """Return a map whose subunits are all the mean of those in its central part.

    Parameters
    ----------
    volume
        With the filament's axis along z through voxel ``n // 2``, ``[n, n, n]``.
    """
    n = volume.shape[-1]
    # A copy that left the box at one end would come in again at the other.
    reach = 0.5 * (n * pixel_size_angstrom - (1 + _EDGE_SHARE) * helix.length_angstrom)
    last = max(0, int(reach / helix.rise_angstrom))
    steps = np.arange(-last, last + 1, dtype=np.float64)
    window = helix.window(n, pixel_size_angstrom).to(volume)
    source = SliceSource(volume * window[:, None, None], n / 2 - 1)
    places, inside = frequencies_within(n, n / 2 - 1, volume.device)
    spectrum = torch.zeros(inside.shape, dtype=torch.complex64, device=volume.device)
    total = torch.zeros(len(places), dtype=torch.complex64, device=volume.device)
    counted = volume.new_zeros(n)
    for step, turn in zip(steps, torch.as_tensor(helix.turns(steps)).to(places), strict=True):
        along = step * helix.rise_angstrom
        total += source.read(places @ turn) * _ramp(places, along / pixel_size_angstrom, n)
        counted += helix.window(n, pixel_size_angstrom, along).to(volume)
    spectrum[inside] = total
    summed = torch.fft.fftshift(torch.fft.irfftn(spectrum, s=(n,) * 3))
    return summed / counted.clamp_min(_LEAST_COUNT)[:, None, None]


def _ramp(places: Tensor, shift_px: float, size: int) -> Tensor:
    """Return what a shift along z does to Fourier terms."""
    angle = places[:, 2] * (-2 * math.pi * shift_px / size)
    return torch.polar(torch.ones_like(angle), angle)


def refined_helix(
    volume: Tensor, pixel_size_angstrom: float, helix: Helix, resolution_angstrom: float
) -> Helix:
    """Return the rise and twist by which a map agrees best with itself.

    Parameters
    ----------
    volume
        Not averaged over subunits, ``[n, n, n]``.
    helix
        To begin with; the result stays near it.
    resolution_angstrom
        Finest detail that counts.
    """
    n = volume.shape[-1]
    radius = min(n / 2 - 1, n * pixel_size_angstrom / resolution_angstrom)
    # Of what is left of the map at the finest detail that counts, the central part is compared.
    source = SliceSource(volume, radius)
    places, inside = frequencies_within(n, radius, volume.device)
    weight = helix.window(n, pixel_size_angstrom).to(volume)[:, None, None]

    def moved(turn: Tensor, shift_px: float) -> Tensor:
        spectrum = torch.zeros(inside.shape, dtype=torch.complex64, device=volume.device)
        spectrum[inside] = source.read(places @ turn) * _ramp(places, shift_px, n)
        found = torch.fft.fftshift(torch.fft.irfftn(spectrum, s=(n,) * 3))
        return found * weight

    own = moved(torch.eye(3).to(places), 0.0)
    most = max(1, int(0.5 * helix.length_angstrom / helix.rise_angstrom))
    steps = np.unique(np.linspace(1, most, min(most, _MOST_COMPARED)).round())

    def disagreement(change: Array) -> float:
        if (np.abs(change) > 1).any():
            return 2.0
        tried = _changed(helix, change)
        turns = torch.as_tensor(tried.turns(steps)).to(places)
        found = 0.0
        for step, turn in zip(steps, turns, strict=True):
            other = moved(turn, step * tried.rise_angstrom / pixel_size_angstrom)
            product = (own * other).sum()
            found += float(product / (own.norm() * other.norm()).clamp_min(1e-30))
        return 1 - found / len(steps)

    first = np.array(
        [
            [0.0, 0.0],
            [_FIRST_RISE_SHARE / MOST_RISE_SHARE, 0],
            [0, _FIRST_TWIST_DEG / MOST_TWIST_DEG],
        ]
    )
    best = minimize(
        disagreement,
        first[0],
        method="Nelder-Mead",
        options={"initial_simplex": first, "maxfev": _EVALUATIONS, "xatol": 1e-4, "fatol": 1e-7},
    )
    return _changed(helix, best.x)


def _changed(helix: Helix, change: Array) -> Helix:
    """Return a helix changed by shares of what is allowed."""
    return replace(
        helix,
        rise_angstrom=helix.rise_angstrom * (1 + MOST_RISE_SHARE * float(change[0])),
        twist_deg=helix.twist_deg + MOST_TWIST_DEG * float(change[1]),
    )

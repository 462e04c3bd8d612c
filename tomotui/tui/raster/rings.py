"""The rings that a fitted contrast transfer function draws over a power spectrum."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from tomotui.records import TiltCtf, TiltSeries
from tomotui.tui.raster.picture import Trail

Floats = NDArray[np.float64]

_PLANCK_TIMES_C_EV_A = 12_398.419_8
_REST_ENERGY_EV = 510_998.95
MOST_RINGS = 60
_POINTS = 180


def wavelength_angstrom(voltage_kv: float) -> float:
    """Return the relativistic wavelength of electrons (0.0197 A at 300 kV)."""
    energy = voltage_kv * 1e3
    return _PLANCK_TIMES_C_EV_A / math.sqrt(energy * (2 * _REST_ENERGY_EV + energy))


def defocus_along(ctf: TiltCtf, angle_rad: Floats) -> Floats:
    """Return the defocus in Angstrom along directions from +x towards +y."""
    mean = 0.5 * (ctf.defocus_u_angstrom + ctf.defocus_v_angstrom)
    half = 0.5 * (ctf.defocus_u_angstrom - ctf.defocus_v_angstrom)
    along: Floats = mean + half * np.cos(2 * (angle_rad - math.radians(ctf.astigmatism_angle_deg)))
    return along


def ring_zeros(
    series: TiltSeries, ctf: TiltCtf, angle_rad: Floats, highest_per_angstrom: float
) -> Floats:
    """Return where the transfer function vanishes along directions.

    The zeros of ``sin(pi L dz k^2 - pi/2 Cs L^3 k^4 + phase + asin(ac))`` are those of a quadratic
    equation in ``k^2`` for every multiple of pi.

    Returns
    -------
    Frequencies in 1/A, shape ``[n_rings, n_angles]``, the innermost ring first; NaN where a ring
    does not exist along a direction or lies beyond ``highest_per_angstrom`` everywhere.
    """
    wave = wavelength_angstrom(series.voltage_kv)
    cs = max(series.spherical_aberration_mm, 1e-6) * 1e7
    phase = math.radians(ctf.phase_shift_deg) + math.asin(series.amplitude_contrast)
    defocus = defocus_along(ctf, angle_rad)
    multiples = np.arange(-MOST_RINGS, MOST_RINGS + 1, dtype=np.float64)[:, None]
    root = (wave * defocus) ** 2 - 2 * cs * wave**3 * (multiples - phase / math.pi)
    with np.errstate(invalid="ignore"):
        square = (wave * defocus - np.sqrt(root)) / (cs * wave**3)
        found = np.sqrt(square)
    found = np.where(found <= highest_per_angstrom, found, np.nan)
    seen = np.isfinite(found).any(axis=1)
    rings = found[seen]
    if not len(rings):
        return rings
    zeros: Floats = rings[np.argsort(np.nanmean(rings, axis=1))]
    return zeros


def ring_trails(
    series: TiltSeries,
    ctf: TiltCtf,
    size: int,
    frequency_step_per_angstrom: float,
    *,
    least_gap: float = 2.0,
    resolution_angstrom: float | None = None,
) -> list[Trail]:
    """Return the rings over the right half of a square spectrum; the left stays as it is.

    Parameters
    ----------
    size
        Pixels along an edge; the origin is pixel ``size // 2``, rows grow with y.
    frequency_step_per_angstrom
        Frequency from one pixel to the next.
    least_gap
        Pixels between two rings below which the picture would be hidden by them.
    resolution_angstrom
        Where a closed circle says how far rings are seen.
    """
    middle = size // 2
    half = np.linspace(-math.pi / 2, math.pi / 2, _POINTS)
    trails: list[Trail] = []
    last = 0.0
    for ring in ring_zeros(series, ctf, half, middle * frequency_step_per_angstrom):
        radius = ring / frequency_step_per_angstrom
        if trails and float(np.nanmean(radius)) - last < least_gap:
            break
        last = float(np.nanmean(radius))
        rows, columns = middle + radius * np.sin(half), middle + radius * np.cos(half)
        trails.append(Trail(rows, columns, "accent"))
    if resolution_angstrom:
        whole = np.linspace(-math.pi, math.pi, 2 * _POINTS)
        reach = 1 / resolution_angstrom / frequency_step_per_angstrom
        trails.append(
            Trail(middle + reach * np.sin(whole), middle + reach * np.cos(whole), "unsure")
        )
    return trails

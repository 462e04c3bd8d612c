"""How far the rings agree with the model: curves for the eye, resolution and score."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tomotui.algorithms.ctf.background import BACKGROUND_KNOTS, spline_basis
from tomotui.algorithms.ctf.joint import JointFit
from tomotui.algorithms.ctf.search import CORRELATION
from tomotui.algorithms.ctf.state import Fitted

Array = NDArray[np.float64]

THRESHOLD = 0.3
LEAST_TILT_Z = 3.0
LEAST_WINDOW_Z = 3.0
WINDOW_PERIODS, LEAST_WINDOW_RINGS = 1.5, 9
DISPLAY_SIZE = 128
_FLOOR_SHARE = 0.2


@dataclass(frozen=True)
class RingCurves:
    """Spectra averaged along lines of equal phase, ``[tilts, rings]``.

    Attributes
    ----------
    frequency_per_angstrom
        ``[rings]``; of the tilt's mean defocus.
    observed
        Power without background over twice the envelope, plus a half: 0 to 1 for clean rings.
    fitted
        ``(1 - attenuation * cos 2 phase) / 2``.
    correlation
        Local agreement, -1..1, over three rings about each frequency.
    score
        Agreement over the whole fitted band, -1..1, ``[tilts]``.
    resolution_angstrom
        Where the local agreement falls below 0.3 for good; NaN where no rings are seen.
    """

    frequency_per_angstrom: Array
    observed: Array
    fitted: Array
    correlation: Array
    score: Array
    resolution_angstrom: Array


def tilt_significance(fitted: Fitted) -> Array:
    """Return for each tilt how many standard deviations its rings rise above nothing."""
    out: Array = np.sqrt(np.maximum(2 * fitted.gain, 0.0))
    return out


def ring_curves(fit: JointFit, fitted: Fitted, highest_per_angstrom: float) -> RingCurves:
    """Average along equal phase and compare with the model, tilt by tilt."""
    spectra = fit.model.spectra
    curves = fitted.curves
    lines = _lines(fit, fitted)
    k = spectra.frequency_per_angstrom.cpu().numpy()
    half = _half_widths(fit, fitted, k, float(k[1] - k[0]))
    envelope = curves.envelope.cpu().numpy()
    floor = _FLOOR_SHARE * envelope.max(axis=1, keepdims=True) + 1e-9
    z = tilt_significance(fitted)
    inside = k <= highest_per_angstrom
    local = _local_correlation(lines.data_apart, lines.rings_apart, half)
    observed = lines.data - curves.background.cpu().numpy()
    weight = lines.count / curves.variance.cpu().numpy() * inside
    shown = _without_smooth(envelope * lines.rings, weight, k)
    return RingCurves(
        frequency_per_angstrom=k,
        observed=0.5 + 0.5 * observed / np.maximum(envelope, floor),
        fitted=0.5 + 0.5 * lines.rings,
        correlation=local,
        score=_overall(_without_smooth(lines.data, weight, k), shown, weight),
        resolution_angstrom=np.array(
            [
                _resolution(local[i], half[i], k) if z[i] >= LEAST_TILT_Z else np.nan
                for i in range(len(z))
            ]
        ),
    )


@dataclass(frozen=True)
class _Lines:
    """Spectra along lines of equal phase, ``[tilts, rings]``: data and unit rings.

    ``apart`` means without their smooth part, which a background explains as well.
    """

    count: Array
    data: Array
    rings: Array
    data_apart: Array
    rings_apart: Array


def _lines(fit: JointFit, fitted: Fitted) -> _Lines:
    spectra = fit.model.spectra
    weight = spectra.n_tiles[:, None, None] * spectra.n_pixels
    k = spectra.frequency_per_angstrom
    position = (_equal_phase(fit, fitted) - k[0]) / (k[1] - k[0])
    parts = (weight, weight * spectra.power, weight * fitted.rings)
    sums = [_splat(v, position, spectra.tilt, spectra.n_tilts, len(k)) for v in parts]
    count = np.maximum(sums[0], 1e-9)
    data, rings = sums[1] / count, sums[2] / count
    variance = fitted.curves.variance.cpu().numpy()
    places = k.cpu().numpy()
    apart = [_without_smooth(values, count / variance, places) for values in (data, rings)]
    return _Lines(count, data, rings, apart[0], apart[1])


def _without_smooth(values: Array, weight: Array, k: Array) -> Array:
    """Subtract the best smooth background of each tilt."""
    basis = spline_basis(torch.from_numpy(k), BACKGROUND_KNOTS).numpy()
    root = np.sqrt(weight)
    design = root[:, :, None] * basis
    normal = design.transpose(0, 2, 1) @ design
    scale = np.einsum("tbb->t", normal)[:, None, None] / basis.shape[1]
    right = design.transpose(0, 2, 1) @ (root * values)[:, :, None]
    weights = np.linalg.solve(normal + 1e-9 * scale * np.eye(basis.shape[1]), right)
    apart: Array = values - (basis @ weights)[:, :, 0]
    return apart


def _equal_phase(fit: JointFit, fitted: Fitted) -> Tensor:
    """Return the frequency at which the tilt's mean defocus has the phase of each value."""
    state, model = fitted.state, fit.model
    _, phase = fit.rings(state)
    tilt = model.spectra.tilt
    device = phase.device
    constant = math.asin(model.optics.amplitude_contrast)
    shift = torch.from_numpy(np.deg2rad(fit.phase_of_tilts(state))).to(device)[tilt]
    varying = 0.5 * phase.double() - constant - shift[:, None, None]
    mean = torch.from_numpy(state.defocus_angstrom).to(device)[tilt][:, None, None]
    wavelength = model.optics.wavelength_angstrom
    cs = max(model.optics.spherical_aberration_mm, 1e-3) * 1e7
    # varying = pi L dz q - pi/2 Cs L^3 q^2, solved for q = k^2 on its rising branch.
    root = mean.square() - 2 * cs * wavelength * varying / math.pi
    k2 = 2 * varying / (math.pi * wavelength) / (mean + root.clamp_min(0).sqrt()).clamp_min(1.0)
    return torch.where(root > 0, k2, model.spectra.k2[None]).clamp_min(0).sqrt()


def _splat(values: Tensor, position: Tensor, tilt: Tensor, n_tilts: int, n_rings: int) -> Array:
    """Add values to the two nearest rings of their tilts."""
    low = torch.floor(position)
    share = (position - low).float()
    out = torch.zeros(n_tilts * n_rings, dtype=torch.float64, device=values.device)
    row = (tilt * n_rings)[:, None, None]
    values = values.expand_as(position)
    for offset, part in ((0, 1 - share), (1, share)):
        ring = low.long() + offset
        inside = (ring >= 0) & (ring < n_rings)
        index = (row + ring.clamp(0, n_rings - 1)).reshape(-1)
        out.index_add_(0, index, (values * part * inside).double().reshape(-1))
    array: Array = out.reshape(n_tilts, n_rings).cpu().numpy()
    return array


def _half_widths(fit: JointFit, fitted: Fitted, k: Array, step: float) -> NDArray[np.intp]:
    """Return half the number of rings of each local window, ``[tilts, rings]``."""
    wavelength = fit.model.optics.wavelength_angstrom
    defocus = np.maximum(np.abs(fitted.state.defocus_angstrom), 1000.0)
    period = 1.0 / (2 * wavelength * defocus[:, None] * k[None, :]) / step
    half = np.clip(np.rint(WINDOW_PERIODS * period), LEAST_WINDOW_RINGS, len(k) // 3)
    return half.astype(np.intp)


def _windowed(values: Array, half: NDArray[np.intp]) -> Array:
    """Return means over windows of varying width along the last axis."""
    n = values.shape[-1]
    total = np.concatenate([np.zeros((len(values), 1)), np.cumsum(values, axis=1)], axis=1)
    index = np.arange(n)[None, :]
    low, high = np.maximum(index - half, 0), np.minimum(index + half + 1, n)
    rows = np.arange(len(values))[:, None]
    means: Array = (total[rows, high] - total[rows, low]) / (high - low)
    return means


def _local_correlation(observed: Array, rings: Array, half: NDArray[np.intp]) -> Array:
    a, b = observed - _windowed(observed, half), rings - _windowed(rings, half)
    product = _windowed(a * b, half)
    norm = np.sqrt(_windowed(a * a, half) * _windowed(b * b, half))
    out: Array = product / np.maximum(norm, 1e-12)
    return out


def _overall(observed: Array, shown: Array, weight: Array) -> Array:
    norm = (weight * observed**2).sum(axis=1) * (weight * shown**2).sum(axis=1)
    out: Array = (weight * observed * shown).sum(axis=1) / np.sqrt(np.maximum(norm, 1e-24))
    return out


def _resolution(local: Array, half: NDArray[np.intp], k: Array) -> float:
    """Return the spacing at which the agreement first stays below the threshold."""
    below = local < THRESHOLD
    # The lowest windows hold less than a ring of a small defocus: begin where one agrees.
    if below.all():
        return float("nan")
    position = int(np.argmin(below))
    while position < len(k):
        width = int(half[position])
        if below[position : position + width].all():
            break
        position += 1
    position = min(position, len(k)) - 1
    return float(1.0 / k[max(position, 0)])


def series_significance(fit: JointFit, fitted: Fitted) -> tuple[Array, Array]:
    """Return frequencies and how significant the rings of the whole series are about each.

    In windows over the frequency, the amplitude of the rings in units of its standard
    deviation, all tilts together; it tells up to where there is something to fit.
    """
    lines = _lines(fit, fitted)
    weight = lines.count / (CORRELATION * fitted.curves.variance.cpu().numpy())
    product = (weight * lines.data_apart * lines.rings_apart).sum(axis=0)
    norm = (weight * lines.rings_apart**2).sum(axis=0)
    k = fit.model.spectra.frequency_per_angstrom.cpu().numpy()
    step = k[1] - k[0]
    half = np.median(_half_widths(fit, fitted, k, step), axis=0).astype(np.intp)[None]
    z = _windowed(product[None], half) / np.sqrt(np.maximum(_windowed(norm[None], half), 1e-12))
    return k, z[0] * np.sqrt(2 * half[0] + 1)


def highest_with_rings(fit: JointFit, fitted: Fitted, tried_per_angstrom: float) -> float:
    """Return the highest frequency up to which the series shows rings, from low ones upwards."""
    k, z = series_significance(fit, fitted)
    seen = z >= LEAST_WINDOW_Z
    inside = k <= tried_per_angstrom
    start = int(np.argmax(z * inside)) if inside.any() else 0
    stop = start
    while stop + 1 < len(k) and seen[stop + 1]:
        stop += 1
    return float(k[stop])


def display_spectra(fit: JointFit, fitted: Fitted) -> tuple[Array, float]:
    """Return small pictures of the flattened spectra, depth corrected, and their pixel size.

    Returns
    -------
    ``[tilts, 128, 128]`` with zero frequency at [64, 64] and y (row index) as in the image, and
    the step in 1/A.
    """
    spectra = fit.model.spectra
    n_sectors, n_rings = spectra.k2.shape
    k = spectra.frequency_per_angstrom.cpu().numpy()
    step = float(k[-1]) / (DISPLAY_SIZE // 2)
    weight = spectra.n_tiles[:, None, None] * spectra.n_pixels
    depth_free = _sector_frequency(fit, fitted)
    position = (depth_free - float(k[0])) / float(k[1] - k[0])
    polar = np.zeros((spectra.n_tilts, n_sectors, n_rings))
    for sector in range(n_sectors):
        some = slice(sector, sector + 1)
        parts = [
            _splat(values[:, some], position[:, some], spectra.tilt, spectra.n_tilts, n_rings)
            for values in (weight, weight * spectra.power)
        ]
        polar[:, sector] = np.where(parts[0] > 0, parts[1] / np.maximum(parts[0], 1e-9), 1.0)
    place = (np.arange(DISPLAY_SIZE) - DISPLAY_SIZE // 2) * step
    kx, ky = place[None, :], place[:, None]
    radius = np.hypot(kx, ky)
    # Between the middles of two sectors; the last one meets the first, half a turn on.
    sector = (np.arctan2(ky, kx) / np.pi + 0.5) * n_sectors - 0.5
    low = np.floor(sector).astype(int)
    share = sector - low
    ring = np.rint((radius - k[0]) / (k[1] - k[0])).astype(int)
    inside = (ring >= 0) & (ring < n_rings)
    near = np.clip(ring, 0, n_rings - 1)
    pictures = (1 - share) * polar[:, low % n_sectors, near]
    pictures += share * polar[:, (low + 1) % n_sectors, near]
    return np.where(inside[None], pictures, 1.0), step


def _sector_frequency(fit: JointFit, fitted: Fitted) -> Tensor:
    """Return the frequencies with the depth of each cell taken out, astigmatism left in."""
    spectra = fit.model.spectra
    state = fitted.state
    tilt = spectra.tilt.cpu().numpy()
    mean = np.maximum(state.defocus_angstrom, 500.0)[tilt]
    ratio = np.maximum(fit.cell_depth(state) + mean, 500.0) / mean
    scale = torch.from_numpy(np.sqrt(ratio)).to(spectra.k2.device)
    return spectra.k2.sqrt()[None] * scale[:, None, None]

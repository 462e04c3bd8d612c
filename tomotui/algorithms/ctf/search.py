"""Exhaustive search of defocus (and phase shift) on spectra averaged over directions.

For every tilt and every trial the rings are matched to the flattened spectra of its cells, at
the depth of each; a smooth background is projected out of data and rings alike, so that it can
neither pose as a wide first ring nor take one away. The result is a signal over noise: the
matched filter's amplitude over its standard deviation, positive where rings lie as predicted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from tomotui.algorithms.ctf.background import BACKGROUND_KNOTS, running_mean, spline_basis
from tomotui.algorithms.ctf.spectra import Spectra
from tomotui.imaging.ctf import CtfOptics

ENVELOPE_B_ANGSTROM2 = (0.0, 100.0, 300.0, 900.0)
"""Shapes of envelope that are tried, exp(-B k^2 / 2) in the power."""

CORRELATION = 4.0
"""Neighbouring rings and overlapping tiles share noise: a windowed spectrum oversampled by the
box (6 deviations wide) has 2.4 correlated rings, tiles 1.5 deviations apart 1.6."""

_VARIANCE_HALF_WIDTH = 8
_CHUNK = 4_000_000


@dataclass(frozen=True)
class Lines:
    """Flattened spectra averaged over directions.

    Attributes
    ----------
    tilt, n_tiles
        ``[cells]``.
    values
        ``[cells, rings]``.
    weight
        Inverse variance of one tile's value, ``[tilts, rings]``.
    k2
        ``[rings]``, 1/A^2.
    basis
        Splines that make up a background, ``[rings, functions]``.
    """

    tilt: Tensor
    n_tiles: Tensor
    values: Tensor
    weight: Tensor
    k2: Tensor
    basis: Tensor

    @property
    def n_tilts(self) -> int:
        """Number of tilts."""
        return len(self.weight)


def average_directions(flat: Spectra, highest_per_angstrom: float) -> Lines:
    """Average flattened spectra over directions up to a frequency."""
    kept = int((flat.frequency_per_angstrom <= highest_per_angstrom).sum())
    kept = max(kept, min(16, len(flat.frequency_per_angstrom)))
    pixels = flat.n_pixels[:, :kept]
    count = pixels.sum(dim=0).clamp_min(1)
    values = ((flat.power[..., :kept] * pixels).sum(dim=1) / count).double()
    k2 = (flat.k2[:, :kept] * pixels).sum(dim=0) / count
    basis = spline_basis(flat.frequency_per_angstrom[:kept], BACKGROUND_KNOTS)
    n_tiles = flat.n_tiles.double()
    mean = _per_tilt(values * n_tiles[:, None], flat.tilt, flat.n_tilts)
    mean = mean / _per_tilt(n_tiles[:, None], flat.tilt, flat.n_tilts)
    smooth = mean @ torch.linalg.pinv(basis).T @ basis.T
    residual = (values - smooth[flat.tilt]).square() * n_tiles[:, None]
    cells = _per_tilt(torch.ones_like(n_tiles)[:, None], flat.tilt, flat.n_tilts)
    variance = running_mean(_per_tilt(residual, flat.tilt, flat.n_tilts), _VARIANCE_HALF_WIDTH)
    variance = variance / cells
    floor = 1e-3 * variance.median(dim=1, keepdim=True).values.clamp_min(1e-12)
    weight = 1.0 / variance.clamp_min(floor)
    return Lines(flat.tilt, n_tiles, values, weight, k2, basis)


def _per_tilt(values: Tensor, tilt: Tensor, n_tilts: int) -> Tensor:
    out = torch.zeros(n_tilts, *values.shape[1:], dtype=values.dtype, device=values.device)
    return out.index_add_(0, tilt, values)


def match_rings(
    lines: Lines,
    depth_angstrom: Tensor,
    attenuation: Tensor,
    defocus_angstrom: Tensor,
    phase_shift_deg: Tensor,
    optics: CtfOptics,
) -> Tensor:
    """Match rings for every trial defocus and phase shift.

    Parameters
    ----------
    depth_angstrom
        Defocus of each cell minus that of its tilt, ``[cells]``.
    attenuation
        What the windows leave of the rings, ``[tilts, rings]``.
    defocus_angstrom
        Trials, ``[n_defocus]``.
    phase_shift_deg
        Trials, ``[n_phase]``.

    Returns
    -------
    Amplitude over standard deviation, ``[tilts, envelopes, n_phase, n_defocus]``.
    """
    n_trials = len(defocus_angstrom)
    chunk = max(1, int(_CHUNK / lines.values.numel()))
    parts = [
        _match_some(
            lines,
            depth_angstrom,
            attenuation,
            defocus_angstrom[start : start + chunk],
            phase_shift_deg,
            optics,
        )
        for start in range(0, n_trials, chunk)
    ]
    return torch.cat(parts, dim=-1)


def _match_some(
    lines: Lines,
    depth_angstrom: Tensor,
    attenuation: Tensor,
    defocus_angstrom: Tensor,
    phase_shift_deg: Tensor,
    optics: CtfOptics,
) -> Tensor:
    """Match rings for a few trials of defocus."""
    defocus = depth_angstrom[:, None] + defocus_angstrom[None, :]
    slope = 2 * optics.phase_per_defocus(lines.k2)
    phase = (defocus[..., None] * slope + 2 * optics.phase_in_focus(lines.k2)).float()
    tiles = lines.n_tiles[:, None]
    left = attenuation.double()[lines.tilt]
    size = left * tiles

    def summed(rings: Tensor, factor: Tensor) -> Tensor:
        parts = rings * factor.float()[:, None]
        return _per_tilt(parts, lines.tilt, lines.n_tilts).double()

    cos, sin = torch.cos(phase), torch.sin(phase)
    centred = lines.values - 1.0
    cos_sum, sin_sum = summed(cos, size), summed(sin, size)
    cos_data = summed(cos, centred * size) + cos_sum
    sin_data = summed(sin, centred * size) + sin_sum
    power = left * size
    cos_cos, cos_sin = summed(cos * cos, power), summed(cos * sin, power)
    sin_sin = _per_tilt(power, lines.tilt, lines.n_tilts)[:, None] - cos_cos
    total = _per_tilt(tiles, lines.tilt, lines.n_tilts)[:, :, None]
    data_sum = _per_tilt(lines.values * tiles, lines.tilt, lines.n_tilts)[:, None]
    turns = torch.deg2rad(2 * phase_shift_deg.double())
    found = []
    for turn in turns.tolist():
        # cos(phase + turn), written with the sums over cos and sin of the phase.
        c, s = -math.cos(turn), math.sin(turn)
        by_data, by_one = c * cos_data + s * sin_data, c * cos_sum + s * sin_sum
        squared = c * c * cos_cos + 2 * c * s * cos_sin + s * s * sin_sin
        found.append(_amplitude(lines, by_data, by_one, squared, data_sum, total))
    return torch.stack(found, dim=2)


def _amplitude(
    lines: Lines,
    by_data: Tensor,
    by_one: Tensor,
    squared: Tensor,
    data_sum: Tensor,
    total: Tensor,
) -> Tensor:
    """Return amplitude over deviation ``[tilts, envelopes, trials]``; background projected out."""
    basis = lines.basis
    weight = lines.weight
    normal = torch.einsum("tk,kb,kc->tbc", weight, basis, basis) * total
    normal = normal + 1e-9 * normal.diagonal(dim1=1, dim2=2).mean(dim=1)[:, None, None] * torch.eye(
        basis.shape[1], dtype=basis.dtype, device=basis.device
    )
    inverse = torch.linalg.inv(normal)
    data_basis = torch.einsum("tdk,tk,kb->tdb", data_sum, weight, basis)
    out = []
    for b in ENVELOPE_B_ANGSTROM2:
        shape = torch.exp(-0.5 * b * (lines.k2 - lines.k2[0]))
        by_basis = torch.einsum("tdk,tk,kb->tdb", by_one, weight * shape, basis)
        gone = torch.einsum("tdb,tbc->tdc", by_basis, inverse)
        product = torch.einsum("tdk,tk->td", by_data, weight * shape)
        product = product - (gone * data_basis).sum(dim=-1)
        norm = torch.einsum("tdk,tk->td", squared, weight * shape**2)
        norm = norm - (gone * by_basis).sum(dim=-1)
        out.append(product / (CORRELATION * norm.clamp_min(1e-9)).sqrt())
    return torch.stack(out, dim=1)

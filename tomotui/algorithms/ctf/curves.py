"""Background and envelope of each tilt, and the noise about them, for given rings."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tomotui.algorithms.ctf.background import (
    BACKGROUND_KNOTS,
    ENVELOPE_KNOTS,
    running_mean,
    spline_basis,
)
from tomotui.algorithms.ctf.rings import RingModel

_VARIANCE_HALF_WIDTH = 8
_PRIOR_STRENGTH = 0.5
_NEIGHBOURS = 2.0


@dataclass(frozen=True)
class Curves:
    """Smooth curves of every tilt over the rings, ``[tilts, rings]``.

    Attributes
    ----------
    background, envelope
        Of the model ``background - envelope * cos(2 phase)``; the envelope is nowhere negative.
    variance
        Of one pixel of one tile about the model.
    envelope_weights, background_weights
        Coefficients of the splines, ``[tilts, functions]``.
    """

    background: Tensor
    envelope: Tensor
    variance: Tensor
    background_weights: Tensor
    envelope_weights: Tensor


@dataclass(frozen=True)
class Moments:
    """Sums over cells and sectors that the curves need, ``[tilts, rings]``."""

    one: Tensor
    data: Tensor
    rings: Tensor
    rings_data: Tensor
    rings_rings: Tensor


def ring_moments(model: RingModel, rings: Tensor) -> Moments:
    """Sum data and rings with the number of pixels behind each value as weight.

    Parameters
    ----------
    rings
        ``-attenuation * cos(2 phase)``, ``[cells, sectors, rings]``.
    """
    spectra = model.spectra
    weight = spectra.n_tiles[:, None, None] * spectra.n_pixels

    def total(values: Tensor) -> Tensor:
        return model.sum_over_cells(values.sum(dim=1)).double()

    weighted = weight * rings
    return Moments(
        one=total(weight.expand_as(rings)),
        data=total(weight * spectra.power),
        rings=total(weighted),
        rings_data=total(weighted * spectra.power),
        rings_rings=total(weighted * rings),
    )


def fit_curves(
    model: RingModel, rings: Tensor, tilt_deg: Tensor, previous: Curves | None
) -> Curves:
    """Fit background and envelope of every tilt by weighted least squares.

    Envelopes are drawn towards those of the neighbouring tilts, which steadies weak tilts.

    Parameters
    ----------
    rings
        As for `ring_moments`.
    tilt_deg
        To know the neighbours.
    previous
        Gives the weights; ``None`` for equal ones.
    """
    spectra = model.spectra
    frequency = spectra.frequency_per_angstrom
    moments = ring_moments(model, rings)
    basis = spline_basis(frequency, BACKGROUND_KNOTS)
    shape = spline_basis(frequency, ENVELOPE_KNOTS)
    weight = torch.ones_like(moments.one) if previous is None else 1.0 / previous.variance
    normal, right = _normal_equations(moments, weight, basis, shape)
    free = _solve(normal, right)
    n_b = basis.shape[1]
    prior = _smoothed(free[:, n_b:], normal, tilt_deg, n_b)
    strength = _PRIOR_STRENGTH * torch.diagonal(normal, dim1=1, dim2=2)[:, n_b:].mean(dim=1)
    strength = strength.clamp_max(1e3 * strength.median().clamp_min(1e-12))
    drawn = normal.clone()
    diagonal = torch.diagonal(drawn, dim1=1, dim2=2)
    diagonal[:, n_b:] += strength[:, None]
    towards = right.clone()
    towards[:, n_b:] += strength[:, None] * prior
    weights = _solve(drawn, towards)
    background = weights[:, :n_b] @ basis.T
    envelope = (weights[:, n_b:] @ shape.T).clamp_min(0.0)
    variance = _variance(moments, background, envelope, spectra.n_pixels, model)
    return Curves(background, envelope, variance, weights[:, :n_b], weights[:, n_b:])


def ring_gain(model: RingModel, rings: Tensor, curves: Curves, weight: Tensor) -> Tensor:
    """Return what rings add to the logarithm of each tilt's likelihood, ``[tilts]``.

    Compared with the best smooth background alone: what a background could do as well, such as
    half a ring, is no gain.

    Parameters
    ----------
    weight
        Inverse variance of one pixel of one tile, ``[tilts, rings]``.
    """
    moments = ring_moments(model, rings)
    basis = spline_basis(model.spectra.frequency_per_angstrom, BACKGROUND_KNOTS)
    used = weight.double()
    normal = torch.einsum("tk,kb,kc->tbc", used * moments.one, basis, basis)
    alone = _solve(normal, (used * moments.data) @ basis) @ basis.T
    background, envelope = curves.background, curves.envelope
    without = alone.square() * moments.one - 2 * alone * moments.data
    shared = background.square() * moments.one - 2 * background * moments.data
    ringing = envelope.square() * moments.rings_rings - 2 * envelope * moments.rings_data
    mixed = 2 * background * envelope * moments.rings
    return 0.5 * (used * (without - shared - ringing - mixed)).sum(dim=1)


def _normal_equations(
    moments: Moments, weight: Tensor, basis: Tensor, shape: Tensor
) -> tuple[Tensor, Tensor]:
    def block(values: Tensor, left: Tensor, right: Tensor) -> Tensor:
        return torch.einsum("tk,kb,kc->tbc", weight * values, left, right)

    cross = block(moments.rings, basis, shape)
    top = torch.cat([block(moments.one, basis, basis), cross], dim=2)
    bottom = torch.cat([cross.transpose(1, 2), block(moments.rings_rings, shape, shape)], dim=2)
    right = torch.cat(
        [(weight * moments.data) @ basis, (weight * moments.rings_data) @ shape], dim=1
    )
    return torch.cat([top, bottom], dim=1), right


def _solve(normal: Tensor, right: Tensor) -> Tensor:
    scale = torch.diagonal(normal, dim1=1, dim2=2).clamp_min(1e-12)
    steady = normal + torch.diag_embed(1e-4 * scale + 1e-9 * scale.amax(dim=1, keepdim=True))
    return torch.linalg.solve(steady, right[..., None])[..., 0]


def _smoothed(weights: Tensor, normal: Tensor, tilt_deg: Tensor, n_b: int) -> Tensor:
    """Return the mean of the neighbouring tilts' envelopes, weighted by what they know."""
    tilt = tilt_deg.to(weights)
    steps = torch.diff(tilt.sort().values).abs()
    step = float(steps.median()) if len(steps) else 1.0
    distance = (tilt[:, None] - tilt[None, :]) / max(step, 0.5)
    kernel = torch.exp(-0.5 * (distance / _NEIGHBOURS).square()) + 1e-3
    known = torch.diagonal(normal, dim1=1, dim2=2)[:, n_b:].clamp_min(1e-12)
    # A tilt with much weight must not silence its neighbours.
    known = known / (known + known.median(dim=0).values)
    return (kernel @ (known * weights)) / (kernel @ known)


def _variance(
    moments: Moments, background: Tensor, envelope: Tensor, n_pixels: Tensor, model: RingModel
) -> Tensor:
    """Return the mean squared residual of one pixel of one tile, smooth over the rings."""
    spectra = model.spectra
    weight = spectra.n_tiles[:, None, None] * n_pixels
    squares = model.sum_over_cells((weight * spectra.power.square()).sum(dim=1)).double()
    residual = (
        squares
        - 2 * background * moments.data
        - 2 * envelope * moments.rings_data
        + background.square() * moments.one
        + 2 * background * envelope * moments.rings
        + envelope.square() * moments.rings_rings
    )
    # Each value is a mean over `weight` pixels, so that its squares times the weight are samples.
    filled = (n_pixels > 0).double()[None].expand(len(spectra.tilt), -1, -1)
    samples = model.sum_over_cells(filled.sum(dim=1)).clamp_min(1.0)
    variance = running_mean(residual.clamp_min(0) / samples, _VARIANCE_HALF_WIDTH)
    floor = 1e-3 * variance.median(dim=1, keepdim=True).values.clamp_min(1e-9)
    return variance.clamp_min(floor)

"""Smooth curves over frequency, and the flattening of spectra by them."""

from __future__ import annotations

import numpy as np
import torch
from scipy.interpolate import BSpline
from torch import Tensor

from tomotui.algorithms.ctf.spectra import Spectra

WHITENING_KNOTS = 6
BACKGROUND_KNOTS = 8
ENVELOPE_KNOTS = 5
_RIDGE = 1e-6


def spline_basis(frequency: Tensor, n_functions: int) -> Tensor:
    """Return cubic B-splines over the range of frequencies, float64, ``[rings, n_functions]``."""
    places = frequency.double().cpu().numpy()
    inner = np.linspace(places[0], places[-1] * (1 + 1e-9), n_functions - 2)
    knots = np.concatenate([[inner[0]] * 3, inner, [inner[-1]] * 3])
    design = BSpline.design_matrix(places, knots, 3).toarray()
    return torch.from_numpy(design).to(frequency.device)


def whiten(spectra: Spectra) -> Spectra:
    """Divide the spectra of each tilt by a smooth background that may be elliptic.

    The background is the exponential of splines over the frequency times 1, cos 2a and sin 2a,
    fitted to the logarithm of the tilt's mean spectrum.
    """
    n_tilts, device = spectra.n_tilts, spectra.power.device
    weight = spectra.n_tiles.double()
    total = torch.zeros(n_tilts, *spectra.power.shape[1:], dtype=torch.float64, device=device)
    total.index_add_(0, spectra.tilt, spectra.power.double() * weight[:, None, None])
    tiles = torch.zeros(n_tilts, dtype=torch.float64, device=device)
    tiles.index_add_(0, spectra.tilt, weight)
    mean = total / tiles[:, None, None]
    splines = spline_basis(spectra.frequency_per_angstrom, WHITENING_KNOTS)
    angle = 2 * spectra.azimuth_rad
    harmonics = torch.stack([torch.ones_like(angle), torch.cos(angle), torch.sin(angle)], dim=1)
    design = torch.einsum("ah,kb->akhb", harmonics, splines).flatten(0, 1).flatten(1)
    pixels = spectra.n_pixels.double().reshape(-1)
    # Small rings count by the root of their pixels only: they are few, and they are not noise.
    root = pixels.sqrt()
    level = mean.clamp_min(1e-12 * float(mean.mean())).log().reshape(n_tilts, -1)
    normal = (design * root[:, None]).T @ design
    normal += _RIDGE * normal.diagonal().mean() * torch.eye(len(normal), device=device).double()
    right = (level * root) @ design
    fitted = torch.linalg.solve(normal, right.T).T @ design.T
    background = fitted.reshape(n_tilts, *mean.shape[1:]).exp()
    flat = spectra.power.double() / background[spectra.tilt]
    return spectra.with_power(flat.float())


def running_mean(values: Tensor, half_width: int) -> Tensor:
    """Average over neighbouring rings (the last axis), fewer of them at the ends."""
    n = values.shape[-1]
    total = torch.nn.functional.pad(values.double().cumsum(dim=-1), (1, 0))
    index = torch.arange(n, device=values.device)
    low, high = (index - half_width).clamp_min(0), (index + half_width + 1).clamp_max(n)
    return ((total[..., high] - total[..., low]) / (high - low)).to(values.dtype)

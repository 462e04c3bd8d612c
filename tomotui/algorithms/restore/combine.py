"""Measured and restored, put together: what was measured is never made worse.

In the measured region both the data and the network's answer tell of the signal, the one with
noise, the other with errors of its own. How much of each is best is not assumed but found shell
by shell from the two halves, whose noise is independent.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tomotui.algorithms.restore.comb import Comb, coverage, measured
from tomotui.algorithms.restore.material import Material
from tomotui.algorithms.restore.spectra import (
    WELCH_SIDE,
    comb_response,
    cross_spectra,
    spread_evenly,
)

RIDGE = 1e-3
"""Share of the powers added, so that answers that are all but the data do no harm."""


@dataclass(frozen=True)
class Blend:
    """Shares of the network's answer and of the data in each shell."""

    restored: Tensor
    data: Tensor


def find_blend(material: Material, restored: Tensor) -> Blend:
    """Return the shares that estimate the signal best in the measured region.

    With ``u_h = s + n_h`` the halves and ``f_h`` the answers to them, all covariances of the
    means of both halves with the signal ``s`` follow from products of what belongs to different
    halves; the shares solve the normal equations of the two.

    Parameters
    ----------
    material
        With two halves.
    restored
        The network's answers, ``[2, z, y, x]``.
    """
    matrix = cross_spectra(torch.cat([restored, material.targets]), material.combs)
    response = comb_response(material.combs, material.shape, restored.device)
    own, both = (matrix[0, 0] + matrix[1, 1]) / 2, matrix[0, 1]
    within, across = (matrix[0, 2] + matrix[1, 3]) / 2, (matrix[0, 3] + matrix[1, 2]) / 2
    power, product = (matrix[2, 2] + matrix[3, 3]) / 2, matrix[2, 3]
    answer_signal = across / response.with_truth
    data_signal = response.signal_of(product).clamp_min(0) * response.with_truth
    answer, mixed, data = (own + both) / 2, (across + within) / 2, (power + product) / 2
    answer, data = answer * (1 + RIDGE) + 1e-12, data * (1 + RIDGE) + 1e-12
    determinant = (answer * data - mixed**2).clamp_min(1e-6 * answer * data)
    alpha = (answer_signal * data - data_signal * mixed) / determinant
    beta = (data_signal * answer - answer_signal * mixed) / determinant
    only_answer, only_data = answer_signal / answer, data_signal / data
    alpha, beta = (
        torch.where(beta < 0, only_answer, alpha.clamp_min(0)),
        torch.where(alpha < 0, only_data, beta.clamp_min(0)),
    )
    return Blend(alpha.clamp(0, 2).float(), beta.clamp(0, 1).float())


def blended(material: Material, restored: Tensor, blend: Blend) -> Tensor:
    """Return the mean of the answers, in the measured region blended with the data."""
    seen = torch.zeros((), device=restored.device)
    for comb in material.combs:
        seen = torch.maximum(seen, _coverage(material, comb, restored.device))
    answer = torch.fft.rfftn(restored.mean(dim=0))
    data = torch.fft.rfftn(material.targets.mean(dim=0))
    shares = [
        spread_evenly(one, material.shape, restored.device) for one in (blend.restored, blend.data)
    ]
    best = shares[0] * answer + shares[1] * data
    return torch.fft.irfftn(answer + seen * (best - answer), s=material.shape)


def put_back(material: Material, tomogram: Tensor, comb: Comb, restored: Tensor) -> Tensor:
    """Return a tomogram whose measured region is exactly its own, and whose wedge is filled.

    Parameters
    ----------
    material
        Made of the tomogram or its halves.
    tomogram
        As in the file, protein dark, ``[z, y, x]``.
    comb
        What it has measured.
    restored
        The network's answer, ``[z, y, x]``.
    """
    known = measured(comb, material.shape, material.voxel_size_angstrom, tomogram.device)
    spectrum = torch.fft.rfftn(tomogram)
    filling = torch.fft.rfftn(-material.scale * restored) * known.transfer
    filling[0, 0, 0] = 0
    # A term counts as measured as soon as a plane has touched it: the filling stays off it.
    missing = (known.coverage <= 0).float()
    return torch.fft.irfftn(spectrum + missing * (filling - spectrum), s=material.shape)


def _coverage(material: Material, comb: Comb, device: torch.device) -> Tensor:
    """Return what a comb has measured, as a box of moderate size would tell it."""
    return coverage(comb, material.shape, device, WELCH_SIDE)

"""Does the network see, or does it imagine? Tests that come with every restored tomogram.

A network that has learnt what a sample looks like can draw it where nothing is. So a part of the
tomogram is laid on its side, so that what was measured comes to lie where the wedge is; that is
taken away, filled, and compared with what had been there. The same is done with data of the same
spectrum and random phases, of which nothing can be known; and the network is shown noise alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tomotui.algorithms.restore.comb import Comb, coverage
from tomotui.algorithms.restore.cubes import turn_cube
from tomotui.algorithms.restore.material import Material
from tomotui.algorithms.restore.spectra import WELCH_SIDE, spread_evenly

Restore = Callable[[Tensor], Tensor]
"""Returns a standardised volume restored."""

GUARD_SIDE = 24
"""Voxels of a box whose broad teeth keep what is compared clear of what the network was shown."""

ON_ITS_SIDE = np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]])
"""Turns the beam's direction to x."""


@dataclass(frozen=True)
class Honesty:
    """What the network made of data, of data without structure, and of noise.

    Attributes
    ----------
    filled
        Correlation of what was filled with what had been measured there, after the noise of the
        latter is allowed for where halves tell of it; 1 is best.
    null
        The same for data with random phases: 0 when nothing is invented.
    noise_share
        Amplitude that is made of noise alone, over that made of data.
    agreement
        Correlation of what two halves fill into the true wedge; ``None`` without halves.
    """

    filled: float
    null: float
    noise_share: float
    agreement: float | None


def examine(
    material: Material, restored: Tensor, restore: Restore, side: int, seed: int = 0
) -> Honesty:
    """Return how far a network can be trusted with a tomogram.

    Parameters
    ----------
    material
        The tomogram.
    restored
        The network's answers to its inputs, ``[n_halves, z, y, x]``.
    restore
        The network.
    side
        Most voxels along the sides of the middle part that is looked at.
    seed
        Of phases and noise.
    """
    generator = torch.Generator().manual_seed(seed)
    n = min(side, *material.shape)
    box = (slice(None), *(slice((m - n) // 2, (m - n) // 2 + n) for m in material.shape))
    regions = _regions(material, n)
    weight = spread_evenly(material.spectra.wiener, (n,) * 3, material.inputs.device)
    kept_back = regions.kept_back * weight
    image = turn_cube(material.inputs[box], ON_ITS_SIDE)[0]
    truth = turn_cube(material.targets[box] * material.clear[box[1:]], ON_ITS_SIDE)
    clear = turn_cube(material.clear[box[1:]], ON_ITS_SIDE)
    filled = _correlation(
        _terms(restore(_masked(image, regions.shown)) * clear, kept_back),
        _terms(truth.mean(dim=0), kept_back),
    )
    if len(truth) == 2:
        pair = _correlation(_terms(truth[0], kept_back), _terms(truth[1], kept_back))
        filled /= max(2 * pair / (1 + pair), 0.05) ** 0.5 if pair > 0 else 1.0
    random = _without_structure(image, regions.turned, generator)
    null = _correlation(
        _terms(restore(_masked(random, regions.shown)), kept_back), _terms(random, kept_back)
    )
    noise = torch.randn((n,) * 3, generator=generator).to(image.device)
    grain = spread_evenly(material.spectra.noise.sqrt(), (n,) * 3, image.device)
    of_noise = restore(_masked(noise, grain * weight * regions.shown))
    answers = restored[box] * material.clear[box[1:]]
    agreement = None
    if len(answers) == 2:
        agreement = _correlation(*(_terms(one, regions.wedge) for one in answers))
    return Honesty(
        float(np.clip(filled, -1, 1)),
        null,
        float(of_noise.std() / answers[0].std().clamp_min(1e-12)),
        agreement,
    )


@dataclass(frozen=True)
class _Regions:
    """Parts of the Fourier space of a box, between 0 and 1 on the grid of ``rfftn``.

    Attributes
    ----------
    shown
        What is measured of a tomogram as it lies.
    turned
        What is measured of it when it lies on its side.
    kept_back
        What of that the network is not shown.
    wedge
        What is never measured as it lies.
    """

    shown: Tensor
    turned: Tensor
    kept_back: Tensor
    wedge: Tensor


def _regions(material: Material, side: int) -> _Regions:
    whole = Comb(np.concatenate([comb.normals for comb in material.combs]))

    shape, device = (side,) * 3, material.inputs.device
    shown, turned = (
        coverage(comb, shape, device, WELCH_SIDE) for comb in (whole, whole.turned(ON_ITS_SIDE))
    )
    # Wide of what is shown: the fading towards the faces smears it out.
    unknown = (coverage(whole, shape, device, GUARD_SIDE) < 1e-3).float()
    return _Regions(shown, turned, turned * unknown, (shown < 1e-3).float())


def _masked(volume: Tensor, mask: Tensor) -> Tensor:
    """Return a volume with its Fourier transform multiplied by a mask."""
    return torch.fft.irfftn(torch.fft.rfftn(volume) * mask, s=tuple(volume.shape))


def _without_structure(volume: Tensor, seen: Tensor, generator: torch.Generator) -> Tensor:
    """Return a volume of the same power spectrum whose phases are those of white noise.

    Parameters
    ----------
    volume
        ``[z, y, x]``.
    seen
        What was measured; faces of the volume would put power elsewhere.
    generator
        Of the phases.
    """
    noise = torch.fft.rfftn(torch.randn(volume.shape, generator=generator).to(volume.device))
    spectrum = torch.fft.rfftn(volume - volume.mean()) * seen
    random = torch.fft.irfftn(
        noise / noise.abs().clamp_min(1e-12) * spectrum.abs(), s=tuple(volume.shape)
    )
    return random * (volume.std() / random.std().clamp_min(1e-12))


def _terms(volume: Tensor, weight: Tensor) -> Tensor:
    """Return the weighted Fourier terms of a volume that fades out towards its faces."""
    window = torch.ones((), device=volume.device)
    for axis, side in enumerate(volume.shape):
        line = torch.hann_window(side, periodic=False, device=volume.device)
        window = window * line.reshape([-1 if a == axis else 1 for a in range(3)])
    return torch.fft.rfftn((volume - volume.mean()) * window) * weight


def _correlation(first: Tensor, second: Tensor) -> float:
    product = float((first * second.conj()).real.sum())
    powers = float(first.abs().square().sum()) * float(second.abs().square().sum())
    return product / max(powers, 1e-30) ** 0.5

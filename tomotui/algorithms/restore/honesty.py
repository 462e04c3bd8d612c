"""Does the network see, or does it imagine? Tests that come with every restored tomogram.

A network that has learnt what a sample looks like can draw it where nothing is. So it is given
what has no structure at all, the tomogram's own spectrum with random phases, and must then put
next to nothing into the wedge; and what it fills from either half of the data must agree.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from tomotui.algorithms.restore.comb import Comb, measured
from tomotui.algorithms.restore.material import Material
from tomotui.algorithms.restore.spectra import WELCH_SIDE

Restore = Callable[[Tensor], Tensor]
"""Returns a standardised volume restored."""


@dataclass(frozen=True)
class NullTest:
    """What the network made of data and of noise, inside the missing wedge.

    Attributes
    ----------
    filling_share
        Amplitude it filled into the wedge of structureless data, over that of real data.
    agreement
        Correlation of what it filled from the two halves of the data; ``None`` without halves.
    null_agreement
        The same of two structureless volumes: 0 when nothing is invented.
    """

    filling_share: float
    agreement: float | None
    null_agreement: float


def null_test(
    material: Material, restored: Tensor, restore: Restore, side: int, seed: int = 0
) -> NullTest:
    """Return what a network fills into the wedge of data, and of data without structure.

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
        Of the phases.
    """
    generator = torch.Generator().manual_seed(seed)
    box = tuple(
        slice((n - min(n, side)) // 2, (n - min(n, side)) // 2 + min(n, side))
        for n in material.shape
    )
    inputs, answers = material.inputs[(slice(None), *box)], restored[(slice(None), *box)]
    shape = tuple(inputs.shape[1:])
    seen = _coverage(material, shape)
    null_inputs = [
        without_structure(inputs[number % len(inputs)], seen, generator) for number in range(2)
    ]
    null_answers = [restore(one) for one in null_inputs]
    missing = (seen < 1e-3).float()
    real = [_inside(one, missing) for one in answers]
    null = [_inside(one, missing) for one in null_answers]
    amplitude = sum(float(one.abs().square().sum()) for one in real) / len(real)
    null_amplitude = sum(float(one.abs().square().sum()) for one in null) / len(null)
    return NullTest(
        (null_amplitude / max(amplitude, 1e-30)) ** 0.5,
        _correlation(real[0], real[1]) if len(real) == 2 else None,
        _correlation(null[0], null[1]),
    )


def without_structure(volume: Tensor, seen: Tensor, generator: torch.Generator) -> Tensor:
    """Return a volume of the same power spectrum whose phases are those of white noise.

    Parameters
    ----------
    volume
        ``[z, y, x]``.
    seen
        Between 0 and 1 on the ``rfftn`` grid; faces of the volume would put power elsewhere.
    generator
        Of the phases.
    """
    shape = (int(volume.shape[0]), int(volume.shape[1]), int(volume.shape[2]))
    noise = torch.fft.rfftn(torch.randn(shape, generator=generator).to(volume.device))
    spectrum = torch.fft.rfftn(volume - volume.mean()) * seen
    random = torch.fft.irfftn(noise / noise.abs().clamp_min(1e-12) * spectrum.abs(), s=shape)
    return random * (volume.std() / random.std().clamp_min(1e-12))


def _coverage(material: Material, shape: tuple[int, ...]) -> Tensor:
    """Return what any half has measured, as a box of moderate size would tell it."""
    seen = torch.zeros((), device=material.inputs.device)
    for comb in material.combs:
        known = measured(
            Comb(comb.normals),
            shape,
            material.voxel_size_angstrom,
            material.inputs.device,
            longest=WELCH_SIDE,
        )
        seen = torch.maximum(seen, known.coverage)
    return seen


def _inside(volume: Tensor, missing: Tensor) -> Tensor:
    """Return the terms of a tapered volume that were never measured."""
    window = torch.ones((), device=volume.device)
    for axis, side in enumerate(volume.shape):
        line = torch.hann_window(side, periodic=False, device=volume.device)
        window = window * line.reshape([-1 if a == axis else 1 for a in range(3)])
    return torch.fft.rfftn((volume - volume.mean()) * window) * missing


def _correlation(first: Tensor, second: Tensor) -> float:
    product = float((first * second.conj()).real.sum())
    powers = float(first.abs().square().sum()) * float(second.abs().square().sum())
    return product / max(powers, 1e-30) ** 0.5

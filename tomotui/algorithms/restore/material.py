"""A tomogram made ready: contrast transfer undone, signal and noise known, scaled alike."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tomotui.algorithms.restore.comb import Comb, measured
from tomotui.algorithms.restore.spectra import Spectra, half_spectra, spread_evenly
from tomotui.imaging.neighbours import highest_around

OUTLIER_SIGMA = 15.0
"""Robust standard deviations from the mean at which gold begins; matter stays below 12."""

OUTLIER_SHARE, OUTLIER_FACTOR = 0.003, 3.0
"""Gold takes a smaller share of the voxels than this, and lies so much farther out than they do."""

OUTLIER_REACH = 3
"""Voxels about an outlier that are not trusted either."""


@dataclass
class Material:
    """One tomogram as the network sees it; protein is bright.

    Attributes
    ----------
    name
        Of the series.
    targets
        Halves with their contrast transfer undone, noise and all, ``[n_halves, z, y, x]``;
        one where there are no halves.
    inputs
        The same after the Wiener filter that their agreement asks for.
    combs
        What each has measured.
    spectra
        Of signal and noise in a half.
    voxel_size_angstrom
        Angstrom per voxel.
    clear
        1 where there is biology, 0 at and about gold and the like, ``[z, y, x]``: what is many
        times denser than anything else would be all that a network learns.
    mean, scale
        The tomogram was ``mean - scale * target`` before the transfer was undone.
    """

    name: str
    targets: Tensor
    inputs: Tensor
    combs: tuple[Comb, ...]
    spectra: Spectra
    voxel_size_angstrom: float
    clear: Tensor
    mean: float
    scale: float

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along z, y and x."""
        n_z, n_y, n_x = self.targets.shape[1:]
        return n_z, n_y, n_x

    @property
    def has_halves(self) -> bool:
        """Whether there are two independent halves."""
        return len(self.targets) == 2


def prepare(
    name: str,
    volumes: Tensor,
    combs: tuple[Comb, ...],
    voxel_size_angstrom: float,
) -> Material:
    """Make a tomogram, or its two halves, ready.

    Parameters
    ----------
    volumes
        As in the files, protein dark, ``[n, z, y, x]`` with one or two volumes.
    combs
        Of each volume.

    Raises
    ------
    ValueError
        When a volume holds numbers that are not finite, or no contrast.
    """
    if not bool(torch.isfinite(volumes).all()):
        raise ValueError(f"{name}: the tomogram holds values that are not numbers")
    mean = float(volumes.double().mean())
    bright = [mean - volume for volume in volumes]
    shape = (int(volumes.shape[1]), int(volumes.shape[2]), int(volumes.shape[3]))
    targets = torch.stack(
        [
            _without_transfer(one, comb, voxel_size_angstrom)
            for one, comb in zip(bright, combs, strict=True)
        ]
    )
    clear = _clear_of_outliers(torch.stack(bright).mean(dim=0))
    found = half_spectra(targets * clear, combs)
    wiener = spread_evenly(found.wiener, shape, volumes.device)
    inputs = torch.stack(
        [torch.fft.irfftn(torch.fft.rfftn(one) * wiener, s=shape) for one in targets]
    )
    most = _outlier_limit(inputs)
    inputs = inputs.clamp(-most, most)
    scale = float(inputs.double().std())
    if not scale > 0:
        raise ValueError(f"{name}: the tomogram is the same everywhere")
    return Material(
        name,
        targets / scale,
        inputs / scale,
        combs,
        found.scaled(1 / scale),
        voxel_size_angstrom,
        clear,
        mean,
        scale,
    )


def _clear_of_outliers(volume: Tensor) -> Tensor:
    """Return 0 at and about voxels that lie far from all others, otherwise 1."""
    smooth = torch.nn.functional.avg_pool3d(volume[None, None], 3, stride=1, padding=1)
    limit = _outlier_limit(smooth)
    outlying = (smooth.abs() > limit).float() if limit > 0 else torch.zeros_like(smooth)
    return 1 - highest_around(outlying[0, 0], OUTLIER_REACH)


def _outlier_limit(volume: Tensor) -> float:
    """Return the size of values at which gold begins.

    Both tests count: clear matter may stand far out of empty ice, and dense matter is not rare.
    """
    return max(
        OUTLIER_SIGMA * _robust_deviation(volume),
        OUTLIER_FACTOR * _quantile_of_size(volume, 1 - OUTLIER_SHARE),
    )


def _robust_deviation(volume: Tensor) -> float:
    """Return the standard deviation as the median of the absolute values tells it."""
    return 1.4826 * _quantile_of_size(volume, 0.5)


def _quantile_of_size(volume: Tensor, share: float) -> float:
    """Return a quantile of the absolute values, from a million of them."""
    some = volume.flatten()[:: max(1, volume.numel() // 1_000_000)]
    return float(torch.quantile(some.abs(), share))


def _without_transfer(volume: Tensor, comb: Comb, voxel_size_angstrom: float) -> Tensor:
    """Return a volume with its contrast transfer made up for, and no mean."""
    shape = (int(volume.shape[0]), int(volume.shape[1]), int(volume.shape[2]))
    spectrum = torch.fft.rfftn(volume)
    spectrum[0, 0, 0] = 0
    if comb.transfer is not None:
        spectrum /= measured(comb, shape, voxel_size_angstrom, volume.device).transfer
    return torch.fft.irfftn(spectrum, s=shape)

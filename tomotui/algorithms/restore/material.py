"""A tomogram made ready: contrast transfer undone, signal and noise known, scaled alike."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tomotui.algorithms.restore.comb import Comb, measured
from tomotui.algorithms.restore.spectra import Spectra, half_spectra, spread_evenly
from tomotui.imaging.outliers import clear_of_outliers, outlier_limit


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
    clear = clear_of_outliers(torch.stack(bright).mean(dim=0))
    found = half_spectra(targets * clear, combs)
    wiener = spread_evenly(found.wiener, shape, volumes.device)
    inputs = torch.stack(
        [torch.fft.irfftn(torch.fft.rfftn(one) * wiener, s=shape) for one in targets]
    )
    most = outlier_limit(inputs)
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


def _without_transfer(volume: Tensor, comb: Comb, voxel_size_angstrom: float) -> Tensor:
    """Return a volume with its contrast transfer made up for, and no mean."""
    shape = (int(volume.shape[0]), int(volume.shape[1]), int(volume.shape[2]))
    spectrum = torch.fft.rfftn(volume)
    spectrum[0, 0, 0] = 0
    if comb.transfer is not None:
        spectrum /= measured(comb, shape, voxel_size_angstrom, volume.device).transfer
    return torch.fft.irfftn(spectrum, s=shape)

"""Spherical shells in the Fourier space of cubes: sums, means and radial curves."""

from __future__ import annotations

import torch
from torch import Tensor

from tomotui.imaging.fourier import radial_frequency


class Shells:
    """Concentric shells on the ``rfftn`` grid of a cube, one Fourier pixel wide.

    Shell ``s`` holds the terms whose frequency rounds to ``s / size`` cycles per voxel; the last
    one lies at the Nyquist frequency, and the corners beyond belong to none.

    Parameters
    ----------
    size_voxels
        Side of the cube.

    Attributes
    ----------
    n_shells
        From that of frequency 0 to the one at Nyquist: ``size_voxels // 2 + 1``.
    index
        Shell of each term; ``n_shells`` in the corners, ``[n, n, n // 2 + 1]``.
    n_terms
        Terms in each shell, ``[n_shells]``, float64. Those that ``rfftn`` drops are counted.
    """

    def __init__(self, size_voxels: int, device: torch.device | str = "cpu") -> None:
        self.size_voxels = size_voxels
        self.n_shells = size_voxels // 2 + 1
        frequency = radial_frequency((size_voxels,) * 3, device)
        self.index = (frequency * size_voxels).round().long().clamp_max(self.n_shells)
        mates = torch.full((self.n_shells,), 2.0, dtype=torch.float64, device=device)
        mates[0] = 1.0
        if size_voxels % 2 == 0:
            mates[-1] = 1.0
        self._mates = mates
        self.n_terms = self.sum(torch.ones_like(frequency))

    @property
    def frequency(self) -> Tensor:
        """Frequency of each shell in cycles per voxel, ``[n_shells]``, float64."""
        numbers = torch.arange(self.n_shells, dtype=torch.float64, device=self.index.device)
        return numbers / self.size_voxels

    def sum(self, values: Tensor) -> Tensor:
        """Sum values over each shell; Friedel mates are counted.

        Parameters
        ----------
        values
            Real, shape ``[..., n, n, n // 2 + 1]``.

        Returns
        -------
        Shape ``[..., n_shells]``, float64.
        """
        weighted = (values * self._mates).reshape(-1, self.index.numel())
        bins = self.n_shells + 1
        starts = torch.arange(len(weighted), device=values.device)[:, None] * bins
        places = (self.index.reshape(1, -1) + starts).reshape(-1)
        sums = torch.bincount(places, weighted.reshape(-1), minlength=len(weighted) * bins)
        return sums.reshape(*values.shape[:-3], bins)[..., : self.n_shells]

    def mean(self, values: Tensor) -> Tensor:
        """Return the mean of values over each shell, ``[..., n_shells]``, float64."""
        return self.sum(values) / self.n_terms

    def spread(self, per_shell: Tensor, beyond: float = 0.0) -> Tensor:
        """Put one value per shell back on the Fourier grid.

        Parameters
        ----------
        per_shell
            Shape ``[..., n_shells]``.
        beyond
            Value in the corners.
        """
        lead = per_shell.shape[:-1]
        table = torch.cat([per_shell, per_shell.new_full((*lead, 1), beyond)], dim=-1)
        return table[..., self.index.reshape(-1)].reshape(*lead, *self.index.shape)

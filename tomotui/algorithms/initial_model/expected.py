"""What the particles of a step say, summed by orientation."""

from __future__ import annotations

import torch
from torch import Tensor

NEGLIGIBLE = 1e-4
"""Probability of an orientation that is left out of the sums."""

BLOCK = 40_000_000
"""Numbers worked out at once."""


class Expected:
    """What the particles of a step say, summed by orientation.

    Attributes
    ----------
    values, weights
        ``[o, n]``: sums of transfer times data and of squared transfer, by probability.
    chance
        Sum of probabilities, ``[o]``.
    score
        Sum of the particles' best log-likelihoods.
    """

    def __init__(self, n_orientations: int, n_terms: int, device: torch.device) -> None:
        self.values = torch.zeros(n_orientations, n_terms, dtype=torch.complex64, device=device)
        self.weights = torch.zeros(n_orientations, n_terms, device=device)
        self.chance = torch.zeros(n_orientations, device=device)
        self.score = 0.0

    def add(
        self, chance: Tensor, values: Tensor, weights: Tensor, which: Tensor | None = None
    ) -> None:
        """Add particles.

        Parameters
        ----------
        chance
            ``[p, s, k]``.
        values
            ``[p, s, n]``.
        weights
            ``[p, n]``.
        which
            Orientations that are meant, ``[p, k]``; all by default.
        """
        by_orientation = chance.sum(dim=1)
        if which is None:
            self.chance += by_orientation.sum(dim=0)
            # Soon nearly all probability lies on few orientations: only those are summed.
            likely = (by_orientation.amax(dim=0) > NEGLIGIBLE).nonzero()[:, 0]
            spread = chance[:, :, likely].flatten(0, 1).T
            flat = values.flatten(0, 1)
            self.values[likely] += torch.complex(spread @ flat.real, spread @ flat.imag)
            self.weights[likely] += by_orientation[:, likely].T @ weights
            return
        self.chance.index_add_(0, which.flatten(), by_orientation.flatten())
        as_real = torch.view_as_real(values).flatten(2)
        size = max(1, BLOCK // (which.shape[1] * as_real.shape[2]))
        for first in range(0, len(values), size):
            rows = slice(first, first + size)
            moved = (chance[rows].transpose(1, 2) @ as_real[rows]).flatten(0, 1)
            mass = by_orientation[rows].flatten()
            likely = (mass > NEGLIGIBLE).nonzero()[:, 0]
            orientation = which[rows].flatten()[likely]
            moved = moved[likely].unflatten(1, (-1, 2)).contiguous()
            self.values.index_add_(0, orientation, torch.view_as_complex(moved))
            particle = first + likely // which.shape[1]
            weighted = weights[particle] * mass[likely][:, None]
            self.weights.index_add_(0, orientation, weighted)

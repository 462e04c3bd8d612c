"""How well moved Gaussians explain what particles show, whatever their pose errs by."""

from __future__ import annotations

import torch
from torch import Tensor

from tomotui.algorithms.landscape.mixture import N_COMPONENTS, Mixture
from tomotui.algorithms.subtomograms.reference_sums import (
    ParticleSums,
    log_likelihood,
    real_product,
)

SHIFT_SPREAD_PX, TURN_SPREAD_RAD, SCALE_SPREAD = 1.0, 0.05, 0.3
"""Standard deviations that a particle's place, orientation and contrast may err by."""

_BATCH = 64


class ShapeLikelihood:
    """The likelihood of motions of a mixture for every particle.

    What an error of a particle's shift, turn or contrast could explain as well counts as
    explained by that: such errors are normal, and taken out of the likelihood as a whole.

    Parameters
    ----------
    sums
        Of the particles.
    mixture
        In the box of the sums.
    reference
        Terms of the map that particles were compared with, ``[k]``.
    """

    def __init__(self, sums: ParticleSums, mixture: Mixture, reference: Tensor) -> None:
        self.sums, self.mixture = sums, mixture
        self.at_rest = mixture.at_rest()
        spreads = [SHIFT_SPREAD_PX] * 3 + [TURN_SPREAD_RAD] * 3 + [SCALE_SPREAD]
        response = torch.cat([mixture.rigid_responses(), reference[None]])
        self.nuisance = response * response.real.new_tensor(spreads)[:, None]
        n = len(self.nuisance)
        self.covariance = torch.zeros(len(sums), n, n, device=reference.device)
        for first in range(0, len(sums), _BATCH):
            part = slice(first, min(first + _BATCH, len(sums)))
            weights = sums.weights[:, part].sum(dim=0)
            system = torch.stack(
                [real_product(self.nuisance * one, self.nuisance) for one in weights]
            )
            self.covariance[part] = torch.linalg.inv(system + torch.eye(n, device=system.device))

    def difference(self, motion: Tensor) -> Tensor:
        """Return what motions of the anchors ``[..., a * 4]`` change of the spectrum."""
        shaped = motion.unflatten(-1, (self.mixture.n_anchors, N_COMPONENTS))
        return self.mixture.spectrum(*self.mixture.moved(shaped)) - self.at_rest

    def gain(self, rows: Tensor, motion: Tensor, share: int | None = None) -> Tensor:
        """Return the log-likelihood of motions above that of the map at rest, ``[b]``.

        Parameters
        ----------
        rows
            Of the particles among the sums, ``[b]``.
        motion
            Of the anchors, ``[b, a * 4]``.
        share
            Of the views to count; all when not said.
        """
        if share is None:
            values, weights = self.sums.whole(rows)
        else:
            values, weights = self.sums.values[share, rows], self.sums.weights[share, rows]
        difference = self.difference(motion)
        own = log_likelihood(difference, values, weights)
        left = real_product(values - weights * difference, self.nuisance)
        before = real_product(values, self.nuisance)
        return own + 0.5 * (self._explained(rows, left) - self._explained(rows, before))

    def _explained(self, rows: Tensor, slope: Tensor) -> Tensor:
        return torch.einsum("bi,bij,bj->b", slope, self.covariance[rows], slope)

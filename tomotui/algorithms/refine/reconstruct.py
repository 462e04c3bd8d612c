"""Maps from views: sums in Fourier space, divided by their weights with a prior."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tomotui.algorithms.parallel import Ranks
from tomotui.algorithms.refine.equations import ramps, slice_points
from tomotui.algorithms.subtomograms.views import SeriesViews
from tomotui.imaging.masks import soft_ball
from tomotui.imaging.slices import FourierGrid, SliceSums, interpolation_window

LEAST_SHARE = 1e-3
"""Of the mean weight of a shell, below which a point counts as nearly not measured."""


def add_views(
    sums: SliceSums, views: SeriesViews, camera: Tensor, offsets_px: Tensor, n_terms: int
) -> None:
    """Put views into sums.

    Parameters
    ----------
    camera
        From reference to camera, ``[p, t, 3, 3]``.
    offsets_px
        From the crops' centres, ``[p, t, 2]``.
    n_terms
        Fourier terms to use, from the inside out.
    """
    frequencies = views.plane.frequencies[:n_terms]
    transfer = views.transfer[..., :n_terms]
    points = slice_points(frequencies, camera)
    values = views.data[..., :n_terms] * transfer * ramps(frequencies, -offsets_px, views.box)
    sums.add(points.reshape(-1, 3), values.reshape(-1), transfer.square().reshape(-1))


@dataclass(frozen=True)
class Spectra:
    """Sums over views on a Fourier grid.

    Attributes
    ----------
    values
        Of transfer times data, complex.
    weights
        Of squared transfer.
    """

    grid: FourierGrid
    values: Tensor
    weights: Tensor

    @classmethod
    def of(cls, sums: SliceSums, group: Tensor, ranks: Ranks) -> Spectra:
        """Join the sums of all processes, and of what symmetry makes equal.

        Parameters
        ----------
        group
            Rotations of the point group, ``[m, 3, 3]``.
        """
        ranks.sum_(sums.sums)
        return cls(sums.grid, *sums.symmetrised(group))

    def joined(self, other: Spectra) -> Spectra:
        """Return the sums over both."""
        return Spectra(self.grid, self.values + other.values, self.weights + other.weights)

    def shell_weights(self) -> Tensor:
        """Return the mean weight by whole frequency, ``[n]``."""
        shell = self.grid.frequency(self.weights.device).round().long().flatten()
        n = int(shell.max()) + 1
        total = self.weights.new_zeros(n).index_add_(0, shell, self.weights.flatten())
        return total / torch.bincount(shell, minlength=n).clamp_min(1)

    def volume(self, signal_to_noise: Tensor | None = None) -> Tensor:
        """Solve for the map.

        Parameters
        ----------
        signal_to_noise
            By whole frequency, ``[s]``: how strong the map is there beside the noise of a point
            of mean weight (Wiener); beyond its end the last counts. ``None`` for no prior, but
            that points hardly measured stay small.

        Returns
        -------
        ``[n, n, n]`` as (z, y, x), 0 outside the ball that fits the box.
        """
        mean = self.shell_weights()
        if signal_to_noise is None:
            prior = LEAST_SHARE * mean
        else:
            ratio = torch.as_tensor(signal_to_noise, device=mean.device, dtype=mean.dtype)
            ratio = torch.cat([ratio, ratio[-1:].expand(max(0, len(mean) - len(ratio)))])
            prior = mean / ratio[: len(mean)].clamp_min(1e-6)
        size = self.grid.size
        return self.solved(prior) * soft_ball(size, size / 2 - 3, 2.0).to(mean.device)

    def solved(self, prior: Tensor, radius: float | None = None) -> Tensor:
        """Return values over weights and prior as a volume, ``[n, n, n]``, also beyond the ball.

        Parameters
        ----------
        prior
            That is added to the weights, by whole frequency.
        radius
            Frequencies beyond are left out; all of the grid are taken when not said.
        """
        frequency = self.grid.frequency(self.weights.device)
        inside = frequency <= (self.grid.radius if radius is None else radius)
        weights = self.weights + prior[frequency.round().long()]
        spread = torch.where(inside, weights, torch.inf).clamp_min(1e-30)
        volume = self.grid.uncut(self.values / spread)
        return volume / interpolation_window(self.grid.size, volume.device)

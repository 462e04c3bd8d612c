"""What particles say about how they differ from their common map, gathered once for all rounds.

With poses known, every class is the common map and a difference, and how probable a difference
makes a particle follows from two sums over its views
(`tomotui.algorithms.subtomograms.reference_sums`). A round of classification is then a few products
of matrices, whatever the number of tilts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tomotui.algorithms.refine.equations import view_fits
from tomotui.algorithms.refine.maps import turned
from tomotui.algorithms.refine.poses import Poses, batches
from tomotui.algorithms.refine.work import Work
from tomotui.algorithms.subtomograms.reference_sums import Terms, gather_sums, real_product
from tomotui.imaging.slices import SliceSource

Array = NDArray[np.float64]

LEAST_WEIGHT = 0.01
"""Of a particle's mean weight about a frequency, that every term has at least: what a view leaves
at the edge of its slice is a little more than its weight there says."""


LEAST_CONTRAST = 0.5
"""Of the common map in a particle, by which it is told from noise."""

LEAST_CERTAINTY = 4.0
"""Standard deviations of chance that a particle must show of the map to have less contrast."""


@dataclass(frozen=True)
class Evidence:
    """Particles as classification sees them.

    Attributes
    ----------
    terms
        Where in Fourier space.
    values
        Of transfer times what the common map leaves of the data, complex, ``[p, k]``.
    weights
        Of squared transfer, ``[p, k]``.
    base
        Log-likelihood of the common map above that of noise, by a map in which the particle
        itself has no part, ``[p]``: see `above_noise`.
    common
        Terms of the common map, ``[k]``.
    halves
        0 or 1, ``[p]``.
    rows
        Of the particles among all, ``[p]``.
    pixel_size_angstrom
        Of the box.
    responses
        What one standard deviation of each small error of pose or contrast adds to a particle,
        complex, ``[m, k]``: see `tomotui.algorithms.classify.freedom`.
    """

    terms: Terms
    values: Tensor
    weights: Tensor
    base: Tensor
    common: Tensor
    halves: Tensor
    rows: NDArray[np.int64]
    pixel_size_angstrom: float
    responses: Tensor

    def __len__(self) -> int:
        """Return the number of particles."""
        return len(self.values)

    @property
    def shells(self) -> Tensor:
        """Whole frequency of each term, ``[k]``."""
        return self.terms.length.round().long()

    def select(self, which: Tensor) -> Evidence:
        """Return that of some particles, given by their numbers or by what is true of them."""
        numbers = which.nonzero()[:, 0] if which.dtype == torch.bool else which
        return replace(
            self,
            values=self.values[numbers],
            weights=self.weights[numbers],
            base=self.base[numbers],
            halves=self.halves[numbers],
            rows=self.rows[numbers.cpu().numpy()],
        )

    def judged(self, differences: Tensor) -> Judged:
        """Return how well differences from the common map describe each particle.

        Parameters
        ----------
        differences
            Complex, ``[c, k]``.
        """
        power = differences.real.square() + differences.imag.square()
        gains = real_product(self.values, differences) - 0.5 * self.weights @ power.T
        slope, curvature = self.normal_equations()
        # What a class explains already is no error.
        products = (self.responses[:, None].conj() * differences[None]).real
        explained = (self.weights @ products.flatten(0, 1).T).view(len(self), *products.shape[:2])
        left = slope[:, :, None] - explained
        errors = torch.linalg.solve(curvature, left)
        # Errors are summed over as they are probable, not only taken at their best.
        room = 0.5 * torch.linalg.slogdet(curvature).logabsdet
        gains = gains + 0.5 * (left * errors).sum(dim=1) - room[:, None]
        return Judged(gains, errors.transpose(1, 2))

    def normal_equations(self) -> tuple[Tensor, Tensor]:
        """Return slope and curvature of the likelihood by small errors, ``[p, m]``, ``[p, m, m]``.

        Errors are in standard deviations: the curvature holds their own probability.
        """
        n = len(self.responses)
        products = (self.responses[:, None].conj() * self.responses[None]).real
        curvature = (self.weights @ products.flatten(0, 1).T).view(len(self), n, n)
        return real_product(self.values, self.responses), curvature + torch.eye(n).to(curvature)

    def sums(self, shares: Tensor, errors: Tensor) -> tuple[Tensor, Tensor]:
        """Return values and weights of classes, small errors taken out, ``[c, k]`` each.

        Parameters
        ----------
        shares
            Of each particle in each class, ``[p, c]``.
        errors
            ``[p, c, m]``.
        """
        values = torch.complex(shares.T @ self.values.real, shares.T @ self.values.imag)
        strayed = (shares[..., None] * errors).flatten(1).T @ self.weights
        strayed = strayed.view(shares.shape[1], len(self.responses), strayed.shape[1])
        return values - (strayed * self.responses).sum(dim=1), shares.T @ self.weights


@dataclass(frozen=True)
class Judged:
    """How well differences describe particles.

    Attributes
    ----------
    gains
        Log-likelihood above that of the common map without small errors, ``[p, c]``.
    errors
        The likeliest small errors of pose and contrast in each class, in standard deviations,
        ``[p, c, m]``.
    """

    gains: Tensor
    errors: Tensor


def shell_means(values: Tensor, shells: Tensor) -> Tensor:
    """Return the mean by shell, ``[..., s]`` of ``[..., k]``."""
    n = int(shells.max()) + 1
    total = values.new_zeros(*values.shape[:-1], n).index_add_(-1, shells, values)
    return total / torch.bincount(shells, minlength=n).clamp_min(1)


def no_less_than_least(weights: Tensor, shells: Tensor) -> Tensor:
    """Return the weights of particles, `LEAST_WEIGHT` of what is usual about a frequency or more.

    The origin is a shell by itself, and a transfer near nothing leaves it no weight at all: shells
    learn from those beside them.

    Parameters
    ----------
    weights
        ``[p, k]``.
    shells
        ``[k]``.
    """
    usual = torch.max_pool1d(shell_means(weights, shells), 3, stride=1, padding=1)
    return torch.maximum(weights, LEAST_WEIGHT * usual[:, shells])


def gather_evidence(
    work: Work, common: Tensor, of_halves: tuple[Tensor, Tensor], resolution_angstrom: float
) -> Evidence:
    """Gather what particles say beside a common map.

    Parameters
    ----------
    work
        With poses known, at the level to classify at.
    common
        Map of all particles, ``[n, n, n]``.
    of_halves
        Maps of each half: particles are told from noise by the map of the other half.
    resolution_angstrom
        Finest detail that counts.
    """
    sums = gather_sums(work, (common, common), resolution_angstrom)
    poses = [one.poses for one in work.series]
    swapped = of_halves[1], of_halves[0]
    agreement, power = np.concatenate(fits(work, swapped, poses, resolution_angstrom), axis=1)
    device = sums.values.device
    base = above_noise(torch.as_tensor(agreement), torch.as_tensor(power))
    spectrum = sums.terms.of(common.to(device))
    weights = sums.weights.sum(dim=0)
    shells = sums.terms.length.round().long()
    return Evidence(
        sums.terms,
        sums.values.sum(dim=0),
        no_less_than_least(weights, shells),
        base.to(device, torch.float32),
        spectrum,
        torch.as_tensor(sums.halves, device=device),
        sums.rows,
        sums.pixel_size_angstrom,
        spectrum.new_zeros(0, len(spectrum)),
    )


def above_noise(agreement: Tensor, power: Tensor) -> Tensor:
    """Return the log-likelihood of a common map above that of noise, ``[p]``.

    Where chance does not show as much of the map, a particle may show it at less than its
    contrast. Those of a rare kind do: they are in part what most are, and at full contrast they
    would pass for noise and never make a class.

    Parameters
    ----------
    agreement, power
        Of each particle with the map, and of the map as it sees it, ``[p]``: as of `fits`.
    """
    contrast = (agreement / power.clamp_min(1e-30)).clamp(LEAST_CONTRAST, 1.0)
    # The agreement of noise varies by the root of the power.
    contrast = torch.where(agreement > LEAST_CERTAINTY * power.sqrt(), contrast, 1.0)
    return contrast * agreement - 0.5 * contrast.square() * power


def fits(
    work: Work, of_halves: tuple[Tensor, Tensor], poses: list[Poses], resolution_angstrom: float
) -> list[Array]:
    """Return agreement and power of particles, ``[2, p]`` for every series.

    The log-likelihood above that of noise is the agreement less half the power.

    Parameters
    ----------
    of_halves
        The map with which the particles of each half are compared, ``[n, n, n]``.
    poses
        Of the particles of every series.
    """
    radius = work.radius(resolution_angstrom)
    n_terms = work.store.plane.within(radius)
    sources = [SliceSource(one, radius) for one in of_halves]
    found = []
    for one, at in zip(work.series, poses, strict=True):
        views, fit = work.store.views(one), np.zeros((2, len(one)))
        for half, source in enumerate(sources):
            mine = one.of_half(half)
            for part in batches(len(mine), n_terms * one.model.n_tilts):
                rows = mine[part]
                some, here = views.select(rows), at.select(rows)
                agreement, power = view_fits(
                    source,
                    some,
                    here.cameras(one.model, work.device),
                    some.offsets_px(one.model, here.positions_angstrom),
                    n_terms,
                )
                both = torch.stack([agreement, power]).sum(dim=-1)
                fit[:, rows] = both.double().cpu().numpy()
        found.append(fit)
    return found


class Support:
    """Where classes may differ: within a mask, and alike in what symmetry makes equal.

    Parameters
    ----------
    terms
        Of the differences.
    mask
        Soft, ``[n, n, n]``.
    group
        Rotations of the point group, ``[m, 3, 3]``.
    """

    def __init__(self, terms: Terms, mask: Tensor, group: Array) -> None:
        self.terms = terms
        self.mask = mask.to(terms.frequencies.device)
        self.group = torch.as_tensor(group, dtype=torch.float32, device=self.mask.device)

    @property
    def n_copies(self) -> int:
        """How many parts of the particle are alike."""
        return len(self.group)

    def within(self, differences: Tensor) -> Tensor:
        """Return what of differences lies within, ``[..., k]``."""
        return self.terms.of(self.volumes(differences))

    def volumes(self, differences: Tensor) -> Tensor:
        """Return the same as volumes, ``[..., n, n, n]``."""
        found = self.terms.volumes(differences) * self.mask
        if self.n_copies == 1:
            return found
        flat = found.flatten(0, -4) if found.ndim > 3 else found[None]
        return torch.stack([turned(one, self.group) for one in flat]).view_as(found)

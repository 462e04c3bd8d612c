"""Whether particles agree better with the mirror image of what they were compared with.

A map from elsewhere may be of the wrong hand, and so may all tomograms of a microscope whose
geometry was told wrongly. Some of the particles are looked for with the mirror image as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tomotui.algorithms.refine.particles import SeriesParticles, ViewStore
from tomotui.algorithms.refine.pose_rounds import PoseRound
from tomotui.algorithms.refine.work import Work
from tomotui.imaging.resample import mirrored

MOST_PARTICLES = 48
"""That are looked for again."""

CLEARLY = 4.0
"""Standard errors by which the mirror image must be better."""

WORTH = 0.01
"""Share of the log-likelihood by which it must be better too."""


@dataclass(frozen=True)
class HandCheck:
    """How much better the mirror image is.

    Attributes
    ----------
    gain
        Mean of the particles' log-likelihoods with the mirror image, less that with the map.
    error
        Standard error of that.
    score
        Mean log-likelihood with the map.
    n_particles
        That were asked.
    """

    gain: float
    error: float
    score: float
    n_particles: int

    @property
    def is_mirrored(self) -> bool:
        """Whether the mirror image is better beyond doubt."""
        return self.gain > max(CLEARLY * self.error, WORTH * abs(self.score))


def drawn(series: Sequence[SeriesParticles], n_processes: int) -> list[SeriesParticles]:
    """Return some particles of all series as they lie now, to be looked for again later."""
    each = max(1, MOST_PARTICLES // max(1, len(series) * n_processes))
    return [one.part(_spread(len(one), each)) for one in series]


def check_hand(
    work: Work,
    some: list[SeriesParticles],
    references: tuple[Tensor, Tensor],
    resolution_angstrom: float,
) -> HandCheck:
    """Look for some particles with the mirror image of the references.

    Parameters
    ----------
    work
        After a search over all orientations with the references: its scores are compared with.
    some
        Particles as they were `drawn` before that.
    references
        As the search was made with them.
    """
    store = ViewStore(2**30, work.device, work.ranks)
    store.at(work.store.level)
    # As they were seen: corrections made meanwhile count.
    for mine, one in zip(some, work.series, strict=True):
        mine.model = one.model
    other = replace(work, series=some, store=store)
    store.prepare(some)
    this = PoseRound(other, (mirrored(references[0]), mirrored(references[1])), resolution_angstrom)
    this.look_everywhere()
    this.refine()
    pairs = zip(work.series, some, strict=True)
    before = np.concatenate([one.scores[np.isin(one.rows, mine.rows)] for one, mine in pairs])
    gains = np.concatenate([one.scores for one in some]) - before
    seen = before != 0
    sums = torch.tensor(
        [gains[seen].sum(), (gains[seen] ** 2).sum(), before[seen].sum(), float(seen.sum())],
        dtype=torch.float64,
        device=work.device,
    )
    work.ranks.sum_(sums)
    total, squares, score, count = sums.tolist()
    n = max(1.0, count)
    variance = max(0.0, squares / n - (total / n) ** 2)
    return HandCheck(total / n, float(np.sqrt(variance / n)), score / n, round(count))


def _spread(n: int, most: int) -> NDArray[np.intp]:
    """Return the numbers of some of n particles, spread over all."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(np.intp))

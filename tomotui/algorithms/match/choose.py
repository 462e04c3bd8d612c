"""From maps of best scores to particles: background taken off, cut-off found, peaks kept."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import conv1d, pad

from tomotui.algorithms.match.peaks import Peaks, find_peaks
from tomotui.algorithms.match.significance import (
    Tail,
    fit_beside_particles,
    fit_tail,
    independent_trials,
)

Array = NDArray[np.float64]

BACKGROUND_RADII = 2.0
"""Width of the surroundings over which the null is averaged, in radii of the particle."""


@dataclass(frozen=True)
class Chosen:
    """Peaks, and what tells particles from chance.

    Attributes
    ----------
    scores
        Map of scores, ``[z, y, x]``.
    peaks
        All peaks of it.
    null_peaks
        Scores of peaks that chance has made; empty without a null.
    tail
        Of the number of peaks by chance.
    threshold
        Score above which the wanted number of peaks by chance is expected.
    """

    scores: Tensor
    peaks: Peaks
    null_peaks: Array
    tail: Tail
    threshold: float


def choose(
    found: Tensor,
    radius_voxels: float,
    allowed: Tensor,
    false_positives: float,
    deviation: float,
    n_orientations: int,
) -> Chosen:
    """Find the peaks of a search, and the score from which on they are no chance.

    Parameters
    ----------
    found
        Best scores of the template and, where there is one, the null, ``[z, y, x, 1 or 2]``.
    radius_voxels
        Of the particle.
    allowed
        Where particles may lie, ``[z, y, x]``.
    false_positives
        Expected number of peaks by chance.
    deviation
        Of the score of one orientation by chance.
    n_orientations
        That were tried.

    Notes
    -----
    With a null the score is ``S - <S_null> + mean(S_null)``, where <> is the mean over the
    surroundings: what raises both, such as membranes, edges and thick places, is taken off, and
    hardly any noise is put in (taking off the null voxel by voxel does put it in, and digs holes
    beside every particle). The null treated alike tells what chance makes. Small proteins
    and membranes are no chance, and like a particle more than like random phases; what they make
    shows in the template's own peaks, but for those that stand out. The stricter of the two
    cut-offs counts.
    """
    allowed = allowed.to(found.device)
    if found.shape[-1] == 2:
        level = float(found[..., 1][allowed].double().mean())
        background = smoothed(found[..., 1], BACKGROUND_RADII * radius_voxels) - level
        scores = found[..., 0] - background
        null_peaks = find_peaks(found[..., 1] - background, radius_voxels, allowed).scores
    else:
        scores, null_peaks = found[..., 0], np.zeros(0)
    peaks = find_peaks(scores, radius_voxels, allowed)
    tails = [fit_beside_particles(peaks.scores), fit_tail(null_peaks) if len(null_peaks) else None]
    known = [tail for tail in tails if tail is not None]
    if not known:
        known = [independent_trials(int(allowed.sum()), n_orientations, deviation)]
    tail = max(known, key=lambda one: one.threshold(false_positives))
    return Chosen(scores, peaks, null_peaks, tail, tail.threshold(false_positives))


def smoothed(values: Tensor, sigma: float) -> Tensor:
    """Return values averaged with a Gaussian of a width in voxels, ``[z, y, x]``."""
    for axis, n in enumerate(values.shape):
        reach = min(math.ceil(3 * sigma), n - 1)
        offset = torch.arange(-reach, reach + 1, device=values.device)
        kernel = torch.exp(-0.5 * (offset / sigma) ** 2)
        lines = values.movedim(axis, -1)
        flat = pad(lines.reshape(-1, 1, n), (reach, reach), mode="reflect")
        flat = conv1d(flat, (kernel / kernel.sum())[None, None])
        values = flat.reshape(lines.shape).movedim(-1, axis)
    return values


def on_grid_of(scores: Tensor, step: float, shape: tuple[int, int, int]) -> Tensor:
    """Return scores of a coarser sampling on the voxels of the tomogram, linear in between.

    Parameters
    ----------
    scores
        Of which the first voxel is that of the tomogram, ``[z, y, x]``.
    step
        Voxels of the scores for one of the tomogram.
    shape
        Of the tomogram.
    """
    for axis, n in enumerate(shape):
        last = scores.shape[axis] - 1
        place = (torch.arange(n, device=scores.device) * step).clamp_max(last)
        before = place.long().clamp_max(max(last - 1, 0))
        share = (place - before).reshape([-1 if a == axis else 1 for a in range(3)])
        after = (before + 1).clamp_max(last)
        scores = torch.lerp(
            scores.index_select(axis, before), scores.index_select(axis, after), share.float()
        )
    return scores

"""What scores mean: the chance that a candidate is right, learnt from those that were judged."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomotui.algorithms.curate.audit import UNKNOWN, Interval, wilson_interval

Floats = NDArray[np.float64]

_USUAL_SLOPE = 4.0
"""Standard deviation of the slope, per standard deviation of the scores, that is expected before
anything was judged: few judgements of like scores say nothing about scores far from theirs."""
_STEPS = 60


@dataclass(frozen=True)
class Calibration:
    """The chance of being right as a logistic curve of the score.

    ``chance = 1 / (1 + exp(-(slope * (score - centre) / scale + offset)))``
    """

    slope: float
    offset: float
    centre: float = 0.0
    scale: float = 1.0

    def chances(self, scores: Floats) -> Floats:
        """Return the chances of scores; of an unknown score that of the middle."""
        z = (np.nan_to_num(scores, nan=self.centre) - self.centre) / self.scale
        chances: Floats = 1 / (1 + np.exp(-np.clip(self.slope * z + self.offset, -40, 40)))
        return chances


def calibrate(
    scores: Floats, accepted: NDArray[np.bool_], spread: float | None = None
) -> Calibration | None:
    """Learn what scores mean from judged candidates; ``None`` without any.

    Platt's method: a logistic curve fitted to targets drawn in from 0 and 1 by as much as the
    number of judgements asks for (Platt 1999), with a normal prior on the slope. A curve that
    falls with the score is taken as flat.

    Parameters
    ----------
    scores
        ``[n]``, each as it was when the candidate was judged; those without one are left out.
    spread
        Standard deviation of the scores of all candidates; that of the judged ones by default.
    """
    known = np.isfinite(scores)
    scores, accepted = scores[known], accepted[known]
    if not len(scores):
        return None
    n_right, n_wrong = int(accepted.sum()), int((~accepted).sum())
    targets = platt_targets(accepted)
    flat = Calibration(0.0, _logit((n_right + 1) / (len(scores) + 2)))
    centre, scale = float(np.median(scores)), spread or float(scores.std())
    if not n_right or not n_wrong or scale == 0:
        return flat
    slope, offset = _fit((scores - centre) / scale, targets)
    return Calibration(slope, offset, centre, scale) if slope > 0 else flat


def platt_targets(accepted: NDArray[np.bool_]) -> Floats:
    """Return what to fit a logistic curve to: drawn in from 0 and 1, the more the fewer there are.

    Platt (1999): so few examples never ask for certainty.
    """
    n_right, n_wrong = int(accepted.sum()), int((~accepted).sum())
    return np.where(accepted, (n_right + 1) / (n_right + 2), 1 / (n_wrong + 2))


def _fit(z: Floats, targets: Floats) -> tuple[float, float]:
    """Return slope and offset of the likeliest logistic curve, by Newton's method."""
    design = np.stack([z, np.ones_like(z)], axis=1)
    ridge = np.diag([_USUAL_SLOPE**-2, 0.0])
    weights = np.array([0.0, _logit(float(targets.mean()))])

    def loss(w: Floats) -> float:
        u = design @ w
        return float(np.sum(np.logaddexp(0, u) - targets * u) + w @ ridge @ w / 2)

    for _ in range(_STEPS):
        chance = 1 / (1 + np.exp(-np.clip(design @ weights, -40, 40)))
        gradient = design.T @ (chance - targets) + ridge @ weights
        curvature = (design * (chance * (1 - chance))[:, None]).T @ design + ridge
        step = np.linalg.lstsq(curvature + 1e-9 * np.eye(2), gradient, rcond=None)[0]
        size = 1.0
        while size > 1e-4 and loss(weights - size * step) > loss(weights):
            size /= 2
        weights = weights - size * step
        if np.abs(size * step).max() < 1e-7:
            break
    return float(weights[0]), float(weights[1])


def _logit(p: float) -> float:
    return math.log(p / (1 - p))


@dataclass(frozen=True, eq=False)
class Curve:
    """What a threshold gives, for every score there is, from the highest to the lowest.

    Attributes
    ----------
    thresholds
        ``[n]``; a candidate counts when its score is at least the threshold.
    n_above
        Candidates that count.
    n_judged
        Those of them that were judged.
    precisions
        Expected fraction of right ones among those that count.
    recalls
        Expected fraction of all right ones that count.
    """

    thresholds: Floats
    n_above: NDArray[np.int64]
    n_judged: NDArray[np.int64]
    precisions: Floats
    recalls: Floats

    def at(self, threshold: float) -> int | None:
        """Return the place of a threshold on the curve; ``None`` when nothing counts."""
        place = int(np.searchsorted(-self.thresholds, -threshold, side="right")) - 1
        return place if place >= 0 else None

    def precision(self, threshold: float) -> Interval:
        """Return the expected precision; its interval is that of as many judgements."""
        place = self.at(threshold)
        if place is None:
            return UNKNOWN
        p, n = float(self.precisions[place]), int(self.n_judged[place])
        around = wilson_interval(p * n, n) if n else UNKNOWN
        return Interval(p, around.low, around.high)

    def recall(self, threshold: float) -> float:
        """Return the expected recall."""
        place = self.at(threshold)
        return 0.0 if place is None else float(self.recalls[place])

    def threshold_for(self, wanted: float) -> float | None:
        """Return the lowest threshold that reaches a precision; ``None`` when none does."""
        reached = np.flatnonzero(self.precisions >= wanted)
        return float(self.thresholds[reached[-1]]) if len(reached) else None


def curve(
    scores: Floats,
    outcomes: Floats,
    calibration: Calibration,
    n_missed: int = 0,
) -> Curve:
    """Return what every threshold gives.

    Those that were judged count as what they are, the others with their chance: as long as what
    was judged was chosen by score or at random, the choice does no harm.

    Parameters
    ----------
    scores
        ``[n]``, of the candidates; those without one are left out.
    outcomes
        ``[n]``: 1 accepted, 0 rejected, NaN not judged.
    n_missed
        Right ones that the search is known to have missed.
    """
    known = np.isfinite(scores)
    scores, outcomes = scores[known], outcomes[known]
    order = np.argsort(-scores, kind="stable")
    judged = np.isfinite(outcomes)[order]
    chances = np.where(judged, outcomes[order], calibration.chances(scores)[order])
    count = np.arange(1, len(scores) + 1)
    right = np.cumsum(chances)
    total = (right[-1] if len(right) else 0.0) + n_missed
    falls = np.append(np.diff(scores[order]) != 0, True)[: len(scores)]
    return Curve(
        thresholds=scores[order][falls],
        n_above=count[falls],
        n_judged=np.cumsum(judged)[falls],
        precisions=(right / count)[falls],
        recalls=(right / total)[falls] if total > 0 else np.zeros(int(falls.sum())),
    )


def recall_of_marked(scores: Floats, threshold: float) -> Interval:
    """Return which fraction of the particles marked by hand a search has found.

    Parameters
    ----------
    scores
        ``[n]``, what the search gave the marked ones; NaN where it did not find them.
    """
    found = int(np.sum(scores >= threshold))
    return wilson_interval(found, len(scores)) if len(scores) else UNKNOWN

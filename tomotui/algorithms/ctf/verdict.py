"""Which hand, and whether a series can be trusted."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from tomotui.algorithms.ctf.detection import Search
from tomotui.algorithms.ctf.joint import JointFit
from tomotui.algorithms.ctf.quality import RingCurves
from tomotui.algorithms.ctf.state import Fitted

Array = NDArray[np.float64]
Verdict = Literal["good", "poor", "bad"]
Hand = Literal[-1, 1]
Fits = dict[Hand, tuple[JointFit, Fitted, float]]
"""For each hand the fit, its end, and the highest frequency that was fitted."""

LEAST_DETECTION, LEAST_CONTRAST = 5.0, 2.5
LEAST_HAND_SCORE = 3.0
LEAST_TILT_SIGNIFICANCE = 3.0
AMBIGUOUS = 0.85
_WEAK_SCORE = 0.3
_MOST_SPECIMEN_TURN_DEG = 20.0


def judge_hand(fits: Fits) -> tuple[Hand | None, float | None, tuple[float, float]]:
    """Compare both hands, each fitted for itself.

    For every tilt the logarithm of the likelihood under hand +1 minus that under -1 is a vote.
    The squared distance D between the two models says how large a vote can be: one hand being
    true, votes are +D/2 or -D/2 on average. The score is the ratio of votes to distance over its
    standard error (`vote_score`); its sign is the hand's, between -3 and 3 it is undecided.

    Returns
    -------
    The hand or ``None``, the score or ``None`` when only one hand was fitted, and the total
    gains for -1 and +1 (NaN when not fitted).
    """
    minus, plus = (float(fits[h][1].gain.sum()) if h in fits else float("nan") for h in (-1, 1))
    if len(fits) < 2:
        return None, None, (minus, plus)
    (joint, fitted, highest), (_, other, _) = fits[1], fits[-1]
    variance = torch.minimum(fitted.curves.variance, other.curves.variance)
    votes, distance = (
        np.asarray(values.cpu().numpy(), dtype=np.float64)
        for values in joint.compare(fitted, other, variance, highest)
    )
    score = vote_score(votes, distance)
    if abs(score) < LEAST_HAND_SCORE:
        return None, score, (minus, plus)
    return (1 if score > 0 else -1), score, (minus, plus)


def vote_score(votes: Array, distance: Array) -> float:
    """Return the ratio of all votes to all distance over its standard error.

    The error holds both what the noise allows, ``1 / sqrt(sum D)``, and how much the tilts
    disagree on the ratio, so that neither a misjudged noise level nor one odd tilt decides.
    Fewer than three tilts decide nothing: 0.
    """
    total = float(distance.sum())
    if len(votes) < 3 or total <= 0:
        return 0.0
    ratio = float(votes.sum()) / total
    scatter = float(np.square(votes - ratio * distance).sum()) * len(votes) / (len(votes) - 1)
    error = np.sqrt(1 / total + scatter / total**2)
    return ratio / float(error)


def judge_series(
    curves: RingCurves,
    significance: Array,
    detection: float,
    search: Search,
    tilt_deg: Array,
    plane_deg: Array,
) -> tuple[Verdict, str]:
    """Judge a series as a whole.

    Parameters
    ----------
    significance
        Of each tilt's rings, standard deviations.
    detection
        Of the series' rings in data that did not choose the defocus.
    search
        Over the whole range of defocus, for its second best peak.
    """
    if detection < LEAST_DETECTION:
        return "bad", f"no rings were found ({detection:.1f} sigma, {LEAST_DETECTION:g} needed)"
    if search.contrast < LEAST_CONTRAST:
        return (
            "bad",
            "the spectra have features, but rings explain them no better than their inverse",
        )
    low = np.abs(tilt_deg) <= np.median(np.abs(tilt_deg))
    seen = significance >= LEAST_TILT_SIGNIFICANCE
    if seen.sum() < max(1, len(seen) // 4) or not seen[low].any():
        return "bad", f"only {int(seen.sum())} of {len(seen)} tilts show rings"
    notes = []
    if seen.mean() < 0.75:
        notes.append(f"{int((~seen).sum())} of {len(seen)} tilts show no rings of their own")
    if search.rival > AMBIGUOUS:
        other = search.rival_angstrom / 1e4
        notes.append(f"a defocus of {other:.2f} um explains the rings nearly as well")
    if np.median(curves.score[low]) < _WEAK_SCORE:
        notes.append("the rings agree weakly with the model")
    if np.abs(plane_deg).max() > _MOST_SPECIMEN_TURN_DEG:
        turn = float(plane_deg[np.abs(plane_deg).argmax()])
        notes.append(f"the specimen seems turned by {turn:.0f} deg, which is doubtful")
    return ("poor", "; ".join(notes)) if notes else ("good", "")

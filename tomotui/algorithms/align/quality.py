"""Which tilts can be trusted: before alignment by their counts, after it by their agreement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Verdict = Literal["good", "poor", "bad"]

DARK_FRACTION = 0.35
"""An image with less than this share of the counts its neighbours promise is blocked."""

COUNTS_LEVEL = 0.1
"""Counts have a mean well above this share of their deviation; a smaller one is a rest."""

POOR_AGREEMENT, BAD_AGREEMENT = 0.5, 0.2
"""Share of the neighbours' agreement below which a tilt is suspicious, or useless."""

NEIGHBOUR_DEG = 16.0


@dataclass(frozen=True)
class TiltVerdict:
    """A judgement of one tilt with its reason."""

    verdict: Verdict = "good"
    note: str = ""


def judge_counts(images: Tensor, tilt_deg: NDArray[np.float64]) -> list[TiltVerdict]:
    """Find tilts that hold no picture: blank, dark, or mostly not a number.

    Parameters
    ----------
    images
        Raw images, ``[n_tilts, height, width]``.
    tilt_deg
        ``[n_tilts]``.

    Notes
    -----
    Counts fall with the path through the specimen as ``exp(-c / cos(tilt))``; ``c`` is fitted
    robustly, and an image far below that line is shadowed by a grid bar or the holder. Stacks
    whose mean was taken out carry no counts and are judged by their deviation alone.
    """
    finite = images.isfinite()
    share_finite = finite.float().mean(dim=(-2, -1)).cpu().numpy()
    safe = images.nan_to_num(0.0, 0.0, 0.0)
    mean = safe.mean(dim=(-2, -1)).double().cpu().numpy()
    deviation = safe.std(dim=(-2, -1)).double().cpu().numpy()
    typical = float(np.median(deviation)) or 1.0
    expected = _expected_counts(mean, typical, tilt_deg)
    verdicts = []
    for tilt in range(len(tilt_deg)):
        if share_finite[tilt] < 0.5:
            verdicts.append(TiltVerdict("bad", "most pixels are not numbers"))
        elif deviation[tilt] < 1e-3 * typical:
            verdicts.append(TiltVerdict("bad", "the image is blank"))
        elif expected is not None and mean[tilt] < DARK_FRACTION * expected[tilt]:
            percent = 100 * mean[tilt] / expected[tilt]
            verdicts.append(TiltVerdict("bad", f"dark: {percent:.0f} % of the expected counts"))
        else:
            verdicts.append(TiltVerdict())
    return verdicts


def _expected_counts(
    mean: NDArray[np.float64], deviation: float, tilt_deg: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    """Fit counts against the path length; ``None`` where images carry no absolute counts."""
    if np.median(mean) <= COUNTS_LEVEL * deviation:
        return None
    path = 1 / np.cos(np.deg2rad(tilt_deg))
    logarithm = np.log(np.maximum(mean, 1e-6 * np.median(mean)))
    weight = np.ones_like(path)
    for _ in range(20):
        slope, offset = np.polyfit(path, logarithm, 1, w=np.sqrt(weight))
        residual = logarithm - (slope * path + offset)
        scale = 1.4826 * np.median(np.abs(residual)) + 1e-3
        weight = 1 / (1 + (residual / (2 * scale)) ** 2)
    expected: NDArray[np.float64] = np.exp(slope * path + offset)
    return expected


def judge_agreement(score: NDArray[np.float64], tilt_deg: NDArray[np.float64]) -> list[TiltVerdict]:
    """Judge tilts by how well the others predict them, beside their neighbours in tilt.

    Parameters
    ----------
    score
        Correlation of each tilt with its prediction, ``[n_tilts]``.
    tilt_deg
        ``[n_tilts]``.
    """
    verdicts = []
    for value, angle in zip(score, tilt_deg, strict=True):
        typical = float(np.median(score[np.abs(tilt_deg - angle) <= NEIGHBOUR_DEG]))
        if typical <= 0 or value >= POOR_AGREEMENT * typical:
            verdicts.append(TiltVerdict())
            continue
        share = 100 * max(value, 0.0) / typical
        verdict: Verdict = "bad" if value < BAD_AGREEMENT * typical else "poor"
        verdicts.append(TiltVerdict(verdict, f"agrees {share:.0f} % as well as its neighbours"))
    return verdicts

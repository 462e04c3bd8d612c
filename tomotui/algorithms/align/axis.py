"""Find the tilt axis by asking, for every angle, how well the tilts explain each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tomotui.algorithms.align.coarse import coarse_shifts
from tomotui.algorithms.align.geometry import AxisGeometry
from tomotui.algorithms.align.matching import Matched, ProjectionMatcher

COARSE_STEP_DEG = 4.0
FIRST_ROUNDS, MORE_ROUNDS = 1, 3
FOLLOWED_UP = 3
"""One candidate in so many is worth more rounds than the first."""

MAX_STEPS = 8
"""Of a climb; the last few that a noisy hill might want are left to the landmarks."""


@dataclass(frozen=True)
class AxisCandidate:
    """A tilt axis with the shifts that suit it best."""

    geometry: AxisGeometry
    matched: Matched


def search_axis(
    matcher: ProjectionMatcher,
    centre_deg: float | None = None,
    half_range_deg: float = 90.0,
    step_deg: float = COARSE_STEP_DEG,
    progress: Callable[[float], None] | None = None,
) -> list[AxisCandidate]:
    """Try axes over a range; for each, find coarse shifts and match projections.

    An axis and its opposite describe one set of projections (they differ by the hand of the
    specimen), so that half a turn covers all.

    Parameters
    ----------
    matcher
        Images some hundred pixels wide.
    centre_deg, half_range_deg, step_deg
        The candidates; without a centre, the whole half turn.
    progress
        Called with the fraction done.

    Returns
    -------
    Candidates, best first.
    """
    if centre_deg is None:
        angles = np.arange(-90.0, 90.0, step_deg)
    else:
        n_steps = max(1, round(half_range_deg / step_deg))
        angles = centre_deg + step_deg * np.arange(-n_steps, n_steps + 1)
    max_shift = 0.1 * matcher.working.frame_px
    follow_up = max(1, len(angles) // FOLLOWED_UP)
    steps = len(angles) + follow_up
    found = []
    for number, angle in enumerate(angles):
        geometry = coarse_shifts(matcher.working, float(angle))
        found.append(AxisCandidate(*matcher.refine(geometry, FIRST_ROUNDS, max_shift)))
        if progress is not None:
            progress((number + 1) / steps)
    found.sort(key=lambda candidate: -candidate.matched.information)
    for number, candidate in enumerate(found[:follow_up]):
        refined = matcher.refine(candidate.geometry, MORE_ROUNDS, max_shift)
        found[number] = AxisCandidate(*refined)
        if progress is not None:
            progress((len(angles) + number + 1) / steps)
    return sorted(found, key=lambda candidate: -candidate.matched.information)


def best_start(
    matcher: ProjectionMatcher, starts: list[AxisGeometry], rounds: int
) -> AxisCandidate:
    """Match projections from several starts and return the one that explains the images best."""
    tried = [AxisCandidate(*matcher.refine(start, rounds, 5.0)) for start in starts]
    return max(tried, key=lambda one: one.matched.information)


def refine_axis(
    matcher: ProjectionMatcher,
    start: AxisCandidate,
    step_deg: float,
    smallest_step_deg: float = 0.5,
    rounds: int = 2,
) -> AxisCandidate:
    """Climb to the best axis near a candidate by halving steps.

    Parameters
    ----------
    matcher
        Images at a finer sampling than the search needed.
    start
        Where to begin.
    step_deg, smallest_step_deg
        First and last step.
    rounds
        Rounds of projection matching for each trial.
    """
    best = start
    for _ in range(MAX_STEPS):
        if step_deg < smallest_step_deg:
            break
        trials = [
            AxisCandidate(
                *matcher.refine(
                    best.geometry.with_axis(best.geometry.axis_deg + sign * step_deg), rounds, 3.0
                )
            )
            for sign in (-1, 1)
        ]
        winner = max(trials, key=lambda trial: trial.matched.information)
        if winner.matched.information > best.matched.information:
            best = winner
        else:
            step_deg /= 2
    return best

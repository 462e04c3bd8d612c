"""Align a tilt series without markers, or with them, from nothing but the images and angles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tomotui.algorithms.align.axis import AxisCandidate, best_start, refine_axis, search_axis
from tomotui.algorithms.align.finishing import Finish, finish
from tomotui.algorithms.align.following import (
    CONVERGED_PX,
    GAINS,
    LandmarkPass,
    Tracked,
    measure,
    moved_px,
    passes_for,
    step,
)
from tomotui.algorithms.align.geometry import AxisGeometry
from tomotui.algorithms.align.matching import Matched
from tomotui.algorithms.align.outcome import SeriesAlignment, assemble
from tomotui.algorithms.align.patches import PatchMatcher, Places
from tomotui.algorithms.align.prepare import remove_outliers
from tomotui.algorithms.align.quality import judge_counts
from tomotui.algorithms.align.samplings import Samplings

SEARCH_FRAME_PX, MATCH_FRAME_PX = 112, 176
RIVAL_DEG, RIVAL_SHARE = 12.0, 0.7
"""A second axis is followed up when it lies so far from the best and explains so much of it."""

TRACK_PIXEL_ANGSTROM, TRACK_RADIUS_ANGSTROM = 10.0, 100.0


@dataclass(frozen=True)
class Settings:
    """What the user may choose.

    Attributes
    ----------
    axis_deg
        Known tilt axis; ``None`` to search the half turn.
    axis_range_deg
        How far from a known axis to search.
    thickness_angstrom
        Depth of the slab that may hold matter.
    n_landmarks
        Features to follow.
    rounds
        Most rounds over the landmarks in each pass.
    finest_angstrom
        Sampling of the last step, which is done on gold only.
    local
        Local deformation: taken if landmarks that it was not fitted to speak for it (``auto``),
        always (``on``) or never (``off``).
    gold
        Refine on gold beads where there are some.
    start
        A geometry to begin from, beside those found; the one that explains the images best wins.
    """

    axis_deg: float | None = None
    axis_range_deg: float = 6.0
    thickness_angstrom: float = 2500.0
    n_landmarks: int = 128
    rounds: int = 6
    finest_angstrom: float = 6.0
    local: Literal["auto", "on", "off"] = "auto"
    gold: bool = True
    start: AxisGeometry | None = None


@dataclass(frozen=True)
class Report:
    """What is told while the work goes on."""

    fraction: float
    message: str
    metrics: dict[str, tuple[float, str]]


Reporter = Callable[[Report], None]


@torch.no_grad()
def align_series(
    images: Tensor,
    tilt_deg: NDArray[np.float64],
    pixel_size_angstrom: float,
    settings: Settings,
    report: Reporter,
) -> SeriesAlignment:
    """Align the images of a tilt series.

    Parameters
    ----------
    images
        Raw or binned images, ``[n_tilts, height, width]``.
    tilt_deg
        Tilts in degrees.
    pixel_size_angstrom
        Of ``images``.
    settings
        The user's choices.
    report
        Called as the work goes on; may raise to stop it.

    Raises
    ------
    ValueError
        When fewer than three tilts hold a picture.
    """
    verdicts = judge_counts(images, tilt_deg)
    usable = np.array([verdict.verdict != "bad" for verdict in verdicts])
    if usable.sum() < 3:
        raise ValueError(f"only {usable.sum()} of {len(usable)} tilts hold a picture")
    chosen = torch.from_numpy(np.flatnonzero(usable)).to(images.device)
    samplings = Samplings(
        remove_outliers(images[chosen]),
        torch.from_numpy(tilt_deg[usable]).to(images),
        pixel_size_angstrom,
        settings.thickness_angstrom,
    )
    series = _Series(samplings, settings, report)
    candidate, curve = series.find_axis(usable)
    geometry = series.follow_landmarks(candidate.geometry)
    plan = Finish(settings.n_landmarks, settings.finest_angstrom, settings.local, settings.gold)
    finished = finish(samplings, geometry, plan, series.finishing)
    tracked, patches_seen = series.track(finished.geometry, finished.landmarks)
    matched = series.whole(finished.geometry)
    report(Report(1.0, "judging the tilts", {}))
    return assemble(
        finished, tracked, patches_seen, matched.information, curve, tilt_deg, usable, verdicts
    )


class _Series:
    """One series at work."""

    def __init__(self, samplings: Samplings, settings: Settings, report: Reporter) -> None:
        self.samplings, self.settings, self.report = samplings, settings, report

    def find_axis(self, usable: NDArray[np.bool_]) -> tuple[AxisCandidate, NDArray[np.float64]]:
        """Search the axis coarsely, refine the rivals on finer images, and keep the best.

        Returns
        -------
        The best candidate, and the score over axes, ``[n_axes, 2]``.
        """
        settings = self.settings
        known = settings.axis_deg is not None

        def searching(fraction: float) -> None:
            self.report(Report(0.25 * fraction, "searching the tilt axis", {}))

        found = search_axis(
            self.samplings.matcher(self.samplings.framed(SEARCH_FRAME_PX)),
            settings.axis_deg,
            settings.axis_range_deg,
            step_deg=2.0 if known else 4.0,
            progress=searching,
        )
        curve = np.array(sorted((one.geometry.axis_deg, one.matched.information) for one in found))
        self.report(Report(0.25, f"tilt axis near {found[0].geometry.axis_deg:.1f} deg", {}))
        starts = [found[0].geometry, *_rivals(found)]
        if settings.start is not None:
            chosen = torch.from_numpy(np.flatnonzero(usable))
            given = settings.start
            starts.append(
                replace(
                    given,
                    tilt_deg=found[0].geometry.tilt_deg,
                    shift_angstrom=given.shift_angstrom[chosen].to(
                        found[0].geometry.shift_angstrom
                    ),
                )
            )
        matcher = self.samplings.matcher(self.samplings.framed(MATCH_FRAME_PX))
        best = refine_axis(matcher, best_start(matcher, starts, 6), step_deg=2.0)
        metrics = {
            "axis": (best.geometry.axis_deg, "deg"),
            "information": (best.matched.information, "nat/px"),
        }
        self.report(Report(0.35, f"matched whole images from {len(starts)} starts", metrics))
        return best, curve

    def whole(self, geometry: AxisGeometry) -> Matched:
        """Return how well whole images agree."""
        matcher = self.samplings.matcher(self.samplings.framed(MATCH_FRAME_PX))
        return matcher.measure(geometry)

    def follow_landmarks(self, geometry: AxisGeometry) -> AxisGeometry:
        """Refine with ever smaller features."""
        passes = passes_for(self.samplings.pixel_size_angstrom, min(self.samplings.field_angstrom))
        for number, plan in enumerate(passes):
            span = 0.25 / len(passes)
            geometry = self._pass(geometry, plan, 0.35 + span * number, span)
        return geometry

    def _pass(
        self, geometry: AxisGeometry, plan: LandmarkPass, before: float, span: float
    ) -> AxisGeometry:
        working = self.samplings.at(plan.pixel_size_angstrom)
        pixel = working.pixel_size_angstrom
        landmarks = self.samplings.landmarks(
            geometry, plan.diameter_angstrom, self.settings.n_landmarks, pixel
        )
        matcher = PatchMatcher(working, plan.radius_angstrom)
        for turn in range(self.settings.rounds):
            tracked = measure(matcher, geometry, landmarks)
            geometry, landmarks = step(geometry, tracked, GAINS[turn % len(GAINS)])
            update = moved_px(tracked)
            metrics = {
                "axis": (geometry.axis_deg, "deg"),
                "residual": (tracked.adjustment.residual_rms() * pixel, "angstrom"),
                "update": (update * pixel, "angstrom"),
            }
            done = before + span * (turn + 1) / self.settings.rounds
            message = f"following {len(landmarks)} landmarks at {pixel:.0f} A/px"
            self.report(Report(done, message, metrics))
            if update < CONVERGED_PX:
                break
        return geometry

    def finishing(self, fraction: float, message: str) -> None:
        """Report on the joint refinement."""
        self.report(Report(0.6 + 0.37 * fraction, message, {}))

    def track(self, geometry: AxisGeometry, landmarks: Tensor) -> tuple[Tracked, Places]:
        """Measure what is left at the end, changing nothing."""
        working = self.samplings.at(TRACK_PIXEL_ANGSTROM)
        matcher = PatchMatcher(working, TRACK_RADIUS_ANGSTROM)
        tracked = measure(matcher, geometry, landmarks)
        return tracked, Places.of(geometry, landmarks, working.pixel_size_angstrom)


def _rivals(found: list[AxisCandidate]) -> list[AxisGeometry]:
    """Return the best candidate that is another axis than the best, if it is nearly as good."""
    best = found[0]
    for one in found[1:]:
        apart = abs((one.geometry.axis_deg - best.geometry.axis_deg + 90) % 180 - 90)
        if apart >= RIVAL_DEG:
            near = one.matched.information >= RIVAL_SHARE * best.matched.information
            return [one.geometry] if near else []
    return []

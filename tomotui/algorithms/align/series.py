"""Align a tilt series without markers: axis search, projection matching, landmarks, bundle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tomotui.algorithms.align.axis import AxisCandidate, refine_axis, search_axis
from tomotui.algorithms.align.bundle import Adjustment, adjust
from tomotui.algorithms.align.correlate import coherence_weight, find_peaks
from tomotui.algorithms.align.geometry import AxisGeometry
from tomotui.algorithms.align.landmarks import find_landmarks
from tomotui.algorithms.align.matching import ProjectionMatcher
from tomotui.algorithms.align.patches import PatchMatcher
from tomotui.algorithms.align.prepare import WorkingImages, prepare_images, remove_outliers
from tomotui.algorithms.align.quality import TiltVerdict, judge_agreement, judge_counts

SEARCH_FRAME_PX, MATCH_FRAME_PX = 112, 176
DETECTION_PIXEL_ANGSTROM = 20.0
MAX_PEAK_PX = 4.0
MIN_RADIUS_PX, MAX_RADIUS_SHARE_OF_FIELD = 2.5, 0.12
GAINS = (1.0, 2.5)
"""Steps of the rounds, in turn. Predictions follow the images they are made from, so that slow
drifts along the tilt angle keep three quarters of their error in a plain round while single
images are done at once; a long step after a plain one serves both."""


@dataclass(frozen=True)
class LandmarkPass:
    """One pass over landmarks: sampling, size of the ball, size of the features."""

    pixel_size_angstrom: float
    radius_angstrom: float
    diameter_angstrom: float


PASSES = (
    LandmarkPass(40.0, 400.0, 250.0),
    LandmarkPass(20.0, 250.0, 250.0),
    LandmarkPass(20.0, 150.0, 120.0),
    LandmarkPass(10.0, 100.0, 120.0),
)


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
    """

    axis_deg: float | None = None
    axis_range_deg: float = 6.0
    thickness_angstrom: float = 2500.0
    n_landmarks: int = 64
    rounds: int = 6


@dataclass(frozen=True)
class Report:
    """What is told while the work goes on."""

    fraction: float
    message: str
    metrics: dict[str, tuple[float, str]]


Reporter = Callable[[Report], None]


@dataclass(frozen=True)
class SeriesAlignment:
    """The outcome for a series.

    Attributes
    ----------
    geometry
        For all tilts of the input; excluded ones carry their neighbours' shift.
    verdicts
        One per tilt.
    score
        Correlation with the other tilts' prediction, NaN for excluded tilts, ``[n_tilts]``.
    residual_angstrom
        Weighted root mean square over landmarks, NaN where unknown, ``[n_tilts]``.
    overall_residual_angstrom
        The same over all tilts.
    information
        Intrinsic quality in nats per pixel (see ``correlate.information``).
    n_landmarks
        Landmarks that were followed in the end.
    """

    geometry: AxisGeometry
    verdicts: list[TiltVerdict]
    score: NDArray[np.float64]
    residual_angstrom: NDArray[np.float64]
    overall_residual_angstrom: float
    information: float
    n_landmarks: int


@torch.inference_mode()
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
    series = _Series(
        remove_outliers(images[chosen]),
        torch.from_numpy(tilt_deg[usable]).to(images),
        pixel_size_angstrom,
        settings,
        report,
    )
    candidate = series.find_axis()
    geometry, tracked = series.follow_landmarks(candidate.geometry)
    return _assemble(series, geometry, tracked, tilt_deg, usable, verdicts)


@dataclass(frozen=True)
class _Tracked:
    """What the last pass over the landmarks left behind."""

    adjustment: Adjustment
    pixel_size_angstrom: float
    score: Tensor
    landmarks: Tensor


class _Series:
    """The usable tilts of a series, at whatever sampling a step asks for."""

    def __init__(
        self,
        images: Tensor,
        tilt_deg: Tensor,
        pixel_size_angstrom: float,
        settings: Settings,
        report: Reporter,
    ) -> None:
        self.images, self.tilt_deg = images, tilt_deg
        self.pixel_size_angstrom = pixel_size_angstrom
        self.settings, self.report = settings, report
        self._prepared: dict[int, WorkingImages] = {}
        self._matchers: dict[float, ProjectionMatcher] = {}

    def at(self, pixel_size_angstrom: float) -> WorkingImages:
        """Return the images at a sampling, never finer than they are."""
        binning = max(1, round(pixel_size_angstrom / self.pixel_size_angstrom))
        if binning not in self._prepared:
            self._prepared[binning] = prepare_images(
                self.images, self.tilt_deg, self.pixel_size_angstrom, binning
            )
        return self._prepared[binning]

    def framed(self, frame_px: int) -> WorkingImages:
        """Return the images at the sampling that makes the longer side about ``frame_px``."""
        longer = max(self.images.shape[-2:])
        return self.at(self.pixel_size_angstrom * max(1, round(longer / frame_px)))

    def matcher(self, working: WorkingImages) -> ProjectionMatcher:
        """Return the matcher of whole images at a sampling, which several passes share."""
        pixel = working.pixel_size_angstrom
        if pixel not in self._matchers:
            self._matchers[pixel] = ProjectionMatcher(working, self.settings.thickness_angstrom)
        return self._matchers[pixel]

    def find_axis(self) -> AxisCandidate:
        """Search the axis coarsely, then refine axis and shifts on finer images."""
        settings = self.settings
        known = settings.axis_deg is not None

        def searching(fraction: float) -> None:
            self.report(Report(0.3 * fraction, "searching the tilt axis", {}))

        found = search_axis(
            self.matcher(self.framed(SEARCH_FRAME_PX)),
            settings.axis_deg,
            settings.axis_range_deg,
            step_deg=2.0 if known else 4.0,
            progress=searching,
        )
        self.report(Report(0.3, f"tilt axis near {found[0].geometry.axis_deg:.1f} deg", {}))
        best = refine_axis(self.matcher(self.framed(MATCH_FRAME_PX)), found[0], step_deg=2.0)
        metrics = {
            "axis": (best.geometry.axis_deg, "deg"),
            "information": (best.matched.information, "nat/px"),
        }
        self.report(Report(0.45, "matched projections of whole images", metrics))
        return best

    def follow_landmarks(self, geometry: AxisGeometry) -> tuple[AxisGeometry, _Tracked]:
        """Refine with ever smaller features, until the finest sampling."""
        shorter_px = min(self.images.shape[-2:])
        passes = _passes_for(self.pixel_size_angstrom, shorter_px * self.pixel_size_angstrom)
        tracked: _Tracked | None = None
        for number, plan in enumerate(passes):
            before = 0.45 + 0.5 * number / len(passes)
            span = 0.5 / len(passes)
            geometry, tracked = self._pass(geometry, plan, before, span)
        assert tracked is not None
        return _centred(geometry, tracked.landmarks), tracked

    def _pass(
        self, geometry: AxisGeometry, plan: LandmarkPass, before: float, span: float
    ) -> tuple[AxisGeometry, _Tracked]:
        working = self.at(plan.pixel_size_angstrom)
        pixel = working.pixel_size_angstrom
        detection = self.at(max(pixel, DETECTION_PIXEL_ANGSTROM))
        volume = self.matcher(detection).volume(geometry)
        landmarks = find_landmarks(
            volume,
            detection.pixel_size_angstrom,
            plan.diameter_angstrom,
            self.settings.n_landmarks,
        )
        if len(landmarks) < 3:
            raise ValueError("the tomogram shows nothing to follow; is the stack empty?")
        matcher = PatchMatcher(working, plan.radius_angstrom)
        for turn in range(self.settings.rounds):
            gain = GAINS[turn % len(GAINS)]
            geometry, landmarks, tracked, moved_px = _round(matcher, geometry, landmarks, gain)
            metrics = {
                "axis": (geometry.axis_deg, "deg"),
                "residual": (tracked.adjustment.residual_rms() * pixel, "angstrom"),
                "update": (moved_px * pixel, "angstrom"),
            }
            self.report(
                Report(
                    before + span * (turn + 1) / self.settings.rounds,
                    f"following {len(landmarks)} landmarks at {pixel:.0f} A/px",
                    metrics,
                )
            )
            if moved_px < 0.03:
                break
        return geometry, tracked


def _passes_for(pixel_size_angstrom: float, field_angstrom: float) -> list[LandmarkPass]:
    """Return the passes that suit the sampling and the field of view of the images."""
    largest = MAX_RADIUS_SHARE_OF_FIELD * field_angstrom
    plans = [
        LandmarkPass(
            max(plan.pixel_size_angstrom, pixel_size_angstrom),
            min(plan.radius_angstrom, largest),
            min(plan.diameter_angstrom, largest),
        )
        for plan in PASSES
    ]
    suitable = [
        plan for plan in plans if plan.radius_angstrom >= MIN_RADIUS_PX * plan.pixel_size_angstrom
    ]
    return suitable or [LandmarkPass(pixel_size_angstrom, largest, largest)]


def _round(
    matcher: PatchMatcher, geometry: AxisGeometry, landmarks: Tensor, gain: float
) -> tuple[AxisGeometry, Tensor, _Tracked, float]:
    """Predict, measure and adjust once."""
    pixel = matcher.working.pixel_size_angstrom
    patches, inside = matcher.extract(geometry, landmarks)
    correlation = matcher.correlate(patches)
    displacement, height = find_peaks(correlation.maps, MAX_PEAK_PX)
    agreement = (height / correlation.norm.clamp_min(1e-20)).clamp(0, 1)
    weight = agreement**2 * inside
    adjustment = adjust(
        matcher.working.tilt_deg.double().cpu().numpy(),
        (landmarks / pixel).double().cpu().numpy(),
        displacement.double().cpu().numpy(),
        weight.double().cpu().numpy(),
        scale=1.0,
    )
    shift = torch.from_numpy(adjustment.shift).to(landmarks)
    moved_px = float(shift.square().sum(dim=1).mean().sqrt())
    geometry = geometry.moved(gain * shift * pixel)
    geometry = geometry.with_axis(geometry.axis_deg + gain * adjustment.axis_deg)
    landmarks = landmarks + torch.from_numpy(adjustment.landmarks).to(landmarks) * pixel
    weights = coherence_weight(correlation.pooled) * matcher.rings.weight
    score = (correlation.coherence[:, 0] * weights).sum(-1) / weights.sum().clamp_min(1e-20)
    return geometry, landmarks, _Tracked(adjustment, pixel, score, landmarks), moved_px


def _centred(geometry: AxisGeometry, landmarks: Tensor) -> AxisGeometry:
    """Put the origin at the centre of the least tilted image and at the landmarks' depth."""
    tilt = torch.deg2rad(geometry.tilt_deg)
    least = int(geometry.tilt_deg.abs().argmin())
    angle = np.deg2rad(geometry.axis_deg)
    turn = torch.tensor(
        [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]],
        dtype=geometry.shift_angstrom.dtype,
        device=geometry.shift_angstrom.device,
    )
    aligned = geometry.shift_angstrom @ turn
    depth = landmarks[:, 2].median()
    x = -(aligned[least, 0] + depth * torch.sin(tilt[least])) / torch.cos(tilt[least])
    across = x * torch.cos(tilt) + depth * torch.sin(tilt)
    along = (-aligned[least, 1]).expand_as(across)
    return geometry.moved(torch.stack([across, along], dim=1))


def _assemble(
    series: _Series,
    geometry: AxisGeometry,
    tracked: _Tracked,
    tilt_deg: NDArray[np.float64],
    usable: NDArray[np.bool_],
    verdicts: list[TiltVerdict],
) -> SeriesAlignment:
    """Bring the outcome back to all tilts of the input."""
    matched = series.matcher(series.framed(MATCH_FRAME_PX)).measure(geometry)
    used = np.flatnonzero(usable)
    score, residual = np.full(len(tilt_deg), np.nan), np.full(len(tilt_deg), np.nan)
    score[used] = tracked.score.double().cpu().numpy()
    residual[used] = tracked.adjustment.residual_per_tilt() * tracked.pixel_size_angstrom
    verdicts = list(verdicts)
    for index, verdict in zip(used, judge_agreement(score[used], tilt_deg[used]), strict=True):
        verdicts[index] = verdict
    shift = geometry.shift_angstrom.double().cpu().numpy()
    order = np.argsort(tilt_deg[used])
    everywhere = np.stack(
        [np.interp(tilt_deg, tilt_deg[used][order], shift[order, axis]) for axis in (0, 1)], axis=1
    )
    everywhere[used] = shift
    return SeriesAlignment(
        geometry=AxisGeometry(
            torch.from_numpy(np.asarray(tilt_deg, dtype=np.float64)),
            geometry.axis_deg,
            torch.from_numpy(everywhere),
        ),
        verdicts=verdicts,
        score=score,
        residual_angstrom=residual,
        overall_residual_angstrom=tracked.adjustment.residual_rms() * tracked.pixel_size_angstrom,
        information=matched.information,
        n_landmarks=len(tracked.landmarks),
    )

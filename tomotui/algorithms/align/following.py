"""Follow landmarks round by round: predict, measure, adjust, from coarse samplings to fine ones."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tomotui.algorithms.align.bundle import Adjustment, adjust
from tomotui.algorithms.align.correlate import coherence_weight, find_peaks
from tomotui.algorithms.align.geometry import AxisGeometry
from tomotui.algorithms.align.patches import PatchMatcher

DETECTION_PIXEL_ANGSTROM = 20.0
MAX_PEAK_PX = 4.0
MIN_RADIUS_PX, MAX_RADIUS_SHARE_OF_FIELD = 2.5, 0.12
GAINS = (1.0, 2.5)
"""Steps of the rounds, in turn. Predictions follow the images they are made from, so that slow
drifts along the tilt angle keep three quarters of their error in a plain round while single
images are done at once; a long step after a plain one serves both."""

CONVERGED_PX = 0.03


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
)


@dataclass(frozen=True)
class Tracked:
    """What following the landmarks has shown.

    Attributes
    ----------
    adjustment
        The corrections, in working pixels, and what they leave.
    pixel_size_angstrom
        Of the working images.
    score
        Correlation of each tilt with its prediction, ``[n_tilts]``.
    landmarks
        Positions (x, y, z) in Angstrom, ``[n, 3]``.
    """

    adjustment: Adjustment
    pixel_size_angstrom: float
    score: Tensor
    landmarks: Tensor


def passes_for(pixel_size_angstrom: float, field_angstrom: float) -> list[LandmarkPass]:
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


def measure(matcher: PatchMatcher, geometry: AxisGeometry, landmarks: Tensor) -> Tracked:
    """Compare every patch with its prediction, and say what would bring them together."""
    pixel = matcher.working.pixel_size_angstrom
    patches, inside = matcher.extract(geometry, landmarks)
    correlation = matcher.correlate(patches)
    displacement, height = find_peaks(correlation.maps, MAX_PEAK_PX)
    agreement = (height / correlation.norm.clamp_min(1e-20)).clamp(0, 1)
    weight = agreement**2 * inside
    adjustment = adjust(
        geometry.tilt_deg.double().cpu().numpy(),
        (landmarks / pixel).double().cpu().numpy(),
        displacement.double().cpu().numpy(),
        weight.double().cpu().numpy(),
        scale=1.0,
    )
    weights = coherence_weight(correlation.pooled) * matcher.rings.weight
    score = (correlation.coherence[:, 0] * weights).sum(-1) / weights.sum().clamp_min(1e-20)
    return Tracked(adjustment, pixel, score, landmarks)


def step(geometry: AxisGeometry, tracked: Tracked, gain: float) -> tuple[AxisGeometry, Tensor]:
    """Apply what was measured; return the geometry and where the landmarks have moved."""
    pixel, landmarks = tracked.pixel_size_angstrom, tracked.landmarks
    shift = torch.from_numpy(tracked.adjustment.shift).to(landmarks)
    geometry = geometry.moved(gain * shift * pixel)
    geometry = geometry.with_axis(geometry.axis_deg + gain * tracked.adjustment.axis_deg)
    return geometry, landmarks + torch.from_numpy(tracked.adjustment.landmarks).to(
        landmarks
    ) * pixel


def moved_px(tracked: Tracked) -> float:
    """Return the rms shift that was still found, in working pixels."""
    squares = (tracked.adjustment.shift**2).sum(axis=1)
    return float(squares.mean() ** 0.5)

"""The last steps: joint refinement, on gold where there is gold, and local deformation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from tomotui.algorithms.align.following import DETECTION_PIXEL_ANGSTROM
from tomotui.algorithms.align.geometry import AxisGeometry, centred
from tomotui.algorithms.align.gold import find_beads
from tomotui.algorithms.align.joint import (
    Freedom,
    JointObjective,
    LocalFreedom,
    Together,
    clear_of,
    climb,
)
from tomotui.algorithms.align.landmarks import BORDER_SHARE
from tomotui.algorithms.align.patches import PatchMatcher
from tomotui.algorithms.align.samplings import Samplings

JOINT_PASSES = ((18.0, 80.0, 20), (12.0, 60.0, 24))
"""Sampling, radius of the balls (both in Angstrom), and steps of the joint passes, the second of
which frees the tilts. Balls are tight about features: what lies beside them agrees between
neighbouring tilts at a depth of its own, and draws slow drifts after it (by pixels, from a radius
of 150 A on)."""

BEAD_RADIUS = 0.8
"""Radius of the balls about gold, in the diameters it answers to."""

STEPS_ON_GOLD = 64
"""Gold knows its places far better than other features: the climb is steep along them."""

CLEAR_OF_BEADS_ANGSTROM = 250.0
"""Other features are used from this distance on, and beads where no other bead is seen so near."""

LANDMARK_DIAMETER_ANGSTROM = 120.0
BEND_PASSES = ((20.0, 90.0, 20), (20.0, 90.0, 20), (15.0, 75.0, 16))
"""As the joint passes, with features found anew in the volume that each pass has mended."""

BEND_APART_DEG = 6.0
"""A specimen that bends is drawn after the smears of its matter more easily than a solid one."""

MIN_LANDMARKS = 8
N_BEND_LANDMARKS, MIN_BEND_LANDMARKS = 160, 48
BEND_BORDER_SHARE = 0.03
"""Nothing else tells how the rim bends."""

BEND_SIGNIFICANCE = 4.0

TILT_DEVIATION_DEG = 0.05
"""Of the stage about its reading."""

MIN_RADIUS_PX = 4.0


@dataclass(frozen=True)
class Finish:
    """How to finish.

    Attributes
    ----------
    n_landmarks
        Features to refine on where there is no gold.
    finest_angstrom
        Sampling of the step on gold.
    local
        Local deformation: tried and taken only if it explains landmarks it has not seen
        (``auto``), always taken, or never.
    gold
        Refine on beads where there are some.
    """

    n_landmarks: int = 128
    finest_angstrom: float = 6.0
    local: Literal["auto", "on", "off"] = "auto"
    gold: bool = True


@dataclass(frozen=True)
class Finished:
    """What came out.

    Attributes
    ----------
    geometry
        Refined.
    landmarks
        Those of the last step, ``[n, 3]``.
    n_beads
        How many of them are gold.
    local_significance
        By how many deviations local deformation explained unseen landmarks better; NaN where it
        was not tried.
    """

    geometry: AxisGeometry
    landmarks: Tensor
    n_beads: int
    local_significance: float


Progress = Callable[[float, str], None]


def finish(
    samplings: Samplings, geometry: AxisGeometry, plan: Finish, progress: Progress
) -> Finished:
    """Refine an alignment that is right to some pixels until nothing is left to gain."""
    count = _Count(progress)
    pixel, radius, steps = JOINT_PASSES[0]
    count.stage("refining jointly", 0.0, 0.35, steps + 4)
    marks = _marks(samplings, geometry, plan.n_landmarks)
    rigid = JointObjective(_matcher(samplings, pixel, radius), geometry, marks, Freedom())
    geometry = climb(rigid, steps, count)
    significance = float("nan")
    if plan.local != "off":
        # Local displacements belong to columns of the specimen, which must stay where they are.
        geometry, marks = centred(geometry, marks)
        count.stage("looking for local deformation", 0.35, 0.6, 30)
        geometry, significance = _bend(samplings, geometry, plan, count)
    count.stage("refining jointly with the tilts free", 0.6, 1.0, 30)
    geometry, n_beads = _freed(samplings, geometry, plan, count)
    marks = _marks(samplings, geometry, plan.n_landmarks)
    geometry, marks = centred(geometry, marks)
    return Finished(geometry, marks, n_beads, significance)


class _Count:
    """Turns evaluations into progress."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def stage(self, message: str, start: float, stop: float, expected: int) -> None:
        self._message, self._start, self._stop = message, start, stop
        self._expected, self._seen = expected, 0

    def __call__(self) -> None:
        share = min(1.0, self._seen / self._expected)
        self._seen += 1
        self._progress(self._start + (self._stop - self._start) * share, self._message)


def _marks(
    samplings: Samplings, geometry: AxisGeometry, number: int, border_share: float = BORDER_SHARE
) -> Tensor:
    voxel = samplings.at(DETECTION_PIXEL_ANGSTROM).pixel_size_angstrom
    diameter = max(LANDMARK_DIAMETER_ANGSTROM, 3 * voxel)
    return samplings.landmarks(geometry, diameter, number, border_share=border_share)


def _matcher(
    samplings: Samplings, pixel: float, radius: float, apart_deg: float = 0.0
) -> PatchMatcher:
    working = samplings.at(pixel)
    radius = max(radius, MIN_RADIUS_PX * working.pixel_size_angstrom)
    return PatchMatcher(working, radius, apart_deg)


def _freed(
    samplings: Samplings, geometry: AxisGeometry, plan: Finish, count: _Count
) -> tuple[AxisGeometry, int]:
    """Refine with the tilts free, on gold too where there is some; return on how many beads.

    Nothing but gold is known as well at the finest sampling.
    """
    freedom = Freedom(TILT_DEVIATION_DEG)
    pixel, radius, steps = JOINT_PASSES[1]
    marks = _marks(samplings, geometry, plan.n_landmarks)
    matcher = _matcher(samplings, pixel, radius)
    beads = find_beads(*samplings.detection_volume(geometry)) if plan.gold else None
    if beads is None:
        return climb(JointObjective(matcher, geometry, marks, freedom), steps, count), 0
    gold = beads.positions
    kinds = []
    apart = torch.cdist(marks, gold).amin(dim=1) > CLEAR_OF_BEADS_ANGSTROM
    if apart.sum() >= MIN_LANDMARKS:
        kinds.append(JointObjective(matcher, geometry, marks[apart], freedom))
    fine = _matcher(samplings, plan.finest_angstrom, BEAD_RADIUS * beads.diameter_angstrom)
    seen = clear_of(geometry, gold, gold, CLEAR_OF_BEADS_ANGSTROM)
    kinds.append(JointObjective(fine, geometry, gold, freedom, seen, n_groups=1))
    return climb(Together(kinds), STEPS_ON_GOLD, count), len(gold)


def _bend(
    samplings: Samplings, geometry: AxisGeometry, plan: Finish, count: _Count
) -> tuple[AxisGeometry, float]:
    """Let the specimen bend, if that explains landmarks which the bending was not fitted to."""
    marks = _marks(samplings, geometry, N_BEND_LANDMARKS, BEND_BORDER_SHARE)
    if len(marks) < MIN_BEND_LANDMARKS:
        return geometry, float("nan")
    width, height = samplings.field_angstrom
    along_x = abs(torch.cos(torch.deg2rad(torch.tensor(geometry.axis_deg)))) < 0.7
    sides = (height, width) if along_x else (width, height)
    freedom = Freedom(local=LocalFreedom((sides[0] / 2, sides[1] / 2)))
    pixel, radius, _ = BEND_PASSES[0]
    matcher = _matcher(samplings, pixel, radius, BEND_APART_DEG)
    gains = []
    for fold in (0, 1):
        fitted, held_out = marks[fold::2], marks[1 - fold :: 2]
        judge = JointObjective(matcher, geometry, held_out, Freedom())
        bent = climb(JointObjective(matcher, geometry, fitted, freedom), 6, count)
        gains.append(_information(judge, bent) - _information(judge, geometry))
    gain = torch.stack(gains).sum(dim=0)
    significance = float(gain.sum() / (gain.std() * len(gain) ** 0.5).clamp_min(1e-6))
    if plan.local == "auto" and significance < BEND_SIGNIFICANCE:
        return geometry, significance
    for pixel, radius, steps in BEND_PASSES:
        marks = _marks(samplings, geometry, N_BEND_LANDMARKS, BEND_BORDER_SHARE)
        matcher = _matcher(samplings, pixel, radius, BEND_APART_DEG)
        geometry = climb(JointObjective(matcher, geometry, marks, freedom), steps, count)
    return geometry, significance


@torch.no_grad()
def _information(judge: JointObjective, geometry: AxisGeometry) -> Tensor:
    """Return what a geometry explains of the landmarks of another objective, ``[n_tilts]``."""
    moved = judge.about(geometry)
    return moved.information(moved.places(moved.unknowns()))

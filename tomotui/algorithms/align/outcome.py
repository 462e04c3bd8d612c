"""What an alignment ends with: the geometry of all tilts, verdicts, and the tracks behind them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from tomotui.algorithms.align.finishing import Finished
from tomotui.algorithms.align.following import Tracked
from tomotui.algorithms.align.geometry import AxisGeometry
from tomotui.algorithms.align.patches import Places
from tomotui.algorithms.align.quality import TiltVerdict, judge_agreement
from tomotui.geometry.local import LocalField

Array = NDArray[np.float64]


@dataclass(frozen=True)
class SeriesAlignment:
    """The outcome for a series.

    Attributes
    ----------
    geometry
        For all tilts of the input; excluded ones carry their neighbours' values.
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
    n_beads
        Gold beads that the last step relied on.
    local_significance
        By how many deviations local deformation explained unseen landmarks better; NaN where it
        was not tried.
    axis_curve
        Axes that were tried and what they explained, ``[n_axes, 2]``.
    landmarks_angstrom
        Landmarks that were followed in the end, ``[n, 3]``.
    track_angstrom
        Where they were seen on the raw images from pixel ``n // 2``, NaN where they were not,
        ``[n_tilts, n, 2]``.
    track_residual_angstrom, track_weight
        How far from the prediction, and how much that counts, ``[n_tilts, n]``.
    """

    geometry: AxisGeometry
    verdicts: list[TiltVerdict]
    score: Array
    residual_angstrom: Array
    overall_residual_angstrom: float
    information: float
    n_beads: int
    local_significance: float
    axis_curve: Array
    landmarks_angstrom: Array
    track_angstrom: Array
    track_residual_angstrom: Array
    track_weight: Array


def assemble(
    finished: Finished,
    tracked: Tracked,
    places: Places,
    information: float,
    axis_curve: Array,
    tilt_deg: Array,
    usable: NDArray[np.bool_],
    verdicts: list[TiltVerdict],
) -> SeriesAlignment:
    """Bring the outcome back to all tilts of the input.

    Parameters
    ----------
    finished, tracked, places
        Of the usable tilts; ``places`` in the pixels of ``tracked``.
    tilt_deg, usable, verdicts
        Of all tilts; those of the usable ones are judged again by their agreement.
    """
    used, n_tilts = np.flatnonzero(usable), len(tilt_deg)
    pixel = tracked.pixel_size_angstrom

    def everywhere(values: Array) -> Array:
        out = np.full((n_tilts, *values.shape[1:]), np.nan)
        out[used] = values
        return out

    score = tracked.score.double().cpu().numpy()
    verdicts = list(verdicts)
    for index, verdict in zip(used, judge_agreement(score, tilt_deg[used]), strict=True):
        verdicts[index] = verdict
    adjustment = tracked.adjustment
    weight = everywhere(adjustment.weight)
    track = everywhere(_seen_at(tracked, places) * pixel)
    track[~(weight > 0)] = np.nan
    return SeriesAlignment(
        geometry=for_all_tilts(finished.geometry, tilt_deg, usable),
        verdicts=verdicts,
        score=everywhere(score),
        residual_angstrom=everywhere(adjustment.residual_per_tilt() * pixel),
        overall_residual_angstrom=adjustment.residual_rms() * pixel,
        information=information,
        n_beads=finished.n_beads,
        local_significance=finished.local_significance,
        axis_curve=axis_curve,
        landmarks_angstrom=tracked.landmarks.double().cpu().numpy(),
        track_angstrom=track,
        track_residual_angstrom=everywhere(adjustment.residual * pixel),
        track_weight=weight,
    )


def _seen_at(tracked: Tracked, places: Places) -> Array:
    """Return where landmarks were seen, in working pixels on the raw image."""
    moved = torch.from_numpy(tracked.adjustment.displacement).to(places.across)
    raw = replace(
        places, across=places.across + moved[..., 0], along=places.along + moved[..., 1]
    ).on_image()
    seen: Array = raw.double().cpu().numpy()
    return seen


def for_all_tilts(
    geometry: AxisGeometry, tilt_deg: Array, usable: NDArray[np.bool_]
) -> AxisGeometry:
    """Give tilts that were left out the values between their neighbours."""
    used = np.flatnonzero(usable)
    order = np.argsort(tilt_deg[used])

    def between(values: Array) -> Array:
        flat = values.reshape(len(used), -1)
        out = np.stack(
            [np.interp(tilt_deg, tilt_deg[used][order], column[order]) for column in flat.T], axis=1
        )
        out[used] = flat
        return out.reshape(len(tilt_deg), *values.shape[1:])

    correction = geometry.tilt_deg.double().cpu().numpy() - tilt_deg[used]
    local = geometry.local
    if local is not None:
        local = LocalField(between(local.nodes_angstrom), local.half_extent_angstrom)
    return AxisGeometry(
        torch.from_numpy(tilt_deg + between(correction)),
        geometry.axis_deg,
        torch.from_numpy(between(geometry.shift_angstrom.double().cpu().numpy())),
        local,
    )

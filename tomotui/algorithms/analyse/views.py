"""From where particles are seen, and how evenly that fills Fourier space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomotui.geometry.symmetry import symmetry_rotations
from tomotui.geometry.tilt import TiltGeometry, rotation_x, rotation_y

Array = NDArray[np.float64]

DIRECTIONS = 1500
MOST_VIEWS = 40_000
"""Views that coverage is reckoned from; of more a part is drawn."""

EMPTY = 0.01
"""Of the mean sampling: what has less is taken to have this much."""

ROT_BINS, TILT_BINS = 36, 18


@dataclass(frozen=True)
class Tumbling:
    """How the z axes of particles lie to the tomogram's.

    Attributes
    ----------
    cosines
        Edges of bins of the cosine, ``[n + 1]``; chance fills all bins alike.
    counts
        Particles in each, ``[n]``.
    order
        Mean of ``(3 cos^2 - 1) / 2``: 0 for chance, 1 along the beam, -1/2 across it.
    polarity
        Mean cosine: 0 where as many point up as down.
    order_deviations, polarity_deviations
        Both over what chance makes of so many particles.
    """

    cosines: Array
    counts: NDArray[np.int64]
    order: float
    polarity: float
    order_deviations: float
    polarity_deviations: float


def tumbling(rotations: Array, n_bins: int = 20) -> Tumbling:
    """Tell whether particles prefer an orientation to the beam.

    Parameters
    ----------
    rotations
        ``[n, 3, 3]``, all known.
    """
    cosines = np.clip(rotations[:, 2, 2], -1, 1)
    counts, edges = np.histogram(cosines, n_bins, (-1, 1))
    n = len(cosines)
    order = float((1.5 * cosines**2 - 0.5).mean())
    polarity = float(cosines.mean())
    # The variances of both by chance are 1/5 and 1/3.
    return Tumbling(
        edges,
        counts.astype(np.int64),
        order,
        polarity,
        order * float(np.sqrt(5 * n)),
        polarity * float(np.sqrt(3 * n)),
    )


def beams(geometry: TiltGeometry) -> Array:
    """Return the direction of the beam in the specimen for each tilt, ``[n_tilts, 3]``."""
    turns = rotation_y(geometry.tilt_deg) @ rotation_x(geometry.x_tilt_deg)
    third_rows: Array = turns[:, 2]
    return third_rows


def views(rotations: Sequence[Array], beams_of: Sequence[Array], seed: int = 0) -> Array:
    """Return the directions from which particles are seen, in their own frame, ``[n, 3]``.

    Parameters
    ----------
    rotations
        Of the particles of each tomogram, ``[n, 3, 3]``.
    beams_of
        Of each tomogram, `beams`.
    """
    total = sum(len(one) * len(beam) for one, beam in zip(rotations, beams_of, strict=True))
    share = min(1.0, MOST_VIEWS / max(1, total))
    chance = np.random.default_rng(seed)
    found = [np.zeros((0, 3))]
    for one, beam in zip(rotations, beams_of, strict=True):
        kept = one if share >= 1 else one[chance.random(len(one)) < share]
        found.append(np.einsum("nji,tj->nti", kept, beam).reshape(-1, 3))
    return np.concatenate(found)


@dataclass(frozen=True)
class Coverage:
    """How evenly views fill Fourier space.

    Attributes
    ----------
    directions
        Over half a sphere, ``[m, 3]``.
    sampling
        How many views show each of them, over the mean, ``[m]``.
    efficiency
        Harmonic over arithmetic mean of the sampling: 1 where all directions are seen alike
        (compare Baldwin and Lyumkis 2020, Prog. Biophys. Mol. Biol. 150:160).
    unseen
        Share of directions that no view shows.
    least
        Sampling of the worst twentieth of directions.
    """

    directions: Array
    sampling: Array
    efficiency: float
    unseen: float
    least: float


def coverage(view_directions: Array, step_deg: float, symmetry: str = "C1") -> Coverage | None:
    """Tell how evenly views fill Fourier space; ``None`` where there are none.

    Parameters
    ----------
    view_directions
        In the frame of the reference, ``[n, 3]``.
    step_deg
        How far from its central plane a view still shows a direction: resolution over diameter.
    symmetry
        Point group of the reference.
    """
    if not len(view_directions):
        return None
    directions = _half_sphere(DIRECTIONS)
    group = symmetry_rotations(symmetry)
    # Of symmetric particles fewer views tell as much.
    most = max(1, MOST_VIEWS // len(group))
    if len(view_directions) > most:
        chosen = np.random.default_rng(0).permutation(len(view_directions))[:most]
        view_directions = view_directions[chosen]
    near = np.sin(np.deg2rad(step_deg) / 2)
    counts = np.zeros(len(directions))
    # All mates see the direction: it is turned in place of the views, which are many more.
    for rotation in group:
        turned = directions @ rotation.T
        for first in range(0, len(view_directions), 4096):
            cosines = turned @ view_directions[first : first + 4096].T
            counts += (np.abs(cosines) < near).sum(axis=1)
    mean = counts.mean()
    if not mean > 0:
        return None
    sampling = counts / mean
    efficiency = 1 / float((1 / np.maximum(sampling, EMPTY)).mean())
    worst = np.sort(sampling)[: max(1, len(sampling) // 20)]
    return Coverage(
        directions, sampling, efficiency, float((counts == 0).mean()), float(worst.mean())
    )


def _half_sphere(n: int) -> Array:
    """Return directions spread evenly over the half with z above 0, ``[n, 3]``."""
    number = np.arange(n) + 0.5
    z = 1 - number / n
    angle = number * np.pi * (3 - 5**0.5)
    across = np.sqrt(1 - z**2)
    return np.stack([across * np.cos(angle), across * np.sin(angle), z], axis=-1)


def view_map(rotations: Array) -> NDArray[np.int64]:
    """Count from where the untilted beam sees the reference, ``[tilt, rot]``.

    Bins are even in rot, -180 to 180 degrees, and in the cosine of tilt, 1 to -1, so that chance
    fills all alike.
    """
    beam = rotations[:, 2]
    rot = np.rad2deg(np.arctan2(beam[:, 1], beam[:, 0]))
    counts = np.histogram2d(
        -np.clip(beam[:, 2], -1, 1), rot, (TILT_BINS, ROT_BINS), ((-1, 1), (-180, 180))
    )[0]
    return counts.astype(np.int64)

"""How bodies stand on a membrane: their tilt from its normal, and the modes in which they sway."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


MOST_NOISE = 9.0
"""Variance over that of most particles, beyond which one tells nothing of modes."""


@dataclass(frozen=True)
class Stance:
    """How a body of each particle stands.

    Attributes
    ----------
    tilt_deg
        Between the body's axis and the normal, ``[n]``.
    azimuth_deg
        Of the normal about that axis in the body's frame, -180 to 180, ``[n]``.
    components_deg
        Tilt towards the two directions across the axis, ``[n, 2]``: tilt times cosine and sine of
        the azimuth.
    """

    tilt_deg: Array
    azimuth_deg: Array
    components_deg: Array


@dataclass(frozen=True)
class Sway:
    """How a body sways about its mean stance.

    Attributes
    ----------
    mean_deg
        Of the components, ``[2]``.
    directions
        Of the two modes, the greater first, ``[2, 2]``.
    deviations_deg
        Standard deviation along each without its noise, ``[2]``; 0 where noise explains it all.
    amplitudes_deg
        Of each particle along each, ``[n, 2]``.
    noise_deg
        Standard error of a particle along each, ``[2]``.
    """

    mean_deg: Array
    directions: Array
    deviations_deg: Array
    amplitudes_deg: Array
    noise_deg: Array


def across_axis(axis: ArrayLike) -> Array:
    """Return two directions across an axis and the axis itself as rows, ``[3, 3]``.

    For z they are x and y.
    """
    along = np.asarray(axis, dtype=np.float64)
    along = along / np.linalg.norm(along)
    first = np.eye(3)[0] if abs(along[0]) < 0.9 else np.eye(3)[1]
    first = first - (first @ along) * along
    first /= np.linalg.norm(first)
    return np.stack([first, np.cross(along, first), along])


def stance_of(rotations: Array, normals: Array, axis: ArrayLike = (0.0, 0.0, 1.0)) -> Stance:
    """Return how bodies stand.

    Parameters
    ----------
    rotations
        From the reference to the specimen as the body lies, ``[n, 3, 3]``.
    normals
        Unit vectors in the specimen, ``[n, 3]``; NaN where not known.
    axis
        Of the body in the reference.
    """
    seen = np.einsum("nji,nj->ni", rotations, normals) @ across_axis(axis).T
    tilt = np.arctan2(np.hypot(seen[:, 0], seen[:, 1]), seen[:, 2])
    azimuth = np.arctan2(seen[:, 1], seen[:, 0])
    components = tilt[:, None] * np.stack([np.cos(azimuth), np.sin(azimuth)], axis=1)
    return Stance(np.rad2deg(tilt), np.rad2deg(azimuth), np.rad2deg(components))


def stance_noise(
    rotations: Array, turns_rad2: Array, errors_deg: Array, axis: ArrayLike = (0.0, 0.0, 1.0)
) -> Array:
    """Return the covariance of components that errors make, deg^2, ``[n, 2, 2]``.

    Parameters
    ----------
    turns_rad2
        Covariance of each body's turn in the specimen, rad^2, ``[n, 3, 3]``.
    errors_deg
        Of the normals; 0 where none is known, ``[n]``.
    """
    frame = across_axis(axis)
    # A turn about the body's first direction moves the normal's image along the second.
    turned = np.einsum("ai,nji->naj", np.stack([-frame[1], frame[0]]), rotations)
    spread = np.rad2deg(np.rad2deg(turned @ turns_rad2 @ turned.transpose(0, 2, 1)))
    return np.asarray(spread + np.square(errors_deg)[:, None, None] * np.eye(2))


def sway_of(components_deg: Array, noise_deg2: Array) -> Sway:
    """Return the modes of a body's stance, its noise taken off.

    Particles that tell next to nothing, such as those at the rim of the images, are not asked.

    Parameters
    ----------
    components_deg
        ``[n, 2]``, all known.
    noise_deg2
        Covariances, ``[n, 2, 2]``.
    """
    strength = np.trace(noise_deg2, axis1=1, axis2=2)
    sure = strength <= MOST_NOISE * np.median(strength)
    mean = components_deg[sure].mean(axis=0)
    about = components_deg - mean
    noise = noise_deg2[sure].mean(axis=0)
    spread = about[sure].T @ about[sure] / max(int(sure.sum()) - 1, 1)
    values, vectors = np.linalg.eigh(spread - noise)
    order = np.argsort(-values)
    directions = vectors[:, order].T
    return Sway(
        mean,
        directions,
        np.sqrt(values[order].clip(0.0)),
        about @ directions.T,
        np.sqrt(np.einsum("ki,ij,kj->k", directions, noise, directions)),
    )

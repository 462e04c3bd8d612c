"""How the specimen's frame of one alignment lies in that of another of the same images."""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomotui.geometry.angles import rotations_of_vectors
from tomotui.geometry.tilt import TiltGeometry
from tomotui.records import Alignment

Array = NDArray[np.float64]

_STEPS = 20
_DONE = 1e-9


class FrameMotion(NamedTuple):
    """Brings points from one frame into another: ``p_after = rotation p_before + translation``.

    Attributes
    ----------
    rotation, translation_angstrom
        ``[3, 3]`` and ``[3]``.
    residual_angstrom
        How far apart, root mean square, the two alignments see a point that was brought over.
    """

    rotation: Array
    translation_angstrom: Array
    residual_angstrom: float

    def moved(self, points_angstrom: ArrayLike) -> Array:
        """Return points (x, y, z) in the other frame, ``[n, 3]``."""
        points = np.asarray(points_angstrom, dtype=np.float64)
        return np.asarray(points @ self.rotation.T + self.translation_angstrom)


STILL = FrameMotion(np.eye(3), np.zeros(3), 0.0)
"""Of an alignment to itself."""


def motion_between(before: Alignment, after: Alignment, reach_angstrom: ArrayLike) -> FrameMotion:
    """Find where what one alignment sees lies in the frame of another.

    Refined alignments keep their frame but for a little; one that was centred or turned does not.

    Parameters
    ----------
    reach_angstrom
        Half the extent of the specimen along (x, y, z).

    Raises
    ------
    ValueError
        When fewer than three tilts are used in both.
    """
    if before.uid == after.uid:
        return STILL
    places = [
        {tilt.index: at for at, tilt in enumerate(one.tilts) if not tilt.excluded}
        for one in (before, after)
    ]
    common = [index for index in places[0] if index in places[1]]
    if len(common) < 3:
        raise ValueError(f"only {len(common)} tilts are used in both alignments")
    first, second = (
        TiltGeometry.from_alignment(one).select([place[index] for index in common])
        for one, place in zip((before, after), places, strict=True)
    )
    corners = np.array(list(product((-1.0, 0.0, 1.0), repeat=3)))
    return _fitted(first, second, corners * np.asarray(reach_angstrom, dtype=np.float64))


def _fitted(first: TiltGeometry, second: TiltGeometry, points: Array) -> FrameMotion:
    """Fit the motion after which the second sees points where the first saw them."""
    seen = first.project(points)[..., :2]
    onto = second.projection_matrices[:, None, :2]
    rotation, translation = np.eye(3), np.zeros(3)
    for _ in range(_STEPS):
        turned = points @ rotation.T
        missing = seen - second.project(turned + translation)[..., :2]
        # A small turn w moves a point p by w x p.
        crossed = np.cross(turned[None, :, None, :], onto)
        slope = np.concatenate([crossed, np.broadcast_to(onto, crossed.shape)], axis=-1)
        step = np.linalg.lstsq(slope.reshape(-1, 6), missing.reshape(-1), rcond=None)[0]
        rotation = rotations_of_vectors(step[None, :3])[0] @ rotation
        translation = translation + step[3:]
        if np.abs(step[:3]).max() < _DONE and np.abs(step[3:]).max() < _DONE * 1e3:
            break
    left = seen - second.project(points @ rotation.T + translation)[..., :2]
    residual = float(np.sqrt((left**2).sum(axis=-1).mean()))
    return FrameMotion(rotation, translation, residual)

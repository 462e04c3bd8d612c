"""Orientations held to where an axis is known to point, such as along a membrane's normal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomotui.geometry.angles import rotations_of_vectors, shortest_turns

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Cone:
    """Where the reference's z axis may point, particle by particle.

    Attributes
    ----------
    directions
        In the specimen, not all numbers where nothing is known, ``[p, 3]``.
    angle_deg
        How far from there the axis may be.
    group
        Point group of the reference: any of the axes it makes equal may lie within, ``[m, 3, 3]``.
    """

    directions: Array
    angle_deg: float
    group: Array

    def select(self, which: NDArray[np.intp] | slice) -> Cone:
        """Return that of some particles."""
        return Cone(self.directions[which], self.angle_deg, self.group)

    def held(self, rotations: Array) -> Array:
        """Return orientations turned the shortest way back into the cone, ``[p, 3, 3]``.

        Parameters
        ----------
        rotations
            From reference to specimen, ``[p, 3, 3]``.
        """
        length = np.linalg.norm(self.directions, axis=1, keepdims=True)
        known = np.isfinite(self.directions).all(axis=1) & (length[:, 0] > 0)
        wanted = np.where(known[:, None], self.directions / np.where(length > 0, length, 1.0), 0.0)
        axes = (rotations[:, None] @ self.group)[..., 2]
        cosines = np.einsum("pi,pmi->pm", wanted, axes)
        nearest = axes[np.arange(len(axes)), cosines.argmax(axis=1)]
        turns = shortest_turns(nearest, wanted)
        angle = np.linalg.norm(turns, axis=1)
        beyond = np.where(known, np.maximum(angle - np.deg2rad(self.angle_deg), 0.0), 0.0)
        turns *= (beyond / np.maximum(angle, 1e-12))[:, None]
        held = rotations_of_vectors(turns) @ rotations
        return np.asarray(np.where((beyond > 0)[:, None, None], held, rotations))

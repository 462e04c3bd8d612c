"""Robust bundle adjustment: one geometry that explains the displacements of all landmarks.

Unknown are the shift of every tilt, the position of every landmark and the angle of the axis.
Displacements enter with the weight of their correlation and a Cauchy loss, so that a landmark
that was mistaken in some tilts does not bend the rest (Triggs et al. 2000, LNCS 1883:298).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Adjustment:
    """Corrections in the aligned frame, and what they could not explain.

    Attributes
    ----------
    shift
        Across and along the axis for each tilt, ``[n_tilts, 2]``, in the unit of the input.
    landmarks
        Motion (x, y, z) of each landmark, ``[n, 3]``.
    axis_deg
        Rotation of the tilt axis.
    displacement
        What was measured, across and along the axis, ``[n_tilts, n, 2]``.
    residual
        Length of what remains of each displacement, ``[n_tilts, n]``.
    weight
        Final robust weight, ``[n_tilts, n]``.
    """

    shift: Array
    landmarks: Array
    axis_deg: float
    displacement: Array
    residual: Array
    weight: Array

    def residual_rms(self) -> float:
        """Return the weighted root mean square residual over all observations."""
        total = self.weight.sum()
        return float(np.sqrt((self.weight * self.residual**2).sum() / max(total, 1e-30)))

    def residual_per_tilt(self) -> Array:
        """Return the residual (weighted rms) of each tilt; NaN where nothing was seen."""
        total = self.weight.sum(axis=1)
        squares = (self.weight * self.residual**2).sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            out: Array = np.sqrt(np.where(total > 0, squares / total, np.nan))
        return out


def adjust(
    tilt_deg: Array,
    landmarks: Array,
    displacement: Array,
    weight: Array,
    scale: float,
    fit_axis: bool = True,
    stiffness: float = 1e-3,
    rounds: int = 12,
) -> Adjustment:
    """Solve for the corrections by iteratively reweighted least squares.

    Parameters
    ----------
    tilt_deg
        ``[n_tilts]``.
    landmarks
        Positions (x, y, z), ``[n, 3]``, in the unit of the displacements.
    displacement
        Measured across and along the axis, ``[n_tilts, n, 2]``.
    weight
        Trust in each, zero for none, ``[n_tilts, n]``.
    scale
        Residual at which the loss begins to forgive.
    fit_axis
        Let the axis turn.
    stiffness
        How strongly landmarks are held, relative to the trust in all their displacements.
    rounds
        Reweightings.

    Raises
    ------
    ValueError
        When nothing was seen at all.
    """
    if not weight.sum() > 0:
        raise ValueError("no landmark agrees between any tilts")
    design = _design_matrix(tilt_deg, landmarks)
    n_tilts, n = weight.shape
    measured = np.concatenate([displacement[..., 0].ravel(), displacement[..., 1].ravel()])
    trust = weight.ravel() / weight.sum() * weight.size
    prior = _prior(tilt_deg, n, trust.reshape(n_tilts, n), stiffness, fit_axis)
    robust = trust.copy()
    for _ in range(rounds):
        doubled = np.concatenate([robust, robust])
        normal = (design.T @ scipy.sparse.diags_array(doubled) @ design).toarray() + prior
        solution = np.linalg.solve(normal, design.T @ (doubled * measured))
        left = measured - design @ solution
        residual = np.hypot(left[: n_tilts * n], left[n_tilts * n :])
        robust = trust / (1 + (residual / scale) ** 2)
    return Adjustment(
        shift=solution[: 2 * n_tilts].reshape(n_tilts, 2),
        landmarks=solution[2 * n_tilts : 2 * n_tilts + 3 * n].reshape(n, 3),
        axis_deg=float(np.rad2deg(solution[-1])),
        displacement=displacement,
        residual=residual.reshape(n_tilts, n),
        weight=robust.reshape(n_tilts, n),
    )


def _design_matrix(tilt_deg: Array, landmarks: Array) -> scipy.sparse.csr_array:
    """Return d(displacements) / d(shifts, landmarks, axis); first all across, then all along."""
    n_tilts, n = len(tilt_deg), len(landmarks)
    count = n_tilts * n
    row = np.arange(count)
    tilt, mark = np.divmod(row, n)
    cosine, sine = np.cos(np.deg2rad(tilt_deg))[tilt], np.sin(np.deg2rad(tilt_deg))[tilt]
    x, y, z = landmarks[mark].T
    across = x * cosine + z * sine
    first, axis = 2 * n_tilts, 2 * n_tilts + 3 * n
    ones = np.ones(count)
    entries = [
        (row, 2 * tilt, ones),
        (row, first + 3 * mark, cosine),
        (row, first + 3 * mark + 2, sine),
        (row, np.full(count, axis), -y),
        (count + row, 2 * tilt + 1, ones),
        (count + row, first + 3 * mark + 1, ones),
        (count + row, np.full(count, axis), across),
    ]
    rows, columns, values = (np.concatenate(part) for part in zip(*entries, strict=True))
    return scipy.sparse.csr_array((values, (rows, columns)), shape=(2 * count, axis + 1))


def _prior(tilt_deg: Array, n: int, trust: Array, stiffness: float, fit_axis: bool) -> Array:
    """Return the quadratic prior: landmarks held softly, motions of the specimen forbidden."""
    n_tilts = len(tilt_deg)
    size = 2 * n_tilts + 3 * n + 1
    held = np.full(size, 1e-9)
    held[: 2 * n_tilts] = 1e-6 * trust.sum() / n_tilts
    held[2 * n_tilts : -1] = np.repeat(stiffness * trust.sum(axis=0) + 1e-6, 3)
    if not fit_axis:
        held[-1] = 1e12
    angle = np.deg2rad(tilt_deg)
    gauge = np.zeros((3, size))
    gauge[0, 0 : 2 * n_tilts : 2] = np.cos(angle)
    gauge[1, 0 : 2 * n_tilts : 2] = np.sin(angle)
    gauge[2, 1 : 2 * n_tilts : 2] = 1.0
    prior: Array = np.diag(held) + gauge.T @ gauge * trust.sum()
    return prior

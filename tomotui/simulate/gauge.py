"""How far an alignment is from the truth, once nothing is left that no alignment can know.

A tilt series does not say where the specimen's own frame is: any rigid motion of the specimen
gives the same images. For thin weak phase objects without a depth-dependent CTF it does not say
either which side is up: mirroring the specimen along the beam and reversing the tilts gives the
same images again. The error is therefore the smallest one over those motions.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from tomotui.geometry import TiltGeometry
from tomotui.geometry.local import LocalField
from tomotui.records import Alignment

Array = NDArray[np.float64]

_MIRROR = np.diag([1.0, 1.0, -1.0])


@dataclass(frozen=True)
class AlignmentError:
    """The disagreement of two alignments over a specimen.

    Parameters
    ----------
    rms_angstrom, rms_px
        Root mean square distance of the projected positions, over points and tilts.
    tilt_rms_angstrom
        The same for each compared tilt, in the order of ``indices``.
    indices
        Sections of the stack that were compared.
    axis_error_deg
        Estimated minus true mean axis, modulo 180 degrees, -90..90.
    tilt_offset_error_deg
        Mean of estimated minus true tilt, after undoing a reversal of all tilts.
    mirrored
        True when the estimate describes the specimen mirrored along the beam: the handedness
        is wrong.
    rotation, translation_angstrom
        The motion ``g(p) = rotation @ p + translation`` of the specimen that was removed;
        ``rotation`` has determinant -1 when mirrored.
    """

    rms_angstrom: float
    rms_px: float
    tilt_rms_angstrom: tuple[float, ...]
    indices: tuple[int, ...]
    axis_error_deg: float
    tilt_offset_error_deg: float
    mirrored: bool
    rotation: Array
    translation_angstrom: Array


def alignment_error(
    estimated: Alignment,
    truth: Alignment,
    pixel_size_angstrom: float,
    extent_angstrom: tuple[float, float, float],
    *,
    best_of_twins: bool = False,
    exclude: Iterable[int] = (),
) -> AlignmentError:
    """Measure an alignment against the truth.

    Tilts excluded in either alignment are left out.

    Parameters
    ----------
    extent_angstrom
        Size of the specimen along (x, y, z). The error is the root mean square over all points
        of this box. Positions being affine in the points, that is the one over the centres of
        the box's six faces, which have the same mean and covariance.
    best_of_twins
        Also allow the specimen mirrored along the beam, and report the better of the two.
    exclude
        Further sections to leave out.

    Raises
    ------
    ValueError
        When the alignments have no tilt in common.
    """
    left_out = set(exclude)
    ours = {t.index: t for t in estimated.included if t.index not in left_out}
    theirs = {t.index: t for t in truth.included}
    indices = tuple(i for i in sorted(ours) if i in theirs)
    if not indices:
        raise ValueError("the two alignments have no included tilt in common")
    estimate = TiltGeometry.from_alignment(estimated.replace(tilts=[ours[i] for i in indices]))
    true = TiltGeometry.from_alignment(truth.replace(tilts=[theirs[i] for i in indices]))
    faces = np.concatenate([np.eye(3), -np.eye(3)])
    points = 0.5 * faces * np.asarray(extent_angstrom)
    target = true.project(points)[..., :2]
    twins = (False, True) if best_of_twins else (False,)
    fits = [(_fit(estimate, points, target, mirrored), mirrored) for mirrored in twins]
    (matrix, translation, residual), mirrored = min(fits, key=lambda f: float(np.sum(f[0][2] ** 2)))
    squared = (residual**2).sum(axis=-1)
    rms = float(np.sqrt(squared.mean()))
    return AlignmentError(
        rms_angstrom=rms,
        rms_px=rms / pixel_size_angstrom,
        tilt_rms_angstrom=tuple(float(v) for v in np.sqrt(squared.mean(axis=1))),
        indices=indices,
        axis_error_deg=_axis_error(estimate.axis_deg, true.axis_deg),
        tilt_offset_error_deg=_tilt_offset_error(estimate.tilt_deg, true.tilt_deg),
        mirrored=mirrored,
        rotation=matrix,
        translation_angstrom=translation,
    )


def deformed_error(
    estimated: Alignment,
    truth: Alignment,
    true_places_angstrom: Array,
    points_angstrom: Array,
    *,
    best_of_twins: bool = False,
) -> tuple[float, Array]:
    """Measure an alignment, local shifts included, against a specimen that moved as no solid.

    A displacement of the specimen that is the same in all tilts is only another shape of it: what
    is left is measured after every point was moved to where it fits best.

    Parameters
    ----------
    true_places_angstrom
        True image positions (x, y) of the points in all tilts of ``truth``,
        ``[n_tilts, n_points, 2]``.
    points_angstrom
        Points (x, y, z) of the specimen, ``[n_points, 3]``.

    Returns
    -------
    Root mean square distance in Angstrom over points and tilts, and per compared tilt.
    """
    extent = (points_angstrom.max(axis=0) - points_angstrom.min(axis=0)).tolist()
    rigid = alignment_error(estimated, truth, 1.0, tuple(extent), best_of_twins=best_of_twins)
    by_index = {tilt.index: tilt for tilt in estimated.tilts}
    row_of = {tilt.index: row for row, tilt in enumerate(estimated.tilts)}
    chosen = [by_index[index] for index in rigid.indices]
    geometry = TiltGeometry.from_alignment(estimated.replace(tilts=chosen, local=None))
    moved = points_angstrom @ rigid.rotation.T + rigid.translation_angstrom
    places = geometry.project(moved)[..., :2]
    if estimated.local is not None:
        rows = [row_of[index] for index in rigid.indices]
        places += LocalField.from_record(estimated.local).select(rows).displacement(moved)
    true_row = {tilt.index: row for row, tilt in enumerate(truth.tilts)}
    wanted = true_places_angstrom[[true_row[index] for index in rigid.indices]]
    residual = np.moveaxis(places - wanted, 1, 0).reshape(len(points_angstrom), -1)
    camera = geometry.projection_matrices[:, :2].reshape(-1, 3)
    explained = camera @ np.linalg.lstsq(camera, residual.T)[0]
    left = (residual - explained.T).reshape(len(points_angstrom), len(chosen), 2)
    squared = (left**2).sum(axis=-1)
    return float(np.sqrt(squared.mean())), np.sqrt(squared.mean(axis=0))


def _fit(
    estimate: TiltGeometry, points: Array, target: Array, mirrored: bool
) -> tuple[Array, Array, Array]:
    """Return the motion of the specimen that brings the estimate closest to the target.

    The fit starts from no motion, from half a turn about z (an axis given the other way round)
    and from the best affine map made orthogonal, and the best end is kept.
    """
    handed = _MIRROR if mirrored else np.eye(3)
    camera = estimate.projection_matrices[:, :2]
    wanted = target - estimate.shift_angstrom[:, None]
    best: tuple[float, Array, Array] | None = None
    for start in _starts(camera, points, wanted, handed):
        rotation, translation = _descend(camera, points @ handed.T, wanted, start)
        residual = _residual(camera, points @ handed.T, wanted, rotation, translation)
        cost = float((residual**2).sum())
        if best is None or cost < best[0]:
            best = (cost, rotation, translation)
    assert best is not None
    _, rotation, translation = best
    residual = _residual(camera, points @ handed.T, wanted, rotation, translation)
    return rotation @ handed, translation, residual


def _residual(
    camera: Array, points: Array, wanted: Array, rotation: Array, translation: Array
) -> Array:
    """Return projected minus wanted positions, shape ``[n_tilts, n_points, 2]``."""
    moved = points @ rotation.T + translation
    return np.asarray(np.einsum("tij,pj->tpi", camera, moved) - wanted)


def _starts(camera: Array, points: Array, wanted: Array, handed: Array) -> list[Array]:
    """Return rotations to start from, each to be applied after the mirror if there is one."""
    # wanted = camera (G p + t) is linear in G and t.
    homogeneous = np.concatenate([points, np.ones((len(points), 1))], axis=1)
    solved, *_ = np.linalg.lstsq(homogeneous, np.moveaxis(wanted, 1, 0).reshape(len(points), -1))
    stacked = camera.reshape(-1, 3)
    affine, *_ = np.linalg.lstsq(stacked, solved.T)
    u, _, vt = np.linalg.svd(affine[:, :3] @ handed)
    sign = np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    return [np.eye(3), np.diag([-1.0, -1.0, 1.0]), np.asarray(u @ sign @ vt)]


def _descend(camera: Array, points: Array, wanted: Array, start: Array) -> tuple[Array, Array]:
    """Return the rotation and translation at the least squares minimum near ``start``."""
    scale = float(np.abs(points).max())

    def residual(motion: Array) -> Array:
        rotation = Rotation.from_rotvec(motion[:3]).as_matrix() @ start
        return _residual(camera, points, wanted, rotation, motion[3:] * scale).ravel()

    found = least_squares(residual, np.zeros(6), method="lm", xtol=1e-14, ftol=1e-14, gtol=1e-14)
    rotation = Rotation.from_rotvec(found.x[:3]).as_matrix() @ start
    return rotation, np.asarray(found.x[3:] * scale)


def _axis_error(estimated_deg: Array, true_deg: Array) -> float:
    """Return the mean difference of the axes modulo 180 degrees."""
    doubled = np.exp(2j * np.deg2rad(estimated_deg - true_deg))
    return float(np.rad2deg(np.angle(doubled.mean())) / 2)


def _tilt_offset_error(estimated_deg: Array, true_deg: Array) -> float:
    """Return the mean difference of the tilts, with the estimate's sign turned if reversed."""
    agreement = np.sum((estimated_deg - estimated_deg.mean()) * (true_deg - true_deg.mean()))
    sign = -1.0 if agreement < 0 else 1.0
    return float(np.mean(sign * estimated_deg - true_deg))

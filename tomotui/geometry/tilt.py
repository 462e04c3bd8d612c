"""The projection equation: how a point of the specimen falls on the image of one tilt.

    q = Ry(tilt) Rx(x_tilt) p          the specimen, turned by the stage
    image = Rz2(axis) q_xy + shift     the camera, Angstrom from pixel ``n // 2``
    depth = q_z                        along the beam

All rotations are active and right-handed, on column vectors (x, y, z). Nothing else in the
program states this equation; every import and export is tested against this module.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomotui.records import Alignment, TiltAlignment

Array = NDArray[np.float64]


def rotation_x(angle_deg: ArrayLike) -> Array:
    """Return active right-handed rotations about x, shape ``[..., 3, 3]``."""
    return _rotation(angle_deg, 1, 2)


def rotation_y(angle_deg: ArrayLike) -> Array:
    """Return active right-handed rotations about y: +z goes towards +x. Shape ``[..., 3, 3]``."""
    return _rotation(angle_deg, 2, 0)


def rotation_z(angle_deg: ArrayLike) -> Array:
    """Return active right-handed rotations about z, shape ``[..., 3, 3]``."""
    return _rotation(angle_deg, 0, 1)


def _rotation(angle_deg: ArrayLike, first: int, second: int) -> Array:
    """Return rotations that turn axis ``first`` towards axis ``second``."""
    angle = np.deg2rad(np.asarray(angle_deg, dtype=np.float64))
    matrix = np.zeros((*angle.shape, 3, 3))
    matrix[..., range(3), range(3)] = 1.0
    matrix[..., first, first] = matrix[..., second, second] = np.cos(angle)
    matrix[..., second, first] = np.sin(angle)
    matrix[..., first, second] = -np.sin(angle)
    return matrix


def angles_of_projections(matrices: ArrayLike) -> tuple[Array, Array, Array]:
    """Return axis, tilt and x-tilt in degrees of `TiltGeometry.projection_matrices`, each ``[n]``.

    Any rotation is one of ``Rz(axis) Ry(tilt) Rx(x_tilt)``, with a tilt between -90 and 90.
    """
    m = np.asarray(matrices, dtype=np.float64)
    axis = np.rad2deg(np.arctan2(m[..., 1, 0], m[..., 0, 0]))
    tilt = np.rad2deg(np.arcsin(np.clip(-m[..., 2, 0], -1, 1)))
    x_tilt = np.rad2deg(np.arctan2(m[..., 2, 1], m[..., 2, 2]))
    return axis, tilt, x_tilt


@dataclass(frozen=True)
class TiltGeometry:
    """The geometry of all tilts of a series as arrays.

    Parameters
    ----------
    tilt_deg, x_tilt_deg, axis_deg
        Angles in degrees, shape ``[n_tilts]``.
    shift_angstrom
        Image position of the specimen's origin, Angstrom from pixel ``n // 2``, (x, y), shape
        ``[n_tilts, 2]``.
    """

    tilt_deg: Array
    x_tilt_deg: Array
    axis_deg: Array
    shift_angstrom: Array

    def __post_init__(self) -> None:
        n_tilts = len(self.tilt_deg)
        shapes = (self.tilt_deg.shape, self.x_tilt_deg.shape, self.axis_deg.shape)
        if shapes != ((n_tilts,),) * 3 or self.shift_angstrom.shape != (n_tilts, 2):
            raise ValueError(
                f"tilt geometry arrays disagree: angles {shapes}, shifts "
                f"{self.shift_angstrom.shape}; expected [n], [n], [n] and [n, 2]"
            )

    @classmethod
    def of(
        cls,
        tilt_deg: ArrayLike,
        axis_deg: ArrayLike = 0.0,
        x_tilt_deg: ArrayLike = 0.0,
        shift_angstrom: ArrayLike = 0.0,
    ) -> TiltGeometry:
        """Make a geometry from anything that broadcasts to the number of tilts."""
        tilt = np.atleast_1d(np.asarray(tilt_deg, dtype=np.float64))
        n = len(tilt)
        return cls(
            tilt_deg=tilt,
            x_tilt_deg=np.array(np.broadcast_to(x_tilt_deg, (n,)), dtype=np.float64),
            axis_deg=np.array(np.broadcast_to(axis_deg, (n,)), dtype=np.float64),
            shift_angstrom=np.array(np.broadcast_to(shift_angstrom, (n, 2)), dtype=np.float64),
        )

    @classmethod
    def from_alignment(cls, alignment: Alignment, included_only: bool = False) -> TiltGeometry:
        """Read the geometry out of an alignment record, in the order of its tilts."""
        tilts = alignment.included if included_only else alignment.tilts
        return cls.of(
            tilt_deg=[t.tilt_deg for t in tilts],
            axis_deg=[t.axis_deg for t in tilts],
            x_tilt_deg=[t.x_tilt_deg for t in tilts],
            shift_angstrom=[(t.shift_x_angstrom, t.shift_y_angstrom) for t in tilts],
        )

    def to_tilt_alignments(self) -> tuple[TiltAlignment, ...]:
        """Return one record per tilt, numbered from 0."""
        return tuple(
            TiltAlignment(
                index=i,
                tilt_deg=float(self.tilt_deg[i]),
                x_tilt_deg=float(self.x_tilt_deg[i]),
                axis_deg=float(self.axis_deg[i]),
                shift_x_angstrom=float(self.shift_angstrom[i, 0]),
                shift_y_angstrom=float(self.shift_angstrom[i, 1]),
            )
            for i in range(self.n_tilts)
        )

    @property
    def n_tilts(self) -> int:
        """Number of tilts."""
        return len(self.tilt_deg)

    @property
    def stage_matrices(self) -> Array:
        """Rotations from specimen to stage, ``Ry(tilt) Rx(x_tilt)``, shape ``[n_tilts, 3, 3]``."""
        return rotation_y(self.tilt_deg) @ rotation_x(self.x_tilt_deg)

    @property
    def projection_matrices(self) -> Array:
        """Rotations from specimen to camera; rows give image x, image y and depth."""
        return rotation_z(self.axis_deg) @ self.stage_matrices

    def project(self, points_angstrom: ArrayLike) -> Array:
        """Project points on every tilt.

        Parameters
        ----------
        points_angstrom
            Specimen coordinates (x, y, z) from the tomogram's centre, shape ``[n_points, 3]``.

        Returns
        -------
        Image positions (x, y) in Angstrom from pixel ``n // 2`` and the depth ``q_z``, shape
        ``[n_tilts, n_points, 3]``.
        """
        points = np.atleast_2d(np.asarray(points_angstrom, dtype=np.float64))
        projected: Array = np.einsum("tij,pj->tpi", self.projection_matrices, points)
        projected[..., :2] += self.shift_angstrom[:, None, :]
        return projected

    def derivatives(self, points_angstrom: ArrayLike) -> dict[str, Array]:
        """Differentiate the image positions by each geometric parameter.

        Parameters
        ----------
        points_angstrom
            Specimen coordinates (x, y, z), shape ``[n_points, 3]``.

        Returns
        -------
        For ``tilt_deg``, ``x_tilt_deg`` and ``axis_deg``: Angstrom per degree, shape
        ``[n_tilts, n_points, 2]``. The derivative by the shift is the identity, by the point
        the first two rows of ``projection_matrices``.
        """
        points = np.atleast_2d(np.asarray(points_angstrom, dtype=np.float64))
        z, y, x = (_GENERATORS[name] for name in ("z", "y", "x"))
        camera = rotation_z(self.axis_deg)
        tilt = rotation_y(self.tilt_deg)
        x_tilt = rotation_x(self.x_tilt_deg)
        by_parameter = {
            "axis_deg": z @ camera @ tilt @ x_tilt,
            "tilt_deg": camera @ y @ tilt @ x_tilt,
            "x_tilt_deg": camera @ tilt @ x @ x_tilt,
        }
        radian_per_degree = np.pi / 180.0
        return {
            name: radian_per_degree * np.einsum("tij,pj->tpi", matrices, points)[..., :2]
            for name, matrices in by_parameter.items()
        }

    def select(self, indices: ArrayLike) -> TiltGeometry:
        """Return the geometry of some tilts, in the order given."""
        chosen = np.asarray(indices, dtype=np.intp)
        return TiltGeometry(
            self.tilt_deg[chosen],
            self.x_tilt_deg[chosen],
            self.axis_deg[chosen],
            self.shift_angstrom[chosen],
        )


_GENERATORS: dict[str, Array] = {
    "x": np.array([[0, 0, 0], [0, 0, -1], [0, 1, 0]], dtype=np.float64),
    "y": np.array([[0, 0, 1], [0, 0, 0], [-1, 0, 0]], dtype=np.float64),
    "z": np.array([[0, -1, 0], [1, 0, 0], [0, 0, 0]], dtype=np.float64),
}
"""Derivatives of the rotations at angle 0, per radian."""

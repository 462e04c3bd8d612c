"""Smooth local displacements of the images, evaluated at points or over a whole frame.

    image_i(p) = rigid place of `tomotui.geometry.tilt` + d_i(p_x, p_y)

A specimen bends under the beam as a sheet, so that the displacement belongs to a column of the
specimen, whatever its depth, and changes with the tilt (that is, with time). The fields of
`tomotui.records.LocalShifts` are tensor products of natural cubic splines: along one axis the
value at any place is a row of weights times the values at the nodes, so that all points of all
tilts are two small matrix products.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import CubicSpline

from tomotui.records import LocalShifts

Array = NDArray[np.float64]


def spline_weights(n_nodes: int, places: ArrayLike) -> Array:
    """Return the weights of nodes spread evenly over -1..1 at places, ``[..., n_nodes]``.

    Parameters
    ----------
    n_nodes
        At least 2; two nodes are joined by a straight line.
    places
        Any shape; beyond -1..1 the value at the end goes on.
    """
    inside = np.clip(np.asarray(places, dtype=np.float64), -1.0, 1.0)
    nodes = np.linspace(-1.0, 1.0, n_nodes)
    spline = CubicSpline(nodes, np.eye(n_nodes), bc_type="natural")
    weights: Array = spline(inside)
    return weights


@dataclass(frozen=True)
class LocalField:
    """Local displacements of all tilts as one array.

    Parameters
    ----------
    nodes_angstrom
        Displacement (x, y) at the nodes, ``[n_tilts, n_y, n_x, 2]``.
    half_extent_angstrom
        The nodes span ``-half .. +half`` of the specimen along (x, y).
    """

    nodes_angstrom: Array
    half_extent_angstrom: tuple[float, float]

    @classmethod
    def from_record(cls, local: LocalShifts) -> LocalField:
        """Read the field out of a record, in the order of the alignment's tilts."""
        shape = (len(local.x_angstrom), local.n_y, local.n_x)
        parts = [np.reshape(values, shape) for values in (local.x_angstrom, local.y_angstrom)]
        return cls(
            np.stack(parts, axis=-1).astype(np.float64),
            (local.half_width_angstrom, local.half_height_angstrom),
        )

    def to_record(self) -> LocalShifts:
        """Return the record of this field."""
        n_tilts, n_y, n_x, _ = self.nodes_angstrom.shape
        flat = self.nodes_angstrom.reshape(n_tilts, n_y * n_x, 2)
        return LocalShifts(
            n_x=n_x,
            n_y=n_y,
            half_width_angstrom=self.half_extent_angstrom[0],
            half_height_angstrom=self.half_extent_angstrom[1],
            x_angstrom=tuple(tuple(map(float, row)) for row in flat[..., 0]),
            y_angstrom=tuple(tuple(map(float, row)) for row in flat[..., 1]),
        )

    def select(self, indices: ArrayLike) -> LocalField:
        """Return the field of some tilts, in the order given."""
        chosen = np.asarray(indices, dtype=np.intp)
        return LocalField(self.nodes_angstrom[chosen], self.half_extent_angstrom)

    def added_to(self, other: LocalField | None) -> LocalField:
        """Return the sum with another field over the same nodes; with ``None``, this one.

        Raises
        ------
        ValueError
            When the nodes differ.
        """
        if other is None:
            return self
        if (self.nodes_angstrom.shape, self.half_extent_angstrom) != (
            other.nodes_angstrom.shape,
            other.half_extent_angstrom,
        ):
            raise ValueError("local displacements over other nodes cannot be added")
        return LocalField(self.nodes_angstrom + other.nodes_angstrom, self.half_extent_angstrom)

    def displacement(self, points_angstrom: ArrayLike) -> Array:
        """Return the displacement of points of the specimen in every tilt.

        Parameters
        ----------
        points_angstrom
            Specimen coordinates, x and y first, ``[n_points, 2 or 3]``.

        Returns
        -------
        Displacement (x, y) on the raw image in Angstrom, ``[n_tilts, n_points, 2]``.
        """
        along, across = self._weights(points_angstrom)
        out: Array = np.einsum("pj,pi,tjic->tpc", along, across, self.nodes_angstrom, optimize=True)
        return out

    def _weights(self, points_angstrom: ArrayLike) -> tuple[Array, Array]:
        points = np.atleast_2d(np.asarray(points_angstrom, dtype=np.float64))
        _, n_y, n_x, _ = self.nodes_angstrom.shape
        across = spline_weights(n_x, points[:, 0] / self.half_extent_angstrom[0])
        along = spline_weights(n_y, points[:, 1] / self.half_extent_angstrom[1])
        return along, across

    def over_grid(self, x_angstrom: ArrayLike, y_angstrom: ArrayLike) -> Array:
        """Return the displacement on a grid of columns, ``[n_tilts, n_y, n_x, 2]``.

        Parameters
        ----------
        x_angstrom, y_angstrom
            Specimen coordinates of the grid.
        """
        _, n_y, n_x, _ = self.nodes_angstrom.shape
        across = spline_weights(n_x, np.asarray(x_angstrom) / self.half_extent_angstrom[0])
        along = spline_weights(n_y, np.asarray(y_angstrom) / self.half_extent_angstrom[1])
        out: Array = np.einsum(
            "rj,ci,tjik->trck", along, across, self.nodes_angstrom, optimize=True
        )
        return out

"""Smooth local displacements of the images, evaluated at points or over a whole frame.

    seen at = P + d_i(P)      with P the rigid place of `tomotui.geometry.tilt`

The fields of `tomotui.records.LocalShifts` are tensor products of natural cubic splines: along
one axis the value at any place is a row of weights times the values at the nodes, so that all
points of all tilts are two small matrix products.
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
        The nodes span ``-half .. +half`` of the image along (x, y), from pixel ``n // 2``.
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

    def displacement(self, places_angstrom: ArrayLike) -> Array:
        """Return the displacement at places of every tilt.

        Parameters
        ----------
        places_angstrom
            Rigid image positions (x, y) from pixel ``n // 2``, ``[n_tilts, n_points, 2]``.

        Returns
        -------
        Displacement (x, y) in Angstrom, ``[n_tilts, n_points, 2]``.
        """
        places = np.asarray(places_angstrom, dtype=np.float64)
        _, n_y, n_x, _ = self.nodes_angstrom.shape
        across = spline_weights(n_x, places[..., 0] / self.half_extent_angstrom[0])
        along = spline_weights(n_y, places[..., 1] / self.half_extent_angstrom[1])
        out: Array = np.einsum(
            "tpj,tpi,tjic->tpc", along, across, self.nodes_angstrom, optimize=True
        )
        return out

    def over_frame(self, x_angstrom: ArrayLike, y_angstrom: ArrayLike) -> Array:
        """Return the displacement on a grid of places, ``[n_tilts, n_rows, n_columns, 2]``.

        Parameters
        ----------
        x_angstrom, y_angstrom
            Places of the columns and of the rows from pixel ``n // 2``.
        """
        _, n_y, n_x, _ = self.nodes_angstrom.shape
        across = spline_weights(n_x, np.asarray(x_angstrom) / self.half_extent_angstrom[0])
        along = spline_weights(n_y, np.asarray(y_angstrom) / self.half_extent_angstrom[1])
        out: Array = np.einsum(
            "rj,ci,tjik->trck", along, across, self.nodes_angstrom, optimize=True
        )
        return out

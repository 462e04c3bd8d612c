"""Structures as Gaussians that move: what a point of a conformational landscape looks like.

The faces draw conformations as a cursor moves, without a network at work: whatever learnt a
landscape leaves Gaussians and a `Deformation` of them, small enough for plain arrays.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from tomotui.geometry.angles import rotations_of_vectors

Floats = NDArray[np.float32]

REACH = 4.0
"""Standard deviations, beyond which a Gaussian is nothing."""


class Deformation(Protocol):
    """Moves and weighs Gaussians by the coordinates of a landscape."""

    def at(self, coordinates: Floats, centres_angstrom: Floats) -> tuple[Floats, Floats]:
        """Return where Gaussians are, ``[g, 3]``, and by how much each is stronger, ``[g]``."""
        ...

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return what it is kept as."""
        ...


@dataclass(frozen=True)
class AnchoredNetwork:
    """A network that moves and weighs anchors, which Gaussians follow smoothly.

    Attributes
    ----------
    layers
        Weights ``[out, in]`` and offsets ``[out]``; between two of them ``x / (1 + exp(-x))``.
        The last gives a displacement (x, y, z) in Angstrom and the logarithm of a weight for each
        anchor.
    following
        Share of each anchor in each Gaussian, ``[g, a]``.
    axes
        What each coordinate adds in proportion to itself, ``[d, a * 4]``.
    """

    layers: tuple[tuple[Floats, Floats], ...]
    following: Floats
    axes: Floats

    def at(self, coordinates: Floats, centres_angstrom: Floats) -> tuple[Floats, Floats]:
        """Return where Gaussians are, and by how much each is stronger."""
        straight = np.asarray(coordinates, dtype=np.float32) @ self.axes
        values = np.asarray(coordinates, dtype=np.float32)
        for number, (weights, offsets) in enumerate(self.layers):
            values = weights @ values + offsets
            if number < len(self.layers) - 1:
                values = values / (1 + np.exp(-values))
        moved = self.following @ (values + straight).reshape(-1, 4)
        return centres_angstrom + moved[:, :3], np.exp(moved[:, 3])

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return what it is kept as."""
        kept: dict[str, NDArray[np.generic]] = {
            "following": self.following,
            "axes_of_anchors": self.axes,
        }
        for number, (weights, offsets) in enumerate(self.layers):
            kept |= {f"weights{number}": weights, f"offsets{number}": offsets}
        return kept


@dataclass(frozen=True)
class RigidBodies:
    """Bodies that turn and shift as coordinates say.

    Attributes
    ----------
    shares
        Of each Gaussian in each body, ``[g, b]``.
    pivots_angstrom
        What bodies turn about, ``[b, 3]``.
    modes
        Turn (radians) and shift (Angstrom) of each body for one unit of each coordinate,
        ``[d, b, 6]``.
    """

    shares: Floats
    pivots_angstrom: Floats
    modes: Floats

    def at(self, coordinates: Floats, centres_angstrom: Floats) -> tuple[Floats, Floats]:
        """Return where Gaussians are; none is stronger than before."""
        motion = np.einsum("d,dbm->bm", np.asarray(coordinates, dtype=np.float64), self.modes)
        turned = rotations_of_vectors(motion[:, :3])
        from_pivot = centres_angstrom[:, None] - self.pivots_angstrom
        moved = np.einsum("bij,gbj->gbi", turned, from_pivot) + self.pivots_angstrom
        step = moved + motion[:, 3:] - centres_angstrom[:, None]
        centres = centres_angstrom + np.einsum("gb,gbi->gi", self.shares, step)
        return centres.astype(np.float32), np.ones(len(centres), dtype=np.float32)

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return what it is kept as."""
        return {"shares": self.shares, "pivots_angstrom": self.pivots_angstrom, "modes": self.modes}


@dataclass(frozen=True)
class MovingMixture:
    """Gaussians, and how they move.

    Attributes
    ----------
    centres_angstrom
        (x, y, z) from the map's centre, ``[g, 3]``.
    amplitudes
        Peak of each, ``[g]``.
    widths_angstrom
        Standard deviation of each, ``[g]``.
    """

    centres_angstrom: Floats
    amplitudes: Floats
    widths_angstrom: Floats
    deformation: Deformation

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> Self:
        """Take up what `arrays` gave.

        Raises
        ------
        KeyError
            When something is missing.
        """
        deformation: Deformation
        if "modes" in arrays:
            parts = (arrays[name] for name in ("shares", "pivots_angstrom", "modes"))
            deformation = RigidBodies(*(part.astype(np.float32) for part in parts))
        else:
            n = sum(name.startswith("weights") for name in arrays)
            layers = tuple(
                (
                    arrays[f"weights{i}"].astype(np.float32),
                    arrays[f"offsets{i}"].astype(np.float32),
                )
                for i in range(n)
            )
            following, axes = (
                arrays[name].astype(np.float32) for name in ("following", "axes_of_anchors")
            )
            deformation = AnchoredNetwork(layers, following, axes)
        centres, amplitudes, widths = (
            arrays[name].astype(np.float32)
            for name in ("centres_angstrom", "amplitudes", "widths_angstrom")
        )
        return cls(centres, amplitudes, widths, deformation)

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return what it is kept as; nothing starts with the same name as a landscape's own."""
        return {
            "centres_angstrom": self.centres_angstrom,
            "amplitudes": self.amplitudes,
            "widths_angstrom": self.widths_angstrom,
            **self.deformation.arrays(),
        }

    def at(self, coordinates: Floats) -> tuple[Floats, Floats]:
        """Return centres ``[g, 3]`` and amplitudes ``[g]`` at a point of the landscape."""
        centres, stronger = self.deformation.at(coordinates, self.centres_angstrom)
        return centres, self.amplitudes * stronger

    def volume(self, coordinates: Floats, box: int, pixel_size_angstrom: float) -> Floats:
        """Return the map at a point of the landscape, ``[n, n, n]`` as (z, y, x).

        Its voxel ``box // 2`` of each axis is the centre.
        """
        centres, amplitudes = self.at(coordinates)
        return drawn(centres, amplitudes, self.widths_angstrom, box, pixel_size_angstrom)


def drawn(
    centres_angstrom: Floats,
    amplitudes: Floats,
    widths_angstrom: Floats,
    box: int,
    pixel_size_angstrom: float,
) -> Floats:
    """Return the sum of Gaussians on a grid, ``[n, n, n]`` as (z, y, x).

    A Gaussian is a product over the axes, and their sum one over matrices.
    """
    side = (np.arange(box, dtype=np.float32) - box // 2) * np.float32(pixel_size_angstrom)
    apart = (side[:, None, None] - centres_angstrom) / widths_angstrom[:, None]
    along = np.exp(-0.5 * np.square(apart)) * (np.abs(apart) < REACH)
    x, y, z = (along[..., axis] for axis in range(3))
    plane = (z[:, None] * y[None] * amplitudes).reshape(box * box, -1)
    return np.ascontiguousarray((plane @ x.T).reshape(box, box, box), dtype=np.float32)

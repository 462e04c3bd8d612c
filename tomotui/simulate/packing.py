"""Random sequential addition of spheres and shells in a slab."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomotui.geometry import rotation_z
from tomotui.simulate.parameters import SimulationError

Array = NDArray[np.float64]

_ATTEMPTS = 5000
_GAP_ANGSTROM = 5.0


@dataclass(frozen=True)
class Slab:
    """The part of the ice that the images see.

    Parameters
    ----------
    half_extent_angstrom
        It spans -h..+h along (x, y, z) of the specimen.
    half_image_angstrom, axis_deg
        The untilted image spans -h..+h along its own (x, y).
    """

    half_extent_angstrom: tuple[float, float, float]
    half_image_angstrom: tuple[float, float]
    axis_deg: float

    def field_points(self, count: int, chance: np.random.Generator) -> Array:
        """Draw points (x, y) of the untilted field, shape ``[count, 2]``."""
        image = chance.uniform(-1, 1, (count, 2)) * np.array(self.half_image_angstrom)
        return np.asarray(image @ rotation_z(self.axis_deg)[:2, :2])

    def is_in_field(self, xy: Array) -> NDArray[np.bool_]:
        """Tell which points (x, y), shape ``[n, 2]``, the untilted image sees."""
        image = xy @ rotation_z(self.axis_deg)[:2, :2].T
        return np.asarray((np.abs(image) <= np.array(self.half_image_angstrom)).all(axis=-1))

    def count_outside(self, count_in_field: int) -> int:
        """Return how many make the same density outside the field."""
        field = 4 * self.half_image_angstrom[0] * self.half_image_angstrom[1]
        whole = 4 * self.half_extent_angstrom[0] * self.half_extent_angstrom[1]
        return max(0, round(count_in_field * (whole / field - 1)))

    def in_and_out(self, count_in_field: int) -> Iterator[bool]:
        """Yield True for each object of the field, then False for each outside."""
        yield from [True] * count_in_field
        yield from [False] * self.count_outside(count_in_field)


class Packing:
    """Spheres and shells placed so far, found again through a list of cells."""

    def __init__(self, slab: Slab, cell_angstrom: float = 400.0) -> None:
        self.slab = slab
        self._cell = cell_angstrom
        self._cells: dict[tuple[int, int, int], list[int]] = defaultdict(list)
        self._centres: list[Array] = []
        self._radii: list[float] = []
        self._shells: list[float] = []

    def everything(self) -> tuple[Array, Array, Array]:
        """Return centres ``[n, 3]``, outer radii, and the shells' radii (0 for solid spheres)."""
        return (
            np.array(self._centres).reshape(-1, 3),
            np.array(self._radii),
            np.array(self._shells),
        )

    def add(
        self,
        radius: float,
        in_field: bool,
        chance: np.random.Generator,
        what: str,
        shell_of: float = 0.0,
        at_z: float | None = None,
    ) -> Array:
        """Find room for a sphere and take it.

        Parameters
        ----------
        radius
            Outer radius, Angstrom.
        in_field
            Whether the centre must lie inside or outside the untilted field.
        what
            Name of the objects, for the error.
        shell_of
            Radius of a hollow shell whose inside stays free; 0 for a solid sphere.
        at_z
            Depth to keep; random when not given.

        Returns
        -------
        The centre, shape ``[3]``.

        Raises
        ------
        SimulationError
            When no room was found.
        """
        half_z = self.slab.half_extent_angstrom[2] - radius
        if half_z < 0:
            raise SimulationError(
                f"{what} of {2 * radius:.0f} A do not fit into ice of "
                f"{2 * self.slab.half_extent_angstrom[2]:.0f} A; raise thickness_angstrom"
            )
        for _ in range(_ATTEMPTS):
            centre = self._draw(in_field, chance)
            centre[2] = chance.uniform(-half_z, half_z) if at_z is None else at_z
            if self._has_room(centre, radius, shell_of):
                self._take(centre, radius, shell_of)
                return centre
        raise SimulationError(
            f"no room for more {what} {'in' if in_field else 'outside'} the field: "
            f"{100 * self._filled(in_field):.0f} % of the ice there is taken, and spheres placed "
            "at random stop at about 30 %; ask for fewer, or raise thickness_angstrom or size_px"
        )

    def _draw(self, in_field: bool, chance: np.random.Generator) -> Array:
        """Return a random place, at depth 0."""
        half = np.array(self.slab.half_extent_angstrom[:2])
        if in_field:
            return np.append(self.slab.field_points(1, chance)[0], 0.0)
        while True:
            xy = chance.uniform(-1, 1, 2) * half
            if not self.slab.is_in_field(xy[None])[0]:
                return np.append(xy, 0.0)

    def _has_room(self, centre: Array, radius: float, shell_of: float) -> bool:
        near = sorted(
            {i for cell in self._covered(centre, radius) for i in self._cells.get(cell, ())}
        )
        for i in near:
            distance = float(np.linalg.norm(self._centres[i] - centre))
            if distance >= self._radii[i] + radius + _GAP_ANGSTROM:
                continue
            wall = self._radii[i] - self._shells[i]
            inside = self._shells[i] > 0 and distance + radius + _GAP_ANGSTROM <= (
                self._shells[i] - wall
            )
            around = shell_of > 0 and distance + self._radii[i] + _GAP_ANGSTROM <= (
                shell_of - (radius - shell_of)
            )
            if not (inside or around):
                return False
        return True

    def _take(self, centre: Array, radius: float, shell_of: float) -> None:
        for cell in self._covered(centre, radius):
            self._cells[cell].append(len(self._radii))
        self._centres.append(centre)
        self._radii.append(radius)
        self._shells.append(shell_of)

    def _covered(self, centre: Array, radius: float) -> Iterator[tuple[int, int, int]]:
        """Yield the cells that a sphere touches."""
        low = np.floor((centre - radius - _GAP_ANGSTROM) / self._cell).astype(int)
        high = np.floor((centre + radius + _GAP_ANGSTROM) / self._cell).astype(int)
        for x in range(low[0], high[0] + 1):
            for y in range(low[1], high[1] + 1):
                for z in range(low[2], high[2] + 1):
                    yield (x, y, z)

    def _filled(self, in_field: bool) -> float:
        """Return the share of the ice inside or outside the field that the spheres take."""
        centres, radii, _ = self.everything()
        there = self.slab.is_in_field(centres[:, :2]) == in_field
        taken = float(np.sum(4 / 3 * np.pi * radii[there] ** 3))
        field, whole = (
            4 * float(np.prod(half[:2]))
            for half in (self.slab.half_image_angstrom, self.slab.half_extent_angstrom)
        )
        area = field if in_field else whole - field
        return taken / (area * 2 * self.slab.half_extent_angstrom[2])

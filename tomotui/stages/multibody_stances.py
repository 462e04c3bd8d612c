"""How the bodies of particles stand on membranes: normals from tomograms, tilts and modes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tomotui.stages.averaged_particles import AveragedParticles
from tomotui.stages.base import StageError, Task

if TYPE_CHECKING:
    from tomotui.algorithms.bodies.gathering import Measured
    from tomotui.algorithms.bodies.stance import Stance, Sway

Array = NDArray[np.float64]
PATCH_SHARE = 0.4
"""Radius of the patch of membrane over the depth that it is looked for in."""


@dataclass(frozen=True)
class Stances:
    """Stances of all bodies.

    Attributes
    ----------
    normals
        Of each particle, ``[n, 3]``.
    is_seen
        Whether the tomogram showed the membrane there, ``[n]``.
    bodies, noise_deg2, sways
        Of each body: its stance, the covariance of its components ``[n, 2, 2]``, and its modes.
    """

    normals: Array
    is_seen: NDArray[np.bool_]
    bodies: list[Stance]
    noise_deg2: list[Array]
    sways: list[Sway]

    def arrays(self) -> dict[str, Any]:
        """Return what is kept of them."""
        return {
            "normals": self.normals,
            "membrane_seen": self.is_seen,
            "tilt_deg": np.stack([one.tilt_deg for one in self.bodies], axis=1),
            "azimuth_deg": np.stack([one.azimuth_deg for one in self.bodies], axis=1),
            "stance_deg": np.stack([one.components_deg for one in self.bodies], axis=1),
            "stance_covariance_deg2": np.stack(self.noise_deg2, axis=1),
            "sway_mean_deg": np.stack([one.mean_deg for one in self.sways]),
            "sway_directions": np.stack([one.directions for one in self.sways]),
            "sway_deviations_deg": np.stack([one.deviations_deg for one in self.sways]),
            "sway_noise_deg": np.stack([one.noise_deg for one in self.sways]),
            "sway_amplitudes_deg": np.stack([one.amplitudes_deg for one in self.sways], axis=1),
        }

    def column_names(self) -> Iterator[str]:
        """Yield names of what `columns` gives."""
        yield from ("tilt_deg", "azimuth_deg", "tilt_1_deg", "tilt_2_deg")
        yield from ("tilt_1_error_deg", "tilt_2_error_deg", "normal_x", "normal_y", "normal_z")
        yield "membrane_seen"

    def columns(self, row: int, body: int) -> list[float]:
        """Return what is told of a body of a particle."""
        one, noise = self.bodies[body], self.noise_deg2[body][row]
        return [
            one.tilt_deg[row],
            one.azimuth_deg[row],
            *one.components_deg[row],
            *np.sqrt(np.diag(noise).clip(0.0)),
            *self.normals[row],
            float(self.is_seen[row]),
        ]

    def said(self) -> str:
        """Say how the body that sways most does so."""
        body = int(np.argmax([one.deviations_deg[0] for one in self.sways]))
        first, second = self.sways[body].deviations_deg
        return f"body {body + 1} sways by {first:.1f} and {second:.1f} deg rms about the normal"


def measured_stances(
    task: Task,
    averaged: AveragedParticles,
    measured: Measured,
    axis: tuple[float, float, float],
    by_membrane: bool,
    depth_angstrom: float,
) -> Stances:
    """Find normals, and how bodies stand on them.

    Parameters
    ----------
    axis
        Of bodies in the reference.
    by_membrane
        Look for membranes in the tomograms; where none is seen, and otherwise, the axis that the
        particle came with is its normal.
    depth_angstrom
        How far below particles they are looked for.
    """
    from tomotui.algorithms.bodies.stance import stance_noise, stance_of, sway_of
    from tomotui.geometry.poses import directions_of_angles

    table = averaged.subjects.table.select(measured.rows)
    given = directions_of_angles(table.angles_deg)
    normals, errors = given.copy(), np.zeros(len(table))
    is_seen: NDArray[np.bool_] = np.zeros(len(table), dtype=np.bool_)
    if by_membrane:
        found, errors = _membranes(task, averaged, measured.rows, depth_angstrom)
        is_seen = np.asarray(np.isfinite(found).all(axis=1))
        normals[is_seen] = found[is_seen]
        errors = np.where(is_seen, errors, 0.0)
        task.log(f"the membrane is seen below {int(is_seen.sum())} of {len(table)} particles")
        if not is_seen.all():
            task.warn(
                f"no membrane is seen below {int((~is_seen).sum())} particles: their z axis "
                "stands for its normal"
            )
    bodies, noise = [], []
    for body in range(measured.rotations.shape[1]):
        rotations = measured.rotations[:, body]
        bodies.append(stance_of(rotations, normals, axis))
        noise.append(stance_noise(rotations, measured.turns_rad2[:, body], errors, axis))
    sways = [sway_of(one.components_deg, spread) for one, spread in zip(bodies, noise, strict=True)]
    return Stances(normals, is_seen, bodies, noise, sways)


def _membranes(
    task: Task, averaged: AveragedParticles, rows: NDArray[np.intp], depth_angstrom: float
) -> tuple[Array, Array]:
    """Return normals ``[n, 3]``, NaN where no membrane is seen, and their errors in degrees."""
    from tomotui.algorithms.bodies.membrane import MembraneSearch, membrane_normals
    from tomotui.formats.errors import FormatError
    from tomotui.formats.mrc import read_volume
    from tomotui.geometry.poses import directions_of_angles

    subjects = averaged.subjects
    table = subjects.table.select(rows)
    normals, errors = np.full((len(table), 3), np.nan), np.zeros(len(table))
    where = MembraneSearch(0.0, depth_angstrom, max(60.0, PATCH_SHARE * depth_angstrom))
    directions = directions_of_angles(table.angles_deg)
    for subject in subjects.subjects:
        mine = np.flatnonzero(table.tomogram_uids == subject.tomogram.uid)
        if not len(mine):
            continue
        task.progress(0.95, f"membranes: {subject.series.name}")
        try:
            values, pixel = read_volume(task.resolve(subject.tomogram.path))
        except FormatError as error:
            raise StageError(
                str(error), f"Reconstruct {subject.series.name} again, or measure from axis."
            ) from error
        found = membrane_normals(
            -values, pixel, table.positions_angstrom[mine], directions[mine], where
        )
        normals[mine], errors[mine] = found.directions, found.errors_deg
    return normals, np.nan_to_num(errors)

"""landscape-maps: maps of the real particles along a path through a landscape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from tomotui.records import AnyRecord, Landscape
from tomotui.stages.averaged_particles import AveragedParticles
from tomotui.stages.base import (
    Inputs,
    SampleParameters,
    Stage,
    StageError,
    StageResult,
    Task,
    parameter,
)
from tomotui.stages.map_files import half_maps_record

if TYPE_CHECKING:
    from tomotui.records.particle_table import ParticleTable

Array = NDArray[np.float64]

ENDS = 1.5
"""Standard deviations along the first motion, of the path that nobody gave."""


class LandscapeMapsParameters(SampleParameters):
    """The choices of maps along a path."""

    particles: tuple[str, ...] = parameter(
        (), "The particle set; that of the landscape when empty."
    )
    landscape: str = parameter("", "Name of the landscape; the newest of the set when empty.")
    path: tuple[str, ...] = parameter(
        (),
        "Points as numbers with commas between, and semicolons between points, such as "
        "-1,0,0,0;1,0,0,0; along the first motion when none is given.",
    )
    maps: int = parameter(5, "Maps along the path.", ge=2, le=50)
    share: float = parameter(0.2, "Of the particles, that count for one map together.", gt=0, le=1)
    box_px: int = parameter(
        64, "About how many pixels the maps are to have.", unit="px", ge=24, le=1024
    )
    memory_gb: float = parameter(
        4.0, "Room for views; beyond that they are read again.", unit="GB", group="advanced", gt=0
    )
    name: str = parameter("", "Name of the maps; from the landscape when empty.")
    seed: int = parameter(0, "Of how halves are dealt out.", group="advanced", ge=0)


class LandscapeMapsStage(Stage):
    """Maps along a path."""

    name = "landscape-maps"
    title = "Landscape maps"
    summary = "Average the particles along a path through a landscape: real maps, with FSC."
    parameters_type = LandscapeMapsParameters
    reports = ("maps", "resolution")
    takes = ("tilt_series", "tomogram", "alignment", "particle_set", "landscape")
    optional = ("ctf",)
    gives = ("map",)
    needs = "gpu"
    scope = "sample"
    shares_work = True
    takes_particles = True

    def run(self, task: Task, inputs: Inputs, parameters: LandscapeMapsParameters) -> StageResult:
        """Average the particles of one set over all series among the inputs."""
        import torch

        torch.set_num_threads(task.threads)
        with torch.inference_mode():
            return _PathMaps(task, inputs, parameters).run()


class _PathMaps:
    """Maps along one path at work."""

    def __init__(self, task: Task, inputs: Inputs, parameters: LandscapeMapsParameters) -> None:
        self.task, self.inputs, self.parameters = task, inputs, parameters
        self.landscape = inputs.one(Landscape)

    def run(self) -> StageResult:
        """Read, average, write."""
        from tomotui.algorithms.landscape.paths import along_path

        kept = self._kept()
        table = self._table(kept["uids"])
        coordinates = kept["coordinates"]
        points = along_path(self._points(kept), self.parameters.maps)
        averaged = AveragedParticles(
            self.task,
            self.inputs,
            table,
            diameter_angstrom=None,
            box_angstrom=None,
            box_px=self.parameters.box_px,
            memory_gb=self.parameters.memory_gb,
            seed=self.parameters.seed,
        )
        row_of = {str(uid): row for row, uid in enumerate(kept["uids"])}
        own = np.array([row_of[str(uid)] for uid in averaged.subjects.table.uids])
        about = self._about(coordinates[own], points, kept["deviations"], averaged.subjects.halves)
        base = self.parameters.name or f"{self.landscape.name} path"
        records: list[AnyRecord] = []
        reached = []
        for number, (weights, width) in enumerate(about, start=1):
            ends = (0.2 + 0.78 * (number - 1 + step) / len(points) for step in (0, 1))
            averaged.span(*ends)
            maps = averaged.refinement.weighted_maps(weights)
            self.task.log(
                f"map {number}: {int((weights > 0).sum())} particles within {width:.2f}, "
                f"{maps.resolution_angstrom:.1f} A"
            )
            self.task.metric("resolution", maps.resolution_angstrom, float(number), "angstrom")
            reached.append(maps.resolution_angstrom)
            if averaged.ranks.rank:
                continue
            record = half_maps_record(
                self.task,
                maps,
                stem=f"map{number:02d}",
                name=f"{base} {number}",
                symmetry=averaged.set.symmetry,
                particle_set_uid=averaged.set.uid,
                n_particles=int((weights > 0).sum()),
                made_by="landscape-maps",
            )
            records.append(record)
        return StageResult(
            records=tuple(records),
            metrics={"maps": float(len(points))},
            summary=f"{len(points)} maps of {len(own)} particles, "
            f"{min(reached):.1f} to {max(reached):.1f} A",
        )

    def _about(
        self, coordinates: Array, points: Array, deviations: Array, halves: NDArray[np.int64]
    ) -> list[tuple[Array, float]]:
        """Return how much particles count at each point, and the width of that.

        Raises
        ------
        StageError
            When too few count at a point for each half to have a map.
        """
        from tomotui.algorithms.landscape.paths import weights_about

        found = []
        for number, point in enumerate(points, start=1):
            wanted = self.parameters.share * len(coordinates)
            weights, width = weights_about(coordinates, point, wanted)
            of_half = np.bincount(halves[weights > 0], minlength=2)
            if of_half.min() < 2:
                more = min(1.0, 2 * self.parameters.share)
                raise StageError(
                    f"map {number} would be of {of_half[0]} and {of_half[1]} particles in its "
                    "halves; each needs two at least.",
                    f"Let more particles count: --set share={more:.2g}",
                )
            nearest = np.linalg.norm(coordinates - point, axis=1).min()
            if nearest > deviations.max():
                self.task.warn(
                    f"map {number} lies beyond all particles: it is of those nearest to it, "
                    f"{nearest:.2g} away"
                )
            found.append((weights, width))
        return found

    def _kept(self) -> dict[str, Any]:
        path = self.task.resolve(self.landscape.path)
        try:
            with np.load(path, allow_pickle=False) as file:
                names = ("uids", "coordinates", "axes", "deviations")
                return {name: file[name] for name in names}
        except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
            state = "damaged" if path.is_file() else "gone"
            raise StageError(
                f"the landscape {self.landscape.name} cannot be read: {path} is {state}.",
                "Learn the landscape again: tomotui run landscape",
            ) from error

    def _table(self, uids: NDArray[np.str_]) -> ParticleTable:
        """Return the particles that stand in the landscape."""
        table = self.inputs.particles
        if table is None:
            raise StageError("no particles came with the task.", "Submit it again.")
        chosen = np.flatnonzero(np.isin(table.uids, uids))
        if not len(chosen):
            raise StageError(
                f"none of these particles stands in the landscape {self.landscape.name}.",
                "Name the set that it was learnt from: --set particles=NAME",
            )
        return table.select(chosen)

    def _points(self, kept: dict[str, Any]) -> Array:
        """Return the corners of the path, ``[n, d]``."""
        d = kept["coordinates"].shape[1]
        if not self.parameters.path:
            step = ENDS * kept["deviations"][0] * kept["axes"][0]
            return np.stack([-step, step])
        points = []
        for words in self.parameters.path:
            try:
                point = [float(word) for word in words.split(",")]
            except ValueError:
                point = []
            if len(point) != d or not np.isfinite(point).all():
                raise StageError(
                    f"path: {words!r} is no point of {self.landscape.name}: it takes {d} numbers "
                    "with commas between.",
                    f"Such as --set path={','.join(['0.5'] * d)}",
                )
            points.append(point)
        corners = np.array(points)
        if len(corners) < 2 or not np.ptp(corners, axis=0).any():
            raise StageError("path: a path needs two different points.", "Name one more.")
        return corners

"""map-back: show an averaged map where its particles lie in a tomogram."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from tomotui import __version__
from tomotui.records import Map, TiltSeries, Tomogram
from tomotui.stages.base import Inputs, Parameters, Stage, StageError, StageResult, Task, parameter
from tomotui.stages.particle_choice import (
    Decisions,
    chosen_particles,
    one_set,
    read_reference,
    with_orientation,
)

if TYPE_CHECKING:
    from torch import Tensor

    from tomotui.algorithms.map_back.place import Placement
    from tomotui.records.particle_table import ParticleTable

SLAB_VOXELS = 2**27
"""Of the volume that are held in memory at once."""


class MapBackParameters(Parameters):
    """The choices of showing a map at the poses of its particles."""

    particles: tuple[str, ...] = parameter(
        (), "The particle set, such as a refined one; needed where there are several."
    )
    reference: str = parameter(
        "",
        "Name of a map or path of a file with bright protein (MRC); the newest map of the "
        "particles when empty.",
    )
    voxel_size_angstrom: float | None = parameter(
        None,
        "Of the volume that is made; that of the tomogram when not said.",
        unit="angstrom",
        gt=0,
    )
    decisions: Decisions = parameter(
        "kept", "Particles to show: kept leaves rejected ones out, accepted shows no others."
    )
    min_score: float | None = parameter(None, "Least score of particles to show.")
    classes: tuple[int, ...] = parameter((), "Classes to show; all when none is named.")
    masked: bool = parameter(
        True, "Show the map under its mask; one is made where it has none.", group="advanced"
    )
    chimerax: bool = parameter(True, "Also write a scene for ChimeraX.")
    most_copies: int = parameter(
        300,
        "Show no more separate copies in ChimeraX; beyond that the one volume with all of them.",
        group="advanced",
        ge=1,
        le=10_000,
    )
    level: float | None = parameter(
        None, "Of surfaces in ChimeraX; found from the map when not said.", group="advanced"
    )
    reference_pixel_size_angstrom: float | None = parameter(
        None,
        "Voxel size of a map from a file, where its header is wrong.",
        unit="angstrom",
        group="advanced",
        gt=0,
    )
    data_type: Literal["float16", "float32"] = parameter(
        "float32", "Number format of the volume.", group="advanced"
    )


class MapBackStage(Stage):
    """A volume like the tomogram that holds a copy of the map at each particle."""

    name = "map-back"
    title = "Map back"
    summary = "Put copies of a map where its particles lie in the tomogram, also for ChimeraX."
    parameters_type = MapBackParameters
    reports = ("copies", "outside")
    takes = ("tilt_series", "tomogram", "particle_set")
    optional = ("map",)
    takes_particles = True

    def run(self, task: Task, inputs: Inputs, parameters: MapBackParameters) -> StageResult:
        """Place the map in the tomogram of one series."""
        import torch

        torch.set_num_threads(task.threads)
        return _MapBack(task, inputs, parameters).run()


class _Reference(NamedTuple):
    """The map as it is shown."""

    values: Tensor
    mask: Tensor | None
    voxel_size_angstrom: float
    name: str
    level: float


class _MapBack:
    """One tomogram at work."""

    def __init__(self, task: Task, inputs: Inputs, parameters: MapBackParameters) -> None:
        self.task, self.inputs, self.parameters = task, inputs, parameters
        self.tomogram, self.series = inputs.one(Tomogram), inputs.one(TiltSeries)
        self.set = one_set(inputs)
        own = self.tomogram.pixel_size_angstrom
        self.voxel_size = parameters.voxel_size_angstrom or own
        x, y, z = (max(1, math.ceil(n * own / self.voxel_size)) for n in self.tomogram.size_xyz)
        self.shape = (z, y, x)

    def run(self) -> StageResult:
        """Read, place, write."""
        from tomotui.geometry.poses import matrices_of_angles

        table = self._table()
        if not len(table):
            return StageResult(summary=f"no particle of {self.set.name} in {self.series.name}")
        self.task.progress(0.02, "reading the map")
        reference = self._reference()
        rotations = matrices_of_angles(table.angles_deg)
        placement = self._placement(reference, table, rotations)
        outside = int((~placement.is_inside()).sum())
        if outside:
            self.task.warn(f"{outside} particles have their centres outside the tomogram")
        path = self.task.folder / "mapped.mrc"
        self._write(path, placement, reference)
        if self.parameters.chimerax:
            self._write_scene(path, reference, table, rotations)
        return StageResult(
            metrics={"copies": float(len(table)), "outside": float(outside)},
            summary=f"{len(table)} copies of {reference.name} at {self.voxel_size:.3g} A",
        )

    def _table(self) -> ParticleTable:
        """Return the particles to show; warns where they lie in a tomogram that was replaced."""
        parameters = self.parameters
        table = chosen_particles(
            self.inputs, parameters.decisions, parameters.min_score, parameters.classes
        )
        here = table.select(table.tomogram_uids == self.tomogram.uid)
        if not len(here):
            self.task.warn(
                f"no particle of {self.set.name} lies in {self.tomogram.path}, the newest tomogram "
                f"of {self.series.name}: {len(table)} lie in others"
            )
            return here
        return with_orientation(self.task, here, self.set.name)

    def _reference(self) -> _Reference:
        from tomotui.imaging.map_masks import map_mask

        parameters = self.parameters
        values, voxel, name = read_reference(
            self.task, self.inputs, parameters.reference, parameters.reference_pixel_size_angstrom
        )
        mask, level = None, float(values.mean() + 3 * values.std())
        try:
            found = map_mask(values, voxel, radius_angstrom=self._radius_angstrom())
            mask, level = found.values, found.threshold
        except ValueError as error:
            if "dark" in str(error) or "cube" in str(error) or "not numbers" in str(error):
                raise StageError(
                    f"the map {name} cannot be shown: {error}.",
                    "Bring it in with tomotui import-map, which makes cubes and turns contrast.",
                ) from error
            self.task.warn(f"the map {name} is shown without a mask: {error}")
        record = self.inputs.maybe(Map)
        if record and record.particle_set_uid not in (None, self.set.uid):
            self.task.warn(
                f"{name} was averaged from another set than {self.set.name}: name that one with "
                "particles, or copies may be shifted and turned"
            )
        if record and record.mask_path:
            mask = self._read_mask(record.mask_path, values)
        if parameters.level is not None:
            level = parameters.level
        return _Reference(values, mask if parameters.masked else None, voxel, name, level)

    def _radius_angstrom(self) -> float | None:
        """Return the radius that a mask may reach: with room beyond the particle."""
        diameter = self.set.diameter_angstrom
        return None if diameter is None else 0.75 * diameter

    def _read_mask(self, path: str, values: Tensor) -> Tensor:
        import torch

        from tomotui.formats.errors import FormatError
        from tomotui.formats.mrc import read_volume

        try:
            mask, _ = read_volume(self.task.resolve(path))
        except FormatError as error:
            raise StageError(str(error)) from error
        if mask.shape != tuple(values.shape):
            raise StageError(
                f"the mask {path} has {mask.shape[::-1]} voxels, the map {tuple(values.shape)}.",
                "Give a mask of the map's size, or say masked=false.",
            )
        return torch.from_numpy(mask).clamp(0, 1)

    def _placement(
        self, reference: _Reference, table: ParticleTable, rotations: np.ndarray
    ) -> Placement:
        from tomotui.algorithms.map_back.place import Placement, stamp_of

        try:
            stamp = stamp_of(
                reference.values, reference.voxel_size_angstrom, self.voxel_size, reference.mask
            )
        except ValueError as error:
            raise StageError(
                f"the map {reference.name} cannot be placed: {error}.",
                "Bring it in with tomotui import-map.",
            ) from error
        stamp = replace(stamp, values=stamp.values.to(self.task.device))
        return Placement(stamp, table.positions_angstrom, rotations, self.shape, self.voxel_size)

    def _write(self, path: Path, placement: Placement, reference: _Reference) -> None:
        from tomotui.formats.errors import FormatError
        from tomotui.formats.mrc import VolumeWriter

        n_z, n_y, n_x = self.shape
        thickness = max(1, SLAB_VOXELS // (n_y * n_x))
        labels = (
            f"tomotui {__version__}: copies of a map at its particles; protein is bright",
            f"{len(placement)} of {self.set.name}: {reference.name}"[:80],
        )
        try:
            with VolumeWriter(
                path,
                self.shape,
                self.voxel_size,
                self.parameters.data_type,
                labels=labels,
                origin_at_centre=True,
            ) as writer:
                for first in range(0, n_z, thickness):
                    stop = min(first + thickness, n_z)

                    def told(share: float, first: int = first, stop: int = stop) -> None:
                        done = (first + share * (stop - first)) / n_z
                        self.task.progress(0.05 + 0.9 * done, "placing copies")

                    writer.write(first, placement.slab(first, stop, told).cpu().numpy())
        except FormatError as error:
            raise StageError(str(error)) from error
        self.task.artifact("volume", path)

    def _write_scene(
        self, mapped: Path, reference: _Reference, table: ParticleTable, rotations: np.ndarray
    ) -> None:
        """Write a scene for ChimeraX, and beside it the map as it is shown."""
        from tomotui.formats.chimerax import SceneCopies, SceneVolume, write_scene
        from tomotui.formats.errors import FormatError
        from tomotui.formats.mrc import write_volume

        own = SceneVolume(
            self.task.resolve(self.tomogram.path).absolute(),
            self.tomogram.size_xyz,
            self.tomogram.pixel_size_angstrom,
        )
        n_z, n_y, n_x = self.shape
        shown: SceneCopies | SceneVolume = SceneVolume(
            mapped.absolute(), (n_x, n_y, n_z), self.voxel_size
        )
        path = self.task.folder / "scene.cxc"
        title = f"{len(table)} of {self.set.name} in {self.series.name}, by tomotui {__version__}"
        try:
            if len(table) <= self.parameters.most_copies:
                single = self.task.folder / "reference.mrc"
                n, voxel = reference.values.shape[0], reference.voxel_size_angstrom
                mask = 1.0 if reference.mask is None else reference.mask
                write_volume(single, (reference.values * mask).cpu().numpy(), voxel)
                volume = SceneVolume(single.absolute(), (n, n, n), voxel)
                shown = SceneCopies(volume, table.positions_angstrom, rotations)
            write_scene(path, own, shown, reference.level, title=title)
        except FormatError as error:
            self.task.warn(f"no scene for ChimeraX: {error}")
            return
        self.task.artifact("chimerax", path)

"""What a landscape leaves: coordinates, its decoder, and its motions as maps and models."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tomotui.geometry.mixtures import MovingMixture, drawn
from tomotui.records import AnyRecord, Landscape, Map
from tomotui.stages.averaged_particles import AveragedParticles
from tomotui.stages.base import Inputs, StageError, StageResult, Task
from tomotui.stages.map_files import half_maps_record, write_arrays, write_map
from tomotui.stages.particle_choice import read_reference

if TYPE_CHECKING:
    from tomotui.algorithms.landscape.landscape import FoundLandscape
    from tomotui.algorithms.landscape.mixture import Mixture

FRAMES = 11
REACH = 2.0
"""Standard deviations either way that a motion is shown."""

LANDSCAPE_FILE = "landscape.npz"


class LandscapeFiles:
    """Writes a landscape.

    Parameters
    ----------
    averaged
        The particles.
    mixture
        Gaussians of their map, in voxels.
    found
        What was learnt.
    """

    def __init__(
        self,
        task: Task,
        averaged: AveragedParticles,
        mixture: Mixture,
        found: FoundLandscape,
    ) -> None:
        self.task, self.averaged, self.mixture, self.found = task, averaged, mixture, found
        self.pixel = averaged.maps.pixel_size_angstrom
        centres, amplitudes = mixture.centres.cpu().numpy(), mixture.amplitudes.cpu().numpy()
        self.moving = MovingMixture(
            centres * np.float32(self.pixel),
            amplitudes,
            np.full(len(centres), mixture.width * self.pixel, dtype=np.float32),
            found.network.arrays(self.pixel, mixture.following),
        )

    def result(self, name: str, model: FittedModel | None) -> StageResult:
        """Write everything, and describe it as records; of several processes the first does.

        Parameters
        ----------
        model
            To be moved along, about the map's centre.
        """
        work, found = self.averaged.refinement.work, self.found
        columns = self._columns()
        if self.averaged.ranks.rank:
            return StageResult()
        rows = np.flatnonzero(np.isfinite(columns["gain"]))
        whole = self.averaged.set
        lost = len(columns["gain"]) - len(rows)
        if lost:
            self.task.warn(f"{lost} particles of {whole.name} could not be placed and are left out")
        map_record = half_maps_record(
            self.task,
            self.averaged.maps,
            stem="consensus",
            name=f"{name} map",
            symmetry=whole.symmetry,
            particle_set_uid=whole.uid,
            n_particles=len(rows),
            made_by="landscape",
        )
        path = self.task.folder / LANDSCAPE_FILE
        write_arrays(
            path,
            {
                "uids": self.averaged.subjects.table.uids[rows],
                "halves": self.averaged.subjects.halves[rows],
                **{key: values[rows] for key, values in columns.items()},
                "axes": found.axes,
                "deviations": found.deviations,
                "strengths": found.linear.strengths.cpu().numpy(),
                "evident": found.linear.evident.cpu().numpy(),
                "by_chance": found.linear.by_chance.cpu().numpy(),
                "sizes_angstrom": found.linear.sizes.cpu().numpy() * self.pixel,
                "box_px": work.box,
                "pixel_size_angstrom": self.pixel,
                **self.moving.arrays(),
            },
        )
        self.task.artifact("landscape", path)
        self._write_motions(model)
        record = Landscape(
            name=name,
            method="mixture",
            particle_set_uid=whole.uid,
            map_uid=map_record.uid,
            path=self.task.relative(path),
            n_coordinates=found.axes.shape[1],
            n_motions=found.n_motions,
            agreement=found.agreement,
        )
        records: list[AnyRecord] = [map_record, record]
        metrics = {
            "particles": float(len(rows)),
            "motions": float(found.n_motions),
            "gain": float(np.mean(columns["gain"][rows])),
        }
        if found.agreement is not None:
            metrics["agreement"] = found.agreement
        return StageResult(
            records=tuple(records), metrics=metrics, summary=self._summary(len(rows))
        )

    def _columns(self) -> dict[str, NDArray[np.float64]]:
        """Return what is known of every particle, of all processes, by row."""
        work, places = self.averaged.refinement.work, self.found.places
        counts = np.cumsum([len(one) for one in work.series])[:-1]

        def by_row(values: Any) -> NDArray[np.float64]:
            plain = values.detach().double().cpu().numpy()
            return work.all_rows(np.split(plain, counts))

        return {
            "coordinates": by_row(places.coordinates),
            "spread": by_row(places.spread),
            "gain": by_row(places.gain),
        }

    def _summary(self, n: int) -> str:
        found = self.found
        if not found.n_motions:
            return f"{n} particles show no motion beyond noise"
        noun = "motion" if found.n_motions == 1 else "motions"
        words = f"{found.n_motions} {noun} among {n} particles"
        if found.agreement is not None:
            words += f"; halves agree by {found.agreement:.2f}"
        return words

    # Motions

    def _write_motions(self, model: FittedModel | None) -> None:
        """Write every motion that stands out as maps, and as an atomic model where there is one."""
        maps = self.averaged.maps
        mean = maps.reference.cpu().numpy()
        box = mean.shape[-1]
        still = drawn(
            self.moving.centres_angstrom,
            self.moving.amplitudes,
            self.moving.widths_angstrom,
            box,
            self.pixel,
        )
        import torch

        for number in range(self.found.n_motions):
            folder = self.task.folder / f"motion{number + 1}"
            folder.mkdir(exist_ok=True)
            steps = np.linspace(-REACH, REACH, FRAMES) * self.found.deviations[number]
            points = [(step * self.found.axes[number]).astype(np.float32) for step in steps]
            for frame, point in enumerate(points, start=1):
                change = self.moving.volume(point, box, self.pixel) - still
                path = folder / f"frame{frame:02d}.mrc"
                write_map(path, torch.from_numpy(mean + change), self.pixel)
            self.task.artifact(f"motion{number + 1}", folder / f"frame{FRAMES:02d}.mrc")
            if model is not None:
                self._write_model(model, folder / "model.pdb", points)

    def _write_model(
        self, model: FittedModel, path: Path, points: list[NDArray[np.float32]]
    ) -> None:
        """Write the model as it is at each point."""
        from tomotui.formats.errors import FormatError
        from tomotui.formats.structures import write_moved_models

        following = self.mixture.shares_at(model.positions_angstrom / self.pixel)
        moving = self.found.network.arrays(self.pixel, following)
        at_rest = model.positions_angstrom
        try:
            write_moved_models(
                model.path, [moving.at(point, at_rest)[0] - at_rest for point in points], path
            )
        except FormatError as error:
            raise StageError(str(error)) from error
        self.task.artifact(f"{path.parent.name}-model", path)


@dataclass(frozen=True)
class FittedModel:
    """An atomic model that was fitted to a map.

    Attributes
    ----------
    positions_angstrom
        Of its atoms from the map's first voxel, as the file has them; once centred, from the
        map's centre, ``[n, 3]``.
    middle_angstrom
        Where the map's centre lies, from its first voxel; ``None`` for that of the landscape.
    """

    path: Path
    positions_angstrom: NDArray[np.float32]
    middle_angstrom: float | None

    def centred(self, averaged: AveragedParticles) -> FittedModel:
        """Return it with positions from the map's centre.

        Raises
        ------
        StageError
            When the particles' map does not hold most of it.
        """
        maps = averaged.maps
        own = (maps.mask.shape[-1] // 2) * maps.pixel_size_angstrom
        middle = own if self.middle_angstrom is None else self.middle_angstrom
        centred = self.positions_angstrom - np.float32(middle)
        inside = np.abs(centred).max(axis=1) < own
        if inside.mean() < 0.5:
            raise StageError(
                f"{self.path} does not lie in the map: fit it to {averaged.set.name}'s map first.",
                "Its coordinates count from the corner of the map, as ChimeraX saves them.",
            )
        return replace(self, positions_angstrom=centred)


def fitted_model(task: Task, inputs: Inputs, name: str, reference: str) -> FittedModel | None:
    """Read the atomic model that is to be moved along; ``None`` where none is named.

    Parameters
    ----------
    name
        Of its file.
    reference
        Name or file of the map that it was fitted to; the newest of the particles when empty.

    Raises
    ------
    StageError
        When it cannot be read.
    """
    from tomotui.formats.errors import FormatError
    from tomotui.formats.structures import atom_positions
    from tomotui.stages.match_inputs import find_file

    if not name:
        return None
    path = find_file(task, name, "model")
    try:
        positions = atom_positions(path)
    except FormatError as error:
        raise StageError(str(error)) from error
    middle = None
    if reference or inputs.maybe(Map) is not None:
        values, pixel, _ = read_reference(task, inputs, reference, None)
        middle = (values.shape[-1] // 2) * pixel
    return FittedModel(path, positions.astype(np.float32), middle)

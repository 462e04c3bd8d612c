"""What a landscape leaves: coordinates, its decoder, and its motions as maps and models."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tomotui.geometry.mixtures import MovingMixture, drawn
from tomotui.records import AnyRecord, Landscape
from tomotui.stages.averaged_particles import AveragedParticles
from tomotui.stages.base import StageError, StageResult, Task
from tomotui.stages.map_files import half_maps_record, write_arrays, write_map

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

    def result(self, name: str, model_file: str) -> StageResult:
        """Write everything, and describe it as records.

        Parameters
        ----------
        model_file
            Of an atomic model to be moved along; empty for none.
        """
        work, found = self.averaged.refinement.work, self.found
        columns = self._columns()
        rows = np.flatnonzero(np.isfinite(columns["gain"]))
        whole = self.averaged.set
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
                "by_chance": found.linear.by_chance.cpu().numpy(),
                "sizes_angstrom": found.linear.sizes.cpu().numpy() * self.pixel,
                "box_px": work.box,
                "pixel_size_angstrom": self.pixel,
                **self.moving.arrays(),
            },
        )
        self.task.artifact("landscape", path)
        self._write_motions(model_file)
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

    def _write_motions(self, model_file: str) -> None:
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
        atoms = self._atoms(model_file) if model_file else None
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
            if atoms is not None:
                atoms.write(self.task, folder / "model.pdb", points)

    def _atoms(self, model_file: str) -> _MovingAtoms:
        from tomotui.formats.errors import FormatError
        from tomotui.formats.structures import atom_positions
        from tomotui.stages.match_inputs import find_file

        path = find_file(self.task, model_file, "model")
        try:
            positions = atom_positions(path)
        except FormatError as error:
            raise StageError(str(error)) from error
        middle = (self.averaged.maps.mask.shape[-1] // 2) * self.pixel
        centred = (positions - middle).astype(np.float32)
        inside = np.abs(centred).max(axis=1) < middle
        if inside.mean() < 0.5:
            raise StageError(
                f"{path} does not lie in the map: fit it to {self.averaged.set.name}'s map first.",
                "Its coordinates count from the corner of the map, as ChimeraX saves them.",
            )
        following = self.mixture.shares_at(centred / self.pixel)
        return _MovingAtoms(path, centred, self.found.network.arrays(self.pixel, following))


class _MovingAtoms:
    """An atomic model that anchors move."""

    def __init__(self, path: Path, positions: NDArray[np.float32], deformation: Any) -> None:
        self.path, self.positions, self.deformation = path, positions, deformation

    def write(self, task: Task, path: Path, points: list[NDArray[np.float32]]) -> None:
        """Write one model for each point."""
        from tomotui.formats.errors import FormatError
        from tomotui.formats.structures import write_moved_models

        shifts = [
            self.deformation.at(point, self.positions)[0] - self.positions for point in points
        ]
        try:
            write_moved_models(self.path, shifts, path)
        except FormatError as error:
            raise StageError(str(error)) from error
        task.artifact(f"{path.parent.name}-model", path)

"""What an averaging run writes and gives: maps, refined particles and series, and how it went."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tomotui.records import (
    Alignment,
    AnyRecord,
    Ctf,
    Map,
    ParticleSet,
    TiltAlignment,
)
from tomotui.records.base import new_uid
from tomotui.stages.averaging_course import CourseOfMaps
from tomotui.stages.base import StageError, StageResult, Task
from tomotui.stages.map_files import fsc_curves, write_arrays, write_map

if TYPE_CHECKING:
    from torch import Tensor

    from tomotui.algorithms.parallel import Ranks
    from tomotui.algorithms.refine.maps import HalfMaps
    from tomotui.algorithms.refine.refinement import Refinement
    from tomotui.algorithms.refine.state import Gathered
    from tomotui.records.particle_table import ParticleTable
    from tomotui.stages.averaging_inputs import Subjects

DETAILS_FILE = "details.npz"
PROGRESS_FILE = "progress.npz"
PROGRESS_MAP_FILE = "progress.mrc"

MUCH_COARSER = 1.4
"""Resolution of what is not round over that of the whole map, from which on a map is doubted."""


class AveragingFiles:
    """Writes what a refinement has reached.

    Parameters
    ----------
    subjects
        What it works on.
    refinement
        At work.

    Attributes
    ----------
    cut
        Rows of particles that were left out of the last maps.
    """

    def __init__(
        self, task: Task, subjects: Subjects, refinement: Refinement, ranks: Ranks
    ) -> None:
        self.task, self.subjects, self.refinement = task, subjects, refinement
        self.ranks = ranks
        self.cut: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self.gathered: Gathered | None = None
        self.course = CourseOfMaps(task)

    def gather(self) -> None:
        """Bring the particles of all processes together; all must ask."""
        from tomotui.algorithms.refine.state import gather

        self.gathered = gather(self.refinement.work)

    # While it goes on

    def begin(self) -> None:
        """Forget what an attempt before has shown of iterations that are not done now."""
        if not self.ranks.rank:
            self.course.begin(len(self.refinement.iterations))

    def show_progress(self) -> None:
        """Write the map as it is now, and how it came about, for those who watch."""
        maps = self.refinement.maps
        if self.ranks.rank or maps is None:
            return
        path = self.task.folder / PROGRESS_MAP_FILE
        write_map(path, maps.reference, maps.pixel_size_angstrom)
        self.course.keep(self.refinement.iterations[-1], maps)
        details = self.task.folder / PROGRESS_FILE
        write_arrays(
            details, {**self.course.columns(self.refinement.iterations), **fsc_curves(maps.fsc)}
        )
        self.task.artifact("progress-map", path)
        self.task.artifact("progress", details)

    # In the end

    def result(
        self, name: str, symmetry: str, mass_kda: float | None, b_factor_a2: float | None
    ) -> StageResult:
        """Judge and sharpen the maps, write all files, and describe them as records."""
        maps = self.refinement.maps
        if maps is None or self.gathered is None:
            raise StageError("no map was made.", "Ask for at least one iteration.")
        whole = self.subjects.particle_set
        alignments, ctfs = self._series_records()
        refined = ParticleSet(
            name=name,
            species=whole.species,
            diameter_angstrom=self.refinement.plan.diameter_angstrom,
            symmetry=symmetry,
            parent_uid=whole.uid,
            made_by="refine",
            alignment_uids=_with_those_before(alignments, self.subjects, whole.alignment_uids),
            ctf_uids=_with_those_before(ctfs, self.subjects, whole.ctf_uids),
        )
        table = self._particles(refined)
        record = self._map_record(name, symmetry, refined, len(table), maps, mass_kda, b_factor_a2)
        reached, of_directions = maps.resolution_angstrom, maps.fsc_of_directions().resolution()
        metrics = {"particles": float(len(table))}
        for key, value in (("resolution", reached), ("resolution_of_directions", of_directions)):
            if math.isfinite(value):
                metrics[key] = value
        if of_directions > MUCH_COARSER * reached:
            self._doubt_orientations(reached, of_directions)
        words = f"{reached:.2f} A" if math.isfinite(reached) else "the halves agree on nothing"
        if helix := self.refinement.helix:
            metrics |= {"rise": helix.rise_angstrom, "twist": helix.twist_deg}
            words += f", rise {helix.rise_angstrom:.3f} A, twist {helix.twist_deg:+.3f} deg"
        records: list[AnyRecord] = [*alignments, *ctfs, refined, record]
        return StageResult(
            records=tuple(records),
            particles=(table,),
            metrics=metrics,
            summary=f"{len(table)} particles, {words}",
        )

    def _doubt_orientations(self, reached: float, of_directions: float) -> None:
        """Warn of halves that agree in little but what is round."""
        found = f"to {of_directions:.1f} A" if math.isfinite(of_directions) else "on nothing"
        self.task.warn(
            f"the halves agree to {reached:.1f} A, but {found} in what is not round about the "
            "middle: the orientations may be wrong. Begin with a map that shows what tells "
            "directions apart (initial-model with a finer resolution), and use that detail "
            "(first_resolution_angstrom)"
        )

    def _particles(self, refined: ParticleSet) -> ParticleTable:
        """Return the refined particles, as new ones that came from those of the set."""
        from tomotui.geometry.poses import angles_of_matrices

        assert self.gathered is not None
        poses, old = self.gathered.poses, self.subjects.table
        rows = np.flatnonzero(np.isfinite(self.gathered.scores))
        rows = rows[~np.isin(rows, self.cut)]
        unseen = self.gathered.scores[rows] == 0
        if unseen.any():
            self.task.warn(f"{int(unseen.sum())} particles lie on no image and are left out")
            rows = rows[~unseen]
        return replace(
            old.select(rows),
            uids=np.array([new_uid() for _ in rows], dtype="U16"),
            set_uids=np.full(len(rows), refined.uid, dtype="U16"),
            origins=old.uids[rows],
            positions_angstrom=poses.positions_angstrom[rows],
            angles_deg=angles_of_matrices(poses.rotations[rows]),
            scores=self.gathered.scores[rows],
            halves=self.subjects.halves[rows],
        )

    def _series_records(self) -> tuple[list[Alignment], list[Ctf]]:
        """Return alignments and CTFs of the series whose images are seen otherwise than before."""
        from tomotui.algorithms.refine.state import has_changed

        alignments: list[Alignment] = []
        ctfs: list[Ctf] = []
        for one, subject, images in zip(
            self.refinement.series, self.subjects.subjects, self.subjects.images, strict=True
        ):
            model, before = one.model, one.began_with
            alignment = subject.alignment
            if has_changed(model, before, "angles", "shifts", "nodes"):
                alignment = refined_alignment(alignment, images.used, model)
                alignments.append(alignment)
            if has_changed(model, before, "magnification"):
                self.task.log(
                    f"{one.name} shows particles {model.magnification:.4f} times as large as the "
                    "maps: its pixel size may be wrong by that"
                )
            if subject.ctf is not None and has_changed(model, before, "defocus"):
                ctfs.append(refined_ctf(subject.ctf, alignment.uid, images.used, model))
        return alignments, ctfs

    def _map_record(
        self,
        name: str,
        symmetry: str,
        refined: ParticleSet,
        n_particles: int,
        maps: HalfMaps,
        mass_kda: float | None,
        b_factor_a2: float | None,
    ) -> Map:
        from tomotui.imaging.local_resolution import local_resolution, locally_filtered

        folder, pixel = self.task.folder, maps.pixel_size_angstrom
        files: dict[str, Tensor] = {
            "half1.mrc": maps.halves[0],
            "half2.mrc": maps.halves[1],
            "mask.mrc": maps.mask,
            "unfiltered.mrc": maps.whole,
        }
        final = self._sharpened(maps, mass_kda, b_factor_a2)
        try:
            local = local_resolution(
                maps.halves[0], maps.halves[1], pixel, maps.mask, overall=maps.fsc
            )
            files["local_resolution.mrc"] = local.resolution_angstrom
            final = locally_filtered(final, local.resolution_angstrom, pixel)
        except ValueError as error:
            self.task.warn(f"no local resolution: {error}")
        files["map.mrc"] = final
        for file, values in files.items():
            write_map(folder / file, values, pixel)
            self.task.artifact(file.removesuffix(".mrc"), folder / file)
        details = folder / DETAILS_FILE
        write_arrays(details, self._all_details(maps))
        self.task.artifact("details", details)
        size = maps.mask.shape[-1]
        resolution = maps.resolution_angstrom

        def stored(file: str) -> str | None:
            return self.task.relative(folder / file) if file in files else None

        return Map(
            name=name,
            path=self.task.relative(folder / "map.mrc"),
            size_xyz=(size, size, size),
            pixel_size_angstrom=pixel,
            half_paths=(
                self.task.relative(folder / "half1.mrc"),
                self.task.relative(folder / "half2.mrc"),
            ),
            symmetry=symmetry,
            resolution_angstrom=resolution if math.isfinite(resolution) else None,
            particle_set_uid=refined.uid,
            mask_path=stored("mask.mrc"),
            unfiltered_path=stored("unfiltered.mrc"),
            local_resolution_path=stored("local_resolution.mrc"),
            details_path=self.task.relative(details),
            n_particles=n_particles,
            made_by="refine",
        )

    def _sharpened(
        self, maps: HalfMaps, mass_kda: float | None, b_factor_a2: float | None
    ) -> Tensor:
        from tomotui.imaging.sharpening import protein_profile, sharpened

        volume = (self.refinement.plan.diameter_angstrom / 2) ** 3 * 4 / 3 * math.pi
        # Half of the ball is protein, at 0.81 Da for a cubic Angstrom.
        profile = protein_profile(mass_kda or 0.5 * 0.81e-3 * volume)
        try:
            return sharpened(
                maps.whole, maps.fsc, mask=maps.mask, b_factor_a2=b_factor_a2, profile=profile
            ).values
        except ValueError as error:
            self.task.warn(f"the map is not sharpened: {error}")
            return maps.whole

    # Details

    def _all_details(self, maps: HalfMaps) -> dict[str, Any]:
        assert self.gathered is not None
        known = np.isfinite(self.gathered.scores)
        details: dict[str, Any] = {
            **self.course.columns(self.refinement.iterations),
            **fsc_curves(maps.fsc),
            "series_names": np.array([one.name for one in self.refinement.series]),
            "view_rotations": self.gathered.poses.rotations[known],
        }
        for number, one in enumerate(self.refinement.series):
            model, before = one.model, one.began_with
            moved = model.geometry.shift_angstrom - before.geometry.shift_angstrom
            details[f"tilt_deg_{number}"] = model.geometry.tilt_deg
            details[f"tilt_index_{number}"] = np.array(self.subjects.images[number].used)
            at = self.gathered.poses.positions_angstrom[known & self._is_of(number)]
            details[f"tilt_score_{number}"] = self.gathered.view_scores[number] / max(1, len(at))
            details[f"tilt_shift_angstrom_{number}"] = moved
            if model.ctf is not None and before.ctf is not None:
                details[f"tilt_defocus_change_angstrom_{number}"] = (
                    model.ctf.defocus_u_angstrom - before.ctf.defocus_u_angstrom
                )
            details[f"motion_points_angstrom_{number}"] = at[:, :2]
            # On the raw images, with the shifts of whole images as they are now.
            seen = before.places(at)[..., :2].transpose(1, 0, 2) + moved[:, None]
            details[f"motion_seen_angstrom_{number}"] = seen.astype(np.float32)
            details[f"motion_angstrom_{number}"] = (
                model.places(at)[..., :2].transpose(1, 0, 2) - seen
            )
        return details

    def _is_of(self, number: int) -> NDArray[np.bool_]:
        """Return which of the rows that were gathered are particles of a series."""
        assert self.gathered is not None
        tomogram = self.subjects.subjects[number].tomogram.uid
        mine: NDArray[np.bool_] = self.subjects.table.tomogram_uids == tomogram
        return mine[: len(self.gathered.scores)]


def refined_alignment(alignment: Alignment, used: list[int], model: Any) -> Alignment:
    """Return an alignment of its own with the tilts in use as refined; the others stay.

    Parameters
    ----------
    used
        Sections of the stack that the model's tilts are.
    """
    place = {index: number for number, index in enumerate(used)}
    geometry, local = model.geometry, model.local
    tilts: list[TiltAlignment] = []
    for tilt in alignment.tilts:
        number = place.get(tilt.index)
        if number is None:
            tilts.append(tilt)
            continue
        x, y = geometry.shift_angstrom[number]
        tilts.append(
            tilt.replace(
                tilt_deg=float(geometry.tilt_deg[number]),
                x_tilt_deg=float(geometry.x_tilt_deg[number]),
                axis_deg=float(geometry.axis_deg[number]),
                shift_x_angstrom=float(x),
                shift_y_angstrom=float(y),
            )
        )
    record = None
    if local is not None:
        nodes = np.zeros((len(alignment.tilts), *local.nodes_angstrom.shape[1:]))
        for row, tilt in enumerate(alignment.tilts):
            if tilt.index in place:
                nodes[row] = local.nodes_angstrom[place[tilt.index]]
        record = type(local)(nodes, local.half_extent_angstrom).to_record()
    return alignment.replace(
        uid=new_uid(),
        source="tomotui refine",
        tilts=tuple(tilts),
        local=record,
        details_path=None,
        note="refined with particles as markers",
    )


def refined_ctf(ctf: Ctf, alignment_uid: str, used: list[int], model: Any) -> Ctf:
    """Return a CTF of its own with the defocus as refined."""
    place = {index: number for number, index in enumerate(used)}
    tilts = tuple(
        tilt
        if tilt.index not in place
        else tilt.replace(
            defocus_u_angstrom=float(model.ctf.defocus_u_angstrom[place[tilt.index]]),
            defocus_v_angstrom=float(model.ctf.defocus_v_angstrom[place[tilt.index]]),
        )
        for tilt in ctf.tilts
    )
    return ctf.replace(
        uid=new_uid(),
        alignment_uid=alignment_uid,
        source="tomotui refine",
        tilts=tilts,
        details_path=None,
        note="refined with particles as markers",
    )


def _with_those_before(
    made: Sequence[Alignment | Ctf], subjects: Subjects, before: Sequence[str]
) -> tuple[str, ...]:
    """Return identities of what was refined now, and before in series that stayed as they were."""
    again = {one.series_uid for one in made}
    seen_by: list[Alignment | Ctf | None] = []
    for one in subjects.subjects:
        if one.series.uid not in again:
            seen_by += [one.alignment, one.ctf]
    kept = [one.uid for one in seen_by if one is not None and one.uid in before]
    return (*(one.uid for one in made), *kept)

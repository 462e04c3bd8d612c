"""What a multibody refinement leaves: maps and poses of bodies, their motions and stances."""

from __future__ import annotations

import csv
import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tomotui.records import AnyRecord, Landscape, Map, ParticleSet
from tomotui.stages.averaged_particles import AveragedParticles
from tomotui.stages.base import StageError, StageResult, Task
from tomotui.stages.map_files import fsc_curves, half_maps_record, write_arrays, write_map
from tomotui.stages.multibody_stances import Stances, measured_stances

if TYPE_CHECKING:
    from tomotui.algorithms.bodies.gathering import Measured
    from tomotui.algorithms.bodies.motions import Motions
    from tomotui.algorithms.bodies.refinement import MultibodyRefinement
    from tomotui.algorithms.refine.maps import HalfMaps
    from tomotui.records.particle_table import ParticleTable
    from tomotui.stages.multibody import MultibodyParameters

Array = NDArray[np.float64]

LANDSCAPE_FILE, ANGLES_FILE, CONSENSUS_FILE = "landscape.npz", "angles.csv", "consensus.mrc"
FEWEST_COORDINATES = 3
"""Principal motions that are kept even where they are no more than noise."""


class MultibodyFiles:
    """Writes what was found of bodies.

    Parameters
    ----------
    bodies
        Refined.
    measured
        Their motions.
    """

    def __init__(
        self,
        task: Task,
        averaged: AveragedParticles,
        bodies: MultibodyRefinement,
        measured: Measured,
        parameters: MultibodyParameters,
    ) -> None:
        self.task, self.averaged, self.bodies = task, averaged, bodies
        self.measured, self.parameters = measured, parameters
        self.motions = self._motions()
        self.stances = self._stances()

    # What was found

    def _motions(self) -> Motions:
        from tomotui.algorithms.bodies.masks import inertia_of
        from tomotui.algorithms.bodies.motions import centred, displacement_metric, find_motions

        bodies, measured = self.bodies, self.measured
        maps, moving = bodies.consensus, bodies.arrangement.moving
        shares, moments = inertia_of(maps.reference, bodies.masks, bodies.pivots_px)
        metric = displacement_metric(shares[moving], moments[moving] * maps.pixel_size_angstrom**2)
        halves = self.averaged.subjects.halves[measured.rows]
        whole, first, second = (
            centred(one, halves) for one in (measured.other, measured.first, measured.second)
        )
        return find_motions(whole, first, second, metric, self.parameters.seed)

    def _stances(self) -> Stances | None:
        parameters = self.parameters
        if parameters.normals == "none":
            return None
        return measured_stances(
            self.task,
            self.averaged,
            self.measured,
            parameters.axis,
            parameters.normals == "membrane",
            parameters.membrane_depth_angstrom or self.averaged.diameter,
        )

    # What is made

    def result(self, name: str) -> StageResult:
        """Write everything, and describe it as records."""
        sets = self._sets(name)
        if self.averaged.ranks.rank:
            return StageResult()
        self.task.progress(0.96, "writing")
        whole, maps = self._composite(name), self._body_maps(name)
        landscape = self._landscape(name, whole)
        self._write_angles()
        records: list[AnyRecord] = [whole, *maps, *(one for one, _ in sets), landscape]
        metrics = {
            "particles": float(len(self.measured.rows)),
            "motions": float(self.motions.n_motions),
        }
        for number, one in enumerate(self.bodies.maps, start=1):
            if math.isfinite(one.resolution_angstrom):
                metrics[f"resolution of body {number}"] = one.resolution_angstrom
        return StageResult(
            records=tuple(records),
            particles=tuple(table for _, table in sets),
            metrics=metrics,
            summary=self._summary(),
        )

    def _sets(self, name: str) -> list[tuple[ParticleSet, ParticleTable]]:
        """Return a set for each body, whose poses bring the body's map where it was seen."""
        from tomotui.geometry.poses import angles_of_matrices

        bodies, whole, work = self.bodies, self.averaged.set, self.bodies.work
        old, halves = self.averaged.subjects.table, self.averaged.subjects.halves
        scores, pivots = work.all_rows(bodies.scores), bodies.arrangement.pivots_angstrom
        rows = np.flatnonzero(np.isfinite(scores))
        found = []
        for body in range(bodies.n_bodies):
            poses = [one.whole(body, pivots) for one in bodies.poses]
            rotations = work.all_rows([one.rotations for one in poses])
            at = work.all_rows([one.positions_angstrom for one in poses])
            made = ParticleSet(
                name=f"{name} body {body + 1}",
                species=whole.species,
                diameter_angstrom=self.averaged.diameter,
                parent_uid=whole.uid,
                made_by="body",
                alignment_uids=whole.alignment_uids,
                ctf_uids=whole.ctf_uids,
            )
            table = old.select(rows).descendants(
                made.uid,
                positions_angstrom=at[rows],
                angles_deg=angles_of_matrices(rotations[rows]),
                scores=scores[rows],
                halves=halves[rows],
            )
            found.append((made, table))
        self.set_uids = [made.uid for made, _ in found]
        return found

    def _composite(self, name: str) -> Map:
        """Write the bodies' maps put together, and the consensus that they are better than."""
        from tomotui.algorithms.bodies.maps import composite

        path, consensus = self.task.folder / CONSENSUS_FILE, self.bodies.consensus
        write_map(path, consensus.whole, consensus.pixel_size_angstrom)
        self.task.artifact("consensus", path)
        return self._record(
            composite(self.bodies.maps, consensus),
            "composite",
            f"{name} composite",
            self.averaged.set.uid,
        )

    def _body_maps(self, name: str) -> list[Map]:
        """Write the map of each body, and beside its own curve that of the consensus in it."""
        found = []
        for number, (maps, uid) in enumerate(
            zip(self.bodies.maps, self.set_uids, strict=True), start=1
        ):
            record = self._record(maps, f"body{number}", f"{name} body {number}", uid)
            before = self.bodies.consensus_fsc(number - 1)
            path = self.task.folder / f"body{number}_details.npz"
            curves = {f"consensus_{key}": one for key, one in fsc_curves(before).items()}
            write_arrays(path, {**fsc_curves(maps.fsc), **curves})
            found.append(record)
        return found

    def _record(self, maps: HalfMaps, stem: str, name: str, set_uid: str) -> Map:
        return half_maps_record(
            self.task,
            maps,
            stem=stem,
            name=name,
            symmetry="C1",
            particle_set_uid=set_uid,
            n_particles=len(self.measured.rows),
            made_by="multibody",
        )

    # Motions

    def _landscape(self, name: str, composite: Map) -> Landscape:
        motions, measured, subjects = self.motions, self.measured, self.averaged.subjects
        kept = min(len(motions.modes), max(FEWEST_COORDINATES, motions.n_motions))
        path = self.task.folder / LANDSCAPE_FILE
        agreement = self._agreement(kept)
        write_arrays(
            path,
            {
                "uids": subjects.table.uids[measured.rows],
                "halves": subjects.halves[measured.rows],
                "coordinates": motions.amplitudes_angstrom[:, :kept],
                "spread": motions.spread_angstrom[:, :kept],
                "axes": np.eye(kept),
                "deviations": motions.deviations_angstrom[:kept],
                "agreements": motions.agreements[:kept],
                "by_chance": motions.by_chance[:kept],
                "modes_deg_angstrom": motions.modes[:kept],
                "box_px": self.bodies.work.box,
                "pixel_size_angstrom": self.bodies.work.pixel_size_angstrom,
                **self._mixture(kept),
                **(self.stances.arrays() if self.stances else {}),
            },
        )
        self.task.artifact("landscape", path)
        return Landscape(
            name=name,
            method="bodies",
            particle_set_uid=self.averaged.set.uid,
            map_uid=composite.uid,
            path=self.task.relative(path),
            n_coordinates=kept,
            n_motions=motions.n_motions,
            agreement=agreement,
        )

    def _agreement(self, kept: int) -> float | None:
        """Return how far amplitudes from maps of the two halves agree, for the motions told of."""
        n = min(kept, self.motions.n_motions)
        if not n:
            return None
        from tomotui.algorithms.bodies.motions import centred

        halves = self.averaged.subjects.halves[self.measured.rows]
        along = np.linalg.pinv(self.motions.modes)[:, :n]
        one = self.motions.estimates.means @ along
        two = centred(self.measured.own, halves).means @ along
        return float(np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(one.T, two.T, strict=True)]))

    def _mixture(self, kept: int) -> dict[str, Any]:
        """Return Gaussians that show the motions, as arrays."""
        from tomotui.algorithms.bodies.maps import composite
        from tomotui.algorithms.landscape.seeding import gaussians_of_map
        from tomotui.geometry.mixtures import MovingMixture, RigidBodies

        bodies, pixel = self.bodies, self.bodies.work.pixel_size_angstrom
        whole = composite(bodies.maps, bodies.consensus)
        mean = whole.reference
        try:
            centres, amplitudes, widths = gaussians_of_map(
                mean, pixel, self.parameters.gaussians, seed=self.parameters.seed
            )
        except ValueError as error:
            raise StageError(
                f"{error}: the particles' average shows nothing.",
                "Refine the particles first: tomotui run refine",
            ) from error
        size = mean.shape[-1]
        x, y, z = (np.rint(centres / pixel).astype(int) + size // 2).clip(0, size - 1).T
        shares = bodies.masks.cpu().numpy()[:, z, y, x].T
        shares = shares / shares.sum(axis=1, keepdims=True).clip(1e-6)
        modes = np.zeros((kept, bodies.n_bodies, 6))
        modes[:, bodies.arrangement.moving] = self.motions.modes[:kept].reshape(kept, -1, 6)
        modes[..., :3] = np.deg2rad(modes[..., :3])
        moving = RigidBodies(
            shares.astype(np.float32),
            bodies.arrangement.pivots_angstrom.astype(np.float32),
            modes.astype(np.float32),
        )
        return dict(MovingMixture(centres, amplitudes, widths, moving).arrays())

    def _write_angles(self) -> None:
        """Write how each moving body of each particle lies, one row a particle and body."""
        path, found = self.task.folder / ANGLES_FILE, self.motions.estimates
        table = self.averaged.subjects.table.select(self.measured.rows)
        errors = np.sqrt(np.einsum("pii->pi", found.covariances).clip(0.0))
        moving = self.bodies.arrangement.moving.tolist()
        axes = "xyz"
        columns = ["uid", "tomogram", "body"]
        columns += [f"turn_{a}_deg" for a in axes] + [f"shift_{a}_angstrom" for a in axes]
        columns += [f"turn_{a}_error_deg" for a in axes]
        columns += [f"shift_{a}_error_angstrom" for a in axes]
        columns += list(self.stances.column_names()) if self.stances else []
        temporary = path.with_name(f".{path.name}.partial")
        try:
            with temporary.open("w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file)
                writer.writerow(columns)
                for row in range(len(table)):
                    for body in range(self.bodies.n_bodies):
                        values = np.zeros(12)
                        if body in moving:
                            mine = slice(6 * moving.index(body), 6 * moving.index(body) + 6)
                            values = np.r_[found.means[row, mine], errors[row, mine]]
                        told = self.stances.columns(row, body) if self.stances else []
                        writer.writerow(
                            [table.uids[row], table.tomogram_uids[row], body + 1]
                            + [f"{one:.4f}" for one in (*values, *told)]
                        )
            temporary.replace(path)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise StageError(f"{path} cannot be written: {error}.", "Free some room.") from error
        self.task.artifact("angles", path)

    def _summary(self) -> str:
        """Say in one line what was reached and what moves."""
        parts = []
        for number, one in enumerate(self.bodies.maps, start=1):
            before = self.bodies.consensus_fsc(number - 1).resolution()
            parts.append(f"body {number} {_said(one.resolution_angstrom)} (whole {_said(before)})")
        motions = self.motions
        if not motions.n_motions:
            parts.append("no motion beyond noise")
        else:
            noun = "motion" if motions.n_motions == 1 else "motions"
            turn, body = self._greatest_turn()
            parts.append(
                f"{motions.n_motions} {noun} beyond noise, the first turns body {body} by "
                f"{turn:.1f} deg rms"
            )
        if self.stances:
            parts.append(self.stances.said())
        return "; ".join(parts)

    def _greatest_turn(self) -> tuple[float, int]:
        """Return by how much the first motion turns the body that it turns most, degrees."""
        one = self.motions.modes[0] * self.motions.deviations_angstrom[0]
        turns = np.linalg.norm(one.reshape(-1, 6)[:, :3], axis=1)
        body = int(turns.argmax())
        return float(turns[body]), int(self.bodies.arrangement.moving[body]) + 1


def _said(resolution_angstrom: float) -> str:
    return f"{resolution_angstrom:.1f} A" if math.isfinite(resolution_angstrom) else "no agreement"

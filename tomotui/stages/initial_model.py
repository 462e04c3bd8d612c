"""initial-model: first maps of particles, from no reference and no orientations."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tomotui.records import Map
from tomotui.stages.averaging_inputs import Subjects, diameter_of, subjects_with_particles
from tomotui.stages.averaging_joined import FINEST_SHARE, join_particles
from tomotui.stages.base import (
    Inputs,
    SampleParameters,
    Stage,
    StageError,
    StageResult,
    Task,
    parameter,
)
from tomotui.stages.particle_choice import Decisions, chosen_particles, one_set

if TYPE_CHECKING:
    from torch import Tensor

    from tomotui.algorithms.initial_model.plan import Outcome, Progress


class InitialModelParameters(SampleParameters):
    """The choices of a first map."""

    particles: tuple[str, ...] = parameter((), "The particle set; needed where there are several.")
    n_maps: int = parameter(
        1,
        "Maps to make: particles that are none of the first find a place in another.",
        ge=1,
        le=12,
    )
    symmetry: str = parameter("", "Point group, or find; that of the particle set when empty.")
    diameter_angstrom: float | None = parameter(
        None, "Of the particle; that of the set when not said.", unit="angstrom", gt=0
    )
    resolution_angstrom: float | None = parameter(
        None,
        "Detail to reach; refine goes on from there. 11 % of the diameter when not said.",
        unit="angstrom",
        gt=0,
    )
    decisions: Decisions = parameter(
        "kept", "Particles to use: kept leaves rejected ones out, accepted uses no others."
    )
    min_score: float | None = parameter(None, "Least score of particles to use.")
    most_particles: int = parameter(
        2000, "Use no more than this, drawn at random.", ge=4, le=100_000
    )
    shift_reach_angstrom: float = parameter(
        15.0, "How far particles may be from where they were picked.", unit="angstrom", ge=0
    )
    cone_deg: float = parameter(
        180.0,
        "Greatest angle between a particle's z axis and the direction it was given, such as a "
        "membrane's normal or a filament's axis.",
        unit="deg",
        gt=0,
        le=180,
    )
    steps: int = parameter(60, "At most; it stops by itself.", group="advanced", ge=5, le=1000)
    batch: int = parameter(
        48, "Particles in a step in the beginning.", group="advanced", ge=8, le=4096
    )
    name: str = parameter("", "Name of the map; from the set when empty.")
    seed: int = parameter(0, "Of all that is random.", group="advanced", ge=0)


class InitialModelStage(Stage):
    """First maps, to be refined."""

    name = "initial-model"
    title = "Initial model"
    summary = "Make first maps of particles from nothing: no reference, no orientations."
    parameters_type = InitialModelParameters
    reports = ("steps", "score", "change", "resolution")
    takes = ("tilt_series", "tomogram", "alignment", "particle_set")
    optional = ("ctf",)
    gives = ("map",)
    needs = "gpu"
    scope = "sample"
    takes_particles = True

    def run(self, task: Task, inputs: Inputs, parameters: InitialModelParameters) -> StageResult:
        """Make first maps of the particles of one set."""
        import torch

        torch.set_num_threads(task.threads)
        with torch.inference_mode():
            return _FirstMaps(task, inputs, parameters).run()


class _FirstMaps:
    """One search for first maps."""

    def __init__(self, task: Task, inputs: Inputs, parameters: InitialModelParameters) -> None:
        from tomotui.geometry.symmetry import symmetry_rotations

        self.task, self.inputs, self.parameters = task, inputs, parameters
        self.set = one_set(inputs)
        self.diameter = diameter_of(self.set, parameters.diameter_angstrom)
        wanted = parameters.symmetry or self.set.symmetry
        self.resolution = parameters.resolution_angstrom or round(FINEST_SHARE * self.diameter, 1)
        self.finds_symmetry = wanted.strip().lower() == "find"
        self.symmetry = "C1" if self.finds_symmetry else wanted
        try:
            symmetry_rotations(self.symmetry)
        except ValueError as error:
            raise StageError(f"{error}, or find.") from error

    def run(self) -> StageResult:
        """Gather, look, write."""
        from tomotui.algorithms.initial_model.annealing import Annealing
        from tomotui.algorithms.initial_model.plan import AnnealingPlan

        parameters = self.parameters
        self.task.progress(0.0, "gathering particles")
        subjects = self._subjects()
        joined = join_particles(
            subjects,
            self.diameter,
            self.resolution,
            self.task.device,
            lambda share, words: self.task.progress(0.1 * share, words),
        )
        self.pixel = joined.pixel_size_angstrom
        plan = AnnealingPlan.to(
            self.resolution,
            self.diameter,
            self.pixel,
            shift_reach_angstrom=parameters.shift_reach_angstrom,
            symmetry=self.symmetry,
            n_classes=parameters.n_maps,
            n_steps=parameters.steps,
            batch=parameters.batch,
            seed=parameters.seed,
        )
        limited = joined.directions if parameters.cone_deg < 180 else None
        annealing = Annealing(joined.views, plan, limited, parameters.cone_deg)
        outcome = annealing.run(self._told)
        if not outcome.has_settled:
            self.task.log(f"the maps still changed a little after {outcome.steps} steps")
        if outcome.rival is not None:
            self.task.log(
                "the particle is nearly round: its directions were taken the other way as well; "
                f"what is kept is likelier by {outcome.rival:.1f} a particle"
            )
        return self._result(outcome, len(joined.views))

    def _subjects(self) -> Subjects:
        parameters = self.parameters
        table = chosen_particles(self.inputs, parameters.decisions, parameters.min_score)
        if len(table) > parameters.most_particles:
            chance = np.random.default_rng([parameters.seed, 11])
            drawn = chance.choice(len(table), parameters.most_particles, replace=False)
            self.task.log(f"{parameters.most_particles} of {len(table)} particles are used")
            table = table.select(np.sort(drawn))
        return subjects_with_particles(self.task, self.inputs, self.set, table, parameters.seed)

    def _told(self, progress: Progress) -> None:
        share = min(1.0, progress.step / self.parameters.steps)
        words = f"{progress.resolution_angstrom:.0f} A, change {progress.change:.4f}"
        self.task.progress(0.1 + 0.88 * share, words)
        step = float(progress.step)
        self.task.metric("score", progress.score, step)
        self.task.metric("change", progress.change, step)
        self.task.metric("resolution", progress.resolution_angstrom, step, "angstrom")
        if progress.step % 5 == 0 or progress.step == 1:
            largest = int(np.argmax(progress.populations))
            path = self.task.folder / "progress.mrc"
            self._write(path, progress.maps[largest])
            self.task.artifact("progress-map", path)

    def _result(self, outcome: Outcome, n_particles: int) -> StageResult:
        order = np.argsort(outcome.populations)[::-1]
        base = self.parameters.name or f"{self.set.name}-initial"
        records = []
        for place, number in enumerate(order):
            name = base if len(order) == 1 else f"{base}-{place + 1}"
            values, symmetry = self._symmetrised(outcome.maps[int(number)])
            path = self.task.folder / f"{name}.mrc"
            self._write(path, values)
            self.task.artifact(name, path)
            side = values.shape[-1]
            records.append(
                Map(
                    name=name,
                    path=self.task.relative(path),
                    size_xyz=(side, side, side),
                    pixel_size_angstrom=self.pixel,
                    symmetry=symmetry,
                    particle_set_uid=self.set.uid,
                    n_particles=round(float(outcome.populations[number]) * n_particles),
                    made_by="initial-model",
                )
            )
        # The newest is what refine begins with: the map of most particles.
        shares = ", ".join(f"{outcome.populations[number]:.0%}" for number in order)
        words = f"{len(order)} maps ({shares})" if len(order) > 1 else "1 map"
        return StageResult(
            records=tuple(reversed(records)),
            metrics={"steps": float(outcome.steps), "score": float(outcome.history[-1, 0])},
            summary=f"{words} of {n_particles} particles after {outcome.steps} steps",
        )

    def _symmetrised(self, values: Tensor) -> tuple[Tensor, str]:
        """Return a map in the frame of the symmetry that it shows, where that is looked for."""
        if not self.finds_symmetry:
            return values, self.symmetry
        import torch

        from tomotui.algorithms.refine.maps import turned
        from tomotui.geometry.symmetry import symmetry_rotations
        from tomotui.imaging.map_symmetry import find_symmetry

        resolution = self.resolution
        found = find_symmetry(values, self.pixel, self.diameter, resolution)
        self.task.log(f"symmetry {found.name} (correlation {found.score:.2f})")
        if found.name == "C1":
            return values, "C1"
        group = symmetry_rotations(found.name) @ found.rotation
        x, y, z = (found.centre_angstrom / self.pixel).tolist()
        placed = turned(values, torch.as_tensor(group, dtype=torch.float32), (x, y, z))
        return placed, found.name

    def _write(self, path: Path, values: Tensor) -> None:
        from tomotui.formats.errors import FormatError
        from tomotui.formats.mrc import write_volume

        try:
            write_volume(path, values.float().cpu().numpy(), self.pixel)
        except FormatError as error:
            raise StageError(str(error)) from error

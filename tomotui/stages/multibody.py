"""multibody: parts of particles that move as rigid bodies, each refined by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

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
from tomotui.stages.checkpoints import Checkpoint
from tomotui.stages.multibody_inputs import FEWEST, MOST, Point, body_masks
from tomotui.stages.particle_choice import Decisions, chosen_particles

if TYPE_CHECKING:
    from tomotui.algorithms.bodies.refinement import MultibodyRefinement, RoundResult


COARSE_SHARE = 0.12
"""Detail that poses of bodies begin with, over the particle's diameter."""


class MultibodyParameters(SampleParameters):
    """The choices of a multibody refinement."""

    particles: tuple[str, ...] = parameter(
        (), "The particle set, with orientations; needed where there are several."
    )
    bodies: int = parameter(
        2,
        "Bodies that the map is cut into along its valleys, where no masks or points are given.",
        ge=FEWEST,
        le=MOST,
    )
    masks: tuple[str, ...] = parameter(
        (), "Files of soft masks in the frame of the particles' map, one for each body."
    )
    points: tuple[tuple[Point, ...], ...] = parameter(
        (),
        "Points on each body instead, (x, y, z) from the map's centre: the map is flooded from "
        "them. As JSON: [[[x,y,z],...],[[x,y,z],...]].",
        unit="angstrom",
    )
    fixed: int = parameter(
        0,
        "Body beside which the others are said to move; the one that the map shows best when 0.",
        ge=0,
    )
    rounds: int = parameter(5, "Rounds of poses and maps of bodies.", ge=1, le=50)
    consensus_rounds: int = parameter(
        2, "Rounds of poses of the whole particle before.", ge=0, le=20
    )
    normals: Literal["none", "axis", "membrane"] = parameter(
        "none",
        "What bodies' tilts are measured from: the z axis that particles came with, or the normal "
        "of the membrane below them as the tomogram shows it (that axis where it shows none).",
    )
    axis: Point = parameter(
        (0.0, 0.0, 1.0), "Axis of bodies in the map whose tilt from the normal is measured."
    )
    membrane_depth_angstrom: float | None = parameter(
        None,
        "How far below a particle the membrane is looked for; a diameter when not said.",
        unit="angstrom",
        gt=0,
    )
    box_px: int = parameter(
        64, "About how many pixels the views are to have: no detail is finer than two of them.",
        unit="px", ge=24, le=512,
    )  # fmt: skip
    overlap_angstrom: float = parameter(
        20.0, "Width of the zone that two bodies share.", unit="angstrom", group="advanced", ge=0
    )
    turn_spread_deg: float = parameter(
        10.0,
        "How far bodies are thought to turn before any was seen; learnt from them afterwards.",
        unit="deg",
        group="advanced",
        gt=0,
        le=60,
    )
    shift_spread_angstrom: float = parameter(
        5.0, "The same of shifts.", unit="angstrom", group="advanced", gt=0
    )
    diameter_angstrom: float | None = parameter(
        None, "Of the particle; that of the set when not said.", unit="angstrom", gt=0
    )
    box_angstrom: float | None = parameter(
        None, "Side of the views; 1.5 diameters when not said.", unit="angstrom", gt=0
    )
    decisions: Decisions = parameter(
        "kept", "Particles to use: kept leaves rejected ones out, accepted uses no others."
    )
    min_score: float | None = parameter(None, "Least score of particles to use.")
    classes: tuple[int, ...] = parameter((), "Classes to use; all when none is named.")
    gaussians: int = parameter(
        800, "Gaussians that show the motions.", group="advanced", ge=50, le=20000
    )
    memory_gb: float = parameter(
        4.0, "Room for views; beyond that they are read again.", unit="GB", group="advanced", gt=0
    )
    name: str = parameter("", "Name of maps, sets and landscape; from the set when empty.")
    seed: int = parameter(0, "Of how halves are dealt out, and of trials.", group="advanced", ge=0)


class MultibodyStage(Stage):
    """Maps and poses of bodies, and their motions."""

    name = "multibody"
    title = "Multibody"
    summary = "Refine parts of particles that move as rigid bodies, and tell how they move."
    parameters_type = MultibodyParameters
    reports = ("particles", "motions", "score")
    takes = ("tilt_series", "tomogram", "alignment", "particle_set")
    optional = ("ctf",)
    gives = ("map", "particle_set", "landscape")
    needs = "gpu"
    scope = "sample"
    shares_work = True
    takes_particles = True

    def run(self, task: Task, inputs: Inputs, parameters: MultibodyParameters) -> StageResult:
        """Refine the bodies of the particles of one set."""
        import torch

        torch.set_num_threads(task.threads)
        with torch.inference_mode():
            return _Course(task, inputs, parameters).run()


class _Course:
    """One multibody refinement at work."""

    def __init__(self, task: Task, inputs: Inputs, parameters: MultibodyParameters) -> None:
        self.task, self.inputs, self.parameters = task, inputs, parameters
        if not np.linalg.norm(parameters.axis) > 0:
            raise StageError("axis: give a direction, such as 0,0,1.")
        self.checkpoint = Checkpoint(task, parameters.model_dump_json(), "multibody refinement")

    def run(self) -> StageResult:
        """Average, cut into bodies, refine them, measure their motions, write."""
        from tomotui.stages.multibody_files import MultibodyFiles

        parameters = self.parameters
        table = chosen_particles(
            self.inputs, parameters.decisions, parameters.min_score, parameters.classes
        )
        self.averaged = AveragedParticles(
            self.task,
            self.inputs,
            table,
            diameter_angstrom=parameters.diameter_angstrom,
            box_angstrom=parameters.box_angstrom,
            box_px=parameters.box_px,
            memory_gb=parameters.memory_gb,
            seed=parameters.seed,
        )
        self._say_symmetry()
        self.averaged.span(0.2, 0.3)
        states: list[dict[str, Any]] = []
        self.checkpoint.resume(lambda state: states.append(self._checked(state)), self.task.device)
        before = states[0] if states else None
        self._refine_consensus(before)
        bodies = self._bodies()
        if before is not None:
            bodies.take_up(before["bodies"])
        self._refine_bodies(bodies)
        self.averaged.span(0.85, 0.95)
        measured = bodies.measure()
        files = MultibodyFiles(self.task, self.averaged, bodies, measured, parameters)
        result = files.result(parameters.name or f"{self.averaged.set.name}-bodies")
        self.checkpoint.forget()
        return result

    def _say_symmetry(self) -> None:
        whole = self.averaged.set
        if whole.symmetry.upper() != "C1":
            self.task.warn(
                f"{whole.name} has symmetry {whole.symmetry}: bodies are refined without; those "
                f"that it makes several of need tomotui particles expand {whole.name} before"
            )

    # The course

    @staticmethod
    def _checked(state: dict[str, Any]) -> dict[str, Any]:
        """Return a state that has both its parts."""
        return {"consensus": state["consensus"], "bodies": state["bodies"]}

    def _refine_consensus(self, before: dict[str, Any] | None) -> None:
        refinement = self.averaged.refinement
        if before is not None:
            refinement.take_up(before["consensus"])
            refinement.make_maps()
            return
        n = self.parameters.consensus_rounds
        for number in range(n):
            self.averaged.span(0.2 + 0.1 * number / n, 0.2 + 0.1 * (number + 1) / n)
            found = refinement.iterate("p")
            self.task.log(
                f"whole particle: {found.resolution_angstrom:.2f} A, poses changed by "
                f"{found.change_deg:.2f} deg, {found.change_angstrom:.2f} A"
            )

    def _bodies(self) -> MultibodyRefinement:
        """Cut the map into bodies."""
        from tomotui.algorithms.bodies.refinement import BodyPlan, MultibodyRefinement

        parameters, refinement = self.parameters, self.averaged.refinement
        assert refinement.maps is not None
        masks = body_masks(
            self.task,
            refinement.maps,
            self.averaged.diameter,
            parameters.bodies,
            parameters.masks,
            parameters.points,
            parameters.overlap_angstrom,
        )
        if parameters.fixed > len(masks):
            raise StageError(
                f"there is no body {parameters.fixed} of {len(masks)} to hold fixed.",
                f"Name one from 1 to {len(masks)}, or 0 for the one that is seen best.",
            )
        plan = BodyPlan(
            parameters.fixed - 1 if parameters.fixed else None,
            parameters.turn_spread_deg,
            parameters.shift_spread_angstrom,
            COARSE_SHARE * self.averaged.diameter,
        )
        bodies = MultibodyRefinement(refinement, masks, plan)
        pixel = refinement.work.pixel_size_angstrom
        for number, mask in enumerate(masks, start=1):
            volume = float(mask.sum()) * pixel**3 / 1000
            held = ", held fixed" if number - 1 == bodies.arrangement.fixed else ""
            self.task.log(f"body {number}: {volume:.0f} nm^3{held}")
        return bodies

    def _refine_bodies(self, bodies: MultibodyRefinement) -> None:
        n, first = self.parameters.rounds, len(bodies.rounds)
        consensus = self.averaged.refinement.state()
        for number in range(first, n):
            self.averaged.span(0.3 + 0.55 * number / n, 0.3 + 0.55 * (number + 1) / n)
            self._announce(bodies.iterate())
            state = {"consensus": consensus, "bodies": bodies.state()}
            if self.averaged.ranks.rank == 0:
                self.checkpoint.keep(state)
        if not bodies.maps:
            bodies.make_maps()

    def _announce(self, found: RoundResult) -> None:
        step = float(found.number)
        reached = ", ".join(f"{one:.2f}" for one in found.resolutions_angstrom)
        moved = "; ".join(
            f"{turn:.2f} deg, {shift:.2f} A"
            for turn, shift in zip(found.turn_deg, found.shift_angstrom, strict=True)
        )
        self.task.log(
            f"round {found.number}: {reached} A  score {found.score:.1f}  bodies move by {moved}"
        )
        for number, one in enumerate(found.resolutions_angstrom, start=1):
            self.task.metric(f"resolution of body {number}", one, step, "angstrom")
        self.task.metric("score", found.score, step)

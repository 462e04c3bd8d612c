"""classify: sort particles into classes of different structure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

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
from tomotui.stages.particle_choice import Decisions, chosen_particles

if TYPE_CHECKING:
    from torch import Tensor

    from tomotui.algorithms.classify.aligning import AligningClasses, ClassState
    from tomotui.algorithms.classify.beginnings import Begin
    from tomotui.algorithms.classify.evidence import Evidence, Support
    from tomotui.algorithms.classify.mixture import ClassPlan, Round, Sorted
    from tomotui.stages.classify_files import Found

FIRST_TEMPERATURE = 8.0
"""Where classes begin by chance."""

SETTLED_SHARE = 0.005
"""Of the particles that change their class, below which aligning goes no further."""

SEARCH_SHARE = 0.15
"""Detail over the diameter, of given maps that particles are searched with."""


class ClassifyParameters(SampleParameters):
    """The choices of a classification."""

    particles: tuple[str, ...] = parameter((), "The particle set; needed where there are several.")
    reference: tuple[str, ...] = parameter(
        (),
        "Maps to begin with, one for each class, in one frame: names, or files with bright "
        "protein (MRC). Without any, classes begin by what tells particles apart.",
    )
    classes: int = parameter(
        2, "Classes to make; as many as maps where maps are given.", ge=1, le=50
    )
    noise_class: bool = parameter(
        True, "Beside them a class of particles that are no structure at all."
    )
    alignment: Literal["none", "local", "full"] = parameter(
        "none",
        "Poses: none leaves them as they are; local refines them with each class map; full looks "
        "over all orientations first.",
    )
    focus: str = parameter(
        "", "File of a mask: classes differ only within, and are the map of all elsewhere."
    )
    begin: Literal["differences", "random"] = parameter(
        "differences",
        "Without maps: by clusters in the principal differences of particles, or by chance.",
    )
    runs: int = parameter(
        3, "Times to sort from another beginning, to see whether the same comes out.", ge=1, le=20
    )
    rounds: int = parameter(40, "Of sorting, at most; it stops by itself.", ge=1, le=500)
    aligned_rounds: int = parameter(
        3, "Of sorting and aligning together, at most, where poses are refined.", ge=1, le=50
    )
    settle: bool = parameter(
        True,
        "Refine poses with the map of all first, so that their errors make no classes; with "
        "alignment none that is only to sort by.",
        group="advanced",
    )
    temperature: float = parameter(
        1.0,
        "Above 1 particles are less sure of their class.",
        group="advanced",
        gt=0,
        le=100,
    )
    trust: float = parameter(
        1.0,
        "How much stronger class maps may differ than their halves agree on: above 1 less is "
        "filtered away.",
        group="advanced",
        gt=0,
        le=100,
    )
    box_px: int = parameter(
        48, "About how many pixels the views are to have.", unit="px", ge=24, le=256
    )
    resolution_angstrom: float | None = parameter(
        None,
        "Finest detail to sort by; all that the pixels hold when not said.",
        unit="angstrom",
        gt=0,
    )
    symmetry: str = parameter("", "Point group; that of the particle set when empty.")
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
    memory_gb: float = parameter(
        4.0, "Room for views; beyond that they are read again.", unit="GB", group="advanced", gt=0
    )
    name: str = parameter("", "Name of the classes; from the set when empty.")
    seed: int = parameter(0, "Of everything random.", group="advanced", ge=0)


class ClassifyStage(Stage):
    """Classes with a map each."""

    name = "classify"
    title = "Classify"
    summary = "Sort particles into classes of different structure, softly, with a map of each."
    parameters_type = ClassifyParameters
    reports = ("particles", "gain", "reproducibility", "changed", "score")
    takes = ("tilt_series", "tomogram", "alignment", "particle_set")
    optional = ("ctf", "map")
    gives = ("particle_set", "map", "classification")
    needs = "gpu"
    scope = "sample"
    takes_particles = True

    def run(self, task: Task, inputs: Inputs, parameters: ClassifyParameters) -> StageResult:
        """Sort the particles of one set over all series among the inputs."""
        import torch

        torch.set_num_threads(task.threads)
        with torch.inference_mode():
            return _Classifying(task, inputs, parameters).run()


class _Classifying:
    """One classification at work."""

    def __init__(self, task: Task, inputs: Inputs, parameters: ClassifyParameters) -> None:
        from tomotui.algorithms.classify.mixture import ClassPlan

        self.task, self.inputs, self.parameters = task, inputs, parameters
        self.n_classes = len(parameters.reference) or parameters.classes
        is_random = parameters.begin == "random" and not parameters.reference
        self.plan: ClassPlan = ClassPlan(
            self.n_classes,
            parameters.noise_class,
            parameters.temperature,
            parameters.trust,
            parameters.rounds,
            FIRST_TEMPERATURE if is_random else 1.0,
        )
        self.checkpoint = Checkpoint(task, parameters.model_dump_json(), "classification")
        self.step = 0

    def run(self) -> StageResult:
        """Gather, sort, align, write."""
        from tomotui.algorithms.classify.aligning import AligningClasses
        from tomotui.stages.classify_files import ClassFiles
        from tomotui.stages.classify_inputs import averaged_particles, focus_mask, given_maps

        parameters, task = self.parameters, self.task
        table = chosen_particles(self.inputs, parameters.decisions, parameters.min_score)
        self.averaged = averaged_particles(task, self.inputs, table, parameters)
        self._check()
        self.given = given_maps(task, self.inputs, parameters, self.averaged)
        self.focus = focus_mask(task, parameters.focus, self.averaged)
        self.files = ClassFiles(task, self.averaged, self.plan, parameters)
        self.aligning: AligningClasses = AligningClasses(
            self.averaged.refinement, self.plan, self.focus
        )
        self.found: Found | None = None
        self.checkpoint.resume(self._take_up, task.device)
        found = self.found or self._sorted()
        self._keep(found)
        found = self._aligned(found)
        self.averaged.span(0.95, 1.0)
        self.averaged.told(0.0, "class maps")
        return self.files.result(found, self.aligning)

    def _check(self) -> None:
        n = len(self.averaged.subjects.table)
        if self.averaged.ranks.count > 1:
            raise StageError("classes are made by one process.", "Run classify without torchrun.")
        if 2 * self.n_classes > n:
            raise StageError(
                f"{self.n_classes} classes are too many for {n} particles: each needs two at "
                "least, one in each half.",
                "Ask for fewer: --set classes=N",
            )

    # Sorting where particles lie

    def _sorted(self) -> Found:
        from tomotui.algorithms.classify.course import classify
        from tomotui.stages.classify_files import Found

        begin = None
        as_given = [one.poses.copied() for one in self.averaged.subjects.series]
        if self.parameters.alignment == "full":
            begin = self._begin_everywhere()
        elif self.parameters.settle:
            self._settle()
        evidence, support = self._evidence()
        begins = begin or self._beginning(support)
        seeds = [self.parameters.seed + run for run in range(self._n_runs())]

        def told(run: int, now: Sorted) -> None:
            self._told(run, now.rounds[-1], len(seeds))
            common = evidence.common + now.differences.mean(dim=0)
            self.files.show(support.terms.volumes(common), now.populations)

        outcome = classify(evidence, support, self.plan, begins, seeds, told)
        if self.parameters.alignment == "none":
            for one, poses in zip(self.averaged.subjects.series, as_given, strict=True):
                one.poses = poses
        state = self.aligning.begin(self._by_row(evidence, outcome.best))
        found = Found(
            state,
            outcome.best.rounds,
            outcome.agreements,
            outcome.gain,
        )
        self.files.say(found)
        return self._ordered(found)

    def _settle(self) -> None:
        """Refine poses with the map of all, so that errors of theirs are taken for no class."""
        done = self.averaged.refinement.iterate("p")
        maps = self.averaged.refinement.maps
        assert maps is not None
        self.averaged.maps = maps
        self.task.log(
            f"beside the map of all particles lie by {done.change_deg:.1f} deg and "
            f"{done.change_angstrom:.1f} A otherwise (median)"
        )

    def _ordered(self, found: Found) -> Found:
        """Return classes in the order of their maps where those were given, or by population."""
        return found if self.given else found.by_population()

    def _n_runs(self) -> int:
        """Return how often to begin: given maps are always the same beginning."""
        return 1 if self.given else self.parameters.runs

    def _evidence(self) -> tuple[Evidence, Support]:
        """Return what particles say beside their map, and where classes may differ."""
        from tomotui.algorithms.classify.evidence import Support, gather_evidence
        from tomotui.algorithms.classify.freedom import with_freedom
        from tomotui.algorithms.refine.maps import particle_ball

        maps, work = self.averaged.maps, self.averaged.refinement.work
        common = maps.reference
        pixel = maps.pixel_size_angstrom
        resolution = max(self.parameters.resolution_angstrom or 0.0, 2.1 * pixel)
        self._say_memory(resolution)
        evidence = gather_evidence(work, common, maps.references, resolution)
        if not bool((evidence.base > 0).any()):
            self.task.warn("no particle looks like the map of all: are the orientations right?")
        evidence = with_freedom(evidence)
        mask = particle_ball(work.box, pixel, self.averaged.diameter).to(work.device)
        if self.focus is not None:
            mask = mask * self.focus
        return evidence, Support(evidence.terms, mask, work.group)

    def _say_memory(self, resolution_angstrom: float) -> None:
        """Say how much what is kept of every particle needs."""
        work = self.averaged.refinement.work
        terms = 2 / 3 * math.pi * work.radius(resolution_angstrom) ** 3
        needed = 36 * terms * len(self.averaged.subjects.table) / 2**30
        self.task.log(
            f"{resolution_angstrom:.1f} A of {work.pixel_size_angstrom:.2f} A pixels, box "
            f"{work.box}; {needed:.2g} GB for what tells particles apart"
        )

    def _beginning(self, support: Support) -> Begin:
        from tomotui.algorithms.classify.beginnings import at_random, from_differences, from_maps

        if self.given:
            return from_maps(self.given, support, self.plan)
        if self.parameters.begin == "random":
            return at_random(self.plan)
        return from_differences(support, self.plan, self.averaged.diameter)

    def _by_row(self, evidence: Evidence, best: Sorted) -> Any:
        """Return probabilities by row of the particles."""
        table = np.zeros((len(self.averaged.subjects.table), self.plan.n_all))
        table[evidence.rows] = best.probabilities.double().cpu().numpy()
        return table

    # Poses

    def _begin_everywhere(self) -> Begin | None:
        """Search over all orientations in the given maps, or in the map of the particles."""
        import torch

        from tomotui.stages.classify_inputs import map_to_search

        given = list(self.given)
        if not given:
            given = [map_to_search(self.task, self.inputs, self.averaged)]
        n = len(given)
        self.task.log(f"all orientations, in {n} {'map' if n == 1 else 'maps'}")
        aligning = self.aligning.alone(n)
        n_all = aligning.plan.n_all
        even = np.full((len(self.averaged.subjects.table), n_all), 1 / n_all)
        resolution = SEARCH_SHARE * self.averaged.diameter
        state, _ = aligning.search(aligning.begin(even), given, resolution)
        self._keep_poses(state)
        self.averaged.maps = self.averaged.refinement.make_maps()
        if not self.given:
            return None

        def begin(evidence: Evidence, seed: int) -> Tensor:
            return torch.as_tensor(state.probabilities[evidence.rows]).to(evidence.weights)

        return begin

    def _keep_poses(self, state: ClassState) -> None:
        """Lay particles as they lie in their most probable class."""
        labels = state.probabilities[:, : state.n_maps].argmax(axis=1)
        self.aligning.lay(state, labels)

    def _aligned(self, found: Found) -> Found:
        """Sort and align together, until particles stay in their classes."""
        if self.parameters.alignment == "none":
            return found
        for number in range(found.n_aligned + 1, self.parameters.aligned_rounds + 1):
            first, last = (
                0.5 + 0.45 * (number - 1 + step) / self.parameters.aligned_rounds for step in (0, 1)
            )
            self.averaged.span(first, last)
            self.averaged.told(0.0, f"aligning with each class, round {number}")
            state, done = self.aligning.advance(found.state, number)
            found = found.after(state, done)
            self._announce(done)
            self._keep(found)
            if number > 1 and done.changed < SETTLED_SHARE:
                break
        return self._ordered(found)

    # How it goes

    def _told(self, run: int, done: Round, n_runs: int) -> None:
        share = (run + done.number / self.plan.n_rounds) / n_runs
        self.task.progress(
            0.2 + 0.3 * min(1.0, share),
            f"run {run + 1}: round {done.number}, {done.changed:.1%} changed",
        )
        self._announce(done)

    def _announce(self, done: Round) -> None:
        self.step += 1
        step = float(self.step)
        self.task.metric("changed", done.changed, step)
        self.task.metric("score", done.score, step)
        for name, share in zip(self.files.names, done.populations.tolist(), strict=True):
            self.task.metric(name, share, step)

    # Going on after a stop

    def _keep(self, found: Found) -> None:
        self.checkpoint.keep({**found.as_state(), "step": self.step})

    def _take_up(self, state: dict[str, Any]) -> None:
        from tomotui.stages.classify_files import Found

        self.step = state["step"]
        self.found = Found.of_state(state)

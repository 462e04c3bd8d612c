"""refine: average particles to the highest resolution that the data hold."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Literal

import numpy as np

from tomotui.stages.averaging_files import AveragingFiles
from tomotui.stages.averaging_inputs import box_of, diameter_of, subjects_with_particles
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
from tomotui.stages.map_files import read_mask
from tomotui.stages.particle_choice import Decisions, chosen_particles, one_set
from tomotui.stages.refine_beginnings import (
    first_resolution_of,
    maps_of_halves,
    read_beginning,
)

if TYPE_CHECKING:
    from torch import Tensor

    from tomotui.algorithms.refine.plan import IterationResult
    from tomotui.algorithms.refine.schedule import Step


class RefineParameters(SampleParameters):
    """The choices of a refinement."""

    particles: tuple[str, ...] = parameter((), "The particle set; needed where there are several.")
    reference: str = parameter(
        "",
        "Map to begin with: a name, or a file with bright protein (MRC); the newest map of the "
        "particles when empty.",
    )
    begin: Literal["reference", "independent"] = parameter(
        "reference",
        "Both halves begin with one reference, of which they share nothing finer than "
        "first_resolution_angstrom; or each with a first map of its own, made without any.",
    )
    mirror: bool = parameter(
        False, "Begin with the mirror image of the reference.", group="advanced"
    )
    iterations: str = parameter(
        "auto",
        "What to refine: auto goes from coarse to fine by itself; or letters such as "
        "P,p2,t,p,r,d: P poses over all orientations, p poses from where they are, t shifts and "
        "r turns of tilts, d defocus, g motion, m magnification.",
    )
    finest_binning: int = parameter(1, "Binning of the last level.", ge=1, le=16)
    symmetry: str = parameter("", "Point group; that of the particle set when empty.")
    helix_rise_angstrom: float = parameter(
        0.0,
        "Of filaments along z: from a subunit to the next; 0 for particles that are none. The "
        "symmetry is then the point group about the axis.",
        unit="angstrom",
        ge=0,
    )
    helix_twist_deg: float = parameter(
        0.0,
        "Of filaments: turn from a subunit to the next, above 0 for a right-handed screw.",
        unit="deg",
        ge=-360,
        le=360,
    )
    helix_refine: bool = parameter(
        True, "Refine rise (within a tenth) and twist (within 5 degrees) with the maps."
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
    first_resolution_angstrom: float | None = parameter(
        None,
        "Detail of the reference that is used; the halves share nothing finer. When not said, "
        "15 % of the diameter; 11 % where the reference is nearly round, or each half has its own.",
        unit="angstrom",
        gt=0,
    )
    search: bool | None = parameter(
        None, "Begin with all orientations; when not said, unless all are known already."
    )
    corrections: str = parameter(
        "tgrd",
        "What auto refines beside poses where series have enough particles; empty for none.",
    )
    shift_reach_angstrom: float = parameter(
        15.0, "How far particles may be from where they were picked.", unit="angstrom", ge=0
    )
    cone_deg: float = parameter(
        180.0,
        "Greatest angle between a particle's z axis and the direction it was given, such as a "
        "membrane's normal.",
        unit="deg",
        gt=0,
        le=180,
    )
    cut_share: float = parameter(
        0.0, "Share of the particles that agree least, to leave out of the last maps.", ge=0, le=0.9
    )
    mask: str = parameter("", "File of a soft mask; found from the maps when empty.")
    most_drift_angstrom: float | None = parameter(
        None,
        "Particles that have moved further than this from where they were picked are left out of "
        "the last maps.",
        unit="angstrom",
        gt=0,
    )
    mass_kda: float | None = parameter(
        None,
        "Of the particle, for sharpening where the map is too coarse for a B factor.",
        unit="kDa",
        group="advanced",
        gt=0,
    )
    b_factor_a2: float | None = parameter(
        None, "To sharpen by; found from the map when not said.", unit="A^2", group="advanced"
    )
    motion_nodes: int = parameter(
        3, "Nodes of the field of motion along x and y.", group="advanced", ge=2, le=8
    )
    most_iterations: int = parameter(40, "In auto.", group="advanced", ge=1, le=100)
    memory_gb: float = parameter(
        4.0, "Room for views; beyond that they are read again.", unit="GB", group="advanced", gt=0
    )
    name: str = parameter("", "Name of the map and the refined set; from the set when empty.")
    seed: int = parameter(0, "Of how halves are dealt out.", group="advanced", ge=0)


class RefineStage(Stage):
    """Half maps, refined poses, and refined tilt series."""

    name = "refine"
    title = "Refine"
    summary = "Average particles on the tilt images, and refine the series with them as markers."
    parameters_type = RefineParameters
    reports = ("particles", "resolution", "resolution_of_directions", "score", "rise", "twist")
    takes = ("tilt_series", "tomogram", "alignment", "particle_set")
    optional = ("ctf", "map")
    gives = ("map", "particle_set", "alignment", "ctf")
    needs = "gpu"
    scope = "sample"
    shares_work = True
    takes_particles = True

    def run(self, task: Task, inputs: Inputs, parameters: RefineParameters) -> StageResult:
        """Refine the particles of one set over all series among the inputs."""
        import torch

        torch.set_num_threads(task.threads)
        with torch.inference_mode():
            return _Refining(task, inputs, parameters).run()


class _Refining:
    """One refinement at work."""

    def __init__(self, task: Task, inputs: Inputs, parameters: RefineParameters) -> None:
        from tomotui.algorithms.parallel import Ranks
        from tomotui.geometry.symmetry import symmetry_rotations

        self.task, self.inputs, self.parameters = task, inputs, parameters
        self.ranks = Ranks()
        self.set = one_set(inputs)
        self.symmetry = parameters.symmetry or self.set.symmetry
        try:
            symmetry_rotations(self.symmetry)
        except ValueError as error:
            raise StageError(f"{error}.") from error
        self.diameter = diameter_of(self.set, parameters.diameter_angstrom)
        if parameters.begin == "independent" and self.ranks.count > 1:
            raise StageError(
                "first maps of each half are made by one process.",
                "Run initial-model on each half, or begin with a reference.",
            )
        self.checkpoint = Checkpoint(task, parameters.model_dump_json(), "refinement")
        self.share = 0.0
        self._answer: Callable[[IterationResult], None] = lambda result: None

    def run(self) -> StageResult:
        """Gather, refine, judge, write."""
        from tomotui.algorithms.refine.plan import RefinementPlan
        from tomotui.algorithms.refine.refinement import Refinement

        parameters, task = self.parameters, self.task
        table = chosen_particles(
            self.inputs, parameters.decisions, parameters.min_score, parameters.classes
        )
        task.progress(0.0, "gathering particles")
        self.reference = None
        if parameters.begin == "reference":
            self.reference = read_beginning(
                task, self.inputs, parameters.reference, self.diameter, parameters.mirror
            )
        self.first_resolution = parameters.first_resolution_angstrom or first_resolution_of(
            self.reference, self.diameter
        )
        self.subjects = subjects_with_particles(task, self.inputs, self.set, table, parameters.seed)
        self.subjects.check_halves()
        self.subjects.share_out(self.ranks)
        plan = RefinementPlan(
            self.diameter,
            self.symmetry,
            self.first_resolution,
            parameters.shift_reach_angstrom,
            cone_deg=parameters.cone_deg,
            n_nodes=parameters.motion_nodes,
            rise_angstrom=parameters.helix_rise_angstrom,
            twist_deg=parameters.helix_twist_deg,
            refines_helix=parameters.helix_refine,
        )
        self.refinement = Refinement(
            self.subjects.series,
            plan,
            int(parameters.memory_gb * 2**30),
            task.device,
            self.ranks,
            self._told,
        )
        self._say_memory()
        self.files = AveragingFiles(task, self.subjects, self.refinement, self.ranks)
        self._refine()
        self._cut()
        return self._result()

    def _say_memory(self) -> None:
        """Say how much the views need, and what happens where that is more than there is room."""
        box = box_of(self.diameter, self.parameters.box_angstrom)
        side = box / (self.subjects.pixel_size_angstrom * self.parameters.finest_binning)
        # Half of a disc of Fourier terms, 12 bytes each with its transfer.
        per_view = 12 * math.pi / 8 * side**2
        views = sum(len(one) * one.model.n_tilts for one in self.subjects.series)
        needed = per_view * views / 2**30
        words = f"{views} views need {needed:.2g} GB at the finest level"
        if needed > self.parameters.memory_gb:
            words += f"; beyond {self.parameters.memory_gb:g} GB they are read again when needed"
        self.task.log(words)

    def _told(self, share: float, words: str) -> None:
        self.task.progress(min(0.97, self.share + share * 0.02), words)

    # The course

    def _refine(self) -> None:
        refinement = self.refinement
        if not self.checkpoint.resume(refinement.take_up, self.task.device):
            self._take_reference()
        self.files.begin()
        refinement.take_mask(*self._mask())
        n_before = len(refinement.iterations)
        for number, step in enumerate(self._steps()):
            if number < n_before:
                self._answer(refinement.iterations[number])
                continue
            self.share = 1 - math.exp(-number / 15)
            refinement.go_to(step.level, self.subjects.pixel_size_angstrom)
            result = refinement.iterate(step.letter)
            self._announce(result)
            self.task.log(_said(result))
            if number == 0:
                self._say_hand()
            self.files.show_progress()
            state = refinement.state()
            if self.ranks.rank == 0:
                self.checkpoint.keep(state)
            self._answer(result)
        if refinement.maps is None and refinement.iterations:
            refinement.make_maps()

    def _say_hand(self) -> None:
        """Say what the first search has found about the hand of the reference."""
        hand = self.refinement.hand
        if hand is None:
            return
        self.task.metric("mirror gain", hand.gain, 1.0)
        if hand.is_mirrored:
            self.task.warn(
                f"{hand.n_particles} particles agree better with the mirror image of the reference "
                f"(log-likelihood {hand.score + hand.gain:.0f} beside {hand.score:.0f}): it may be "
                "of the wrong hand. Begin with --set mirror=true; where that is a known structure, "
                "the hand of the tilt series may be wrong instead"
            )

    def _steps(self) -> Iterator[Step]:
        """Return the steps; each is answered to by `_answer` before the next is asked for."""
        from tomotui.algorithms.refine.pose_rounds import FINEST_GRID_DEG
        from tomotui.algorithms.refine.schedule import (
            AUTO,
            FEWEST_FOR_TILTS,
            Automatic,
            ScheduleError,
            Step,
            ladder,
            parse_schedule,
        )

        parameters = self.parameters
        box = box_of(self.diameter, parameters.box_angstrom)
        levels = ladder(
            self.subjects.pixel_size_angstrom,
            box,
            self.first_resolution,
            parameters.finest_binning,
        )
        if parameters.iterations.strip().lower() != AUTO:
            try:
                letters = parse_schedule(parameters.iterations)
            except ScheduleError as error:
                raise StageError(f"iterations: {error}.") from error
            return iter([Step(levels[-1], letter) for letter in letters])
        corrections = parameters.corrections
        # Of all processes: all must come to the same steps.
        _, counts = np.unique(self.subjects.table.tomogram_uids, return_counts=True)
        if np.median(counts) < FEWEST_FOR_TILTS and corrections:
            self.task.warn(
                f"{np.median(counts):.0f} particles a series are too few to refine tilts by"
            )
            corrections = ""
        automatic = Automatic(
            levels,
            self._must_search(),
            corrections,
            parameters.most_iterations,
            self.subjects.pixel_size_angstrom,
            math.radians(FINEST_GRID_DEG) * self.diameter,
        )
        self._answer = automatic.told
        return automatic.steps()

    def _must_search(self) -> bool:
        if self.parameters.search is not None:
            return self.parameters.search
        return not bool(np.isfinite(self.subjects.table.angles_deg).all())

    def _take_reference(self) -> None:
        if self.reference is not None:
            values, pixel = self.reference.values, self.reference.pixel_size_angstrom
            self.refinement.take_references(values, values, pixel)
            self.task.log(
                f"both halves begin with {self.reference.name} to {self.first_resolution:g} A: "
                "they share nothing finer"
            )
            return
        maps = maps_of_halves(
            self.task, self.subjects, self.parameters, self.symmetry, self.diameter, self._told
        )
        self.refinement.take_references(*maps)
        self.task.log("each half begins with a first map of its own: they share nothing")

    def _mask(self) -> tuple[Tensor | None, float]:
        """Return the mask that was asked for, and its voxel size in Angstrom."""
        return read_mask(self.task, self.parameters.mask) if self.parameters.mask else (None, 0.0)

    def _announce(self, result: IterationResult) -> None:
        step = float(result.number)
        self.task.metric("resolution", result.resolution_angstrom, step, "angstrom")
        self.task.metric("score", result.score, step)

    def _cut(self) -> None:
        """Leave particles that agree least, or have moved far, out of the last maps."""
        parameters, refinement = self.parameters, self.refinement
        cut = [np.zeros(0, dtype=np.int64)]
        if parameters.most_drift_angstrom is not None:
            cut.append(refinement.cut_drifted(parameters.most_drift_angstrom))
        if parameters.cut_share:
            cut.append(refinement.cut(parameters.cut_share))
        self.files.cut = np.concatenate(cut)
        if len(self.files.cut):
            self.task.log(f"{len(self.files.cut)} particles are left out of the last maps")
            refinement.make_maps()

    # What is made

    def _result(self) -> StageResult:
        self.files.gather()
        if self.ranks.rank:
            return StageResult()
        self.task.progress(0.97, "judging and sharpening")
        return self.files.result(
            self.parameters.name or f"{self.set.name}-refined",
            self.symmetry,
            self.parameters.mass_kda,
            self.parameters.b_factor_a2,
        )


def _said(result: IterationResult) -> str:
    """Return an iteration in one line."""
    what = f"{result.number:3d} {result.letter}  {result.pixel_size_angstrom:.3g} A/px  "
    reached = f"{result.resolution_angstrom:.2f} A  score {result.score:.1f}  "
    if result.letter in "Pp":
        moved = f"poses changed by {result.change_deg:.2f} deg, {result.change_angstrom:.2f} A"
    else:
        moved = f"kept in {result.kept:.0%} of the series, shifts by {result.change_angstrom:.2f} A"
    return f"{what}{reached}{moved}  {result.seconds:.0f} s"

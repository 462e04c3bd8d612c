"""landscape: learn how particles differ continuously, and where each of them stands."""

from __future__ import annotations

import hashlib
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
from tomotui.stages.particle_choice import Decisions, chosen_particles

if TYPE_CHECKING:
    from torch import Tensor

    from tomotui.algorithms.landscape.landscape import LandscapeLearning
    from tomotui.algorithms.landscape.mixture import Mixture
    from tomotui.algorithms.subtomograms.reference_sums import Terms

    Focus = tuple[Tensor, float]


LEAST_DETAILS = 3
"""That a diameter must hold, for parts to be seen to move."""

FEWEST_GAUSSIANS = 8

LEAST_AGREEMENT = 0.6
"""Of the halves' coordinates, below which the program doubts them."""

LARGE_MOTION = 0.08
"""Of the diameter, root mean square: more is rarely true, and often what wrong poses make."""


class LandscapeParameters(SampleParameters):
    """The choices of a landscape."""

    particles: tuple[str, ...] = parameter(
        (), "The particle set, with orientations; needed where there are several."
    )
    coordinates: int = parameter(4, "Numbers that say where a particle stands.", ge=1, le=8)
    what: Literal["both", "motion", "occupancy"] = parameter(
        "both", "What may differ: where parts are, how strong they are, or both."
    )
    focus: str = parameter(
        "", "File of a mask: only what lies within may differ, relative to the rest."
    )
    model: str = parameter(
        "", "File of an atomic model (PDB or mmCIF) fitted to a map of them, to be moved along."
    )
    reference: str = parameter(
        "", "Map that the model was fitted to; the newest map of the particles when empty."
    )
    gaussians: int = parameter(
        0, "Gaussians that stand for the map; found from its resolution when 0.", ge=0, le=20000
    )
    anchors: int = parameter(
        32, "Points that Gaussians follow: how fine motions may be.", group="advanced", ge=4, le=256
    )
    epochs: int = parameter(
        15, "How often the network is shown every particle.", group="advanced", ge=1, le=1000
    )
    box_px: int = parameter(
        32, "About how many pixels the views are to have.", unit="px", ge=24, le=128
    )
    resolution_angstrom: float | None = parameter(
        None, "Finest detail to use; that of the map when not said.", unit="angstrom", gt=0
    )
    force: bool = parameter(
        False, "Learn even where the particles show no motion beyond noise.", group="advanced"
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
    memory_gb: float = parameter(
        4.0, "Room for views; beyond that they are read again.", unit="GB", group="advanced", gt=0
    )
    name: str = parameter("", "Name of the landscape; from the set when empty.")
    seed: int = parameter(0, "Of everything random.", group="advanced", ge=0)


class LandscapeStage(Stage):
    """A network that learns how particles differ."""

    name = "landscape"
    title = "Landscape"
    summary = "Learn the conformational landscape of particles: motions, and who stands where."
    parameters_type = LandscapeParameters
    reports = ("particles", "motions", "gain", "agreement", "strength", "cost")
    takes = ("tilt_series", "tomogram", "alignment", "particle_set")
    optional = ("ctf", "map")
    gives = ("landscape", "map")
    needs = "gpu"
    scope = "sample"
    shares_work = True
    takes_particles = True

    def run(self, task: Task, inputs: Inputs, parameters: LandscapeParameters) -> StageResult:
        """Learn from the particles of one set over all series among the inputs."""
        import torch

        torch.set_num_threads(task.threads)
        return _Learning(task, inputs, parameters).run()


class _Learning:
    """One landscape at work."""

    def __init__(self, task: Task, inputs: Inputs, parameters: LandscapeParameters) -> None:
        self.task, self.inputs, self.parameters = task, inputs, parameters

    def run(self) -> StageResult:
        """Average, place Gaussians, learn, write."""
        import torch

        from tomotui.stages.landscape_files import LandscapeFiles, fitted_model
        from tomotui.stages.map_files import read_mask

        parameters = self.parameters
        # Files that cannot be used are told of before hours of work, not after.
        focus = read_mask(self.task, parameters.focus) if parameters.focus else None
        model = fitted_model(self.task, self.inputs, parameters.model, parameters.reference)
        table = chosen_particles(
            self.inputs, parameters.decisions, parameters.min_score, parameters.classes
        )
        with torch.no_grad():
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
        if model is not None:
            model = model.centred(self.averaged)
        learning = self._learning(focus)
        self.averaged.span(0.3, 0.95)
        self.checkpoint = self._checkpoint()
        self.checkpoint.resume(learning.take_up, self.task.device)
        self._say_motions(learning)
        found = learning.run()
        if found.agreement is not None and found.agreement < LEAST_AGREEMENT:
            self.task.warn(
                f"the halves agree by {found.agreement:.2f} only on where particles stand: build "
                "nothing on single particles. More particles, better poses or a coarser "
                "resolution_angstrom may help"
            )
        files = LandscapeFiles(self.task, self.averaged, learning.mixture, found)
        name = parameters.name or f"{self.averaged.set.name} landscape"
        result = files.result(name, model)
        self.checkpoint.forget()
        return result

    def _checkpoint(self) -> Checkpoint:
        """Return the checkpoint of these parameters and particles: with others anchors differ."""
        whose = hashlib.sha256("".join(self.averaged.subjects.table.uids.tolist()).encode())
        of = f"{self.parameters.model_dump_json()} {whose.hexdigest()}"
        return Checkpoint(self.task, of, "landscape")

    def _say_symmetry(self) -> None:
        """Say what becomes of symmetric particles."""
        whole = self.averaged.set
        if whole.symmetry.upper() != "C1":
            self.task.warn(
                f"{whole.name} has symmetry {whole.symmetry}: parts that move alone are seen "
                f"once each after tomotui particles expand {whole.name}"
            )

    def _learning(self, focus: Focus | None) -> LandscapeLearning:
        import torch

        from tomotui.algorithms.landscape.landscape import LandscapeLearning, LandscapePlan
        from tomotui.algorithms.subtomograms.reference_sums import gather_sums

        parameters, work = self.parameters, self.averaged.refinement.work
        maps, resolution = self.averaged.maps, self._resolution_angstrom()
        self.task.log(
            f"{resolution:.1f} A of {maps.pixel_size_angstrom:.2f} A pixels, box {work.box}"
        )
        self.averaged.span(0.2, 0.3)
        with torch.no_grad():
            sums = gather_sums(work, maps.references, resolution)
            mixture = self._mixture(resolution, sums.terms, focus)
        plan = LandscapePlan(
            parameters.coordinates,
            parameters.epochs,
            is_forced=parameters.force,
            seed=parameters.seed,
        )
        return LandscapeLearning(
            sums,
            mixture,
            sums.terms.of(maps.reference),
            plan,
            ranks=self.averaged.ranks,
            told=self.averaged.told,
            keep=self._keep,
        )

    def _resolution_angstrom(self) -> float:
        """Return the finest detail to use: what was asked for, or what the map shows."""
        averaged, asked = self.averaged, self.parameters.resolution_angstrom
        reached, coarsest = averaged.maps.resolution_angstrom, averaged.diameter / LEAST_DETAILS
        if reached > coarsest:
            shown = f"{reached:.0f} A at best" if np.isfinite(reached) else "at no resolution"
            raise StageError(
                f"the halves of {averaged.set.name} agree {shown}, for a particle of "
                f"{averaged.diameter:.0f} A: how it varies cannot be told.",
                "Refine the particles first: tomotui run refine",
            )
        if asked is not None and asked > coarsest:
            raise StageError(
                f"resolution_angstrom: {asked:g} A shows nothing of a particle of "
                f"{averaged.diameter:.0f} A.",
                f"Ask for {coarsest:.0f} A or less, or for none: the map's own is found.",
            )
        return max(asked or reached, 1.05 * 2 * averaged.maps.pixel_size_angstrom)

    def _mixture(self, resolution_angstrom: float, terms: Terms, focus: Focus | None) -> Mixture:
        """Return Gaussians of the map, with anchors that may move."""
        import torch

        from tomotui.algorithms.landscape.mixture import Mixture
        from tomotui.algorithms.landscape.seeding import automatic_number, gaussians_of_map

        parameters, maps = self.parameters, self.averaged.maps
        pixel, work = maps.pixel_size_angstrom, self.averaged.refinement.work
        mean = maps.reference
        n = parameters.gaussians or automatic_number(mean, pixel, resolution_angstrom)
        try:
            found = gaussians_of_map(mean, pixel, n, seed=parameters.seed)
        except ValueError as error:
            raise StageError(
                f"{error}: the particles' average shows nothing.",
                "Refine the particles first: tomotui run refine",
            ) from error
        if len(found[0]) < FEWEST_GAUSSIANS:
            raise StageError(
                f"gaussians: {len(found[0])} are too few to move.",
                f"Ask for {FEWEST_GAUSSIANS} or more, or for none: as many as needed are found.",
            )
        centres, amplitudes, widths = (torch.from_numpy(one).to(work.device) for one in found)
        self.task.log(f"{len(centres)} Gaussians of {float(widths[0]):.1f} A")
        return Mixture.of(
            terms,
            centres / pixel,
            amplitudes,
            float(widths[0]) / pixel,
            parameters.anchors,
            None if focus is None else self._moving(centres, *focus),
            parameters.what,
        )

    def _moving(self, centres_angstrom: Tensor, mask: Tensor, pixel: float) -> Tensor:
        """Return which Gaussians lie within the mask that was asked for."""
        places = (centres_angstrom.cpu() / pixel).round().long() + mask.shape[-1] // 2
        inside = ((places >= 0) & (places < mask.shape[-1])).all(dim=1)
        x, y, z = places.clamp(0, mask.shape[-1] - 1).unbind(-1)
        moving = inside & (mask[z, y, x] > 0.5)
        if int(moving.sum()) < 4:
            raise StageError(
                f"{self.parameters.focus} holds nothing of the map.",
                "Give a mask in the frame of the particles' map: tomotui export map NAME",
            )
        return moving

    # How it goes

    def _say_motions(self, learning: LandscapeLearning) -> None:
        linear, pixel = learning.linear, self.averaged.maps.pixel_size_angstrom
        found = (linear.evident, linear.by_chance, linear.sizes)
        for number, (strength, by_chance, size) in enumerate(
            zip(*(one.tolist() for one in found), strict=True), start=1
        ):
            step = f"{size:.2f}" if self.parameters.what == "occupancy" else f"{size * pixel:.2f} A"
            self.task.log(
                f"motion {number}: {strength:.2f} times the noise of a particle "
                f"({by_chance:.2f} by chance), {step} rms"
            )
            self.task.metric("strength", strength, float(number))
        if learning.n_motions == 0:
            self.task.warn("the particles show no motion beyond noise")
        elif self.parameters.what != "occupancy":
            self._doubt(float(linear.sizes[: learning.n_motions].max()) * pixel)

    def _doubt(self, size_angstrom: float) -> None:
        """Say when what looks like motion may be particles that lie wrong."""
        diameter = self.averaged.diameter
        if size_angstrom > LARGE_MOTION * diameter:
            self.task.warn(
                f"a motion of {size_angstrom:.0f} A rms is large for a particle of "
                f"{diameter:.0f} A: where no part is known to move so far, places or orientations "
                "are wrong; refine them first"
            )

    def _keep(self, state: dict[str, Any]) -> None:
        course = state["under_way"]["course"]
        epoch, gain, cost = course[-1]
        if len(state["done"]) == 0:
            self.task.metric("gain", float(gain), float(epoch))
            self.task.metric("cost", float(cost), float(epoch))
        if self.averaged.ranks.rank == 0:
            self.checkpoint.keep(state)

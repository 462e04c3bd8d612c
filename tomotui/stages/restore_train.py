"""restore-train: teach a network what the missing wedge hides, from the user's own tomograms."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from tomotui.records import Network
from tomotui.stages.base import (
    Cancelled,
    Inputs,
    SampleParameters,
    Stage,
    StageResult,
    Task,
    parameter,
)
from tomotui.stages.checkpoints import Checkpoint, smoothed
from tomotui.stages.network_files import NETWORK_FILE, write_network
from tomotui.stages.restore_presets import (
    PRESETS,
    Preset,
    duration_in_words,
    expected_seconds,
    memory_gib,
)

if TYPE_CHECKING:
    from tomotui.algorithms.restore.material import Material
    from tomotui.algorithms.restore.training import Progress, Trainer
    from tomotui.stages.restore_inputs import Subject
    from tomotui.stages.restore_view import TrainingView

PURPOSE = "restore"
VIEW_FILE = "training.npz"
CHECKPOINT_SECONDS = 60.0
SMOOTHING = 0.05
"""Share of a new loss in the mean that is reported."""


class RestoreTrainParameters(SampleParameters):
    """The choices of training a restoration network."""

    method: Literal["3d", "2d"] = parameter(
        "3d",
        "Learn from cubes that are turned in space, or (2d) from sections for side views: faster, "
        "and less of the wedge is filled.",
    )
    preset: Literal["auto", "preview", "standard", "best"] = parameter(
        "auto",
        "Sizes and length: preview takes minutes on two cores, standard minutes on a GPU, best "
        "hours; auto is standard on a GPU and preview elsewhere.",
    )
    steps: int | None = parameter(None, "Updates of the weights; by preset.", ge=1, le=1_000_000)
    cube_size: int | None = parameter(
        None, "Side of the cubes or patches; by preset.", unit="voxel", ge=32, le=192
    )
    max_tomograms: int = parameter(
        8, "Learn from no more tomograms than this, drawn at random.", ge=1, le=100
    )
    batch: int | None = parameter(None, "Cubes at once; by preset.", group="advanced", ge=1, le=256)
    accumulate: int = parameter(
        1,
        "Batches for one update, where the memory holds no larger ones.",
        group="advanced",
        ge=1,
        le=64,
    )
    width: int | None = parameter(
        None, "Channels of the network; by preset.", group="advanced", ge=4, le=256
    )
    learning_rate: float | None = parameter(
        None, "Greatest step size; by preset.", group="advanced", gt=0, le=0.1
    )
    filling_weight: float = parameter(
        2.0, "How much filling counts over denoising.", group="advanced", ge=0, le=1000
    )
    free_rotations: float | None = parameter(
        None,
        "Share of the cubes turned by any angle instead of right ones; by preset.",
        group="advanced",
        ge=0,
        le=1,
    )
    refills: int = parameter(
        2,
        "How often in training the wedges of the inputs are filled anew with what is known.",
        group="advanced",
        ge=0,
        le=20,
    )
    patience: int = parameter(
        12,
        "Stop after so many looks at held-out cubes without a better loss.",
        group="advanced",
        ge=1,
        le=1000,
    )
    seed: int = parameter(0, "Of everything that is random.", group="advanced", ge=0)

    def chosen(self, on_gpu: bool) -> Preset:
        """Return the preset with what was asked for otherwise."""
        name = self.preset
        if name == "auto":
            name = "standard" if on_gpu else "preview"
        preset = PRESETS[self.method][name]
        own = {
            "width": self.width,
            "side": self.cube_size,
            "steps": self.steps,
            "batch": self.batch,
            "free_share": self.free_rotations,
            "learning_rate": self.learning_rate,
        }
        changed = {key: value for key, value in own.items() if value is not None}
        return Preset(**{**preset._asdict(), **changed})


class RestoreTrainStage(Stage):
    """A network that fills the missing wedge and takes noise away, learnt without any labels."""

    name = "restore-train"
    title = "Train restoration"
    summary = "Learn from several tomograms of one sample what their missing wedges hide."
    parameters_type = RestoreTrainParameters
    reports = (
        "steps",
        "tomograms",
        "voxel_size_angstrom",
        "held_out_denoising",
        "held_out_filling",
    )
    takes = ("tilt_series", "tomogram", "alignment")
    optional = ("ctf",)
    gives = ("network",)
    needs = "gpu"
    scope = "sample"
    shares_work = True
    makes_network = PURPOSE

    def batch_of(self, parameters: RestoreTrainParameters, device: str) -> int:
        """Return the batch that was asked for, or that of the preset."""
        return parameters.chosen(device.startswith("cuda")).batch

    def outlook(self, parameters: RestoreTrainParameters) -> str:
        """Say how long training takes with and without a GPU, and the memory it needs."""
        words = []
        for on_gpu, where in ((False, "on 2 cores"), (True, "on a GPU")):
            preset = parameters.chosen(on_gpu)
            seconds = expected_seconds(preset, parameters.method, on_gpu, threads=2)
            memory = memory_gib(preset, parameters.method)
            words.append(f"{duration_in_words(seconds)} and {memory:.1f} GiB {where}")
        return f"about {' / '.join(words)}, beside the tomograms"

    def run(self, task: Task, inputs: Inputs, parameters: RestoreTrainParameters) -> StageResult:
        """Train on the tomograms of the series among the inputs."""
        import torch

        from tomotui.stages.restore_inputs import check_alike, subjects_of

        torch.set_num_threads(task.threads)
        subjects = subjects_of(task, inputs)
        check_alike(subjects)
        chance = np.random.default_rng(parameters.seed)
        if len(subjects) > parameters.max_tomograms:
            kept = sorted(chance.choice(len(subjects), parameters.max_tomograms, replace=False))
            task.log(f"{len(kept)} of {len(subjects)} tomograms are learnt from")
            subjects = [subjects[number] for number in kept]
        return _Training(task, subjects, parameters).run()


@dataclass
class _Looks:
    """What has been measured of the training so far."""

    denoising: float = 0.0
    filling: float = 0.0
    held_out: tuple[float, float] | None = None


class _Training:
    """One training at work."""

    def __init__(
        self, task: Task, subjects: list[Subject], parameters: RestoreTrainParameters
    ) -> None:
        self.task, self.subjects, self.parameters = task, subjects, parameters
        self.on_gpu = task.device.startswith("cuda")
        self.preset = parameters.chosen(self.on_gpu)
        self.looks = _Looks()
        self.checkpoint = Checkpoint(task, parameters.model_dump_json())
        self.started_at = self.saved_at = time.monotonic()

    def run(self) -> StageResult:
        """Load, train, and describe the network."""
        materials = self._load()
        trainer = self._trainer(materials)
        self._resume(trainer)
        self._announce(trainer)
        from tomotui.stages.restore_view import TrainingView

        view = TrainingView(self.task.folder / VIEW_FILE, materials[0], self.parameters.method)

        def told(progress: Progress) -> None:
            self._told(progress, trainer, view)

        trainer.run(told)
        if trainer.is_exhausted:
            self.task.log(f"held-out cubes stopped getting better: stopped at step {trainer.step}")
        view.draw(trainer.final(), self.task.device, trainer.step)
        path = self._save_network(trainer)
        record = self._record(trainer, path)
        self.checkpoint.forget()
        return StageResult(
            records=(record,), metrics=record.metrics, summary=self._summary(trainer)
        )

    def _load(self) -> list[Material]:
        """Read the tomograms; they stay in the main memory where the GPU's is too small."""
        from tomotui.stages.restore_inputs import load_material

        voxels = sum(float(np.prod(one.tomogram.size_xyz)) for one in self.subjects)
        keep_on = self.task.device if 24 * voxels < _free_bytes(self.task.device) / 2 else "cpu"
        materials = []
        for number, subject in enumerate(self.subjects):
            self.task.progress(0.05 * number / len(self.subjects), f"reading {subject.series.name}")
            material = load_material(self.task, subject, keep_on)
            if not material.has_halves:
                self.task.warn(
                    f"{subject.series.name} has no half tomograms: noise is not learnt from it"
                )
            materials.append(material)
        return materials

    def _trainer(self, materials: list[Material]) -> Trainer:
        from tomotui.algorithms.restore.network import Architecture
        from tomotui.algorithms.restore.planes import PlaneSampler
        from tomotui.algorithms.restore.samples import CubeSampler
        from tomotui.algorithms.restore.training import Schedule, Trainer

        chosen, preset = self.parameters, self.preset
        is_3d = chosen.method == "3d"
        architecture = Architecture(n_dims=3 if is_3d else 2, width=preset.width)
        side = self._side(materials, architecture.multiple, is_3d)
        lessons = (
            CubeSampler(materials, side, preset.free_share, self.task.device)
            if is_3d
            else PlaneSampler(materials, side, self.task.device)
        )
        count = chosen.refills if is_3d else 0
        schedule = Schedule(
            steps=preset.steps,
            batch=preset.batch,
            accumulate=chosen.accumulate,
            learning_rate=preset.learning_rate,
            filling_weight=chosen.filling_weight,
            refill_at=tuple(0.25 + 0.6 * number / max(1, count) for number in range(count)),
            judge_every=max(10, preset.steps // 15),
            patience=chosen.patience,
        )
        return Trainer(lessons, architecture, schedule, chosen.seed, self.task.device)

    def _side(self, materials: list[Material], multiple: int, is_3d: bool) -> int:
        """Return the side of the cubes: as wanted, or what the smallest tomogram allows."""
        sides = [s for one in materials for s in (one.shape if is_3d else one.shape[1:])]
        most = min(sides) // multiple * multiple
        wanted = -(-self.preset.side // multiple) * multiple
        if wanted > most:
            self.task.warn(
                f"cubes of {most} voxels instead of {wanted}: the thinnest tomogram has "
                f"{min(sides)} along one side"
            )
        return int(min(wanted, most))

    def _resume(self, trainer: Trainer) -> None:
        """Go on from the checkpoint of an attempt before, where there is one of this training."""
        if self.checkpoint.resume(lambda kept: trainer.go_on(kept["state"]), self.task.device):
            self.task.log(f"training goes on after step {trainer.step}")

    def _announce(self, trainer: Trainer) -> None:
        method, preset = self.parameters.method, self.preset
        seconds = expected_seconds(preset, method, self.on_gpu, self.task.threads)
        self.task.log(
            f"{method}: {preset.steps} steps of {preset.batch} x {trainer.lessons.side} voxels, "
            f"{len(self.subjects)} tomograms; expected {duration_in_words(seconds)} and "
            f"{memory_gib(preset, method):.1f} GiB beside the tomograms"
        )

    def _told(self, progress: Progress, trainer: Trainer, view: TrainingView) -> None:
        """Report a step, and keep what has been reached."""
        looks, step = self.looks, progress.step
        looks.denoising = smoothed(looks.denoising, progress.denoising, SMOOTHING)
        looks.filling = smoothed(looks.filling, progress.filling, SMOOTHING)
        if step % max(1, self.preset.steps // 400) == 0:
            self.task.metric("loss of denoising", looks.denoising, step)
            self.task.metric("loss of filling", looks.filling, step)
        if progress.held_out is not None:
            looks.held_out = progress.held_out
            self.task.metric("held-out loss of filling", progress.held_out[1], step)
            self.task.metric("held-out loss of denoising", progress.held_out[0], step)
            self.task.metric("learning rate", progress.learning_rate, step)
        if step % trainer.schedule.judge_every == 0:
            elapsed = time.monotonic() - self.started_at
            view.maybe_draw(trainer.mean, self.task.device, step, elapsed)
        now = time.monotonic()
        if now - self.saved_at > CHECKPOINT_SECONDS:
            self.saved_at = now
            self._keep(trainer)
        try:
            self._progress(step)
        except Cancelled:
            self._keep(trainer)
            raise

    def _progress(self, step: int) -> None:
        """Report how far it is."""
        self.task.progress(
            0.05 + 0.93 * step / self.preset.steps,
            f"step {step} of {self.preset.steps}, denoising {self.looks.denoising:.3f}, "
            f"filling {self.looks.filling:.3f}",
        )

    def _keep(self, trainer: Trainer) -> None:
        self.checkpoint.keep({"state": trainer.state()})

    def _save_network(self, trainer: Trainer) -> Path:
        path = self.task.folder / NETWORK_FILE
        network = trainer.final()
        subject = self.subjects[0]
        description = {
            "purpose": PURPOSE,
            "method": self.parameters.method,
            "architecture": network.architecture.as_dict(),
            "voxel_size_angstrom": subject.tomogram.pixel_size_angstrom,
            "has_halves": all(one.tomogram.half_paths for one in self.subjects),
            "series": [one.series.name for one in self.subjects],
        }
        write_network(path, network.state_dict(), description)
        self.task.artifact("network", path)
        return path

    def _record(self, trainer: Trainer, path: Path) -> Network:
        sides = trainer.final().architecture
        metrics = {
            "steps": float(trainer.step),
            "tomograms": float(len(self.subjects)),
            "voxel_size_angstrom": self.subjects[0].tomogram.pixel_size_angstrom,
        }
        if self.looks.held_out is not None:
            metrics["held_out_denoising"], metrics["held_out_filling"] = self.looks.held_out
        return Network(
            name=self.task.target,
            purpose=PURPOSE,
            path=self.task.relative(path),
            architecture=f"{self.parameters.method} residual U-Net, {sides.width} channels, "
            f"{sides.levels} levels",
            metrics=metrics,
            details_path=self.task.relative(self.task.folder / VIEW_FILE),
        )

    def _summary(self, trainer: Trainer) -> str:
        held = self.looks.held_out
        words = f"{self.parameters.method}, {trainer.step} steps, {len(self.subjects)} tomograms"
        return words if held is None else f"{words}, held-out filling {held[1]:.3f}"


def _free_bytes(device: str) -> float:
    import torch

    if device.startswith("cuda"):
        return float(torch.cuda.mem_get_info(torch.device(device))[0])
    return float("inf")

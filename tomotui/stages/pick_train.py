"""pick-train: teach a network what the user's particles look like, from a handful of them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tomotui.records import Network
from tomotui.stages.base import (
    Cancelled,
    Inputs,
    Stage,
    StageError,
    StageResult,
    Task,
)
from tomotui.stages.checkpoints import Checkpoint, smoothed
from tomotui.stages.network_files import NETWORK_FILE
from tomotui.stages.pick_choices import PickTrainParameters
from tomotui.stages.pick_inputs import (
    PURPOSE,
    Picker,
    labels_of,
    load_picker,
    load_volume,
    species_of,
    write_picker,
)
from tomotui.stages.pick_judging import (
    calibrations_of,
    kept_back,
    look_at_held_out,
    with_centres,
)
from tomotui.stages.pick_presets import expected_minutes

if TYPE_CHECKING:
    from tomotui.algorithms.pick.calibration import Calibration, HeldOut
    from tomotui.algorithms.pick.lessons import Labels
    from tomotui.algorithms.pick.training import Progress, Trainer
    from tomotui.algorithms.pick.volumes import Volume
    from tomotui.records.particle_table import ParticleTable
    from tomotui.stages.restore_inputs import Subject

CHECKPOINT_SECONDS = 30.0
SMOOTHING = 0.08
"""Share of a new loss in the mean that is reported."""

HELD_OUT_UNTIL = 0.65
"""Share of the steps until which what is held out is not learnt from."""


class PickTrainStage(Stage):
    """A network that has learnt species from a few accepted and rejected particles."""

    name = "pick-train"
    title = "Train picking"
    summary = "Learn to find particles from those that were accepted and rejected."
    parameters_type = PickTrainParameters
    reports = (
        "accepted",
        "rejected",
        "voxel_size_angstrom",
        "held_out",
        "held_out_average_precision",
    )
    takes = ("tilt_series", "tomogram", "alignment", "particle_set")
    optional = ("ctf", "network")
    gives = ("network",)
    needs = "gpu"
    scope = "sample"
    shares_work = True
    uses_network = PURPOSE
    makes_network = PURPOSE
    takes_particles = True

    def batch_of(self, parameters: PickTrainParameters, device: str) -> int:
        """Return the batch that was asked for, or that of the preset."""
        return parameters.chosen(device.startswith("cuda")).batch

    def outlook(self, parameters: PickTrainParameters) -> str:
        """Say how long training takes on two cores."""
        minutes = expected_minutes(parameters.chosen(on_gpu=False), threads=2)
        return f"about {max(1, round(minutes))} min on 2 cores, less when going on"

    def run(self, task: Task, inputs: Inputs, parameters: PickTrainParameters) -> StageResult:
        """Learn from what was judged in the tomograms of the series among the inputs."""
        import torch

        torch.set_num_threads(task.threads)
        if inputs.particles is None:
            raise StageError("no particles came with the task.", "Submit it again.")
        return _Training(task, inputs, inputs.particles, parameters).run()


class _Training:
    """One training at work."""

    def __init__(
        self, task: Task, inputs: Inputs, table: ParticleTable, parameters: PickTrainParameters
    ) -> None:
        self.task, self.inputs, self.table = task, inputs, table
        self.parameters = parameters
        self.preset = parameters.chosen(task.device.startswith("cuda"))
        self.species = species_of(inputs, table)
        self.losses = [0.0, 0.0]
        self.saved_at = time.monotonic()
        self.checkpoint = Checkpoint(task, parameters.model_dump_json())
        self.held_out: HeldOut | None = None
        self.calibrations: list[Calibration] = []

    def run(self) -> StageResult:
        """Load, train, calibrate, and describe the network."""
        from tomotui.stages.restore_inputs import check_alike, subjects_of

        subjects = self._chosen(subjects_of(self.task, self.inputs))
        check_alike(subjects)
        before = self._before()
        volumes = self._volumes(subjects, before)
        labels, judged = labels_of(
            self.task, self.inputs, self.table, self.species, subjects, volumes
        )
        self._check(labels)
        self.species = with_centres(self.species, labels, volumes)
        known = before.learnt if before is not None else frozenset()
        fresh = np.array([str(uid) not in known for uid in judged.uids], dtype=bool)
        labels = kept_back(labels, fresh, len(self.species), self.parameters.seed)
        trainer = self._trainer(volumes, labels, before)
        self._resume(trainer)

        def told(progress: Progress) -> None:
            if trainer.step >= self._release_at(trainer) and self.held_out is None:
                self._look(trainer, labels)
                trainer.lessons.learn_from(labels.released())
            self._told(progress, trainer)

        trainer.run(told)
        if not self.calibrations:
            self._look(trainer, labels)
        picker = Picker(
            trainer.mean,
            self.species,
            self.calibrations,
            float(np.mean(volumes[0].voxel_zyx_angstrom)),
            frozenset(str(uid) for uid in judged.uids),
        )
        path = self.task.folder / NETWORK_FILE
        write_picker(path, picker)
        self.task.artifact("network", path)
        self.checkpoint.forget()
        record = self._record(path, labels, picker)
        return StageResult(records=(record,), metrics=record.metrics, summary=self._summary(labels))

    # ---- what it works on

    def _chosen(self, subjects: list[Subject]) -> list[Subject]:
        """Return the tomograms to load: those in which something was judged, then any."""
        most = self.parameters.max_tomograms
        if len(subjects) <= most:
            return subjects
        judged = np.isin(self.table.decisions, ("accepted", "rejected"))
        uids, counts = np.unique(self.table.tomogram_uids[judged], return_counts=True)
        told = dict(zip(uids.tolist(), counts.tolist(), strict=True))
        ranked = sorted(subjects, key=lambda one: -told.get(one.tomogram.uid, 0))
        self.task.log(f"{most} of {len(subjects)} tomograms are looked at")
        return sorted(ranked[:most], key=lambda one: one.series.name)

    def _before(self) -> Picker | None:
        """Return the network to go on from, where it fits."""
        record = self.inputs.maybe(Network)
        if record is None or self.parameters.fresh:
            return None
        before = load_picker(self.task, record)
        if before.network.architecture.width != self.preset.width:
            self.task.log(f"{record.name} has another width: training begins from nothing")
            return None
        names = [one.name for one in before.species]
        if names != [one.name for one in self.species]:
            self.task.log(
                f"{record.name} tells {', '.join(names)}: only what it sees is taken over"
            )
        else:
            self.task.log(f"going on from {record.name}")
        return before

    def _volumes(self, subjects: list[Subject], before: Picker | None) -> list[Volume]:
        from tomotui.algorithms.pick.volumes import sampling_for

        own = subjects[0].tomogram.pixel_size_angstrom
        wanted = sampling_for([one.diameter_angstrom for one in self.species], own)
        sizes = [(one.name, one.diameter_angstrom) for one in self.species]
        if before is not None and sizes == [(b.name, b.diameter_angstrom) for b in before.species]:
            wanted = max(own, before.voxel_size_angstrom)
        volumes = []
        for number, subject in enumerate(subjects):
            self.task.progress(0.08 * number / len(subjects), f"reading {subject.series.name}")
            volumes.append(load_volume(self.task, subject, wanted, self.task.device))
        side = self.preset.side
        thin = [one.name for one in volumes if min(one.shape) < side // 2]
        if thin:
            raise StageError(
                f"{', '.join(thin)}: less than {side // 2} voxels of {wanted:.3g} A along a side.",
                "Reconstruct with a greater thickness.",
            )
        return volumes

    def _check(self, labels: Labels) -> None:
        for number, one in enumerate(self.species):
            if not (labels.accepted & (labels.species == number)).any():
                raise StageError(
                    f"no accepted particle of {one.name} lies in a tomogram that is looked at.",
                    "Name the series with --on, or mark some in the newest tomograms.",
                )

    # ---- training

    def _trainer(self, volumes: list[Volume], labels: Labels, before: Picker | None) -> Trainer:
        from tomotui.algorithms.pick.lessons import CropSampler
        from tomotui.algorithms.pick.network import Architecture
        from tomotui.algorithms.pick.training import Schedule, Trainer, centre_shares

        chosen, preset = self.parameters, self.preset
        voxel = float(np.mean(volumes[0].voxel_zyx_angstrom))
        diameters = [one.diameter_angstrom / voxel for one in self.species]
        lessons = CropSampler(
            volumes, labels, diameters, preset.side, chosen.free_rotations, self.task.device
        )
        schedule = Schedule(
            pretraining_steps=0 if before is not None else preset.pretraining_steps,
            steps=preset.steps,
            batch=preset.batch,
            learning_rate=chosen.learning_rate,
            unknown_weight=chosen.unknown_weight,
        )
        accepted = np.bincount(labels.species[labels.accepted], minlength=len(self.species))
        counts = 4.0 * accepted.astype(np.float64)
        if chosen.expected_per_tomogram is not None:
            counts = np.full(len(self.species), chosen.expected_per_tomogram * len(volumes))
        trainer = Trainer(
            lessons,
            Architecture(len(self.species), preset.width),
            schedule,
            centre_shares(counts, diameters, volumes),
            chosen.seed,
            self.task.device,
        )
        if before is not None:
            same = [one.name for one in before.species] == [one.name for one in self.species]
            trainer.take_over(before.network, with_centres=same)
        return trainer

    def _release_at(self, trainer: Trainer) -> int:
        first = trainer.schedule.pretraining_steps
        return first + round(HELD_OUT_UNTIL * trainer.schedule.steps)

    def _look(self, trainer: Trainer, labels: Labels) -> None:
        """See what the network says of judgements that it has not learnt from."""
        found, kinds = look_at_held_out(
            trainer.mean,
            trainer.lessons.volumes,
            labels,
            trainer.lessons.diameters,
            self.preset.side,
            self.task.device,
        )
        self.held_out = found
        self.calibrations = calibrations_of(found, kinds, len(self.species))

    def _resume(self, trainer: Trainer) -> None:
        """Go on from the checkpoint of an attempt before, where there is one of this training."""
        from tomotui.algorithms.pick.calibration import Calibration, HeldOut

        def take(kept: dict[str, Any]) -> None:
            trainer.go_on(kept["state"])
            if kept["held_out"] is not None:
                logits, accepted = kept["held_out"]
                self.held_out = HeldOut(logits.numpy(), accepted.numpy())
                self.calibrations = [Calibration(*one) for one in kept["calibrations"]]
                trainer.lessons.learn_from(trainer.lessons.labels.released())

        if self.checkpoint.resume(take, self.task.device):
            self.task.log(f"training goes on after step {trainer.step}")

    def _keep(self, trainer: Trainer) -> None:
        import torch

        held = self.held_out
        arrays = None if held is None else (held.logits, held.accepted)
        self.checkpoint.keep(
            {
                "state": trainer.state(),
                "held_out": None if arrays is None else tuple(map(torch.from_numpy, arrays)),
                "calibrations": [(one.slope, one.offset) for one in self.calibrations],
            }
        )

    def _told(self, progress: Progress, trainer: Trainer) -> None:
        """Report a step, and keep what has been reached."""
        for number, value in enumerate((progress.centres, progress.image)):
            self.losses[number] = smoothed(self.losses[number], value, SMOOTHING)
        alone = progress.step <= trainer.schedule.pretraining_steps
        if progress.step % max(1, trainer.steps // 300) == 0:
            self.task.metric("loss of the image", self.losses[1], progress.step)
            if not alone:
                self.task.metric("loss of centres", self.losses[0], progress.step)
        now = time.monotonic()
        if now - self.saved_at > CHECKPOINT_SECONDS:
            self.saved_at = now
            self._keep(trainer)
        what = "looking at the tomograms" if alone else "learning from what was judged"
        try:
            self.task.progress(
                0.08 + 0.9 * progress.step / trainer.steps,
                f"{what}, step {progress.step} of {trainer.steps}",
            )
        except Cancelled:
            self._keep(trainer)
            raise

    # ---- what it says of it

    def _record(self, path: Path, labels: Labels, picker: Picker) -> Network:
        metrics: dict[str, float] = {
            "accepted": float(labels.accepted.sum()),
            "rejected": float((~labels.accepted).sum()),
            "voxel_size_angstrom": picker.voxel_size_angstrom,
        }
        if self.held_out is not None and self.held_out.suffices:
            metrics["held_out"] = float(len(self.held_out.logits))
            metrics["held_out_average_precision"] = self.held_out.average_precision()
        sides = picker.network.architecture
        return Network(
            name=self.task.target,
            purpose=PURPOSE,
            path=self.task.relative(path),
            architecture=f"3d U-Net, {sides.width} channels, {sides.levels} levels",
            metrics=metrics,
            species=tuple(one.name for one in self.species),
        )

    def _summary(self, labels: Labels) -> str:
        accepted = int(labels.accepted.sum())
        names = ", ".join(one.name for one in self.species)
        words = f"{names}: {accepted} accepted, {len(labels) - accepted} rejected"
        held = self.held_out
        if held is not None and held.suffices:
            words += f", held-out precision {held.average_precision():.2f} ({len(held.logits)})"
        return words

"""Small stages that behave well or badly on demand, in real worker processes."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import time
from typing import Literal

from tomotui.records import Alignment, ParticleSet, Tilt, TiltAlignment, TiltSeries, Tomogram
from tomotui.records.particle_table import ParticleTable
from tomotui.stages.base import Inputs, Parameters, Stage, StageError, StageResult, Task, parameter

Act = Literal[
    "work", "wait", "stubborn", "fail", "crash", "memory", "full", "exit", "checkpoint",
    "environment",
]  # fmt: skip


def wait_for_the_word(task: Task) -> None:
    """Work until a file named like the target appears in the project."""
    deadline = time.monotonic() + 60
    task.progress(0.5, "waiting")
    while not (task.project_folder / f"go-{task.target}").exists():
        task.raise_if_cancelled()
        if time.monotonic() > deadline:
            raise StageError("nobody said go.")
        time.sleep(0.02)


class FakeParameters(Parameters):
    act: Act = parameter("work", "What to do.")
    amount: int = parameter(3, "How much of it.", ge=1)
    dataset: str = parameter("default", "Dataset of the series.")
    pause: float = parameter(0.0, "Between two steps.", unit="s", ge=0)


class FakeStage(Stage):
    """Makes a tilt series named like its target."""

    name = "fake"
    title = "Fake"
    summary = "Does as it is told."
    parameters_type = FakeParameters
    gives = ("tilt_series",)

    def run(self, task: Task, inputs: Inputs, parameters: FakeParameters) -> StageResult:
        act = getattr(self, f"_{parameters.act}")
        act(task, parameters)
        return StageResult(
            records=(series(task.target),),
            metrics={"final": 1.5},
            summary=f"made {task.target}",
        )

    def _work(self, task: Task, parameters: FakeParameters) -> None:
        for step in range(parameters.amount):
            task.progress(step / parameters.amount, f"step {step}")
            task.metric("loss", 1.0 / (step + 1), step=step, unit="1")
            time.sleep(parameters.pause)
        task.metric("loss", float("nan"), step=99)
        task.log("half way")
        task.warn("a tilt looks odd")
        path = task.folder / "picture.mrc"
        path.write_bytes(b"picture")
        task.artifact("picture", path)
        task.progress(1.0, "last words")

    def _wait(self, task: Task, parameters: FakeParameters) -> None:
        wait_for_the_word(task)

    def _stubborn(self, task: Task, parameters: FakeParameters) -> None:
        """Never listen, and leave a process of its own behind."""
        left_behind = subprocess.Popen(["sleep", "60"])
        task.log(f"left behind {left_behind.pid}")
        time.sleep(60)

    def _fail(self, task: Task, parameters: FakeParameters) -> None:
        raise StageError(f"{task.target}.mrc is truncated.", "Copy it again.")

    def _crash(self, task: Task, parameters: FakeParameters) -> None:
        raise ValueError("an odd value")

    def _memory(self, task: Task, parameters: FakeParameters) -> None:
        raise MemoryError

    def _full(self, task: Task, parameters: FakeParameters) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(task.folder / "out.mrc"))

    def _exit(self, task: Task, parameters: FakeParameters) -> None:
        os._exit(5)

    def _environment(self, task: Task, parameters: FakeParameters) -> None:
        """Leave what the libraries of this process are told."""
        (task.folder / "environment.json").write_text(json.dumps(dict(os.environ)))

    def _checkpoint(self, task: Task, parameters: FakeParameters) -> None:
        """Break off after two of four steps at the first attempt."""
        checkpoint = task.folder / "checkpoint.txt"
        done = int(checkpoint.read_text()) if checkpoint.exists() else 0
        task.log(f"from step {done}")
        for step in range(done, 4):
            task.metric("step", step, step=step)
            checkpoint.write_text(str(step + 1))
            if step == 1 and task.attempt == 1:
                raise StageError("broke off.")


class OutOfMemoryError(RuntimeError):
    """Bears the name of torch's."""


class GreedyParameters(Parameters):
    batch: int = parameter(8, "How much at once.", ge=1)
    fits: int = parameter(4, "How much the memory holds.", ge=0)


class GreedyStage(Stage):
    """Works on more at once than the memory may hold."""

    name = "greedy"
    title = "Greedy"
    summary = "Needs much memory."
    parameters_type = GreedyParameters

    def run(self, task: Task, inputs: Inputs, parameters: GreedyParameters) -> StageResult:
        task.log(f"tries {parameters.batch}")
        if parameters.batch > parameters.fits:
            raise OutOfMemoryError("CUDA out of memory. Tried to allocate 40 GiB.")
        return StageResult(summary=f"{parameters.batch} at once")


class CrowdedParameters(Parameters):
    batch: int = parameter(8, "How much at once.", ge=1)
    greed: int = parameter(0, "What tells apart runs that are not alike.")


class CrowdedStage(Stage):
    """Waits for a word, and then finds the GPU full when a file of the project says so."""

    name = "crowded"
    title = "Crowded"
    summary = "Shares a GPU."
    parameters_type = CrowdedParameters
    takes = ("tilt_series",)
    needs = "gpu"

    def run(self, task: Task, inputs: Inputs, parameters: CrowdedParameters) -> StageResult:
        wait_for_the_word(task)
        if (task.project_folder / f"full-{task.target}").exists():
            raise OutOfMemoryError("CUDA out of memory. Tried to allocate 40 GiB.")
        return StageResult(summary="fitted")


class TogetherParameters(Parameters):
    act: Literal["sum", "fail", "wait"] = parameter("sum", "What to do.")


class TogetherStage(Stage):
    """Adds up the numbers of the processes that share it, counted from 1."""

    name = "together"
    title = "Together"
    summary = "Is done by several processes."
    parameters_type = TogetherParameters
    scope = "sample"
    shares_work = True

    def run(self, task: Task, inputs: Inputs, parameters: TogetherParameters) -> StageResult:
        import torch

        from tomotui.algorithms.parallel import Ranks

        ranks = Ranks()
        if parameters.act == "fail" and ranks.rank == 1:
            raise StageError("the second process finds no room.", "Make some.")
        task.progress(0.5, "begun")
        while parameters.act == "wait":
            task.raise_if_cancelled()
            time.sleep(0.02)
        task.log("said once")
        total = torch.tensor([ranks.rank + 1.0])
        ranks.sum_(total)
        return StageResult(summary=f"{total.item():.0f} of {ranks.count}, {task.threads} threads")


class BrokenRecordStage(Stage):
    """Makes a record that cannot be stored."""

    name = "broken-record"
    title = "Broken record"
    summary = "Makes a record that holds no number where one must be."
    parameters_type = Parameters

    def run(self, task: Task, inputs: Inputs, parameters: Parameters) -> StageResult:
        made = alignment(series(task.target)).tilts[0].model_copy(update={"tilt_deg": float("nan")})
        return StageResult(records=(Alignment(series_uid="0" * 16, tilts=(made,)),))


class OrphanStage(Stage):
    """Makes a record of a series that the project does not have."""

    name = "orphan"
    title = "Orphan"
    summary = "Refers to nothing."
    parameters_type = Parameters

    def run(self, task: Task, inputs: Inputs, parameters: Parameters) -> StageResult:
        return StageResult(records=(alignment(series("nowhere")),))


class AverageStage(Stage):
    """Makes a set of three particles in a tomogram of its target."""

    name = "average"
    title = "Average"
    summary = "Aligns three particles."
    parameters_type = Parameters
    takes = ("tilt_series",)
    gives = ("particle_set",)

    def run(self, task: Task, inputs: Inputs, parameters: Parameters) -> StageResult:
        placed = alignment(inputs.one(TiltSeries))
        volume = Tomogram(
            series_uid=placed.series_uid,
            alignment_uid=placed.uid,
            path="t.mrc",
            size_xyz=(8, 8, 8),
            pixel_size_angstrom=10.0,
            window_low=0,
            window_high=1,
        )
        refined = ParticleSet(name="refined", made_by="refine")
        picks = ParticleTable.of(volume.uid, [[0, 0, 0], [100, 0, 0], [200, 0, 0]])
        table = picks.descendants(refined.uid, halves=[0, 1, 0])
        return StageResult(records=(placed, volume, refined), particles=(table,))


class StrayParticlesStage(Stage):
    """Makes particles of a set that nobody made."""

    name = "stray-particles"
    title = "Stray particles"
    summary = "Forgets the set."
    parameters_type = Parameters

    def run(self, task: Task, inputs: Inputs, parameters: Parameters) -> StageResult:
        return StageResult(particles=(ParticleTable.of("t", [[0, 0, 0]], set_uid="nowhere"),))


class NextParameters(Parameters):
    act: Literal["work", "wait"] = parameter("work", "What to do.")


class NextStage(Stage):
    """Aligns the series of its target."""

    name = "next"
    title = "Next"
    summary = "Goes on from the fake stage."
    parameters_type = NextParameters
    takes = ("tilt_series",)
    gives = ("alignment",)

    def run(self, task: Task, inputs: Inputs, parameters: NextParameters) -> StageResult:
        return StageResult(records=(alignment(inputs.one(TiltSeries)),), summary="aligned")


class MeasureParameters(Parameters):
    residual_angstrom: float = parameter(4.0, "What it finds.", unit="angstrom", ge=0)
    poor: tuple[str, ...] = parameter((), "Series that it finds ten times as bad.")
    failing: tuple[str, ...] = parameter((), "Series that it fails on.")
    limit: float | None = parameter(7.0, "Something that may be left out.")


class MeasureStage(Stage):
    """Aligns the series of its target as well as it is told."""

    name = "measure"
    title = "Measure"
    summary = "Finds the residual that it was told."
    parameters_type = MeasureParameters
    takes = ("tilt_series",)
    gives = ("alignment",)

    def run(self, task: Task, inputs: Inputs, parameters: MeasureParameters) -> StageResult:
        if task.target in parameters.failing:
            raise StageError(f"{task.target} is all ice.", "Take another.")
        value = parameters.residual_angstrom * (10 if task.target in parameters.poor else 1)
        made = alignment(inputs.one(TiltSeries)).replace(residual_angstrom=value)
        return StageResult(records=(made,), metrics={"rounds": 3.0}, summary=f"{value:.1f} A")


class WholeStage(Stage):
    """Takes all series at once."""

    name = "whole"
    title = "Whole"
    summary = "Counts the series."
    parameters_type = Parameters
    takes = ("tilt_series",)

    def run(self, task: Task, inputs: Inputs, parameters: Parameters) -> StageResult:
        names = sorted(one.name for one in inputs.all(TiltSeries))
        return StageResult(summary=" ".join(names))


def series(name: str, dataset: str = "default") -> TiltSeries:
    tilts = tuple(Tilt(index=i, nominal_tilt_deg=-3.0 + 3 * i) for i in range(3))
    return TiltSeries(
        name=name,
        dataset=dataset,
        stack_path=f"{name}.mrc",
        width_px=64,
        height_px=48,
        pixel_size_angstrom=10.0,
        tilts=tilts,
    )


def alignment(of: TiltSeries) -> Alignment:
    tilts = tuple(
        TiltAlignment(
            index=tilt.index,
            tilt_deg=tilt.nominal_tilt_deg,
            axis_deg=85.0,
            shift_x_angstrom=1.0,
            shift_y_angstrom=-2.0,
        )
        for tilt in of.tilts
    )
    return Alignment(series_uid=of.uid, tilts=tilts)

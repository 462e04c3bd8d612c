"""The process that runs a stage: from ``task.json`` to ``result.json``."""

from __future__ import annotations

import gc
import signal
import sys
import time
import traceback
from pathlib import Path
from types import FrameType

from pydantic import ValidationError

from tomotui import __version__
from tomotui.jobs.events import EventWriter
from tomotui.jobs.failures import explain, is_gpu_out_of_memory
from tomotui.jobs.files import write_model
from tomotui.jobs.found import write_candidates, write_particles
from tomotui.jobs.running import RunningTask
from tomotui.jobs.specification import (
    EVENTS_FILE,
    PARTICLES_FILE,
    RESULT_FILE,
    TaskResult,
    TaskSpecification,
)
from tomotui.records import RECORD, ParticleSet
from tomotui.stages import get
from tomotui.stages.base import (
    Cancelled,
    Inputs,
    Parameters,
    Stage,
    StageError,
    StageResult,
)

_EXIT_CODES = {"done": 0, "failed": 1, "cancelled": 3}
_PLEASE_REPORT = "This is an error of the program: please report it with the log."


def run_task(folder: Path, specification: TaskSpecification, device: str | None = None) -> int:
    """Run the stage of a task in this process and write its result.

    Parameters
    ----------
    folder
        The task's folder.
    specification
        What ``task.json`` says.
    device
        Where to work, when not on the GPU that the specification names.

    Returns
    -------
    int
        Exit code: 0 done, 1 failed, 3 cancelled.
    """
    events = EventWriter(folder / EVENTS_FILE, specification.attempt)
    task = RunningTask(folder, specification, events, device)

    def stop(signal_number: int, frame: FrameType | None) -> None:
        task.cancel()

    signal.signal(signal.SIGTERM, stop)
    started = time.monotonic()
    events.write("started", stage=specification.stage, device=task.device, threads=task.threads)
    result = _attempt(task, specification, folder)
    result = result.model_copy(update={"duration_seconds": time.monotonic() - started})
    task.flush()
    if result.status == "failed":
        events.write("error", result.message, remedy=result.remedy)
    events.write("finished", result.summary, status=result.status)
    events.close()
    write_model(folder / RESULT_FILE, result)
    return _EXIT_CODES[result.status]


def _attempt(task: RunningTask, specification: TaskSpecification, folder: Path) -> TaskResult:
    """Run the stage; whatever it raises becomes a result with a reason."""
    blank = TaskResult(
        attempt=specification.attempt,
        status="failed",
        parents=tuple(specification.input_uids),
        version=__version__,
        duration_seconds=0.0,
    )
    try:
        stage = get(specification.stage)
        parameters = stage.validate(specification.parameters)
        task.raise_if_cancelled()
        inputs = inputs_of(folder, specification)
        if specification.is_shared:
            # All processes would have to begin again together.
            made = stage.run(task, inputs, parameters)
        else:
            made = _run_twice_if_need_be(stage, task, inputs, parameters)
        _check_storable(made)
        particles = write_particles(folder, made)
        candidates = write_candidates(folder, made)
    except Cancelled:
        return blank.model_copy(update={"status": "cancelled", "message": "cancelled"})
    except Exception as error:  # the edge of the worker: a stage may fail in any way
        traceback.print_exc()
        failure = explain(error, folder)
        too_much = is_gpu_out_of_memory(error)
        return blank.model_copy(update={**failure._asdict(), "out_of_gpu_memory": too_much})
    return blank.model_copy(
        update={
            "status": "done",
            "records": tuple(made.records),
            "particles": particles,
            "candidates": candidates,
            "metrics": {name: float(value) for name, value in made.metrics.items()},
            "summary": made.summary,
        }
    )


def _run_twice_if_need_be(
    stage: Stage, task: RunningTask, inputs: Inputs, parameters: Parameters
) -> StageResult:
    """Run a stage; when the GPU's memory does not suffice, once more with less at once."""
    try:
        return stage.run(task, inputs, parameters)
    except Exception as error:
        if not is_gpu_out_of_memory(error):
            raise
        # What the stage held is freed when its traceback is.
        error.__traceback__ = None
    task.raise_if_cancelled()
    smaller = stage.smaller(parameters, task.device)
    before, after = (stage.batch_of(one, task.device) for one in (parameters, smaller))
    less = f"{after} instead of {before} at once" if after != before else "a new plan"
    task.warn(f"the GPU ran out of memory; tried once more with {less}")
    _free_gpu_memory()
    return stage.run(task, inputs, smaller)


def _free_gpu_memory() -> None:
    """Give back what torch keeps for later; nothing where torch is not at work."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()


def inputs_of(folder: Path, specification: TaskSpecification) -> Inputs:
    """Return what the stage works on, with the particles that lie beside the task."""
    if not specification.has_particles:
        return Inputs(specification.inputs)
    from tomotui.records.particle_table import ParticleTable

    return Inputs(specification.inputs, ParticleTable.read(folder / PARTICLES_FILE))


def _check_storable(made: StageResult) -> None:
    """Refuse records that could be written but not be read again, such as ones holding NaN."""
    for record in made.records:
        try:
            RECORD.validate_json(record.model_dump_json())
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise StageError(
                f"the {record.kind.replace('_', ' ')} that was made is not complete: {place} "
                f"is {first['input']!r} ({first['msg']}).",
                _PLEASE_REPORT,
            ) from error
    sets = {record.uid for record in made.records if isinstance(record, ParticleSet)}
    for table in made.particles:
        if not sets.issuperset(table.set_uids.tolist()):
            raise StageError(
                "particles were made that belong to no particle set that was made.", _PLEASE_REPORT
            )

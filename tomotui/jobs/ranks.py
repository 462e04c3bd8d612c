"""One task on several GPUs or nodes: a task folder, worked on by all processes of ``torchrun``.

    torchrun --nproc-per-node 4 -m tomotui.jobs.ranks TASK_FOLDER

The worker of a task that several processes share starts them so (`tomotui.jobs.processes`).
Every process runs the stage, on a GPU of its own where there are some; the first one speaks,
and writes into the task's folder; the others keep quiet and write into folders that go away.
Stages that train let their processes share gradients (`tomotui.algorithms.parallel`). When one of
the others fails, the first only sees it gone: the reason lies in the task's folder.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import traceback
from contextlib import ExitStack, redirect_stdout
from datetime import timedelta
from pathlib import Path

from tomotui.jobs.child import inputs_of, run_task
from tomotui.jobs.events import EventWriter
from tomotui.jobs.failures import explain, is_gpu_out_of_memory
from tomotui.jobs.files import UnreadableFile, read_model, write_model
from tomotui.jobs.liveness import die_with_parent
from tomotui.jobs.running import RunningTask
from tomotui.jobs.specification import (
    CANCEL_FILE,
    EVENTS_FILE,
    RESULT_FILE,
    TASK_FILE,
    TaskResult,
    TaskSpecification,
)
from tomotui.stages import get
from tomotui.stages.base import Cancelled

_PATIENCE = timedelta(hours=2)
"""One process may have to wait so long for another, such as at the end of an iteration."""
_FAILURE_FILE = "failure-of-process-{}.json"
_CHECKPOINTS = "checkpoint*"


def main(arguments: list[str]) -> int:
    """Run the task of a folder as one of several processes.

    Returns
    -------
    int
        0 done, 1 failed, 2 the folder holds no task or ``torchrun`` did not start this, 3
        cancelled.
    """
    if len(arguments) != 1 or "RANK" not in os.environ:
        print(__doc__, file=sys.stderr)  # noqa: T201
        return 2
    folder = Path(arguments[0]).absolute()
    try:
        specification = read_model(folder / TASK_FILE, TaskSpecification)
    except UnreadableFile as error:
        print(f"tomotui: {error}", file=sys.stderr)  # noqa: T201
        return 2
    if specification is None:
        print(f"tomotui: {folder} holds no task.", file=sys.stderr)  # noqa: T201
        return 2
    # Processes of torchrun lead sessions of their own, which nobody else would end.
    die_with_parent()
    return _work(folder, specification.model_copy(update=_granted()))


def _granted() -> dict[str, int]:
    """Return what this process may use, and with how many it shares the task."""
    found = {"processes": int(os.environ.get("WORLD_SIZE", "1")), "nodes": 1}
    threads = os.environ.get("OMP_NUM_THREADS", "")
    return found | ({"threads": int(threads)} if threads.isdecimal() and int(threads) else {})


def _work(folder: Path, specification: TaskSpecification) -> int:
    """Join the other processes, and run the stage with them."""
    import torch
    import torch.distributed as dist

    rank, place = int(os.environ["RANK"]), int(os.environ.get("LOCAL_RANK", "0"))
    n_gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    has_own_gpu = n_gpus >= int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    device = f"cuda:{place % n_gpus}" if n_gpus else "cpu"
    if n_gpus:
        torch.cuda.set_device(place % n_gpus)
    # NCCL wants a GPU for each process.
    dist.init_process_group("nccl" if has_own_gpu else "gloo", timeout=_PATIENCE)
    try:
        if rank == 0:
            for path in folder.glob(_FAILURE_FILE.format("*")):
                path.unlink()
            dist.barrier()
            code = run_task(folder, specification, device)
            _tell_of_others(folder)
            return code
        dist.barrier()
        with ExitStack() as stack:
            own = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            for checkpoint in folder.glob(_CHECKPOINTS):
                shutil.copy2(checkpoint, own)
            return _run_quietly(own, folder, specification, device)
    except Exception as error:
        if rank == 0:
            raise
        _leave_word(folder, specification, rank, error)
        return 1
    finally:
        dist.destroy_process_group()


def _run_quietly(own: Path, folder: Path, specification: TaskSpecification, device: str) -> int:
    """Do the share of a process that has nothing to say, in a folder of its own."""
    events = EventWriter(own / EVENTS_FILE, specification.attempt)
    task = RunningTask(own, specification, events, device)
    stage = get(specification.stage)
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
        stage.run(task, inputs_of(folder, specification), stage.validate(specification.parameters))
    events.close()
    return 0


def _leave_word(
    folder: Path, specification: TaskSpecification, rank: int, error: Exception
) -> None:
    """Write down why a process has failed that has nothing to say otherwise."""
    if isinstance(error, Cancelled):
        return
    traceback.print_exc()
    told = TaskResult(
        attempt=specification.attempt,
        status="failed",
        **explain(error, folder)._asdict(),
        out_of_gpu_memory=is_gpu_out_of_memory(error),
        version=specification.version,
        duration_seconds=0.0,
    )
    write_model(folder / _FAILURE_FILE.format(rank), told)


def _tell_of_others(folder: Path) -> None:
    """Put the reason in the place of what the first process has made of another's end."""
    result = read_model(folder / RESULT_FILE, TaskResult)
    said = sorted(folder.glob(_FAILURE_FILE.format("*")))
    if result is None or result.status == "done" or not said or (folder / CANCEL_FILE).exists():
        return
    reason = read_model(said[0], TaskResult)
    if reason is not None:
        write_model(folder / RESULT_FILE, reason)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""One task on several GPUs or nodes: a task folder, worked on by all processes of ``torchrun``.

    torchrun --nproc-per-node 4 -m tomotui.jobs.ranks TASK_FOLDER

Every process runs the stage, on a GPU of its own where there are some; the first one speaks,
and writes into the task's folder; the others keep quiet and write into folders that go away.
Stages that train let their processes share gradients (`tomotui.algorithms.parallel`).
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

from tomotui.jobs.child import inputs_of, run_task
from tomotui.jobs.events import EventWriter
from tomotui.jobs.files import UnreadableFile, read_model
from tomotui.jobs.running import RunningTask
from tomotui.jobs.specification import EVENTS_FILE, TASK_FILE, TaskSpecification
from tomotui.stages import get

_PATIENCE = timedelta(hours=2)
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
    return _work(folder, specification)


def _work(folder: Path, specification: TaskSpecification) -> int:
    """Join the other processes, and run the stage with them."""
    import torch
    import torch.distributed as dist

    rank, place = int(os.environ["RANK"]), int(os.environ.get("LOCAL_RANK", "0"))
    has_gpu = torch.cuda.is_available()
    device = f"cuda:{place}" if has_gpu else "cpu"
    if has_gpu:
        torch.cuda.set_device(place)
    dist.init_process_group("nccl" if has_gpu else "gloo", timeout=_PATIENCE)
    try:
        if rank == 0:
            return run_task(folder, specification, device)
        with ExitStack() as stack:
            own = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            for checkpoint in folder.glob(_CHECKPOINTS):
                shutil.copy2(checkpoint, own)
            return _run_quietly(own, folder, specification, device)
    finally:
        dist.destroy_process_group()


def _run_quietly(own: Path, folder: Path, specification: TaskSpecification, device: str) -> int:
    """Do the share of a process that has nothing to say, in a folder of its own."""
    events = EventWriter(own / EVENTS_FILE, specification.attempt)
    task = RunningTask(own, specification, events, device)
    stage = get(specification.stage)
    stage.run(task, inputs_of(folder, specification), stage.validate(specification.parameters))
    events.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

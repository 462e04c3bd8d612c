"""One element of an array, on its node: ``python -m tomotui.jobs.cluster.element ARRAY_FILE``.

It finds its task by its index and becomes the task's worker, with what SLURM has granted. When
SLURM takes the node away, the task is not cancelled but broken off: it goes on from its
checkpoints wherever it is started next.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from tomotui.jobs.cluster.array import ArrayFile
from tomotui.jobs.files import UnreadableFile, read_model
from tomotui.jobs.specification import CANCEL_FILE, EXIT_FILE, LOG_FILE, RESULT_FILE, TaskResult
from tomotui.jobs.worker import work_on

_LOCK_PATIENCE_SECONDS = 60.0
"""The worker before this one may take a while to go, on a host that is being taken away."""


def granted(environment: Mapping[str, str], array: ArrayFile) -> dict[str, object]:
    """Return what SLURM has granted: threads, GPUs as CUDA_VISIBLE_DEVICES names them, and nodes.

    A task that can be shared has a process for each of the GPUs, on every node.
    """
    words = environment.get("SLURM_CPUS_PER_TASK") or environment.get("SLURM_CPUS_ON_NODE") or ""
    threads = int(words) if words.isdecimal() and int(words) else 1
    gpu = environment.get("CUDA_VISIBLE_DEVICES", "") if array.wants_gpu else ""
    gpu = "" if gpu == "NoDevFiles" else gpu
    found: dict[str, object] = {"threads": threads, "gpu": gpu}
    if array.is_shared:
        n_gpus = len(gpu.split(",")) if gpu else 0
        found |= {"processes": array.processes or max(1, n_gpus), "nodes": array.nodes}
    return found


def put_away_interruption(folder: Path) -> bool:
    """Take away the result of a worker that was told to end although nobody cancelled its task."""
    if (folder / CANCEL_FILE).exists():
        return False
    try:
        result = read_model(folder / RESULT_FILE, TaskResult)
    except UnreadableFile:
        result = None
    if result is None or result.status != "cancelled":
        return False
    for name in (RESULT_FILE, EXIT_FILE):
        path = folder / name
        with contextlib.suppress(FileNotFoundError):
            path.replace(path.with_stem(f"{path.stem}-interrupted"))
    return True


def main(arguments: list[str]) -> int:
    """Run the task of this element.

    Returns
    -------
    int
        What the worker returns; 2 when there is no such task.
    """
    index = os.environ.get("SLURM_ARRAY_TASK_ID", "")
    path = Path(arguments[0]).absolute() if arguments else Path()
    try:
        array = read_model(path, ArrayFile) if arguments else None
    except UnreadableFile as error:
        return _refuse(str(error))
    if array is None:
        return _refuse(f"there is no array {path}.")
    if not index.isdecimal() or int(index) >= len(array.folders):
        return _refuse(f"{path} has no element {index!r}.")
    with contextlib.suppress(OSError):
        path.with_suffix(".job").write_text(os.environ.get("SLURM_ARRAY_JOB_ID", ""))
    folder = path.parent.parent / array.folders[int(index)]
    try:
        os.chdir(folder)
        _print_into(folder / LOG_FILE)
        put_away_interruption(folder)
        code = work_on(folder, granted(os.environ, array), _LOCK_PATIENCE_SECONDS)
        put_away_interruption(folder)
    except OSError as error:
        return _refuse(f"{folder} cannot be worked in: {error}.")
    return code


def _print_into(log: Path) -> None:
    """Send everything that is printed from here on into the task's log."""
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
        os.dup2(descriptor, stream.fileno())
    os.close(descriptor)


def _refuse(message: str) -> int:
    print(f"tomotui worker: {message}", flush=True)  # noqa: T201
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

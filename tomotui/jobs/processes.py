"""Several processes that work on one task together: what a job asks for, and how they start.

On this machine a job says how many in its profile, as ``2 processes``; through SLURM the profile of
the cluster says it, with its nodes and GPUs. `torchrun` starts them (`tomotui.jobs.ranks`).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path

from tomotui.jobs.devices import gpus
from tomotui.jobs.liveness import this_host
from tomotui.jobs.specification import TaskSpecification
from tomotui.project import ProjectError
from tomotui.stages.base import Stage

_WORDS = re.compile(r"([1-9]\d*) processes")
_FIRST_PORT, _N_PORTS = 20_000, 20_000


def profile_of(n_processes: int) -> str:
    """Return the profile of a job on this machine that so many processes share."""
    return f"{n_processes} processes" if n_processes > 1 else ""


def processes_in(profile: str) -> int:
    """Return how many processes a profile of this machine asks for.

    Raises
    ------
    ProjectError
        When it is no such profile.
    """
    if not profile:
        return 1
    found = _WORDS.fullmatch(profile)
    if found is None:
        raise ProjectError(
            f"{profile!r} is no number of processes.", "Profiles of a cluster need --where slurm."
        )
    return int(found[1])


def check_processes(stage: Stage, profile: str) -> None:
    """Make sure that a stage can be shared as a profile of this machine asks.

    Raises
    ------
    ProjectError
        When it cannot, or there are too few GPUs.
    """
    n_processes = processes_in(profile)
    if n_processes == 1:
        return
    if not stage.shares_work:
        raise ProjectError(
            f"{stage.name} is done by one process.", "Leave --processes out; its tasks run at once."
        )
    if reason := why_too_many(stage, n_processes, len(gpus())):
        raise ProjectError(reason, f"Ask for fewer: --processes N, at most {len(gpus())}.")


def why_too_many(stage: Stage, n_processes: int, n_gpus: int) -> str:
    """Return why a machine has too few GPUs for so many processes; empty when it has enough."""
    if stage.needs != "gpu" or not n_gpus or n_processes <= n_gpus:
        return ""
    have = "1 GPU" if n_gpus == 1 else f"{n_gpus} GPUs"
    return f"each process has a GPU of its own: {n_processes} are wanted, and there is {have}."


def torchrun_command(
    task_folder: Path, specification: TaskSpecification, environment: Mapping[str, str]
) -> list[str]:
    """Return the command that starts the processes of a task, on this node or on all of a job's.

    Parameters
    ----------
    environment
        Of this process: on several nodes it tells SLURM's job, whose first node is this one.
    """
    torchrun = [sys.executable, "-P", "-m", "torch.distributed.run"]
    each = ["--nproc-per-node", str(specification.processes), "-m", "tomotui.jobs.ranks"]
    each.append(str(task_folder))
    if specification.nodes == 1:
        return [*torchrun, "--standalone", *each]
    number = environment.get("SLURM_JOB_ID", "0")
    port = _FIRST_PORT + (int(number) if number.isdecimal() else 0) % _N_PORTS
    nodes = str(specification.nodes)
    # Since SLURM 22.05 a step gets one processor unless it asks for those of its job.
    step = ["srun", f"--nodes={nodes}", f"--ntasks={nodes}", "--ntasks-per-node=1",
            f"--cpus-per-task={specification.threads}", "--kill-on-bad-exit=1"]  # fmt: skip
    meeting = ["--nnodes", nodes, "--rdzv-backend", "c10d", "--rdzv-id", f"tomotui-{number}",
               "--rdzv-endpoint", f"{this_host()}:{port}"]  # fmt: skip
    return [*step, *torchrun, *meeting, *each]

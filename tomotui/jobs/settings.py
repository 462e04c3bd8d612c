"""How patient an agent is; tests make it less so."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class AgentSettings:
    """Times in seconds.

    Attributes
    ----------
    idle
        Without any work for so long, the agent ends.
    tick, idle_tick
        Pause between two looks, with and without tasks at work.
    heartbeat
        Interval of the signs of life of workers and of the agent itself.
    stall
        A worker silent for so long is reported; it is not killed.
    lost
        A worker on another host silent for so long is given up.
    start_grace
        A task without a process is started again after so long.
    term_after, kill_after
        From the wish to cancel to SIGTERM, and from there to SIGKILL.
    linger
        A worker that has written its result and does not end is killed after so long.
    cpu_slots
        How many tasks may run on the processors at once; ``None`` to find out.
    tasks_per_gpu
        So many tasks get each GPU, whatever they need; ``None`` for one, and more where the
        memory that tasks of their kind have held before fits together.
    slurm_interval, slurm_patience
        From one look at SLURM's queue to the next, and how long to wait for an answer.
    slurm_grace
        The files of a task that has ended on another host may take so long to be seen here.
    slurm_unknown
        A task of which SLURM says nothing, and which is silent, is given up after so long.
    slurm_files
        Pause between two looks into the folder of a task on another host.
    """

    idle: float = 30.0
    tick: float = 0.2
    idle_tick: float = 0.5
    heartbeat: float = 2.0
    stall: float = 60.0
    lost: float = 300.0
    start_grace: float = 15.0
    term_after: float = 3.0
    kill_after: float = 8.0
    linger: float = 15.0
    cpu_slots: int | None = None
    tasks_per_gpu: int | None = None
    slurm_interval: float = 5.0
    slurm_patience: float = 30.0
    slurm_grace: float = 15.0
    slurm_unknown: float = 60.0
    slurm_files: float = 1.0

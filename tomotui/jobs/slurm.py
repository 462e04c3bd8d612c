"""Asking SLURM through its programs; what it says of its partitions."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from typing import NamedTuple

PATIENCE_SECONDS = 5.0
_FORMAT = "%P|%a|%l|%F|%C|%G"
"""Partition, availability, time limit; nodes and processors as allocated/idle/other/total; gres."""


_FOREIGN = ("SLURM_", "SBATCH_", "SQUEUE_", "SACCT_", "SCANCEL_", "SRUN_")
_KEPT = ("SLURM_CONF", "SLURM_CONF_SERVER", "SLURM_CLUSTERS", "SLURM_TIME_FORMAT")


class SlurmTrouble(OSError):
    """The scheduler does not answer."""


class Share(NamedTuple):
    """How many of some things are taken, free, out of order, and there in all."""

    taken: int = 0
    idle: int = 0
    other: int = 0
    total: int = 0

    def plus(self, other: Share) -> Share:
        """Return the sum of both."""
        return Share(*(a + b for a, b in zip(self, other, strict=True)))


class Partition(NamedTuple):
    """One partition of the cluster.

    Attributes
    ----------
    time_limit
        As the scheduler writes it, such as ``2-00:00:00``.
    gres
        Its generic resources, such as ``gpu:h100:4`` for each node.
    """

    name: str
    is_default: bool
    is_up: bool
    time_limit: str
    nodes: Share
    processors: Share
    gres: tuple[str, ...] = ()


def environment(own: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment for SLURM's programs.

    What says how another job or a person's habits want it is left out: the agent may itself run
    inside a job, whose limits are not those of the jobs that it submits.
    """
    own = os.environ if own is None else own
    kept = {
        name: value
        for name, value in own.items()
        if name in _KEPT or not name.startswith((*_FOREIGN, "CUDA_VISIBLE_DEVICES"))
    }
    return {**kept, "LC_ALL": "C"}


def ask(arguments: Sequence[str], patience_seconds: float) -> str:
    """Run one of SLURM's programs and return what it printed.

    Raises
    ------
    SlurmTrouble
        When it cannot be run, does not answer in time, or says no; with what it said.
    """
    program = arguments[0]
    try:
        done = subprocess.run(
            arguments,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=patience_seconds,
            check=False,
            env=environment(),
        )
    except subprocess.TimeoutExpired as error:
        raise SlurmTrouble(f"{program} has not answered for {patience_seconds:.0f} s") from error
    except OSError as error:
        raise SlurmTrouble(f"{program} cannot be run ({error.strerror or error})") from error
    if done.returncode:
        raise SlurmTrouble(_said(done.stderr, program) or f"{program} ended with {done.returncode}")
    return done.stdout


def _said(text: str, program: str) -> str:
    """Return the lines of an error without the program's name before each."""
    lines = [
        re.sub(rf"^{program}: (error: |fatal: )?", "", line.strip()) for line in text.splitlines()
    ]
    return "; ".join(dict.fromkeys(line.rstrip(".") for line in lines if line))


def has_slurm() -> bool:
    """Return whether jobs can be given to a SLURM cluster from this machine."""
    return shutil.which("sbatch") is not None


def read_partitions(patience_seconds: float = PATIENCE_SECONDS) -> tuple[Partition, ...]:
    """Ask the scheduler for its partitions.

    Raises
    ------
    SlurmTrouble
        When it does not answer in time, or with something else.
    """
    return partitions_in(ask(["sinfo", "-h", "-o", _FORMAT], patience_seconds))


def partitions_in(words: str) -> tuple[Partition, ...]:
    """Return the partitions that ``sinfo`` has printed; lines of one name are put together."""
    found: dict[str, Partition] = {}
    for line in words.splitlines():
        partition = _parse(line)
        if partition is None:
            continue
        known = found.get(partition.name)
        if known is not None:
            partition = known._replace(
                nodes=known.nodes.plus(partition.nodes),
                processors=known.processors.plus(partition.processors),
                gres=tuple(dict.fromkeys([*known.gres, *partition.gres])),
            )
        found[partition.name] = partition
    return tuple(found.values())


def _parse(line: str) -> Partition | None:
    fields = [field.strip() for field in line.split("|")]
    if len(fields) != 6:
        return None
    name, state, limit, nodes, processors, gres = fields
    shares = [_share(nodes), _share(processors)]
    if not name or shares[0] is None or shares[1] is None:
        return None
    return Partition(
        name=name.rstrip("*"),
        is_default=name.endswith("*"),
        is_up=state == "up",
        time_limit=limit,
        nodes=shares[0],
        processors=shares[1],
        gres=tuple(one for one in gres.split(",") if one and one != "(null)"),
    )


def _share(words: str) -> Share | None:
    numbers = [_number(part) for part in words.split("/")]
    known = [number for number in numbers if number is not None]
    return Share(*known) if len(numbers) == len(known) == 4 else None


def _number(words: str) -> int | None:
    """Return a number; SLURM writes large ones such as ``12K``."""
    factor = {"K": 1000, "M": 1_000_000}.get(words[-1:].upper(), 1)
    digits = words[:-1] if factor > 1 else words
    try:
        return round(float(digits) * factor)
    except ValueError:
        return None

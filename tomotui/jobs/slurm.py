"""What the cluster's scheduler says of its partitions: one call of ``sinfo``."""

from __future__ import annotations

import shutil
import subprocess
from typing import NamedTuple

PATIENCE_SECONDS = 5.0
_FORMAT = "%P|%a|%l|%F|%C|%G"
"""Partition, availability, time limit; nodes and processors as allocated/idle/other/total; gres."""


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


def has_slurm() -> bool:
    """Return whether this machine belongs to a SLURM cluster."""
    return shutil.which("sinfo") is not None


def read_partitions(patience_seconds: float = PATIENCE_SECONDS) -> tuple[Partition, ...]:
    """Ask the scheduler for its partitions.

    Raises
    ------
    SlurmTrouble
        When it does not answer in time, or with something else.
    """
    try:
        done = subprocess.run(
            ["sinfo", "-h", "-o", _FORMAT],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=patience_seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise SlurmTrouble(f"sinfo has not answered for {patience_seconds:.0f} s") from error
    except OSError as error:
        raise SlurmTrouble(f"sinfo cannot be run ({error.strerror or error})") from error
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise SlurmTrouble(said[-1] if said else f"sinfo ended with {done.returncode}")
    return partitions_in(done.stdout)


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

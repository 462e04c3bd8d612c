"""Speaking with SLURM: the programs it is asked through, and what their refusals mean."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from tomotui.jobs.cluster.profiles import Profile
from tomotui.jobs.slurm import SlurmTrouble, ask

IDS_IN_ONE_CALL = 200
_PASSING = re.compile(
    r"has not answered|cannot be run|timed out|contact|temporar|try again|unable to accept|"
    r"socket|connection|limit|busy|not responding|slow|slurmctld|backup",
    re.IGNORECASE,
)
"""In what sbatch says when the same wish may be granted later."""
_FULL = re.compile(r"submit.{0,5}job|submit limit", re.IGNORECASE)
"""The user has as many jobs in the queue as allowed: there is room later."""
_LASTING = re.compile(
    r"invalid|time limit|not available|not permitted|cannot be satisfied|can not be satisfied|"
    r"unrecognized|unknown",
    re.IGNORECASE,
)


class Refused(Exception):
    """The scheduler does not take a job, and will not take it later as it is."""


def options_of(profile: Profile, wants_gpu: bool, is_shared: bool = False) -> list[str]:
    """Return the options of sbatch that a profile stands for.

    Each is one word of a command line that no shell reads, so it may hold any character.

    Parameters
    ----------
    is_shared
        Whether several nodes may share a task.
    """
    has_nodes = is_shared and profile.nodes > 1
    wishes = {
        "nodes": str(profile.nodes) if has_nodes else "",
        "ntasks-per-node": "1" if has_nodes else "",
        "partition": profile.partition,
        "account": profile.account,
        "qos": profile.qos,
        "time": profile.time,
        "cpus-per-task": str(profile.cpus or ""),
        "mem": profile.memory,
        "gres": f"gpu:{profile.gpus}" if profile.gpus and wants_gpu else "",
    }
    return [*(f"--{name}={value}" for name, value in wishes.items() if value), *profile.extra]


def submit_array(
    script: Path,
    token: str,
    count: int,
    profile: Profile,
    *,
    wants_gpu: bool,
    is_shared: bool = False,
    patience_seconds: float,
) -> str:
    """Give an array of ``count`` elements to the scheduler; returns the number of its job.

    Parameters
    ----------
    script
        What each element runs; what it prints lies beside it.
    token
        Name of the job, by which it is found again when the answer got lost.
    is_shared
        Whether several nodes may share a task.

    Raises
    ------
    SlurmTrouble
        When the scheduler does not answer, or cannot take the job now.
    Refused
        When it will not take such a job.
    """
    limit = f"%{profile.array_limit}" if profile.array_limit else ""
    command = [
        "sbatch",
        "--parsable",
        f"--array=0-{count - 1}{limit}",
        f"--job-name={token}",
        # The script goes where it belongs and prints there: SLURM reads % and \ in paths its way.
        "--chdir=/",
        "--output=/dev/null",
        "--requeue",
        f"--ntasks={profile.nodes if is_shared else 1}",
        *options_of(profile, wants_gpu, is_shared),
        str(script),
    ]
    try:
        said = ask(command, patience_seconds)
    except SlurmTrouble as error:
        if is_passing(str(error)):
            raise
        raise Refused(str(error)) from error
    # With --parsable: the number, and on clusters of clusters a name after a semicolon.
    last = said.strip().splitlines()[-1] if said.strip() else ""
    number = last.split(";")[0].strip()
    if not number.isdecimal():
        raise SlurmTrouble(f"sbatch answered {last!r}, which is no job number")
    return number


def would_take(profile: Profile, patience_seconds: float = 15.0) -> str:
    """Return why SLURM would not take a job of a profile; empty when it would.

    The job is one that needs a GPU, if the profile has some, and all of its nodes. Nothing is
    submitted.
    """
    command = ["sbatch", "--test-only", f"--ntasks={profile.nodes}"]
    command += [*options_of(profile, True, True), "--wrap=true"]
    try:
        ask(command, patience_seconds)
    except SlurmTrouble as error:
        return str(error)
    return ""


def is_passing(words: str) -> bool:
    """Return whether the same wish may be granted later, going by what sbatch said."""
    if _FULL.search(words):
        return True
    return bool(_PASSING.search(words)) and not _LASTING.search(words)


def cancel(ids: Iterable[str], patience_seconds: float) -> int:
    """End jobs or elements of arrays; returns how many. Those that have ended are passed over.

    Raises
    ------
    SlurmTrouble
        When the scheduler does not answer.
    """
    wanted = sorted(ids)
    for first in range(0, len(wanted), IDS_IN_ONE_CALL):
        try:
            ask(["scancel", *wanted[first : first + IDS_IN_ONE_CALL]], patience_seconds)
        except SlurmTrouble as error:
            if not re.search(r"invalid job id|already complet", str(error), re.IGNORECASE):
                raise
    return len(wanted)

"""What SLURM says of jobs, and what that means for tasks."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal, NamedTuple

SQUEUE_FORMAT = "%i|%T|%r|%N|%j"
"""Number, state, reason, host and name; the name last, for it may hold anything."""

Phase = Literal["waiting", "running", "ended"]

_WAITING = {"PENDING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "SPECIAL_EXIT", "RESV_DEL_HOLD"}
_ENDED = {
    "COMPLETED", "FAILED", "OUT_OF_MEMORY", "TIMEOUT", "DEADLINE", "NODE_FAIL", "BOOT_FAIL",
    "PREEMPTED", "CANCELLED", "REVOKED", "LAUNCH_FAILED",
}  # fmt: skip

_HOPELESS = {
    "PartitionTimeLimit": "it asks for more time than the partition grants: lower `time`",
    "PartitionNodeLimit": "it asks for more nodes than the partition has: change the profile",
    "PartitionDown": "the partition takes jobs but starts none: wait, or take another",
    "PartitionInactive": "the partition is closed: take another",
    "BadConstraints": "no node has what the profile asks for: change it",
    "InvalidAccount": "the account is not valid: change `account`",
    "InvalidQOS": "the QOS is not valid: change `qos`",
    "AccountNotAllowed": "the account may not use the partition: change one of them",
    "QOSNotAllowed": "the QOS may not use the partition: change one of them",
    "JobHeldUser": "it is held: scontrol release",
    "JobHeldAdmin": "an administrator holds it: ask why",
    "DependencyNeverSatisfied": "it waits for what will not come: cancel it",
    "Licenses": "no licence is free",
    "QOSMaxMemoryPerJob": "it asks for more memory than the QOS grants: lower `memory`",
    "QOSMaxWallDurationPerJobLimit": "it asks for more time than the QOS grants: lower `time`",
    "QOSMaxCpuPerJobLimit": "it asks for more processors than the QOS grants: lower `cpus`",
    "launch failed requeued held": "it could not be started and is held: scontrol release",
    "job requeued in held state": "it is held: scontrol release",
}
"""Reasons that do not pass by themselves, in words."""


class JobState(NamedTuple):
    """What the scheduler says of one element of an array.

    Attributes
    ----------
    exit_code
        Exit code and signal, as in ``0:9``; empty where the scheduler does not say.
    """

    id: str
    state: str
    reason: str = ""
    host: str = ""
    name: str = ""
    exit_code: str = ""

    @property
    def phase(self) -> Phase:
        """Whether it waits, runs or has ended; a word that is not known says that it runs."""
        if self.state in _WAITING:
            return "waiting"
        return "ended" if self.state in _ENDED else "running"

    @property
    def words(self) -> str:
        """The state for people, such as ``pending (Priority)``."""
        word = self.state.lower().replace("_", " ")
        if self.phase == "waiting":
            if not self.reason or self.reason == "None":
                return word
            remedy = _HOPELESS.get(self.reason, "")
            return f"{word} ({self.reason}){': ' if remedy else ''}{remedy}"
        return f"{word} on {self.host}" if self.host and self.phase == "running" else word

    @property
    def was_killed(self) -> bool:
        """Whether a signal has ended it, as far as the scheduler says."""
        code, _, number = self.exit_code.partition(":")
        return (
            number not in ("", "0")
            or code in ("137", "143")
            or self.reason in ("JobLaunchFailure", "RaisedSignal")
        )


def parse_squeue(text: str) -> list[JobState]:
    """Return the states that squeue has printed; lines that are none are passed over."""
    found = []
    for line in text.splitlines():
        fields = line.strip().split("|", 4)
        if len(fields) == 5:
            number, state, reason, host, name = fields
            found += [
                JobState(each, state, reason.strip("()"), host, name) for each in elements(number)
            ]
    return found


def parse_sacct(text: str) -> list[JobState]:
    """Return the states that sacct has printed; the steps of jobs are passed over."""
    found = []
    for line in text.splitlines():
        fields = line.strip().split("|", 4)
        if len(fields) == 5 and "." not in fields[0]:
            number, state, host, code, name = fields
            # As in `CANCELLED by 1000`.
            word = state.split(" ")[0].rstrip("+")
            found += [
                JobState(each, word, "", "" if host == "None assigned" else host, name, code)
                for each in elements(number)
            ]
    return found


_ARRAY = re.compile(r"(\d+)_\[([\d,:-]+)(?:%\d+)?\]")


def elements(number: str) -> Iterable[str]:
    """Return the elements that a job number stands for, such as ``7_[0-2,5%4]``."""
    match = _ARRAY.fullmatch(number)
    if match is None:
        return [number]
    found = []
    for part in match[2].split(","):
        bounds, _, step = part.partition(":")
        first, _, last = bounds.partition("-")
        if first.isdecimal() and (last or first).isdecimal():
            numbers = range(int(first), int(last or first) + 1, int(step or 1))
            found += [f"{match[1]}_{n}" for n in numbers]
    return found

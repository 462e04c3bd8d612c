"""What becomes of a task whose element has ended without a result."""

from __future__ import annotations

from typing import Literal, NamedTuple

from tomotui.jobs.cluster.states import JobState
from tomotui.jobs.specification import ExitReport
from tomotui.records import Status

MOST_KILLS = 1
MOST_INTERRUPTIONS = 5

Cause = Literal["failed", "cancelled", "killed", "interrupted"]


class Verdict(NamedTuple):
    """Why an element ended, in words that name the remedy.

    Attributes
    ----------
    cause
        ``killed`` and ``interrupted`` are tried again.
    """

    cause: Cause
    words: str

    @property
    def status(self) -> Status:
        """How the task ends when it is not tried again."""
        return Status.CANCELLED if self.cause == "cancelled" else Status.FAILED


def judge(
    state: JobState | None, began: bool, report: ExitReport | None, profile: str, printed: str
) -> Verdict:
    """Return why an element ended.

    Parameters
    ----------
    state
        What the scheduler says; ``None`` when it has forgotten the element.
    began
        Whether its worker came to life.
    report
        What the worker has written of its end, if it could.
    profile
        Name of the profile, for the remedy.
    printed
        The last words of an element that did not come as far as its worker.
    """
    named = f"profile {profile}" if profile else "cluster profile"
    if state is not None and (known := _by_state(state, named)) is not None:
        return known
    if report is not None:
        if report.reason == "cancelled":
            return Verdict("killed", "it was told to end from outside of tomotui")
        return Verdict("killed" if _is_kill(report) else "failed", report.reason)
    who = f"slurm {state.id}" if state is not None else "SLURM"
    if state is None:
        return Verdict("killed", "SLURM no longer knows it, and it left no result")
    if state.reason == "JobLaunchFailure" and not began:
        host = state.host or "its node"
        return Verdict("killed", f"{host} could not start {who}; see whether it has this folder")
    if state.was_killed or (began and state.state == "FAILED"):
        return Verdict("killed", f"{who} was killed (by hand, or for lack of memory)")
    if began:
        return Verdict("failed", f"{who} ended without a result; see the log")
    said = f": {printed}" if printed else "; it printed nothing"
    return Verdict(
        "failed",
        f"{who} could not start its worker{said}. See `setup` and `python` of the {named}, and "
        "whether the node sees this folder.",
    )


def _by_state(state: JobState, named: str) -> Verdict | None:
    """Return what a state says by itself; ``None`` when it does not tell why."""
    who, host = f"slurm {state.id}", state.host or "its node"
    match state.state:
        case "OUT_OF_MEMORY":
            return Verdict(
                "failed",
                f"{who} ran out of the memory that it was granted. Raise `memory` in the {named} "
                "or use a coarser binning, and retry.",
            )
        case "TIMEOUT" | "DEADLINE":
            return Verdict(
                "failed",
                f"{who} came to its time limit. Raise `time` in the {named} and retry: it goes on "
                "from its last checkpoint.",
            )
        case "NODE_FAIL" | "BOOT_FAIL":
            return Verdict("interrupted", f"{host} failed")
        case "PREEMPTED":
            return Verdict("interrupted", f"a job of higher priority took {host}")
        case "CANCELLED" | "REVOKED":
            return Verdict("cancelled", f"{who} was cancelled outside of tomotui. Retry to go on.")
        case "FAILED" if state.reason == "BadConstraints":
            return Verdict(
                "failed", f"no node has what {who} asks for. Change the {named} and retry."
            )
    return None


def _is_kill(report: ExitReport) -> bool:
    """Whether a worker was ended from outside, and not by its own doing or for memory."""
    return report.signal in (9, 15) and "ran out of memory" not in report.reason

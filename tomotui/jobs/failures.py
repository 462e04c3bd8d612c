"""Why a task failed, in words that name the cause and the remedy."""

from __future__ import annotations

import errno
import signal
from pathlib import Path
from typing import NamedTuple

from tomotui.stages.base import ParameterError, StageError


class Failure(NamedTuple):
    """What was wrong and what to do about it."""

    message: str
    remedy: str


def explain(error: BaseException, folder: Path) -> Failure:
    """Return why a stage failed.

    Parameters
    ----------
    error
        What the stage raised.
    folder
        The task's folder, named where the error names no file.
    """
    if isinstance(error, StageError):
        return Failure(error.message, error.remedy)
    if isinstance(error, ParameterError):
        return Failure(str(error), "Clone the job and change its parameters.")
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        place = error.filename or folder
        return Failure(f"the disk is full: {place}", "Free some space and retry.")
    if is_gpu_out_of_memory(error):
        return Failure(
            "the GPU ran out of memory.",
            "Use a coarser binning or smaller boxes, or retry when the GPU is free.",
        )
    if isinstance(error, MemoryError) or "can't allocate memory" in str(error):
        return Failure(
            "ran out of memory.", "Use a coarser binning, or retry with fewer tasks at once."
        )
    words = str(error)
    named = f"{type(error).__name__}: {words}" if words else type(error).__name__
    return Failure(named, "See the log.")


def is_gpu_out_of_memory(error: BaseException) -> bool:
    """Recognise torch's error by name: whoever asks may not have imported torch."""
    return type(error).__name__ == "OutOfMemoryError" or "CUDA out of memory" in str(error)


def explain_exit(exit_code: int | None, signal_number: int | None, memory_killed: bool) -> str:
    """Return why a process ended that left no result.

    Parameters
    ----------
    exit_code, signal_number
        How it ended: one of them is ``None``.
    memory_killed
        Whether the kernel has killed a process for lack of memory meanwhile.
    """
    if signal_number is None:
        return f"ended with exit code {exit_code} and without a result; see the log"
    name = signal_name(signal_number)
    if signal_number == signal.SIGKILL:
        if memory_killed:
            return f"ran out of memory: killed by signal 9 ({name}) by the system"
        return f"killed by signal 9 ({name}): out of memory or killed by hand"
    if signal_number in (signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGABRT):
        return f"crashed with signal {signal_number} ({name}); see the log"
    return f"ended by signal {signal_number} ({name})"


def signal_name(number: int) -> str:
    """Return the name of a signal, such as ``SIGKILL``."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"


def memory_kills() -> int:
    """Return how often the kernel has killed in this control group for lack of memory."""
    try:
        group = Path("/proc/self/cgroup").read_text(encoding="ascii").strip().split("::")[-1]
        text = (Path("/sys/fs/cgroup") / group.lstrip("/") / "memory.events").read_text("ascii")
    except (OSError, UnicodeDecodeError):
        return 0
    counts = dict(line.split() for line in text.splitlines() if len(line.split()) == 2)
    return int(counts.get("oom_kill", 0))

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tomotui.jobs.failures import explain, explain_exit

FOLDER = Path("/data/project/jobs/0001-align/ts_01")


class OutOfMemoryError(RuntimeError):
    """Named like torch's."""


@pytest.mark.parametrize(
    ("error", "message", "remedy"),
    [
        (OutOfMemoryError("CUDA"), "the GPU ran out of memory.", "coarser binning"),
        (RuntimeError("CUDA out of memory. Tried"), "the GPU ran out of memory.", "coarser"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "ran out of memory.", "fewer"),
        (OSError(28, "No space left on device"), f"the disk is full: {FOLDER}", "Free some space"),
        (OSError(2, "No such file or directory", "a.mrc"), "FileNotFoundError: ", "See the log."),
        (KeyError(), "KeyError", "See the log."),
    ],
)
def test_every_error_is_explained(error: BaseException, message: str, remedy: str) -> None:
    failure = explain(error, FOLDER)
    assert failure.message.startswith(message)
    assert remedy in failure.remedy


@pytest.mark.parametrize(
    ("code", "number", "memory", "words"),
    [
        (7, None, False, "ended with exit code 7 and without a result; see the log"),
        (None, signal.SIGKILL, True, "ran out of memory: killed by signal 9 (SIGKILL)"),
        (None, signal.SIGSEGV, False, "crashed with signal 11 (SIGSEGV); see the log"),
        (None, signal.SIGTERM, False, "ended by signal 15 (SIGTERM)"),
        (None, 999, False, "ended by signal 999 (unknown)"),
    ],
)
def test_every_end_is_explained(
    code: int | None, number: int | None, memory: bool, words: str
) -> None:
    assert explain_exit(code, number, memory).startswith(words)

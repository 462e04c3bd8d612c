"""How errors reach a user of the command line: one message and an exit code."""

from __future__ import annotations

import errno
import os
import sys


class WrongWords(Exception):
    """The command cannot be understood; exit code 2."""


class WorkFailed(Exception):
    """The command was understood but its work failed; exit code 1."""


_REMEDIES = {
    errno.ENOSPC: "free some space and try again",
    errno.EDQUOT: "your quota is used up: free some space and try again",
    errno.EACCES: "ask its owner for the right, or choose another place",
    errno.EPERM: "ask its owner for the right, or choose another place",
    errno.EROFS: "choose another place",
    errno.ENOENT: "check the path",
    errno.ENOTDIR: "check the path",
    errno.EEXIST: "choose another place",
    errno.EISDIR: "give a file, not a folder",
}


def report(error: BaseException) -> int:
    """Print an error for people and return the exit code."""
    code, words = explain(error)
    print(f"tomotui: {words}", file=sys.stderr)
    return code


def explain(error: BaseException) -> tuple[int, str]:
    """Return the exit code of an error, and its words."""
    # Imported late: they cost a part of the start-up, and most commands go well.
    from tomotui.formats.errors import FormatError
    from tomotui.jobs.recipe import RecipeError
    from tomotui.project import ProjectError
    from tomotui.simulate import SimulationError
    from tomotui.stages import UnknownStage
    from tomotui.stages.base import ParameterError, StageError

    if isinstance(error, (WrongWords, ParameterError, RecipeError, UnknownStage)):
        return 2, str(error)
    if isinstance(error, (WorkFailed, ProjectError, FormatError, StageError, SimulationError)):
        return 1, str(error)
    if isinstance(error, OSError):
        return 1, _of_the_system(error)
    if isinstance(error, MemoryError):
        return 1, "ran out of memory; use binned data, or a machine with more"
    named = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return 1, (
        f"this should not have happened ({named}). "
        "The same command with --debug shows where; please report that."
    )


def _of_the_system(error: OSError) -> str:
    """Return the words for an error of the system, with the file first."""
    if error.errno is None:
        return str(error)
    words = error.strerror or os.strerror(error.errno)
    words = words[:1].lower() + words[1:]
    files = [os.fsdecode(name) for name in (error.filename, error.filename2) if name is not None]
    where = f"{' -> '.join(files)}: " if files else ""
    remedy = _REMEDIES.get(error.errno)
    return f"{where}{words}; {remedy}" if remedy else f"{where}{words}"

"""Putting a large file into a folder for another program: as a link, or copied where that fails."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tomotui.formats.errors import FormatError


def put_file(source: Path, target: Path) -> Path:
    """Let ``target`` be the file ``source``; nothing happens when it is already.

    Raises
    ------
    FormatError
        The source is missing, or something else lies there.
    """
    source = source.absolute()
    if not source.is_file():
        raise FormatError(f"{source} is missing", "put it back, or import the series again")
    if os.path.lexists(target):
        if target.exists() and os.path.samefile(source, target):
            return target
        if not target.is_symlink():
            raise FormatError(f"{target} is there already", "give another folder, or remove it")
        target.unlink()
    try:
        target.symlink_to(source)
    except OSError:  # Some file systems know no links.
        _copy(source, target)
    return target


def _copy(source: Path, target: Path) -> None:
    unfinished = target.with_name(f".partial-{target.name}")
    try:
        shutil.copyfile(source, unfinished)
        os.replace(unfinished, target)
    except OSError as error:
        raise FormatError(
            f"{source} cannot be copied to {target}: {error.strerror or error}",
            "free some room, or check the folder's permissions",
        ) from error
    finally:
        unfinished.unlink(missing_ok=True)

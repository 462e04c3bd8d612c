"""The doctor's look at the file system that a project is to lie on."""

from __future__ import annotations

import itertools
import os
import shutil
import statistics
import time
from pathlib import Path

import platformdirs

from tomotui.checks import Check

_MOST_ASKED = 100
_LONGEST_LOOK_SECONDS = 1.0
_SLOW_MS = 5.0
_FEW_FILES = 20_000


def file_checks(folder: Path) -> list[Check]:
    """Look at room, rights, kind and speed of the file system of a folder that is there."""
    from tomotui.project import filesystem

    checks = [_room(folder)]
    if not filesystem.is_writable(folder):
        checks.append(
            Check("folder", "fail", f"{folder} cannot be written", "Choose another folder.")
        )
    return [*checks, *_files_left(folder), _kind(folder), _speed(folder), _settings()]


def _room(folder: Path) -> Check:
    free = shutil.disk_usage(folder).free / 2**30
    text = f"{folder}: {free:.0f} GiB free"
    if free > 10:
        return Check("disk", "ok", text)
    return Check("disk", "warn", text, "Tomograms need room: free some.")


def _files_left(folder: Path) -> list[Check]:
    """Some quotas count files; file systems without such a count say zero in all."""
    told = os.statvfs(folder)
    if not told.f_files or told.f_favail > _FEW_FILES:
        return []
    text = f"{folder}: only {told.f_favail} more files can be made"
    return [Check("files", "warn", text, "Every task makes a few: remove some, or ask for more.")]


def _kind(folder: Path) -> Check:
    from tomotui.project import filesystem

    kind = filesystem.file_system_type(folder)
    named = f"{kind}, " if kind else ""
    if filesystem.is_shared(folder):
        return Check(
            "file system",
            "warn",
            f"{named}shared between hosts: the project uses a rollback journal",
            "Open a project on one host at a time.",
        )
    return Check("file system", "ok", f"{named}local: the project uses a write-ahead log")


def _speed(folder: Path) -> Check:
    """Ask after files one by one, as lists do; the first answers may come from a cache."""
    took = list(_answers_ms(folder))
    middle = statistics.median(took) if took else 0.0
    text = f"{middle:.2g} ms to ask after a file"
    if middle > _SLOW_MS:
        return Check(
            "speed",
            "warn",
            f"{text}: slow",
            "Put the project on a nearer disk; the images may stay where they are.",
        )
    return Check("speed", "ok", text)


def _answers_ms(folder: Path) -> list[float]:
    took: list[float] = []
    deadline = time.monotonic() + _LONGEST_LOOK_SECONDS
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in itertools.islice(entries, _MOST_ASKED)]
    except OSError:
        return took
    for name in [".", *names]:
        began = time.perf_counter()
        try:
            os.stat(folder / name)
        except OSError:
            continue
        took.append(1000 * (time.perf_counter() - began))
        if time.monotonic() > deadline:
            break
    return took


def _settings() -> Check:
    """Where the user was is kept outside the project."""
    place = platformdirs.user_state_path("tomotui")
    nearest = next(path for path in (place, *place.parents) if path.is_dir())
    if os.access(nearest, os.W_OK | os.X_OK):
        is_at_home = place.is_relative_to(Path.home())
        shown = Path("~", place.relative_to(Path.home())) if is_at_home else place
        return Check("settings", "ok", f"kept in {shown}")
    return Check(
        "settings",
        "warn",
        f"{place} cannot be written: where you were is forgotten",
        "Set XDG_STATE_HOME to a folder that can.",
    )

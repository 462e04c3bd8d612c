"""The particles that a task has found or made: columns in files beside its result."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tomotui.jobs.files import UnreadableFile
from tomotui.jobs.specification import CandidateFile, TaskResult
from tomotui.stages.base import StageResult

if TYPE_CHECKING:
    from tomotui.records.particle_table import Candidates, ParticleTable


def write_candidates(folder: Path, made: StageResult) -> tuple[CandidateFile, ...]:
    """Write what a stage has found into the task's folder; returns what the result says of it."""
    files = []
    for number, found in enumerate(made.candidates):
        name = f"candidates-{number}.npz"
        found.table.write(folder / name)
        files.append(
            CandidateFile(
                particle_set=found.particle_set,
                tomogram_uid=found.tomogram_uid,
                path=name,
                same_within_angstrom=found.same_within_angstrom,
            )
        )
    return tuple(files)


def read_candidates(folder: Path, result: TaskResult) -> list[Candidates]:
    """Read what a task has found.

    Raises
    ------
    UnreadableFile
        When a file is missing or torn.
    """
    from tomotui.records.particle_table import Candidates

    return [
        Candidates(
            file.particle_set,
            file.tomogram_uid,
            _read(folder / file.path),
            file.same_within_angstrom,
        )
        for file in result.candidates
    ]


def write_particles(folder: Path, made: StageResult) -> tuple[str, ...]:
    """Write the rows of new sets into the task's folder; returns the names of the files."""
    names = tuple(f"particles-made-{number}.npz" for number in range(len(made.particles)))
    for name, table in zip(names, made.particles, strict=True):
        table.write(folder / name)
    return names


def read_particles(folder: Path, result: TaskResult) -> list[ParticleTable]:
    """Read the rows of the sets that a task has made.

    Raises
    ------
    UnreadableFile
        When a file is missing or torn.
    """
    return [_read(folder / name) for name in result.particles]


def _read(path: Path) -> ParticleTable:
    from tomotui.records.particle_table import ParticleTable

    try:
        return ParticleTable.read(path)
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise UnreadableFile(path, str(error)) from error

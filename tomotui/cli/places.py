"""Where exports go: into a folder, or into one file; whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tomotui.cli.errors import WrongWords
from tomotui.formats.names import file_name


@dataclass(frozen=True)
class Place:
    """Where to write: a folder, or one file when the output ends as such a file does."""

    output: Path
    suffix: str

    @property
    def is_file(self) -> bool:
        """Whether the output is one file."""
        ending = self.suffix and self.output.suffix.lower() == self.suffix
        return bool(ending) and not self.output.is_dir()

    def files(self, names: Sequence[str]) -> list[Path]:
        """Return the file of each name, and make the folder.

        Raises
        ------
        WrongWords
            When several files should go into one.
        FormatError
            When a name would lead out of the folder.
        """
        if self.is_file and len(names) > 1:
            raise WrongWords(
                f"--output {self.output} is one file, and there are {len(names)} to write: "
                "give a folder, or choose one with --on"
            )
        self.folder(bool(names))
        if self.is_file:
            return [self.output for _ in names]
        return [self.output / f"{file_name(name)}{self.suffix}" for name in names]

    def folder(self, needed: bool) -> Path:
        """Return the folder to write into; made when something will be written."""
        folder = self.output.parent if self.is_file else self.output
        if needed:
            folder.mkdir(parents=True, exist_ok=True)
        return folder


def whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let a file appear whole or not at all."""
    unfinished = path.with_name(f".partial-{path.name}")
    try:
        write(unfinished)
        os.replace(unfinished, path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise

"""Series that arrive as movies: which mdocs tell of them, and whether all files are there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tomotui.formats.errors import FormatError
from tomotui.formats.mdoc import read_mdoc
from tomotui.formats.movie_series import (
    MissingMovies,
    movie_files,
    movie_series_name,
    names_movies,
)

Signature = tuple[tuple[str, int, int], ...]


@dataclass
class MovieFolder:
    """What was read of the mdocs of a folder; each state of a file is read once.

    Attributes
    ----------
    names
        Names of all movies that mdocs tell of: they are no stacks.
    lacking
        How many movies are there of how many, by the mdocs of series that have not all.
    """

    names: set[str] = field(default_factory=set)
    lacking: dict[Path, tuple[int, int]] = field(default_factory=dict)
    _read: dict[Path, tuple[tuple[int, int], bool]] = field(default_factory=dict)

    def series(self, mdocs: Iterable[Path]) -> list[Path]:
        """Return one mdoc for each series of movies."""
        found: dict[tuple[Path, str], Path] = {}
        for mdoc in sorted(mdocs):
            if not mdoc.name.startswith(".") and self._tells_of_movies(mdoc):
                found.setdefault((mdoc.parent, movie_series_name(mdoc)), mdoc)
        return list(found.values())

    def signature(self, mdoc: Path, frames: Path | None) -> Signature:
        """Return names, sizes and times of the mdoc and of the movies that are there.

        A series that cannot be read has no more than its mdoc: it is examined, and what is wrong
        is then told.
        """
        self.lacking.pop(mdoc, None)
        try:
            files = movie_files(mdoc, frames)
        except MissingMovies as error:
            files = [*error.present, mdoc]
            self.lacking[mdoc] = (len(error.present), error.n_movies)
        except FormatError:
            files = [mdoc]
        status = [(path.name, path.stat()) for path in files]
        return tuple((name, one.st_size, one.st_mtime_ns) for name, one in status)

    def _tells_of_movies(self, mdoc: Path) -> bool:
        try:
            status = mdoc.stat()
        except OSError:
            return False
        state = (status.st_size, status.st_mtime_ns)
        if mdoc in self._read and self._read[mdoc][0] == state:
            return self._read[mdoc][1]
        try:
            tells = names_movies(mdoc)
            sections = read_mdoc(mdoc).sections if tells else ()
        except FormatError:
            tells, sections = False, ()
        for section in sections:
            if section.sub_frame_path:
                name = section.sub_frame_path.replace("\\", "/").split("/")[-1]
                self.names |= {name, mdoc.stem}
        self._read[mdoc] = (state, tells)
        return tells

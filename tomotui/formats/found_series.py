"""Finding what may be tilt series in a folder, by names and headers, within bounded time."""

from __future__ import annotations

import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tomotui.formats.errors import FormatError
from tomotui.formats.movie_series import names_movies, series_files
from tomotui.formats.mrc import read_header
from tomotui.formats.pairing import is_named_like_raw_stack, series_name
from tomotui.formats.portal_folder import is_run, portal_runs
from tomotui.formats.stacks import TIFF_SUFFIXES

MOST_STACKS = 400
"""Of one folder; the import itself knows no such limit."""

_GAIN = re.compile(r"gain|superref|countref", re.IGNORECASE)
_GAIN_SUFFIXES = (".mrc", ".gain", *TIFF_SUFFIXES)
_TELLS_TILTS = (".mdoc", ".mrc.mdoc", ".tif.mdoc", ".tiff.mdoc", ".rawtlt", ".tlt")
_OTHER_PROJECT = "project.sqlite"


@dataclass(frozen=True)
class Trace:
    """What another program has left.

    Attributes
    ----------
    words
        What was found, and what becomes of it.
    n_files
        How many files say so.
    """

    program: str
    words: str
    n_files: int


@dataclass(frozen=True)
class Place:
    """A folder with tilt series of one kind.

    Attributes
    ----------
    files
        The stacks, or one mdoc for each series of movies.
    gain
        What is called a gain reference, nearest to movies; ``None`` when there is none or when
        several are equally near.
    """

    folder: Path
    kind: Literal["stacks", "movies"]
    files: tuple[Path, ...]
    gain: Path | None = None


@dataclass(frozen=True)
class Scouted:
    """What was found.

    Attributes
    ----------
    n_folders
        How many folders were looked into.
    cut_short
        Why not all were; empty when they were.
    """

    places: tuple[Place, ...] = ()
    traces: tuple[Trace, ...] = ()
    n_folders: int = 0
    cut_short: str = ""


_TRACES = (
    ("IMOD", (".xf",), "an alignment beside its stack is taken along"),
    ("etomo", (".edf",), "alignment, excluded views and CTF are taken along with the stack"),
    (
        "CryoET data portal",
        ("tiltseries_metadata.json",),
        "alignment, CTF and tomogram of a run are taken along with its stack",
    ),
    ("AreTomo", (".aln",), "an alignment beside its stack is taken along"),
    ("RELION", ("tomograms.star", "tilt_series.star"), "take alignments along: --alignment FILE"),
    ("Warp", (".tomostar", ".settings"), "its stacks in tiltstack/ with --alignment NAME.xml"),
)


class _Out(Exception):
    """There is no time left, or no wish to go on."""


def scout(
    root: Path,
    is_wanted: Callable[[], bool] = lambda: True,
    *,
    depth: int = 4,
    seconds: float = 8.0,
    most_entries: int = 100_000,
) -> Scouted:
    """Look for tilt series in a folder and below, reading names and a few headers only.

    Parameters
    ----------
    is_wanted
        Asked often; once it says no, what was found so far is returned.
    depth
        Levels below ``root``.
    seconds, most_entries
        Bounds for slow file systems and large ones.
    """
    search = _Search(root, is_wanted, depth, time.monotonic() + seconds, most_entries)
    cut_short = ""
    try:
        for folder, names in search.folders():
            search.look(folder, names)
    except _Out as why:
        cut_short = str(why)
    return Scouted(search.places(), search.traces(), search.n_folders, cut_short)


class _Search:
    """A search while it goes on."""

    def __init__(
        self,
        root: Path,
        is_wanted: Callable[[], bool],
        depth: int,
        deadline: float,
        most_entries: int,
    ) -> None:
        self.root, self.is_wanted, self.depth = root, is_wanted, depth
        self.deadline, self.left = deadline, most_entries
        self.n_folders = 0
        self.found: list[Place] = []
        self.gains: list[Path] = []
        self.seen: Counter[str] = Counter()

    def go_on(self) -> None:
        """Raise when it is time to end."""
        if not self.is_wanted():
            raise _Out("stopped")
        if time.monotonic() > self.deadline:
            raise _Out("there was not the time to look into all folders")
        if self.left < 0:
            raise _Out("there are too many files to look at them all")

    def folders(self) -> Iterator[tuple[Path, list[str]]]:
        """Go through the folders, the near ones first, and the names of their files."""
        waiting = [(self.root, 0)]
        while waiting:
            folder, level = waiting.pop(0)
            self.go_on()
            names, below = self._listed(folder)
            if level and _OTHER_PROJECT in names:
                continue
            self.n_folders += 1
            if _is_portal(folder, below):
                self._look_at_portal(folder)
                continue
            if level < self.depth:
                waiting += [(folder / name, level + 1) for name in below]
            yield folder, names

    def _listed(self, folder: Path) -> tuple[list[str], list[str]]:
        names: list[str] = []
        below: list[str] = []
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    self.left -= 1
                    if self.left % 1000 == 0:
                        self.go_on()
                    if entry.name.startswith("."):
                        continue
                    # Links to folders may lead round in circles.
                    if entry.is_dir(follow_symlinks=False):
                        below.append(entry.name)
                    else:
                        names.append(entry.name)
        except OSError:
            return [], []  # What cannot be read is not ours.
        return sorted(names), sorted(below)

    def look(self, folder: Path, names: list[str]) -> None:
        """Take note of what a folder holds."""
        for program, endings, _ in _TRACES:
            self.seen[program] += sum(name.lower().endswith(endings) for name in names)
        if folder.name.endswith("_Imod"):
            return  # AreTomo's links to the stacks beside it.
        gains = [n for n in names if _GAIN.search(n) and n.lower().endswith(_GAIN_SUFFIXES)]
        self.gains += [folder / name for name in gains]
        mdocs = [folder / name for name in names if name.lower().endswith(".mdoc")]
        # Beside alignments of AreTomo the mdocs are of the stacks that it has made.
        of_movies = () if any(n.endswith(".aln") for n in names) else self._of_movies(mdocs)
        if of_movies:
            self.found.append(Place(folder, "movies", of_movies))
            return  # Single images and sums lie beside movies; they are not series.
        stacks = tuple(self._stacks(folder, names))
        if stacks:
            self.found.append(Place(folder, "stacks", stacks))

    def _look_at_portal(self, folder: Path) -> None:
        """Take note of a data set of the portal, whose tomograms are no stacks."""
        stacks = []
        for run in portal_runs(folder):
            self.go_on()
            stacks += run.stacks()[:1]
        if stacks:
            self.seen["CryoET data portal"] += len(stacks)
            self.found.append(Place(folder, "stacks", tuple(stacks[:MOST_STACKS])))

    def _of_movies(self, mdocs: list[Path]) -> tuple[Path, ...]:
        """Return one mdoc for each series of movies; a folder's mdocs are of one kind."""
        if not mdocs or not names_movies(mdocs[0]):
            return ()
        self.go_on()
        return tuple(series_files(mdocs))

    def _stacks(self, folder: Path, names: list[str]) -> Iterator[Path]:
        known, n = set(names), 0
        for name in names:
            path = folder / name
            if not is_named_like_raw_stack(path) or _GAIN.search(name) or n >= MOST_STACKS:
                continue
            # A folder of TIFF files holds movies more often than stacks.
            if name.lower().endswith(TIFF_SUFFIXES) and not _tells_tilts(name, known):
                continue
            self.go_on()
            if _has_images(path):
                n += 1
                yield path

    def places(self) -> tuple[Place, ...]:
        """Return the places found, movies with the gain reference that is nearest."""
        return tuple(
            Place(p.folder, p.kind, p.files, self._gain(p.folder)) if p.kind == "movies" else p
            for p in self.found
        )

    def _gain(self, folder: Path) -> Path | None:
        if not self.gains:
            return None
        near = min(_steps(folder, gain.parent) for gain in self.gains)
        nearest = [gain for gain in self.gains if _steps(folder, gain.parent) == near]
        return nearest[0] if len(nearest) == 1 else None

    def traces(self) -> tuple[Trace, ...]:
        """Return what other programs have left."""
        return tuple(
            Trace(program, words, self.seen[program])
            for program, _, words in _TRACES
            if self.seen[program]
        )


def _is_portal(folder: Path, below: list[str]) -> bool:
    """Return whether a folder is a run of the portal, or holds one among its first folders."""
    return any(is_run(one) for one in (folder, *(folder / name for name in below[:3])))


def _tells_tilts(name: str, known: set[str]) -> bool:
    stems = (name, Path(name).stem, series_name(name))
    return any(stem + ending in known for stem in stems for ending in _TELLS_TILTS)


def _has_images(path: Path) -> bool:
    """Return whether a file holds several images; what cannot be read is for the import to say."""
    if path.suffix.lower() not in (".mrc", ".mrcs", ".st"):
        return True
    try:
        return read_header(path).shape[0] > 1
    except FormatError:
        return True


def _steps(one: Path, other: Path) -> int:
    """Return how many folders one has to go up and down between two folders."""
    shared = len(Path(os.path.commonpath([one, other])).parts)
    return len(one.parts) + len(other.parts) - 2 * shared

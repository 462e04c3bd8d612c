"""Which tilt series in a folder are complete: nothing of them changes, and nothing is missing.

The folder is looked at again and again; no notification of the system is relied on, for shared
file systems send none.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from tomotui.formats.errors import FormatError
from tomotui.formats.movie_series import movie_series_name
from tomotui.formats.pairing import StackFiles, is_named_like_raw_stack, pair_files, series_name
from tomotui.jobs.movie_arrivals import MovieFolder, Signature
from tomotui.stages.base import ParameterError

Clock = Callable[[], float]

FEW = 5
ODD_ONE_PATIENCE = 10.0
"""A series with fewer images than the others has to be still for so many times as long."""
EXAMINE_AGAIN_SECONDS = 60.0
"""Files that could not be used are tried again after so long: a right to read may be given."""
SKEW_SECONDS = 60.0
"""By how much the clocks of this host and of the file server may differ."""


class Arrival(NamedTuple):
    """A tilt series that is complete."""

    path: Path
    name: str
    n_images: int


class Waiting(NamedTuple):
    """A stack that was seen and is not taken, and why; ``settling`` is a matter of time."""

    path: Path
    reason: str
    settling: bool = False


@dataclass(frozen=True)
class Look:
    """What one look at the folder has found; ``trouble`` is why it could not be read."""

    arrivals: tuple[Arrival, ...] = ()
    waiting: tuple[Waiting, ...] = ()
    trouble: str = ""


@dataclass
class _Sighting:
    """What is known of one stack: its files, and since when they look as they do."""

    signature: Signature
    since: float
    looks: int = 1
    changed: bool = False
    fault: str | None = None
    examined_at: float = 0.0
    n_images: int = 0


@dataclass
class Arrivals:
    """Looks at a folder and tells which of its tilt series are complete.

    Parameters
    ----------
    examine
        Returns the number of images of a stack; raises `FormatError` when the files cannot be
        imported as they are. Called once for each state of the files.
    patterns
        Which files to look at, as `Path.glob` takes them; the stacks of the folder when empty.
    settle_seconds
        A series is taken when its files have not changed for so long.
    leave_out
        Folders not to look into.
    frames
        Folder of the movies; looked for near the mdocs when not given.
    clock, wall_clock
        Seconds, for measuring how long nothing has changed, and for comparison with the times
        of files.
    """

    folder: Path
    examine: Callable[[Path], int]
    patterns: Sequence[str] = ()
    settle_seconds: float = 120.0
    leave_out: Sequence[Path] = ()
    frames: Path | None = None
    clock: Clock = time.monotonic
    wall_clock: Clock = time.time
    _seen: dict[Path, _Sighting] = field(default_factory=dict)
    _movies: MovieFolder = field(default_factory=MovieFolder)

    def look(self, known: Collection[Path], counts: Sequence[int] = ()) -> Look:
        """Look once.

        Parameters
        ----------
        known
            Stacks that were taken before: they are not looked at.
        counts
            Numbers of images of series taken before, which tell how many to expect.
        """
        try:
            present = self._stacks()
        except OSError as error:
            return Look(trouble=f"{self.folder} cannot be read: {error.strerror or error}")
        self._seen = {path: s for path, s in self._seen.items() if path in present}
        fresh = [path for path in present if path not in known]
        mdoc_folders = self._folders_with_mdoc(fresh, [path for path in present if path in known])
        arrivals, waiting = [], []
        for path in fresh:
            found = self._judge(path, path.parent in mdoc_folders, counts)
            if isinstance(found, Arrival):
                arrivals.append(found)
            elif found is not None:
                waiting.append(found)
        return Look(tuple(arrivals), tuple(waiting))

    def _stacks(self) -> list[Path]:
        """Return the files that may be raw stacks, sorted."""
        # An empty answer of glob may be a folder that is gone; this one raises.
        with os.scandir(self.folder) as entries:
            names = [] if self.patterns else [entry.name for entry in entries]
        found = {self.folder / name for name in names}
        for pattern in self.patterns:
            found.update(self.folder.glob(pattern))
        found = {
            path
            for path in found
            if not any(path.is_relative_to(folder) for folder in self.leave_out)
        }
        mdocs = [path for path in found if path.suffix.lower() == ".mdoc"]
        series = self._movies.series(mdocs)
        movies = self._movies.names
        stacks = [p for p in found if is_named_like_raw_stack(p) and p.name not in movies]
        return sorted([*stacks, *series])

    def _folders_with_mdoc(self, fresh: Sequence[Path], known: Sequence[Path]) -> set[Path]:
        """Return the folders in which stacks have an mdoc: there it is waited for."""
        # A few of those taken tell enough: each costs a dozen questions to the file server.
        some = known[-FEW:] if fresh else []
        found: set[Path] = set()
        for path in (*some, *fresh):
            if path.suffix.lower() == ".mdoc":
                continue
            if path.parent not in found and pair_files([path])[0].mdoc is not None:
                found.add(path.parent)
        return found

    def _judge(
        self, path: Path, mdoc_expected: bool, counts: Sequence[int]
    ) -> Arrival | Waiting | None:
        try:
            files = pair_files([path])[0]
            signature = self._signature(path)
        except FileNotFoundError:
            return None
        except OSError as error:
            return Waiting(path, f"cannot be read: {error.strerror or error}")
        if not signature:
            return None
        sighting = self._sight(path, signature)
        if not self._has_settled(sighting, self.settle_seconds):
            words = "still growing" if sighting.changed else "seen, waiting whether it grows"
            if path in self._movies.lacking:
                there, expected = self._movies.lacking[path]
                words = f"{there} of {expected} movies are there: waits for the others"
            return Waiting(path, words, settling=True)
        is_stack = path.suffix.lower() != ".mdoc"
        if mdoc_expected and files.mdoc is None and is_stack:
            return Waiting(path, "waits for its mdoc, which the others here have")
        self._examine(path, sighting)
        if sighting.fault is not None:
            return Waiting(path, sighting.fault)
        if sighting.n_images < 2:
            return None
        usual = round(statistics.median(counts)) if counts else 0
        patience = ODD_ONE_PATIENCE * self.settle_seconds
        if sighting.n_images < usual and not self._has_settled(sighting, patience):
            words = f"{sighting.n_images} images where others have {usual}: waits for more"
            return Waiting(path, words)
        name = series_name(path) if is_stack else movie_series_name(path)
        return Arrival(path, name, sighting.n_images)

    def _signature(self, path: Path) -> Signature:
        """Return names, sizes and times of the files of a series; empty when it is no file."""
        if path.suffix.lower() == ".mdoc":
            return self._movies.signature(path, self.frames)
        return _signature(pair_files([path])[0])

    def last_change(self, path: Path) -> float:
        """Return when a file of a series was last written (epoch s); 0 when it is not there."""
        try:
            signature = self._signature(path)
        except OSError:
            return 0.0
        return max((changed for _, _, changed in signature), default=0) / 1e9

    def _sight(self, path: Path, signature: Signature) -> _Sighting:
        """Note how the files look now."""
        sighting = self._seen.get(path)
        if sighting is None or sighting.signature != signature:
            changed = sighting is not None
            sighting = _Sighting(signature, self.clock(), looks=0, changed=changed)
            self._seen[path] = sighting
        sighting.looks += 1
        return sighting

    def _has_settled(self, sighting: _Sighting, seconds: float) -> bool:
        """Return whether nothing has changed for so long.

        Files that were last written long ago need not be watched for the whole time, but looked
        at twice: a copy may be under way that keeps the times of what it copies.
        """
        if self.clock() - sighting.since >= seconds:
            return True
        newest = max(changed for _, _, changed in sighting.signature) / 1e9
        return sighting.looks > 1 and self.wall_clock() - newest >= seconds + SKEW_SECONDS

    def _examine(self, path: Path, sighting: _Sighting) -> None:
        """Find out whether the files, as they are, can be imported."""
        now = self.clock()
        lately = now - sighting.examined_at < EXAMINE_AGAIN_SECONDS
        if sighting.n_images or (sighting.fault is not None and lately):
            return
        sighting.fault, sighting.examined_at = None, now
        try:
            sighting.n_images = self.examine(path)
        except (FormatError, ParameterError) as error:
            sighting.fault = str(error)
        except OSError as error:
            sighting.fault = f"cannot be read: {error.strerror or error}"


def _signature(files: StackFiles) -> Signature:
    """Return names, sizes and times of the files of a series; empty when it is no file."""
    found = []
    for path in (files.stack, files.mdoc, files.tilts, files.alignment):
        if path is not None:
            status = path.stat()
            if path == files.stack and not os.path.isfile(path):
                return ()
            found.append((path.name, status.st_size, status.st_mtime_ns))
    return tuple(found)

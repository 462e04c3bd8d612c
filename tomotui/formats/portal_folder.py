"""Local folders of the CryoET data portal: a data set with a folder for each run.

    DATASET/RUN/TiltSeries/100/RUN.mrc, tiltseries_metadata.json, RUN.rawtlt
    DATASET/RUN/Alignments/100/alignment_metadata.json
    DATASET/RUN/Reconstructions/VoxelSpacing10.000/Tomograms/100/RUN.mrc, tomogram_metadata.json
    DATASET/RUN/Reconstructions/VoxelSpacing10.000/Annotations/100/NAME-1.0_orientedpoint.ndjson

Folders of before November 2024 lack the numbers and keep reconstructions below ``Tomograms``.
Paths that the metadata name are not followed: files are found where they must lie.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tomotui.formats.eman import read_json
from tomotui.formats.errors import FormatError

SERIES, ALIGNMENTS, RECONSTRUCTIONS = "TiltSeries", "Alignments", "Reconstructions"
TOMOGRAMS, ANNOTATIONS = "Tomograms", "Annotations"
ALIGNMENT_FILE, TOMOGRAM_FILE = "alignment_metadata.json", "tomogram_metadata.json"
_SPACING = re.compile(r"^VoxelSpacing(\d+(?:\.\d+)?)$")
_MARKS = (SERIES, RECONSTRUCTIONS, ALIGNMENTS)
_POINTS = "*point.ndjson"


@dataclass(frozen=True)
class PortalTomogram:
    """A tomogram of a run.

    Attributes
    ----------
    size_xyz
        ``None`` where nothing tells it.
    """

    path: Path | None
    voxel_size_angstrom: float
    size_xyz: tuple[int, int, int] | None


@dataclass(frozen=True)
class PortalRun:
    """The folder of one run."""

    path: Path

    @property
    def name(self) -> str:
        """Name of the run, which is that of its tilt series."""
        return self.path.name

    def stacks(self) -> list[Path]:
        """Return the stacks of its tilt series, one for each."""
        found = []
        for folder in _numbered(self.path / SERIES):
            stacks = sorted(p for p in folder.glob("*.mrc") if p.is_file())
            own = [p for p in stacks if p.stem == self.name]
            found += own or stacks[:1]
        return found

    def alignment(self) -> Path | None:
        """Return the alignment to take: the portal's own one before others."""
        files = [folder / ALIGNMENT_FILE for folder in _numbered(self.path / ALIGNMENTS)]
        there = [file for file in files if file.is_file()]
        return min(there, key=lambda file: not _is_standard(file), default=None)

    def tomogram(self) -> PortalTomogram | None:
        """Return the tomogram to take: the one that the portal shows before others.

        Raises
        ------
        FormatError
            Its metadata are malformed.
        """
        found = [
            (not bool(whole.get("is_visualization_default")), one)
            for spacing, folder in self._spacings()
            for one, whole in _tomograms(folder, spacing, self.name)
        ]
        with_file = [pair for pair in found if pair[1].path is not None]
        return min(with_file or found, key=lambda pair: pair[0], default=(0, None))[1]

    def points(self) -> list[tuple[Path, PortalTomogram]]:
        """Return the files of points, with the tomogram whose voxels each counts in.

        Raises
        ------
        FormatError
            Metadata of a tomogram are malformed.
        """
        found = []
        for spacing, folder in self._spacings():
            files = sorted((folder / ANNOTATIONS).rglob(_POINTS))
            if files:
                known = [one for one, _ in _tomograms(folder, spacing, self.name)]
                sized = [one for one in known if one.size_xyz is not None]
                counted = (sized or [PortalTomogram(None, spacing, None)])[0]
                found += [(file, counted) for file in files if file.is_file()]
        return found

    def _spacings(self) -> Iterator[tuple[float, Path]]:
        for parent in (RECONSTRUCTIONS, TOMOGRAMS):
            folder = self.path / parent
            if folder.is_dir():
                for below in sorted(folder.iterdir()):
                    match = _SPACING.match(below.name)
                    if match and below.is_dir() and float(match.group(1)) > 0:
                        yield float(match.group(1)), below


def portal_runs(folder: Path) -> list[PortalRun]:
    """Return the runs of a data set, or the run that a folder is; none when it is neither."""
    if is_run(folder):
        return [PortalRun(folder)]
    if not folder.is_dir():
        return []
    return [PortalRun(below) for below in sorted(folder.iterdir()) if is_run(below)]


def run_of(path: Path) -> PortalRun | None:
    """Return the run that a file lies in."""
    for folder in path.absolute().parents:
        if folder.name in (SERIES, RECONSTRUCTIONS, TOMOGRAMS, ALIGNMENTS) and is_run(
            folder.parent
        ):
            return PortalRun(folder.parent)
    return None


def spacing_name(voxel_size_angstrom: float) -> str:
    """Return the name of the folder of all tomograms of a voxel size."""
    return f"VoxelSpacing{voxel_size_angstrom:.3f}"


def is_run(folder: Path) -> bool:
    """Return whether a folder is that of a run."""
    return any((folder / mark).is_dir() for mark in _MARKS) or (
        (folder / "run_metadata.json").is_file() and (folder / TOMOGRAMS).is_dir()
    )


def _numbered(folder: Path) -> list[Path]:
    """Return a folder's numbered ones, and the folder itself for what lies in it at once."""
    if not folder.is_dir():
        return []
    below = [one for one in folder.iterdir() if one.is_dir() and one.name.isdecimal()]
    return [*sorted(below, key=lambda one: int(one.name[:18])), folder]


def _tomograms(
    folder: Path, spacing: float, run: str
) -> Iterator[tuple[PortalTomogram, dict[str, Any]]]:
    places = [*_numbered(folder / TOMOGRAMS), folder / "CanonicalTomogram"]
    for place in places:
        metadata = place / TOMOGRAM_FILE
        volumes = sorted(p for p in place.glob("*.mrc") if p.is_file())
        if not metadata.is_file() and not volumes:
            continue
        whole = read_json(metadata) if metadata.is_file() else {}
        if not isinstance(whole, dict):
            raise FormatError(f"{metadata} is no metadata of a tomogram", "check the file")
        own = [p for p in volumes if p.stem == run] or volumes
        yield PortalTomogram(own[0] if own else None, spacing, _size(metadata, whole)), whole


def _size(path: Path, whole: dict[str, Any]) -> tuple[int, int, int] | None:
    said = whole.get("size")
    if said is None:
        return None
    try:
        x, y, z = (int(said[axis]) for axis in "xyz")
    except (KeyError, TypeError, ValueError, OverflowError):
        x = y = z = 0
    if not all(0 < n < 10**6 for n in (x, y, z)):
        raise FormatError(f"{path}: its size is no number of voxels", "check the file")
    return x, y, z


def _is_standard(path: Path) -> bool:
    try:
        whole = read_json(path)
    except FormatError:
        return False
    return isinstance(whole, dict) and bool(whole.get("is_portal_standard"))

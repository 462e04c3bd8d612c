"""Particle files of any format: which one a file is, and how it is read and written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from tomotui.formats.errors import FormatError
from tomotui.formats.known_tomograms import KnownTomogram, by_tomogram
from tomotui.formats.portal_folder import portal_runs
from tomotui.records import Particle

Writer = Callable[[Path], None]

READABLE = ("csv", "relion", "dynamo", "eman", "imod", "copick", "portal")
_BY_ENDING = {
    ".csv": "csv",
    ".txt": "csv",
    ".star": "relion",
    ".tbl": "dynamo",
    ".mod": "imod",
    ".ndjson": "portal",
}
ENDINGS = {"csv": ".csv", "relion": ".star", "dynamo": ".tbl"}
"""Formats that hold all tomograms in one file; the others have a file for each tomogram."""


@dataclass(frozen=True)
class ReadingWords:
    """What was said about a file beside its name.

    Attributes
    ----------
    tomogram
        Name of the one tomogram that the particles lie in.
    size_xyz, pixel_size_angstrom
        Of the tomogram whose voxels the file counts in.
    only
        Name of the object or class to take.
    map_path
        Map of tomogram numbers (Dynamo).
    """

    tomogram: str | None = None
    size_xyz: tuple[int, int, int] | None = None
    pixel_size_angstrom: float | None = None
    only: str | None = None
    map_path: Path | None = None

    def applied(self, tomograms: Mapping[str, KnownTomogram]) -> dict[str, KnownTomogram]:
        """Return the tomograms with the voxels that the file counts in."""
        if self.size_xyz is None or self.pixel_size_angstrom is None:
            return dict(tomograms)
        size, pixel = self.size_xyz, self.pixel_size_angstrom
        return {
            name: replace(one, size_xyz=size, pixel_size_angstrom=pixel)
            for name, one in tomograms.items()
        }


def format_of(path: Path) -> str:
    """Return the format of a file by its ending, or its content where many share an ending.

    Raises
    ------
    FormatError
        Neither tells.
    """
    if path.is_dir():
        return "portal" if portal_runs(path) else "copick"
    found = _BY_ENDING.get(path.suffix.lower())
    if found is None and path.suffix.lower() == ".json":
        head = _head(path)
        found = "copick" if '"points"' in head or '"pickable_object_name"' in head else "eman"
    if found is None and _head(path).startswith("IMOD"):
        found = "imod"
    if found is None:
        raise FormatError(
            f"{path} has the ending of no particle file", f"say --format: {', '.join(READABLE)}"
        )
    return found


def read_particles(
    path: Path, kind: str, tomograms: Mapping[str, KnownTomogram], words: ReadingWords
) -> list[Particle]:
    """Read the particles of a file.

    Parameters
    ----------
    kind
        One of `READABLE`.
    tomograms
        The project's, by name.

    Raises
    ------
    FormatError
        The file is malformed, or of a tomogram that the project does not have.
    """
    uids = {name: one.uid for name, one in tomograms.items()}
    counted = words.applied(tomograms)
    if kind == "csv":
        from tomotui.formats.particles_csv import read_particles_csv

        return read_particles_csv(path, uids, words.tomogram)
    if kind == "relion":
        from tomotui.formats.relion_particles import read_relion_particles

        return read_relion_particles(
            path,
            uids,
            tomogram=words.tomogram,
            corner_size_xyz=words.size_xyz,
            corner_pixel_size_angstrom=words.pixel_size_angstrom,
        )
    if kind == "dynamo":
        from tomotui.formats.dynamo import read_dynamo

        return read_dynamo(
            path,
            counted,
            tomogram=words.tomogram,
            map_path=words.map_path,
            is_said=words.size_xyz is not None,
        )
    return _read_one_tomogram(path, kind, counted, words)


def _read_one_tomogram(
    path: Path, kind: str, counted: Mapping[str, KnownTomogram], words: ReadingWords
) -> list[Particle]:
    """Read a file that is of one tomogram; folders of copick and the portal have many of them."""
    is_said = words.size_xyz is not None
    if kind == "imod":
        from tomotui.formats.imod_particles import read_imod_particles

        return read_imod_particles(
            path, counted, tomogram=words.tomogram, is_said=is_said, only=words.only
        )
    if kind == "eman":
        from tomotui.formats.eman import read_eman

        return read_eman(path, counted, tomogram=words.tomogram, only=words.only)
    if kind == "portal":
        from tomotui.formats.portal_points import read_portal_points

        return read_portal_points(
            path, counted, tomogram=words.tomogram, is_said=is_said, only=words.only
        )
    from tomotui.formats.copick import find_copick, read_copick

    files = find_copick(path, words.only) if path.is_dir() else [path]
    return [
        particle
        for file in files
        for particle in read_copick(file, counted, tomogram=words.tomogram, is_said=is_said)
    ]


@dataclass(frozen=True, eq=False)
class WritingWords:
    """What is written, and how it is called.

    Attributes
    ----------
    particles
        What is written.
    names
        Name of each tomogram by its identity.
    tomograms
        Where the voxels lie that files count in, by name.
    label
        What the particles are called in the file.
    diameter_angstrom
        Their diameter, where it is known.
    number
        The portal's number of the annotation.
    """

    particles: Sequence[Particle]
    names: Mapping[str, str]
    tomograms: Mapping[str, KnownTomogram]
    label: str
    diameter_angstrom: float | None = None
    number: str = "100"


def particle_writers(place: Path, kind: str, words: WritingWords) -> dict[Path, Writer]:
    """Return each file that a format consists of, and what writes it to a path.

    Parameters
    ----------
    place
        The file (formats in `ENDINGS`); for the others the folder of models (IMOD) or info files
        (EMAN2), the root (copick) or the data set (portal).
    """
    if kind in ENDINGS:
        return _one_file(place, kind, words)
    if kind == "portal":
        return _portal_writers(place, words)
    writers = {"imod": _imod_writer, "eman": _eman_writer, "copick": _copick_writer}
    groups = by_tomogram(words.particles, words.names)
    found = [writers[kind](place, name, group, words) for name, group in groups.items()]
    return dict(found)


def _one_file(path: Path, kind: str, words: WritingWords) -> dict[Path, Writer]:
    if kind == "csv":
        from tomotui.formats.particles_csv import write_particles_csv

        return {path: lambda file: write_particles_csv(file, words.particles, words.names)}
    if kind == "relion":
        from tomotui.formats.relion_particles import write_relion_particles

        return {path: lambda file: write_relion_particles(file, words.particles, words.names)}
    from tomotui.formats.dynamo import write_dynamo, write_dynamo_map

    what = (words.particles, words.names, words.tomograms)
    return {
        path: lambda file: write_dynamo(file, *what),
        path.with_suffix(".doc"): lambda file: write_dynamo_map(file, *what),
    }


def _imod_writer(
    folder: Path, name: str, group: Sequence[Particle], words: WritingWords
) -> tuple[Path, Writer]:
    from tomotui.formats.imod_particles import write_imod_particles

    return folder / f"{name}.mod", lambda file: write_imod_particles(
        file,
        group,
        words.tomograms[name],
        name=words.label,
        diameter_angstrom=words.diameter_angstrom,
    )


def _eman_writer(
    folder: Path, name: str, group: Sequence[Particle], words: WritingWords
) -> tuple[Path, Writer]:
    from tomotui.formats.eman import write_eman

    place = folder / f"{name}_info.json"
    return place, lambda file: write_eman(
        file,
        group,
        words.tomograms[name],
        label=words.label,
        diameter_angstrom=words.diameter_angstrom,
        present=place,
    )


def _copick_writer(
    root: Path, name: str, group: Sequence[Particle], words: WritingWords
) -> tuple[Path, Writer]:
    from tomotui.formats.copick import copick_path, write_copick

    place = copick_path(root, name, words.label)
    return place, lambda file: write_copick(
        file, group, words.tomograms[name], run=name, name=words.label
    )


def _portal_writers(root: Path, words: WritingWords) -> dict[Path, Writer]:
    from tomotui.formats import portal_points as portal

    found: dict[Path, Writer] = {}
    for name, group in by_tomogram(words.particles, words.names).items():
        known = words.tomograms[name]
        path = portal.portal_points_path(
            root, name, words.label, known, portal.are_posed(group), words.number
        )
        found[path] = partial(_write_points, group, known)
        about = path.with_name(path.name.rpartition("_")[0] + ".json")
        found[about] = partial(
            portal.write_points_metadata, points=path, name=words.label, n_points=len(group),
            root=root,
        )  # fmt: skip
    return found


def _write_points(group: Sequence[Particle], known: KnownTomogram, path: Path) -> None:
    from tomotui.formats.portal_points import write_portal_points

    write_portal_points(path, group, known)


def _head(path: Path) -> str:
    """Return the beginning of a file, for a look at what it is."""
    try:
        with path.open("rb") as file:
            return file.read(4096).decode("latin-1")
    except OSError as error:
        raise FormatError(f"{path} cannot be read: {error.strerror}", "check the path") from error

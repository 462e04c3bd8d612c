"""Understanding the movies of a tilt series: which there are, and what is known of each.

A series is told by one file: an mdoc of the series whose sections name their movies
(``SubFramePath``), the mdoc of one movie (the others of its series are found by name), or a
table of movies and tilts.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Unpack

from tomotui.formats.errors import FormatError
from tomotui.formats.import_plan import Given, ImportPlan
from tomotui.formats.mdoc import Mdoc, MdocSection, read_mdoc
from tomotui.formats.movies import MOVIE_SUFFIXES, Fractions, is_movie_name, open_movie
from tomotui.formats.pairing import series_name
from tomotui.formats.reading import Reading
from tomotui.formats.tilts import read_lines
from tomotui.formats.warp_rows import read_tomostar

MOVIE_FOLDERS = ("", "frames", "Frames", "movies", "Movies", "../frames", "../Frames", "../movies")
"""Where movies are looked for, beside the file that names them."""
TABLE_SUFFIXES = (".tlt", ".rawtlt", ".txt", ".csv", ".tsv", ".tomostar")
_INDEX = re.compile(r"[_-]?\d{1,4}$")
_SEPARATORS = "_-[( "
_SAME_TILT_DEG = 0.6
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?")
_SUPER_RESOLUTION = 1.9


@dataclass(frozen=True)
class MoviePlan:
    """What taking in the movies of a series would keep.

    Attributes
    ----------
    plan
        As for a stack of the frames' size; its tilts are sorted by angle.
    movies
        In the order of the tilts.
    n_frames
        Of each movie, where the mdoc tells it; ``None`` otherwise.
    binning
        By which frames become physical pixels: 2 for super-resolution frames of which the mdoc
        describes the image, otherwise 1.
    """

    plan: ImportPlan
    movies: tuple[Path, ...] = ()
    n_frames: tuple[int | None, ...] = ()
    binning: int = 1


def is_series_file(path: Path | str) -> bool:
    """Return whether a file can tell the movies of a series, by its name."""
    name = Path(path).name.lower()
    return name.endswith((".mdoc", *TABLE_SUFFIXES))


def movie_series_name(path: Path | str) -> str:
    """Return the name of the series that a file tells of."""
    path = Path(path)
    if path.suffix.lower() != ".mdoc":
        return series_name(path.with_suffix(""))
    if is_movie_name(path.stem) and _movie_beside(path) is not None:
        stem = _stem_of_movie(path)
        if stem:
            return stem
    return series_name(path.stem)


def understand_movies(
    source: Path | str, frames: Path | str | None = None, **given: Unpack[Given]
) -> MoviePlan:
    """Say what is known about the movies of a series; only the first movie is opened.

    Parameters
    ----------
    source
        The mdoc of a series, the mdoc of any of its movies, or a table with a line
        ``MOVIE TILT [DOSE]`` for each movie (or the tilt alone, of the movies of ``frames`` in
        the order of their names).
    frames
        Folder of the movies; looked for near ``source`` when not given.

    Returns
    -------
    A plan; what cannot be used is among its problems, nothing is raised.
    """
    source = Path(source)
    folder = Path(frames) if frames else None
    reading = Reading(source, given)
    movies: list[Path] = []
    sections: list[MdocSection] = []
    binning = 1
    try:
        mdoc, sections, movies = _entries(source, folder)
        reading.mdoc = mdoc
        if mdoc.path.suffix.lower() == ".mdoc":
            reading.warnings += mdoc.warnings()
        with open_movie(movies[0], Fractions()) as first:
            _, height, width = first.shape
        reading.n_images = len(movies)
        reading.keep("width_px", width, "header")
        reading.keep("height_px", height, "header")
        if mdoc.image_size_px is not None and width > _SUPER_RESOLUTION * mdoc.image_size_px[0]:
            binning = 2
    except FormatError as error:
        reading.problems.append(str(error))
    if reading.n_images:
        reading.attempt(lambda: reading.find_tilts(None))
        reading.attempt(reading.find_pixel_size)
        reading.attempt(reading.check_given)
        reading.find_microscope()
        if not reading.problems:
            reading.find_exposure()
            reading.keep("movies", tuple(movie.name for movie in movies), "mdoc")
    plan = ImportPlan(
        stack=source,
        name=movie_series_name(source),
        mdoc=source if source.suffix.lower() == ".mdoc" else None,
        tilts_file=None if source.suffix.lower() == ".mdoc" else source,
        alignment_file=None,
        facts=reading.facts,
        tilts=reading.tilts,
        warnings=tuple(reading.warnings),
        problems=tuple(reading.problems),
        series_uid=reading.series_uid,
    )
    return MoviePlan(plan, tuple(movies), tuple(one.n_frames for one in sections), binning)


def series_files(paths: Sequence[Path]) -> list[Path]:
    """Return one file for each series among mdocs and tables, and mdocs in folders.

    Of the mdocs of single movies the first of each series stays.

    Raises
    ------
    FormatError
        A path does not exist, or a folder has no mdoc.
    """
    found: dict[tuple[Path, str], Path] = {}
    for path in paths:
        if path.is_dir():
            files = sorted(p for p in path.iterdir() if _is_mdoc(p))
            if not files:
                raise FormatError(
                    f"{path} has no .mdoc files", "give the mdocs of the series, or a table"
                )
        elif path.exists():
            files = [path]
        else:
            raise FormatError(f"{path} does not exist", "check the path")
        for file in files:
            found.setdefault((file.parent, movie_series_name(file)), file)
    return list(found.values())


class MissingMovies(FormatError):
    """Movies of a series are not there, or not yet.

    Parameters
    ----------
    present
        Those that are there.
    n_movies
        All that the series has.
    """

    def __init__(
        self, message: str, remedy: str, present: Sequence[Path] = (), n_movies: int = 0
    ) -> None:
        super().__init__(message, remedy)
        self.present = tuple(present)
        self.n_movies = n_movies


def movie_files(source: Path, frames: Path | None = None) -> list[Path]:
    """Return the movies of a series in the order of its tilts, with its own files at the end.

    Raises
    ------
    FormatError
        The series cannot be read, or a movie is missing (`MissingMovies`).
    """
    _, _, movies = _entries(source, frames)
    return [*movies, *_own_files(source)]


def names_movies(mdoc: Path) -> bool:
    """Return whether an mdoc tells of movies rather than of a stack that lies beside it."""
    if (mdoc.parent / mdoc.stem).is_file():
        # ``NAME.mrc.mdoc`` beside ``NAME.mrc``: of a stack unless it tells of one image alone.
        return is_movie_name(mdoc.stem) and len(_sections(mdoc)) == 1
    beside = (mdoc.with_suffix(end) for end in (".mrc", ".st", ".tif", ".tiff", ".mrcs"))
    if any(path.is_file() for path in beside):
        return False
    return any(section.sub_frame_path for section in _sections(mdoc))


def _sections(mdoc: Path) -> tuple[MdocSection, ...]:
    try:
        return read_mdoc(mdoc).sections
    except FormatError:
        return ()


def _is_mdoc(path: Path) -> bool:
    return path.suffix.lower() == ".mdoc" and not path.name.startswith(".") and path.is_file()


def _own_files(source: Path) -> list[Path]:
    return _siblings(source) if _movie_beside(source) is not None else [source]


def _entries(source: Path, frames: Path | None) -> tuple[Mdoc, list[MdocSection], list[Path]]:
    """Return what is known of each movie, sorted by tilt."""
    if frames is not None and not frames.is_dir():
        raise FormatError(f"{frames} is no folder of movies", "check the path")
    if source.suffix.lower() == ".tomostar":
        mdoc, names = _tomostar(source)
    elif source.suffix.lower() != ".mdoc":
        mdoc, names = _table(source, frames)
    elif is_movie_name(source.stem) and _movie_beside(source) is not None:
        mdoc, names = _single_mdocs(source)
    else:
        mdoc = read_mdoc(source)
        names = [section.sub_frame_path for section in mdoc.sections]
    sections = list(mdoc.sections)
    for section, name in zip(sections, names, strict=True):
        if not name:
            raise FormatError(
                f"section {section.number} of {source} names no movie (SubFramePath)",
                "add the line, or give a table of movies and tilts",
            )
        if section.tilt_deg is None:
            raise FormatError(
                f"section {section.number} of {source} has no TiltAngle", "add the line"
            )
    movies = _found([str(name) for name in names], source, frames)
    pairs = sorted(zip(sections, movies, strict=True), key=lambda pair: pair[0].tilt_deg or 0.0)
    sections = [section for section, _ in pairs]
    return replace(mdoc, sections=tuple(sections)), sections, [movie for _, movie in pairs]


def _found(names: Sequence[str], source: Path, frames: Path | None) -> list[Path]:
    """Return the file of each movie."""
    folders = [frames] if frames is not None else []
    folders += [source.parent / name for name in MOVIE_FOLDERS]
    movies, missing = [], []
    for name in names:
        base = name.replace("\\", "/").split("/")[-1]
        movie = _in_folders(base, name, folders)
        if movie is None:
            missing.append(base)
        else:
            movies.append(movie)
    if missing:
        where = frames if frames is not None else source.parent
        raise MissingMovies(
            f"{len(missing)} of the {len(names)} movies of {source} are not in {where}: "
            f"{', '.join(missing[:3])}{', ...' if len(missing) > 3 else ''}",
            "say with --frames in which folder they lie, or copy them again",
            movies,
            len(names),
        )
    twice = {str(movie) for movie in movies if movies.count(movie) > 1}
    if twice:
        raise FormatError(f"{source} names {min(twice)} twice", "correct the file")
    return movies


def _in_folders(base: str, name: str, folders: Sequence[Path | None]) -> Path | None:
    stem = base[: -len(Path(base).suffix)] if is_movie_name(base) else base
    for folder in folders:
        if folder is None:
            continue
        # Movies are often compressed or renamed from one kind to another after the session.
        for candidate in (base, *(stem + suffix for suffix in MOVIE_SUFFIXES)):
            path = folder / candidate
            if os.path.isfile(path) and is_movie_name(path):
                return path
    whole = Path(name)
    return whole if "\\" not in name and whole.is_absolute() and os.path.isfile(whole) else None


# ---- mdocs of single movies


def _movie_beside(mdoc: Path) -> Path | None:
    """Return the movie that an mdoc of one movie lies beside."""
    movie = mdoc.parent / mdoc.stem
    return movie if is_movie_name(movie) and movie.is_file() and len(_sections(mdoc)) == 1 else None


def _stem_of_movie(mdoc: Path) -> str:
    """Return the part of a movie's name that its series shares: what stands before the tilt.

    ``TS_01_003_-6.00_20240102_120000.tif`` is of ``TS_01``, ``a_003[-6.0]-12.mrc`` of ``a``.
    """
    sections = _sections(mdoc)
    tilt = sections[0].tilt_deg if sections else None
    name = Path(mdoc.stem).stem
    if tilt is None:
        return ""
    for match in _NUMBER.finditer(name):
        text = match.group()
        before = name[: match.start()]
        if "." not in text and f"[{text}]" not in name and f"_{text}_" not in f"{name}_":
            continue
        # A hyphen may separate or be the sign.
        if abs(abs(float(text)) - abs(tilt)) < _SAME_TILT_DEG and before.rstrip(_SEPARATORS):
            stem = before.rstrip(_SEPARATORS)
            if "." in text or f"[{text}]" in name:
                return _INDEX.sub("", stem).rstrip(_SEPARATORS) or stem
    return _INDEX.sub("", name).rstrip(_SEPARATORS) or name


def _siblings(mdoc: Path) -> list[Path]:
    """Return the mdocs of all movies of a series, by name."""
    stem = _stem_of_movie(mdoc)
    candidates = (p for p in sorted(mdoc.parent.iterdir()) if _is_mdoc(p))
    return [
        path
        for path in candidates
        if path.name.startswith(stem)
        and _movie_beside(path) is not None
        and _stem_of_movie(path) == stem
    ]


def _single_mdocs(source: Path) -> tuple[Mdoc, list[str | None]]:
    """Return what the mdocs of all movies of a series say, as one."""
    paths = _siblings(source)
    parsed = [read_mdoc(path) for path in paths]
    sections = tuple(replace(mdoc.sections[0], number=number) for number, mdoc in enumerate(parsed))
    return replace(parsed[0], path=source, sections=sections), [path.stem for path in paths]


# ---- tables


def _table(path: Path, frames: Path | None) -> tuple[Mdoc, list[str | None]]:
    """Read lines ``MOVIE TILT [DOSE]``, or tilts alone."""
    rows = [re.split(r"[\s,;]+", line.strip(" ,;\t")) for line in read_lines(path)]
    rows = [row for row in rows if row != [""] and not row[0].startswith("#")]
    names: list[str | None] = []
    sections = []
    if not rows:
        raise FormatError(f"{path} is empty", "give a line MOVIE TILT for each movie")
    alone = all(len(row) == 1 for row in rows)
    movies = _movies_by_name(frames) if alone else []
    if alone and len(movies) != len(rows):
        raise FormatError(
            f"{path} has {len(rows)} tilts, {frames or 'no folder'} has {len(movies)} movies",
            "give a line MOVIE TILT for each movie",
        )
    for number, row in enumerate(rows):
        values = row if alone else row[1:]
        try:
            tilt, *rest = (float(value) for value in values)
        except ValueError as error:
            raise FormatError(
                f"{path}, line {number + 1}: {' '.join(row)!r} is not MOVIE TILT [DOSE]",
                "correct the line",
            ) from error
        names.append(movies[number].name if alone else row[0])
        sections.append(MdocSection(number, tilt, rest[0] if rest else None))
    return Mdoc(path, None, None, None, None, None, None, False, tuple(sections)), names


def _tomostar(path: Path) -> tuple[Mdoc, list[str | None]]:
    """Read Warp's list of a series."""
    star = read_tomostar(path)
    prior: Sequence[float | None] = star.prior_dose_e_per_a2 or [None] * len(star.tilts_deg)
    if len(star.movies) != len(star.tilts_deg):
        raise FormatError(f"{path} has no column wrpMovieName", "give Warp's file as it wrote it")
    sections = tuple(
        MdocSection(number, tilt, prior_record_dose_e_per_a2=before)
        for number, (tilt, before) in enumerate(zip(star.tilts_deg, prior, strict=True))
    )
    mdoc = Mdoc(path, None, None, None, None, star.axis_deg, None, False, sections)
    return mdoc, list(star.movies)


def _movies_by_name(folder: Path | None) -> list[Path]:
    """Return the movies of a folder, numbers in their names counted as numbers."""

    def key(path: Path) -> list[tuple[int, str]]:
        parts = re.split(r"(\d+)", path.name)
        return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]

    if folder is None:
        return []
    return sorted((p for p in folder.iterdir() if is_movie_name(p) and p.is_file()), key=key)

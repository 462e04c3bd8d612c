"""The project's tomograms, as commands and files call them: by their tilt series."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tomotui.cli.errors import WorkFailed, WrongWords
from tomotui.project import Project
from tomotui.records import TiltSeries, Tomogram

if TYPE_CHECKING:
    from tomotui.formats.known_tomograms import KnownTomogram


def known_tomograms(project: Project) -> dict[str, KnownTomogram]:
    """Return the newest measured tomogram of each series, by the series' name."""
    newest = {
        one.series_uid: one
        for one in project.records("tomogram")
        if isinstance(one, Tomogram) and not one.restored
    }
    return {
        series.name: known_tomogram(project, series, newest[series.uid])
        for series in project.tilt_series()
        if series.uid in newest
    }


def written_tomograms(project: Project) -> dict[str, KnownTomogram]:
    """Return `known_tomograms`, and the newest of series that were imported again since then."""
    found = {}
    owners = {one.uid: one for one in project.records("tilt_series")}
    for tomogram in project.records("tomogram"):
        if isinstance(tomogram, Tomogram) and not tomogram.restored:
            owner = owners.get(tomogram.series_uid)
            if isinstance(owner, TiltSeries):
                found[owner.name] = known_tomogram(project, owner, tomogram)
    return {**found, **known_tomograms(project)}


def needed_tomograms(project: Project, name: str | None = None) -> dict[str, KnownTomogram]:
    """Return `known_tomograms` of a project that must have some, and the named one.

    Raises
    ------
    WorkFailed
        When there is none.
    WrongWords
        When there is none of that name.
    """
    tomograms = known_tomograms(project)
    if not tomograms:
        raise WorkFailed("the project has no tomogram yet; reconstruct one first")
    if name is not None and name not in tomograms:
        raise WrongWords(f"--tomogram {name}: it has none; there are {', '.join(tomograms)}")
    return tomograms


def names_of_tomograms(project: Project) -> dict[str, str]:
    """Return the name of every tomogram's series by the tomogram's identity, old ones included."""
    return project.series_of_tomograms()


def known_tomogram(project: Project, series: TiltSeries, tomogram: Tomogram) -> KnownTomogram:
    """Return a tomogram as files speak of it."""
    from tomotui.formats.known_tomograms import KnownTomogram

    tilts = [tilt.nominal_tilt_deg for tilt in series.tilts]
    return KnownTomogram(
        uid=tomogram.uid,
        size_xyz=tomogram.size_xyz,
        pixel_size_angstrom=tomogram.pixel_size_angstrom,
        path=str(project.folder / tomogram.path),
        unbinned_angstrom=series.pixel_size_angstrom,
        tilt_range_deg=(min(tilts), max(tilts)),
    )

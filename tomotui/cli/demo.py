"""A complete run on the sample data."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from tomotui.cli.waiting import wait_for_job
from tomotui.jobs.sample import NAME, begin_sample
from tomotui.project import Project
from tomotui.records import Alignment, Tomogram


def demo(
    folder: Path | None = None,
    /,
    *,
    headless: bool = False,
    theme: str | None = None,
) -> int:
    """Import, align and reconstruct a real tilt series in the background, and watch it.

    The series is EMPIAR-10499 00254: a whole *Mycoplasma pneumoniae* cell, 41 tilts.
    Leave with `q` whenever you like: the jobs go on, and `tomotui FOLDER` shows them again.

    Example: `tomotui demo ~/first-light`

    Parameters
    ----------
    folder
        Where to make the project (or go on with it); a temporary folder by default.
    headless
        Print progress and results instead of opening the screens.
    theme
        Name of a theme.
    """
    place = folder.expanduser().absolute() if folder else Path(tempfile.mkdtemp(prefix="tomotui-"))
    if not headless and not (sys.stdin.isatty() and sys.stdout.isatty()):
        headless = True
        print("no terminal to draw on: printing progress instead")
    began = time.perf_counter()
    last = begin_sample(place)
    print(f"the project is {place}")
    if headless:
        return _watch(place, last, began)
    from tomotui.cli.screens import open_project

    code = open_project(place, theme=theme)
    print(f"the jobs go on; come back with: tomotui {place}")
    return code


def tour(folder: Path | None = None, /, *, theme: str | None = None) -> int:
    """Learn the screens by doing, on the sample data; taken up where it was left.

    Example: `tomotui tour`

    Parameters
    ----------
    folder
        Where to make the project (or go on with it); a folder of the user's data by default.
    theme
        Name of a theme.
    """
    from tomotui.cli.screens import open_project, require_terminal
    from tomotui.tui import session
    from tomotui.tui.touring import tour_folder

    require_terminal()
    place = folder.expanduser().absolute() if folder else tour_folder()
    begin_sample(place)
    preferences = session.load_preferences()
    preferences.tour_is_on = True
    session.save_preferences(preferences)
    return open_project(place, theme=theme)


def _watch(place: Path, last: int, began: float) -> int:
    """Print the progress of every job and what came out."""
    with Project.open(place, read_only=True) as project:
        code = 0
        for job in sorted(project.jobs(), key=lambda job: job.id):
            if job.id <= last:
                code = max(code, wait_for_job(project, job.id))
        if code:
            return code
        series = project.series_named(NAME)
        assert series is not None
        alignment = project.latest("alignment", series.uid)
        tomogram = project.latest("tomogram", series.uid)
        assert isinstance(alignment, Alignment)
        assert isinstance(tomogram, Tomogram)
        print(f"tilt axis        {alignment.axis_deg:.2f} deg")
        print(f"residual         {alignment.residual_angstrom:.1f} A ({alignment.verdict})")
        size = " x ".join(map(str, tomogram.size_xyz))
        print(f"tomogram         {size} voxels of {tomogram.pixel_size_angstrom:.1f} A")
        print(f"specimen         {tomogram.thickness_angstrom or 0:.0f} A thick")
        print(f"file             {place / tomogram.path}")
        print(f"time             {time.perf_counter() - began:.0f} s")
        print(f"look at it with  tomotui {place}")
    return 0

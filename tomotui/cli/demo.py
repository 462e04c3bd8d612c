"""A complete run on the sample data."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from tomotui.cli.errors import WorkFailed
from tomotui.cli.waiting import wait_for_job
from tomotui.project import Project
from tomotui.project.database import FILE_NAME
from tomotui.records import Alignment, JobRequest, Status, Target, Tomogram

NAME = "00254"
STACK = "empiar_10499_00254.mrc"


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
    last = _start(place)
    print(f"the project is {place}")
    if headless:
        return _watch(place, last, began)
    from tomotui.cli.screens import open_project

    code = open_project(place, theme=theme)
    print(f"the jobs go on; come back with: tomotui {place}")
    return code


def _start(place: Path) -> int:
    """Make the project and queue the three stages; return the number of the last job."""
    from tomotui.jobs import ensure_agent, submit
    from tomotui.resources import sample_data_folder

    if (place / FILE_NAME).exists():
        with Project.open(place) as project:
            jobs = project.jobs()
            if not jobs or NAME not in {name for job in jobs for name in job.targets}:
                raise WorkFailed(
                    f"{place} holds another project; give the demo a folder of its own"
                )
            for job in jobs:
                if job.status.is_finished and job.status is not Status.DONE:
                    project.retry(job.id)
            if not all(job.status.is_finished for job in project.jobs()):
                ensure_agent(place)
            return max(job.id for job in jobs)
    stack = sample_data_folder() / STACK
    if not stack.is_file():
        raise WorkFailed(f"{stack} is missing; install tomotui again")
    with Project.create(place, "first light") as project:
        plan: list[tuple[str, dict[str, object], dict[str, object]]] = [
            ("import", {"dataset": "EMPIAR-10499"}, {"stack": str(stack)}),
            ("align", {}, {}),
            ("reconstruct", {"voxel_size_angstrom": 20.0}, {}),
        ]
        last = 0
        for stage, parameters, own in plan:
            request = JobRequest(
                stage=stage,
                parameters=parameters,
                targets=(Target(name=NAME, parameters=own),),
                after=(last,) if last else (),
            )
            last = submit(project, request, start_agent=False).id
    ensure_agent(place)
    return last


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

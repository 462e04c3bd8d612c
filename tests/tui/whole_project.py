"""One project with something to see on every screen, the same on every machine."""

from __future__ import annotations

import uuid
from pathlib import Path
from random import Random

import mrcfile
import numpy as np
import pytest

from tests.tui.conftest import finish, make_series, request, start
from tests.tui.maps_project import ITERATION_MAPS, PIXEL, N, blob, details
from tests.tui.quality_files import with_quality
from tests.tui.variation_project import make_variation
from tomotui.formats.mrc import write_volume
from tomotui.project import Project
from tomotui.records import JobRequest, Map, ParticleSet, Status, Target

SERIES = ("ts_1", "ts_2", "ts_3")


def with_steady_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let identities be drawn from a seed: what is equal otherwise is sorted by them."""
    random = Random(7)
    monkeypatch.setattr(uuid, "uuid4", lambda: uuid.UUID(int=random.getrandbits(128), version=4))


def make_whole(place: Path, at_work: bool = True) -> Path:
    """Make tomograms, picks, maps, landscapes, charts of quality and jobs in all states.

    Parameters
    ----------
    at_work
        Some jobs run and wait; otherwise all have ended.
    """
    make_variation(place)
    with Project.open(place) as project:
        _add_charts(project)
        _add_map_with_course(project)
        _add_jobs(project, at_work)
    return place


def _add_charts(project: Project) -> None:
    """Give a third series everything that the screen of its quality shows."""
    series = make_series("ts_3")
    project.add_records([series])
    with_quality(project, series)
    depth = np.linspace(-1, 1, 32, dtype=np.float32)[:, None, None]
    with mrcfile.new(project.folder / "ts_3.mrc", np.broadcast_to(depth, (32, 64, 64)).copy()) as f:
        f.voxel_size = 10.0


def _add_map_with_course(project: Project) -> None:
    """Add a map of the refined set with its halves, its iterations and its motion."""
    place = project.folder
    for name in ("final", "half1", "half2"):
        write_volume(place / f"{name}.mrc", blob(), PIXEL)
    details(place / "details.npz")
    (place / "iterations").mkdir()
    for number, name in enumerate(filter(None, ITERATION_MAPS)):
        write_volume(place / name, blob(10.0 * number), PIXEL)
    refined = next(
        one
        for one in project.particle_sets()
        if isinstance(one, ParticleSet) and one.made_by == "refine"
    )
    project.add_records(
        [
            Map(
                name="ribosome refined",
                path="final.mrc",
                half_paths=("half1.mrc", "half2.mrc"),
                resolution_angstrom=30.5,
                n_particles=project.n_particles(refined.uid),
                particle_set_uid=refined.uid,
                details_path="details.npz",
                made_by="refine",
                size_xyz=(N, N, N),
                pixel_size_angstrom=PIXEL,
            )
        ]
    )


def _add_jobs(project: Project, at_work: bool) -> None:
    """Add jobs that are done, have failed, and (maybe) one that runs and one that waits."""
    stacks = tuple(Target(name=name, parameters={"stack": f"/raw/{name}.mrc"}) for name in SERIES)
    taken = project.submit(JobRequest(stage="import", targets=stacks))
    for name in SERIES:
        finish(project, taken, name, Status.DONE, summary="41 tilts")
    align = project.submit(request("align", list(SERIES), thickness_angstrom=3000.0))
    finish(project, align, "ts_1", Status.DONE, summary="4.1 Å")
    finish(project, align, "ts_2", Status.FAILED, error="every tilt of ts_2 is empty.")
    for name in ("ts_1", "ts_2", "ts_3"):
        log = project.folder / project.task(align.id, name).folder / "log.txt"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(f"reading {name}\nError: a tilt of {name} is empty.\nround 3 of 6\n")
    waiting = project.submit(request("reconstruct", ["ts_3"]))
    if at_work:
        start(project, align, "ts_3", 0.62, "round 3 of 6")
    else:
        finish(project, align, "ts_3", Status.CANCELLED)
        finish(project, waiting, "ts_3", Status.CANCELLED)

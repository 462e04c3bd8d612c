"""How long users wait in a project of two thousand tilt series and a million particles.

    OMP_NUM_THREADS=1 python tests/benchmarks/scale.py

Nothing is computed: records, jobs, events and particles are put in as agents and imports do it.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

from terminal_projects import aligned, tilt_series  # noqa: E402

from tomotui.project import Project  # noqa: E402
from tomotui.project.curation import Curation  # noqa: E402
from tomotui.records import (  # noqa: E402
    Ctf,
    Event,
    JobRequest,
    ParticleSet,
    Status,
    Target,
    TiltCtf,
    Tomogram,
)
from tomotui.records.particle_table import ParticleTable  # noqa: E402

STAGES = ("import", "align", "ctf", "reconstruct")


@contextmanager
def timed(words: str) -> Iterator[None]:
    began, cpu = time.perf_counter(), time.process_time()
    yield
    cpu = time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    wall = time.perf_counter() - began
    print(f"{words:<50} {wall:8.2f} s {cpu:8.2f} s of CPU {peak:7.0f} MB", flush=True)


def fill(project: Project, n_series: int, n_events: int) -> None:
    """Put series, finished jobs and what they said into a project."""
    series = [tilt_series(f"ts_{number:04d}") for number in range(n_series)]
    alignments = [aligned(one) for one in series]
    volumes = [
        Tomogram(
            series_uid=one.series_uid,
            alignment_uid=one.uid,
            path="none.mrc",
            size_xyz=(1024, 1440, 500),
            pixel_size_angstrom=5.4,
            window_low=-3.0,
            window_high=3.0,
        )
        for one in alignments
    ]
    targets = tuple(Target(name=one.name) for one in series)
    ctfs = [
        Ctf(
            series_uid=one.series_uid,
            fit_resolution_angstrom=9.0,
            tilts=tuple(
                TiltCtf(
                    index=tilt.index,
                    defocus_u_angstrom=30_000.0,
                    defocus_v_angstrom=29_000.0,
                    score=0.9,
                )
                for tilt in one.tilts
            ),
        )
        for one in alignments
    ]
    made = {"import": series, "align": alignments, "ctf": ctfs, "reconstruct": volumes}
    each = max(1, n_events // (len(STAGES) * n_series))
    before: tuple[int, ...] = ()
    for stage in STAGES:
        job = project.submit(JobRequest(stage=stage, targets=targets, after=before))
        before = (job.id,)
        with project.at_once():
            for number, task in enumerate(project.tasks(job.id)):
                project.mark_starting(task, "cpu", "here")
                events = [Event(kind="log", at=time.time(), message=f"step {n}")
                          for n in range(each)]  # fmt: skip
                project.ingest_events(task, events, 100)
                project.finish_task(
                    project.task(job.id, task.target),
                    Status.DONE,
                    records=made[stage][number : number + 1],
                    summary="4.0 A",
                    metrics={"residual": 4.0},
                )


def screens(folder: Path) -> None:
    """Read what screens read."""
    from tomotui.tui.job_graph import read_graph
    from tomotui.tui.live_feed import read_live
    from tomotui.tui.quality_feed import read_quality
    from tomotui.tui.snapshots import JobsReader, read_counts, read_datasets, read_job, read_series

    with Project.open(folder, read_only=True) as project:
        for words, read in (
            ("data sets, first time", lambda: read_datasets(project)),
            ("data sets, again", lambda: read_datasets(project)),
            ("one tilt series", lambda: read_series(project, "ts_1000")),
            ("counts", lambda: read_counts(project)),
            ("jobs", lambda: JobsReader()(project, True)),
            ("job of all series", lambda: read_job(project, (2, None))),
            ("one task", lambda: read_job(project, (2, "ts_1000"))),
            ("tree of jobs", lambda: read_graph(project)),
            ("live board", lambda: read_live(project)),
            ("quality", lambda: read_quality(project, None)),
        ):
            try:
                with timed(f"screen: {words}"):
                    read()
            except Exception as error:
                print(f"screen: {words}: {error!r}")


def particles(folder: Path, n_particles: int, place: Path) -> None:
    """Import, ask for, judge and export many particles."""
    with Project.open(folder) as project:
        volumes = project.records("tomogram")
        picks = ParticleSet(name="million", diameter_angstrom=250.0)
        project.add_records([picks])
        each = n_particles // len(volumes)
        chance = np.random.default_rng(1)
        tables = (
            ParticleTable.of(
                one.uid, chance.uniform(-2000, 2000, (each, 3)), set_uid=picks.uid, source="match",
                scores=chance.random(each),
            )
            for one in volumes
        )  # fmt: skip
        with timed(f"put {each * len(volumes):,} particles in"):
            project.add_particle_tables(tables)
        with timed("count them by tomogram"):
            project.particle_counts(picks.uid)
        with timed("read those of one tomogram"):
            project.particle_table([picks.uid], volumes[0].uid)
        with timed("read all as columns"):
            table = project.particle_table([picks.uid])
        some = table.uids[:1000].tolist()
        with timed("accept a thousand of them"):
            project.decide(some, "accepted", user="me", session="s")
        del table
    judge(folder)
    command, export = [sys.executable, "-m", "tomotui"], ["export", "particles"]
    environment = {**os.environ, "PYTHONPATH": str(HERE.parents[1])}
    for words in (
        ["status", "-p", str(folder)],
        ["jobs", "-p", str(folder)],
        ["particles", "list", "-p", str(folder)],
        [*export, "--format", "csv", "-o", str(place / "all.csv"), "-p", str(folder)],
        [*export, "--format", "relion", "-o", str(place / "all.star"), "-p", str(folder)],
    ):
        with timed(f"tomotui {' '.join(words[: words.index('-p')][:4])}"):
            said = subprocess.run(
                [*command, *words], capture_output=True, text=True, env=environment, check=False
            )
        if said.returncode:
            print(said.stderr.strip())


def judge(folder: Path) -> None:
    """Decide about all by a threshold, and take that back."""
    with Project.open(folder) as project:
        (picks,) = project.particle_sets()
        with timed("open the set for review"):
            curation = Curation(project, picks, user="me", session="s")
        with timed("decide about all by a threshold"):
            curation.apply_threshold(0.5)
        with timed("take that back"):
            curation.undo()


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("--series", type=int, default=2000)
    words.add_argument("--events", type=int, default=200_000)
    words.add_argument("--particles", type=int, default=1_000_000)
    chosen = words.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "project"
        with Project.create(folder) as project, timed(
            f"{len(STAGES)} jobs on {chosen.series} series, {chosen.events} events"
        ):  # fmt: skip
            fill(project, chosen.series, chosen.events)
        screens(folder)
        if chosen.particles:
            particles(folder, chosen.particles, Path(place))


if __name__ == "__main__":
    main()

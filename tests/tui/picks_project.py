"""A small project with two tomograms and candidates, for tests of reviews."""

from __future__ import annotations

from pathlib import Path

import mrcfile
import numpy as np

from tests.tui.conftest import make_alignment, make_series
from tomotui.project import Project
from tomotui.records import ParticleSet, Tomogram
from tomotui.records.particle_table import Candidates, ParticleTable

SIZE_ZYX = (24, 48, 64)
PIXEL = 20.0
N = 20


def make_project(place: Path, n: int = N, with_set: bool = True) -> list[Tomogram]:
    """Make two tomograms with ``n`` candidates each; the score grows with the number."""
    tomograms = []
    with Project.create(place, "cells") as project:
        for number, name in enumerate(("ts_1", "ts_2")):
            data = np.random.default_rng(number).normal(0, 1, SIZE_ZYX).astype(np.float32)
            with mrcfile.new(place / f"{name}.mrc", data) as file:
                file.voxel_size = PIXEL
            series = make_series(name)
            alignment = make_alignment(series)
            tomogram = Tomogram(
                series_uid=series.uid,
                alignment_uid=alignment.uid,
                path=f"{name}.mrc",
                size_xyz=SIZE_ZYX[::-1],
                pixel_size_angstrom=PIXEL,
                window_low=-1,
                window_high=1,
            )
            project.add_records([series, alignment, tomogram])
            tomograms.append(tomogram)
            if with_set:
                search(project, tomogram, n, seed=number)
    return tomograms


def search(project: Project, tomogram: Tomogram, n: int, seed: int = 0) -> None:
    """Let a search find candidates on a grid that leaves room between them."""
    random = np.random.default_rng(seed)
    places = [
        (x * 130.0 - 520, y * 130.0 - 390, z * 100.0 - 200)
        for z in range(5)
        for y in range(7)
        for x in range(9)
    ]
    chosen = random.permutation(len(places))[:n]
    scores = (np.arange(n) + 1) / n
    table = ParticleTable.of(
        tomogram.uid,
        [places[i] for i in chosen],
        scores=scores,
        uncertainties=1 - abs(2 * scores - 1),
        priorities=1 - abs(2 * scores - 1),
        source="find",
    )
    held = ParticleSet(name="ribosome", diameter_angstrom=200)
    project.take_candidates(Candidates(held, tomogram.uid, table, 30.0))

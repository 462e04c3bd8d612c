from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tomotui.formats.particle_pages import write_csv_pages, write_relion_pages
from tomotui.formats.particles_csv import read_particles_csv, write_particles_csv
from tomotui.formats.relion_particles import read_relion_particles, write_relion_particles
from tomotui.records.particle_table import ParticleTable

NAMES = {"t1": "TS_1", "t2": "cell 7, thin"}
UIDS = {name: uid for uid, name in NAMES.items()}


def _pages(whole: bool) -> list[ParticleTable]:
    """Return three pages of which the last is short; some know more than others unless whole."""
    chance = np.random.default_rng(3)
    pages = []
    for uid, n in (("t1", 4), ("t2", 4), ("t1", 1)):
        page = ParticleTable.of(
            uid,
            chance.uniform(-2000, 2000, (n, 3)),
            set_uid="s",
            angles_deg=chance.uniform(-90, 90, (n, 3)),
            scores=chance.random(n),
        )
        page.classes[:], page.halves[:] = np.arange(n), np.arange(n) % 2
        page.decisions[0] = "accepted"
        pages.append(page)
    if not whole:
        pages[1].scores[2] = pages[1].angles_deg[1] = np.nan
        pages[0].classes[:], pages[2].halves[:] = -1, -1
    return pages


@pytest.mark.parametrize("whole", [True, False])
def test_pages_make_the_csv_that_particles_make(tmp_path: Path, whole: bool) -> None:
    pages = _pages(whole)
    write_csv_pages(tmp_path / "pages.csv", pages, NAMES)
    particles = [one for page in pages for one in page.particles()]
    write_particles_csv(tmp_path / "particles.csv", particles, NAMES)
    assert (tmp_path / "pages.csv").read_bytes() == (tmp_path / "particles.csv").read_bytes()
    assert len(read_particles_csv(tmp_path / "pages.csv", UIDS)) == 9


@pytest.mark.parametrize("whole", [True, False])
def test_pages_make_the_star_file_that_particles_make(tmp_path: Path, whole: bool) -> None:
    pages = _pages(whole)
    known = ("half", "class_number", "score") if whole else ()
    write_relion_pages(tmp_path / "pages.star", pages, NAMES, known)
    particles = [one for page in pages for one in page.particles()]
    write_relion_particles(tmp_path / "particles.star", particles, NAMES)
    found, expected = (
        [
            one.model_dump(exclude={"uid"})
            for one in read_relion_particles(tmp_path / f"{name}.star", UIDS)
        ]
        for name in ("pages", "particles")
    )
    assert found == expected
    assert len(found) == 9


def test_no_particles_make_files_without_rows(tmp_path: Path) -> None:
    write_csv_pages(tmp_path / "p.csv", [], NAMES)
    assert read_particles_csv(tmp_path / "p.csv", UIDS) == []
    write_relion_pages(tmp_path / "p.star", [], NAMES, ())
    assert read_relion_particles(tmp_path / "p.star", UIDS) == []

"""A small project with two maps of one set of particles, for tests of the mode of maps."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.tui.picks_project import make_project
from tomotui.formats.mrc import write_volume
from tomotui.project import Project
from tomotui.records import Map, ParticleSet

N, PIXEL = 24, 8.0
K = 4
ITERATION_MAPS = ["iterations/001-p.mrc", "iterations/002-p.mrc", "", "iterations/004-d.mrc"]
"""Of the third nothing was kept: no new map was made."""


def blob(x_angstrom: float = 0.0) -> np.ndarray:
    """A round density with a bump, ``[z, y, x]``."""
    z, y, x = (np.mgrid[:N, :N, :N] - N // 2) * PIXEL
    round_ = np.exp(-(x**2 + y**2 + z**2) / (2 * 28.0**2))
    bump = np.exp(-((x - x_angstrom) ** 2 + (y - 40) ** 2 + z**2) / (2 * 12.0**2))
    return (round_ + bump).astype(np.float32)


def details(path: Path) -> None:
    """What a refinement leaves, of four iterations and two tilt series."""
    rng = np.random.default_rng(0)
    frequency = np.arange(1, 13) / (N * PIXEL)
    falling = 1 / (1 + np.exp((frequency - 1 / 30) * 400))
    arrays = {
        "iteration_number": np.arange(1, K + 1),
        "iteration_letter": np.array(list("pptd")),
        "iteration_pixel_angstrom": np.full(K, PIXEL),
        "iteration_resolution_angstrom": np.array([40.0, 35.0, 33.0, 30.5]),
        "iteration_score": np.linspace(0.2, 0.3, K),
        "iteration_change_deg": np.array([30.0, 8.0, 2.0, 0.5]),
        "iteration_change_angstrom": np.array([12.0, 5.0, 2.0, 1.0]),
        "iteration_kept": np.array([True, True, False, True]),
        "iteration_seconds": np.full(K, 61.0),
        "fsc_frequency_per_angstrom": frequency,
        "fsc_unmasked": falling,
        "fsc_masked": falling,
        "fsc_randomised": falling * 0.2,
        "fsc_corrected": falling,
        "series_names": np.array(["ts_1", "ts_2"]),
    }
    arrays["iteration_map"] = np.array(ITERATION_MAPS)
    tilt = np.linspace(-60, 60, 9)
    for i in range(2):
        points = rng.uniform(-40, 40, (16, 2))
        # In the order of the stack angles fall, and its first section is not used.
        arrays[f"tilt_index_{i}"] = np.arange(9, 0, -1)
        squeezed = points * np.stack([np.cos(np.deg2rad(tilt)), np.ones(9)], axis=1)[:, None]
        arrays[f"motion_seen_angstrom_{i}"] = squeezed
        arrays[f"tilt_deg_{i}"] = tilt
        arrays[f"tilt_score_{i}"] = np.cos(np.deg2rad(tilt))
        arrays[f"tilt_shift_angstrom_{i}"] = rng.normal(size=(9, 2))
        arrays[f"motion_points_angstrom_{i}"] = points
        arrays[f"motion_angstrom_{i}"] = np.linspace(0, 1, 9)[:, None, None] * rng.normal(
            size=(1, 16, 2)
        )
    np.savez(path, **arrays)


def make_maps(place: Path) -> None:
    """Make a project with tomograms, picks, a refined set, and two maps."""
    make_project(place, 12)
    for name, values in (
        ("final", blob()),
        ("half1", blob()),
        ("half2", blob()),
        ("old", blob(30.0)),
    ):
        write_volume(place / f"{name}.mrc", values, PIXEL)
    details(place / "details.npz")
    (place / "iterations").mkdir()
    for number, name in enumerate(filter(None, ITERATION_MAPS)):
        write_volume(place / name, blob(10.0 * number), PIXEL)
    with Project.open(place) as project:
        picks = project.particle_sets()[0]
        table = project.particle_table([picks.uid])
        refined = ParticleSet(
            name="ribosome-refined", made_by="refine", parent_uid=picks.uid, diameter_angstrom=200
        )
        angles = np.random.default_rng(1).uniform(0, 180, (len(table), 3))
        shared = {"size_xyz": (N, N, N), "pixel_size_angstrom": PIXEL}
        old = Map(name="initial", path="old.mrc", made_by="initial-model", **shared)
        new = Map(
            name="ribosome",
            path="final.mrc",
            half_paths=("half1.mrc", "half2.mrc"),
            resolution_angstrom=30.5,
            n_particles=len(table),
            particle_set_uid=refined.uid,
            details_path="details.npz",
            made_by="refine",
            **shared,
        )
        project.add_records([refined, old, new])
        scores = np.linspace(0.2, 0.8, len(table))
        project.add_particle_tables(
            [table.descendants(refined.uid, angles_deg=angles, scores=scores)]
        )

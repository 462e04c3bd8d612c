from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tomotui.formats.movie_series import understand_movies
from tomotui.formats.movies import open_movie
from tomotui.formats.mrc import MrcStack
from tomotui.simulate import SimulationParameters, simulate_tilt_series, write_movie_series
from tomotui.simulate.movies import HOT_COUNTS, Motion, draw_camera, draw_motion, expose_movie


def _spot(x: float, y: float, side: int = 64) -> np.ndarray:
    rows, columns = np.mgrid[:side, :side]
    return 200 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * 3.0**2))


def _centre(image: np.ndarray) -> np.ndarray:
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]]
    return np.array([(columns * image).sum(), (rows * image).sum()]) / image.sum()


def test_matter_is_seen_where_the_displacement_says() -> None:
    shift = np.array([[-2.25, 0.5], [0.0, 0.0], [2.25, -0.5]])
    local = np.zeros((5, 2))
    local[0] = (1.0, 0.0)
    motion = Motion(shift, local, np.array([0.0, 0.5, 1.0]))
    movie = expose_movie(_spot(44, 30), motion, shot_noise=False)
    u = 2 * 44 / 63 - 1
    for number, frame in enumerate(movie):
        expected = np.array([44, 30]) + shift[number] + [u * number / 2, 0]
        np.testing.assert_allclose(_centre(frame), expected, atol=0.15)
        there = motion.displacement(number, np.array(u), np.array(0.0))
        np.testing.assert_allclose(there, shift[number] + [u * number / 2, 0])


def test_counts_are_those_of_electrons() -> None:
    expected = np.full((80, 80), 12.0)
    movie = expose_movie(expected, Motion(np.zeros((4, 2))), seed=2)
    assert movie.dtype == np.uint8
    total = movie.sum(axis=0)
    assert total.mean() == pytest.approx(12, rel=0.01)
    assert total.var() == pytest.approx(12, rel=0.06)


def test_a_camera_is_undone_by_its_gain() -> None:
    camera = draw_camera(1, (80, 80), gain_spread=0.2, dead_share=0.01, hot_share=0.01)
    expected = np.full((80, 80), 4000.0)
    movie = expose_movie(expected, Motion(np.zeros((4, 2))), camera, shot_noise=False)
    good = (camera.gain > 0) & ~camera.hot
    assert (movie[:, camera.gain == 0] == 0).all()
    assert (movie[:, camera.hot] == HOT_COUNTS).all()
    np.testing.assert_allclose((movie * camera.gain)[:, good], 1000, rtol=1e-5)


def test_motion_is_drawn_as_asked() -> None:
    motion = draw_motion(3, 10, drift_px=5, jitter_px=0, local_px=0.7)
    assert np.linalg.norm(motion.shift_px[-1] - motion.shift_px[0]) == pytest.approx(5)
    np.testing.assert_allclose(motion.shift_px.mean(axis=0), 0, atol=1e-12)
    line = np.linspace(-1, 1, 33)
    u, v = np.meshgrid(line, line)
    end = motion.local(9, u, v)
    assert np.sqrt(end.var(axis=(1, 2)).mean()) == pytest.approx(0.7)
    np.testing.assert_allclose(motion.local(0, u, v), 0)


@pytest.mark.parametrize("suffix", [".tif", ".mrc"])
def test_a_series_of_movies_is_understood_by_its_mdoc(tmp_path: Path, suffix: str) -> None:
    parameters = SimulationParameters(
        name="m", size_px=64, height_px=48, pixel_size_angstrom=12, tilt_step_deg=40,
        n_particles=4, n_vesicles=0, truth_binning=0, thickness_angstrom=600,
    )  # fmt: skip
    simulation = simulate_tilt_series(parameters)
    paths = write_movie_series(simulation, tmp_path, 3, suffix=suffix)
    found = understand_movies(paths[0])
    assert found.plan.problems == ()
    assert [t.nominal_tilt_deg for t in found.plan.tilts] == [-60, -20, 20, 60]
    assert [t.acquisition_order for t in found.plan.tilts] == [
        t.acquisition_order for t in simulation.series.tilts
    ]
    with open_movie(found.movies[1]) as movie, MrcStack(paths[1]) as gain:
        assert movie.shape == (3, 48, 64)
        assert gain.shape == (1, 48, 64)
        # First row at the bottom: dead pixels of gain and movie are the same.
        total = sum(movie.read(i).astype(int) for i in range(3))
        assert (total[gain.read(0) == 0] == 0).all()
    truth = np.load(paths[2])
    assert truth["shift_px"].shape == (4, 3, 2)

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import tifffile

from tomotui.formats.mrc import MrcStack
from tomotui.records import TiltSeries
from tomotui.simulate import SimulationParameters, simulate_tilt_series, write_movie_series
from tomotui.stages.base import Cancelled, StageError

N_FRAMES = 5


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven movies with mdoc, gain reference and truth, as a microscope leaves them."""
    folder = tmp_path_factory.mktemp("session")
    parameters = SimulationParameters(
        name="TS_1",
        seed=3,
        size_px=192,
        height_px=160,
        pixel_size_angstrom=6.0,
        thickness_angstrom=800,
        tilt_step_deg=20.0,
        n_particles=20,
        n_vesicles=0,
        crowding=0.1,
        truth_binning=0,
    )
    write_movie_series(simulate_tilt_series(parameters), folder, N_FRAMES, local_px=0)
    return folder


@pytest.fixture
def here(session: Path, tmp_path: Path) -> Path:
    """A copy of the session that a test may spoil."""
    return Path(shutil.copytree(session, tmp_path / "session"))


Run = Callable[..., Any]


@pytest.fixture
def run(stage_runner: ModuleType, tmp_path: Path) -> Run:
    def run(folder: Path, cancel_at: float | None = None, **parameters: Any) -> Any:
        task = stage_runner.RecordingTask(tmp_path / "task", "TS_1", 1, cancel_at)
        values = {"movies": str(folder / "TS_1.mdoc"), "gain": str(folder / "gain.mrc")}
        values.update(parameters)
        return task, stage_runner.run_stage("motion", task, (), values)

    return run


def _images(path: str | None) -> np.ndarray:
    assert path is not None
    with MrcStack(path) as stack:
        return stack.read_all()


def test_movies_become_a_series_with_two_halves(session: Path, run: Run) -> None:
    task, result = run(session)
    (series,) = result.records
    assert isinstance(series, TiltSeries)
    tilts = [tilt.nominal_tilt_deg for tilt in series.tilts]
    assert tilts == [-60, -40, -20, 0, 20, 40, 60]
    first = next(tilt for tilt in series.tilts if tilt.acquisition_order == 0)
    assert (first.nominal_tilt_deg, first.dose_e_per_a2, first.prior_dose_e_per_a2) == (0, 3, 0)
    assert (series.width_px, series.height_px) == (192, 160)
    assert series.pixel_size_angstrom == 6.0
    assert series.nominal_tilt_axis_deg == pytest.approx(85.3)
    whole = _images(series.stack_path)
    even, odd = _images(series.even_stack_path), _images(series.odd_stack_path)
    np.testing.assert_allclose(even + odd, whole, atol=1e-3)
    with MrcStack(series.stack_path) as stack:
        assert stack.pixel_size_angstrom == pytest.approx(6.0)
        assert stack.header.shape == (7, 160, 192)
    assert task.fractions == sorted(task.fractions)
    truth, details = np.load(session / "motion.npz"), np.load(series.details_path)
    off = details["shift_angstrom"] / 6.0 - truth["shift_px"]
    off -= off.mean(axis=1, keepdims=True)
    assert np.sqrt(np.mean(off**2)) < 0.12
    assert details["residual_angstrom"].max() < 1
    assert result.metrics["tilts"] == 7
    assert len(task.metrics["drift"]) == 7
    assert not (task.folder / "movies").exists()


def test_the_stages_that_follow_can_read_it(session: Path, run: Run) -> None:
    from tomotui.stages.loading import load_binned

    task, result = run(session, local="off")
    (series,) = result.records
    for path in (None, series.even_stack_path, series.odd_stack_path):
        images = load_binned(task, series, [0, 3], 2, 0.0, 1.0, stack_path=path)
        assert images.shape == (2, 80, 96)
        assert float(images.mean()) > 0


def test_without_weights_and_motion_the_frames_are_summed_to_the_pixel(
    here: Path, run: Run
) -> None:
    # One electron a pixel in each frame, whatever the tilt: nothing moves.
    with MrcStack(here / "gain.mrc") as stack:
        gain = stack.read(0)
    mean = gain[gain > 0].mean()
    frames = np.random.default_rng(1).poisson(2.0, (N_FRAMES, 160, 192)).astype(np.uint8)
    for movie in (here / "frames").iterdir():
        tifffile.imwrite(movie, frames[:, ::-1], photometric="minisblack")
    _, result = run(here, dose_weighting=False, local="off")
    (series,) = result.records
    whole = _images(series.stack_path)
    details = np.load(series.details_path)
    still = np.abs(details["shift_angstrom"]).max(axis=(1, 2)) == 0
    assert still.any()
    expected = frames.sum(axis=0) * gain / mean
    good = (gain > 0.2) & (gain < 5)
    np.testing.assert_allclose(whole[still][0][good], expected[good], rtol=1e-4, atol=1e-3)


def test_a_killed_task_goes_on_with_the_next_movie(session: Path, run: Run) -> None:
    with pytest.raises(Cancelled):
        run(session, cancel_at=0.5, local="off")
    again, result = run(session, local="off")
    done_before = [text for text in again.messages if "was corrected before" in text]
    assert len(done_before) == 3
    once = _images(result.records[0].stack_path)
    shutil.rmtree(again.folder)
    _, straight = run(session, local="off")
    np.testing.assert_array_equal(once, _images(straight.records[0].stack_path))


def test_other_parameters_or_files_are_not_taken_for_what_was_done(here: Path, run: Run) -> None:
    with pytest.raises(Cancelled):
        run(here, cancel_at=0.5, local="off")
    task, _ = run(here, local="off", dose_weighting=False)
    assert not [text for text in task.messages if "was corrected before" in text]


def test_binned_output_and_half_precision(session: Path, run: Run) -> None:
    _, result = run(session, binning=2, local="off", output_type="float16")
    (series,) = result.records
    assert (series.width_px, series.height_px, series.pixel_size_angstrom) == (96, 80, 12.0)
    whole = _images(series.stack_path)
    assert whole.shape == (7, 80, 96)
    even, odd = _images(series.even_stack_path), _images(series.odd_stack_path)
    np.testing.assert_allclose(even + odd, whole, rtol=0.01, atol=0.5)


def test_single_frames_have_no_halves(here: Path, run: Run) -> None:
    text = (here / "TS_1.mdoc").read_text().replace(f"NumSubFrames = {N_FRAMES}", "")
    (here / "TS_1.mdoc").write_text(text)
    for movie in (here / "frames").iterdir():
        tifffile.imwrite(movie, tifffile.imread(movie)[:1], photometric="minisblack")
    task, result = run(here)
    (series,) = result.records
    assert series.even_stack_path is None
    assert series.odd_stack_path is None
    assert any("single frame" in warning for warning in task.warnings)


def test_a_dark_tilt_is_left_out_and_told(here: Path, run: Run) -> None:
    movie = sorted((here / "frames").glob("*_60.0.tif"))[0]
    frames = tifffile.imread(movie)
    dark = np.random.default_rng(0).poisson(0.02 * frames.mean(), frames.shape)
    tifffile.imwrite(movie, dark.astype(np.uint8), photometric="minisblack")
    task, result = run(here)
    excluded = [tilt.index for tilt in result.records[0].tilts if tilt.excluded]
    assert len(excluded) == 1
    assert any("far darker" in warning for warning in task.warnings)


def _shorten(here: Path) -> None:
    movie = sorted((here / "frames").iterdir())[2]
    tifffile.imwrite(movie, tifffile.imread(movie)[:3], photometric="minisblack")


def _widen(here: Path) -> None:
    movie = sorted((here / "frames").iterdir())[2]
    tifffile.imwrite(movie, np.zeros((N_FRAMES, 160, 200), np.uint8), photometric="minisblack")


def _remove(here: Path) -> None:
    sorted((here / "frames").iterdir())[2].unlink()


def _empty(here: Path) -> None:
    sorted((here / "frames").iterdir())[2].write_bytes(b"")


def _other_gain(here: Path) -> None:
    shutil.copy(sorted((here / "frames").iterdir())[0], here / "gain.tif")
    tifffile.imwrite(here / "gain.tif", np.ones((192, 160), np.float32))


@pytest.mark.parametrize(
    ("spoil", "words", "parameters"),
    [
        (_shorten, "is truncated: it has 3 frames, the mdoc says 5", {}),
        (_widen, "has frames of 200 x 160 px", {}),
        (_remove, "1 of the 7 movies of .* are not in", {}),
        (_empty, r"is empty \(0 bytes\)", {}),
        (_other_gain, "has 160 x 192 pixels, the frames 192 x 160; turn it", {"gain": "gain.tif"}),
    ],
)
def test_faults_end_in_one_sentence(
    here: Path, run: Run, spoil: Callable[[Path], None], words: str, parameters: dict[str, str]
) -> None:
    spoil(here)
    values = {key: str(here / name) for key, name in parameters.items()}
    with pytest.raises(StageError, match=words):
        run(here, **values)

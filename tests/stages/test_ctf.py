from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pytest

from tomotui.formats.mrc import write_stack
from tomotui.records import Alignment, Ctf, TiltSeries
from tomotui.stages import all_stages
from tomotui.stages.base import Cancelled, StageError


class Fitted(NamedTuple):
    simulation: Any
    series: TiltSeries
    alignment: Alignment
    task: Any
    result: Any
    ctf: Ctf


@pytest.fixture(scope="module")
def fitted(stage_runner: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    """A small series of ice, one dark tilt, through the stage."""
    from tomotui.simulate import SimulationParameters, simulate_tilt_series, write_simulation

    folder = tmp_path_factory.mktemp("ctf")
    simulation = simulate_tilt_series(
        SimulationParameters(
            name="ice",
            seed=4,
            size_px=320,
            height_px=288,
            pixel_size_angstrom=3.0,
            thickness_angstrom=600.0,
            tilt_min_deg=-48.0,
            tilt_max_deg=48.0,
            tilt_step_deg=12.0,
            dose_e_per_a2=6.0,
            ice_noise=1.5,
            n_particles=0,
            species=("ring",),
            n_vesicles=0,
            defocus_angstrom=32_000.0,
            handedness=-1,
            dark_tilts=(2,),
            truth_binning=0,
        )
    )
    write_simulation(simulation, folder)
    task = stage_runner.RecordingTask(folder, "ice", threads=1)
    series = simulation.series.replace(stack_path=str(folder / "ice.mrc"))
    result = stage_runner.run_stage("ctf", task, [series, simulation.alignment])
    return Fitted(simulation, series, simulation.alignment, task, result, result.records[0])


def test_it_stands_between_align_and_reconstruct() -> None:
    names = [stage.name for stage in all_stages()]
    assert names.index("align") < names.index("ctf") < names.index("reconstruct")


def test_the_record_says_what_was_found(fitted: Fitted) -> None:
    ctf = fitted.ctf
    assert (ctf.series_uid, ctf.alignment_uid) == (fitted.series.uid, fitted.alignment.uid)
    assert [tilt.index for tilt in ctf.tilts] == list(range(fitted.series.n_tilts))
    assert ctf.verdict == "good"
    assert ctf.handedness == -1
    assert ctf.handedness_score is not None
    assert ctf.handedness_score < -3
    assert ctf.fit_resolution_angstrom is not None
    assert ctf.fit_resolution_angstrom < 10
    for tilt, true in zip(ctf.tilts, fitted.simulation.ctf.tilts, strict=True):
        if tilt.index == 2:
            continue
        assert tilt.defocus_u_angstrom >= tilt.defocus_v_angstrom
        assert abs(tilt.defocus_u_angstrom - true.defocus_u_angstrom) < 600
        assert tilt.score is not None
        assert tilt.score > 0.4
    assert fitted.result.metrics["defocus_angstrom"] == pytest.approx(32_000, abs=500)
    assert "hand -1" in fitted.result.summary


def test_a_tilt_that_was_left_out_gets_its_neighbours_values(fitted: Fitted) -> None:
    left_out = fitted.ctf.tilts[2]
    assert left_out.score is None
    assert left_out.fit_resolution_angstrom is None
    assert 30_000 < left_out.defocus_u_angstrom < 34_000
    assert "tilts 2 were left out" in fitted.ctf.note


def test_the_details_hold_what_the_quality_screen_draws(fitted: Fitted) -> None:
    assert fitted.ctf.details_path is not None
    details = np.load(fitted.task.resolve(fitted.ctf.details_path))
    n, f = details["observed"].shape
    assert n == fitted.series.n_tilts - 1
    assert 2 not in details["tilt_index"]
    for name in ("fitted", "correlation"):
        assert details[name].shape == (n, f)
    assert details["frequency_per_angstrom"].shape == (f,)
    assert details["spectrum_2d"].shape == (n, 128, 128)
    assert details["spectrum_pixel_per_angstrom"] > 0
    assert details["defocus_curve_angstrom"].shape == details["defocus_curve_score"].shape
    assert details["hand_score"][0] > details["hand_score"][1]
    assert all(details[name].dtype == np.float32 for name in details)
    assert np.isfinite(details["observed"]).all()
    # The observed rings are those of the model where the fit is good.
    band = details["frequency_per_angstrom"] < 1 / 12
    agreement = np.corrcoef(details["observed"][4, band], details["fitted"][4, band])[0, 1]
    assert agreement > 0.6


def test_progress_and_figures_are_told(fitted: Fitted) -> None:
    assert fitted.task.fractions == sorted(fitted.task.fractions)
    assert {"defocus", "detection", "resolution"} <= set(fitted.task.metrics)


def test_it_stops_when_asked(fitted: Fitted, stage_runner: ModuleType, tmp_path: Path) -> None:
    task = stage_runner.RecordingTask(tmp_path, threads=1, cancel_at=0.1)
    with pytest.raises(Cancelled):
        stage_runner.run_stage("ctf", task, [fitted.series, fitted.alignment])
    assert not (tmp_path / "ctf.npz").exists()


def test_noise_gives_the_defocus_that_was_asked_for_and_says_so(
    fitted: Fitted, stage_runner: ModuleType, tmp_path: Path
) -> None:
    noise = np.random.default_rng(0).poisson(30, (5, 288, 320)).astype(np.float32)
    write_stack(tmp_path / "noise.mrc", noise, 3.0)
    tilts = tuple(
        tilt.replace(index=i, nominal_tilt_deg=10.0 * i - 20)
        for i, tilt in enumerate(fitted.series.tilts[:5])
    )
    series = fitted.series.replace(stack_path=str(tmp_path / "noise.mrc"), tilts=tilts)
    alignment = fitted.alignment.replace(
        tilts=tuple(t.replace(excluded=False) for t in fitted.alignment.tilts[:5])
    )
    task = stage_runner.RecordingTask(tmp_path, threads=1)
    result = stage_runner.run_stage("ctf", task, [series, alignment], {"phase_plate": "off"})
    ctf = result.records[0]
    assert ctf.verdict == "bad"
    assert "no rings" in ctf.note
    assert "not measured" in ctf.note
    assert ctf.handedness is None
    assert ctf.fit_resolution_angstrom is None
    assert all(tilt.defocus_u_angstrom == 32_000 for tilt in ctf.tilts)
    assert all(tilt.score is None for tilt in ctf.tilts)
    assert "defocus_angstrom" not in result.metrics
    assert any("bad" in warning for warning in task.warnings)


def test_without_an_alignment_it_says_what_to_run(
    fitted: Fitted, stage_runner: ModuleType, tmp_path: Path
) -> None:
    task = stage_runner.RecordingTask(tmp_path, threads=1)
    with pytest.raises(StageError, match="Run the stage that makes a alignment"):
        stage_runner.run_stage("ctf", task, [fitted.series])


@pytest.mark.parametrize(
    ("changes", "parameters", "message"),
    [
        ({"pixel_size_angstrom": 40.0}, {}, "no room for 1.5 rings.*finer pixels"),
        ({}, {"min_defocus_angstrom": 90e3, "max_defocus_angstrom": 20e3}, "lies below"),
        ({"stack_path": "gone.mrc"}, {}, "gone.mrc"),
    ],
)
def test_what_cannot_be_fitted_is_said(
    fitted: Fitted,
    stage_runner: ModuleType,
    tmp_path: Path,
    changes: dict[str, Any],
    parameters: dict[str, Any],
    message: str,
) -> None:
    task = stage_runner.RecordingTask(tmp_path, threads=1)
    series = fitted.series.replace(**changes)
    with pytest.raises(StageError, match=message):
        stage_runner.run_stage("ctf", task, [series, fitted.alignment], parameters)


def test_an_alignment_of_another_series_is_refused(
    fitted: Fitted, stage_runner: ModuleType, tmp_path: Path
) -> None:
    task = stage_runner.RecordingTask(tmp_path, threads=1)
    short = fitted.alignment.replace(tilts=fitted.alignment.tilts[:-1])
    with pytest.raises(StageError, match="has 8 tilts, the series 9"):
        stage_runner.run_stage("ctf", task, [fitted.series, short])


def test_excluding_everything_is_refused(
    fitted: Fitted, stage_runner: ModuleType, tmp_path: Path
) -> None:
    task = stage_runner.RecordingTask(tmp_path, threads=1)
    none = fitted.alignment.replace(
        tilts=tuple(tilt.replace(excluded=True) for tilt in fitted.alignment.tilts)
    )
    with pytest.raises(StageError, match="every tilt is excluded"):
        stage_runner.run_stage("ctf", task, [fitted.series, none])

"""Judges: what is perfect is called perfect, and what is not is called by how much it is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tomotui.bench import judges
from tomotui.bench.report import Check, Figure
from tomotui.formats.mrc import write_volume
from tomotui.geometry.poses import angles_of_matrices
from tomotui.geometry.tilt import rotation_x
from tomotui.records import Ctf, TiltCtf


def test_paths_of_frames_are_compared_without_their_means() -> None:
    true = np.random.default_rng(0).normal(size=(3, 6, 2))
    assert judges.motion_error_px(true + 5.0, true) == pytest.approx(0, abs=1e-12)
    wrong = true + np.array([0.3, 0.0]) * np.array([1, -1, 1, -1, 1, -1])[:, None]
    assert judges.motion_error_px(wrong, true) == pytest.approx(0.3 / np.sqrt(2))


def test_defocus_is_the_mean_of_both_axes() -> None:
    def ctf(*values: float) -> Ctf:
        tilts = [
            TiltCtf(index=i, defocus_u_angstrom=v + 50, defocus_v_angstrom=v - 50)
            for i, v in enumerate(values)
        ]
        return Ctf(series_uid="s", tilts=tuple(tilts))

    assert judges.defocus_error_angstrom(ctf(3e4, 3e4), ctf(3e4 + 300, 3e4 - 300)) == 300


def test_a_tomogram_is_the_truth_upside_dark(tmp_path: Path) -> None:
    true = np.random.default_rng(1).normal(size=(20, 24, 26)).astype(np.float32)
    write_volume(tmp_path / "true.mrc", true, 10.0)
    write_volume(tmp_path / "found.mrc", np.pad(-true, ((2, 2), (0, 0), (0, 0))), 10.0)
    alike = judges.volume_correlation(tmp_path / "found.mrc", tmp_path / "true.mrc")
    assert alike == pytest.approx(1)
    write_volume(tmp_path / "bright.mrc", true, 10.0)
    assert judges.volume_correlation(tmp_path / "bright.mrc", tmp_path / "true.mrc") < -0.99


def test_maps_keep_their_middle_when_sampled_otherwise() -> None:
    places = np.meshgrid(*[np.arange(30) - 15] * 3, indexing="ij")
    ball = np.exp(-sum(place**2 for place in places) / 40.0)
    half = judges.sampled_like(ball, 0.5)
    assert half.shape == (14, 14, 14)
    assert np.unravel_index(half.argmax(), half.shape) == (7, 7, 7)
    assert judges.map_correlation(ball, ball, 8) == pytest.approx(1)
    assert judges.map_correlation(half, judges.sampled_like(np.roll(ball, 6, 0), 0.5), 6) < 0.8


def test_places_are_paired_one_to_one() -> None:
    true = np.array([[0.0, 0, 0], [100, 0, 0], [0, 300, 0]])
    found = np.array([[5.0, 0, 0], [6, 0, 0], [100, 10, 0], [0, 0, 900]])
    pairs = judges.Found(found, true, 50.0)
    assert sorted(zip(pairs.rows.tolist(), pairs.columns.tolist(), strict=True)) == [(0, 0), (2, 1)]
    assert pairs.f1 == pytest.approx(2 * 2 / 7)
    assert judges.Found(np.zeros((0, 3)), true, 50.0).f1 == 0


def test_turns_are_measured_as_rotations() -> None:
    true = rotation_x([10.0, 20.0])
    angles = angles_of_matrices(rotation_x([10.0, 27.0]))
    np.testing.assert_allclose(judges.turn_errors_deg(angles, true), [0, 7], atol=1e-5)


def test_figures_tell_whether_they_are_good_enough() -> None:
    good = Figure("error", 0.2, "px", 0.5)
    poor = Figure("F1", 0.4, "", 0.8, "higher")
    assert (good.passes, poor.passes) == (True, False)
    assert not Figure("error", float("nan"), "px", 0.5).passes
    assert (good.expectation, poor.expectation) == ("<= 0.5", ">= 0.8")
    check = Check("align", (good, poor), 12.3, "cpu")
    assert not check.passes
    first, second = check.rows()
    assert first[:6] == ["align", "error", "0.2 px", "<= 0.5", "✓ pass", "12 s"]
    assert second[:5] == ["", "F1", "0.4", ">= 0.8", "✗ fail"]
    failed = Check("ctf", (), 1.0, error="no rings")
    assert (failed.passes, failed.rows()[0][4], failed.rows()[0][-1]) == (
        False,
        "✗ failed",
        "no rings",
    )
    assert check.to_json()["figures"][1]["passes"] is False

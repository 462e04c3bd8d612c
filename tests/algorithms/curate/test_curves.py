from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import cKDTree

from tomotui.algorithms.curate.curves import along_curve
from tomotui.algorithms.curate.surfaces import mesh_of_contours, over_surface


def _circle(n: int, radius: float = 500.0, z: float = 0.0) -> np.ndarray:
    at = np.arange(n) * 2 * np.pi / n
    return np.stack([radius * np.cos(at), radius * np.sin(at), np.full(n, z)], axis=1)


def test_a_line_is_divided_evenly_and_its_ends_share_the_rest() -> None:
    places, directions = along_curve(np.array([[0, 0, 0], [0, 0, 70.0], [0, 0, 1010]]), 100)
    np.testing.assert_allclose(places[:, 2], 5 + 100 * np.arange(11), atol=1e-6)
    np.testing.assert_allclose(directions, np.tile([0, 0, 1], (11, 1)), atol=1e-9)
    (only,), _ = along_curve(np.array([[0, 0, 0], [30.0, 0, 0]]), 100)
    np.testing.assert_allclose(only, [15, 0, 0])


def test_a_helix_of_known_length() -> None:
    turn = np.linspace(0, 4 * np.pi, 60)
    helix = np.stack([300 * np.cos(turn), 300 * np.sin(turn), 50 * turn], axis=1)
    length = 4 * np.pi * np.hypot(300, 50)
    places, directions = along_curve(helix, 40)
    assert len(places) == int(length / 40) + 1
    chords = np.linalg.norm(np.diff(places, axis=0), axis=1)
    assert chords.std() < 0.01
    angle = np.arctan2(places[:, 1], places[:, 0])
    expected = np.stack([-300 * np.sin(angle), 300 * np.cos(angle), np.full_like(angle, 50)], 1)
    cosines = (directions * expected).sum(axis=1) / np.hypot(300, 50)
    assert np.rad2deg(np.arccos(cosines.clip(-1, 1))).max() < 0.5


def test_a_closed_curve_has_no_seam() -> None:
    places, directions = along_curve(_circle(12), 100, is_closed=True)
    gaps = np.linalg.norm(places - np.roll(places, 1, axis=0), axis=1)
    assert len(places) == round(2 * np.pi * 500 / 100)
    np.testing.assert_allclose(gaps, gaps.mean(), rtol=2e-3)
    np.testing.assert_allclose(np.linalg.norm(places, axis=1), 500, atol=1)
    assert np.abs((places * directions).sum(axis=1)).max() < 10
    again, _ = along_curve(np.concatenate([_circle(12), _circle(12)[:1]]), 100, is_closed=True)
    np.testing.assert_allclose(again, places)


def test_smoothing_undoes_a_trembling_hand() -> None:
    line = np.stack([np.linspace(0, 4000, 80), np.zeros(80), np.zeros(80)], axis=1)
    shaky = line + np.random.default_rng(0).normal(0, 15, line.shape)
    rough = along_curve(shaky, 40)[1]
    smooth = along_curve(shaky, 40, smoothing_angstrom=25)[1]
    assert np.rad2deg(np.arccos(smooth[:, 0])).max() < 8
    assert np.rad2deg(np.arccos(rough[:, 0])).max() > 20


@pytest.mark.parametrize(("n", "is_closed"), [(0, False), (1, False), (2, True)])
def test_too_few_points(n: int, is_closed: bool) -> None:
    with pytest.raises(ValueError, match="different points"):
        along_curve(np.repeat(_circle(8)[:n], 2, axis=0), 10, is_closed=is_closed)


def _sphere(n: int, radius: float) -> np.ndarray:
    """Points as a person sets them: about evenly."""
    turn, z = np.arange(n) * np.pi * (3 - np.sqrt(5)), 1 - (2 * np.arange(n) + 1) / n
    points = np.stack([np.cos(turn) * np.sqrt(1 - z**2), np.sin(turn) * np.sqrt(1 - z**2), z], 1)
    points += np.random.default_rng(4).normal(0, 0.3 / np.sqrt(n), points.shape)
    return radius * points / np.linalg.norm(points, axis=1, keepdims=True)


def _evenness(places: np.ndarray) -> tuple[float, float]:
    distances = np.asarray(cKDTree(places).query(places, k=2)[0])[:, 1]
    return float(distances.mean()), float(distances.std() / distances.mean())


def test_a_vesicle_clicked_as_points() -> None:
    clicked = _sphere(200, 600.0)
    places, normals = over_surface(mesh_of_contours([clicked], 60), 80)
    radii = np.linalg.norm(places, axis=1)
    assert np.abs(radii - 600).max() < 12
    cosines = (places * normals).sum(axis=1) / radii
    assert np.rad2deg(np.arccos(cosines.clip(-1, 1))).max() < 6
    mean, spread = _evenness(places)
    assert mean == pytest.approx(80, rel=0.06)
    assert spread < 0.13


def test_contours_of_slices_leave_the_lids_open() -> None:
    contours = [_circle(14, np.sqrt(500**2 - z**2), z) for z in np.arange(-300, 301, 100.0)]
    places, normals = over_surface(mesh_of_contours(contours, 50), 70)
    assert np.abs(places[:, 2]).max() <= 302
    radii = np.linalg.norm(places, axis=1)
    assert np.abs(radii - 500).max() < 15
    cosines = (places * normals).sum(axis=1) / radii
    assert np.rad2deg(np.arccos(cosines.clip(-1, 1))).max() < 12
    assert _evenness(places)[0] == pytest.approx(70, rel=0.06)
    # Lids would fill the circles at both ends, of radius 400, with 160 places more.
    assert len(places) == pytest.approx(0.8 * 2 * np.pi * 500 * 600 / 70**2, rel=0.12)


def test_a_hole_needs_a_ball() -> None:
    """A torus: its hole is filled by the hull, and open to a ball that fits through."""
    around, across = np.meshgrid(np.arange(60) * np.pi / 30, np.arange(24) * np.pi / 12)
    ring = 600 + 200 * np.cos(across)
    points = [ring * np.cos(around), ring * np.sin(around), 200 * np.sin(across)]
    torus = np.stack([one.ravel() for one in points], axis=1)
    torus += np.random.default_rng(0).normal(0, 0.1, torus.shape)
    hull, _ = over_surface(mesh_of_contours([torus], 60), 120)
    assert (np.hypot(hull[:, 0], hull[:, 1]) < 300).any()
    places, normals = over_surface(mesh_of_contours([torus], 60, alpha_angstrom=70), 120)
    middles = places.copy()
    middles[:, 2] = 0
    middles *= 600 / np.linalg.norm(middles, axis=1, keepdims=True)
    outward = places - middles
    assert np.abs(np.linalg.norm(outward, axis=1) - 200).max() < 10
    cosines = (outward * normals).sum(axis=1) / np.linalg.norm(outward, axis=1)
    assert cosines.min() > 0.95
    with pytest.raises(ValueError, match="smaller than the distances"):
        mesh_of_contours([torus], 60, alpha_angstrom=1)


def test_flat_points_are_no_surface() -> None:
    with pytest.raises(ValueError, match="lie in a plane"):
        mesh_of_contours([_circle(12)], 50)
    with pytest.raises(ValueError, match="give 4 or more"):
        mesh_of_contours([_circle(12)[:3]], 50)

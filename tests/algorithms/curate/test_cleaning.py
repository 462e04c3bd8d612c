from __future__ import annotations

import numpy as np
import pytest

from tomotui.algorithms.curate.cleaning import (
    doubles,
    inside_mask,
    lonely_or_crowded,
    near_faces,
    near_points,
    off_lattice,
    off_surface,
    surface_distances,
)
from tomotui.geometry.poses import angles_facing


def _line(*x: float) -> np.ndarray:
    return np.array([[value, 0.0, 0.0] for value in x])


def test_the_better_of_doubles_stays() -> None:
    positions = _line(0, 60, 120, 400)
    assert doubles(positions, [1, 3, 2, 0], 100).tolist() == [True, False, True, False]
    # The middle one is left out for the first, and so spares the third.
    assert doubles(positions, [3, 1, 2, 0], 100).tolist() == [False, True, False, False]
    # The first column counts most; the first of equals stays.
    accepted_then_score = np.array([[0, 9], [1, 0], [0, 5], [0, 0]])
    assert doubles(positions, accepted_then_score, 100).tolist() == [True, False, True, False]
    assert doubles(_line(0, 10), [1, 1], 20).tolist() == [False, True]
    assert doubles(_line(0, 100), [1, 1], 100).tolist() == [False, False]
    assert doubles(np.zeros((0, 3)), [], 100).tolist() == []


def test_no_two_of_many_remain_near_and_nobody_leaves_without_a_better_one() -> None:
    random = np.random.default_rng(0)
    positions, scores = random.uniform(0, 1000, (1500, 3)), random.random(1500)
    out = doubles(positions, scores, 80)
    distances = np.linalg.norm(positions[:, None] - positions[~out], axis=2)
    for i in range(1500):
        near = (distances[i] < 80) & (scores[~out] != scores[i])
        assert (scores[~out][near] > scores[i]).any() == out[i]


def test_faces_of_the_volume() -> None:
    # Voxels -50 .. 49 of 10 A: the faces are at -505 and 495.
    positions = np.array([[-400, 0, 0], [-410, 0, 0], [390, 0, 0], [400, 0, 0], [0, 0, 60.0]])
    out = near_faces(positions, (100, 100, 20), 10.0, (100, 100, 30))
    assert out.tolist() == [False, True, False, True, False]
    assert near_faces(positions, (100, 100, 20), 10.0, (100, 100, 50))[4]


def test_masks_with_and_without_a_margin() -> None:
    mask = np.zeros((11, 20, 30), dtype=bool)
    mask[5, 10, 15:] = True
    positions = np.array([[0, 0, 0], [-10, 0, 0], [50, 20, 0], [50, 30, 0], [9999, 0, 0.0]])
    assert inside_mask(positions, mask, 10.0).tolist() == [True, False, False, False, False]
    assert inside_mask(positions, mask, 10.0, 20).tolist() == [True, True, True, False, False]


def test_gold_and_company() -> None:
    assert near_points(_line(0, 100), _line(140), 50).tolist() == [False, True]
    assert near_points(_line(0), np.zeros((0, 3)), 50).tolist() == [False]
    out = lonely_or_crowded(_line(0, 50, 200, 320, 1000), 80, 500)
    assert out.tolist() == [True, True, False, False, True]
    assert lonely_or_crowded(_line(0), 80, 500).tolist() == [True]
    assert lonely_or_crowded(_line(0), 80, np.inf).tolist() == [False]


def test_distances_to_a_membrane_do_not_depend_on_its_points() -> None:
    random = np.random.default_rng(1)
    flat = np.stack(np.meshgrid(np.arange(-500, 501, 50.0), np.arange(-500, 501, 50.0)), -1)
    surface = np.concatenate([flat.reshape(-1, 2), np.zeros((441, 1))], axis=1)
    places = random.uniform(-400, 400, (200, 3))
    np.testing.assert_allclose(surface_distances(places, surface), np.abs(places[:, 2]), atol=1e-9)
    # Beyond the rim it is the rim that is near.
    assert surface_distances(np.array([[800.0, 0, 0]]), surface) == pytest.approx(300)
    above = np.array([[10, 10, 20], [10, 10, 60], [10, 10, 200.0]])
    assert off_surface(above, surface, 40, 100).tolist() == [True, False, True]
    sphere = random.normal(size=(4000, 3))
    sphere *= 1000 / np.linalg.norm(sphere, axis=1, keepdims=True)
    outside = sphere[:50] * 1.1
    assert np.abs(surface_distances(outside, sphere) - 100).max() < 8


def test_lattice_keeps_the_regular_and_leaves_out_the_rest() -> None:
    rows, columns = np.meshgrid(np.arange(8), np.arange(8))
    x = 80.0 * (columns + 0.5 * (rows % 2)).ravel()
    y = 80.0 * np.sqrt(0.75) * rows.ravel()
    lattice = np.stack([x, y, np.zeros(64)], axis=1)
    strays = np.array([[0.0, -85, 0], [280, 270, 130], [5000, 0, 0]])
    positions = np.concatenate([lattice, strays])
    unknown = np.full((67, 3), np.nan)
    out = off_lattice(positions, unknown, 80.0)
    assert out.tolist() == [False] * 64 + [True] * 3
    facing = np.tile([[0.0, 0.0, 1.0]], (64, 1))
    facing[20] = [1.0, 0.0, 0.0]
    known = angles_facing(facing)
    assert np.flatnonzero(off_lattice(lattice, known, 80.0)).tolist() == [20]
    assert off_lattice(np.zeros((0, 3)), np.zeros((0, 3)), 80.0).tolist() == []

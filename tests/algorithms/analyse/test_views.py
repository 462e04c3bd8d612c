from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from tomotui.algorithms.analyse.views import beams, coverage, tumbling, view_map, views
from tomotui.geometry.tilt import TiltGeometry, rotation_z

Array = NDArray[np.float64]

GEOMETRY = TiltGeometry.of(np.arange(-60.0, 61.0, 3.0))
STEP_DEG = 5.0


def random_turns(n: int, seed: int = 0) -> Array:
    turns: Array = Rotation.random(n, random_state=seed).as_matrix()
    return turns


def about_z(n: int, seed: int = 0) -> Array:
    angles = np.random.default_rng(seed).uniform(0, 360, n)
    return rotation_z(angles)


def test_random_orientations_prefer_nothing() -> None:
    found = tumbling(random_turns(3000))
    assert abs(found.order_deviations) < 4
    assert abs(found.polarity_deviations) < 4
    assert found.counts.sum() == 3000
    assert found.counts.std() < 3 * np.sqrt(150)


def test_a_preferred_orientation_is_told() -> None:
    upright = tumbling(about_z(200))
    assert upright.order == pytest.approx(1.0)
    assert upright.polarity == pytest.approx(1.0)
    assert upright.order_deviations > 20
    both_ways = np.concatenate([about_z(100), about_z(100) @ np.diag([1.0, -1.0, -1.0])])
    assert tumbling(both_ways).polarity == pytest.approx(0.0)
    lying = Rotation.from_euler("x", 90, degrees=True).as_matrix() @ about_z(100)
    assert tumbling(lying).order == pytest.approx(-0.5)


def test_the_beam_in_the_specimen() -> None:
    found = beams(TiltGeometry.of([0.0, 30.0]))
    assert found[0] == pytest.approx([0, 0, 1])
    # A point along the beam of a tilt lies at the image's centre.
    turned = GEOMETRY.of([30.0])
    point = found[1] * 500
    angle = np.deg2rad(turned.tilt_deg[0])
    assert np.cos(angle) * point[0] + np.sin(angle) * point[2] == pytest.approx(0, abs=1e-9)


def test_many_random_particles_are_seen_evenly() -> None:
    seen = views([random_turns(800)], [beams(GEOMETRY)])
    assert seen.shape == (800 * 41, 3)
    found = coverage(seen, STEP_DEG)
    assert found is not None
    assert found.efficiency > 0.97
    assert found.unseen == 0
    assert found.least > 0.7


def test_one_particle_leaves_its_wedge_unseen() -> None:
    seen = views([np.eye(3)[None]], [beams(GEOMETRY)])
    found = coverage(seen, STEP_DEG)
    assert found is not None
    # A wedge of 60 degrees of a half turn, less what the thickness of the planes fills.
    assert found.unseen == pytest.approx(1 / 3, abs=0.08)
    assert found.efficiency < 0.1
    along = found.directions[found.sampling == 0]
    # What is not seen lies near the plane of beam and x, close to the beam.
    assert np.abs(along[:, 2]).min() > 0.1
    fourfold = coverage(seen, STEP_DEG, "O")
    assert fourfold is not None
    assert fourfold.efficiency > found.efficiency


def test_particles_upright_in_a_slab_miss_a_cone() -> None:
    seen = views([about_z(400)], [beams(GEOMETRY)])
    found = coverage(seen, STEP_DEG)
    assert found is not None
    missed = found.directions[found.sampling == 0]
    assert len(missed)
    assert missed[:, 2].min() > np.cos(np.deg2rad(31.0))
    assert coverage(np.zeros((0, 3)), STEP_DEG) is None


def test_many_views_are_thinned_out_alike() -> None:
    turns = random_turns(3000)
    seen = views([turns, turns], [beams(GEOMETRY)] * 2)
    assert 30_000 < len(seen) < 50_000
    found = coverage(seen, STEP_DEG, "D2")
    assert found is not None
    assert found.efficiency > 0.95


def test_the_map_of_views_is_even_for_chance() -> None:
    found = view_map(random_turns(6480 * 4))
    assert found.shape == (18, 36)
    assert found.sum() == 6480 * 4
    assert found.std() < 1.2 * np.sqrt(40)
    top = view_map(np.eye(3)[None])
    assert top[0].sum() == 1

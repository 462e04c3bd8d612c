from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tomotui.geometry import rotation_z
from tomotui.simulate import SimulationError, SimulationParameters
from tomotui.simulate.specimen import (
    MEMBRANE_HALF_THICKNESS_ANGSTROM,
    apportion,
    build_specimen,
)


def parameters(**changes: Any) -> SimulationParameters:
    few = {
        "size_px": 256,
        "pixel_size_angstrom": 10.0,
        "n_particles": 60,
        "species": ("ribosome:1", "globule:1"),
        "n_vesicles": 2,
        "n_gold": 5,
    }
    return SimulationParameters(**{**few, **changes})


def test_nothing_overlaps() -> None:
    specimen = build_specimen(parameters())
    centres = np.array([p.position_angstrom for p in specimen.particles])
    radii = np.array([specimen.templates[p.species].radius_angstrom for p in specimen.particles])
    distance = np.linalg.norm(centres[:, None] - centres[None], axis=-1)
    gap = distance - radii[:, None] - radii[None]
    assert gap[~np.eye(len(centres), dtype=bool)].min() > 0
    assert (np.abs(centres[:, 2]) + radii).max() <= 750.0
    for vesicle in specimen.vesicles:
        from_wall = np.abs(
            np.linalg.norm(centres - vesicle.position_angstrom, axis=1) - vesicle.radius_angstrom
        )
        assert (from_wall - radii).min() >= MEMBRANE_HALF_THICKNESS_ANGSTROM
    from_gold = np.linalg.norm(centres[:, None] - specimen.gold_angstrom[None], axis=-1)
    assert (from_gold - radii[:, None]).min() >= 50.0


def test_the_field_has_the_asked_number_and_the_rest_the_same_density() -> None:
    p = parameters(n_vesicles=0, n_gold=0, axis_deg=30.0)
    specimen = build_specimen(p)
    inside = [q for q in specimen.particles if q.in_field]
    assert len(inside) == 60
    assert sorted({q.species for q in inside}) == [0, 1]
    positions = np.array([q.position_angstrom for q in specimen.particles])
    image = positions[:, :2] @ rotation_z(30.0)[:2, :2].T
    seen = (np.abs(image) <= 1280.0).all(axis=1)
    np.testing.assert_array_equal(seen, [q.in_field for q in specimen.particles])
    # At 60 degrees the image sees twice as far along the specimen's x.
    assert np.abs(positions[:, 0]).max() > 2 * 1280.0


def test_orientations_are_rotations_and_differ() -> None:
    rotations = np.array([q.rotation for q in build_specimen(parameters()).particles])
    unity = rotations @ np.swapaxes(rotations, 1, 2)
    np.testing.assert_allclose(unity, np.broadcast_to(np.eye(3), unity.shape), atol=1e-9)
    assert np.linalg.det(rotations).min() > 0.99
    assert np.abs(rotations.mean(axis=0)).max() < 0.2


def test_the_crowd_keeps_out_of_particles_and_fills_the_asked_share() -> None:
    specimen = build_specimen(parameters(crowding=0.05, n_particles=10, n_vesicles=0, n_gold=0))
    proteins = specimen.crowd_angstrom.reshape(-1, 4, 3).mean(axis=1)
    ribosome = next(q for q in specimen.particles if q.species == 0)
    distance = np.linalg.norm(proteins - ribosome.position_angstrom, axis=1)
    assert distance.min() > 100.0
    half = np.abs(proteins).max(axis=0)
    share = len(proteins) * 72_600.0 / float(np.prod(2 * half))
    assert share == pytest.approx(0.05, rel=0.15)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_particles": 3000}, "no room for more particles.*ask for fewer"),
        ({"thickness_angstrom": 250.0, "n_vesicles": 0}, "do not fit into ice of 250 A"),
        ({"thickness_angstrom": 700.0}, "lower vesicle_max_radius_angstrom"),
    ],
)
def test_what_does_not_fit_is_a_clear_error(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SimulationError, match=message):
        build_specimen(parameters(**changes))


def test_apportion_gives_the_total_by_largest_remainders() -> None:
    assert apportion(100, [3, 1, 1]) == [60, 20, 20]
    assert apportion(10, [1, 1, 1]) == [4, 3, 3]
    assert apportion(0, [1.0]) == [0]

"""Gaussians that move."""

from __future__ import annotations

import numpy as np
import pytest

from tomotui.geometry.mixtures import AnchoredNetwork, MovingMixture, RigidBodies, drawn


def gaussians(deformation: object, n: int = 2) -> MovingMixture:
    centres = np.array([[20.0, 0, 0], [-20.0, 0, 0]], dtype=np.float32)[:n]
    return MovingMixture(centres, np.ones(n, np.float32), np.full(n, 6.0, np.float32), deformation)


def hinge() -> MovingMixture:
    """Return two Gaussians of which the first turns about the origin by a radian a unit."""
    modes = np.zeros((1, 2, 6), np.float32)
    modes[0, 0, 2] = 1.0
    return gaussians(RigidBodies(np.eye(2, dtype=np.float32), np.zeros((2, 3), np.float32), modes))


def test_a_gaussian_is_drawn_where_it_lies_as_strong_as_it_is():
    volume = drawn(
        np.array([[8.0, -4.0, 0.0]], np.float32),
        np.array([3.0], np.float32),
        np.array([5.0], np.float32),
        16,
        4.0,
    )
    assert np.unravel_index(volume.argmax(), volume.shape) == (8, 7, 10)
    assert volume.max() == pytest.approx(3.0)
    assert volume.sum() * 4.0**3 == pytest.approx(3 * (2 * np.pi) ** 1.5 * 5.0**3, rel=0.01)


def test_a_body_turns_about_its_pivot():
    centres, amplitudes = hinge().at(np.array([np.pi / 2], np.float32))
    assert np.allclose(centres, [[0, 20, 0], [-20, 0, 0]], atol=1e-4)
    assert np.allclose(amplitudes, 1)


def test_gaussians_follow_anchors():
    weights = np.zeros((8, 1), np.float32)
    weights[1, 0], weights[7, 0] = 5.0, np.log(2.0)
    axes = np.zeros((1, 8), np.float32)
    axes[0, 6] = 3.0
    network = AnchoredNetwork(
        ((weights, np.zeros(8, np.float32)),), np.eye(2, dtype=np.float32), axes
    )
    centres, amplitudes = gaussians(network).at(np.array([2.0], np.float32))
    assert np.allclose(centres, [[20, 10, 0], [-20, 0, 6]])
    assert np.allclose(amplitudes, [1, 4])


@pytest.mark.parametrize("kind", ["bodies", "network"])
def test_what_is_kept_gives_the_same_map(kind: str, tmp_path):
    chance = np.random.default_rng(0)
    if kind == "bodies":
        mixture = hinge()
    else:
        layers = tuple(
            (
                chance.normal(size=(out, into)).astype(np.float32),
                chance.normal(size=out).astype(np.float32),
            )
            for into, out in ((1, 5), (5, 8))
        )
        axes = chance.normal(size=(1, 8)).astype(np.float32)
        mixture = gaussians(AnchoredNetwork(layers, np.eye(2, dtype=np.float32), axes))
    np.savez(tmp_path / "kept.npz", **mixture.arrays())
    with np.load(tmp_path / "kept.npz") as kept:
        again = MovingMixture.from_arrays(dict(kept))
    at = np.array([0.3], np.float32)
    assert np.array_equal(again.volume(at, 12, 6.0), mixture.volume(at, 12, 6.0))

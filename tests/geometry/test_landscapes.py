from __future__ import annotations

import numpy as np
import pytest

from tomotui.geometry.landscapes import LatentSpace, k_means


def space(n: int = 400) -> LatentSpace:
    """Particles along a slanted line, and a little across it."""
    rng = np.random.default_rng(0)
    along, across = np.array([0.6, 0.8, 0.0]), np.array([-0.8, 0.6, 0.0])
    places = rng.normal(size=(n, 1)) * 3 * along + rng.normal(size=(n, 1)) * 0.5 * across
    return LatentSpace.from_arrays(
        {
            "uids": np.array([f"p{i}" for i in range(n)]),
            "coordinates": places,
            "spread": np.full((n, 3), 0.3),
            "axes": np.stack([along, across]),
            "deviations": np.array([3.0, 0.5]),
        }
    )


def test_places_are_deviations_along_directions() -> None:
    one = space()
    assert one.names[:3] == ("motion 1", "motion 2", "coordinate 1")
    assert one.along(0).std() == pytest.approx(1.0, abs=0.1)
    assert one.spread_along(0) == pytest.approx(np.full(400, 0.1))
    # A coordinate in which nothing differs has no deviation to divide by.
    assert np.all(one.along(4) == 0)


def test_a_point_lies_where_it_was_asked_for() -> None:
    one = space()
    point = one.point((0, 1), (1.5, -2.0))
    np.testing.assert_allclose(point, 4.5 * one.directions[0] - one.directions[1])
    slanted = one.point((0, 2), (1.0, 0.5))
    assert one.place(slanted, 0) == pytest.approx(1.0)
    assert one.place(slanted, 2) == pytest.approx(0.5)
    # The same direction twice: as near as can be.
    assert one.place(one.point((0, 0), (1.0, 1.0)), 0) == pytest.approx(1.0)


@pytest.mark.parametrize(
    "arrays",
    [
        {"uids": np.array(["a"]), "coordinates": np.zeros((2, 2))},
        {"uids": np.array(["a"]), "coordinates": np.full((1, 2), np.nan)},
        {"uids": np.array(["a"]), "coordinates": np.zeros((1, 2)), "spread": np.zeros((1, 3))},
        {"uids": np.array(["a"]), "coordinates": np.zeros((1, 2)), "deviations": np.ones(1)},
    ],
)
def test_arrays_that_do_not_belong_together_are_refused(arrays: dict[str, np.ndarray]) -> None:
    with pytest.raises(ValueError, match="of shape"):
        LatentSpace.from_arrays(arrays)


def test_clusters_are_those_that_were_made() -> None:
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 3, 300)
    centres = np.array([[-4.0, 0.0], [0.0, 3.0], [4.0, 0.0]])
    labels, found = k_means(centres[truth] + rng.normal(scale=0.5, size=(300, 2)), 3)
    np.testing.assert_array_equal(labels, truth)
    np.testing.assert_allclose(found, centres, atol=0.2)


def test_points_that_are_all_alike_can_be_parted() -> None:
    labels, centres = k_means(np.zeros((5, 2)), 2)
    assert len(labels) == 5
    assert np.all(centres == 0)
    with pytest.raises(ValueError, match="5 points cannot be parted into 6"):
        k_means(np.zeros((5, 2)), 6)

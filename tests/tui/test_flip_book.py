"""Conformations as the pages of a book, the charts beside them, and what is said of classes."""

from __future__ import annotations

import numpy as np
import pytest

from tests.tui.variation_project import hinge
from tomotui.geometry.landscapes import LatentSpace
from tomotui.geometry.mixtures import MovingMixture
from tomotui.records import Classification
from tomotui.tui.details import Details
from tomotui.tui.flip_book import SPEEDS, FlipBook, motion_book, path_book
from tomotui.tui.raster.chart import Chart
from tomotui.tui.screens.variation_charts import (
    agreements,
    angles,
    degrees_of,
    histogram,
    known_angles,
    populations,
    way_angstrom,
)
from tomotui.tui.screens.variation_words import classes_verdict
from tomotui.tui.variation_feed import ClassEntry


def test_a_motion_goes_from_end_to_end_and_back() -> None:
    book = motion_book(np.array([0.0, 1.0]), 3.0, "motion 2")
    np.testing.assert_allclose(book.points[[0, 10, 20]], [(0, -6), (0, 0), (0, 6)])
    places = []
    for _ in range(40):
        places.append(book.at)
        book = book.turned()
    assert places[:12] == [*range(10, 21), 19]
    assert min(places) == 0
    assert book.at == 10


def test_pages_of_a_path_are_evenly_apart() -> None:
    corners = np.array([(0.0, 0.0), (3.0, 0.0), (3.0, 1.0)])
    book = path_book(corners, "path")
    steps = np.linalg.norm(np.diff(book.points, axis=0), axis=1)
    assert steps == pytest.approx(4 / (len(book) - 1), rel=0.3)
    np.testing.assert_allclose(book.points[[0, -1]], corners[[0, -1]])
    assert len(path_book(corners[[0, 0]], "path")) == 1
    assert path_book(corners[:1], "path").turned().at == 0


def test_leafing_ends_at_the_ends_and_speeds_at_theirs() -> None:
    book = FlipBook(np.zeros((5, 2)), "x", is_playing=True)
    assert (book.leafed(9).at, book.leafed(-9).at) == (4, 0)
    assert not book.leafed(1).is_playing
    assert book.faster(99).pages_a_second == SPEEDS[-1]
    assert book.faster(-99).pages_a_second == 1
    assert book.words(ascii_only=True) == "> playing 8/s 1/5"
    assert book.played(False).words(ascii_only=False) == "= paused 1/5"


def test_bodies_turn_by_degrees_and_matter_goes_its_way() -> None:
    mixture = hinge()
    first = np.array([1.0, 0.0])
    assert degrees_of(mixture, first, 2.0) == pytest.approx(30.0, rel=1e-4)
    # From -15 to 15 degrees at 80 A of arm: 2 * 80 * sin(15).
    assert way_angstrom(mixture, first, 1.0) == pytest.approx(41.4, rel=0.1)
    network = MovingMixture.from_arrays(
        {
            "centres_angstrom": np.zeros((3, 3)),
            "amplitudes": np.ones(3),
            "widths_angstrom": np.ones(3),
            "weights0": np.zeros((4, 1)),
            "offsets0": np.zeros(4),
            "following": np.ones((3, 1)),
            "axes_of_anchors": np.array([[2.0, 0.0, 0.0, 0.0]]),
        }
    )
    assert degrees_of(network, np.ones(1), 1.0) is None
    assert way_angstrom(network, np.ones(1), 1.5) == pytest.approx(6.0)


def test_the_histogram_is_in_degrees_where_bodies_turn() -> None:
    space = LatentSpace.from_arrays(
        {"uids": np.array(["a", "b", "c"]), "coordinates": np.array([[-1.0], [0.0], [1.0]])}
    )
    plain = histogram(space, 0, 0.5, None, None)
    turned = histogram(space, 0, 0.5, np.array([True, False, False]), 10.0)
    assert isinstance(plain, Chart)
    assert isinstance(turned, Chart)
    assert turned.uprights[0][0] == pytest.approx(5.0)
    assert turned.x_range is not None
    assert plain.x_range is not None
    np.testing.assert_allclose(turned.x_range, 10 * np.array(plain.x_range))
    assert np.nansum(turned.layers[1].y) == 1


def test_of_a_single_run_there_is_no_agreement() -> None:
    one = Details(arrays={"agreements": np.ones((1, 1)), "populations": np.ones((4, 2)) / 2})
    assert agreements(one) is None
    assert isinstance(populations(one), Chart)
    assert populations(Details(problem="gone")) == "gone"


def test_classes_are_doubted_where_they_should_be() -> None:
    def said(reproducibility: float | None, is_evident: bool = True) -> tuple[str, str]:
        record = Classification(
            name="c",
            particle_set_uid="s",
            path="c.npz",
            n_classes=2,
            reproducibility=reproducibility,
        )
        classes = (ClassEntry(1, "class 1", 0.7), ClassEntry(2, "class 2", 0.3))
        details = Details(arrays={"is_evident": np.array(is_evident)})
        return classes_verdict(record, classes, details)

    assert said(0.9) == ("done", "class 1 70%, class 2 30%; runs agree by 0.90")
    assert said(0.3)[0] == "warning"
    assert said(None)[0] == "none"
    mood, words = said(0.9, is_evident=False)
    assert mood == "warning"
    assert "not different beyond noise" in words


def test_angles_of_bodies_are_told_with_their_spread() -> None:
    tilts = np.stack([np.full(50, 30.0), np.linspace(-20, 20, 50)], axis=1)
    tilts[0] = np.nan
    details = Details(arrays={"tilt_deg": tilts})
    assert [key for key, _ in known_angles(details)] == ["tilt_deg"]
    drawn, words = angles(details, "tilt_deg", "tilt")
    assert isinstance(drawn, Chart)
    assert [one.y.sum() for one in drawn.layers] == [49, 49]
    assert "body 1 30 ±0" in words
    assert isinstance(angles(Details(), "tilt_deg", "tilt")[0], str)

"""Filters of a particle's size, circles of particles, and stained cells."""

from __future__ import annotations

import numpy as np
import pytest

from tomotui.tui.raster.artist import SliceArtist
from tomotui.tui.raster.capability import Capability
from tomotui.tui.raster.filters import FILTER_PRESETS, band_pass, band_preset, filtered
from tomotui.tui.raster.particle_rings import MOST_RINGS, cut_by, ring_trails, sign_trails
from tomotui.tui.raster.picture import Stain
from tomotui.tui.raster.resample import Grid
from tomotui.tui.raster.view import SliceViewState
from tomotui.tui.raster.volume import ArraySource


def disc(radius: float) -> np.ndarray:
    y, x = np.mgrid[-48:48, -48:48]
    values: np.ndarray = (np.hypot(y, x) <= radius).astype(np.float32)
    return values


def test_the_band_answers_most_to_its_own_size() -> None:
    answers = {r: band_pass(disc(r), 10.0, 200.0)[48, 48] for r in (3, 6, 10, 16, 24)}
    assert max(answers, key=lambda r: answers[r]) == 10
    assert abs(band_pass(disc(10) + 100, 10.0, 200.0).mean()) < 0.05


def test_presets_are_found_by_their_names() -> None:
    image = disc(10)
    assert filtered(image, 10.0, "none") is image
    assert filtered(image, 10.0, "no such filter") is image
    assert filtered(image, 10.0, "DoG") is image
    same = filtered(image, 10.0, band_preset(200.0))
    assert same == pytest.approx(band_pass(image, 10.0, 200.0))
    assert filtered(image, 10.0, "LP80").std() < image.std()


def test_the_sizes_of_particles_come_behind_the_low_pass_filters() -> None:
    view, seen = SliceViewState(), []
    for _ in range(len(FILTER_PRESETS) + 2):
        view = view.next_filter([band_preset(120), band_preset(250)])
        seen.append(view.filter_name)
    assert seen[-3:] == ["DoG120", "DoG250", "none"]


def test_rings_are_smaller_the_farther_away_their_particle_is() -> None:
    away = np.array([0.0, 3.0, 5.9, 9.0])
    near = cut_by(away, 6.0, 0.0)
    assert near.tolist() == [0, 1, 2]
    places = np.array([10.0, 30.0, 50.0])
    trails = ring_trails(places, places, away[near], 6.0, ["accepted", "accepted", "class2"])
    assert [one.role for one in trails] == ["accepted", "class2"]
    first, second = np.split(trails[0].columns, 2)
    sizes = [np.nanmax(one) - np.nanmin(one) for one in (first, second, trails[1].columns)]
    assert sizes[0] == pytest.approx(12, abs=0.1)
    assert sizes[0] > sizes[1] > sizes[2] > 2


def test_a_slab_cuts_more_and_the_nearest_come_first() -> None:
    away = np.arange(1000) / 10.0
    assert cut_by(away, 2.0, 3.0).tolist() == list(range(51))
    assert len(cut_by(away, 90.0, 0.0)) == MOST_RINGS


def test_signs_say_what_was_decided() -> None:
    places = np.array([5.0, 9.0, 20.0])
    signs = sign_trails(places, places, 4.0, ["✓", "", "✓"], ["accepted", "undecided", "accepted"])
    assert [(one.mark, len(one.rows)) for one in signs] == [("✓", 2)]


@pytest.mark.parametrize("glyphs", ["octant", "half", "ascii"])
def test_stains_colour_the_cells_above_their_threshold(glyphs: str) -> None:
    data = np.random.default_rng(0).normal(size=(1, 32, 32)).astype(np.float32)
    source = ArraySource(data)
    artist = SliceArtist(Capability(colours="truecolor", glyphs="octant"))

    def stain(grid: Grid) -> list[Stain]:
        values = np.full((grid.rows, grid.columns), np.nan, np.float32)
        values[: grid.rows // 2] = 2.0
        return [Stain(values, 1.0, "class3")]

    view = SliceViewState(glyphs=glyphs)  # type: ignore[arg-type]
    frame = artist.draw(source, view, data[0], (10, 20), stain=stain)
    plain = artist.draw(source, view, data[0], (10, 20))
    coloured = frame.foreground == frame.palette.role("class3")
    assert coloured[:5].all()
    assert not coloured[5:].any()
    assert (frame.characters[:5] != " ").all()
    assert (frame.foreground[5:] == plain.foreground[5:]).all()

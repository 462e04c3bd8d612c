"""The state of a view of slices, as a value."""

from __future__ import annotations

import numpy as np
import pytest

from tomotui.tui.raster.artist import SliceArtist
from tomotui.tui.raster.capability import Capability
from tomotui.tui.raster.picture import Mark, nice_length
from tomotui.tui.raster.resample import ZOOM_LADDER
from tomotui.tui.raster.view import SliceViewState
from tomotui.tui.raster.volume import ArraySource
from tomotui.tui.raster.window import Window

SHAPE = (30, 200, 300)
CELLS = (20, 60)


def test_moving_stops_at_the_ends():
    view = SliceViewState(index=28)
    assert view.moved(1, SHAPE).index == 29
    assert view.moved(10, SHAPE).index == 29
    assert view.moved(-99, SHAPE).index == 0


def test_zoom_steps_are_whole_ratios():
    view = SliceViewState(glyphs="octant")
    seen = []
    for _ in range(20):
        view = view.zoomed(1, SHAPE, CELLS, 2.0)
        seen.append(view.zoom / 2)
    assert all(step in ZOOM_LADDER for step in seen)
    assert seen[0] < view.fitted().voxels_per_cell(SHAPE, CELLS, 2.0) / 2
    assert seen[-1] == min(ZOOM_LADDER)
    assert view.zoomed(-50, SHAPE, CELLS, 2.0).zoom == 2 * max(ZOOM_LADDER)
    assert view.one_to_one().zoom == 2


def test_panning_keeps_the_middle_on_the_slice():
    view = SliceViewState().panned(10, -20, SHAPE)
    assert view.centre == (110.0, 130.0)
    assert view.panned(1e6, -1e6, SHAPE).centre == (200.0, 0.0)
    assert view.fitted().centre is None


def test_axes_are_cut_through_the_same_point():
    view = SliceViewState(index=7, zoom=2.0, centre=(50.0, 120.0))
    across_y = view.across("y", SHAPE)
    assert (across_y.axis, across_y.index, across_y.centre) == ("y", 50, (7.5, 120.0))
    across_x = across_y.across("x", SHAPE)
    assert (across_x.index, across_x.centre) == (120, (7.5, 50.5))
    assert across_x.across("z", SHAPE).index == 7


def test_a_fitted_view_stays_fitted_across_axes():
    view = SliceViewState(index=7).across("x", SHAPE)
    assert (view.index, view.centre, view.zoom) == (150, None, None)


def test_slab_and_filter_have_bounds():
    view = SliceViewState().with_slab(-1)
    assert view.slab == 0
    assert view.with_slab(999).slab == 32
    names = [view.filter_name]
    for _ in range(5):
        view = view.next_filter()
        names.append(view.filter_name)
    assert names == ["none", "LP20", "LP40", "LP60", "LP80", "none"]


def test_a_state_is_made_to_fit_another_source():
    view = SliceViewState(axis="x", index=290, centre=(500.0, 500.0), slab=2)
    clamped = view.clamped((5, 40, 50), ("z",))
    assert (clamped.axis, clamped.index, clamped.centre) == ("z", 4, None)


def source(is_stack=False):
    data = np.random.default_rng(2).normal(0, 1, (6, 80, 90)).astype(np.float32)
    data += np.arange(6, dtype=np.float32)[:, None, None] * 10
    return ArraySource(data, pixel_size_angstrom=8.0, is_stack=is_stack)


def draw(artist, what, view, cells=(12, 40), **more):
    image = what.read(view.axis, view.index, view.slab)
    return artist.draw(what, view, image, cells, **more)


def test_automatic_contrast_stays_while_scrolling_a_volume():
    artist, what = SliceArtist(Capability()), source()
    draw(artist, what, SliceViewState(index=2))
    first = artist.window
    draw(artist, what, SliceViewState(index=5))
    assert artist.window == first
    artist.forget_windows()
    draw(artist, what, SliceViewState(index=5))
    assert artist.window.level == pytest.approx(50, abs=1)


def test_every_image_of_a_stack_has_its_own_contrast():
    artist, what = SliceArtist(Capability()), source(is_stack=True)
    levels = []
    for index in (0, 3):
        draw(artist, what, SliceViewState(index=index))
        levels.append(artist.window.level)
    assert levels == pytest.approx([0, 30], abs=1)


def test_the_users_contrast_is_kept_and_inverted():
    artist, what = SliceArtist(Capability()), source()
    draw(artist, what, SliceViewState(window=Window(-1, 4), inverted=True))
    assert artist.window == Window(-1, 4, inverted=True)


def test_a_flat_slice_is_drawn():
    artist = SliceArtist(Capability())
    what = ArraySource(np.full((3, 20, 20), 7.0, np.float32))
    frame = draw(artist, what, SliceViewState())
    assert artist.window.level == pytest.approx(7.0)
    assert frame.shape == (12, 40)


def test_scale_bar_and_caption_are_in_the_last_row():
    artist, what = SliceArtist(Capability(glyphs="octant")), source()
    frame = draw(artist, what, SliceViewState(index=2))
    last = "".join(frame.characters[-1])
    assert " z 3/6 " in last
    assert "nm ├" in last
    assert "nm" not in "".join(frame.characters[:-1].ravel())
    plain = SliceArtist(Capability(glyphs="ascii", available=("ascii",), colours="mono"))
    text = "".join(draw(plain, what, SliceViewState(glyphs="ascii")).characters.ravel())
    assert text.isascii()


def test_the_scale_bar_has_the_length_it_says():
    artist, what = SliceArtist(Capability(glyphs="octant")), source()
    view = SliceViewState(glyphs="octant", zoom=2.0)
    last = "".join(draw(artist, what, view, cells=(12, 80)).characters[-1])
    nm = float(last.split(" nm ")[0].split()[-1])
    cells = last.index("┤") - last.index("├") + 1
    assert cells * 2.0 * 0.8 == pytest.approx(nm, abs=1.6)


def test_nice_lengths():
    assert [nice_length(x) for x in (1.0, 4.9, 5.0, 37, 0.3, 0)] == [1, 2, 5, 20, 0.2, 0]


def test_marks_leave_their_middle_free():
    artist, what = SliceArtist(Capability(glyphs="octant")), source()
    view = SliceViewState(glyphs="octant", zoom=2.0)
    mark = Mark(row=40, column=45, radius=8, role="accepted", label="037")
    frame = draw(artist, what, view, cells=(20, 40), marks=(mark,))
    corners = np.argwhere(np.isin(frame.characters, list("⌜⌝⌞⌟")))
    assert len(corners) == 4
    assert (frame.characters != "⌜").sum() == frame.characters.size - 1
    np.testing.assert_allclose(corners.mean(axis=0), [10, 20], atol=1)
    assert "037" in "".join(frame.characters[corners[0][0]])


def test_cheap_pictures_cost_few_tones():
    artist, what = SliceArtist(Capability(glyphs="octant")), source()
    frame = draw(artist, what, SliceViewState(glyphs="octant"), cheap=True)
    assert frame.palette.levels() == 4
    assert set(frame.characters[:-1].ravel()) <= {"▀", " "}

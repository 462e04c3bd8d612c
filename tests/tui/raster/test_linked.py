"""Two sources looked at as one."""

from __future__ import annotations

import numpy as np
import pytest

from tomotui.tui.raster.linked import agreement, linked_view, on_grid, other_grid
from tomotui.tui.raster.resample import Grid
from tomotui.tui.raster.view import SliceViewState
from tomotui.tui.raster.volume import AXES, ArraySource, Axis

FINE = ArraySource(np.zeros((40, 80, 120)), pixel_size_angstrom=10.0)
COARSE = ArraySource(np.zeros((21, 41, 61)), pixel_size_angstrom=20.0)


def position(source: ArraySource, view: SliceViewState) -> list[float]:
    """Angstrom along (z, y, x) from the origin of what is in the middle."""
    rest = iter(at - 0.5 for at in view.middle(source.shape))
    voxel = [view.index if axis == view.axis else next(rest) for axis in AXES]
    return [
        (at - n // 2) * source.pixel_size_angstrom
        for at, n in zip(voxel, source.shape, strict=True)
    ]


@pytest.mark.parametrize("axis", AXES)
def test_places_correspond_in_angstrom_whatever_the_voxels(axis: Axis) -> None:
    view = SliceViewState(axis=axis, index=30, slab=2, zoom=4.0, centre=(20.5, 60.5))
    there = linked_view(view, FINE, COARSE, 4.0)
    assert position(COARSE, there) == pytest.approx(position(FINE, view), abs=10)
    assert there.zoom == 2.0
    assert (2 * there.slab + 1) * 20 == pytest.approx(5 * 10, abs=20)
    back = linked_view(there, COARSE, FINE, 2.0)
    assert (back.index, back.zoom) == (view.index, view.zoom)
    assert back.centre == pytest.approx(view.centre)


def test_a_slice_beyond_the_other_volume_is_its_last() -> None:
    small = ArraySource(np.zeros((10, 80, 120)), pixel_size_angstrom=10.0)
    assert linked_view(SliceViewState(index=39), FINE, small, 1.0).index == 9


def test_agreement_does_not_mind_contrast() -> None:
    a = np.random.default_rng(0).normal(size=(30, 30)).astype(np.float32)
    same = agreement(a, -3 * a + 7)
    assert same is not None
    assert same.correlation == pytest.approx(-1)
    assert same.difference == pytest.approx(0, abs=1e-6)
    b = np.random.default_rng(1).normal(size=(30, 30)).astype(np.float32)
    half = agreement(a, a + b)
    assert half is not None
    assert half.correlation == pytest.approx(np.sqrt(0.5), abs=0.05)
    assert half.difference == pytest.approx(np.sqrt(1 - half.correlation**2))


def test_agreement_counts_only_what_both_have() -> None:
    a = np.random.default_rng(0).normal(size=(30, 30)).astype(np.float32)
    b = a.copy()
    b[:10] = np.nan
    found = agreement(a, b)
    assert found is not None
    assert found.n == 600
    assert agreement(a, np.full_like(a, np.nan)) is None
    assert agreement(a, np.ones_like(a)) is None


def test_beyond_an_image_there_is_no_number() -> None:
    values = on_grid(np.ones((4, 4), np.float32), Grid(6, 4, -1.0, 0.0, 1.0, 1.0))
    assert np.isnan(values[0]).all()
    assert np.isnan(values[5]).all()
    assert (values[1:5] == 1).all()


def test_a_slice_of_other_voxels_is_sampled_where_it_belongs() -> None:
    fine, coarse = np.zeros((1, 8, 8), np.float32), np.zeros((1, 4, 4), np.float32)
    # Voxel n // 2 of both is the origin: 4 of the fine one, 2 of the coarse one.
    fine[0, 4, 4] = coarse[0, 2, 2] = 1
    sources = [
        ArraySource(one, pixel_size_angstrom=size) for one, size in ((fine, 10.0), (coarse, 20.0))
    ]
    grid = Grid(8, 8, 0.0, 0.0, 1.0, 1.0)
    values = other_grid(coarse[0], grid, SliceViewState(), sources[0], sources[1])
    there = np.isfinite(values)
    assert divmod(int(np.nanargmax(values)), 8) == (4, 4)
    assert there.sum() < 64, "the origins are voxels' middles: the coarse one ends earlier"

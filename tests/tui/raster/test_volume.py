"""Reading slices: every axis, every mode, and files that are not what they should be."""

from __future__ import annotations

import threading

import mrcfile
import numpy as np
import pytest

from tomotui.records import Alignment, Tilt, TiltAlignment, TiltSeries
from tomotui.tui.raster.loader import ByteLru, SliceError, SliceLoader
from tomotui.tui.raster.tilt_stack import TiltStack
from tomotui.tui.raster.volume import ArraySource, VolumeReader


def write(path, data, voxel=7.5):
    with mrcfile.new(path) as mrc:
        mrc.set_data(data)
        mrc.voxel_size = voxel
    return path


@pytest.fixture
def volume(tmp_path):
    data = np.random.default_rng(0).normal(0, 1, (9, 21, 35)).astype(np.float32)
    return VolumeReader(write(tmp_path / "v.mrc", data)), data


def plane(data, axis, index):
    return np.take(data, index, axis="zyx".index(axis))


@pytest.mark.parametrize("axis", ["z", "y", "x"])
def test_every_slice_of_every_axis(volume, axis):
    reader, data = volume
    assert reader.shape == (9, 21, 35)
    assert reader.pixel_size_angstrom == pytest.approx(7.5)
    for index in range(reader.n_slices(axis)):
        np.testing.assert_array_equal(reader.read(axis, index), plane(data, axis, index))


@pytest.mark.parametrize("axis", ["z", "y", "x"])
@pytest.mark.parametrize(("index", "slab"), [(4, 2), (0, 3), (8, 1)])
def test_slabs_are_means_cut_at_the_ends(volume, axis, index, slab):
    reader, data = volume
    number = "zyx".index(axis)
    span = range(max(index - slab, 0), min(index + slab + 1, data.shape[number]))
    expected = np.take(data, span, axis=number).mean(axis=number)
    np.testing.assert_allclose(reader.read(axis, index, slab), expected, atol=1e-6)
    again = ArraySource(data).read(axis, index, slab)
    np.testing.assert_allclose(again, expected, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.uint16, np.float16, np.float32])
def test_stored_types_and_intensity(tmp_path, dtype):
    data = np.arange(3 * 5 * 7).reshape(3, 5, 7).astype(dtype)
    path = write(tmp_path / "m.mrc", data)
    reader = VolumeReader(path, intensity_scale=0.5, intensity_offset=-3.0)
    shown = reader.read("z", 1)
    assert shown.dtype == np.float32
    np.testing.assert_allclose(shown, data[1].astype(np.float32) * 0.5 - 3.0)


def test_a_single_image_is_a_stack_of_one(tmp_path):
    path = write(tmp_path / "i.mrc", np.ones((4, 6), np.float32))
    assert VolumeReader(path, is_stack=True).shape == (1, 4, 6)


def test_an_index_outside_is_refused(volume):
    with pytest.raises(SliceError, match="no slice 9 across z"):
        volume[0].read("z", 9)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(SliceError, match=r"gone\.mrc"):
        VolumeReader(tmp_path / "gone.mrc")


def test_a_file_of_another_kind_is_named(tmp_path):
    path = tmp_path / "text.mrc"
    path.write_text("not a volume\n" * 200)
    with pytest.raises(SliceError, match=r"text\.mrc"):
        VolumeReader(path)


def test_a_truncated_file_is_named(tmp_path):
    path = write(tmp_path / "cut.mrc", np.zeros((8, 32, 32), np.float32))
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(SliceError, match=r"cut\.mrc"):
        VolumeReader(path)


def test_a_file_cut_while_shown_is_not_touched(tmp_path):
    path = write(tmp_path / "v.mrc", np.zeros((8, 32, 32), np.float32))
    reader = VolumeReader(path)
    reader.read("z", 0)
    with path.open("r+b") as file:
        file.truncate(2000)
    with pytest.raises(SliceError, match="became shorter"):
        reader.read("z", 5)
    path.unlink()
    with pytest.raises(SliceError, match="cannot be read any more"):
        reader.read("z", 6)


def test_complex_volumes_are_refused(tmp_path):
    path = write(tmp_path / "f.mrc", np.zeros((2, 4, 4), np.complex64))
    with pytest.raises(SliceError, match=r"f\.mrc.*complex"):
        VolumeReader(path)


def test_neighbours_across_x_come_with_one_read(volume):
    reader, data = volume
    reader.read("x", 5)
    reader._data = None
    np.testing.assert_array_equal(reader.read("x", 6), data[:, :, 6])


def test_the_cache_forgets_the_least_recently_used():
    plane_of = lambda: np.zeros(1000, np.float32)  # noqa: E731
    cache = ByteLru(12_000)
    for key in "abc":
        cache.put(key, plane_of())
    assert cache.get("a") is not None
    cache.put("d", plane_of())
    assert "b" not in cache
    assert "a" in cache
    assert cache.n_bytes == 12_000
    cache.put("e", np.zeros(90_000, np.float32))
    assert len(cache) == 1


def test_the_loader_loads_what_is_wanted_then_what_is_next():
    loaded, done = [], threading.Event()
    release = threading.Event()
    loader = SliceLoader(lambda key, picture, error: loaded.append((key, error)))

    def load(key):
        def work():
            release.wait(5)
            if key == 12:
                done.set()
            return np.full((2, 2), key, np.float32)

        return work

    loader.request(10, load(10))
    loader.prefetch([(key, load(key)) for key in (11, 12)])
    release.set()
    assert done.wait(5)
    loader.close()
    assert loaded == [(10, "")]
    assert loader.get(10)[0, 0] == 10
    assert loader.get(11)[0, 0] == 11


def test_the_loader_reports_what_failed():
    reported = threading.Event()
    errors = []

    def on_loaded(key, picture, error):
        errors.append((key, picture, error))
        reported.set()

    def fail():
        raise SliceError("v.mrc is gone")

    loader = SliceLoader(on_loaded)
    loader.request("k", fail)
    assert reported.wait(5)
    loader.close()
    assert errors == [("k", None, "v.mrc is gone")]


@pytest.fixture
def series():
    tilts = tuple(Tilt(index=i, nominal_tilt_deg=3.0 * i, excluded=i == 2) for i in range(3))
    return TiltSeries(
        name="ts_1",
        stack_path="s.mrc",
        width_px=6,
        height_px=4,
        pixel_size_angstrom=10,
        intensity_scale=2.0,
        tilts=tilts,
    )


def test_a_tilt_stack_knows_its_tilts(tmp_path, series):
    path = write(tmp_path / "s.mrc", np.ones((3, 4, 6), np.int16))
    stack = TiltStack(series, path)
    assert stack.axes == ("z",)
    assert stack.pixel_size_angstrom == 10
    assert stack.read("z", 0, slab=2).max() == 2.0
    assert stack.describe("z", 1) == "tilt 2/3  +3.0°"
    assert "excluded" in stack.describe("z", 2)
    assert stack.turn(0) is None


def test_a_tilt_stack_turns_by_its_alignment(tmp_path, series):
    path = write(tmp_path / "s.mrc", np.ones((3, 4, 6), np.int16))
    tilt = TiltAlignment(
        index=1, tilt_deg=2.5, axis_deg=90.0, shift_x_angstrom=30, shift_y_angstrom=-20
    )
    stack = TiltStack(series, path, Alignment(series_uid=series.uid, tilts=(tilt,)))
    assert stack.is_aligned
    assert stack.turn(0) is None
    turn = stack.turn(1)
    np.testing.assert_allclose(turn.matrix, [[0, -1], [1, 0]], atol=1e-12)
    assert turn.offset == (3.0, -2.0)
    assert "+2.5°" in stack.describe("z", 1)


def test_the_real_stack(shared_data):
    stack = VolumeReader(shared_data / "empiar10499_00254/00254.mrc", is_stack=True)
    assert stack.shape == (41, 630, 652)
    image = stack.read("z", 20)
    assert image.dtype == np.float32
    assert np.isfinite(image).all()
    assert image.std() > 0

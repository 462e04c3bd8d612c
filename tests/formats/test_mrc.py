from __future__ import annotations

import bz2
import errno
import gzip
import io
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
import pytest

from tomotui.formats import FormatError
from tomotui.formats import mrc_writing as writing
from tomotui.formats.mrc import (
    MrcStack,
    VolumeWriter,
    read_header,
    read_volume,
    write_stack,
    write_volume,
)

pytestmark = pytest.mark.filterwarnings("error")
IMAGES = np.random.default_rng(1).integers(-100, 100, (3, 6, 7))


def _write(path: Path, values: np.ndarray, pixel_size: float = 2.5) -> Path:
    with mrcfile.new(path, overwrite=True) as mrc:
        mrc.set_data(values)
        mrc.set_image_stack()
        mrc.voxel_size = pixel_size
    return path


def _patch(path: Path, offset: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


@pytest.mark.parametrize("kind", ["int8", "int16", "uint16", "float32", "float16"])
def test_reads_what_mrcfile_wrote(tmp_path: Path, kind: str) -> None:
    values = np.abs(IMAGES) if kind == "uint16" else IMAGES
    path = _write(tmp_path / "s.mrc", values.astype(kind))
    with MrcStack(path) as stack:
        assert stack.shape == (3, 6, 7)
        assert stack.pixel_size_angstrom == pytest.approx(2.5)
        assert stack.header.is_stack
        assert stack.read(1).dtype == np.float32
        np.testing.assert_array_equal(stack.read_all(), values)
        np.testing.assert_array_equal(stack.read_all([2, 0]), values[[2, 0]])


@pytest.mark.parametrize("kind", ["i1", ">i2", ">u2", ">f4", ">f2"])
def test_big_endian_files(tmp_path: Path, kind: str) -> None:
    values = np.abs(IMAGES)
    with mrcfile.new(tmp_path / "b.mrc") as mrc:
        mrc.set_data(np.zeros((1, 1, 1), ">i2"))  # From here on the header is big-endian.
        mrc.set_data(values.astype(kind))
        mrc.voxel_size = 4
    with MrcStack(tmp_path / "b.mrc") as stack:
        np.testing.assert_array_equal(stack.read_all(), values)
        assert stack.pixel_size_angstrom == pytest.approx(4)


@pytest.mark.parametrize("kind", ["<i2", ">i2", "<f4", ">f4"])
@pytest.mark.parametrize("stamp", [b"\0\0\0\0", b"\x44\x44\0\0", b"\x11\x11\0\0"])
def test_machine_stamps_that_are_wrong(tmp_path: Path, kind: str, stamp: bytes) -> None:
    with mrcfile.new(tmp_path / "s.mrc") as mrc:
        mrc.set_data(IMAGES.astype(kind))
    _patch(tmp_path / "s.mrc", 212, stamp)
    np.testing.assert_array_equal(read_volume(tmp_path / "s.mrc")[0], IMAGES)


@pytest.mark.parametrize("stamp", [b"\0\0\0\0", b"\x44\x44\0\0"])
def test_big_endian_bytes_are_known_by_the_size(tmp_path: Path, stamp: bytes) -> None:
    with mrcfile.new(tmp_path / "s.mrc") as mrc:
        mrc.set_data(np.zeros((1, 1, 1), ">i2"))
        mrc.set_data(IMAGES.astype(np.int8))
    assert (tmp_path / "s.mrc").read_bytes()[:4] == b"\0\0\0\7"
    _patch(tmp_path / "s.mrc", 212, stamp)
    np.testing.assert_array_equal(read_volume(tmp_path / "s.mrc")[0], IMAGES)
    _patch(tmp_path / "s.mrc", 92, np.array([128], ">i4").tobytes())
    with pytest.raises(FormatError, match=r"s\.mrc cannot be read"):
        read_header(tmp_path / "s.mrc")


@pytest.mark.parametrize("kind", ["int8", "int16", "uint16", "float32", "float16"])
def test_images_stay_on_disk_until_they_are_read(tmp_path: Path, kind: str) -> None:
    path = _write(tmp_path / "s.mrc", np.abs(IMAGES).astype(kind))
    _patch(path, 152, np.array([1146047817, 0], "<i4").tobytes())
    with MrcStack(path) as stack:
        assert isinstance(stack._data, np.memmap)
        assert not stack._data.flags.owndata
        assert stack._data.dtype == stack.header.dtype
        assert stack.header.dtype == ("uint8" if kind == "int8" else kind)


@pytest.mark.parametrize("sections_per_volume", [0, 1, 2, 3])
def test_volume_stacks_are_read_section_by_section(
    tmp_path: Path, sections_per_volume: int
) -> None:
    path = _write(tmp_path / "v.mrc", IMAGES.astype(np.int16))
    _patch(path, 36, np.array([sections_per_volume], "<i4").tobytes())
    _patch(path, 88, np.array([401], "<i4").tobytes())
    np.testing.assert_array_equal(read_volume(path)[0], IMAGES)


def test_a_single_image_is_a_stack_of_one(tmp_path: Path) -> None:
    path = _write(tmp_path / "one.mrc", IMAGES[:1].astype(np.int16))
    with MrcStack(path) as stack:
        assert stack.shape == (1, 6, 7)
        np.testing.assert_array_equal(stack.read(0), IMAGES[0])


def test_unsigned_bytes_by_imods_stamp(tmp_path: Path) -> None:
    path = _write(tmp_path / "u.mrc", IMAGES.astype(np.int8))
    _patch(path, 152, np.array([1146047817, 0], "<i4").tobytes())
    np.testing.assert_array_equal(read_volume(path)[0], IMAGES.astype(np.int8).view(np.uint8))
    _patch(path, 156, np.array([1], "<i4").tobytes())
    np.testing.assert_array_equal(read_volume(path)[0], IMAGES)


def test_unsigned_bytes_by_the_range_of_an_old_header(tmp_path: Path) -> None:
    path = _write(tmp_path / "old.mrc", IMAGES.astype(np.int8))
    _patch(path, 76, np.array([0, 200], "<f4").tobytes())
    assert read_header(path).dtype == np.uint8


def test_four_bit_pixels(tmp_path: Path) -> None:
    path = _write(tmp_path / "four.mrc", np.zeros((2, 3, 5), np.int8))
    pixels = np.arange(30).reshape(2, 3, 5) % 16
    padded = np.pad(pixels, ((0, 0), (0, 0), (0, 1)))
    _patch(path, 12, np.array([101], "<i4").tobytes())
    _patch(path, 1024, (padded[..., 0::2] | padded[..., 1::2] << 4).astype(np.uint8).tobytes())
    np.testing.assert_array_equal(read_volume(path)[0], pixels)
    (tmp_path / "four.mrc.gz").write_bytes(gzip.compress(path.read_bytes()))
    np.testing.assert_array_equal(read_volume(tmp_path / "four.mrc.gz")[0], pixels)


def test_complex_data_are_refused(tmp_path: Path) -> None:
    _write(tmp_path / "f.mrc", np.zeros((2, 4, 4), np.complex64))
    with pytest.raises(FormatError, match=r"f\.mrc holds complex numbers.*real space"):
        MrcStack(tmp_path / "f.mrc")


def test_truncated_file(tmp_path: Path) -> None:
    path = _write(tmp_path / "short.mrc", IMAGES.astype(np.int16))
    path.write_bytes(path.read_bytes()[:-10])
    message = r"short\.mrc is truncated: its header says 3 images of 7 x 6 \(1276 bytes\), the file"
    with pytest.raises(FormatError, match=message + r" holds 1266 bytes; copy it again"):
        MrcStack(path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(FormatError, match="truncated"):
        MrcStack(path)


def test_not_mrc_and_missing(tmp_path: Path) -> None:
    (tmp_path / "text.mrc").write_text("hello " * 400)
    with pytest.raises(FormatError, match="not an MRC file"):
        MrcStack(tmp_path / "text.mrc")
    with pytest.raises(FormatError, match=r"none\.mrc does not exist"):
        MrcStack(tmp_path / "none.mrc")
    (tmp_path / "folder.mrc").mkdir()
    with pytest.raises(FormatError, match=r"folder\.mrc cannot be read: Is a directory"):
        read_header(tmp_path / "folder.mrc")


@pytest.mark.parametrize("n_bytes", [-5, 2**31 - 1])
def test_impossible_extended_headers_are_not_made_room_for(tmp_path: Path, n_bytes: int) -> None:
    path = _write(tmp_path / "wild.mrc", IMAGES.astype(np.int16))
    _patch(path, 92, np.array([n_bytes], "<i4").tobytes())
    with pytest.raises(FormatError, match="not an MRC file"):
        read_header(path)


def test_file_that_ends_within_its_extended_header(tmp_path: Path) -> None:
    path = _write(tmp_path / "cut.mrc", IMAGES.astype(np.int16))
    _patch(path, 92, np.array([4096], "<i4").tobytes())
    assert read_header(path).data_offset == 1024 + 4096
    with pytest.raises(FormatError, match=r"truncated.*\(5372 bytes\), the file holds 1276 bytes"):
        MrcStack(path)


def test_unknown_data_mode(tmp_path: Path) -> None:
    path = _write(tmp_path / "new.mrc", IMAGES.astype(np.int16))
    _patch(path, 12, np.array([7], "<i4").tobytes())
    with pytest.raises(FormatError, match=r"new\.mrc has the unknown MRC data mode 7; convert"):
        MrcStack(path)


def test_careless_headers_are_read(tmp_path: Path) -> None:
    path = _write(tmp_path / "careless.mrc", IMAGES.astype(np.int16))
    _patch(path, 208, b"\0" * 8)
    _patch(path, 40, np.zeros(3, "<f4").tobytes())
    _patch(path, 220, np.array([0], "<i4").tobytes())
    _patch(path, 224, b"made in K\xf6ln".ljust(80, b"\0"))
    with path.open("ab") as file:
        file.write(b"and more than the header says")
    with MrcStack(path) as stack:
        assert stack.pixel_size_angstrom == 0
        assert stack.header.labels == ("made in Kln",)
        np.testing.assert_array_equal(stack.read(0), IMAGES[0])


def test_careless_headers_read_by_many_threads_leave_the_warnings_as_they_were(
    tmp_path: Path,
) -> None:
    path = _write(tmp_path / "careless.mrc", IMAGES.astype(np.int16))
    _patch(path, 208, b"\0" * 8)
    before = list(warnings.filters)
    with ThreadPoolExecutor(8) as pool:
        shapes = list(pool.map(lambda _: read_volume(path)[0].shape, range(80)))
    assert set(shapes) == {(3, 6, 7)}
    assert warnings.filters == before


@pytest.mark.parametrize(("compression", "suffix"), [("gzip", "gz"), ("bzip2", "bz2")])
@pytest.mark.parametrize("kind", ["int8", "int16", "uint16", "float32", "float16", ">i2"])
def test_compressed_files(tmp_path: Path, compression: str, suffix: str, kind: str) -> None:
    path = tmp_path / f"s.mrc.{suffix}"
    values = np.abs(IMAGES)
    with mrcfile.new(path, values.astype(kind), compression) as mrc:
        mrc.voxel_size = 2.5
    assert read_header(path).shape == (3, 6, 7)
    back, pixel_size = read_volume(path)
    np.testing.assert_array_equal(back, values)
    assert pixel_size == pytest.approx(2.5)


@pytest.mark.parametrize(("compress", "suffix"), [(gzip.compress, "gz"), (bz2.compress, "bz2")])
def test_compressed_files_that_are_cut(tmp_path: Path, compress: Any, suffix: str) -> None:
    whole = _write(tmp_path / "s.mrc", IMAGES.astype(np.int16)).read_bytes()
    path = tmp_path / f"cut.mrc.{suffix}"
    path.write_bytes(compress(whole)[:-30])
    with pytest.raises(FormatError, match=r"cut\.mrc\..*cannot be read.*copy it again"):
        MrcStack(path)
    path.write_bytes(compress(whole[:-10]))
    with pytest.raises(FormatError, match=r"truncated.*\(1276 bytes\), the file holds 1266 bytes"):
        MrcStack(path)
    path.write_bytes(whole)
    with pytest.raises(FormatError, match=r"cut\.mrc\..*cannot be read.*copy it again"):
        MrcStack(path)


def test_compressed_files_too_large_for_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mrcfile.write(tmp_path / "s.mrc.gz", IMAGES.astype(np.int16))
    monkeypatch.setattr("tomotui.formats.mrc._COMPRESSED_LIMIT_BYTES", 100)
    with pytest.raises(FormatError, match="image by image; unpack it first"):
        MrcStack(tmp_path / "s.mrc.gz")


@pytest.mark.parametrize("order", ["<", ">"])
def test_tilts_of_a_serialem_header(tmp_path: Path, order: str) -> None:
    path = tmp_path / "seri.mrc"
    with mrcfile.new(path) as mrc:
        mrc.set_data(IMAGES.astype(order + "i2"))
        mrc.set_extended_header(np.array([[-6000, 1], [0, 2], [5951, 3]], order + "i2"))
        mrc.header.exttyp = b"SERI"
    _patch(path, 128, np.array([4, 1 + 8], order + "i2").tobytes())
    with MrcStack(path) as stack:
        assert stack.tilts_deg == pytest.approx((-60.0, 0.0, 59.51))
        np.testing.assert_array_equal(stack.read_all(), IMAGES)
    with MrcStack(path) as stack:
        stack.close()
        assert stack.tilts_deg is not None


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", [b"FEI1", b"FEI2"])
def test_tilts_of_an_fei_header(tmp_path: Path, kind: bytes, order: str) -> None:
    path = tmp_path / "fei.mrc"
    dtype = mrcfile.dtypes.get_ext_header_dtype(kind, order)
    records = np.zeros(5, dtype)  # More records than images: the rest is padding.
    records["Metadata size"] = dtype.itemsize
    records["Alpha tilt"][:3] = [-3.0, 0.01, 3.0]
    with mrcfile.new(path) as mrc:
        mrc.set_data(IMAGES.astype(order + "i2"))
        mrc.set_extended_header(records)
        mrc.header.exttyp = kind
    with MrcStack(path) as stack:
        assert stack.tilts_deg == pytest.approx((-3.0, 0.01, 3.0))
        np.testing.assert_array_equal(stack.read_all(), IMAGES)


def test_tilts_of_an_old_fei_header(tmp_path: Path) -> None:
    path = tmp_path / "old.mrc"
    records = np.zeros((1024, 32), "<f4")
    records[:3, 0] = [-2.0, 0.0, 2.0]
    with mrcfile.new(path) as mrc:
        mrc.set_data(IMAGES.astype(np.int16))
        mrc.set_extended_header(records)
    _patch(path, 128, np.array([0, 32], "<i2").tobytes())
    with MrcStack(path) as stack:
        assert stack.tilts_deg == pytest.approx((-2.0, 0.0, 2.0))
        np.testing.assert_array_equal(stack.read_all(), IMAGES)


@pytest.mark.parametrize("kind", [b"FEI1", b"SERI", b"CCP4", b""])
def test_extended_headers_that_hold_no_tilts(tmp_path: Path, kind: bytes) -> None:
    path = tmp_path / "odd.mrc"
    with mrcfile.new(path) as mrc:
        mrc.set_data(IMAGES.astype(np.int16))
        mrc.set_extended_header(np.zeros(1000, np.uint8))
        mrc.header.exttyp = kind
    with MrcStack(path) as stack:
        assert stack.tilts_deg is None
        np.testing.assert_array_equal(stack.read_all(), IMAGES)


def test_no_tilts_in_a_plain_header(tmp_path: Path) -> None:
    with MrcStack(_write(tmp_path / "s.mrc", IMAGES.astype(np.int16))) as stack:
        assert stack.tilts_deg is None


def _complaints(path: Path) -> list[str]:
    said = io.StringIO()
    mrcfile.validate(path, print_file=said)
    return [line for line in said.getvalue().splitlines() if not line.startswith("Checking")]


@pytest.mark.parametrize("mode", ["float32", "float16", "int16"])
def test_written_volume_is_valid_and_whole(tmp_path: Path, mode: Any) -> None:
    values = IMAGES.astype(np.float32) * (1 if mode == "int16" else 0.25)
    write_volume(tmp_path / "v.mrc", values, 13.5, mode, labels=("made by a test",))
    assert mrcfile.validate(tmp_path / "v.mrc")
    with mrcfile.open(tmp_path / "v.mrc") as mrc:
        np.testing.assert_array_equal(mrc.data, values)
        assert mrc.data.dtype == mode
        assert mrc.is_volume()
        assert [label.strip() for label in mrc.get_labels()] == ["made by a test"]
        assert float(mrc.voxel_size.z) == pytest.approx(13.5)
        assert float(mrc.header.dmean) == pytest.approx(values.mean(), abs=1e-5)
        assert float(mrc.header.rms) == pytest.approx(values.std(), rel=1e-5)
    assert [p.name for p in tmp_path.iterdir()] == ["v.mrc"]


@pytest.mark.parametrize("write", [write_volume, write_stack])
@pytest.mark.parametrize("mode", ["float32", "float16", "int16", "int8"])
@pytest.mark.parametrize("labels", [(), ("", "one", " "), tuple("abcdefghijkl"), ("Köln" * 30,)])
def test_mrcfile_has_no_complaints(tmp_path: Path, write: Any, mode: Any, labels: Any) -> None:
    # Small values: mrcfile measures half floats in half floats, where large squares overflow.
    values = IMAGES if mode == "int16" else IMAGES / 100
    write(tmp_path / "v.mrc", values, 1.7, mode, labels)
    assert _complaints(tmp_path / "v.mrc") == ["File appears to be valid."]


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_values_that_are_no_numbers_leave_the_statistics_undetermined(
    tmp_path: Path, wrong: float
) -> None:
    values = IMAGES.astype(np.float32)
    values[1, 2, 3] = wrong
    write_volume(tmp_path / "v.mrc", values, 2.0)
    with mrcfile.open(tmp_path / "v.mrc") as mrc:
        header = mrc.header
        found = [float(header[name]) for name in ("dmin", "dmax", "dmean", "rms")]
    assert found == [0, -1, -2, -1]
    assert _complaints(tmp_path / "v.mrc") == ["File appears to be valid."]


def test_int16_keeps_counts_and_rounds_the_rest(tmp_path: Path) -> None:
    write_stack(tmp_path / "s.mrc", np.array([[[-32768, 32767, 7]]], np.int16), 1, "int16")
    np.testing.assert_array_equal(read_volume(tmp_path / "s.mrc")[0].ravel(), [-32768, 32767, 7])
    write_stack(tmp_path / "r.mrc", np.array([[[1.6, -1.6, np.nan]]]), 1, "int16")
    np.testing.assert_array_equal(read_volume(tmp_path / "r.mrc")[0].ravel(), [2, -2, 0])


@pytest.mark.parametrize("value", [40000, -40000.0, np.inf])
def test_values_too_large_for_int16(tmp_path: Path, value: float) -> None:
    with pytest.raises(FormatError, match="do not fit 16-bit integers; write it as float32"):
        write_volume(tmp_path / "v.mrc", np.full((2, 3, 3), value), 1, "int16")
    assert list(tmp_path.iterdir()) == []


def test_written_stack_is_a_stack(tmp_path: Path) -> None:
    write_stack(tmp_path / "s.mrc", IMAGES, 2.0)
    with mrcfile.open(tmp_path / "s.mrc") as mrc:
        assert mrc.is_image_stack()
    assert read_header(tmp_path / "s.mrc").is_stack


def test_int8_volume_carries_its_scale(tmp_path: Path) -> None:
    values = np.random.default_rng(2).normal(30, 5, (8, 32, 32)).astype(np.float32)
    write_volume(tmp_path / "v.mrc", values, 10, "int8")
    back, pixel_size = read_volume(tmp_path / "v.mrc")
    step = np.ptp(values) / 254
    inside = np.abs(values - 30) < 3 * 5
    assert np.abs(back - values)[inside].max() <= 0.51 * step
    assert pixel_size == pytest.approx(10)
    stored, _ = read_volume(tmp_path / "v.mrc", scaled=False)
    assert stored.min() >= -127
    with mrcfile.open(tmp_path / "v.mrc") as mrc:
        np.testing.assert_array_equal(mrc.data, stored)


def test_values_too_large_for_half_floats(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="do not fit 16-bit floats; write it as float32"):
        write_volume(tmp_path / "v.mrc", np.full((2, 3, 3), 1e6), 1, "float16")
    assert list(tmp_path.iterdir()) == []


def test_streamed_slabs_in_any_order(tmp_path: Path) -> None:
    values = np.random.default_rng(3).normal(size=(10, 4, 5)).astype(np.float32)
    with VolumeWriter(tmp_path / "v.mrc", values.shape, 5.0) as writer:
        writer.write(6, values[6:])
        assert not (tmp_path / "v.mrc").exists()
        writer.write(0, values[:6])
    np.testing.assert_array_equal(read_volume(tmp_path / "v.mrc")[0], values)


def test_nothing_is_left_of_a_failed_volume(tmp_path: Path) -> None:
    (tmp_path / "v.mrc").write_bytes(b"the older one")
    values = np.zeros((4, 4, 4), np.float32)
    writer = VolumeWriter(tmp_path / "v.mrc", (8, 4, 4), 5.0)
    with pytest.raises(ValueError, match="does not fit"), writer:
        writer.write(0, values[:, :3])
    with (
        pytest.raises(FormatError, match="section 4 is missing"),
        VolumeWriter(tmp_path / "v.mrc", (8, 4, 4), 5.0) as writer,
    ):
        writer.write(0, values)
    assert (tmp_path / "v.mrc").read_bytes() == b"the older one"
    assert [p.name for p in tmp_path.iterdir()] == ["v.mrc"]


def test_full_disk_before_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type("usage", (), {"free": 1000})
    monkeypatch.setattr(writing.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(FormatError, match=r"no room on the disk for .*v\.mrc.*free some room"):
        write_volume(tmp_path / "v.mrc", np.zeros((4, 40, 40)), 1)
    assert list(tmp_path.iterdir()) == []


def test_disk_that_fills_up_while_writing(tmp_path: Path) -> None:
    writer = VolumeWriter(tmp_path / "v.mrc", (2, 4, 4), 5.0)
    file = writer._file

    class Full:
        def __getattr__(self, name: str) -> Any:
            return getattr(file, name)

        def write(self, data: bytes) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    writer._file = Full()  # type: ignore[assignment]
    with pytest.raises(FormatError, match="no room on the disk"):
        writer.write(0, np.zeros((1, 4, 4)))
    assert list(tmp_path.iterdir()) == []


def test_folder_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"the folder .*gone does not exist"):
        write_volume(tmp_path / "gone" / "v.mrc", np.zeros((2, 2, 2)), 1)


def test_slab_of_the_wrong_shape(tmp_path: Path) -> None:
    writer = VolumeWriter(tmp_path / "v.mrc", (2, 4, 4), 5.0)
    with pytest.raises(ValueError, match="does not fit"):
        writer.write(1, np.zeros((2, 4, 4)))
    writer.abort()

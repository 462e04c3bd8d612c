from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from tomotui.formats import FormatError
from tomotui.formats.imod_model import (
    ImodModel,
    ImodObject,
    read_imod_model,
    write_imod_model,
)
from tomotui.formats.imod_particles import read_imod_particles, write_imod_particles
from tomotui.formats.known_tomograms import KnownTomogram, positions_of
from tomotui.records import Particle

KNOWN = {"TS_1": KnownTomogram("t1", (100, 81, 20), 10.0)}


def _model(**changes: object) -> ImodModel:
    points = np.array([[60.5, 40.5, 5.0], [50.5, 40.5, 10.0]])
    one = ImodObject("vesicle", (points, points[:1] + 1), is_closed=True, radius_voxels=7)
    dots = ImodObject("dots", (points,), is_scattered=True)
    fields = {"size_xyz": (100, 81, 20), "pixel_size_angstrom": 10.0, "objects": (one, dots)}
    return ImodModel(**(fields | changes))  # type: ignore[arg-type]


def test_round_trip(tmp_path: Path) -> None:
    before = _model(offset_voxels=(3.0, 0.0, -2.0))
    write_imod_model(tmp_path / "m.mod", before)
    after = read_imod_model(tmp_path / "m.mod")
    assert (after.size_xyz, after.pixel_size_angstrom) == ((100, 81, 20), 10.0)
    assert after.offset_voxels == pytest.approx((3, 0, -2))
    for a, b in zip(before.objects, after.objects, strict=True):
        assert (a.name, a.is_closed, a.is_scattered) == (b.name, b.is_closed, b.is_scattered)
        assert a.radius_voxels == b.radius_voxels
        for mine, theirs in zip(a.contours, b.contours, strict=True):
            np.testing.assert_allclose(theirs, mine)


def test_the_first_voxel_is_at_half_half_zero(tmp_path: Path) -> None:
    write_imod_model(tmp_path / "TS_1.mod", _model())
    found = read_imod_particles(tmp_path / "TS_1.mod", KNOWN, only="dots")
    np.testing.assert_allclose(positions_of(found), [[100, 0, -50], [0, 0, 0]], atol=1e-4)
    assert [p.class_number for p in found] == [None, None]
    everything = read_imod_particles(tmp_path / "TS_1.mod", KNOWN)
    assert [p.class_number for p in everything] == [1, 1, 1, 2, 2]


def test_particles_round_trip(tmp_path: Path) -> None:
    before = [
        Particle(uid="a", tomogram_uid="t1", x_angstrom=-123.4, y_angstrom=5, z_angstrom=66.5),
        Particle(uid="b", tomogram_uid="t1", x_angstrom=0, y_angstrom=0, z_angstrom=0),
    ]
    path = tmp_path / "rec_TS_1.mod"
    write_imod_particles(path, before, KNOWN["TS_1"], name="ribosome", diameter_angstrom=250)
    (one,) = read_imod_model(path).objects
    assert (one.name, one.is_scattered, one.radius_voxels) == ("ribosome", True, 12)
    np.testing.assert_allclose(one.points[1], [50.5, 40.5, 10.0])
    after = read_imod_particles(path, KNOWN)
    np.testing.assert_allclose(positions_of(after), positions_of(before), atol=1e-3)


def test_a_model_of_a_binned_volume(tmp_path: Path) -> None:
    model = _model(size_xyz=(50, 41, 10), pixel_size_angstrom=20.0)
    write_imod_model(tmp_path / "TS_1.mod", model)
    found = read_imod_particles(tmp_path / "TS_1.mod", KNOWN, only="dots")
    np.testing.assert_allclose(positions_of(found[:1]), [[700, 400, 0]], atol=1e-3)


def test_a_model_of_another_volume_is_refused_until_it_is_explained(tmp_path: Path) -> None:
    write_imod_model(tmp_path / "m.mod", _model(size_xyz=(300, 81, 20)))
    with pytest.raises(FormatError, match="does not tell which tomogram"):
        read_imod_particles(tmp_path / "m.mod", KNOWN)
    with pytest.raises(FormatError, match=r"drawn on a volume of 300 x 81 x 20 voxels of 10 A"):
        read_imod_particles(tmp_path / "m.mod", KNOWN, tomogram="TS_1")
    said = read_imod_particles(tmp_path / "m.mod", KNOWN, tomogram="TS_1", is_said=True)
    assert len(said) == 5
    with pytest.raises(FormatError, match="no points in an object 'gold'; there are 'dots'"):
        read_imod_particles(tmp_path / "m.mod", KNOWN, tomogram="TS_1", is_said=True, only="gold")


def test_broken_files(tmp_path: Path) -> None:
    path = tmp_path / "m.mod"
    write_imod_model(path, _model())
    whole = path.read_bytes()
    for end in (6, 100, 250, 420, len(whole) - 90):
        path.write_bytes(whole[:end])
        with pytest.raises(FormatError, match=r"m\.mod .*(ends too early|objects)"):
            read_imod_model(path)
    at = whole.index(b"CONT") + 4
    path.write_bytes(whole[:at] + struct.pack(">i", 2**31 - 1) + whole[at + 4 :])
    with pytest.raises(FormatError, match="ends too early"):
        read_imod_model(path)
    flags = int.from_bytes(whole[152:156]) | 1 << 16
    path.write_bytes(whole[:152] + flags.to_bytes(4) + whole[156:])
    with pytest.raises(FormatError, match="y and z of the volume exchanged"):
        read_imod_model(path)
    path.write_bytes(b"imod 1\n")
    with pytest.raises(FormatError, match="an ASCII model"):
        read_imod_model(path)
    with pytest.raises(FormatError, match="cannot be read"):
        read_imod_model(tmp_path / "none.mod")


def test_real_models(shared_data: Path) -> None:
    folder = shared_data / "interop/imodmodel/test_data"
    if not folder.is_dir():
        pytest.skip("the shared data are not here")
    many = read_imod_model(folder / "multiple_objects_example.mod")
    assert many.size_xyz == (956, 924, 300)
    assert many.pixel_size_angstrom == pytest.approx(19.7333336)
    assert [(one.name, len(one.contours)) for one in many.objects[1:]] == [("chemo-array", 1)] * 2
    two = read_imod_model(folder / "two_contour_example.mod")
    assert two.pixel_size_angstrom == pytest.approx(4.48)
    assert (len(two.objects[0].contours), two.objects[0].is_closed) == (2, True)
    meshed = read_imod_model(folder / "meshed_curvature_example.mod")
    assert [len(one.contours) for one in meshed.objects] == [11, 11]
    assert meshed.offset_voxels == (0, 0, 0)
    dots = read_imod_model(folder / "point_sizes_example.mod").objects[0]
    assert (dots.is_scattered, dots.radius_voxels) == (True, 6)

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from tomotui.formats import FormatError
from tomotui.formats.dynamo import read_dynamo, read_dynamo_map, write_dynamo, write_dynamo_map
from tomotui.formats.known_tomograms import KnownTomogram, angles_of, positions_of
from tomotui.geometry.poses import matrices_of_angles
from tomotui.records import Particle

KNOWN = {
    "TS_1": KnownTomogram("t1", (100, 81, 20), 10.0, path="/data/rec_TS_1.mrc"),
    "TS_2": KnownTomogram("t2", (100, 100, 40), 10.0),
}
NAMES = {"t1": "TS_1", "t2": "TS_2"}


def _row(**columns: float) -> str:
    row = [0.0] * 35
    for name, value in columns.items():
        row[int(name[1:]) - 1] = value
    return " ".join(f"{value:g}" for value in row)


def _read(folder: Path, *rows: str, **options: object) -> list[Particle]:
    (folder / "p.tbl").write_text("\n".join(rows) + "\n")
    return read_dynamo(folder / "p.tbl", KNOWN, **options)  # type: ignore[arg-type]


def test_voxels_count_from_one_and_shifts_add(tmp_path: Path) -> None:
    row = _row(c20=7, c24=51, c25=41, c26=11, c4=1.5, c5=-2)
    (particle,) = _read(tmp_path, row, tomogram="TS_1")
    assert particle.tomogram_uid == "t1"
    np.testing.assert_allclose(positions_of([particle]), [[15, -20, 0]])


def test_turns_are_clockwise_about_z_new_x_new_z(tmp_path: Path) -> None:
    tdrot, tilt, narot = 30.0, 60.0, 75.0
    row = _row(c7=tdrot, c8=tilt, c9=narot, c20=1, c24=1, c25=1, c26=1)
    (particle,) = _read(tmp_path, row, tomogram="TS_1")
    clockwise = Rotation.from_euler("ZXZ", [-tdrot, -tilt, -narot], degrees=True)
    pose = matrices_of_angles(angles_of([particle]))[0]
    np.testing.assert_allclose(pose, clockwise.as_matrix(), atol=1e-12)
    # narot turns the particle about its own axis: that axis does not depend on it.
    (other,) = _read(tmp_path, row.replace(" 75 ", " -20 "), tomogram="TS_1")
    np.testing.assert_allclose(matrices_of_angles(angles_of([other]))[0][:, 2], pose[:, 2])


def test_angles_that_other_converters_give(tmp_path: Path) -> None:
    """A pair that has been published for the two programs."""
    row = _row(c7=-47.273, c8=1.1777, c9=-132.3, c20=1, c24=1, c25=1, c26=1)
    (particle,) = _read(tmp_path, row, tomogram="TS_1")
    np.testing.assert_allclose(angles_of([particle]), [[137.7, 1.1777, 42.727]], atol=1e-4)


def test_round_trip(tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    before = [
        Particle(
            uid=f"p{i}",
            tomogram_uid="t2" if i % 2 else "t1",
            x_angstrom=x,
            y_angstrom=y,
            z_angstrom=z,
            rot_deg=a,
            tilt_deg=b,
            psi_deg=c,
            score=0.5 + i,
            class_number=i,
        )
        for i, (x, y, z, a, b, c) in enumerate(random.uniform(0, 170, (6, 6)).tolist())
    ]
    table, listed = tmp_path / "p.tbl", tmp_path / "p.doc"
    write_dynamo(table, before, NAMES, KNOWN)
    write_dynamo_map(listed, before, NAMES, KNOWN)
    assert read_dynamo_map(listed) == {1: "/data/rec_TS_1.mrc", 2: "TS_2"}
    after = read_dynamo(table, KNOWN)
    ordered = [p for p in before if p.tomogram_uid == "t1"]
    ordered += [p for p in before if p.tomogram_uid == "t2"]
    for a, b in zip(ordered, after, strict=True):
        expected = a.model_dump(exclude={"uid"})
        assert b.model_dump(exclude={"uid"}) == pytest.approx(expected, abs=1e-4)


def test_a_table_of_another_binning_tells_its_pixel_size(tmp_path: Path) -> None:
    known = {"TS_1": KnownTomogram("t1", (50, 40, 20), 20.0)}
    fine = {"TS_1": KnownTomogram("t1", (100, 80, 40), 10.0)}
    before = [Particle(uid="p", tomogram_uid="t1", x_angstrom=33, y_angstrom=-44, z_angstrom=5)]
    write_dynamo(tmp_path / "p.tbl", before, NAMES, fine)
    found = read_dynamo(tmp_path / "p.tbl", known, tomogram="TS_1")
    np.testing.assert_allclose(positions_of(found), [[33, -44, 5]], atol=1e-4)


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        (["1 2 3"], {}, r"p\.tbl, line 1: 3 columns, a Dynamo table has 35 or more"),
        ([_row().replace("0", "x", 1)], {}, "line 1: a column is not a number"),
        ([_row(c20=1)], {}, r"no p\.doc beside it tells their names; give that map with --map"),
        ([_row(c20=1), _row(c20=2)], {"tomogram": "TS_1"}, "is of 2 tomograms"),
        ([_row(c24=float("nan"))], {"tomogram": "TS_1"}, "position of particle 1 is no usable"),
        ([_row(), _row() + " 0"], {"tomogram": "TS_1"}, "its rows have 35 to 36 columns"),
    ],
)
def test_bad_tables(
    tmp_path: Path, rows: list[str], options: dict[str, object], message: str
) -> None:
    with pytest.raises(FormatError, match=message):
        _read(tmp_path, *rows, **options)


def test_tomograms_that_the_map_or_the_project_lacks(tmp_path: Path) -> None:
    (tmp_path / "p.doc").write_text("1 rec_TS_1.mrc\n2\trec_TS_9.mrc\n")
    assert _read(tmp_path, _row(c20=1))[0].tomogram_uid == "t1"
    with pytest.raises(FormatError, match=r"tomogram 2 is rec_TS_9\.mrc, which the project"):
        _read(tmp_path, _row(c20=2))
    with pytest.raises(FormatError, match="tomogram 3 is not listed"):
        _read(tmp_path, _row(c20=3))
    (tmp_path / "other.doc").write_text("one rec_TS_1.mrc\n")
    with pytest.raises(FormatError, match=r"other\.doc, line 1: not a number"):
        _read(tmp_path, _row(c20=1), map_path=tmp_path / "other.doc")


def test_a_real_table(shared_data: Path) -> None:
    folder = shared_data / "interop/dynamotable/data"
    if not folder.is_dir():
        pytest.skip("the shared data are not here")
    known = {name: KnownTomogram(name, (300, 300, 300), 10.0) for name in ("ts01", "ts02")}
    map_path = folder / "tmap_complex.doc"
    found = read_dynamo(folder / "t_double.tbl", known, map_path=map_path)
    assert {p.tomogram_uid for p in found} == {"ts01", "ts02"}
    first = positions_of(found[:1]) / 10 + 151 - [2.5178, -3.523, 2.1043]
    np.testing.assert_allclose(first, [[141.28, 114.71, 163.08]], atol=1e-6)
    assert (found[0].score, found[0].class_number) == (0.15858, 9)
    assert len(read_dynamo_map(map_path)) == 48

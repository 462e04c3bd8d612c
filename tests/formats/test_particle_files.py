"""Every format, by one door: what goes out comes in again, and no file brings the door down."""

from __future__ import annotations

import contextlib
import struct
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tomotui.formats import FormatError
from tomotui.formats.imod_model import ImodModel, ImodObject, write_imod_model
from tomotui.formats.known_tomograms import KnownTomogram, angles_of, positions_of
from tomotui.formats.particle_files import (
    ENDINGS,
    READABLE,
    ReadingWords,
    WritingWords,
    format_of,
    particle_writers,
    read_particles,
)
from tomotui.geometry.poses import matrices_of_angles
from tomotui.records import Particle

KNOWN = {
    "TS_1": KnownTomogram("t1", (101, 80, 21), 10.0, unbinned_angstrom=2.5),
    "TS_2": KnownTomogram("t2", (64, 64, 32), 10.0, unbinned_angstrom=2.5),
}
NAMES = {"t1": "TS_1", "t2": "TS_2"}


def _particles(n: int = 8) -> list[Particle]:
    random = np.random.default_rng(3)
    return [
        Particle(
            uid=f"p{i}",
            tomogram_uid="t1" if i < n // 2 else "t2",
            x_angstrom=x,
            y_angstrom=y,
            z_angstrom=z,
            rot_deg=rot,
            tilt_deg=tilt,
            psi_deg=psi,
        )
        for i, (x, y, z, rot, tilt, psi) in enumerate(random.uniform(-90, 90, (n, 6)).tolist())
    ]


def _written(place: Path, kind: str, words: WritingWords) -> list[Path]:
    writers = particle_writers(place, kind, words)
    for path, write in writers.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path)
    return list(writers)


@pytest.mark.parametrize("kind", READABLE)
def test_round_trip_of_places_and_poses(tmp_path: Path, kind: str) -> None:
    before = _particles()
    place = tmp_path / f"p{ENDINGS.get(kind, '')}"
    words = WritingWords(before, NAMES, KNOWN, "ribosome", 250.0)
    files = _written(place, kind, words)
    if kind == "dynamo":
        assert files.pop().suffix == ".doc"
    if kind == "portal":
        about = [path for path in files if path.suffix == ".json"]
        assert len(about) == 2
        files = [path for path in files if path not in about]
    assert len(files) == (1 if kind in ENDINGS else 2)
    assert {format_of(path) for path in files} == {kind}
    after = [p for path in files for p in read_particles(path, kind, KNOWN, ReadingWords())]
    assert [p.tomogram_uid for p in after] == [p.tomogram_uid for p in before]
    np.testing.assert_allclose(positions_of(after), positions_of(before), atol=2e-3)
    if kind in ("eman", "imod"):
        assert all(p.rot_deg is None for p in after)
    else:
        np.testing.assert_allclose(
            matrices_of_angles(angles_of(after)), matrices_of_angles(angles_of(before)), atol=1e-5
        )


def test_a_folder_is_copick_and_unknown_endings_are_asked_about(tmp_path: Path) -> None:
    assert format_of(tmp_path) == "copick"
    (tmp_path / "p.xyz").write_text("1 2 3\n")
    with pytest.raises(FormatError, match="say --format: csv, relion, dynamo"):
        format_of(tmp_path / "p.xyz")
    with pytest.raises(FormatError, match="cannot be read"):
        format_of(tmp_path / "none.json")


def test_what_is_said_about_voxels_overrides_the_file(tmp_path: Path) -> None:
    path = tmp_path / "p.tbl"
    _written(path, "dynamo", WritingWords(_particles(2)[:1], NAMES, KNOWN, "ribosome"))
    voxels = KNOWN["TS_1"].voxels(positions_of(_particles(2)[:1]))
    words = ReadingWords("TS_1", (20, 20, 20), 1.0)
    (found,) = read_particles(path, "dynamo", KNOWN, words)
    np.testing.assert_allclose(positions_of([found]), voxels - 10, atol=1e-4)


_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=6)
        | st.dictionaries(
            st.sampled_from(
                [
                    *("boxes_3d", "class_list", "apix_unbin", "0", "name"),
                    *("points", "location", "x", "y", "z", "transformation_"),
                    *("score", "voxel_spacing", "run_name"),
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=25,
)


def _try(kind: str, name: str, content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        with contextlib.suppress(FormatError):
            read_particles(path, kind, KNOWN, ReadingWords(tomogram="TS_1"))


@settings(max_examples=25, deadline=None)
@given(_JSON)
def test_any_json_is_read_or_refused(value: object) -> None:
    import json

    content = json.dumps(value).encode()
    _try("eman", "TS_1_info.json", content)
    _try("copick", "p.json", content)


@settings(max_examples=25, deadline=None)
@given(st.text(alphabet="01 .,-+eNainf_#\"'\n\trlnTomoNameCoordinateXYZ", max_size=300))
def test_any_text_is_read_or_refused(text: str) -> None:
    _try("dynamo", "p.tbl", text.encode())
    _try("csv", "p.csv", ("x,y,z,class,source\n" + text).encode())
    _try("imod", "TS_1.mod", b"IMODV1.2" + text.encode())


@settings(max_examples=25, deadline=None)
@given(st.text(alphabet='01 .-eNa\n\t"_#', max_size=120))
def test_any_star_file_is_read_or_refused(text: str) -> None:
    head = "data_particles\n\nloop_\n" + "".join(f"_rlnCoordinate{axis}\n" for axis in "XYZ")
    _try("relion", "p.star", (head + text).encode())


@settings(max_examples=40, deadline=None)
@given(st.integers(8, 460), st.integers(0, 2**32 - 1))
def test_a_model_with_wrong_bytes_is_read_or_refused(place: int, value: int) -> None:
    points = np.arange(12.0).reshape(4, 3)
    model = ImodModel((101, 80, 21), 10.0, (ImodObject("a", (points,)), ImodObject("b", ())))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "TS_1.mod"
        write_imod_model(path, model)
        content = bytearray(path.read_bytes())
    content[place : place + 4] = struct.pack(">I", value)
    _try("imod", "TS_1.mod", bytes(content))

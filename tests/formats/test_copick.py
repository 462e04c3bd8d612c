from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tomotui.formats import FormatError
from tomotui.formats.copick import copick_path, find_copick, read_copick, write_copick
from tomotui.formats.known_tomograms import KnownTomogram, angles_of, positions_of
from tomotui.geometry.poses import matrices_of_angles
from tomotui.records import Particle

KNOWN = {"TS_1": KnownTomogram("t1", (100, 81, 20), 10.0)}


def _file(folder: Path, *points: dict[str, Any], **fields: Any) -> Path:
    path = folder / "ExperimentRuns/TS_1/Picks/alice_1_ribosome.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"run_name": "TS_1", "points": points, **fields}))
    return path


def _point(x: float, y: float, z: float, **fields: Any) -> dict[str, Any]:
    return {"location": {"x": x, "y": y, "z": z}, "instance_id": 0, "score": 1.0, **fields}


def test_locations_count_from_the_corner_and_the_translation_adds(tmp_path: Path) -> None:
    turn = np.eye(4)
    turn[:3, :3] = [[0, -1, 0], [1, 0, 0], [0, 0, 1]]
    turn[:3, 3] = [10, 0, -20]
    path = _file(tmp_path, _point(600, 400, 50, transformation_=turn.tolist()))
    (particle,) = read_copick(path, KNOWN)
    np.testing.assert_allclose(positions_of([particle]), [[110, 0, -70]])
    np.testing.assert_allclose(
        matrices_of_angles(angles_of([particle]))[0], turn[:3, :3], atol=1e-9
    )
    (other,) = read_copick(_file(tmp_path, _point(600, 400, 50), voxel_spacing=5.0), KNOWN)
    np.testing.assert_allclose(positions_of([other]), [[100, -5, -50]])
    assert other.rot_deg is None
    untrusted = _point(1, 1, 1, transformation_=turn.tolist())
    path = _file(tmp_path, untrusted, trust_orientation=False)
    assert read_copick(path, KNOWN)[0].rot_deg is None


def test_round_trip(tmp_path: Path) -> None:
    before = [
        Particle(
            uid="a",
            tomogram_uid="t1",
            x_angstrom=-12.5,
            y_angstrom=7,
            z_angstrom=3,
            rot_deg=-70,
            tilt_deg=35,
            psi_deg=140,
            score=0.25,
        ),
        Particle(
            uid="b",
            tomogram_uid="t1",
            x_angstrom=1,
            y_angstrom=2,
            z_angstrom=3,
            rot_deg=1,
            tilt_deg=2,
            psi_deg=3,
        ),
    ]
    path = copick_path(tmp_path, "TS_1", "my_ribosome")
    assert path == tmp_path / "ExperimentRuns/TS_1/Picks/tomotui_0_my-ribosome.json"
    path.parent.mkdir(parents=True)
    write_copick(path, before, KNOWN["TS_1"], run="TS_1", name="my_ribosome")
    assert find_copick(tmp_path) == [path]
    for a, b in zip(before, read_copick(path, KNOWN), strict=True):
        expected = a.model_dump(exclude={"uid"})
        assert b.model_dump(exclude={"uid"}) == pytest.approx(expected, abs=1e-4)


def test_a_folder_of_several_objects(tmp_path: Path) -> None:
    path = _file(tmp_path, _point(1, 1, 1))
    other = path.with_name("alice_1_actin.json")
    other.write_text(path.read_text())
    with pytest.raises(FormatError, match="has picks of actin, ribosome; name one of them"):
        find_copick(tmp_path)
    assert find_copick(tmp_path / "ExperimentRuns", "actin") == [other]
    with pytest.raises(FormatError, match="has picks of actin, ribosome"):
        find_copick(tmp_path, "gold")
    with pytest.raises(FormatError, match="give the root of a copick project"):
        find_copick(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"points": 3}, "no file of picks"),
        ({"points": [{}]}, "point 1 is no location"),
        ({"points": [_point(float("nan"), 1, 1)]}, "position of particle 1"),
        ({"points": [_point(1, 1, 1, transformation_=[[1]])]}, "point 1 is no location"),
        (
            {"points": [_point(1, 1, 1, transformation_=(2 * np.eye(4)).tolist())]},
            "transformation of point 1 is no rotation",
        ),
        ({"unit": "nm"}, "its unit is 'nm'"),
    ],
)
def test_bad_files(tmp_path: Path, fields: dict[str, Any], message: str) -> None:
    path = _file(tmp_path, **fields) if "points" not in fields else _file(tmp_path)
    path.write_text(json.dumps({"run_name": "TS_1", "points": [], **fields}))
    with pytest.raises(FormatError, match=message):
        read_copick(path, KNOWN)
    path.write_text(json.dumps({"run_name": "TS_7", "points": []}))
    elsewhere = path.rename(tmp_path / "picks.json")
    with pytest.raises(FormatError, match="does not tell which tomogram"):
        read_copick(elsewhere, KNOWN)

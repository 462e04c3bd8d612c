from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tomotui.formats import FormatError
from tomotui.formats.eman import read_eman, write_eman
from tomotui.formats.known_tomograms import KnownTomogram, positions_of
from tomotui.records import Particle

KNOWN = {"TS_1": KnownTomogram("t1", (100, 81, 20), 10.0, unbinned_angstrom=2.5)}


def _info(folder: Path, **info: Any) -> Path:
    path = folder / "TS_1_info.json"
    path.write_text(json.dumps(info))
    return path


BOXES = [[4, -8, 2.5, "tm", 5.5, 0], [0, 0, 0, "manual", 0.0, 1], [1, 1, 1, "manual"]]
CLASSES = {"0": {"name": "ribosome", "boxsize": 64}, "1": "gold"}


def test_boxes_count_from_the_centre_in_unbinned_voxels(tmp_path: Path) -> None:
    path = _info(tmp_path, boxes_3d=BOXES, class_list=CLASSES, apix_unbin=2.5)
    found = read_eman(path, KNOWN)
    np.testing.assert_allclose(positions_of(found), [[10, -20, 6.25], [0, 0, 0], [2.5] * 3])
    assert [p.score for p in found] == [5.5, None, None]
    assert [p.class_number for p in found] == [0, 1, 0]
    (gold,) = read_eman(path, KNOWN, only="gold")
    assert (gold.tomogram_uid, gold.class_number) == ("t1", None)
    with pytest.raises(FormatError, match="has no class actin; its classes are ribosome, gold"):
        read_eman(path, KNOWN, only="actin")


def test_old_boxes_count_from_the_corner(tmp_path: Path) -> None:
    path = _info(tmp_path, boxes_3d=[[60, 40, 5, "manual"]])
    np.testing.assert_allclose(positions_of(read_eman(path, KNOWN)), [[100, 0, -50]])


def test_round_trip_leaves_what_else_the_file_holds(tmp_path: Path) -> None:
    path = _info(
        tmp_path,
        boxes_3d=BOXES,
        class_list=CLASSES,
        apix_unbin=2.5,
        tlt_params=[[1.0, 2.0, 3.0, 4.0, 5.0]],
    )
    before = [
        Particle(
            uid="a", tomogram_uid="t1", x_angstrom=12.5, y_angstrom=-7.5, z_angstrom=33, score=0.5
        )
    ]
    write_eman(path, before, KNOWN["TS_1"], label="ribosome", diameter_angstrom=250, present=path)
    info = json.loads(path.read_text())
    assert info["tlt_params"] == [[1.0, 2.0, 3.0, 4.0, 5.0]]
    assert info["boxes_3d"][0] == BOXES[1]
    assert info["class_list"]["0"] == {"name": "ribosome", "boxsize": 150}
    (after,) = read_eman(path, KNOWN, only="ribosome")
    assert after.model_dump(exclude={"uid"}) == before[0].model_dump(exclude={"uid"})
    write_eman(path, before, KNOWN["TS_1"], label="new", present=path)
    assert json.loads(path.read_text())["class_list"]["2"]["name"] == "new"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1]", "is no info file of EMAN2"),
        ("{", "is no JSON file"),
        ("[" * 100_000, "is no JSON file"),
        ('{"boxes_3d": 3}', "is no info file"),
        ('{"boxes_3d": [[1, 2]]}', "box 1 is not x, y, z, how, score, class"),
        ('{"boxes_3d": [[1, 2, "x"]]}', "box 1 is not"),
        ('{"boxes_3d": [[1, 2, NaN]]}', "position of particle 1 is no usable number"),
        ('{"boxes_3d": [[1, 2, 3]], "apix_unbin": -1}', "apix_unbin is -1"),
        ('{"boxes_3d": [], "class_list": {"a": 1}}', "class_list is malformed"),
    ],
)
def test_bad_files(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "TS_1_info.json"
    path.write_text(text)
    with pytest.raises(FormatError, match=message):
        read_eman(path, KNOWN)


def test_a_real_info_file_without_boxes(shared_data: Path) -> None:
    path = shared_data / "interop/emanjson2imodxf/tests/example.json"
    if not path.is_file():
        pytest.skip("the shared data are not here")
    assert read_eman(path, KNOWN, tomogram="TS_1") == []

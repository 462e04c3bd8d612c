from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from tomotui.formats.chimerax import SceneCopies, SceneVolume, write_scene
from tomotui.formats.errors import FormatError

TOMOGRAM = SceneVolume(Path("/data/one.mrc"), (512, 400, 201), 10.0)
MAP = SceneVolume(Path("/data/ribo some.mrc"), (64, 64, 64), 4.5)


def copies(n: int) -> SceneCopies:
    positions = np.random.default_rng(0).uniform(-2000, 2000, (n, 3))
    return SceneCopies(MAP, positions, Rotation.random(n, random_state=1).as_matrix())


def test_every_copy_is_opened_and_brought_to_its_pose(tmp_path: Path) -> None:
    shown = copies(120)
    write_scene(tmp_path / "scene.cxc", TOMOGRAM, shown, 0.5, title="ribosomes of one")
    lines = (tmp_path / "scene.cxc").read_text().splitlines()
    assert lines[0] == "# ribosomes of one"
    assert lines.count('open "/data/ribo some.mrc"') == 120
    assert "volume #1 originIndex 256,200,100" in lines
    assert "volume #2-121 originIndex 32,32,32" in lines
    assert "volume #2-121 voxelSize 4.5" in lines
    assert any(line.startswith("volume #2-121 style surface level 0.5") for line in lines)
    fields = [
        field
        for line in lines
        if line.startswith("view matrix models ")
        for field in line.removeprefix("view matrix models ").split(",")
    ]
    assert [fields[at] for at in range(0, len(fields), 13)] == [f"#{n}" for n in range(2, 122)]
    matrices = np.array([field for field in fields if field[0] != "#"], float).reshape(-1, 3, 4)
    point = np.array([10.0, -30.0, 55.0])
    expected = shown.rotations @ point + shown.positions_angstrom
    assert np.abs(matrices @ np.append(point, 1.0) - expected).max() < 0.02


def test_one_copy_and_one_volume_have_their_numbers(tmp_path: Path) -> None:
    write_scene(tmp_path / "one.cxc", TOMOGRAM, copies(1), 0.5)
    assert "volume #2 originIndex 32,32,32" in (tmp_path / "one.cxc").read_text()
    write_scene(tmp_path / "all.cxc", TOMOGRAM, SceneVolume(Path("/x.mrc"), (9, 8, 7), 2.0), 1.5)
    text = (tmp_path / "all.cxc").read_text()
    assert 'open "/x.mrc"' in text
    assert "volume #2 originIndex 4,4,3" in text
    assert "view matrix" not in text


def test_names_that_would_break_out_of_the_script_are_refused(tmp_path: Path) -> None:
    odd = SceneVolume(Path('/data/a"; exit; ".mrc'), (8, 8, 8), 1.0)
    with pytest.raises(FormatError, match=r"(?s)quotation marks.*rename"):
        write_scene(tmp_path / "scene.cxc", odd, copies(1), 0.5)
    with pytest.raises(FormatError, match=r"scene.cxc cannot be written"):
        write_scene(tmp_path / "nowhere" / "scene.cxc", TOMOGRAM, copies(1), 0.5)
    assert list(tmp_path.iterdir()) == []

"""Maps come in from files, are listed, and go out again with what belongs to them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tomotui.formats.mrc import read_volume, write_volume
from tomotui.project import Project
from tomotui.records import Map, ParticleSet

Call = Any
Words = Callable[..., Any]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with Project.create(tmp_path / "project") as project:
        aligned = ParticleSet(name="ribosome-refined", made_by="refine")
        for number, name in enumerate(("final", "half1", "half2", "mask")):
            write_volume(project.folder / f"{name}.mrc", np.full((4, 4, 4), float(number)), 4.0)
        made = Map(
            name="ribosome",
            path="final.mrc",
            size_xyz=(4, 4, 4),
            pixel_size_angstrom=4.0,
            half_paths=("half1.mrc", "half2.mrc"),
            mask_path="mask.mrc",
            resolution_angstrom=12.34,
            n_particles=512,
            particle_set_uid=aligned.uid,
            made_by="refine",
        )
        project.add_records([aligned, made])
        return project.folder


def test_maps_are_listed(call: Call, folder: Path) -> None:
    said = call.well("maps", "-p", folder).out
    assert (
        "ribosome  12.3 A      512        4    4.00 A  C1        refine   ribosome-refined" in said
    )
    (one,) = call.well("maps", "--json", "-p", folder).json
    assert (one["name"], one["particle_set"]) == ("ribosome", "ribosome-refined")
    assert one["half_paths"] == ["half1.mrc", "half2.mrc"]


def test_what_belongs_to_a_map_is_written(call: Call, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mrc"
    for number, part in enumerate(("final", "half1", "half2", "mask")):
        call.well("export", "map", "ribosome", "--what", part, "-o", out, "-p", folder)
        assert read_volume(out)[0].max() == number
    listed = call.well("export", "map", "--what", "mask", "-o", tmp_path / "m", "-p", folder)
    assert listed.out.strip() == str(tmp_path / "m" / "ribosome-mask.mrc")


def test_a_part_that_a_map_has_not_is_said(call: Call, folder: Path, tmp_path: Path) -> None:
    words = ["export", "map", "ribosome", "-o", tmp_path / "o.mrc", "-p", folder]
    said = call(*words, "--what", "unfiltered")
    assert (said.code, "ribosome: has no unfiltered" in said.err) == (1, True)
    assert not (tmp_path / "o.mrc").exists()
    assert call("export", "tomogram", "--what", "mask", "-o", tmp_path, "-p", folder).code == 2


def test_a_map_is_taken_over_as_a_bright_cube(call: Call, folder: Path, tmp_path: Path) -> None:
    dark = np.zeros((6, 8, 8))
    dark[3, 4, 4] = -5.0
    write_volume(tmp_path / "emd_1.map", dark, 0.0)
    said = call("import-map", tmp_path / "emd_1.map", "-p", folder)
    assert (said.code, "--pixel-size" in said.err) == (1, True)
    words = ["--name", "spike", "--invert", "--pixel-size", "2.5", "--symmetry", "c3"]
    told = call.well("import-map", tmp_path / "emd_1.map", *words, "--json", "-p", folder).json
    assert (told["box"], told["pixel_size_angstrom"]) == (8, 2.5)
    with Project.open(folder) as project:
        made = project.latest("map")
        assert isinstance(made, Map)
        assert (made.name, made.symmetry, made.made_by) == ("spike", "C3", "import")
        cube, pixel = read_volume(project.folder / made.path)
    assert (cube.shape, pixel) == ((8, 8, 8), 2.5)
    assert np.unravel_index(cube.argmax(), cube.shape) == (4, 4, 4)
    assert cube.max() == 5.0


@pytest.mark.parametrize(
    ("shape", "value", "reason"),
    [((1, 8, 8), 1.0, "no map"), ((8, 8, 8), 0.0, "all the same"), ((8, 8, 8), np.nan, "not num")],
)
def test_what_is_no_map_is_refused(
    call: Call, folder: Path, tmp_path: Path, shape: tuple[int, ...], value: float, reason: str
) -> None:
    values = np.zeros(shape)
    values[0, 4, 4] = value
    write_volume(tmp_path / "x.mrc", values, 3.0)
    said = call("import-map", tmp_path / "x.mrc", "-p", folder)
    assert said.code == 1
    assert f"{tmp_path / 'x.mrc'}" in said.err
    assert reason in said.err
    with Project.open(folder) as project:
        assert len(project.records("map")) == 1
    assert not (folder / "maps").exists()


def test_words_that_are_none_are_refused(call: Call, folder: Path, tmp_path: Path) -> None:
    missing = call("import-map", tmp_path / "nothing.mrc", "-p", folder)
    assert (missing.code, "nothing.mrc" in missing.err) == (1, True)
    for words in (["--symmetry", "Q9"], ["--pixel-size", "-1"], ["--name", "a/b"]):
        assert call("import-map", tmp_path / "nothing.mrc", *words, "-p", folder).code == 2

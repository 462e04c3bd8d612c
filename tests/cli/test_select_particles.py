"""Sets of some particles of another: of classes, and of a part of a landscape."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.tui.variation_project import DEVIATIONS, N_PARTICLES, coordinates, make_variation
from tomotui.project import Project

Call = Any


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_variation(tmp_path / "project")
    return tmp_path / "project"


def test_classes_become_a_set_of_their_own(call: Call, folder: Path) -> None:
    words = ["particles", "select", "ribosome-classes", "-p", folder]
    said = call.well(*words, "--classes", "1", "3", "--name", "good").out
    assert said.strip() == f"made good: 80 particles of {N_PARTICLES}"
    with Project.open(folder) as project:
        made = project.particle_set_named("good")
        whole = project.particle_set_named("ribosome-classes")
        assert made is not None
        assert whole is not None
        assert (made.made_by, made.parent_uid) == ("class", whole.uid)
        table = project.particle_table([made.uid])
        assert set(table.classes.tolist()) == {1, 3}
        assert set(table.origins) <= set(project.particle_table([whole.uid]).uids)
    assert "ribosome-classes has no particles of class 7" in call(*words, "--classes", "7").err
    assert "It has classes 1, 2, 3" in call(*words, "--classes", "7").err


def test_a_part_of_a_landscape_becomes_a_set(call: Call, folder: Path) -> None:
    words = ["particles", "select", "ribosome-refined", "--landscape", "ribosome hinge"]
    words += ["-p", str(folder)]
    told = call.well(*words, "--to", "-0.5", "--name", "closed", "--json").json
    expected = coordinates()[:, 0] / DEVIATIONS[0] <= -0.5
    assert told["particles"] == expected.sum()
    with Project.open(folder) as project:
        refined, made = (
            project.particle_set_named(name) for name in ("ribosome-refined", "closed")
        )
        assert refined is not None
        assert made is not None
        assert made.made_by == "selection"
        before = project.particle_table([refined.uid])
        after = project.particle_table([made.uid])
        np.testing.assert_array_equal(after.origins, before.uids[expected])
        kinds = {one.kind for one in project.provenance(made.uid)}
        assert "landscape" in kinds
    second = call.well(*words, "--axis", "2", "--from", "0.5", "--name", "up", "--json").json
    assert second["particles"] == (coordinates()[:, 1] >= 0.5).sum()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ([], 2, "either --classes 1 3, or --landscape NAME"),
        (["--classes", "1", "--landscape", "ribosome hinge"], 2, "either"),
        (["--landscape", "hing", "--from", "0"], 2, "there are ribosome hinge"),
        (["--landscape", "ribosome hinge"], 2, "--from and --to"),
        (["--landscape", "ribosome hinge", "--from", "2", "--to", "1"], 2, "nothing lies between"),
        (["--landscape", "ribosome hinge", "--axis", "9", "--from", "0"], 1, "has no axis 9"),
        (["--landscape", "ribosome hinge", "--from", "50"], 1, "no particle of ribosome hinge"),
        (["--classes", "1"], 1, "classify them"),
    ],
)
def test_what_cannot_be_chosen_is_said(
    call: Call, folder: Path, words: list[str], code: int, said: str
) -> None:
    found = call("particles", "select", "ribosome-refined", *words, "-p", folder)
    assert found.code == code
    assert said in found.err


def test_a_landscape_without_its_file_makes_nothing(call: Call, folder: Path) -> None:
    (folder / "ribosome-hinge.npz").write_bytes(b"torn")
    words = ["particles", "select", "ribosome-refined", "--landscape", "ribosome hinge"]
    found = call(*words, "--from", "0", "-p", folder)
    assert found.code == 1
    assert "ribosome-hinge.npz cannot be read" in found.err
    assert "tomotui run landscape" in found.err

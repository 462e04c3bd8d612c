"""Taking in series of movies from the command line."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tomotui.project import Project

if TYPE_CHECKING:
    from conftest import Call


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``simulate --frames`` leaves: the folder ``movies`` beside the stack."""
    from tomotui.cli.app import run

    folder = tmp_path_factory.mktemp("made") / "sim"
    words = "--size 96 --particles 6 --frames 4 --name TS_7 --set pixel_size_angstrom=12"
    more = "tilt_step_deg=30 truth_binning=0 n_vesicles=0 thickness_angstrom=800"
    assert run(["simulate", str(folder), *words.split(), *more.split()]) == 0
    return folder


@pytest.fixture
def movies(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made / "movies", tmp_path / "movies"))


def test_one_command_brings_a_folder_of_movies_in(call: Call, folder: Path, movies: Path) -> None:
    said = call.well("import", movies, "--gain", movies / "gain.mrc", "--no-wait", "-p", folder)
    assert "job 1: importing 1 tilt series" in said.out
    assert call("logs", 1, "-p", folder).code == 0
    said = call("import", movies / "TS_7.mdoc", "-p", folder)
    assert said.code == 1
    assert "has a tilt series TS_7 already" in said.err
    while not (project := Project.open(folder)).job(1).status.is_finished:
        project.close()
    with project:
        series = project.series_named("TS_7")
        assert series is not None
        assert series.n_tilts == 5
        assert (folder / str(series.even_stack_path)).is_file()
        assert (folder / str(series.odd_stack_path)).is_file()
        assert project.matrix()[0].cells["motion"].status.value == "done"


def test_a_preview_writes_nothing(call: Call, movies: Path) -> None:
    (plan,) = call.well("import", "--dry-run", "--json", movies).json["plans"]
    assert (plan["name"], plan["stage"], plan["n_tilts"]) == ("TS_7", "motion", 5)
    assert plan["problems"] == []
    assert plan["parameters"] == {"dataset": "default", "movies": str(movies / "TS_7.mdoc")}
    assert len(plan["facts"]["movies"]["value"]) == 5


def test_movies_in_another_folder(call: Call, movies: Path, tmp_path: Path) -> None:
    (movies / "frames").rename(tmp_path / "disk")
    said = call("import", "--dry-run", movies)
    assert said.code == 1
    assert "say with --frames in which folder they lie" in said.err
    said = call.well("import", "--dry-run", "--json", movies, "--frames", tmp_path / "disk")
    assert said.json["plans"][0]["parameters"]["frames"] == str(tmp_path / "disk")


@pytest.mark.parametrize(
    ("words", "code", "named"),
    [
        ("M --copy", 2, "--copy: for stacks; here are movies"),
        ("M --tilts x.tlt", 2, "--tilts: for stacks"),
        ("M --set gian=x", 2, "gian: no such parameter"),
        ("M --name a/b", 2, "one without slashes"),
        ("M gain.mrc", 2, "import stacks and mdocs of movies one after the other"),
        ("gain.mrc --gain g.mrc", 2, "--gain: for movies"),
        ("gain.mrc --frames .", 2, "with --frames give mdocs, or tables"),
        ("M --gain none.mrc --dry-run", 1, "the gain reference"),
        ("nowhere.mdoc", 1, "nowhere.mdoc does not exist"),
    ],
)
def test_wrong_words_say_what_is_right(
    call: Call, folder: Path, movies: Path, monkeypatch: pytest.MonkeyPatch,
    words: str, code: int, named: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(movies)
    said = call("import", *["TS_7.mdoc" if w == "M" else w for w in words.split()], "-p", folder)
    assert said.code == code, said
    assert named in said.err


def test_stages_describe_it(call: Call) -> None:
    said = call.well("stages", "motion")
    assert "gain_flip" in said.out
    assert "gives tilt_series" in said.out


def test_too_few_frames_to_simulate(call: Call, tmp_path: Path) -> None:
    said = call("simulate", tmp_path / "x", "--frames", 1)
    assert said.code == 2
    assert "give 2 frames or more" in said.err

"""From a simulated stack to files for other programs, by the command line alone."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tomotui.formats.particles_csv import COLUMNS
from tomotui.project import Project
from tomotui.records import Alignment, Particle, ParticleSet, TiltSeries, Tomogram, new_uid

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Call


@pytest.fixture
def raw(simulated: Path, tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "raw"
    folder.mkdir()
    for name in ("tiny.mrc", "tiny.mrc.mdoc", "tiny.rawtlt"):
        shutil.copy(simulated / name, folder)
    return folder


def _alignment(folder: Path, name: str) -> tuple[TiltSeries, Alignment]:
    with Project.open(folder, read_only=True) as project:
        series = project.series_named(name)
        assert series is not None
        found = project.latest("alignment", series.uid)
    assert isinstance(found, Alignment)
    return series, found


def _numbers(alignment: Alignment) -> np.ndarray:
    """Shifts, axis and tilts of the tilts that are used: ``[n, 4]``."""
    return np.array(
        [
            (tilt.shift_x_angstrom, tilt.shift_y_angstrom, tilt.axis_deg, tilt.tilt_deg)
            for tilt in alignment.tilts
        ]
    )


def test_from_a_stack_to_files_for_other_programs(call: Call, raw: Path, folder: Path) -> None:
    at = ("-p", folder)
    call.well("import", raw / "tiny.mrc", "--wait", *at)
    said = call.well("run", "align", "--on", "tiny", "--set", "tilt_axis_deg=28", "rounds=1",
                     "axis_range_deg=4", "thickness_angstrom=900", "n_landmarks=12", "local=off",
                     "--wait", *at)  # fmt: skip
    assert "align tiny done" in said.out
    said = call.well("run", "reconstruct", "--set", "voxel_size_angstrom=40", "--wait", *at)
    assert "reconstruct tiny done" in said.out
    series, alignment = _alignment(folder, "tiny")
    assert len(alignment.tilts) >= series.n_tilts - 2

    _exports_alignments(call, raw, folder)
    _exports_the_tomogram(call, folder)
    _takes_and_gives_particles(call, folder)


def _exports_alignments(call: Call, raw: Path, folder: Path) -> None:
    series, alignment = _alignment(folder, "tiny")
    kinds = {"imod": "tiny.xf", "aretomo": "tiny.aln", "relion": ""}
    for kind, name in kinds.items():
        out = Path.cwd() / kind
        said = call.well("export", "alignment", "--format", kind, "-o", out, "-p", folder)
        paths = [Path(line) for line in said.out.splitlines()]
        assert paths
        assert all(path.is_file() and path.stat().st_size for path in paths)
        file = next(path for path in paths if path.name == name or kind == "relion")
        said = call.well(
            "import", raw / "tiny.mrc", "--name", f"by-{kind}", "--alignment", file, "-p", folder
        )
        _, taken = _alignment(folder, f"by-{kind}")
        mine = {
            tilt.index: row for tilt, row in zip(alignment.tilts, _numbers(alignment), strict=True)
        }
        theirs = {tilt.index: row for tilt, row in zip(taken.tilts, _numbers(taken), strict=True)}
        apart = np.array([mine[i] - theirs[i] for i in mine if i in theirs])
        assert len(apart) >= len(alignment.tilts)
        pixel = series.pixel_size_angstrom
        # AreTomo writes shifts to a thousandth of a pixel, and angles to a hundredth of a degree.
        assert np.abs(apart[:, :2]).max() / pixel < 0.01
        assert np.abs(apart[:, 2:]).max() < 0.011
    row = next(
        row
        for row in call.well("status", "--json", "-p", folder).json["series"]
        if row["name"] == "by-imod"
    )
    assert row["stages"]["align"]["text"] == "from outside"
    # One file of one series.
    one = Path.cwd() / "mine.xf"
    call.well("export", "alignment", "-o", one, "--on", "tiny", "-p", folder)
    assert one.read_bytes() == (Path.cwd() / "imod" / "tiny.xf").read_bytes()
    several = call("export", "alignment", "-o", Path.cwd() / "all.xf", "-p", folder)
    assert several.code == 2
    assert "is one file, and there are 4" in several.err


def _exports_the_tomogram(call: Call, folder: Path) -> None:
    with Project.open(folder, read_only=True) as project:
        series = project.series_named("tiny")
        assert series is not None
        tomogram = project.latest("tomogram", series.uid)
    assert isinstance(tomogram, Tomogram)
    said = call.well("export", "tomogram", "-o", "volumes", "--json", "-p", folder)
    (path,) = map(Path, said.json)
    assert path.name == "tiny.mrc"
    assert path.read_bytes() == (folder / tomogram.path).read_bytes()
    assert [p.name for p in path.parent.iterdir()] == ["tiny.mrc"]
    # A volume that has gone is named, and nothing is left half written.
    (folder / tomogram.path).rename(folder / "elsewhere.mrc")
    gone = call("export", "tomogram", "-o", "again", "-p", folder)
    assert (gone.code, gone.out) == (1, "")
    assert f"{folder / tomogram.path} is missing" in gone.err
    assert not Path("again").exists()
    (folder / "elsewhere.mrc").rename(folder / tomogram.path)
    _exports_what_was_restored_when_asked(call, folder, tomogram)


def _exports_what_was_restored_when_asked(call: Call, folder: Path, measured: Tomogram) -> None:
    none = call("export", "tomogram", "--restored", "-o", "restored", "-p", folder)
    assert none.code == 1
    assert "no restored tomogram" in none.err
    (folder / "filled.mrc").write_bytes(b"filled")
    changes = {"uid": new_uid(), "path": "filled.mrc", "restored": True}
    with Project.open(folder) as project:
        project.add_records([measured.replace(**changes)])
    said = call.well("export", "tomogram", "-o", "measured", "--json", "-p", folder)
    assert Path(said.json[0]).read_bytes() == (folder / measured.path).read_bytes()
    said = call.well("export", "tomogram", "--restored", "-o", "restored", "--json", "-p", folder)
    assert Path(said.json[0]).read_bytes() == b"filled"


def _particles(folder: Path, name: str) -> list[Particle]:
    with Project.open(folder, read_only=True) as project:
        sets = [s for s in project.records("particle_set") if isinstance(s, ParticleSet)]
        (mine,) = [one for one in sets if one.name == name]
        found = project.particles(mine.uid)
    # Identities are given anew at each import.
    return [particle.model_copy(update={"uid": ""}) for particle in found]


def _takes_and_gives_particles(call: Call, folder: Path) -> None:
    rows = [
        ["tiny", "10.5", "-20.25", "3", "10", "20", "30", "0.5", "accepted", "2", "0", "import"],
        [
            "tiny",
            "-110",
            "220.75",
            "-30.125",
            "-170",
            "90",
            "12.5",
            "0.25",
            "rejected",
            "1",
            "1",
            "hand",
        ],
    ]
    with open("picks.csv", "w", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *rows])
    said = call.well("import-particles", "picks.csv", "--species", "ribosome", "--diameter",
                     "250", "--json", "-p", folder)  # fmt: skip
    assert (said.json["name"], said.json["particles"]) == ("picks", 2)
    twice = call("import-particles", "picks.csv", "-p", folder)
    assert twice.code == 1
    assert "particle set picks already" in twice.err

    call.well("export", "particles", "-o", "out.csv", "-p", folder)
    with open("out.csv", newline="") as file:
        assert list(csv.reader(file)) == [list(COLUMNS), *rows]
    call.well("import-particles", "out.csv", "--name", "by-csv", "-p", folder)
    assert _particles(folder, "by-csv") == _particles(folder, "picks")

    said = call.well("export", "particles", "--format", "relion", "-o", "stars", "--on", "pick*",
                     "-p", folder)  # fmt: skip
    assert said.out == "stars/picks.star\n"
    call.well("import-particles", "stars/picks.star", "--name", "by-star", "-p", folder)
    # RELION knows no decisions: what was rejected stays at home.
    undecided = {"decision": "undecided"}
    expected = [p.model_copy(update=undecided) for p in _particles(folder, "picks")[:1]]
    for mine, theirs in zip(_particles(folder, "by-star"), expected, strict=True):
        assert mine.model_dump() == pytest.approx(theirs.model_dump())

    Path("plain.csv").write_text("x,y,z\n1,2,3\n")
    asked = call("import-particles", "plain.csv", "-p", folder)
    assert asked.code == 1
    assert "no column 'tomogram'" in asked.err
    call.well("import-particles", "plain.csv", "--tomogram", "tiny", "-p", folder)
    wrong = call("import-particles", "plain.csv", "--tomogram", "huge", "--name", "b", "-p", folder)
    assert (wrong.code, wrong.out) == (2, "")
    Path("empty.csv").write_text("tomogram,x,y,z\n")
    empty = call("import-particles", "empty.csv", "-p", folder)
    assert "holds no particles" in empty.err
    missing = call("import-particles", "nowhere.star", "-p", folder)
    assert (missing.code, missing.out) == (1, "")
    assert "nowhere.star" in missing.err


def test_nothing_to_export_yet(call: Call, folder: Path) -> None:
    for what in ("alignment", "ctf", "tomogram", "particles", "map"):
        said = call("export", what, "-o", "out", "-p", folder)
        assert (said.code, said.out) == (1, "")
        assert f"the project has no {what} to export yet" in said.err
    assert not Path("out").exists()
    early = call("import-particles", "picks.csv", "-p", folder)
    assert "reconstruct one first" in early.err


def test_simulate_writes_what_import_takes(call: Call) -> None:
    words = ("--size", "64", "--particles", "0", "--set", "n_vesicles=0", "tilt_step_deg=30",
             "truth_binning=0", "--name", "mini")  # fmt: skip
    files = call.well("simulate", "out", *words, "--json").json["files"]
    assert files[0] == "out/mini.mrc"
    assert all(Path(file).is_file() for file in files)
    (plan,) = call.well("import", files[0], "--dry-run", "--json").json["plans"]
    assert (plan["n_tilts"], plan["problems"]) == (5, [])
    again = call("simulate", "out", *words)
    assert again.code == 1
    assert "out/mini.mrc exists already" in again.err

"""Whole data sets for other programs, and back again by the import."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.formats.series_folders import Sample, make_sample
from tomotui.formats.mrc import write_volume
from tomotui.project import Project
from tomotui.records import Particle, ParticleSet, Tomogram


@pytest.fixture
def sample(folder: Path, tmp_path: Path) -> Sample:
    made = make_sample(tmp_path / "raw")
    write_volume(tmp_path / "t.mrc", np.zeros((6, 9, 12), np.float32), 5.0)
    tomogram = Tomogram(
        series_uid=made.series.uid, alignment_uid=made.alignment.uid,
        path=str(tmp_path / "t.mrc"), size_xyz=(12, 9, 6), pixel_size_angstrom=5.0,
        window_low=0.0, window_high=1.0,
    )  # fmt: skip
    picks = ParticleSet(name="ribosome", species="ribosome")
    particle = Particle(
        uid="a" * 16, tomogram_uid=tomogram.uid, x_angstrom=5.0, y_angstrom=-10.0, z_angstrom=0.0
    )
    # A later alignment has another frame than the tomogram's particles lie in.
    later = made.alignment.replace(
        uid="b" * 16, tilts=tuple(t.replace(tilt_deg=9.0) for t in made.alignment.tilts)
    )
    with Project.open(folder) as project:
        project.add_records([made.series, made.alignment, made.ctf, tomogram, later, picks])
        project.add_particles(picks.uid, [particle])
    return made


@pytest.mark.parametrize("kind", ["relion", "etomo", "aretomo", "portal"])
def test_what_is_exported_can_be_imported(
    call: Any, sample: Sample, folder: Path, kind: str
) -> None:
    words = ["export", "dataset", "--format", kind, "-o", f"out/{kind}", "-p", folder]
    said = call.well(*words)
    written = [Path(line) for line in said.out.split()]
    assert all(path.exists() for path in written)
    assert not list(Path("out").rglob(".partial*"))
    # What an export has written it may write again.
    assert call.well(*words).out == said.out
    place = [f"out/{kind}"]
    if kind == "relion":
        place = [f"out/{kind}/stacks/TS_1.mrcs", "--alignment", str(written[-1]), "--tilt-axis",
                 "84", "--first-tilt", "-40", "--tilt-step", "20"]  # fmt: skip
    (plan,) = call.well("import", *place, "--dry-run", "--json").json["plans"]
    assert (plan["name"], plan["problems"]) == ("TS_1", [])
    assert plan["alignment"] is not None
    assert (plan["ctf"] is not None) == (kind != "relion")
    # Everything is in the frame of the tomogram, whose alignment is an earlier one.
    tables = [path for path in written if path.suffix in (".tlt", ".star", ".aln")]
    assert any("-38.75" in path.read_text() for path in tables)


def test_particles_go_along_and_come_back(call: Any, sample: Sample, folder: Path) -> None:
    call.well("export", "dataset", "--format", "portal", "-o", "out", "-p", folder)
    said = call.well("import-particles", "out", "--name", "again", "-p", folder, "--json").json
    assert (said["format"], said["particles"], said["tomograms"]) == ("portal", 1, {"TS_1": 1})
    call.well("export", "particles", "again", "--format", "portal", "-o", "more", "-p", folder)
    (points,) = Path("more").rglob("*.ndjson")
    assert points.name == "again-1.0_point.ndjson"
    said = call.well(
        "export", "dataset", "--particles", "again", "-o", "relion", "-p", folder
    )  # fmt: skip
    assert said.out.split()[-1] == "relion/optimisation_set.star"


def test_files_of_others_are_not_replaced(call: Any, sample: Sample, folder: Path) -> None:
    theirs = Path("etomo/TS_1/tilt.com")
    theirs.parent.mkdir(parents=True)
    theirs.write_text("theirs")
    said = call("export", "dataset", "--format", "etomo", "-o", "etomo", "-p", folder)
    assert said.code == 2
    assert "etomo holds files of others, which would be replaced; give a new folder" in said.err
    assert theirs.read_text() == "theirs"


def test_words_that_do_not_go_together(call: Any, sample: Sample, folder: Path) -> None:
    words = ["export", "dataset", "-o", "out", "-p", folder, "--format"]
    assert "etomo keeps none" in call(*words, "etomo", "--particles", "ribosome").err
    assert "for a dataset only" in call(
        "export", "map", "--particles", "x", "-o", "out", "-p", folder
    ).err  # fmt: skip
    assert "dataset can be relion, etomo, aretomo, portal" in call(*words, "imod").err
    Path(sample.stack).unlink()
    said = call(*words, "etomo")
    assert said.code == 1
    assert f"{sample.stack} is missing; put it back" in said.err
    assert not Path("out").exists()

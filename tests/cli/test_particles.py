"""Particle sets by command: in, out, listed and made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tomotui.formats.imod_model import FIRST_VOXEL, ImodModel, ImodObject, write_imod_model
from tomotui.formats.known_tomograms import KnownTomogram, angles_of
from tomotui.formats.mrc import write_volume
from tomotui.geometry.poses import matrices_of_angles
from tomotui.project import Project
from tomotui.records import Alignment, Particle, ParticleSet, TiltAlignment, Tomogram

if TYPE_CHECKING:
    from conftest import Call


@pytest.fixture
def cells(folder: Path, with_fake_stages: None) -> Path:
    """A project with tomograms of ts_1 and ts_2, 100 x 80 x 40 voxels of 10 A."""
    from fake_stages import series

    with Project.open(folder) as project:
        for name in ("ts_1", "ts_2"):
            one = series(name)
            tilt = TiltAlignment(
                index=0, tilt_deg=0, axis_deg=0, shift_x_angstrom=0, shift_y_angstrom=0
            )
            alignment = Alignment(series_uid=one.uid, tilts=(tilt,))
            tomogram = Tomogram(
                series_uid=one.uid,
                alignment_uid=alignment.uid,
                path=f"{name}.mrc",
                size_xyz=(100, 80, 40),
                pixel_size_angstrom=10,
                window_low=0,
                window_high=1,
            )
            project.add_records([one, alignment, tomogram])
    return folder


def _particles(folder: Path, name: str) -> list[Particle]:
    with Project.open(folder, read_only=True) as project:
        found = project.particle_set_named(name)
        assert isinstance(found, ParticleSet)
        return project.particles(found.uid)


def _places(particles: list[Particle]) -> list[tuple[float, float, float]]:
    return [(p.x_angstrom, p.y_angstrom, p.z_angstrom) for p in particles]


CSV = """tomogram,x,y,z,rot,tilt,psi,score,decision,class
ts_1,0,0,0,10,20,30,0.9,accepted,1
ts_1,200,-100,50,10,20,30,0.5,undecided,2
ts_2,-300,100,-50,10,20,30,0.1,rejected,1
"""


@pytest.fixture
def picked(call: Call, cells: Path) -> Path:
    Path("picks.csv").write_text(CSV)
    call.well("import-particles", "picks.csv", "--name", "ribosome", "--diameter", 200,
              "--symmetry", "C2", "-p", cells)  # fmt: skip
    return cells


def test_list_and_new(call: Call, picked: Path) -> None:
    call.well("particles", "new", "apoferritin", "--diameter", 120, "--symmetry", "O", "-p", picked)
    ribosome, apoferritin = call.well("particles", "list", "--json", "-p", picked).json
    assert ribosome["decisions"] == {"accepted": 1, "unsure": 0, "undecided": 1, "rejected": 1}
    assert ribosome["tomograms"] == {"ts_1": 2, "ts_2": 1}
    assert (apoferritin["symmetry"], apoferritin["particles"]) == ("O", 0)
    table = call.well("particles", "list", "-p", picked).out.splitlines()
    assert " ".join(table[1].split()) == "ribosome particle 200 A C2 3 1 0 1 1 2 picks"
    again = call("particles", "new", "ribosome", "--diameter", 3, "-p", picked)
    assert (again.code, again.out) == (1, "")
    assert "has a particle set ribosome already" in again.err


@pytest.mark.parametrize("kind", ["csv", "relion", "dynamo", "eman", "imod", "copick"])
def test_out_and_in_again(call: Call, picked: Path, kind: str) -> None:
    suffix = {"csv": ".csv", "relion": ".star", "dynamo": ".tbl"}.get(kind, "")
    written = call.well("export", "particles", "ribosome", "--format", kind, "-o", f"out{suffix}",
                        "--json", "-p", picked).json  # fmt: skip
    assert all(Path(path).is_file() for path in written)
    files = ["out"] if kind == "copick" else [path for path in written if ".doc" not in path]
    for number, path in enumerate(files):
        where = ("--into", "again") if number else ("--name", "again")
        call.well("import-particles", path, *where, "-p", picked)
    kept = _particles(picked, "ribosome")
    # Only CSV tells that a particle was rejected.
    kept = kept if kind == "csv" else kept[:2]
    again = _particles(picked, "again")
    np.testing.assert_allclose(_places(again), _places(kept), atol=1e-2)
    assert [p.tomogram_uid for p in again] == [p.tomogram_uid for p in kept]
    if kind not in ("eman", "imod"):
        assert (again[0].rot_deg, again[0].psi_deg) == pytest.approx((10, 30), abs=1e-3)


def test_particles_of_a_series_that_was_imported_again(call: Call, picked: Path) -> None:
    from fake_stages import series

    with Project.open(picked) as project:
        project.add_records([series("ts_1")])
    words = ("export", "particles", "ribosome", "--format", "dynamo", "-o", "p.tbl", "-p", picked)
    call.well(*words)
    row = Path("p.tbl").read_text().split()
    assert row[23:26] == ["51", "41", "21"]


def test_what_is_exported_can_be_chosen(call: Call, picked: Path) -> None:
    def rows(*words: object) -> list[str]:
        call.well("export", "particles", "ribosome", "-o", "o.csv", *words, "-p", picked)
        return [line.split(",")[1] for line in Path("o.csv").read_text().splitlines()[1:]]

    assert rows() == ["0", "200", "-300"]
    assert rows("--decision", "accepted", "rejected") == ["0", "-300"]
    assert rows("--class", 1, "--min-score", 0.5) == ["0"]
    Path("o.csv").write_text("mine")
    none = call("export", "particles", "-o", "o.csv", "--min-score", 2, "-p", picked)
    assert (none.code, none.out) == (1, "")
    assert "no particle of ribosome is left of 3" in none.err
    assert Path("o.csv").read_text() == "mine"
    one = call("export", "particles", "-o", "a.mod", "--format", "imod", "-p", picked)
    assert one.code == 2
    assert "give a folder" in one.err


def test_into_a_set_leaves_out_what_is_there(call: Call, picked: Path) -> None:
    Path("more.csv").write_text("x,y,z\n30,30,0\n60,0,0\n-300,100,-50\n")
    said = call.well("import-particles", "more.csv", "--into", "ribosome", "--tomogram", "ts_1",
                     "--decision", "accepted", "-p", picked)  # fmt: skip
    assert said.out.splitlines() == [
        "took over 2 particles as ribosome",
        "left out 1 that are within 50 A of particles there",
    ]
    added = _particles(picked, "ribosome")[3:]
    assert _places(added) == [(60, 0, 0), (-300, 100, -50)]
    assert {p.decision for p in added} == {"accepted"}
    nowhere = call(
        "import-particles", "more.csv", "--into", "x", "--tomogram", "ts_1", "-p", picked
    )
    assert (nowhere.code, nowhere.out) == (2, "")
    assert "there is no particle set x; there are ribosome" in nowhere.err


def test_particles_far_outside_are_not_believed(call: Call, cells: Path) -> None:
    Path("p.csv").write_text("x,y,z\n900,0,0\n0,700,0\n1,2,3\n")
    said = call("import-particles", "p.csv", "--tomogram", "ts_1", "-p", cells)
    assert (said.code, said.out) == (1, "")
    assert "2 of the 3 particles of p.csv lie outside the tomogram" in said.err
    assert call.well("particles", "list", "--json", "-p", cells).json == []
    Path("p.csv").write_text("x,y,z\n900,0,0\n1,2,3\n")
    warned = call("import-particles", "p.csv", "--tomogram", "ts_1", "-p", cells)
    assert warned.code == 0
    assert "1 lie outside their tomogram" in warned.err


def test_what_a_file_counts_in_can_be_said(call: Call, cells: Path) -> None:
    row = ["0"] * 35
    row[19], row[23:26] = "1", ["51", "41", "11"]
    Path("p.tbl").write_text(" ".join(row) + "\n")
    call.well("import-particles", "p.tbl", "--tomogram", "ts_2", "-p", cells)
    assert _places(_particles(cells, "p")) == [(0, 0, -100)]
    call.well("import-particles", "p.tbl", "--tomogram", "ts_2", "--name", "q",
              "--tomogram-size", 90, 90, 30, "--tomogram-pixel-size", 5, "-p", cells)  # fmt: skip
    assert _places(_particles(cells, "q")) == [(25, -25, -25)]


def test_eman_projects_keep_what_else_they_know(call: Call, picked: Path) -> None:
    info = Path("eman/info/ts_1_info.json")
    info.parent.mkdir(parents=True)
    before: dict[str, Any] = {"apix_unbin": 2.0, "tlt_params": [[1, 2, 3]], "boxes_3d": []}
    info.write_text(json.dumps(before))
    call.well("export", "particles", "--format", "eman", "-o", "eman", "-p", picked)
    after = json.loads(info.read_text())
    assert after["tlt_params"] == [[1, 2, 3]]
    assert [box[:3] for box in after["boxes_3d"]] == [[0, 0, 0], [100, -50, 25]]
    assert after["class_list"] == {"0": {"name": "ribosome", "boxsize": 150}}
    info.write_text("{torn")
    said = call("export", "particles", "--format", "eman", "-o", "eman", "-p", picked)
    assert (said.code, said.out) == (1, "")
    assert "ts_1_info.json is no JSON file" in said.err
    assert info.read_text() == "{torn"


def _rejected(folder: Path, name: str) -> list[int]:
    return [i for i, p in enumerate(_particles(folder, name)) if p.decision == "rejected"]


@pytest.fixture
def crowd(call: Call, cells: Path) -> Path:
    """Ten particles along x in ts_1: 0 and 1 are doubles, 9 is at the edge."""
    x = [0, 20, 100, 150, 200, 250, 300, 350, 400, 480]
    rows = [f"ts_1,{value},0,0,{0.5 + value / 1000}" for value in x]
    Path("p.csv").write_text("\n".join(["tomogram,x,y,z,score", *rows, "ts_2,0,0,0,1"]) + "\n")
    call.well("import-particles", "p.csv", "--name", "crowd", "-p", cells)
    return cells


def test_cleaning_is_counted_then_done_then_undone(call: Call, crowd: Path) -> None:
    words = ("particles", "clean", "crowd", "--duplicates", 40, "--edge", 60, "-p", crowd)
    dry = call.well(*words, "--dry-run", "--json").json
    assert (dry["particles"], dry["rejected"]) == (11, 2)
    assert {key: n for key, n in dry["reasons"].items() if n} == {"edge": 1, "duplicate": 1}
    assert _rejected(crowd, "crowd") == []
    said = call.well(*words).out.splitlines()
    assert said[-2:] == [
        "2 of 11 particles of crowd are rejected now",
        "tomotui particles clean crowd --undo takes that back",
    ]
    assert _rejected(crowd, "crowd") == [0, 9]
    assert call.well(*words, "--json").json["rejected"] == 0
    back = call.well("particles", "clean", "crowd", "--undo", "--json", "-p", crowd).json
    assert back["restored"] == 2
    assert _rejected(crowd, "crowd") == []
    nothing = call("particles", "clean", "crowd", "--undo", "-p", crowd)
    assert (nothing.code, nothing.out) == (1, "")


def test_masks_gold_and_membranes_come_from_files(call: Call, crowd: Path) -> None:
    mask = np.zeros((40, 80, 100), dtype=np.float32)
    mask[:, :, 80:] = 1
    write_volume("ts_1_mask.mrc", mask, 10.0)
    write_volume("binned.mrc", mask[::2, ::2, ::2], 20.0)
    clean = ("particles", "clean", "crowd", "--json", "--dry-run", "-p", crowd)
    assert call.well(*clean, "--mask", "ts_1_mask.mrc").json["reasons"]["mask"] == 4
    binned = call.well(*clean, "--mask", "binned.mrc", "--on", "ts_1", "--mask-margin", 60)
    assert binned.json["reasons"]["mask"] == 5
    # A mask of the CryoET data portal is of the run that it lies in.
    place = Path("data/ts_1/Reconstructions/VoxelSpacing10.000/Annotations/100")
    place.mkdir(parents=True)
    write_volume(place / "carbon-1.0_segmentationmask.mrc", mask, 10.0)
    of_run = call.well(*clean, "--mask", place / "carbon-1.0_segmentationmask.mrc")
    assert of_run.json["reasons"]["mask"] == 4
    nameless = call(*clean, "--mask", "binned.mrc")
    assert (nameless.code, nameless.out) == (2, "")
    write_volume("ts_2.mrc", mask[:, :30], 10.0)
    other = call(*clean, "--mask", "ts_2.mrc")
    assert (other.code, other.out) == (1, "")
    assert "ts_2.mrc has 100 x 30 x 40 voxels of 10 A, the tomogram of ts_2 has" in other.err
    Path("gold.csv").write_text("tomogram,x,y,z\nts_1,0,0,90\n")
    gold = call.well(*clean, "--gold", "gold.csv", "--gold-distance", 100).json
    assert gold["reasons"]["gold"] == 2
    call.well("import-particles", "gold.csv", "--name", "wall", "-p", crowd)
    wall = call.well(*clean, "--membrane", "wall", "--membrane-distance", 100, 300).json
    # What has no membrane in its tomogram is left alone.
    assert wall["tomograms"]["ts_1"]["membrane"] == 6
    assert wall["tomograms"]["ts_2"]["membrane"] == 0


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ("", "say what to leave out"),
        ("--duplicates 0", "--duplicates 0: give Angstrom above zero"),
        ("--neighbours 90 20", "give the least, then the greatest"),
        ("--undo --edge 5", "--undo goes alone"),
        ("--gold nowhere.csv", "neither a particle set nor a file"),
        ("--edge 5 --on nope", "nope"),
    ],
)
def test_wrong_words_of_cleaning(call: Call, crowd: Path, words: str, named: str) -> None:
    said = call("particles", "clean", "crowd", *words.split(), "-p", crowd)
    assert (said.code, said.out) == (2, "")
    assert named in said.err
    assert _rejected(crowd, "crowd") == []


@pytest.mark.parametrize("command", ["list", "new", "clean", "curve"])
def test_every_command_of_the_group_helps(call: Call, command: str) -> None:
    said = call.well("particles", command, "--help")
    assert f"Example: tomotui particles {command}" in said.out
    lines = [line.strip("│ *") for line in said.out.splitlines() if line.startswith("│")]
    assert [one for one in lines if one.startswith("--") and len(one.split("  ")) == 1] == []


def test_filaments_from_a_model(call: Call, cells: Path) -> None:
    known = KnownTomogram("", (100, 80, 40), 10.0)
    lines = [[[-300, 0, 0], [0, 0, 0], [300.0, 0, 0]], [[0, -200, 50], [0, 200.0, 50]]]
    contours = tuple(known.voxels(np.array(line)) + FIRST_VOXEL for line in lines)
    write_imod_model("ts_1.mod", ImodModel((100, 80, 40), 10.0, (ImodObject("mt", contours),)))
    words = ("particles", "curve", "ts_1.mod", "--spacing", 80, "-p", cells)
    made = call.well(*words, "--name", "mt", "--json").json
    assert (made["contours"], made["particles"]) == (2, 8 + 6)
    found = _particles(cells, "mt")
    assert {p.source for p in found} == {"curve"}
    axes = matrices_of_angles(angles_of(found))[:, :, 2]
    np.testing.assert_allclose(axes[:8], np.tile([1, 0, 0], (8, 1)), atol=1e-6)
    np.testing.assert_allclose(axes[8:], np.tile([0, 1, 0], (6, 1)), atol=1e-6)
    again = call.well(*words, "--into", "mt").out.splitlines()
    assert again == [
        "made 0 particles of 2 contours in mt",
        "left out 14 that are within 1 A of particles there",
    ]
    one = ("particles", "curve", "ts_1.mod", "--spacing", 80, "--object", "actin", "-p", cells)
    nothing = call(*one, "--name", "b")
    assert (nothing.code, nothing.out) == (1, "")
    assert "has no contours of object actin; its objects with points are mt" in nothing.err


def test_membranes_from_contours_in_a_table(call: Call, cells: Path) -> None:
    rows = ["tomogram,object,contour,x,y,z"]
    for z in (-90, -45, 0, 45, 90):
        radius = (150**2 - z**2) ** 0.5
        for turn in np.arange(16) * np.pi / 8:
            x, y = radius * np.cos(turn) - 100, radius * np.sin(turn) + 50
            rows.append(f"ts_2,vesicle,{z},{x},{y},{z}")
    Path("v.csv").write_text("\n".join(rows) + "\n")
    words = ("particles", "curve", "v.csv", "--surface", "--spacing", 40, "--json", "-p", cells)
    made = call.well(*words).json
    assert made["particles"] == pytest.approx(0.8 * 2 * np.pi * 150 * 180 / 40**2, rel=0.2)
    found = _particles(cells, "v")
    outward = (np.array(_places(found)) - [-100, 50, 0]) / 150
    axes = matrices_of_angles(angles_of(found))[:, :, 2]
    assert (outward * axes).sum(axis=1).min() > 0.93
    assert {p.rot_deg for p in found} == {0}


@pytest.mark.parametrize(
    ("text", "words", "code", "named"),
    [
        ("x,y,z\n1,2,3\n", "--spacing 40", 1, "contour 1 of ts_1: a curve of 1 different points"),
        ("x,y,z\n1,2,3\n4,5,6\n", "--spacing 40 --surface", 1, "object 1 of ts_1: a surface of 2"),
        ("x,y,z\n1,2,z\n", "--spacing 40", 1, "p.csv, line 2: x, y and z are not numbers"),
        ("x,y\n1,2\n", "--spacing 40", 1, "p.csv, line 2: x, y and z are not numbers"),
        ("x,y,z\n", "--spacing 40", 1, "p.csv has no contours"),
        ("", "--spacing 0", 2, "--spacing 0: give Angstrom above zero"),
        ("", "--spacing 9 --ball 9", 2, "--ball: with --surface only"),
        ("", "--spacing 9 --surface --closed", 2, "for curves, not with --surface"),
    ],
)
def test_bad_contours(
    call: Call, cells: Path, text: str, words: str, code: int, named: str
) -> None:
    Path("p.csv").write_text(text)
    said = call("particles", "curve", "p.csv", "--tomogram", "ts_1", *words.split(), "-p", cells)
    assert (said.code, said.out) == (code, "")
    assert named in said.err
    assert call.well("particles", "list", "--json", "-p", cells).json == []

from __future__ import annotations

from pathlib import Path

import pytest

from tomotui.formats import FormatError
from tomotui.formats.particles_csv import read_particles_csv, write_particles_csv
from tomotui.records import Particle

HEADER = "tomogram,x,y,z,rot,tilt,psi,score,decision,class,half,source\n"


def _read(folder: Path, text: str, **options: str) -> list[Particle]:
    (folder / "p.csv").write_text(text)
    return read_particles_csv(folder / "p.csv", {"TS_1": "t1"}, **options)


def test_round_trip(tmp_path: Path) -> None:
    before = [
        Particle(uid="a", tomogram_uid="t1", x_angstrom=-1234.5, y_angstrom=0, z_angstrom=7.25),
        Particle(
            uid="b",
            tomogram_uid="t1",
            x_angstrom=1,
            y_angstrom=2,
            z_angstrom=3,
            rot_deg=-170.5,
            tilt_deg=90,
            psi_deg=0.125,
            score=0.875,
            decision="accepted",
            class_number=3,
            half=1,
            source="match",
        ),
    ]
    write_particles_csv(tmp_path / "p.csv", before, {"t1": "TS_1"})
    assert (tmp_path / "p.csv").read_text().splitlines()[0] == HEADER.strip()
    after = read_particles_csv(tmp_path / "p.csv", {"TS_1": "t1"})
    for a, b in zip(before, after, strict=True):
        assert b.model_dump(exclude={"uid"}) == a.model_dump(exclude={"uid"})


def test_few_columns(tmp_path: Path) -> None:
    (particle,) = _read(tmp_path, "x,y,z\n1,2,3\n", tomogram="TS_1")
    assert (particle.tomogram_uid, particle.z_angstrom, particle.decision) == ("t1", 3, "undecided")
    assert _read(tmp_path, HEADER) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEADER + "TS_2,1,2,3\n", r"p\.csv, line 2: the project has no tomogram 'TS_2'"),
        (HEADER + "TS_1,1,2,3\nTS_1,1,two,3\n", r"p\.csv, line 3: y is 'two', not a number"),
        (HEADER + "TS_1,1,2,3,,,,,perhaps\n", r"p\.csv, line 2: decision input should be"),
        (HEADER + "TS_1,1,nan,3\n", r"p\.csv, line 2: y is 'nan', not a number"),
        (HEADER + "TS_1,1,2,3,,,,,,1e30\n", r"p\.csv, line 2: class is '1e30', not a number"),
        (HEADER + "TS_1,1,2,3,,,,,,1.5\n", r"p\.csv, line 2: class is '1.5', not a number"),
        (HEADER + "TS_1,1,2,3,,,,,,,,magic\n", r"p\.csv, line 2: source input should be"),
        (HEADER + "TS_1,1,2,\n", r"p\.csv, line 2: z_angstrom field required"),
        ("tomogram,x,y\nTS_1,1,2\n", r"p\.csv has no column 'z'; the columns are tomogram,x,y,z"),
    ],
)
def test_bad_files(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        _read(tmp_path, text)
    with pytest.raises(FormatError, match="cannot be read"):
        read_particles_csv(tmp_path / "none.csv", {})

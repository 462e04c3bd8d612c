from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tomotui.formats import FormatError
from tomotui.formats.relion import read_relion
from tomotui.formats.relion_particles import read_relion_particles, write_relion_particles
from tomotui.formats.relion_subtomograms import write_optimisation_set
from tomotui.formats.relion_writing import write_relion
from tomotui.formats.star import read_star, write_star
from tomotui.geometry.tilt import TiltGeometry
from tomotui.records import Alignment, Ctf, Particle, Tilt, TiltCtf, TiltSeries

TILTS = (-6.0, -3.0, 0.0, 3.0, 6.0)
PROJECT = "interop/relion5_cets_skeleton/skeleton_project"


def _records() -> tuple[TiltSeries, Alignment, Ctf]:
    rng = np.random.default_rng(3)
    series = TiltSeries(
        name="TS_7",
        stack_path="stacks/TS_7.mrc",
        width_px=100,
        height_px=80,
        pixel_size_angstrom=5.0,
        amplitude_contrast=0.1,
        tilts=tuple(
            Tilt(index=i, nominal_tilt_deg=t, prior_dose_e_per_a2=3.0 * i, dose_e_per_a2=3.0)
            for i, t in enumerate(TILTS)
        ),
    )
    geometry = TiltGeometry.of(np.array(TILTS) + 1, 85.5, 0.7, rng.normal(0, 50, (5, 2)))
    tilts = list(geometry.to_tilt_alignments())
    tilts[1] = tilts[1].replace(excluded=True)
    fits = [
        TiltCtf(index=i, defocus_u_angstrom=3e4 + i, defocus_v_angstrom=2.9e4) for i in range(5)
    ]
    return (
        series,
        Alignment(series_uid=series.uid, tilts=tuple(tilts)),
        Ctf(series_uid=series.uid, tilts=tuple(fits), handedness=1),
    )


def _projected_as_relion_does(row: dict[str, float], p: np.ndarray) -> np.ndarray:
    """Rx, then Ry, then Rz, then the shift, as its source spells them out."""
    x, y, z = (np.deg2rad(row[f"rlnTomo{name}"]) for name in ("XTilt", "YTilt", "ZRot"))
    rx = [[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]]
    ry = [[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]]
    rz = [[np.cos(z), -np.sin(z), 0], [np.sin(z), np.cos(z), 0], [0, 0, 1]]
    shift = [row["rlnTomoXShiftAngst"], row["rlnTomoYShiftAngst"], 0]
    return np.array(rz) @ np.array(ry) @ np.array(rx) @ p + shift


def test_exported_rows_project_as_relion_does(tmp_path: Path) -> None:
    series, alignment, ctf = _records()
    write_relion(tmp_path / "job1", [(series, alignment, ctf)])
    rows = read_star(tmp_path / "job1/tilt_series/TS_7.star")["TS_7"]
    point = np.array([400.0, -250.0, 130.0])
    geometry = TiltGeometry.from_alignment(alignment, included_only=True)
    expected = geometry.project(point)[:, 0]
    for i in range(4):
        row = {name: rows[name][i] for name in rows if name.startswith("rlnTomo")}
        np.testing.assert_allclose(_projected_as_relion_does(row, point), expected[i], atol=1e-3)
    assert rows["rlnMicrographName"][1] == "000003@stacks/TS_7.mrc:mrcs"
    assert rows["rlnDefocusU"][1] == pytest.approx(30002)


def test_round_trip(tmp_path: Path) -> None:
    series, alignment, ctf = _records()
    path = write_relion(tmp_path / "job1", [(series, alignment, ctf)])
    (read,) = read_relion(path)
    assert (read.name, read.pixel_size_angstrom, read.amplitude_contrast) == ("TS_7", 5.0, 0.1)
    imported = read.alignment("s", TILTS)
    assert imported.warnings == ("tilts 1 are not in the RELION project: excluded",)
    before, after = alignment.included, imported.alignment.included
    assert [t.index for t in after] == [0, 2, 3, 4]
    for a, b in zip(before, after, strict=True):
        assert b.model_dump(exclude={"note"}) == pytest.approx(
            a.model_dump(exclude={"note"}), abs=1e-4
        )
    fits = read.ctf("s", TILTS)
    assert fits is not None
    assert fits.handedness == 1
    assert [t.index for t in fits.tilts] == [0, 2, 3, 4]
    assert fits.tilts[1].defocus_u_angstrom == pytest.approx(30002)


def test_rows_are_matched_to_the_stack_by_tilt(tmp_path: Path) -> None:
    path = write_relion(tmp_path / "job1", [_records()])
    stack = (0.0, 3.0, -3.0, 6.0, -6.0)
    aligned = read_relion(path)[0].alignment("s", stack).alignment
    assert [t.tilt_deg for t in aligned.included] == pytest.approx([1, 4, 7, -5])
    with pytest.raises(FormatError, match=r"its tilt of -6\.00 degrees has no image"):
        read_relion(path)[0].alignment("s", (0.0, 3.0, -3.0, 6.0, 9.0))


def test_an_optimisation_set_leads_to_the_series(tmp_path: Path) -> None:
    write_relion(tmp_path / "job1", [_records()])
    (tmp_path / "job2").mkdir()
    entrance = tmp_path / "job2" / "optimisation_set.star"
    write_optimisation_set(entrance, "job2/none.star", "job1/aligned_tilt_series.star")
    (read,) = read_relion(entrance)
    assert read.name == "TS_7"
    assert len(read.alignment("s", TILTS).alignment.included) == 4
    (tmp_path / "job1/aligned_tilt_series.star").unlink()
    with pytest.raises(FormatError, match=r"names job1/aligned_tilt_series\.star, which was not"):
        read_relion(entrance)


def test_bad_files(tmp_path: Path) -> None:
    series, alignment, ctf = _records()
    path = write_relion(tmp_path / "job1", [(series, alignment, ctf)])
    with pytest.raises(FormatError, match="has no tilt series 'TS_8'; it has TS_7"):
        read_relion(path, "TS_8")
    (tmp_path / "job1/tilt_series/TS_7.star").unlink()
    with pytest.raises(FormatError, match=r"names job1/tilt_series/TS_7\.star, which was"):
        read_relion(path)
    with pytest.raises(FormatError, match="does not exist"):
        read_relion(tmp_path / "none.star")
    write_star(tmp_path / "p.star", {"particles": {"rlnCoordinateX": [1.0]}})
    with pytest.raises(FormatError, match="has no column rlnTomoTiltSeriesStarFile"):
        read_relion(tmp_path / "p.star")


@pytest.mark.parametrize(
    "listing",
    [
        f"{PROJECT}/AlignTiltSeries/job005/aligned_tilt_series.star",
        f"{PROJECT}/Tomograms/job006/tomograms.star",
        "interop/tomobabel_relion/test_data/AlignTiltSeries/aligned_tilt_series.star",
    ],
)
def test_real_projects(shared_data: Path, listing: str) -> None:
    found = read_relion(shared_data / listing)
    assert [s.name for s in found] == ["TS_01", "TS_03", "TS_43", "TS_45", "TS_54"]
    first = found[0]
    aligned = first.alignment("s").alignment
    assert first.pixel_size_angstrom == pytest.approx(1.35)
    assert aligned.axis_deg == pytest.approx(85.27, abs=0.05)
    assert aligned.tilts[0].shift_y_angstrom == pytest.approx(108.499, abs=1e-3)
    assert [t.prior_dose_e_per_a2 for t in first.tilts()][:2] == [114, 105]
    fits = first.ctf("s")
    assert fits is not None
    assert fits.handedness == -1
    assert fits.tilts[0].defocus_u_angstrom == pytest.approx(39527.78, abs=0.1)


def test_unaligned_series_has_no_alignment(shared_data: Path) -> None:
    (first, *_) = read_relion(shared_data / PROJECT / "Import/job001/tilt_series.star")
    assert len(first.tilts()) == 41
    with pytest.raises(FormatError, match="has no rlnTomoYTilt"):
        first.alignment("s")


def _particle(**values: object) -> Particle:
    base = {"uid": "p", "tomogram_uid": "t1", "x_angstrom": 1, "y_angstrom": 2, "z_angstrom": 3}
    return Particle.model_validate(base | values)


def test_particle_round_trip(tmp_path: Path) -> None:
    before = [
        _particle(rot_deg=10, tilt_deg=20, psi_deg=-30, half=0, class_number=2, score=0.5),
        _particle(
            x_angstrom=-5.5, half=1, class_number=1, score=0.25, rot_deg=1, tilt_deg=2, psi_deg=3
        ),
    ]
    write_relion_particles(tmp_path / "p.star", before, {"t1": "TS_1"})
    after = read_relion_particles(tmp_path / "p.star", {"TS_1": "t1"})
    for a, b in zip(before, after, strict=True):
        assert b.model_dump(exclude={"uid"}) == a.model_dump(exclude={"uid"})


def test_pose_split_between_subtomogram_and_particle(tmp_path: Path) -> None:
    """The angles of a subtomogram alone and of a particle alone mean one thing."""
    angles = {"Rot": [35.0], "Tilt": [60.0], "Psi": [-20.0]}
    place = {f"rlnCenteredCoordinate{a}Angst": [100.0] for a in "XYZ"}
    split = {"rlnTomoName": ["TS_1"], **place}
    split |= {f"rlnTomoSubtomogram{k}": v for k, v in angles.items()}
    split |= {f"rlnAngle{k}": [0.0] for k in angles}
    split |= {f"rlnOrigin{a}Angst": [v] for a, v in zip("XYZ", (0.0, 0.0, 10.0), strict=True)}
    write_star(tmp_path / "p.star", {"particles": split})
    (particle,) = read_relion_particles(tmp_path / "p.star", {"TS_1": "t1"})
    assert (particle.rot_deg, particle.tilt_deg, particle.psi_deg) == pytest.approx((35, 60, -20))
    # The third column of RELION's matrix of the angles:
    psi, tilt = np.deg2rad(-20), np.deg2rad(60)
    third = np.array([-np.cos(psi) * np.sin(tilt), np.sin(psi) * np.sin(tilt), np.cos(tilt)])
    where = [particle.x_angstrom, particle.y_angstrom, particle.z_angstrom]
    np.testing.assert_allclose(where, 100 - 10 * third)


def test_particles_in_pixels_from_a_corner(tmp_path: Path) -> None:
    table = {"rlnTomoName": ["TS_1"], "rlnCoordinateX": [60.0], "rlnCoordinateY": [40.0]}
    write_star(tmp_path / "p.star", {"": table | {"rlnCoordinateZ": [5.0]}})
    with pytest.raises(FormatError, match="pixels from a corner"):
        read_relion_particles(tmp_path / "p.star", {"TS_1": "t1"})
    (particle,) = read_relion_particles(
        tmp_path / "p.star",
        {"TS_1": "t1"},
        corner_size_xyz=(100, 81, 20),
        corner_pixel_size_angstrom=10,
    )
    assert (particle.x_angstrom, particle.y_angstrom, particle.z_angstrom) == (100, 0, -50)


def test_particles_of_unknown_tomograms(shared_data: Path) -> None:
    path = shared_data / PROJECT / "Picks/job019/annotations/TS_01_particles.star"
    with pytest.raises(FormatError, match="particles of TS_01, which the project does not have"):
        read_relion_particles(path, {"TS_02": "t"})

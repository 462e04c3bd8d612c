"""RELION's optimisation set: the columns that its readers ask for, and the way back."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.formats.series_folders import Sample, make_sample
from tomotui.formats.alignments import read_alignment
from tomotui.formats.ctfs import read_ctf
from tomotui.formats.errors import FormatError
from tomotui.formats.relion import read_relion
from tomotui.formats.relion_particles import read_relion_particles
from tomotui.formats.relion_set import RelionEntry, write_relion_set
from tomotui.formats.relion_writing import RelionTomogram
from tomotui.formats.star import read_star
from tomotui.geometry.tilt import TiltGeometry
from tomotui.records import Particle

SHARED = Path(__file__).resolve().parents[3] / "shared/data/interop/relion5_cets_skeleton"


@pytest.fixture
def sample(tmp_path: Path) -> Sample:
    return make_sample(tmp_path / "raw")


def _particles(n: int) -> list[Particle]:
    return [
        Particle(
            uid=f"{i:016x}", tomogram_uid="t", x_angstrom=4.0 * i, y_angstrom=-7.0,
            z_angstrom=3.0, rot_deg=10.0, tilt_deg=40.0, psi_deg=-70.0,
        )
        for i in range(n)
    ]  # fmt: skip


def _write(folder: Path, sample: Sample, sets: dict[str, list[Particle]]) -> list[Path]:
    tomogram = RelionTomogram((24, 18, 12), binning=2.0, path="/data/t.mrc")
    entry = RelionEntry(sample.series, sample.stack, sample.alignment, sample.ctf, tomogram)
    return write_relion_set(folder, [entry], sets, {"t": "TS_1"})


def test_the_set_leads_to_everything(sample: Sample, tmp_path: Path) -> None:
    leader = _write(tmp_path / "project/job1", sample, {"ribosome": _particles(3)})[-1]
    assert leader.name == "optimisation_set.star"
    (entry,) = read_star(leader).values()
    assert entry["rlnTomoTomogramsFile"] == ["job1/tomograms.star"]
    found = read_relion_particles(leader, {"TS_1": "t"})
    assert [(p.x_angstrom, p.rot_deg) for p in found] == [
        (pytest.approx(4.0 * i), pytest.approx(10.0)) for i in range(3)
    ]
    nominal = [tilt.nominal_tilt_deg for tilt in sample.series.tilts]
    alignment = read_alignment(
        leader, series_uid="s", series_name="TS_1", image_size_px=(24, 17),
        pixel_size_angstrom=2.5, nominal_tilts_deg=nominal,
    ).alignment  # fmt: skip
    assert [tilt.excluded for tilt in alignment.tilts] == [False, True, False, False, False]
    one, other = (
        TiltGeometry.from_alignment(a, included_only=True) for a in (alignment, sample.alignment)
    )
    assert abs(one.shift_angstrom - other.shift_angstrom).max() < 1e-3
    ctf = read_ctf(leader, series_uid="s", series_name="TS_1", nominal_tilts_deg=nominal)
    assert ctf.tilts[4].defocus_u_angstrom == pytest.approx(30400.0)


def test_relion_finds_the_images_from_the_folder_above(sample: Sample, tmp_path: Path) -> None:
    _write(tmp_path / "project/job1", sample, {})
    rows = read_star(tmp_path / "project/job1/tilt_series/TS_1.star")["TS_1"]
    number, _, name = rows["rlnMicrographName"][1].partition("@")
    assert (number, name) == ("000003", "job1/stacks/TS_1.mrcs")
    assert (tmp_path / "project" / name).samefile(sample.stack)
    (leader,) = read_star(tmp_path / "project/job1/optimisation_set.star").values()
    assert "rlnTomoParticlesFile" not in leader


def test_several_sets_have_a_leader_each(sample: Sample, tmp_path: Path) -> None:
    written = _write(tmp_path / "job", sample, {"a": _particles(1), "b": _particles(2)})
    assert [path.name for path in written[-2:]] == [
        "optimisation_set_a.star", "optimisation_set_b.star"
    ]  # fmt: skip
    assert len(read_relion_particles(written[-1], {"TS_1": "t"})) == 2


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared test data are not beside this checkout")
def test_the_columns_are_those_of_relions_own_project(sample: Sample, tmp_path: Path) -> None:
    _write(tmp_path / "job", sample, {"a": _particles(1)})
    theirs = SHARED / "skeleton_project"
    tables = {
        "tomograms.star": theirs / "Tomograms/job006/tomograms.star",
        "tilt_series/TS_1.star": theirs / "Tomograms/job006/tilt_series/TS_01.star",
    }
    # What RELION itself fills in, and what only its own jobs know.
    optional = {
        "rlnEtomoDirectiveFile", "rlnTomoReconstructedTomogramHalf1",
        "rlnTomoReconstructedTomogramHalf2", "rlnTomoTiltMovieFrameCount",
        "rlnMicrographMovieName", "rlnMicrographMetadata", "rlnAccumMotionTotal",
        "rlnAccumMotionEarly", "rlnAccumMotionLate", "rlnCtfImage", "rlnCtfMaxResolution",
        "rlnCtfFigureOfMerit", "rlnCtfIceRingDensity", "rlnMicrographNameEven",
        "rlnMicrographNameOdd", "rlnCtfPowerSpectrum",
    }  # fmt: skip
    for ours, other in tables.items():
        (mine,) = read_star(tmp_path / "job" / ours).values()
        wanted = {name for columns in read_star(other).values() for name in columns}
        assert wanted - optional - mine.keys() == set(), ours
    # RELION's documentation asks for these of particles; its picks are in pixels from a corner.
    (mine,) = read_star(tmp_path / "job/particles.star").values()
    axes = [f"rlnCenteredCoordinate{axis}Angst" for axis in "XYZ"]
    angles = [f"rlnAngle{name}" for name in ("Rot", "Tilt", "Psi")]
    origins = [f"rlnOrigin{axis}Angst" for axis in "XYZ"]
    assert {"rlnTomoName", "rlnOpticsGroup", *axes, *angles, *origins} <= mine.keys()


@pytest.mark.parametrize("named", ["/etc/passwd", "../../etc/passwd", "../other/particles.star"])
def test_paths_of_other_files_are_not_followed(tmp_path: Path, named: str) -> None:
    leader = tmp_path / "optimisation_set.star"
    leader.write_text(
        f"data_\n\n_rlnTomoParticlesFile {named}\n_rlnTomoTomogramsFile {named}\n"
    )  # fmt: skip
    with pytest.raises(FormatError, match="no STAR file of a project; give the optimisation set"):
        read_relion_particles(leader, {"TS_1": "t"})
    with pytest.raises(FormatError, match="no STAR file of a project; give the list"):
        read_relion(leader)


def test_a_hand_that_is_no_number_is_refused(sample: Sample, tmp_path: Path) -> None:
    _write(tmp_path / "job", sample, {})
    path = tmp_path / "job/tomograms.star"
    path.write_text(path.read_text().replace("-1.000000", "inf"))
    with pytest.raises(FormatError, match=r"tomograms.star: rlnTomoHand is inf; correct it"):
        read_relion(path)

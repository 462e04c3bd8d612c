"""Data sets of the CryoET data portal: runs, points, and what is chosen where there are several."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.formats.series_folders import (
    Sample,
    assert_same_alignment,
    assert_same_ctf,
    imported,
    make_sample,
)
from tomotui.formats.errors import FormatError
from tomotui.formats.known_tomograms import KnownTomogram
from tomotui.formats.mrc import write_volume
from tomotui.formats.pairing import find_stacks
from tomotui.formats.particle_files import (
    ReadingWords,
    WritingWords,
    format_of,
    particle_writers,
    read_particles,
)
from tomotui.formats.portal_folder import PortalRun
from tomotui.formats.portal_writing import WrittenRun, write_portal_run
from tomotui.records import Particle

SPACING = "Reconstructions/VoxelSpacing5.000"


@pytest.fixture
def sample(tmp_path: Path) -> Sample:
    return make_sample(tmp_path / "raw")


@pytest.fixture
def known(tmp_path: Path) -> KnownTomogram:
    write_volume(tmp_path / "t.mrc", np.zeros((6, 9, 12), np.float32), 5.0)
    return KnownTomogram("t" * 16, (12, 9, 6), 5.0, path=str(tmp_path / "t.mrc"))


@pytest.fixture
def data_set(sample: Sample, known: KnownTomogram, tmp_path: Path) -> Path:
    run = WrittenRun(sample.series, sample.stack, sample.alignment, sample.ctf, known)
    write_portal_run(tmp_path / "10001", run)
    return tmp_path / "10001"


def _particles(known: KnownTomogram, n: int = 3, is_posed: bool = True) -> list[Particle]:
    angles = {"rot_deg": 10.0, "tilt_deg": 40.0, "psi_deg": -70.0} if is_posed else {}
    return [
        Particle(
            uid=f"{i:016x}", tomogram_uid=known.uid, x_angstrom=4.0 * i, y_angstrom=-7.0,
            z_angstrom=3.0, **angles,
        )
        for i in range(n)
    ]  # fmt: skip


def _write(root: Path, known: KnownTomogram, label: str, particles: list[Particle]) -> None:
    words = WritingWords(particles, {known.uid: "TS_1"}, {"TS_1": known}, label)
    for path, write in particle_writers(root, "portal", words).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path)


def test_a_run_comes_back_whole(data_set: Path, sample: Sample) -> None:
    for place in (data_set, data_set / "TS_1"):
        plan = imported(place)
        assert_same_alignment(plan, sample)
        assert_same_ctf(plan, sample)
        assert plan.name == "TS_1"
        assert plan.tomogram is not None
        assert plan.tomogram.size_xyz == (12, 9, 6)
        assert plan.facts["voltage_kv"].value == 200.0
        assert [tilt.dose_e_per_a2 for tilt in plan.tilts] == [3.0] * 5
        assert [tilt.acquisition_order for tilt in plan.tilts] == [3, 1, 0, 2, 4]


def test_the_tilts_may_be_in_the_metadata_alone(data_set: Path, sample: Sample) -> None:
    (data_set / "TS_1/TiltSeries/100/TS_1.rawtlt").unlink()
    plan = imported(data_set)
    assert plan.facts["tilts_deg"].source == "portal"
    assert_same_alignment(plan, sample)


def test_of_several_the_portals_own_are_taken(data_set: Path, sample: Sample) -> None:
    run = PortalRun(data_set / "TS_1")
    other = data_set / "TS_1/Alignments/101/alignment_metadata.json"
    other.parent.mkdir()
    whole = json.loads((data_set / "TS_1/Alignments/100/alignment_metadata.json").read_text())
    other.write_text(json.dumps(whole))
    assert run.alignment() == data_set / "TS_1/Alignments/100/alignment_metadata.json"
    other.write_text(json.dumps(whole | {"is_portal_standard": True}))
    assert run.alignment() == other
    second = data_set / "TS_1/TiltSeries/101"
    second.mkdir()
    (second / "TS_1.mrc").write_bytes(sample.stack.read_bytes())
    assert find_stacks([data_set]) == [data_set / "TS_1/TiltSeries/100/TS_1.mrc"]


def test_points_come_back_with_their_poses(data_set: Path, known: KnownTomogram) -> None:
    particles = _particles(known)
    _write(data_set, known, "cytosolic ribosome", particles)
    name = f"TS_1/{SPACING}/Annotations/100/cytosolic_ribosome-1.0_orientedpoint.ndjson"
    assert format_of(data_set) == format_of(data_set / name) == "portal"
    about = json.loads((data_set / name).with_name("cytosolic_ribosome-1.0.json").read_text())
    assert about["files"][0]["path"] == f"10001/{name}"
    for path in (data_set, data_set / "TS_1", data_set / name):
        found = read_particles(path, "portal", {"TS_1": known}, ReadingWords())
        for one, other in zip(found, particles, strict=True):
            for field in ("x", "y", "z"):
                assert getattr(one, f"{field}_angstrom") == pytest.approx(
                    getattr(other, f"{field}_angstrom"), abs=1e-3
                )
            assert (one.rot_deg, one.tilt_deg) == pytest.approx((10.0, 40.0), abs=1e-4)


def test_points_count_in_the_voxels_of_their_folder(data_set: Path, known: KnownTomogram) -> None:
    _write(data_set, known, "a", _particles(known, is_posed=False))
    # The project's tomogram has voxels of twice the size.
    coarser = KnownTomogram(known.uid, (6, 5, 3), 10.0)
    found = read_particles(data_set, "portal", {"TS_1": coarser}, ReadingWords())
    places = [(p.x_angstrom, p.y_angstrom, p.z_angstrom) for p in found]
    np.testing.assert_allclose(places, [(4.0 * i, -7.0, 3.0) for i in range(3)], atol=1e-4)
    assert found[0].rot_deg is None


def test_one_object_is_named_among_several(data_set: Path, known: KnownTomogram) -> None:
    _write(data_set, known, "a", _particles(known, 2))
    _write(data_set, known, "b c", _particles(known, 3))
    with pytest.raises(FormatError, match="has points of a, b_c; name one of them with --object"):
        read_particles(data_set, "portal", {"TS_1": known}, ReadingWords())
    words = ReadingWords(only="b c")
    assert len(read_particles(data_set, "portal", {"TS_1": known}, words)) == 3
    with pytest.raises(FormatError, match="runs such as TS_1, none of which is in the project"):
        read_particles(data_set, "portal", {"other": known}, words)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"type": "point"}', "line 1: no point with a location; give an .ndjson"),
        ("[1, 2", "line 1: no point with a location"),
        ('{"location": {"x": 1, "y": NaN, "z": 1}}', "line 1: no point with a location"),
        (
            '{"location": {"x": 1, "y": 1, "z": 1}, "xyz_rotation_matrix": '
            "[[2, 0, 0], [0, 1, 0], [0, 0, 1]]}",
            "the matrix of point 1 is no rotation",
        ),
    ],
)
def test_bad_points(tmp_path: Path, known: KnownTomogram, line: str, words: str) -> None:
    path = tmp_path / "a-1.0_point.ndjson"
    path.write_text(line)
    with pytest.raises(FormatError, match=words) as error:
        read_particles(path, "portal", {"TS_1": known}, ReadingWords("TS_1"))
    assert str(path) in str(error.value)


def test_runs_without_a_tilt_series_are_refused_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "10001/run" / SPACING).mkdir(parents=True)
    with pytest.raises(FormatError, match=r"10001 has runs .* no tilt series in them; fetch"):
        find_stacks([tmp_path / "10001"])


def test_bad_metadata_are_refused_by_name(data_set: Path) -> None:
    path = data_set / "TS_1/TiltSeries/100/tiltseries_metadata.json"
    whole = json.loads(path.read_text())
    cases = (
        ({"pixel_spacing": "two"}, "pixel_spacing is 'two'; give a number there"),
        ({"per_section_parameter": [{"z_index": 1}]}, "z_index of its 1 images are not 0, 1"),
    )
    from tomotui.formats.understanding import understand

    for change, words in cases:
        path.write_text(json.dumps(whole | change))
        plan = understand(data_set / "TS_1/TiltSeries/100/TS_1.mrc")
        assert any(words in text and str(path) in text for text in plan.problems), plan.problems

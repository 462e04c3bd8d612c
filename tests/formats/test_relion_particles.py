"""What particle files of RELION 4, RELION 5 and programs beside them mean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tomotui.formats import FormatError
from tomotui.formats.known_tomograms import angles_of, positions_of
from tomotui.formats.relion_particles import read_relion_particles
from tomotui.formats.star import write_star
from tomotui.geometry.poses import matrices_of_angles

UIDS = {"TS_1": "t1", "TS_2": "t2"}
CENTRED = {f"rlnCenteredCoordinate{axis}Angst": [10.0, -20.0] for axis in "XYZ"}


def _write(path: Path, **columns: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_star(path, {"particles": columns})
    return path


def test_names_may_be_dressed(tmp_path: Path) -> None:
    path = _write(tmp_path / "p.star", rlnTomoName=["rec_TS_1", "TS_2.mrc"], **CENTRED)
    assert [p.tomogram_uid for p in read_relion_particles(path, UIDS)] == ["t1", "t2"]
    path = _write(tmp_path / "q.star", rlnMicrographName=["a", "a"], **CENTRED)
    found = read_relion_particles(path, UIDS, tomogram="TS_2")
    assert [p.tomogram_uid for p in found] == ["t2", "t2"]
    path = _write(tmp_path / "q.star", rlnMicrographName=["a", "b"], **CENTRED)
    with pytest.raises(FormatError, match="is of 2 tomograms; leave --tomogram out"):
        read_relion_particles(path, UIDS, tomogram="TS_2")
    nameless = read_relion_particles(_write(tmp_path / "s.star", **CENTRED), UIDS, tomogram="TS_2")
    assert [p.x_angstrom for p in nameless] == [10, -20]
    bare = {f"rlnCoordinate{axis}": [1.0] for axis in "XYZ"}
    with pytest.raises(FormatError, match="no column rlnTomoName; name the tomogram"):
        read_relion_particles(_write(tmp_path / "r.star", **bare), UIDS)


def test_an_optimisation_set_tells_what_pixels_count_in(tmp_path: Path) -> None:
    corner = {"rlnCoordinateX": [60.0], "rlnCoordinateY": [40.0], "rlnCoordinateZ": [5.0]}
    angles = {"rlnAngleRot": [10.0], "rlnAngleTilt": [20.0], "rlnAnglePsi": [30.0]}
    origin = {
        f"rlnOrigin{axis}Angst": [value] for axis, value in zip("XYZ", (1, 2, 3), strict=True)
    }
    _write(tmp_path / "Extract/p.star", rlnTomoName=["TS_1"], **corner, **angles, **origin)
    sizes = {"rlnTomoSizeX": [100], "rlnTomoSizeY": [81], "rlnTomoSizeZ": [20]}
    _write(
        tmp_path / "Import/tomograms.star",
        rlnTomoName=["TS_1"],
        rlnTomoTiltSeriesPixelSize=[10.0],
        **sizes,
    )
    (tmp_path / "Extract/set.star").write_text(
        "data_\n\n_rlnTomoParticlesFile Extract/p.star\n"
        "_rlnTomoTomogramsFile Import/tomograms.star\n"
    )
    (particle,) = read_relion_particles(tmp_path / "Extract/set.star", UIDS)
    np.testing.assert_allclose(positions_of([particle]), [[99, -2, -53]])
    assert (particle.rot_deg, particle.tilt_deg, particle.psi_deg) == (10, 20, 30)
    with pytest.raises(FormatError, match="--tomogram-size and --tomogram-pixel-size"):
        read_relion_particles(tmp_path / "Extract/p.star", UIDS)
    (tmp_path / "Import/tomograms.star").unlink()
    with pytest.raises(FormatError, match=r"names Import/tomograms\.star, which is in no folder"):
        read_relion_particles(tmp_path / "Extract/set.star", UIDS)


def test_the_pose_of_a_particle_in_a_turned_subtomogram(tmp_path: Path) -> None:
    """RELION: A = A_subtomogram A_particle, position = coordinate - A_subtomogram origin."""
    sub, own = (25.0, 40.0, -70.0), (100.0, 15.0, 5.0)
    columns: dict[str, Any] = {"rlnTomoName": ["TS_1"]}
    columns |= {f"rlnCenteredCoordinate{axis}Angst": [50.0] for axis in "XYZ"}
    columns |= {f"rlnOrigin{axis}Angst": [v] for axis, v in zip("XYZ", (4, -6, 8), strict=True)}
    for name, angles in {"TomoSubtomogram": sub, "Angle": own}.items():
        columns |= {
            f"rln{name}{k}": [v] for k, v in zip(("Rot", "Tilt", "Psi"), angles, strict=True)
        }
    (found,) = read_relion_particles(_write(tmp_path / "p.star", **columns), UIDS)
    first, second = matrices_of_angles([sub, own])
    np.testing.assert_allclose(matrices_of_angles(angles_of([found]))[0], first @ second, atol=1e-9)
    np.testing.assert_allclose(positions_of([found])[0], 50 - first @ [4, -6, 8])


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("rlnCenteredCoordinateYAngst", [1.0, np.nan], "position of particle 2 is no usable"),
        ("rlnCenteredCoordinateYAngst", ["a", "b"], "holds no numbers"),
        ("rlnClassNumber", [1.5, 1], "class of particle 1 is 1.5"),
        ("rlnClassNumber", ["a", "b"], "class of particle 1 is a"),
        ("rlnRandomSubset", ["a", "b"], "rlnRandomSubset is 'a'"),
    ],
)
def test_bad_columns(tmp_path: Path, column: str, values: list[Any], message: str) -> None:
    columns = {"rlnTomoName": ["TS_1", "TS_1"], **CENTRED, column: values}
    with pytest.raises(FormatError, match=message):
        read_relion_particles(_write(tmp_path / "p.star", **columns), UIDS)


def test_a_real_list_of_picks(shared_data: Path) -> None:
    """Picked in tomograms of 4000 x 4000 x 2000 pixels of 1.35 A that were binned to 10 A."""
    project = shared_data / "interop/relion5_cets_skeleton/skeleton_project"
    path = project / "Picks/job019/annotations/TS_01_particles.star"
    if not path.is_file():
        pytest.skip("the shared data are not here")
    found = read_relion_particles(
        path,
        {"TS_01": "t"},
        corner_size_xyz=(540, 540, 270),
        corner_pixel_size_angstrom=10.0,
    )
    first = (np.array([447.650691, 174.930685, 248.530149]) - [270, 270, 135]) * 10
    np.testing.assert_allclose(positions_of(found[:1])[0], first)

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tomotui.formats.mrc import read_header, read_volume
from tomotui.formats.relion import read_relion
from tomotui.formats.relion_particles import read_relion_particles
from tomotui.formats.relion_subtomograms import (
    Extracted,
    Sampling,
    write_optimisation_set,
    write_subtomograms,
    write_weights,
)
from tomotui.formats.relion_writing import RelionTomogram, write_relion
from tomotui.formats.star import read_star
from tomotui.records import Alignment, Particle, Tilt, TiltAlignment, TiltSeries

SAMPLING = Sampling(4, 64, True)


def series(name: str, pixel_size_angstrom: float = 1.5) -> TiltSeries:
    return TiltSeries(
        name=name,
        stack_path=f"{name}.mrc",
        width_px=100,
        height_px=100,
        pixel_size_angstrom=pixel_size_angstrom,
        tilts=tuple(Tilt(index=i, nominal_tilt_deg=float(i)) for i in range(3)),
    )


def extracted(uid: str, tomogram: str, weights: str = "") -> Extracted:
    particle = Particle(
        uid=uid,
        tomogram_uid=tomogram,
        x_angstrom=10.0,
        y_angstrom=-20.0,
        z_angstrom=30.0,
        rot_deg=10.0,
        tilt_deg=50.0,
        psi_deg=-70.0,
    )
    return Extracted(particle, np.array([True, False, True]), f"e/{uid}.mrc", weights)


def test_stacks_say_which_tilts_they_hold(tmp_path: Path) -> None:
    found = [extracted("p1", "a"), extracted("p2", "b"), extracted("p3", "a")]
    path = tmp_path / "particles.star"
    write_subtomograms(path, found, {"a": series("TS_1"), "b": series("TS_2", 2.0)}, SAMPLING)
    blocks = read_star(path)
    assert blocks["general"]["rlnTomoSubTomosAre2DStacks"] == [1]
    assert blocks["optics"]["rlnImagePixelSize"] == [6.0, 8.0]
    assert blocks["optics"]["rlnImageDimensionality"] == [2, 2]
    particles = blocks["particles"]
    assert particles["rlnTomoVisibleFrames"] == ["[1,0,1]"] * 3
    assert particles["rlnOpticsGroup"] == [1, 2, 1]
    assert particles["rlnTomoParticleName"] == ["TS_1/p1", "TS_2/p2", "TS_1/p3"]
    assert "rlnCtfImage" not in particles
    # RELION reads plain values where a table has one row.
    assert "_rlnTomoSubTomosAre2DStacks\t" in path.read_text().replace("\t\t\t", "\t")


@pytest.mark.parametrize("are_turned", [False, True])
def test_volumes_keep_the_pose_whoever_carries_it(tmp_path: Path, are_turned: bool) -> None:
    path = tmp_path / "particles.star"
    found = [extracted("p1", "a", "e/p1_weights.mrc")]
    write_subtomograms(path, found, {"a": series("TS_1")}, SAMPLING, are_turned)
    blocks = read_star(path)
    assert blocks["general"]["rlnTomoSubTomosAre2DStacks"] == [0]
    assert blocks["optics"]["rlnImageDimensionality"] == [3]
    assert blocks["particles"]["rlnCtfImage"] == ["e/p1_weights.mrc"]
    assert ("rlnTomoSubtomogramRot" in blocks["particles"]) == are_turned
    (back,) = read_relion_particles(path, {"TS_1": "a"})
    assert (back.rot_deg, back.tilt_deg, back.psi_deg) == pytest.approx((10, 50, -70), abs=1e-4)
    assert (back.x_angstrom, back.y_angstrom, back.z_angstrom) == (10, -20, 30)


def test_weights_lie_behind_each_other(tmp_path: Path) -> None:
    squared, count = np.ones((8, 8, 5)), np.full((8, 8, 5), 3.0)
    write_weights(tmp_path / "w.mrc", squared, count, 4.0)
    values, _ = read_volume(tmp_path / "w.mrc")
    assert values.shape == (16, 8, 5)
    assert (values[:8] == 1).all()
    assert (values[8:] == 3).all()
    assert read_header(tmp_path / "w.mrc").pixel_size_angstrom == pytest.approx(0.25)


def test_an_optimisation_set_leads_to_the_particles(tmp_path: Path) -> None:
    folder = tmp_path / "job"
    folder.mkdir()
    found = [extracted("p1", "a")]
    write_subtomograms(folder / "particles.star", found, {"a": series("TS_1")}, SAMPLING)
    still = {"axis_deg": 5.0, "shift_x_angstrom": 0.0, "shift_y_angstrom": 0.0}
    tilts = tuple(TiltAlignment(index=i, tilt_deg=float(i), **still) for i in range(3))
    alignment = Alignment(series_uid="s", tilts=tilts)
    tomogram = RelionTomogram((400, 300, 200), {0: 1.0, 1: 0.9, 2: 0.8}, {0: 1.5, 1: 4.5, 2: 7.5})
    write_relion(
        folder, [(series("TS_1"), alignment, None)], tomograms={"TS_1": tomogram}, named_from="job"
    )
    entrance = folder / "optimisation_set.star"
    write_optimisation_set(entrance, "job/particles.star", "job/aligned_tilt_series.star")
    (particle,) = read_relion_particles(entrance, {"TS_1": "a"})
    assert particle.z_angstrom == 30
    (one,) = read_relion(folder / "aligned_tilt_series.star", project_folder=tmp_path)
    assert one.rows["rlnCtfScalefactor"] == [1.0, 0.9, 0.8]
    assert one.rows["rlnMicrographPreExposure"] == [1.5, 4.5, 7.5]
    sizes = read_star(folder / "aligned_tilt_series.star")["global"]
    assert [sizes[f"rlnTomoSize{axis}"] for axis in "XYZ"] == [[400], [300], [200]]

"""The page of conventions says what the formats do: its one example, written by each of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tomotui.formats import conventions as page
from tomotui.formats.aretomo import read_aln_file, write_aln
from tomotui.formats.aretomo_folder import write_aretomo_folder
from tomotui.formats.etomo_writing import write_etomo
from tomotui.formats.imod import write_imod
from tomotui.formats.imod_model import read_imod_model
from tomotui.formats.known_tomograms import KnownTomogram
from tomotui.formats.particle_files import WritingWords, particle_writers
from tomotui.formats.portal import write_portal_alignment
from tomotui.formats.portal_series import write_series_metadata
from tomotui.formats.relion_set import RelionEntry, write_relion_set
from tomotui.formats.relion_writing import RelionTomogram, write_relion
from tomotui.formats.star import read_star
from tomotui.formats.warp import read_warp
from tomotui.formats.warp_writing import write_warp
from tomotui.geometry.poses import matrices_of_angles
from tomotui.records import Alignment, Tilt, TiltSeries

IMAGES = {"image_size_px": page.IMAGE_SIZE_PX, "pixel_size_angstrom": page.PIXEL_SIZE_ANGSTROM}
POINT = (page.PARTICLE.x_angstrom, page.PARTICLE.y_angstrom, page.PARTICLE.z_angstrom)


def _example(program: str) -> dict[str, tuple[float, ...]]:
    (found,) = [one for one in page.OTHERS if one.program.startswith(program)]
    return found.example


def _alignment() -> Alignment:
    return Alignment(series_uid="s", tilts=page.GEOMETRY.to_tilt_alignments())


def _tomogram() -> KnownTomogram:
    return KnownTomogram(
        page.PARTICLE.tomogram_uid,
        page.TOMOGRAM_SIZE_XYZ,
        page.VOXEL_SIZE_ANGSTROM,
        path="TS_1.mrc",
        unbinned_angstrom=page.PIXEL_SIZE_ANGSTROM,
    )


def _written(folder: Path, kind: str, name: str = "TS_1") -> Path:
    words = WritingWords(
        [page.PARTICLE], {page.PARTICLE.tomogram_uid: name}, {name: _tomogram()}, "ribosome"
    )
    for path, write in particle_writers(folder, kind, words).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path)
    return path


def test_the_example_in_our_own_words() -> None:
    x, y, depth = page.GEOMETRY.project(POINT)[0, 0]
    assert (x, y) == pytest.approx(page.IMAGE_PLACE_ANGSTROM, abs=1e-3)
    assert depth == pytest.approx(page.DEPTH_ANGSTROM, abs=1e-3)
    middle = np.array(page.IMAGE_SIZE_PX) // 2
    pixel = np.array([x, y]) / page.PIXEL_SIZE_ANGSTROM + middle
    np.testing.assert_allclose(pixel, page.IMAGE_PLACE_PX, atol=1e-3)
    np.testing.assert_allclose(_tomogram().voxels(POINT)[0], page.VOXEL)
    angles = (page.PARTICLE.rot_deg, page.PARTICLE.tilt_deg, page.PARTICLE.psi_deg)
    np.testing.assert_allclose(matrices_of_angles([angles])[0], page.POSE, atol=1e-4)


def test_the_example_as_alignments(tmp_path: Path) -> None:
    alignment = _alignment()
    xf = np.loadtxt(write_imod(alignment, tmp_path / "a", **IMAGES)[0])
    imod = _example("IMOD .xf")
    np.testing.assert_allclose(xf[:4], imod["A11 A12 A21 A22"], atol=1e-4)
    np.testing.assert_allclose(xf[4:], imod["DX DY"], atol=1e-3)

    write_aln(alignment, tmp_path / "a.aln", **IMAGES)
    row, aretomo = read_aln_file(tmp_path / "a.aln").rows[0], _example("AreTomo 1")
    found = (row[1], *row[3:5], row[9])
    assert found == (*aretomo["ROT"], *aretomo["TX TY"], *aretomo["TILT"])

    write_warp(alignment, tmp_path / "a.xml", **IMAGES)
    series, warp = read_warp(tmp_path / "a.xml"), _example("Warp")
    assert (*series.angles_deg, *series.axis_deg) == (*warp["Angles"], *warp["AxisAngle"])
    assert tuple(series.offset_angstrom[0]) == warp["AxisOffsetX Y"]

    write_portal_alignment(alignment, tmp_path / "a.json", **IMAGES)
    (section,) = json.loads((tmp_path / "a.json").read_text())["per_section_alignment_parameters"]
    portal = _example("CryoET data portal al")
    found = (section["x_offset"], section["y_offset"], section["tilt_angle"])
    assert found == pytest.approx((*portal["x_offset y_offset"], *portal["tilt_angle"]))

    width, height = page.IMAGE_SIZE_PX
    record = TiltSeries(
        name="a",
        stack_path="a.mrc",
        width_px=width,
        height_px=height,
        pixel_size_angstrom=page.PIXEL_SIZE_ANGSTROM,
        tilts=(Tilt(index=0, nominal_tilt_deg=30.0),),
    )
    write_relion(tmp_path / "r", [(record, alignment, None)])
    rows, relion = read_star(tmp_path / "r/tilt_series/a.star")["a"], _example("RELION 5 tilt")
    assert len(relion) == 2
    for names, values in relion.items():
        for name, value in zip(names.split(), values, strict=True):
            assert rows[f"rlnTomo{name}"] == [pytest.approx(value)]


def test_the_example_as_particles(tmp_path: Path) -> None:
    rows = read_star(_written(tmp_path / "p.star", "relion"))["particles"]
    relion = _example("RELION particles")
    places = [rows[f"rlnCenteredCoordinate{axis}Angst"][0] for axis in "XYZ"]
    assert tuple(places) == relion["Angst"]
    angles = [rows[f"rlnAngle{name}"][0] for name in ("Rot", "Tilt", "Psi")]
    assert tuple(angles) == relion["Rot Tilt Psi"]

    _written(tmp_path / "d.tbl", "dynamo")
    row, dynamo = np.loadtxt(tmp_path / "d.tbl"), _example("Dynamo")
    assert tuple(row[23:26]) == dynamo["x y z"]
    assert tuple(row[6:9]) == dynamo["tdrot tilt narot"]

    eman = json.loads(_written(tmp_path / "eman", "eman").read_text())
    assert tuple(eman["boxes_3d"][0][:3]) == _example("EMAN2")["x y z"]
    copick = json.loads(_written(tmp_path / "copick", "copick").read_text())
    assert tuple(copick["points"][0]["location"].values()) == _example("copick")["location"]
    np.testing.assert_allclose(
        np.array(copick["points"][0]["transformation_"])[:3, :3], page.POSE, atol=1e-4
    )
    model = read_imod_model(_written(tmp_path / "imod", "imod"))
    (point,) = model.objects[0].contours[0]
    assert tuple(point) == pytest.approx(_example("IMOD .mod")["x y z"])


def test_the_example_as_folders(tmp_path: Path) -> None:
    alignment = _alignment()
    width, height = page.IMAGE_SIZE_PX
    stack = tmp_path / "raw.mrc"
    stack.touch()
    tilt = Tilt(
        index=0, nominal_tilt_deg=30.0, dose_e_per_a2=3.0, prior_dose_e_per_a2=0.0,
        acquisition_order=0,
    )  # fmt: skip
    record = TiltSeries(
        name="a", stack_path=str(stack), width_px=width, height_px=height,
        pixel_size_angstrom=page.PIXEL_SIZE_ANGSTROM, tilts=(tilt,),
    )  # fmt: skip
    write_etomo(tmp_path / "e", record, alignment, stack=stack, thickness_px=400)
    edf = dict(line.split("=") for line in (tmp_path / "e/a.edf").read_text().splitlines())
    for name, values in _example("etomo").items():
        assert (float(edf[name]),) == values

    write_aretomo_folder(tmp_path / "t", record, alignment, stack=stack, thickness_px=400)
    assert tuple(np.loadtxt(tmp_path / "t/a_TLT.txt")) == _example("AreTomo 2")["TLT"]

    known = _tomogram()
    tomogram = RelionTomogram(tuple(round(n * 4) for n in known.size_xyz))
    write_relion_set(
        tmp_path / "r", [RelionEntry(record, stack, alignment, None, tomogram)], {}, {}
    )
    relion = _example("RELION 5 optimisation set")
    table = read_star(tmp_path / "r/tomograms.star")["global"]
    sizes = tuple(table[f"rlnTomoSize{axis}"][0] for axis in "XYZ")
    assert sizes == relion["SizeX SizeY SizeZ"]
    (rows,) = read_star(tmp_path / "r/tilt_series/a.star").values()
    assert rows["rlnCtfScalefactor"] == [pytest.approx(relion["CtfScalefactor"][0], abs=1e-6)]

    portal = _example("CryoET data portal folders")
    points = next(p for p in (_written(tmp_path / "p", "portal").parent).glob("*.ndjson"))
    point = json.loads(points.read_text())
    assert tuple(point["location"].values()) == portal["location"]
    np.testing.assert_allclose(point["xyz_rotation_matrix"], page.POSE, atol=1e-4)
    write_series_metadata(tmp_path / "m.json", record)
    voltage = json.loads((tmp_path / "m.json").read_text())["acceleration_voltage"]
    assert (voltage,) == portal["acceleration_voltage"]


def test_the_page_tells_of_every_program() -> None:
    text = page.conventions()
    for word in (
        "IMOD", "etomo", "AreTomo", "RELION", "Warp", "CryoET", "Dynamo", "EMAN2", "copick",
        "ChimeraX",
    ):  # fmt: skip
        assert f"\n{word}" in text
    assert "The example: Angles = -30; AxisAngle = 85; AxisOffsetX Y = 12, -9.25." in text

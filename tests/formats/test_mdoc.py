from __future__ import annotations

from pathlib import Path

import mdocfile
import numpy as np
import pytest

from tomotui.formats import FormatError
from tomotui.formats.mdoc import exposure, read_mdoc
from tomotui.formats.mdoc_writing import write_mdoc
from tomotui.records import Tilt, TiltSeries

HEADER = """PixelSpacing = 5.4
Voltage = 200
ImageFile = TS.mrc
ImageSize = 924 958

[T = SerialEM: Digitized on EMBL Krios   30-Nov-15  15:14:20 ]

[T =     Tilt axis angle = 85.3, binning = 4  spot = 8  camera = 2]
"""
TIMES = ["30-Nov-15  15:23:00", "30-Nov-15  15:21:00", "2015-11-30 15:22:00"]


def _mdoc(folder: Path, *sections: str, header: str = HEADER) -> Path:
    blocks = [f"[ZValue = {i}]\n{text}\n" for i, text in enumerate(sections)]
    path = folder / "TS.mrc.mdoc"
    path.write_text(header + "\n" + "\n".join(blocks))
    return path


def test_fields_in_any_order(tmp_path: Path) -> None:
    path = _mdoc(
        tmp_path,
        "TargetDefocus = -4\nUnknown = a = b\nTiltAngle = -3.01\nDividedBy2 = maybe\n"
        "SubFramePath = D:\\frames\\a [1].tif\nExposureDose = 2.5\nRotationAngle = 175.3",
        "ExposureDose = 2.5\nTiltAngle = 0.0",
    )
    mdoc = read_mdoc(path)
    first = mdoc.sections[0]
    assert (first.tilt_deg, first.dose_e_per_a2) == (-3.01, 2.5)
    assert first.target_defocus_angstrom == pytest.approx(40000)
    assert first.sub_frame_path == "D:\\frames\\a [1].tif"
    assert mdoc.tilt_axis_deg == pytest.approx(85.3)
    assert (mdoc.pixel_size_angstrom, mdoc.voltage_kv) == (5.4, 200)
    assert (mdoc.image_file, mdoc.image_size_px) == ("TS.mrc", (924, 958))
    assert mdoc.warnings() == []


def test_sections_are_put_in_the_order_of_the_stack(tmp_path: Path) -> None:
    path = tmp_path / "a.mdoc"
    path.write_text("[ZValue = 1]\nTiltAngle = 3\n[ZValue = 0]\nTiltAngle = 0\n")
    assert [s.tilt_deg for s in read_mdoc(path).sections] == [0, 3]


def test_order_by_time_and_summed_dose(tmp_path: Path) -> None:
    sections = [
        f"TiltAngle = {i}\nExposureDose = {i + 1}\nDateTime = {time}"
        for i, time in enumerate(TIMES)
    ]
    known = exposure(read_mdoc(_mdoc(tmp_path, *sections)).sections)
    assert (known.order, known.order_from) == ((2, 0, 1), "DateTime")
    assert known.prior_dose_e_per_a2 == pytest.approx((5.0, 0.0, 2.0))


def test_order_by_prior_dose(tmp_path: Path) -> None:
    sections = [f"TiltAngle = {i}\nPriorRecordDose = {p}" for i, p in enumerate((6, 0, 3))]
    known = exposure(read_mdoc(_mdoc(tmp_path, *sections)).sections)
    assert (known.order, known.order_from) == ((2, 0, 1), "PriorRecordDose")
    assert known.prior_dose_e_per_a2 == (6, 0, 3)
    assert known.dose_e_per_a2 == (3, 3, 3)


def test_order_of_the_stack_as_a_last_resort(tmp_path: Path) -> None:
    known = exposure(read_mdoc(_mdoc(tmp_path, "TiltAngle = 0", "TiltAngle = 3")).sections)
    assert (known.order, known.order_from) == ((0, 1), "ZValue")
    assert known.prior_dose_e_per_a2 == (None, None)


def test_given_dose_replaces_the_recorded_one(tmp_path: Path) -> None:
    sections = [f"TiltAngle = {i}\nPriorRecordDose = {p}" for i, p in enumerate((6, 0, 3))]
    known = exposure(read_mdoc(_mdoc(tmp_path, *sections)).sections, dose_e_per_a2=2.0)
    assert known.dose_e_per_a2 == (2, 2, 2)
    assert known.prior_dose_e_per_a2 == (4, 0, 2)


def test_rotation_angle_without_a_title(tmp_path: Path) -> None:
    section = "TiltAngle = 0\nRotationAngle = 178.4"
    serialem = read_mdoc(_mdoc(tmp_path, section, header="T = SerialEM: Krios = here\n"))
    assert serialem.tilt_axis_deg == pytest.approx(88.4)
    other = read_mdoc(_mdoc(tmp_path, section, header="[T = TOMO5]\n"))
    assert other.tilt_axis_deg == pytest.approx(178.4)


def test_warnings(tmp_path: Path) -> None:
    mdoc = read_mdoc(_mdoc(tmp_path, "TiltAngle = 0\nExposureDose = 0\nRotationAngle = 40"))
    dose, axis = mdoc.warnings()
    assert "no dose" in dose
    assert "85.3" in axis
    assert "40" in axis
    mdoc = read_mdoc(_mdoc(tmp_path, "ExposureDose = 2", "TiltAngle = 1", header=""))
    assert mdoc.warnings() == [
        "the mdoc gives no dose for sections 1",
        "the mdoc gives no tilt axis: it will be searched for",
    ]


def test_bad_files(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"TS\.mrc\.mdoc has TiltAngle = steep"):
        read_mdoc(_mdoc(tmp_path, "TiltAngle = steep"))
    with pytest.raises(FormatError, match="has no sections"):
        read_mdoc(_mdoc(tmp_path))
    with pytest.raises(FormatError, match="does not exist"):
        read_mdoc(tmp_path / "none.mdoc")


def test_impossible_time_is_no_time(tmp_path: Path) -> None:
    mdoc = read_mdoc(_mdoc(tmp_path, "TiltAngle = 0\nDateTime = 99-Foo-15 10:10:10"))
    assert mdoc.sections[0].acquired_at is None


def test_round_trip_of_a_written_mdoc(tmp_path: Path) -> None:
    order = (3, 1, 0, 2)
    series = TiltSeries(
        name="sim",
        stack_path="/data/sim.mrc",
        width_px=100,
        height_px=90,
        pixel_size_angstrom=4.25,
        voltage_kv=200,
        nominal_tilt_axis_deg=-12.5,
        tilts=tuple(
            Tilt(
                index=i,
                nominal_tilt_deg=3.0 * i - 3,
                dose_e_per_a2=2.5,
                prior_dose_e_per_a2=2.5 * order[i],
                acquisition_order=order[i],
                target_defocus_angstrom=25000,
            )
            for i in range(4)
        ),
    )
    write_mdoc(tmp_path / "sim.mrc.mdoc", series)
    mdoc = read_mdoc(tmp_path / "sim.mrc.mdoc")
    known = exposure(mdoc.sections)
    assert mdoc.image_size_px == (100, 90)
    assert mdoc.tilt_axis_deg == -12.5
    assert (mdoc.pixel_size_angstrom, mdoc.voltage_kv) == (4.25, 200)
    assert [s.tilt_deg for s in mdoc.sections] == [-3, 0, 3, 6]
    assert [s.target_defocus_angstrom for s in mdoc.sections] == pytest.approx([25000] * 4)
    assert (known.order, known.order_from) == (order, "DateTime")
    assert known.prior_dose_e_per_a2 == pytest.approx([2.5 * rank for rank in order])
    assert mdoc.warnings() == []
    assert mdocfile.read(tmp_path / "sim.mrc.mdoc")["TiltAngle"].tolist() == [-3, 0, 3, 6]


@pytest.mark.parametrize(
    ("name", "n_sections", "axis_deg"),
    [
        ("tilt_series.mdoc", 41, 85.3),
        ("frame_set_single.mdoc", 1, 88.414),
        ("frame_set_multiple.mdoc", 20, 88.414),
        ("montage_section.mdoc", 62, -86.7),
        ("montage_section_multiple.mdoc", 90, 85.5),
    ],
)
def test_real_files(shared_data: Path, name: str, n_sections: int, axis_deg: float) -> None:
    path = shared_data / "interop/mdocfile/test_data" / name
    mdoc = read_mdoc(path)
    frame = mdocfile.read(path)
    of_stack = frame[frame["ZValue"].notna()] if "ZValue" in frame else frame
    assert len(mdoc.sections) == n_sections == len(of_stack)
    assert mdoc.tilt_axis_deg == pytest.approx(axis_deg)
    np.testing.assert_allclose([s.tilt_deg for s in mdoc.sections], of_stack["TiltAngle"])


def test_real_dose_symmetric_series(shared_data: Path) -> None:
    path = shared_data / "interop/mdocfile/test_data/tilt_series.mdoc"
    known = exposure(read_mdoc(path).sections, dose_e_per_a2=3.0)
    assert known.order_from == "DateTime"
    assert known.order == tuple(range(41))
    assert max(known.prior_dose_e_per_a2) == pytest.approx(120)

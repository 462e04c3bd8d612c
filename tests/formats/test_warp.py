"""Warp and M: their equation spelled out, their files both ways, and what cannot be kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tomotui.formats import FormatError
from tomotui.formats.alignments import read_alignment
from tomotui.formats.ctfs import read_ctf
from tomotui.formats.movie_series import is_series_file, understand_movies
from tomotui.formats.mrc import write_stack
from tomotui.formats.tilts import read_angles
from tomotui.formats.warp import read_warp
from tomotui.formats.warp_rows import read_tomostar, write_tomostar
from tomotui.formats.warp_writing import write_warp
from tomotui.geometry.tilt import TiltGeometry
from tomotui.records import Alignment, Ctf, TiltCtf

SIZE, PIXEL = (101, 80), 5.0
TILTS = (-6.0, -3.0, 0.0, 3.0, 6.0)


def _grid(name: str, values: np.ndarray) -> str:
    """A grid as Warp writes it, of values ``[z, y, x]``."""
    z, y, x = values.shape
    nodes = "".join(
        f'<Node X="{k}" Y="{j}" Z="{i}" Value="{values[i, j, k]}" />'
        for i in range(z)
        for j in range(y)
        for k in range(x)
    )
    return f'<{name} Width="{x}" Height="{y}" Depth="{z}" MarginX="0">{nodes}</{name}>'


def _xml(path: Path, angles: list[float], more: str = "", attributes: str = "") -> Path:
    def column(name: str, values: object) -> str:
        return f"<{name}>" + "\n".join(map(str, values)) + f"</{name}>"  # type: ignore[call-overload]

    n = len(angles)
    body = column("Angles", angles) + column("AxisAngle", [84.5] * n)
    body += column("AxisOffsetX", [10.0 * i - 7 for i in range(n)])
    body += column("AxisOffsetY", [3.0 - i for i in range(n)])
    body += column("Dose", [3.0 * i for i in range(n)])
    path.write_text(
        f'\ufeff<?xml version="1.0" encoding="utf-8"?><TiltSeries {attributes}>{body}{more}'
        "</TiltSeries>",
        encoding="utf-8",
    )
    return path


def _projected_as_warp_does(
    p: np.ndarray, angle: float, axis: float, level: tuple[float, float], inverted: bool
) -> np.ndarray:
    """Warp's rotation of coordinates by (0, angle, -axis), after its turn about x; no offset."""
    tilt, psi, x = np.deg2rad([angle + level[1], -axis, level[0]])
    turned = np.array(
        [
            [np.cos(psi) * np.cos(tilt), np.sin(psi), -np.cos(psi) * np.sin(tilt)],
            [-np.sin(psi) * np.cos(tilt), np.cos(psi), np.sin(psi) * np.sin(tilt)],
            [np.sin(tilt), 0, np.cos(tilt)],
        ]
    )
    about_x = np.array([[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]])
    found = turned @ about_x @ p
    if inverted:
        back = _projected_as_warp_does(
            p * [1, 1, -1], -angle - 2 * level[1], axis, (-level[0], level[1]), False
        )
        found[2] = back[2]
    return found


@pytest.mark.parametrize("inverted", [False, True])
def test_points_fall_where_warp_puts_them(tmp_path: Path, inverted: bool) -> None:
    angles = [31.0, 1.0, -29.0]
    attributes = f'LevelAngleX="1.5" LevelAngleY="-4" AreAnglesInverted="{inverted}"'
    path = _xml(
        tmp_path / "TS_1.xml", angles, _grid("GridMovementX", np.full((1, 1, 1), 2.0)), attributes
    )
    found = read_alignment(
        path,
        series_uid="s",
        series_name="TS_1",
        image_size_px=SIZE,
        pixel_size_angstrom=PIXEL,
        nominal_tilts_deg=[-31.0, -1.0, 29.0],
    )
    assert found.warnings == ()
    point = np.array([400.0, -250.0, 130.0])
    ours = TiltGeometry.from_alignment(found.alignment).project(point)[:, 0]
    ctf = read_warp(
        _xml(tmp_path / "c.xml", angles, _grid("GridCTF", np.full((1, 1, 1), 3.0)), attributes)
    ).ctf("s", [-31.0, -1.0, 29.0])
    for i, angle in enumerate(angles):
        theirs = _projected_as_warp_does(point, angle, 84.5, (1.5, -4.0), inverted)
        # Pixels from Warp's middle at n / 2, taken to ours at n // 2: half a pixel where n is odd.
        offset = [10.0 * i - 7 - 2.0 + PIXEL / 2, 3.0 - i]
        np.testing.assert_allclose(ours[i, :2], theirs[:2] + offset, atol=1e-6)
        assert ctf.handedness is not None
        assert ctf.handedness * ours[i, 2] == pytest.approx(theirs[2], abs=1e-6)


def test_defocus_astigmatism_and_phase(tmp_path: Path) -> None:
    more = _grid("GridCTF", np.array([3.0, 3.1, 3.2]).reshape(3, 1, 1))
    more += _grid("GridCTFDefocusDelta", np.full((1, 1, 1), 0.04))
    more += _grid("GridCTFDefocusAngle", np.full((1, 1, 1), 25.0))
    more += _grid("GridCTFPhase", np.full((1, 1, 1), 0.5))
    path = _xml(tmp_path / "TS_1.xml", [3.0, 0.0, -3.0], more, 'CTFResolutionEstimate="6.3"')
    ctf = read_ctf(path, series_uid="s", series_name="x", nominal_tilts_deg=[-3.0, 0.0, 3.0])
    assert (ctf.source, ctf.handedness, ctf.fit_resolution_angstrom) == ("warp", 1, 6.3)
    assert [t.defocus_u_angstrom for t in ctf.tilts] == pytest.approx([30200, 31200, 32200])
    assert [t.defocus_v_angstrom for t in ctf.tilts] == pytest.approx([29800, 30800, 31800])
    assert (ctf.tilts[1].astigmatism_angle_deg, ctf.tilts[1].phase_shift_deg) == (25.0, 90.0)
    empty = _xml(tmp_path / "none.xml", [3.0, 0.0, -3.0])
    with pytest.raises(FormatError, match="holds no defocus; give the file after ts_ctf"):
        read_ctf(empty, series_uid="s", series_name="x", nominal_tilts_deg=[-3.0, 0.0, 3.0])


def test_round_trip(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    geometry = TiltGeometry.of(np.array(TILTS) + 1, 85.5, 0.7, rng.normal(0, 50, (5, 2)))
    tilts = list(geometry.to_tilt_alignments())
    tilts[1] = tilts[1].replace(excluded=True)
    alignment = Alignment(series_uid="s", tilts=tuple(tilts))
    fits = tuple(
        TiltCtf(index=i, defocus_u_angstrom=3e4 + i, defocus_v_angstrom=2.9e4, phase_shift_deg=20.0)
        for i in range(5)
    )
    ctf = Ctf(series_uid="s", tilts=fits, handedness=-1)
    path = tmp_path / "TS_7.xml"
    write_warp(alignment, path, image_size_px=SIZE, pixel_size_angstrom=PIXEL, ctf=ctf)
    read = read_warp(path)
    found = read.alignment(
        "s", image_size_px=SIZE, pixel_size_angstrom=PIXEL, nominal_tilts_deg=TILTS
    )
    assert found.warnings == ("tilts 1 are left out in TS_7.xml: excluded",)
    after = TiltGeometry.from_alignment(found.alignment)
    for name in ("tilt_deg", "axis_deg", "x_tilt_deg", "shift_angstrom"):
        np.testing.assert_allclose(getattr(after, name), getattr(geometry, name), atol=1e-5)
    assert [t.excluded for t in found.alignment.tilts] == [False, True, False, False, False]
    back = read.ctf("s", TILTS)
    assert back.handedness == -1
    for before, now in zip(fits, back.tilts, strict=True):
        assert now.model_dump() == pytest.approx(before.model_dump(), abs=1e-3)


@pytest.mark.parametrize(
    ("nominal", "expected"),
    [
        ((-60.0, -20.0, 20.0, 60.0), [-61, -21, 19, 59]),  # the microscope's sign
        ((60.0, 20.0, -20.0, -60.0), [-61, -21, 19, 59]),  # Warp's own list of tilts
        ((-60.0, 20.0, 60.0), [-61, 19, 59]),  # only what Warp uses
        ((-60.0, 60.0, 20.0, -20.5), [-61, 59, 19, -21]),  # another order
    ],
)
def test_rows_find_their_images(
    tmp_path: Path, nominal: tuple[float, ...], expected: list[int]
) -> None:
    used = "<UseTilt>True\nFalse\nTrue\nTrue</UseTilt>"
    path = _xml(tmp_path / "TS_1.xml", [61.0, 21.0, -19.0, -59.0], used)
    found = read_warp(path).alignment(
        "s", image_size_px=SIZE, pixel_size_angstrom=PIXEL, nominal_tilts_deg=nominal
    )
    assert [t.tilt_deg for t in found.alignment.tilts] == pytest.approx(expected)
    assert [t.index for t in found.alignment.tilts] == list(range(len(nominal)))
    assert [t.excluded for t in found.alignment.tilts] == [round(t) == -21 for t in expected]
    assert any("mirror images" in words for words in found.warnings) == (nominal[0] == 60)


def test_what_is_not_kept_is_told(tmp_path: Path) -> None:
    more = _grid("GridMovementX", np.arange(8.0).reshape(2, 2, 2))
    more += _grid("GridVolumeWarpZ", np.ones((1, 1, 1)))
    more += _grid("GridAngleX", np.ones((1, 1, 1)))
    path = _xml(
        tmp_path / "m.xml", [3.0, 0.0, -3.0], more, 'MagnificationCorrection="1.01, 0, 0, 1"'
    )
    warnings = (
        read_warp(path)
        .alignment(
            "s", image_size_px=SIZE, pixel_size_angstrom=PIXEL, nominal_tilts_deg=[-3.0, 0.0, 3.0]
        )
        .warnings
    )
    said = " ".join(warnings)
    assert len(warnings) == 4
    for word in ("image warp", "volume warp", "particle angles", "magnification"):
        assert word in said


def test_bad_files(tmp_path: Path) -> None:
    path = tmp_path / "TS_1.xml"
    with pytest.raises(FormatError, match="does not exist"):
        read_warp(path)
    path.write_text("<TiltSeries>")
    with pytest.raises(FormatError, match="cannot be read as XML"):
        read_warp(path)
    path.write_text("<Movie/>")
    with pytest.raises(FormatError, match=r"is a Movie and no TiltSeries; give .* warp_tiltseries"):
        read_warp(path)
    path.write_text("<TiltSeries><Angles>1\n2</Angles><AxisAngle>1</AxisAngle></TiltSeries>")
    with pytest.raises(FormatError, match="has 2 Angles and 1 AxisAngle"):
        read_warp(path)
    path.write_text("<TiltSeries><Angles>1\nx</Angles></TiltSeries>")
    with pytest.raises(FormatError, match="Angles holds could not convert"):
        read_warp(path)
    _xml(path, [40.0, 0.0, -40.0])
    with pytest.raises(FormatError, match="does not fit the stack: it has 3 tilts"):
        read_warp(path).alignment(
            "s", image_size_px=SIZE, pixel_size_angstrom=PIXEL, nominal_tilts_deg=TILTS
        )
    varied = Alignment(
        series_uid="s",
        tilts=TiltGeometry.of(TILTS, 85.0, [0, 1, 2, 3, 4]).to_tilt_alignments(),
    )
    with pytest.raises(FormatError, match=r"x-tilts run from 0.00 to 4.00 degrees"):
        write_warp(varied, path, image_size_px=SIZE, pixel_size_angstrom=PIXEL)


def test_tomostar_tells_tilts_as_the_microscope_does(tmp_path: Path) -> None:
    path = tmp_path / "TS_1.tomostar"
    write_tomostar(path, ["a.mrc", "b.mrc", "c.mrc"], [-3.0, 0.0, 3.0], 84.5, [3.0, 0.0, 6.0])
    assert path.read_text().split()[-4:] == ["c.mrc", "-3.000000", "84.500000", "6.000000"]
    read = read_tomostar(path)
    assert (read.movies, read.axis_deg) == (("a.mrc", "b.mrc", "c.mrc"), 84.5)
    assert read.prior_dose_e_per_a2 == (3.0, 0.0, 6.0)
    assert read_angles(path, 3) == (-3.0, 0.0, 3.0)
    with pytest.raises(FormatError, match="has 3 angles, the stack has 5 images"):
        read_angles(path, 5)


def test_a_tomostar_tells_the_movies_of_a_series(tmp_path: Path) -> None:
    path = tmp_path / "TS_1.tomostar"
    (tmp_path / "frames").mkdir()
    movies = [f"../frames/{name}.mrc" for name in "abc"]
    write_tomostar(path, movies, [3.0, 0.0, -3.0], 84.5, [6.0, 0.0, 3.0])
    for name in movies:
        write_stack(tmp_path / "frames" / Path(name).name, np.ones((2, 8, 8)), 1.0)
    assert is_series_file(path)
    found = understand_movies(path, pixel_size_angstrom=1.0)
    assert (found.plan.problems, [movie.stem for movie in found.movies]) == ((), list("cba"))
    assert found.plan.facts["nominal_tilt_axis_deg"].value == 84.5
    assert [t.nominal_tilt_deg for t in found.plan.tilts] == [-3.0, 0.0, 3.0]
    assert [t.prior_dose_e_per_a2 for t in found.plan.tilts] == [3.0, 0.0, 6.0]
    assert [t.acquisition_order for t in found.plan.tilts] == [1, 0, 2]

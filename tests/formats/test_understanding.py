from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tomotui.formats import FormatError
from tomotui.formats.import_plan import ImportPlan
from tomotui.formats.mdoc_writing import write_mdoc
from tomotui.formats.mrc import write_stack
from tomotui.formats.pairing import find_stacks, pair_files, series_name
from tomotui.formats.tilts import write_angles
from tomotui.formats.understanding import understand
from tomotui.records import Tilt, TiltSeries

TILTS = (-6.0, -3.0, 0.0, 3.0, 6.0)
ORDER = (4, 2, 0, 1, 3)


def _stack(folder: Path, name: str = "TS_1.mrc", n: int = 5, pixel_size: float = 4.0) -> Path:
    path = folder / name
    write_stack(path, np.random.default_rng(0).normal(10, 1, (n, 8, 10)), pixel_size)
    return path


def _mdoc(stack: Path, tilts: tuple[float, ...] = TILTS, pixel_size: float = 4.0) -> Path:
    series = TiltSeries(
        name="x",
        stack_path=str(stack),
        width_px=10,
        height_px=8,
        pixel_size_angstrom=pixel_size,
        voltage_kv=200,
        nominal_tilt_axis_deg=84.0,
        tilts=tuple(
            Tilt(
                index=i,
                nominal_tilt_deg=t,
                dose_e_per_a2=3.0,
                prior_dose_e_per_a2=3.0 * ORDER[i % 5],
                acquisition_order=ORDER[i % 5] if len(tilts) == 5 else i,
            )
            for i, t in enumerate(tilts)
        ),
    )
    path = stack.with_name(stack.name + ".mdoc")
    write_mdoc(path, series)
    return path


def _problem(plan: ImportPlan) -> str:
    assert not plan.is_usable
    (problem,) = plan.problems
    with pytest.raises(FormatError):
        plan.to_series()
    return problem


def test_everything_from_the_mdoc(tmp_path: Path) -> None:
    stack = _stack(tmp_path)
    plan = understand(stack, _mdoc(stack))
    assert (plan.problems, plan.warnings) == ((), ())
    sources = {name: fact.source for name, fact in plan.facts.items()}
    assert sources["width_px"] == "header"
    assert sources["pixel_size_angstrom"] == sources["tilts_deg"] == "mdoc"
    assert sources["spherical_aberration_mm"] == "assumed"
    series = plan.to_series("mine", "day 1", checksum="abc", excluded=[3])
    assert (series.name, series.dataset, series.uid) == ("mine", "day 1", plan.series_uid)
    assert (series.width_px, series.height_px, series.voltage_kv) == (10, 8, 200)
    assert series.nominal_tilt_axis_deg == 84
    assert tuple(t.nominal_tilt_deg for t in series.tilts) == TILTS
    assert tuple(t.acquisition_order for t in series.tilts) == ORDER
    assert series.tilts[0].prior_dose_e_per_a2 == pytest.approx(12)
    assert [t.excluded for t in series.tilts] == [False, False, False, True, False]


def test_what_is_given_goes_first(tmp_path: Path) -> None:
    stack = _stack(tmp_path)
    plan = understand(
        stack,
        _mdoc(stack),
        pixel_size_angstrom=5.0,
        tilt_axis_deg=-12.0,
        dose_e_per_a2=2.0,
        amplitude_contrast=0.1,
    )
    series = plan.to_series()
    assert (series.pixel_size_angstrom, series.nominal_tilt_axis_deg) == (5.0, -12.0)
    assert series.amplitude_contrast == 0.1
    assert series.tilts[0].prior_dose_e_per_a2 == pytest.approx(8)
    assert any("4 A, 5 A is used" in w for w in plan.warnings)
    assert any("84 degrees, -12 is used" in w for w in plan.warnings)


def test_tilt_file_and_scheme_without_mdoc(tmp_path: Path) -> None:
    stack = _stack(tmp_path)
    write_angles(tmp_path / "TS_1.rawtlt", TILTS)
    plan = understand(
        stack,
        tilts=tmp_path / "TS_1.rawtlt",
        dose_e_per_a2=3.0,
        acquisition="dose-symmetric",
    )
    assert [t.acquisition_order for t in plan.tilts] == [4, 2, 0, 1, 3]
    assert plan.tilts[4].prior_dose_e_per_a2 == 9
    assert plan.facts["pixel_size_angstrom"].source == "header"
    unordered = understand(stack, tilts=tmp_path / "TS_1.rawtlt", dose_e_per_a2=3.0)
    assert unordered.tilts[0].prior_dose_e_per_a2 is None
    assert any("order of acquisition is unknown" in w for w in unordered.warnings)


def test_first_tilt_and_step(tmp_path: Path) -> None:
    plan = understand(_stack(tmp_path), first_tilt_deg=-6, tilt_step_deg=3)
    assert tuple(t.nominal_tilt_deg for t in plan.tilts) == TILTS
    assert plan.facts["tilts_deg"].source == "given"


def test_mdoc_in_order_of_acquisition_beside_a_sorted_stack(tmp_path: Path) -> None:
    stack = _stack(tmp_path)
    acquired = (0.0, 3.0, -3.0, 6.0, -6.0)
    mdoc = _mdoc(stack, acquired)
    mdoc.write_text(
        "\n".join(
            x for x in mdoc.read_text().split("\n") if "DateTime" not in x and "Prior" not in x
        )
    )
    write_angles(tmp_path / "TS_1.rawtlt", TILTS)
    plan = understand(stack, mdoc, tmp_path / "TS_1.rawtlt")
    assert [t.acquisition_order for t in plan.tilts] == [4, 2, 0, 1, 3]
    assert plan.tilts[0].prior_dose_e_per_a2 == pytest.approx(12)
    assert any("matched by tilt" in w for w in plan.warnings)


def test_mdoc_of_another_length(tmp_path: Path) -> None:
    stack = _stack(tmp_path)
    problem = _problem(
        understand(stack, _mdoc(stack, (*TILTS, 9.0)), first_tilt_deg=0, tilt_step_deg=3)
    )
    assert "has 6 sections" in problem
    assert "has 5 images; give the mdoc of this stack" in problem


def test_mdoc_of_a_neighbour(tmp_path: Path) -> None:
    stack, other = _stack(tmp_path), _stack(tmp_path, "TS_2.mrc")
    plan = understand(stack, _mdoc(other), first_tilt_deg=-6, tilt_step_deg=3)
    assert "belongs to TS_2.mrc" in _problem(plan)
    other.unlink()
    assert any("written for TS_2.mrc" in w for w in understand(stack, _mdoc(other)).warnings)


def test_tilt_file_of_the_wrong_length(tmp_path: Path) -> None:
    write_angles(tmp_path / "TS_1.rawtlt", TILTS[:3])
    problem = _problem(understand(_stack(tmp_path), tilts=tmp_path / "TS_1.rawtlt"))
    assert "TS_1.rawtlt has 3 angles, the stack has 5 images" in problem


def test_no_tilts_at_all(tmp_path: Path) -> None:
    assert "nothing gives the tilts" in _problem(understand(_stack(tmp_path)))


def test_pixel_size_of_zero(tmp_path: Path) -> None:
    stack = _stack(tmp_path, pixel_size=0.0)
    arguments = {"first_tilt_deg": -6.0, "tilt_step_deg": 3.0}
    assert "gives no pixel size (zero); give it" in _problem(understand(stack, **arguments))
    assert understand(stack, pixel_size_angstrom=4.0, **arguments).is_usable
    refused = understand(stack, pixel_size_angstrom=-1.0, **arguments)
    assert "above zero" in _problem(refused)


def test_impossible_dose(tmp_path: Path) -> None:
    plan = understand(_stack(tmp_path), first_tilt_deg=-6, tilt_step_deg=3, dose_e_per_a2=-3.0)
    assert "a dose of -3 was given" in _problem(plan)


def test_pixel_size_of_a_stack_binned_after_the_mdoc(tmp_path: Path) -> None:
    stack = _stack(tmp_path)
    mdoc = _mdoc(stack, pixel_size=2.0)
    mdoc.write_text(mdoc.read_text().replace("ImageSize = 10 8", "ImageSize = 20 16"))
    plan = understand(stack, mdoc)
    assert plan.facts["pixel_size_angstrom"].value == 4.0
    assert any("2 times as wide" in w for w in plan.warnings)


def test_truncated_stack(tmp_path: Path) -> None:
    stack = _stack(tmp_path)
    mdoc = _mdoc(stack)
    stack.write_bytes(stack.read_bytes()[:-4])
    assert "TS_1.mrc is truncated" in _problem(understand(stack, mdoc))


def test_absurd_tilts(tmp_path: Path) -> None:
    plan = understand(_stack(tmp_path), first_tilt_deg=0, tilt_step_deg=50)
    assert "run from 0 to 200 degrees" in _problem(plan)


def test_alignment_comes_along(tmp_path: Path) -> None:
    stack = _stack(tmp_path)
    turn = np.deg2rad(-40.0)
    row = f"{np.cos(turn)} {-np.sin(turn)} {np.sin(turn)} {np.cos(turn)} 0 0\n"
    (tmp_path / "TS_1.xf").write_text(row * 5)
    write_angles(tmp_path / "TS_1.tlt", [t + 1 for t in TILTS])
    plan = understand(stack, _mdoc(stack), alignment=tmp_path / "TS_1.xf")
    assert plan.alignment is not None
    assert plan.alignment.series_uid == plan.to_series().uid
    assert plan.alignment.tilts[0].tilt_deg == -5
    assert plan.alignment.axis_deg == pytest.approx(40)
    assert any("40.0 degrees, 84 was expected (mdoc)" in w for w in plan.warnings)
    (tmp_path / "TS_1.xf").write_text(row * 4)
    assert "has 4 transforms" in _problem(
        understand(stack, _mdoc(stack), alignment=tmp_path / "TS_1.xf")
    )
    assert "no alignment known" in _problem(understand(stack, _mdoc(stack), alignment=stack))


def test_intensity_scale_of_a_label(tmp_path: Path) -> None:
    images = np.random.default_rng(0).normal(50, 3, (5, 8, 10))
    write_stack(tmp_path / "TS_1.mrc", images, 4.0, "int8")
    series = understand(tmp_path / "TS_1.mrc", first_tilt_deg=-6, tilt_step_deg=3).to_series()
    assert series.intensity_offset == pytest.approx(50, abs=2)
    assert 0 < series.intensity_scale < 0.2


@pytest.mark.parametrize(
    ("file", "name"),
    [("a/TS_1.mrc", "TS_1"), ("TS_1_st.mrc", "TS_1"), ("TS.1.mrc.gz", "TS.1"), ("x.st", "x")],
)
def test_names(file: str, name: str) -> None:
    assert series_name(file) == name


def test_folder_pairs_itself(tmp_path: Path) -> None:
    for name in ("A.mrc", "B.st", "B_ali.mrc", "B_full_rec.mrc"):
        _stack(tmp_path, name)
    _stack(tmp_path, "gain.mrc", n=1)
    for name in ("A.mrc.mdoc", "A.rawtlt", "A.tlt", "A_st.aln", "B.mdoc", "B.tlt", "B.xf"):
        (tmp_path / name).touch()
    a, b = pair_files(find_stacks([tmp_path]))
    assert (a.stack.name, b.stack.name) == ("A.mrc", "B.st")
    found = [f.name for pair in (a, b) for f in (pair.mdoc, pair.tilts, pair.alignment) if f]
    assert found == ["A.mrc.mdoc", "A.rawtlt", "A_st.aln", "B.mdoc", "B.tlt", "B.xf"]


def test_one_mdoc_for_several_stacks_is_refused(tmp_path: Path) -> None:
    stacks = [_stack(tmp_path, "A.mrc"), _stack(tmp_path, "B.mrc")]
    with pytest.raises(FormatError, match=r"all\.mdoc is one mdoc file for 2 stacks"):
        pair_files(stacks, mdoc=tmp_path / "all.mdoc")
    (pair,) = pair_files(stacks[:1], mdoc=tmp_path / "all.mdoc")
    assert pair.mdoc == tmp_path / "all.mdoc"


def test_files_or_names_shared_by_two_stacks_are_refused(tmp_path: Path) -> None:
    stacks = [_stack(tmp_path, "A.mrc"), _stack(tmp_path, "A.st")]
    with pytest.raises(FormatError, match="would both be called A"):
        pair_files(stacks)
    (tmp_path / "A.mdoc").touch()
    with pytest.raises(FormatError, match=r"A\.mdoc would serve .*A\.mrc and .*A\.st"):
        pair_files(stacks)


def test_paths_that_hold_no_stack(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="has no image stacks"):
        find_stacks([tmp_path])
    with pytest.raises(FormatError, match="does not exist"):
        find_stacks([tmp_path / "none"])


def test_the_preview_needs_no_heavy_libraries(tmp_path: Path) -> None:
    write_angles(tmp_path / "TS_1.rawtlt", TILTS)
    code = (
        "import sys\n"
        "from tomotui.formats.understanding import understand\n"
        f"plan = understand({str(_stack(tmp_path))!r}, tilts={str(tmp_path / 'TS_1.rawtlt')!r})\n"
        "assert plan.is_usable\n"
        "print([m for m in ('torch', 'pandas', 'scipy', 'starfile') if m in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from tomotui.formats.aretomo_ctf import write_ctf_text
from tomotui.formats.imod_defocus import write_imod_defocus
from tomotui.formats.mdoc_writing import write_mdoc
from tomotui.formats.mrc import write_stack, write_volume
from tomotui.formats.stacks import sha256
from tomotui.formats.tilts import write_angles
from tomotui.records import Alignment, Ctf, TiltCtf, TiltSeries, Tomogram
from tomotui.resources import sample_data_folder
from tomotui.stages import get
from tomotui.stages.base import Cancelled, StageError

ANGLES = [-30.0, -20.0, -10.0, 0.0, 10.0, 20.0, 30.0]
Import = Callable[..., tuple[Any, Any]]


def images() -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.poisson(60, (len(ANGLES), 24, 32)).astype(np.float32)


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    write_angles(tmp_path / "ts.rawtlt", ANGLES)
    write_stack(tmp_path / "ts.mrc", images(), 10.0)
    return tmp_path / "ts.mrc"


@pytest.fixture
def run_import(stage_runner: ModuleType, tmp_path: Path) -> Import:
    """Import a stack; what fails must leave nothing in the task's folder."""

    def run(stack: Path, **parameters: Any) -> tuple[Any, Any]:
        task = stage_runner.RecordingTask(tmp_path / "task", "TS_01")
        try:
            done = stage_runner.run_stage("import", task, (), {"stack": str(stack), **parameters})
        except Exception:
            assert list((tmp_path / "task").iterdir()) == []
            raise
        return done, task

    return run


def test_the_sample_series_is_imported(run_import: Import) -> None:
    stack = sample_data_folder() / "empiar_10499_00254.mrc"
    done, task = run_import(stack, dataset="mycoplasma")
    (series,) = done.records
    assert isinstance(series, TiltSeries)
    assert (series.name, series.dataset, series.n_tilts) == ("TS_01", "mycoplasma", 41)
    assert (series.width_px, series.height_px) == (652, 630)
    assert series.pixel_size_angstrom == 10
    assert series.nominal_tilt_axis_deg == -4.3
    # The bytes are scaled: the label of the header says how.
    assert series.intensity_scale == pytest.approx(0.267754983)
    assert series.intensity_offset == pytest.approx(36.6201172)
    assert Path(series.stack_path) == stack
    assert series.checksum == sha256(stack)
    assert not any(tilt.excluded for tilt in series.tilts)
    assert task.warnings == []
    assert task.fractions == sorted(task.fractions)
    assert "41 tilts -60..60 deg" in done.summary


def test_an_alignment_comes_along(run_import: Import, stack: Path) -> None:
    xf = stack.with_suffix(".xf")
    xf.write_text("1 0 0 1 2 0\n" * len(ANGLES))
    done, _ = run_import(stack, alignment=str(xf))
    series, alignment = done.records
    assert isinstance(alignment, Alignment)
    assert alignment.series_uid == series.uid
    assert len(alignment.tilts) == len(ANGLES)


def some_ctf(n: int = len(ANGLES)) -> Ctf:
    return Ctf(
        series_uid="elsewhere",
        tilts=tuple(
            TiltCtf(
                index=i,
                defocus_u_angstrom=31_000.0 + 50 * i,
                defocus_v_angstrom=30_000.0,
                astigmatism_angle_deg=20.0,
            )
            for i in range(n)
        ),
    )


def test_a_ctf_comes_along_beside_an_alignment(run_import: Import, stack: Path) -> None:
    xf = stack.with_suffix(".xf")
    xf.write_text("1 0 0 1 2 0\n" * len(ANGLES))
    text = write_ctf_text(some_ctf(), stack.with_name("ts_CTF.txt"))
    done, _ = run_import(stack, alignment=str(xf), ctf=str(text))
    series, alignment, ctf = done.records
    assert isinstance(alignment, Alignment)
    assert isinstance(ctf, Ctf)
    assert (ctf.series_uid, ctf.alignment_uid) == (series.uid, None)
    assert (ctf.source, ctf.handedness) == ("aretomo", None)
    assert [t.defocus_u_angstrom for t in ctf.tilts] == [31_000 + 50 * i for i in range(7)]
    assert {record.kind for record in done.records} == set(get("import").gives)


def test_a_ctf_is_only_taken_when_it_was_given(run_import: Import, stack: Path) -> None:
    write_imod_defocus(some_ctf(), stack.with_suffix(".defocus"), ANGLES)
    done, _ = run_import(stack)
    assert len(done.records) == 1


def test_views_without_defocus_are_told(run_import: Import, stack: Path) -> None:
    path = write_imod_defocus(some_ctf(5), stack.with_suffix(".defocus"), ANGLES[:5])
    done, task = run_import(stack, ctf=str(path))
    assert done.records[1].tilts[6].defocus_u_angstrom == pytest.approx(31_200)
    assert task.warnings == ["ts.defocus is of views 1 to 5 of 7: others take the nearest"]


def test_a_stack_may_be_copied(run_import: Import, stack: Path) -> None:
    done, task = run_import(stack, copy_stack=True)
    copy = Path(done.records[0].stack_path)
    assert copy.parent == task.folder
    assert copy.read_bytes() == stack.read_bytes()
    assert [path.name for path in task.folder.iterdir()] == ["ts.mrc"]


def test_a_full_disk_while_copying_leaves_nothing(
    run_import: Import, stack: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(source: Path, target: Path) -> None:
        Path(target).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(StageError, match=r"ts\.mrc cannot be copied to .* No space left"):
        run_import(stack, copy_stack=True)


def test_dark_and_empty_images_are_excluded_by_name(run_import: Import, stack: Path) -> None:
    broken = images()
    broken[1] = 0
    broken[4] *= 0.05
    write_stack(stack, broken, 10.0)
    done, task = run_import(stack)
    assert [t.index for t in done.records[0].tilts if t.excluded] == [1, 4]
    assert "tilt 1: all pixels are equal; excluded" in task.warnings
    assert "tilt 4: far darker than the other images; excluded" in task.warnings
    assert done.metrics["excluded"] == 2


def test_an_image_with_some_pixels_that_are_no_numbers_is_kept(
    run_import: Import, stack: Path
) -> None:
    broken = images()
    broken[2, :5] = np.nan
    broken[5, :15] = np.nan
    write_stack(stack, broken, 10.0)
    done, task = run_import(stack)
    assert [t.index for t in done.records[0].tilts if t.excluded] == [5]
    told = [warning for warning in task.warnings if "NaN" in warning]
    assert len(told) == 2
    assert told[0].startswith("tilt 5:")
    assert told[0].endswith("excluded")
    assert told[1].startswith("tilt 2:")
    assert told[1].endswith("the other pixels are used")


def truncated(stack: Path) -> dict[str, Any]:
    stack.write_bytes(stack.read_bytes()[:-5000])
    return {}


def no_pixel_size(stack: Path) -> dict[str, Any]:
    write_stack(stack, images(), 0.0)
    return {}


def short_tilt_file(stack: Path) -> dict[str, Any]:
    write_angles(stack.with_suffix(".rawtlt"), ANGLES[:-2])
    return {}


def no_tilts(stack: Path) -> dict[str, Any]:
    stack.with_suffix(".rawtlt").unlink()
    return {}


def missing(stack: Path) -> dict[str, Any]:
    stack.unlink()
    return {}


def empty_file(stack: Path) -> dict[str, Any]:
    stack.write_bytes(b"")
    return {}


def text_file(stack: Path) -> dict[str, Any]:
    stack.write_text("not an image\n" * 200)
    return {}


def wrong_mdoc(stack: Path) -> dict[str, Any]:
    tilts = [
        {"index": i, "nominal_tilt_deg": angle, "dose_e_per_a2": 3.0}
        for i, angle in enumerate(ANGLES[:-1])
    ]
    series = TiltSeries(
        name="ts", stack_path="ts.mrc", width_px=32, height_px=24, pixel_size_angstrom=10.0,
        tilts=tilts,
    )  # fmt: skip
    write_mdoc(stack.with_name("ts.mrc.mdoc"), series, "float32")
    return {}


def missing_mdoc(stack: Path) -> dict[str, Any]:
    return {"mdoc": str(stack.with_name("gone.mdoc"))}


def blank(stack: Path) -> dict[str, Any]:
    write_stack(stack, np.zeros((len(ANGLES), 24, 32), np.float32), 10.0)
    return {}


def short_ctf(stack: Path) -> dict[str, Any]:
    return {"ctf": str(write_ctf_text(some_ctf(5), stack.with_name("ts_CTF.txt")))}


def ctf_of_another_series(stack: Path) -> dict[str, Any]:
    path = stack.with_suffix(".defocus")
    return {"ctf": str(write_imod_defocus(some_ctf(), path, [3.0 * a for a in ANGLES]))}


def no_ctf(stack: Path) -> dict[str, Any]:
    return {"ctf": str(stack.with_suffix(".rawtlt"))}


def missing_ctf(stack: Path) -> dict[str, Any]:
    return {"ctf": str(stack.with_name("gone.defocus"))}


def impossible_ctf(stack: Path) -> dict[str, Any]:
    path = stack.with_suffix(".txt")
    path.write_text("1 nan 3e4 0 0 0.5 6\n" * len(ANGLES))
    return {"ctf": str(path)}


@pytest.mark.parametrize(
    ("spoil", "file", "said", "remedy"),
    [
        (truncated, "ts.mrc", "is truncated", "copy it again"),
        (no_pixel_size, "ts.mrc", "no pixel size", "--pixel-size"),
        (short_tilt_file, "ts.rawtlt", "has 5 angles, the stack has 7", "give the file"),
        (no_tilts, "ts.mrc", "nothing gives the tilts", "give an mdoc"),
        (missing, "ts.mrc", "does not exist", "check the path"),
        (empty_file, "ts.mrc", "is truncated", "copy it again"),
        (text_file, "ts.mrc", "is not an MRC file", "check that it is an image stack"),
        (wrong_mdoc, "ts.mrc.mdoc", "has 6 sections", "give the mdoc of this stack"),
        (missing_mdoc, "gone.mdoc", "does not exist", "check the path"),
        (short_ctf, "ts_CTF.txt", "has 5 lines, 7 images", "that belongs to this stack"),
        (ctf_of_another_series, "ts.defocus", "tilts from -90.0 to 90.0", "belongs to this stack"),
        (no_ctf, "ts.rawtlt", "is no CTF known here", "give .defocus"),
        (missing_ctf, "gone.defocus", "does not exist", "check the path"),
        (impossible_ctf, "ts.txt", "a defocus of nan and 30000 A", "the CTF of this series"),
        (blank, "ts.mrc", "only 0 of 7 images hold a picture", "Check the stack"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_bad_input_is_named_with_its_remedy(
    run_import: Import,
    stack: Path,
    spoil: Callable[[Path], dict[str, Any]],
    file: str,
    said: str,
    remedy: str,
) -> None:
    parameters = spoil(stack)
    with pytest.raises(StageError) as caught:
        run_import(stack, **parameters)
    message = str(caught.value)
    for part in (file, said, remedy):
        assert part in message
    assert "\n" not in message


def test_what_the_user_says_goes_before_the_files(run_import: Import, stack: Path) -> None:
    done, task = run_import(
        stack,
        pixel_size_angstrom=13.6,
        tilt_axis_deg=85.0,
        dose_e_per_a2=3.0,
        acquisition="dose-symmetric",
        voltage_kv=200.0,
    )
    (series,) = done.records
    assert series.pixel_size_angstrom == 13.6
    assert series.nominal_tilt_axis_deg == 85.0
    assert series.voltage_kv == 200.0
    assert [t.prior_dose_e_per_a2 for t in series.tilts] == [18, 12, 6, 0, 3, 9, 15]
    assert any("pixel size" in warning for warning in task.warnings)


def test_cancelling_stops_before_anything_is_copied(
    stage_runner: ModuleType, stack: Path, tmp_path: Path
) -> None:
    task = stage_runner.RecordingTask(tmp_path / "task", "TS_01", cancel_at=0.3)
    with pytest.raises(Cancelled):
        stage_runner.run_stage("import", task, (), {"stack": str(stack), "copy_stack": True})
    assert list(task.folder.iterdir()) == []
    assert len(task.fractions) < len(ANGLES)


def test_a_tomogram_comes_along_with_its_alignment(
    run_import: Import, stack: Path, tmp_path: Path
) -> None:
    volume = np.random.default_rng(1).normal(0, 1, (8, 12, 16)).astype(np.float32)
    write_volume(tmp_path / "vol.mrc", volume, 20.0)
    with pytest.raises(StageError, match=r"vol.mrc cannot be taken over without the alignment"):
        run_import(stack, tomogram=str(tmp_path / "vol.mrc"))
    np.savetxt(tmp_path / "ts.xf", np.tile([0.0, 1, -1, 0, 2, 3], (len(ANGLES), 1)))
    write_angles(tmp_path / "ts.tlt", ANGLES)
    done, task = run_import(stack, tomogram=str(tmp_path / "vol.mrc"))
    series, alignment, tomogram = done.records
    assert isinstance(tomogram, Tomogram)
    assert (tomogram.series_uid, tomogram.alignment_uid) == (series.uid, alignment.uid)
    assert (tomogram.size_xyz, tomogram.pixel_size_angstrom) == ((16, 12, 8), 20.0)
    assert task.resolve(tomogram.path) == tmp_path / "vol.mrc"
    assert task.resolve(tomogram.thumbnail_path).is_file()
    assert tomogram.window_low < 0 < tomogram.window_high


def test_a_tomogram_of_something_else_is_refused(
    run_import: Import, stack: Path, tmp_path: Path
) -> None:
    np.savetxt(tmp_path / "ts.xf", np.tile([0.0, 1, -1, 0, 2, 3], (len(ANGLES), 1)))
    path = tmp_path / "vol.mrc"
    write_volume(path, np.zeros((8, 12, 16), np.float32), 200.0)
    with pytest.raises(StageError, match=r"vol.mrc is 3200 A wide, the images of .* are 320 A"):
        run_import(stack, tomogram=str(path))
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(StageError, match=r"vol.mrc"):
        run_import(stack, tomogram=str(path))

"""What a refinement keeps of its course: small maps of its iterations."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from tests.stages.conftest import Polished, Run
from tomotui.algorithms.refine.maps import HalfMaps
from tomotui.algorithms.refine.plan import IterationResult
from tomotui.formats.mrc import read_volume
from tomotui.imaging.fsc import Fsc
from tomotui.imaging.masks import soft_ball
from tomotui.records.particle_table import ParticleTable
from tomotui.stages.averaging_course import COURSE_FOLDER, MOST_VOXELS, CourseOfMaps, small_map
from tomotui.stages.base import Cancelled, StageError


def maps_of(size: int, radius_px: float, pixel: float = 2.0) -> HalfMaps:
    """Two halves that are one ball with a bump at (x, y, z) = (8, 0, -4) Angstrom."""
    mask = soft_ball(size, radius_px, 3.0)
    z, y, x = torch.meshgrid(*3 * [(torch.arange(size) - size // 2) * pixel], indexing="ij")
    bump = torch.exp(-((x - 8) ** 2 + y**2 + (z + 4) ** 2) / 200.0) * 50
    curve = np.zeros(size // 2)
    fsc = Fsc(*6 * [curve], size // 2)
    return HalfMaps((bump, bump), (bump * mask, bump * mask), mask, fsc, 10.0, pixel)


def iteration(number: int, letter: str = "p", kept: float = 1.0) -> IterationResult:
    return IterationResult(number, letter, 2.0, 10.0, 1.0, 0.5, 0.5, kept, 1.0)


@pytest.mark.parametrize(("size", "radius_px"), [(40, 12.0), (160, 60.0)])
def test_small_maps_hold_the_particle_about_their_middle(size: int, radius_px: float) -> None:
    values, pixel = small_map(maps_of(size, radius_px))
    n = len(values)
    assert n % 2 == 0
    assert n <= MOST_VOXELS
    assert 2 * radius_px * 2.0 <= n * pixel < 2 * (radius_px + 9) * 2.0
    place = np.unravel_index(int(values.argmax()), values.shape)
    found = (np.array(place[::-1]) - n // 2) * pixel
    np.testing.assert_allclose(found, (8.0, 0.0, -4.0), atol=pixel)
    assert float(values.max()) == pytest.approx(1.0)


def test_only_iterations_that_made_maps_are_kept(stage_runner: ModuleType, tmp_path: Path) -> None:
    course = CourseOfMaps(stage_runner.RecordingTask(tmp_path, "all", threads=1))
    done = [iteration(1, "P"), iteration(2, "t", kept=0.0), iteration(3, "t"), iteration(4)]
    for one in done:
        course.keep(one, maps_of(24, 7.0))
    names = course.columns(done)["iteration_map"].tolist()
    assert names == ["iterations/001-P.mrc", "", "iterations/003-t.mrc", "iterations/004-p.mrc"]
    values, pixel = read_volume(tmp_path / names[0])
    assert values.max() == pytest.approx(1.0)
    assert pixel == pytest.approx(2.0)
    course.begin(3)
    assert course.columns(done)["iteration_map"].tolist() == [*names[:3], ""]
    course.begin(0)
    assert not list((tmp_path / COURSE_FOLDER).iterdir())


def test_a_folder_that_cannot_be_made_is_named(stage_runner: ModuleType, tmp_path: Path) -> None:
    (tmp_path / COURSE_FOLDER).write_text("in the way")
    course = CourseOfMaps(stage_runner.RecordingTask(tmp_path, "all", threads=1))
    with pytest.raises(StageError, match=COURSE_FOLDER):
        course.keep(iteration(1), maps_of(24, 7.0))


def test_maps_of_iterations_are_told_of_with_their_files(polished: Polished) -> None:
    for file in ("progress.npz", "details.npz"):
        with np.load(polished.task.folder / file) as found:
            names = found["iteration_map"].tolist()
            kept = found["iteration_kept"].tolist()
        assert [bool(name) for name in names] == kept
        assert names[0] == "iterations/001-p.mrc"
    last, _ = read_volume(polished.task.folder / names[-1])
    whole, _ = read_volume(polished.task.folder / "progress.mrc")
    cut = (len(whole) - len(last)) // 2
    inner = whole[(slice(cut, cut + len(last)),) * 3]
    assert np.corrcoef(last.ravel(), inner.ravel())[0, 1] > 0.999


def test_places_on_images_are_told_with_motion(polished: Polished) -> None:
    with np.load(polished.task.folder / "details.npz") as found:
        details = dict(found)
    seen = details["motion_seen_angstrom_0"]
    assert seen.shape == details["motion_angstrom_0"].shape
    assert details["tilt_index_0"].tolist() == list(range(len(seen)))
    # Steep tilts foreshorten the specimen across the axis.
    spread = [np.linalg.svd(one - one.mean(axis=0), compute_uv=False)[-1] for one in seen]
    flat = int(np.argmin(np.abs(details["tilt_deg_0"])))
    assert spread[flat] > 1.3 * max(spread[0], spread[-1])


def test_maps_stay_when_a_run_goes_on_and_go_when_it_begins_anew(
    near: ParticleTable, refine: Run, tmp_path: Path
) -> None:
    few = near.select(range(6))
    with pytest.raises(Cancelled):
        refine(tmp_path, few, cancel_at=0.06, iterations="p,p")
    first = tmp_path / COURSE_FOLDER / "001-p.mrc"
    was = first.stat().st_mtime_ns
    (tmp_path / COURSE_FOLDER / "009-p.mrc").write_bytes(b"of an attempt before")
    refine(tmp_path, few, iterations="p,p")
    assert first.stat().st_mtime_ns == was
    assert sorted(one.name for one in first.parent.iterdir()) == ["001-p.mrc", "002-p.mrc"]
    refine(tmp_path, few, iterations="p")
    assert first.stat().st_mtime_ns != was
    assert [one.name for one in first.parent.iterdir()] == ["001-p.mrc"]

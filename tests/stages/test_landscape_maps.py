"""Maps of the real particles along a path through the landscape of a small hinge."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from tests.stages.conftest import Run, runner
from tests.stages.hinged import PIXEL_ANGSTROM, Hinged, atoms_at
from tomotui.formats.mrc import read_volume
from tomotui.imaging.potential import Matter, atomic_matter, sample
from tomotui.records import Landscape, Map
from tomotui.records.particle_table import ParticleTable
from tomotui.stages import get
from tomotui.stages.base import ParameterError, StageError


@pytest.fixture(scope="session")
def path_maps(hinged: Hinged, learnt: Any, stage_runner: ModuleType) -> Run:
    records = [*hinged.records, *learnt[0].records]
    defaults = {"box_px": 24, "maps": 3}
    return runner(stage_runner, "landscape-maps", records, hinged.table, defaults)


@pytest.fixture(scope="session")
def landscape_record(learnt: Any) -> Landscape:
    return next(one for one in learnt[0].records if isinstance(one, Landscape))


# What comes out


def test_maps_along_the_first_motion_are_of_particles_there(
    hinged: Hinged, landscape_record: Landscape, path_maps: Run, tmp_path: Path
) -> None:
    result, task = path_maps(tmp_path, share=0.25)
    maps = [one for one in result.records if isinstance(one, Map)]
    assert [one.name for one in maps] == [f"hinged landscape path {n}" for n in (1, 2, 3)]
    assert {(one.particle_set_uid, one.made_by) for one in maps} == {
        (hinged.records[0].uid, "landscape-maps")
    }
    assert result.summary.startswith(f"3 maps of {len(hinged.table)} particles, ")
    assert not task.warnings
    for one in maps:
        for path in (one.path, *(one.half_paths or ()), one.mask_path, one.unfiltered_path):
            values, pixel = read_volume(Path(path or ""))
            assert values.shape == one.size_xyz[::-1]
            assert np.isfinite(values).all()
            assert pixel == pytest.approx(PIXEL_ANGSTROM)
        assert 4 <= (one.n_particles or 0) <= len(hinged.table)
    # Each end looks like the conformers that stand there, and more so than the other does.
    with np.load(landscape_record.path) as file:
        along = file["coordinates"] @ file["axes"][0]
        truth = hinged.truth_of(file["uids"])
    ends = [read_volume(Path(maps[at].unfiltered_path or ""))[0] for at in (0, -1)]
    angles = (16.0, -16.0) if np.corrcoef(along, truth)[0, 1] < 0 else (-16.0, 16.0)
    shapes = [true_map(angle, len(ends[0])) for angle in angles]
    likeness = [[float(np.corrcoef(a.ravel(), b.ravel())[0, 1]) for b in shapes] for a in ends]
    assert likeness[0][0] > likeness[0][1] + 0.02
    assert likeness[1][1] > likeness[1][0] + 0.02


def true_map(angle_deg: float, box: int) -> np.ndarray:
    """Return a conformer in the particles' frame."""
    places = atoms_at(angle_deg)
    matter = atomic_matter({"U": (places, np.ones(len(places)))})
    values = sample(Matter(matter.groups, matter.mass_kda), "U", PIXEL_ANGSTROM).potential_v
    return placed(values, places.mean(axis=0) / PIXEL_ANGSTROM, box)


def placed(values: np.ndarray, middle_px: np.ndarray, box: int) -> np.ndarray:
    """Return a map in a box, its middle moved by a shift (x, y, z)."""
    whole = np.zeros((box,) * 3, dtype=np.float32)
    n = min(len(values), box)
    to, of = box // 2 - n // 2, len(values) // 2 - n // 2
    whole[(slice(to, to + n),) * 3] = values[(slice(of, of + n),) * 3]
    spectrum = torch.fft.fftn(torch.from_numpy(whole))
    frequency = torch.fft.fftfreq(box)
    x, y, z = (float(one) for one in middle_px)
    phase = z * frequency[:, None, None] + y * frequency[None, :, None] + x * frequency
    return torch.fft.ifftn(spectrum * torch.exp(-2j * torch.pi * phase)).real.numpy()


def test_a_path_of_ones_own_is_followed(path_maps: Run, tmp_path: Path) -> None:
    result, task = path_maps(
        tmp_path, path=["-0.5,0", "0.5,0", "0.5,0.5"], maps=2, share=0.5, name="mine"
    )
    assert [one.name for one in result.records] == ["mine 1", "mine 2"]
    assert len(task.metrics["resolution"]) == 2


def test_points_beyond_all_particles_are_told(path_maps: Run, tmp_path: Path) -> None:
    _, task = path_maps(tmp_path, path=["0,0", "90,0"], maps=2, share=0.5)
    assert len(task.warnings) == 1
    assert "map 2 lies beyond all particles" in task.warnings[0]


# What may be wrong


def test_paths_that_lead_nowhere_are_refused(path_maps: Run, tmp_path: Path) -> None:
    for path, words in (
        (["1,0"], "a path needs two different points"),
        (["1,0", "1,0"], "a path needs two different points"),
        (["1", "2"], r"'1' is no point of hinged landscape: it takes 2 numbers.*path=0\.5,0\.5"),
        (["here,0", "1,0"], "'here,0' is no point"),
        (["nan,0", "1,0"], "'nan,0' is no point"),
    ):
        with pytest.raises(StageError, match=words):
            path_maps(tmp_path, path=path)
    with pytest.raises(ParameterError, match="maps"):
        get("landscape-maps").validate({"maps": 1})
    assert not list(tmp_path.iterdir())


def test_a_landscape_that_is_gone_or_damaged_is_named(
    hinged: Hinged, landscape_record: Landscape, path_maps: Run, tmp_path: Path
) -> None:
    whole = Path(landscape_record.path).read_bytes()
    for name, content, words in (
        ("gone.npz", None, r"gone\.npz is gone"),
        ("torn.npz", whole[: len(whole) // 2], r"torn\.npz is damaged"),
        ("empty.npz", b"", r"empty\.npz is damaged"),
        ("other.npz", b"something else", r"other\.npz is damaged"),
    ):
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content)
        records = [*hinged.records, landscape_record.replace(path=str(path))]
        with pytest.raises(StageError, match=f"hinged landscape cannot be read.*{words}"):
            path_maps(tmp_path / "run", records=records)
    with pytest.raises(StageError, match="expected one landscape, found 0"):
        path_maps(tmp_path / "run", records=hinged.records)


def test_particles_of_another_set_are_refused(
    hinged: Hinged, path_maps: Run, tmp_path: Path
) -> None:
    table = hinged.table
    others = ParticleTable.of(
        str(table.tomogram_uids[0]),
        table.positions_angstrom,
        set_uid=hinged.records[0].uid,
        angles_deg=table.angles_deg,
    )
    with pytest.raises(StageError, match=r"none of these .* hinged landscape.*particles=NAME"):
        path_maps(tmp_path, others)
    with pytest.raises(StageError, match="hinged has 3 particles"):
        path_maps(tmp_path, table.select(range(3)))


def test_maps_of_too_few_particles_are_refused(path_maps: Run, tmp_path: Path) -> None:
    with pytest.raises(StageError, match=r"map \d would be of .* in its halves.*--set share=0\.02"):
        path_maps(tmp_path, share=0.01)

"""That refinement claims no more than the data hold."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import mrcfile
import numpy as np
import pytest
import torch

from tests.stages.conftest import (
    DIAMETER_ANGSTROM,
    PIXEL_ANGSTROM,
    PosedSample,
    Run,
    alignments,
    by_kind,
    map_of,
)
from tomotui.algorithms.refine.particles import Level
from tomotui.algorithms.refine.plan import RefinementPlan
from tomotui.algorithms.refine.refinement import Refinement
from tomotui.formats.mrc import read_volume
from tomotui.records import AnyRecord
from tomotui.records.particle_table import ParticleTable
from tomotui.stages.averaging_inputs import subjects_with_particles
from tomotui.stages.base import Inputs

# Halves that know nothing of each other


def test_what_one_half_is_shown_does_not_reach_the_other(
    posed: PosedSample, near: ParticleTable, stage_runner: ModuleType, tmp_path: Path
) -> None:
    task = stage_runner.RecordingTask(tmp_path, "all", threads=1)
    phantom = torch.zeros(34, 34, 34)
    phantom[20:24, 14:18, 17:21] = 1.0
    made = {}
    for is_planted in (False, True):
        inputs = Inputs(by_kind(posed.records), near)
        subjects = subjects_with_particles(task, inputs, posed.records[0], near, seed=0)
        refinement = Refinement(subjects.series, RefinementPlan(DIAMETER_ANGSTROM))
        reference = torch.from_numpy(read_volume(posed.reference)[0])
        refinement.take_references(reference, reference, PIXEL_ANGSTROM)
        refinement.go_to(Level(1, 34), PIXEL_ANGSTROM)
        refinement.iterate("p")
        if is_planted:
            first, second = refinement.references
            refinement.references = (first, second + 3 * second.max() * phantom)
        refinement.iterate("p")
        made[is_planted] = refinement.maps.halves
    # The first half's views and reference were the same: so are its poses and its map.
    assert torch.equal(made[True][0], made[False][0])
    assert not torch.allclose(made[True][1], made[False][1], rtol=0.02)


def noise_of(sample: PosedSample, folder: Path, seed: int) -> list[AnyRecord]:
    """Return the records of a sample whose images count electrons of an empty beam."""
    chance = np.random.default_rng(seed)
    series = []
    for one in sample.all("tilt_series"):
        path = folder / f"{one.name}-{seed}.mrc"
        with mrcfile.new(path) as file:
            file.set_data(
                chance.poisson(860.0, (one.n_tilts, one.height_px, one.width_px)).astype(np.int16)
            )
        series.append(one.replace(stack_path=str(path)))
    return sample.replaced(*series)


def finest_of_noise(
    sample: PosedSample, refine: Run, folder: Path, seed: int, **choices: Any
) -> tuple[float, float]:
    """Return the finest resolution that any iteration, and the end, claim of noise."""
    folder.mkdir()
    records = noise_of(sample, folder, seed)
    # Always the same halves: of other halves of so little, one in many shares a shell more.
    uids = np.array([f"{row:016x}" for row in range(len(sample.table))])
    table = replace(sample.table, uids=uids.astype(sample.table.uids.dtype))
    result, task = refine(folder, table, records, seed=seed, **choices)
    assert all(len(one.tilts) == 21 for one in alignments(result))
    last = map_of(result).resolution_angstrom
    return min(task.metrics["resolution"]), np.inf if last is None else last


def one_shell_beyond(resolution_angstrom: float) -> float:
    extent = 34 * PIXEL_ANGSTROM
    return extent / (extent / resolution_angstrom + 1)


def test_noise_stays_noise(posed: PosedSample, refine: Run, tmp_path: Path) -> None:
    """All that halves of noise share is the reference, up to its first resolution."""
    choices = {"iterations": "P,p4,t,p", "first_resolution_angstrom": 80.0}
    finest, last = finest_of_noise(posed, refine, tmp_path / "noise", 1, **choices)
    assert finest > one_shell_beyond(80.0)
    assert last > one_shell_beyond(80.0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 8))
def test_noise_stays_noise_however_long_one_looks(
    posed: PosedSample, refine: Run, tmp_path: Path, seed: int
) -> None:
    for first in (60.0, 40.0):
        choices = {"iterations": "P,p6,t,p2,g,r,d,p9", "first_resolution_angstrom": first}
        finest, last = finest_of_noise(posed, refine, tmp_path / f"{first:g}", seed, **choices)
        assert finest > one_shell_beyond(first)
        assert last > one_shell_beyond(first)

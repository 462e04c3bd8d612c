"""A landscape learnt by several processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.stages.conftest import QUICK_LANDSCAPE, by_kind
from tests.stages.hinged import Hinged
from tomotui.formats.mrc import read_volume
from tomotui.jobs.files import read_model, write_model
from tomotui.jobs.specification import PARTICLES_FILE, TASK_FILE, TaskResult, TaskSpecification
from tomotui.records import AnyRecord, Landscape, Map
from tomotui.records.particle_table import ParticleTable

pytestmark = pytest.mark.slow


def run_together(
    folder: Path,
    stage: str,
    records: list[AnyRecord],
    table: ParticleTable,
    parameters: dict[str, Any],
) -> TaskResult:
    """Run a stage by two processes, of which each works on every other particle."""
    specification = TaskSpecification(
        job_id=1,
        stage=stage,
        target="all",
        attempt=1,
        parameters=parameters,
        inputs=by_kind(records),
        has_particles=True,
        project_folder=folder.parent,
        version="0",
    )
    folder.mkdir()
    write_model(folder / TASK_FILE, specification)
    table.write(folder / PARTICLES_FILE)
    words = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    words += ["-m", "tomotui.jobs.ranks", str(folder)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [sys.executable, *words], env=environment, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr[:6000]
    found = read_model(folder / "result.json", TaskResult)
    assert found is not None
    assert found.status == "done"
    return found


def test_two_processes_come_to_the_same_landscape_and_maps(
    hinged: Hinged, learnt: Any, tmp_path: Path
) -> None:
    """Halves alternate as the processes' shares do: each has particles of one half only."""
    together = run_together(
        tmp_path / "landscape", "landscape", hinged.records, hinged.table, QUICK_LANDSCAPE
    )
    alone = next(one for one in learnt[0].records if isinstance(one, Landscape))
    record = next(one for one in together.records if isinstance(one, Landscape))
    with np.load(tmp_path / record.path) as file, np.load(alone.path) as other:
        found, expected = dict(file), dict(other)
    assert found["uids"].tolist() == expected["uids"].tolist()
    # What is found without a network is the same.
    np.testing.assert_allclose(found["strengths"], expected["strengths"], rtol=1e-3)
    np.testing.assert_allclose(found["centres_angstrom"], expected["centres_angstrom"], atol=0.01)
    assert record.n_motions == alone.n_motions
    # A network sees other lessons at once, and comes near.
    for along in (one["coordinates"] @ one["axes"][0] for one in (found, expected)):
        assert abs(np.corrcoef(along, hinged.truth_of(found["uids"]))[0, 1]) > 0.9
    assert record.agreement == pytest.approx(alone.agreement, abs=0.1)
    check_maps(together.records, learnt[0].records, tmp_path)


def check_maps(found: Any, expected: Any, folder: Path) -> None:
    """Compare half maps by halves."""
    pairs = [[one for one in records if isinstance(one, Map)] for records in (found, expected)]
    assert len(pairs[0]) == len(pairs[1]) > 0
    for ours, theirs in zip(*pairs, strict=True):
        for path, other in zip(ours.half_paths or (), theirs.half_paths or (), strict=True):
            values, wanted = read_volume(folder / path)[0], read_volume(Path(other))[0]
            np.testing.assert_allclose(values, wanted, atol=0.01 * wanted.std())


def test_two_processes_come_to_the_same_maps_along_a_path(
    hinged: Hinged, learnt: Any, stage_runner: Any, tmp_path: Path
) -> None:
    records = [*hinged.records, *learnt[0].records]
    choices = {"box_px": 24, "maps": 2, "share": 0.3}
    task = stage_runner.RecordingTask(tmp_path / "alone", "all", threads=1)
    alone = stage_runner.run_stage("landscape-maps", task, records, choices, hinged.table)
    together = run_together(tmp_path / "maps", "landscape-maps", records, hinged.table, choices)
    assert together.summary == alone.summary
    check_maps(together.records, alone.records, tmp_path)

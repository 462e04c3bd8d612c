"""Refinement in a project, again and again, and on several processes."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from tests.stages.conftest import (
    PIXEL_ANGSTROM,
    Polished,
    PosedSample,
    Run,
    by_kind,
    map_of,
    refined_set,
)
from tomotui.algorithms.refine.particles import Level
from tomotui.algorithms.refine.plan import RefinementPlan
from tomotui.algorithms.refine.refinement import Refinement
from tomotui.formats.mrc import read_volume
from tomotui.jobs.files import read_model, write_model
from tomotui.jobs.launch import wish_of
from tomotui.jobs.specification import PARTICLES_FILE, TASK_FILE, TaskResult, TaskSpecification
from tomotui.project import Project
from tomotui.records import AnyRecord, Map
from tomotui.records.particle_table import ParticleTable
from tomotui.stages import get
from tomotui.stages.averaging_inputs import subjects_with_particles
from tomotui.stages.base import Inputs

# In a project, and on several processes


def test_a_refined_set_is_seen_by_what_was_refined_with_it(
    posed: PosedSample, polished: Polished, stage_runner: ModuleType, tmp_path: Path
) -> None:
    stage = get("refine")
    with Project.create(tmp_path / "project") as project:
        project.add_records(polished.records)
        project.add_particle_tables([posed.table])
        project.add_records(polished.result.records)
        project.add_particle_tables(polished.result.particles)

        def inputs_of(particles: tuple[str, ...]) -> dict[str, list[AnyRecord]]:
            wish = wish_of(stage, {"particles": particles})
            return project.resolve_inputs(stage.takes, stage.optional, "all", wish)

        old, new = inputs_of(("ribosome",)), inputs_of(("ribosome-refined",))
        given = {one.uid for one in polished.records}
        assert {one.uid for one in old["alignment"]} < given
        made = refined_set(polished.result)
        assert {one.uid for one in new["alignment"]} == set(made.alignment_uids)
        assert {one.uid for one in new["map"]} == {map_of(polished.result).uid}
        table = project.particle_table([made.uid])
        # Whoever reconstructs again gets the images as they were refined.
        again = get("reconstruct")
        seen = project.resolve_inputs(again.takes, again.optional, "one")
        assert {one.uid for one in seen["alignment"]} < set(made.alignment_uids)
    task = stage_runner.RecordingTask(tmp_path / "again", "all", threads=1)
    everything = [one for records in new.values() for one in records]
    result = stage_runner.run_stage("refine", task, everything, {"iterations": "p"}, table)
    second = refined_set(result)
    assert (second.parent_uid, second.alignment_uids) == (made.uid, made.alignment_uids)
    before, after = (map_of(one).resolution_angstrom for one in (polished.result, result))
    assert after < before * 1.02


@pytest.mark.slow
def test_several_processes_come_to_the_same_maps(
    posed: PosedSample, near: ParticleTable, refine: Run, tmp_path: Path
) -> None:
    """Of nine particles and one: the second process has none of the second series."""
    table = near.select([*range(9), 12])
    table = replace(table, halves=np.arange(10) % 2)
    choices = {"iterations": "auto", "search": False, "most_iterations": 4, "corrections": "tg"}
    alone, _ = refine(tmp_path / "alone", table, **choices)
    specification = TaskSpecification(
        job_id=1,
        stage="refine",
        target="all",
        attempt=1,
        parameters={"reference": str(posed.reference), **choices},
        inputs=by_kind(posed.records),
        has_particles=True,
        project_folder=tmp_path,
        version="0",
    )
    folder = tmp_path / "together"
    folder.mkdir()
    write_model(folder / TASK_FILE, specification)
    table.write(folder / PARTICLES_FILE)
    words = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    words += ["-m", "tomotui.jobs.ranks", str(folder)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [sys.executable, *words], env=environment, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr[-2000:]
    together = read_model(folder / "result.json", TaskResult)
    assert together is not None
    assert together.status == "done"
    found, expected = (
        next(one for one in result.records if isinstance(one, Map)) for result in (together, alone)
    )
    for ours, theirs in zip(found.half_paths or (), expected.half_paths or (), strict=True):
        values, wanted = read_volume(tmp_path / ours)[0], read_volume(Path(theirs))[0]
        np.testing.assert_allclose(values, wanted, atol=0.01 * wanted.std())
    particles = ParticleTable.read(folder / together.particles[0])
    assert particles.origins.tolist() == alone.particles[0].origins.tolist()
    np.testing.assert_allclose(
        particles.positions_angstrom, alone.particles[0].positions_angstrom, atol=0.02
    )
    np.testing.assert_allclose(particles.scores, alone.particles[0].scores, rtol=1e-3)
    places = (tmp_path / (found.details_path or ""), expected.details_path)
    letters = [np.load(place)["iteration_letter"].tolist() for place in places]
    assert letters[0] == letters[1]
    assert len(set(letters[0])) > 2


def test_a_process_without_particles_of_a_series_does_all_the_steps(
    posed: PosedSample, near: ParticleTable, stage_runner: ModuleType, tmp_path: Path
) -> None:
    task = stage_runner.RecordingTask(tmp_path, "all", threads=1)
    few = near.select([0, 1, 2, 3, 12])
    subjects = subjects_with_particles(
        task, Inputs(by_kind(posed.records), few), posed.records[0], few, seed=0
    )
    one, two = subjects.series
    refinement = Refinement(
        [one, two.part(np.zeros(0, dtype=np.intp))], RefinementPlan(270.0, "C1", 80.0)
    )
    reference = torch.from_numpy(read_volume(posed.reference)[0])
    refinement.take_references(reference, reference, PIXEL_ANGSTROM)
    refinement.go_to(Level(2, 18), PIXEL_ANGSTROM)
    for letter in "Pptgrdm":
        refinement.iterate(letter)
    assert [one.letter for one in refinement.iterations] == list("Pptgrdm")
    refinement.take_up(refinement.state())
    assert len(refinement.cut(0.3)) == 1
    assert torch.isfinite(refinement.make_maps().whole).all()

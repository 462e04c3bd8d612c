"""Particle sets that stages make come into the project with their rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tomotui.jobs.files import UnreadableFile, read_model
from tomotui.jobs.found import read_particles
from tomotui.jobs.specification import RESULT_FILE, TaskResult
from tomotui.records import Status

if TYPE_CHECKING:
    from conftest import Bench


def test_sets_come_with_their_particles_and_never_hide_an_earlier_one(bench: Bench) -> None:
    bench.request("fake", "ts_01")
    bench.run()
    first = bench.request("average", "ts_01")
    bench.run()
    second = bench.request("average", "ts_01")
    bench.run()
    assert bench.status(first, "ts_01") == bench.status(second, "ts_01") == Status.DONE
    sets = bench.project.particle_sets()
    assert [one.name for one in sets] == ["refined", "refined-2"]
    for one in sets:
        table = bench.project.particle_table([one.uid])
        assert table.halves.tolist() == [0, 1, 0]
        assert table.positions_angstrom[:, 0].tolist() == [0, 100, 200]
        assert all(table.origins)


def test_an_end_is_taken_in_once(bench: Bench) -> None:
    bench.request("fake", "ts_01")
    bench.run()
    job = bench.request("average", "ts_01")
    bench.run()
    task, folder = bench.task(job, "ts_01"), bench.folder(job, "ts_01")
    result = read_model(folder / RESULT_FILE, TaskResult)
    assert result is not None
    tables = read_particles(folder, result)
    again = bench.project.finish_task(task, Status.DONE, records=result.records, particles=tables)
    assert not again
    assert bench.project.n_particles(bench.project.particle_sets()[0].uid) == 3
    (folder / result.particles[0]).write_bytes(b"torn")
    with pytest.raises(UnreadableFile, match="particles-made-0"):
        read_particles(folder, result)


def test_particles_without_a_set_are_refused(bench: Bench) -> None:
    job = bench.request("stray-particles", "ts_01")
    bench.run()
    task = bench.task(job, "ts_01")
    assert task.status == Status.FAILED
    assert "no particle set" in task.error

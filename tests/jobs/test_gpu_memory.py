"""When the GPU's memory does not suffice: once more with less at once, and that is said."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tomotui.records import Status
from tomotui.stages import get

if TYPE_CHECKING:
    from conftest import Bench


def test_a_task_that_ran_out_of_gpu_memory_is_tried_once_more_with_half_as_much(
    bench: Bench,
) -> None:
    job = bench.request("greedy", "a", batch=8, fits=4)
    never = bench.request("greedy", "a", batch=8, fits=1)
    bench.run()
    assert bench.task(job, "a").summary == "4 at once"
    told = [(event.kind, event.message) for event in bench.project.events(job.id)]
    assert (
        "warning",
        "the GPU ran out of memory; tried once more with 4 instead of 8 at once",
    ) in (told)
    task = bench.task(never, "a")
    assert task.status is Status.FAILED
    assert "the GPU ran out of memory." in task.error
    tries = [event.message for event in bench.project.events(never.id, kinds=("log",))]
    assert tries == ["tries 8", "tries 4"]


@pytest.mark.parametrize("name", ["pick-train", "restore-train"])
def test_trainings_halve_the_batch_of_their_preset(name: str) -> None:
    stage = get(name)
    parameters = stage.validate({})
    batch = stage.batch_of(parameters, "cuda:0")
    assert batch is not None
    assert batch > 1
    smaller = stage.smaller(parameters, "cuda:0")
    assert stage.batch_of(smaller, "cuda:0") == batch // 2


def test_stages_that_plan_by_the_free_memory_plan_again() -> None:
    stage = get("reconstruct")
    parameters = stage.validate({})
    assert stage.batch_of(parameters, "cuda:0") is None
    assert stage.smaller(parameters, "cuda:0") is parameters

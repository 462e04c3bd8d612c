"""Several tasks on one GPU: never more than fits, and nobody waits for ever."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.jobs.fake_nvml import GIB, Device, install
from tomotui.jobs.devices import Gpu, GpuUsage, gpu_usage
from tomotui.jobs.gpu_slots import SPARE, GpuSlots
from tomotui.jobs.local import Slots


class Telemetry:
    """What a driver would say: by the GPU's name what is used."""

    def __init__(self, **used: int) -> None:
        self.used = used

    def __call__(self, visible: str) -> GpuUsage | None:
        return GpuUsage(self.used[visible], 0.0) if visible in self.used else None


def cards(*totals_gib: int) -> list[Gpu]:
    return [Gpu(i, f"g{i}", "H100", total * GIB) for i, total in enumerate(totals_gib)]


class Wish(NamedTuple):
    """A task to be: what it needs, whether that is known, and how many rounds it takes."""

    need_gib: int
    is_known: bool
    rounds: int


WISHES = st.lists(
    st.builds(Wish, st.integers(1, 90), st.booleans(), st.integers(1, 4)), min_size=1, max_size=12
)


@settings(max_examples=25, deadline=None)
@given(
    totals=st.lists(st.sampled_from([24, 80]), min_size=1, max_size=3),
    strangers=st.integers(0, 40),
    wishes=WISHES,
    most=st.integers(1, 4),
)
def test_no_gpu_is_promised_twice_and_every_task_gets_one(
    totals: list[int], strangers: int, wishes: list[Wish], most: int
) -> None:
    gpus = cards(*totals)
    slots = GpuSlots(gpus, most_tasks=most, look=lambda visible: GpuUsage(used(visible), 0.0))

    def used(visible: str) -> int:
        here = slots.tenants(f"gpu {visible[1:]}").values()
        return strangers * GIB + sum(tenant.held_bytes for tenant in here)

    waiting = dict(enumerate(wishes))
    running: dict[int, int] = {}
    # Small tasks keep coming behind those that wait: they must not go before them for ever.
    coming = len(wishes)
    for number in range(120):
        for task in [task for task, until in running.items() if until <= number]:
            slots.free(task)
            del running[task]
        waiting[coming] = Wish(1, True, 3)
        coming += 1
        slots.begin_round()
        for task, wish in list(waiting.items()):
            need = wish.need_gib * GIB if wish.is_known else None
            label = slots.place_for(lambda need=need: need)
            if label is None:
                continue
            beside = list(slots.tenants(label).values())
            total = next(gpu.memory_bytes for gpu in gpus if gpu.label == label)
            if beside:
                assert need is not None
                promised = sum(one.need_bytes or total for one in beside) + need
                assert promised + strangers * GIB <= (1 - SPARE) * total
                assert len(beside) < most
            slots.take(task, label, need)
            slots.hold(task, (need or total) // 2)
            running[task] = number + wish.rounds
            del waiting[task]
        if not set(waiting) & set(range(len(wishes))):
            break
    assert not set(waiting) & set(range(len(wishes)))


def test_small_tasks_share_once_all_gpus_have_one() -> None:
    slots = GpuSlots(cards(80, 80), look=Telemetry(g0=5 * GIB, g1=0))
    places = []
    for task in range(5):
        label = slots.place_for(lambda: 20 * GIB)
        assert label is not None
        slots.take(task, label, 20 * GIB)
        places.append(label)
    # The emptier first; 72 GiB are for promises, of which strangers have 5 on the first.
    assert places == ["gpu 1", "gpu 0", "gpu 1", "gpu 0", "gpu 1"]
    assert slots.place_for(lambda: 8 * GIB) == "gpu 0"
    assert slots.place_for(lambda: 40 * GIB) is None
    # The large one waits for the GPU with the fewest tasks; the rest goes to the other.
    assert slots.place_for(lambda: GIB) == "gpu 1"
    slots.free(1)
    slots.free(3)
    slots.begin_round()
    assert slots.place_for(lambda: 40 * GIB) == "gpu 0"


def test_what_a_task_holds_beyond_its_need_counts() -> None:
    slots = GpuSlots(cards(80), look=Telemetry(g0=50 * GIB))
    slots.take(1, "gpu 0", 10 * GIB)
    slots.hold(1, 50 * GIB)
    assert slots.place_for(lambda: 23 * GIB) is None
    slots.begin_round()
    assert slots.place_for(lambda: 22 * GIB) == "gpu 0"


def test_a_gpu_that_tells_nothing_is_not_shared() -> None:
    slots = GpuSlots(cards(80), look=Telemetry())
    assert slots.place_for(lambda: GIB) == "gpu 0"
    slots.take(1, "gpu 0", GIB)
    assert slots.place_for(lambda: GIB) is None


def test_a_number_that_a_user_gives_goes_before_what_is_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slots = Slots(cpu_slots=1, gpus=cards(80), tasks_per_gpu=2, look=Telemetry())
    for task in (1, 2):
        assert slots.place_for("gpu") == "gpu 0"
        slots.take(task, "gpu 0")
    assert slots.place_for("gpu", lambda: 1) is None
    assert [state.words for state in slots.states()] == ["0 of 1 in use", "2 of 2 in use"]
    monkeypatch.setenv("TOMOTUI_TASKS_PER_GPU", "3")
    assert Slots.of_this_machine().tasks_per_gpu == 3
    assert Slots.of_this_machine(tasks_per_gpu=1).tasks_per_gpu == 1
    monkeypatch.setenv("TOMOTUI_TASKS_PER_GPU", "lots")
    assert Slots.of_this_machine().tasks_per_gpu is None


def test_slots_say_how_they_stand() -> None:
    slots = Slots(cpu_slots=2, gpus=cards(80), look=Telemetry(g0=0))
    slots.take(1, "cpu")

    def said() -> list[str]:
        return [state.words for state in slots.states()]

    assert said() == ["1 of 2 in use", "0 of up to 4"]
    slots.take(2, "gpu 0", 20 * GIB)
    slots.take(3, "gpu 0", 5 * GIB)
    assert said()[1] == "2 of up to 4, 25 of 80 GiB"
    slots.free(2)
    slots.take(3, "gpu 0")
    assert said()[1] == "1, alone: need not known"


def test_the_driver_tells_whose_the_memory_is(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    card = Device(memory=9 * GIB, processes=[(os.getpid(), 4 * GIB)])
    driver = install(monkeypatch, card)
    driver.nvmlDeviceGetHandleByUUID = lambda name: card  # type: ignore[attr-defined]

    def ours() -> int:
        usage = gpu_usage("g0")
        assert usage is not None
        return usage.memory_of([os.getpid()])

    assert ours() == 4 * GIB
    # Processes that this system does not know are another's: all that is used may be ours.
    card.processes = [(2**22 + 1, 4 * GIB)]
    assert ours() == 9 * GIB
    card.processes = [(os.getpid(), None)]
    assert ours() == 9 * GIB
    card.processes = []
    assert ours() == 0

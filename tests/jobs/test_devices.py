from __future__ import annotations

import pytest

from tomotui.jobs.devices import Gpu, cpu_count, select_visible
from tomotui.jobs.local import Slots

GPUS = [Gpu(i, f"GPU-{name}", "H200", 1 << 37) for i, name in enumerate(("aaa", "abb", "ccc"))]


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        (None, [0, 1, 2]),
        ("", []),
        ("-1", []),
        ("NoDevFiles", []),
        ("2,0", [2, 0]),
        ("0,7,1", [0]),
        ("1,1", [1]),
        ("GPU-c, 0", [2, 0]),
        ("GPU-a", []),
    ],
)
def test_cuda_visible_devices_is_honoured(wanted: str | None, numbers: list[int]) -> None:
    assert [gpu.number for gpu in select_visible(GPUS, wanted)] == numbers


def test_each_gpu_has_one_task_and_the_processors_are_another_matter() -> None:
    slots = Slots(cpu_slots=1, gpus=GPUS[:2])
    for task, device in ((1, "gpu 0"), (2, "gpu 1")):
        assert slots.place_for("gpu") == device
        slots.take(task, device)
    assert slots.place_for("gpu") is None
    assert slots.place_for("cpu") == "cpu"
    slots.take(3, "cpu")
    assert not slots.any_free
    slots.free(1)
    assert slots.place_for("gpu") == "gpu 0"
    assert slots.visible("gpu 1") == "GPU-abb"
    assert slots.visible("cpu") == ""


def test_without_gpus_a_stage_that_wants_one_takes_a_processor() -> None:
    slots = Slots(cpu_slots=1)
    assert slots.place_for("gpu") == "cpu"
    slots.take(1, "cpu")
    assert slots.place_for("gpu") is None


def test_the_number_of_slots_can_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOMOTUI_CPU_SLOTS", "3")
    assert Slots.of_this_machine().cpu_slots == 3
    assert Slots.of_this_machine(cpu_slots=5).cpu_slots == 5
    monkeypatch.setenv("TOMOTUI_CPU_SLOTS", "many")
    slots = Slots.of_this_machine()
    assert slots.cpu_slots == max(1, cpu_count() // 4)
    assert slots.threads * slots.cpu_slots <= cpu_count()

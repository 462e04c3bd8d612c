"""How long a job may take is told from earlier runs, and from how many."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tui.conftest import STAGES
from tomotui.project import Project
from tomotui.tui.forecast import History, Run, forecast, read_history

SIZES = {"small": 100.0, "large": 300.0}


def run(seconds: float, size: float = 100.0, device: str = "cuda", **parameters: object) -> Run:
    return Run("ts", seconds, device, size, parameters)


def test_nothing_is_told_where_nothing_has_run() -> None:
    assert forecast(History((), SIZES), ["small"], {}, True) is None


def test_the_time_grows_with_the_size_of_what_is_worked_on() -> None:
    found = forecast(History((run(60), run(80), run(70)), SIZES), ["small", "large"], {}, True)
    assert found is not None
    assert found.seconds == pytest.approx(70 * 4)
    assert (found.low, found.high) == (pytest.approx(60 * 4), pytest.approx(80 * 4))
    assert found.words() == [
        "about 5 m one after the other, 2 m each",
        "from 3 earlier runs on cuda, by size",
        "4 m to 5 m at their paces",
    ]


def test_runs_like_this_on_the_same_kind_of_device_count_alone() -> None:
    runs = (run(10, rounds=3), run(500, device="cpu", rounds=3), run(900, rounds=9))
    alike = forecast(History(runs, SIZES), ["small"], {"rounds": "3", "series": ["small"]}, True)
    assert alike is not None
    assert (alike.seconds, alike.n_runs, alike.is_alike) == (pytest.approx(10), 1, True)
    other = forecast(History(runs, SIZES), ["small"], {"rounds": 5}, True)
    assert other is not None
    assert (other.n_runs, other.is_alike) == (2, False)
    assert "with other parameters" in other.words()[1]


def test_a_stage_that_works_on_all_together_is_one_task_of_their_size() -> None:
    found = forecast(History((run(40, size=200.0),), SIZES), ["small", "large"], {}, False)
    assert found is not None
    assert (found.n_tasks, found.seconds) == (1, pytest.approx(80))


def test_sizes_that_are_not_known_scale_nothing() -> None:
    found = forecast(History((run(40, size=0.0),), {}), ["new"], {}, True)
    assert found is not None
    assert (found.seconds, found.is_scaled) == (40, False)


def test_runs_are_read_from_the_project(folder: Path) -> None:
    with Project.open(folder) as project:
        history = read_history(project, STAGES[1], ["ts_005"])
    assert [one.target for one in history.runs] == ["ts_001"]
    assert history.runs[0].device == "cpu"
    assert history.runs[0].parameters["thickness_angstrom"] == 3000.0
    assert history.runs[0].size == history.sizes["ts_005"] == 3838 * 3710 * 41

"""The demo: a whole run on the real sample data."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tomotui.jobs.sample import begin_sample
from tomotui.project import Project
from tomotui.records import Status, Tomogram

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Call


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_demo_aligns_and_reconstructs_a_real_cell(
    call: Call, tmp_path: Path, end_all: Callable[[Path], None]
) -> None:
    place = tmp_path / "demo"
    try:
        said = call.well("demo", place, "--headless")
        axis = re.search(r"tilt axis +(-?[\d.]+) deg", said.out)
        assert axis is not None
        assert abs(float(axis[1]) - -4.3) < 1
        with Project.open(place, read_only=True) as project:
            (tomogram,) = project.records("tomogram")
        assert isinstance(tomogram, Tomogram)
        assert (place / tomogram.path).stat().st_size > 1e6
        # Called again it shows the same, without computing anything.
        again = call.well("demo", place, "--headless")
        assert axis[0] in again.out
        assert len(call.well("jobs", "--json", "-p", place).json) == 3
    finally:
        end_all(place)


def test_the_demo_goes_on_where_it_failed(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "demo"
    monkeypatch.setattr("tomotui.jobs.ensure_agent", lambda folder: None)
    assert begin_sample(place) == 3
    with Project.open(place) as project:
        assert [job.stage for job in project.jobs()] == ["import", "align", "reconstruct"]
        assert project.jobs()[2].after == (2,)
        project.request_cancel(2)
    assert begin_sample(place) == 3
    with Project.open(place) as project:
        assert {job.status for job in project.jobs()} == {Status.QUEUED}


def test_the_demo_needs_a_folder_of_its_own(call: Call, three: Path) -> None:
    said = call("demo", three, "--headless")
    assert (said.code, said.out) == (1, "")
    assert f"{three} holds another project" in said.err


def test_the_tour_asks_for_a_terminal_before_it_makes_anything(call: Call, tmp_path: Path) -> None:
    said = call("tour", tmp_path / "tour")
    assert (said.code, said.out) == (1, "")
    assert "need a terminal" in said.err
    assert not (tmp_path / "tour").exists()

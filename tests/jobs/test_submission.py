from __future__ import annotations

from pathlib import Path

import pytest

from tomotui.jobs.launch import wish_of
from tomotui.jobs.submission import submit
from tomotui.project import Project, ProjectError
from tomotui.records import JobRequest, Target, Tilt, TiltSeries
from tomotui.stages import get


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project.create(tmp_path / "project")
    made.add_records(
        TiltSeries(
            name=name,
            stack_path="none.mrc",
            width_px=8,
            height_px=8,
            pixel_size_angstrom=10.0,
            tilts=(Tilt(index=0, nominal_tilt_deg=0.0),),
        )
        for name in ("one", "two", "three")
    )
    return made


def wish(*names: str, **values: object) -> JobRequest:
    return JobRequest(
        stage="restore-train",
        parameters={"preset": "preview"},
        targets=tuple(Target(name=name) for name in names),
        **values,
    )


def test_the_series_of_a_sample_are_one_task(project: Project) -> None:
    job = submit(project, wish("one", "three"), start_agent=False)
    assert job.targets == ("sample",)
    assert job.parameters == {"preset": "preview", "series": ["one", "three"]}
    stage = get("restore-train")
    assert wish_of(stage, job.parameters).of_series == ("one", "three")


def test_all_series_are_those_there_are_when_it_starts(project: Project) -> None:
    job = submit(project, wish("one", "two", "three", label="vivo"), start_agent=False)
    assert job.targets == ("vivo",)
    assert job.parameters == {"preset": "preview"}


def test_a_job_of_a_sample_can_be_submitted_again(project: Project) -> None:
    first = submit(project, wish("one", "two"), start_agent=False)
    again = submit(project, project.clone_request(first.id), start_agent=False)
    assert (again.targets, again.parameters) == (first.targets, first.parameters)


def test_a_sample_is_not_called_like_a_series(project: Project) -> None:
    with pytest.raises(ProjectError, match="two is the name of a tilt series"):
        submit(project, wish("one", "three", label="two"), start_agent=False)
    assert project.jobs() == []


def test_stages_of_single_series_keep_their_targets(project: Project) -> None:
    request = wish("one", "two").replace(stage="align", parameters={})
    assert submit(project, request, start_agent=False).targets == ("one", "two")

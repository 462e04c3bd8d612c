from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.jobs.microscope import age, cut, leave_mdoc, leave_series, leave_stack
from tomotui.jobs.recipe import Recipe, RecipeError
from tomotui.jobs.recipe_reading import read_recipe
from tomotui.jobs.watch import AlreadyWatched, checked_recipe, run_watch
from tomotui.jobs.watch_presence import WatchOptions, status_of, watch_statuses
from tomotui.jobs.watcher import Happening, Watcher
from tomotui.project import Project, ProjectError
from tomotui.records import Status
from tomotui.stages.base import ParameterError

if TYPE_CHECKING:
    from conftest import Bench

RECIPE = """
[import]
dataset = "krios"
[[step]]
stage = "measure"
parameters = { failing = ["ts_2"], poor = ["ts_3"] }
[[step]]
stage = "next"
when = "measure.residual_angstrom < 20"
"""


@pytest.fixture
def session(tmp_path: Path) -> Path:
    folder = tmp_path / "session"
    folder.mkdir()
    return folder


@pytest.fixture
def recipe(tmp_path: Path, fake_stages: None) -> Recipe:
    path = tmp_path / "live.toml"
    path.write_text(RECIPE)
    return read_recipe(path)


class Watch:
    """A watcher without an agent, and what it told."""

    def __init__(self, project: Project, recipe: Recipe, folder: Path, **options: object) -> None:
        wish = WatchOptions(folder=folder, settle_seconds=0.0, **options)  # type: ignore[arg-type]
        self.told: list[Happening] = []
        self.project = project
        self.watcher = Watcher(project, recipe, wish, self.told.append, start_agent=False)

    def step(self) -> list[tuple[str, str]]:
        """Look once; returns what was told of it: kind and series."""
        before = len(self.told)
        self.watcher.step()
        return [(each.kind, each.name) for each in self.told[before:]]


def jobs(project: Project) -> list[tuple[str, tuple[str, ...], tuple[int, ...]]]:
    return [(job.stage, job.targets, job.after) for job in project.jobs()]


def test_what_arrives_is_imported_with_every_step_of_the_recipe(
    project: Project, recipe: Recipe, session: Path
) -> None:
    watch = Watch(project, recipe, session, import_parameters={"dose_e_per_a2": 2.5})
    assert watch.step() == []
    leave_series(session, "ts_1")
    leave_series(session, "ts_2")
    assert watch.step() == [("taken", "ts_1"), ("taken", "ts_2")]
    names = ("ts_1", "ts_2")
    assert jobs(project) == [("import", names, ()), ("measure", names, (1,)), ("next", names, (2,))]
    task = project.task(1, "ts_1")
    assert task.parameters == {
        "dataset": "krios", "dose_e_per_a2": 2.5, "stack": str(session / "ts_1.mrc"),
    }  # fmt: skip
    leave_series(session, "ts_3")
    assert watch.step() == [("taken", "ts_3")]
    assert jobs(project)[3:] == [
        ("import", ("ts_3",), ()), ("measure", ("ts_3",), (4,)), ("next", ("ts_3",), (5,)),
    ]  # fmt: skip
    assert watch.step() == []


def test_a_restart_takes_nothing_twice(project: Project, recipe: Recipe, session: Path) -> None:
    leave_series(session, "ts_1")
    Watch(project, recipe, session).step()
    leave_series(session, "ts_2")
    again = Watch(project, recipe, session)
    assert again.step() == [("taken", "ts_2")]
    assert Watch(project, recipe, session).step() == []
    assert len(jobs(project)) == 6


def test_what_was_imported_by_hand_is_not_taken(
    bench: Bench, recipe: Recipe, session: Path
) -> None:
    leave_series(session, "ts_1")
    bench.request("import", "ts_1", stack=str(session / "ts_1.mrc"), copy_stack=True)
    bench.run()
    assert Watch(bench.project, recipe, session).step() == []
    elsewhere = session.with_name("link")
    elsewhere.symlink_to(session)
    assert Watch(bench.project, recipe, elsewhere).step() == []


def test_two_watchers_at_once_take_each_series_once(
    project: Project, recipe: Recipe, session: Path
) -> None:
    for number in range(8):
        leave_series(session, f"ts_{number}")
    taken: list[str] = []
    ready = threading.Barrier(3)

    def work() -> None:
        with Project.open(project.folder) as own:
            watch = Watch(own, recipe, session)
            ready.wait()
            taken.extend(name for kind, name in watch.step() if kind == "taken")

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == [f"ts_{number}" for number in range(8)]
    targets = [name for stage, names, _ in jobs(project) if stage == "import" for name in names]
    assert sorted(targets) == sorted(taken)


def test_a_series_that_fails_does_not_stop_the_others(
    bench: Bench, recipe: Recipe, session: Path
) -> None:
    for name in ("ts_1", "ts_2", "ts_3", "ts_4"):
        leave_series(session, name)
    Watch(bench.project, recipe, session).step()
    bench.run()
    states = {
        name: [bench.project.task(job, name).status.value for job in (1, 2, 3)]
        for name in ("ts_1", "ts_2", "ts_3", "ts_4")
    }
    assert states == {
        "ts_1": ["done", "done", "done"],
        "ts_2": ["done", "failed", "skipped"],
        "ts_3": ["done", "done", "skipped"],
        "ts_4": ["done", "done", "done"],
    }
    assert "measure.residual_angstrom is 40" in bench.project.task(3, "ts_3").error
    series = bench.project.series_named("ts_1")
    assert series is not None
    assert series.dataset == "krios"


def test_what_is_not_complete_is_told_once_and_taken_when_it_is(
    project: Project, recipe: Recipe, session: Path
) -> None:
    leave_series(session, "ts_1")
    cut(leave_series(session, "ts_2"))
    leave_series(session, "ts_3", 5)
    leave_mdoc(session, "ts_3", 7)
    leave_stack(session, "ts_4")
    watch = Watch(project, recipe, session)
    assert watch.step() == [
        ("taken", "ts_1"),
        *[("waiting", f"ts_{number}.mrc") for number in (2, 3, 4)],
    ]
    assert watch.step() == []
    assert "7 sections" in watch.watcher.waiting[1].reason
    assert watch.watcher.waiting[2].reason.startswith("waits for its mdoc")
    leave_series(session, "ts_2")
    leave_mdoc(session, "ts_3", 5)
    leave_mdoc(session, "ts_4")
    assert watch.step() == [("taken", "ts_2"), ("taken", "ts_3"), ("taken", "ts_4")]
    assert watch.watcher.waiting == ()


def test_a_name_that_is_taken_is_told_once_and_nothing_is_lost(
    project: Project, recipe: Recipe, session: Path
) -> None:
    for place in ("a", "b"):
        (session / place).mkdir()
        leave_series(session / place, "ts_1")
    watch = Watch(project, recipe, session, patterns=("*/*.mrc",))
    assert watch.step() == [("taken", "ts_1"), ("waiting", "ts_1.mrc")]
    assert f"a tilt series ts_1 already, of {session}/a/ts_1.mrc" in watch.told[-1].words
    assert watch.step() == []
    assert len(jobs(project)) == 3


@pytest.mark.slow
def test_a_failed_import_is_tried_again_when_its_files_have_changed(
    bench: Bench, recipe: Recipe, session: Path
) -> None:
    path = leave_series(session, "ts_1")
    watch = Watch(bench.project, recipe, session)
    watch.step()
    cut(path)
    bench.run()
    assert bench.project.task(1, "ts_1").status == Status.FAILED
    assert bench.project.task(3, "ts_1").status == Status.SKIPPED
    watch.step()
    assert bench.project.task(1, "ts_1").status == Status.FAILED
    leave_series(session, "ts_1")
    leave_series(session, "ts_10")
    assert watch.step() == [("taken", "ts_10"), ("again", "ts_1")]
    bench.run()
    assert [bench.project.task(n, "ts_1").status for n in (1, 2, 3)] == [Status.DONE] * 3
    assert watch.step() == []


def test_a_failed_import_of_files_that_have_not_changed_stays_failed(
    bench: Bench, recipe: Recipe, session: Path
) -> None:
    path = leave_series(session, "ts_1")
    bench.request("import", "ts_1", stack=str(path), tilts="/nowhere.tlt")
    bench.run()
    assert bench.project.task(1, "ts_1").status == Status.FAILED
    assert Watch(bench.project, recipe, session).step() == []
    assert bench.project.task(1, "ts_1").status == Status.FAILED


def test_a_folder_that_vanishes_is_told_once_and_watched_again(
    project: Project, recipe: Recipe, session: Path
) -> None:
    watch = Watch(project, recipe, session)
    shutil.rmtree(session)
    assert watch.step() == [("trouble", "")]
    assert f"{session} cannot be read" in watch.told[-1].words
    assert watch.step() == []
    session.mkdir()
    leave_series(session, "ts_1")
    assert watch.step() == [("taken", "ts_1"), ("well", "")]


def test_a_project_that_cannot_be_written_for_a_while_is_trouble_and_no_end(
    project: Project, recipe: Recipe, session: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_series(session, "ts_1")
    watch = Watch(project, recipe, session)

    def refuse(*words: object) -> None:
        raise ProjectError("The disk is full.", "Free some space.")

    with monkeypatch.context() as patch:
        patch.setattr(project, "submit", refuse)
        assert watch.step() == [("trouble", "")]
    assert jobs(project) == []
    assert watch.step() == [("taken", "ts_1"), ("well", "")]


def test_a_crash_between_two_steps_leaves_nothing_half_queued(
    project: Project, recipe: Recipe, session: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_series(session, "ts_1")
    watch = Watch(project, recipe, session)
    submit = project.submit

    def crash(request: object) -> object:
        if len(project.jobs()) == 2:
            raise KeyboardInterrupt
        return submit(request)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(project, "submit", crash)
        with pytest.raises(KeyboardInterrupt):
            watch.step()
    assert jobs(project) == []
    assert Watch(project, recipe, session).step() == [("taken", "ts_1")]


def options(session: Path, tmp_path: Path, **more: object) -> WatchOptions:
    return WatchOptions(
        folder=session, recipe=str(tmp_path / "live.toml"), settle_seconds=0.0,
        every_seconds=0.02, **more,
    )  # type: ignore[arg-type] # fmt: skip


def test_once_takes_what_is_complete_and_ends(
    project: Project, recipe: Recipe, session: Path, tmp_path: Path
) -> None:
    leave_series(session, "ts_1")
    cut(leave_series(session, "ts_2"))
    wish = options(session, tmp_path, once=True)
    watcher = run_watch(project.folder, wish, lambda told: None, start_agent=False)
    assert watcher.taken == 1
    status = status_of(project.folder, session)
    assert status is not None
    assert not status.is_alive
    assert list(status.info.waiting) == [str(session / "ts_2.mrc")]


def test_a_second_watcher_of_the_folder_is_refused_while_the_first_lives(
    project: Project, recipe: Recipe, session: Path, tmp_path: Path
) -> None:
    wish = options(session, tmp_path)
    refused: list[str] = []
    other = tmp_path / "other"
    other.mkdir()

    def tick(_: Project) -> None:
        (status,) = watch_statuses(project.folder)
        assert status.is_alive
        with pytest.raises(AlreadyWatched, match=f"watched by process {os.getpid()}") as raised:
            run_watch(project.folder, wish, lambda told: None, start_agent=False)
        refused.append(str(raised.value))
        # Another folder is another matter.
        third = options(other, tmp_path, once=True)
        run_watch(project.folder, third, lambda told: None, start_agent=False)

    run_watch(
        project.folder, wish, lambda told: None,
        stopping=lambda: bool(refused), tick=tick, start_agent=False,
    )  # fmt: skip
    assert len(refused) == 1
    run_watch(project.folder, wish, lambda told: None, stopping=lambda: True, start_agent=False)


def test_a_recipe_for_all_series_at_once_cannot_be_watched_with(
    project: Project, session: Path, tmp_path: Path
) -> None:
    path = tmp_path / "live.toml"
    path.write_text("[[step]]\nstage='whole'\ntarget='all'")
    with pytest.raises(RecipeError, match="step whole: target: works on all series"):
        checked_recipe(project.folder, options(session, tmp_path))


def test_import_parameters_are_checked_before_anything_is_watched(
    project: Project, recipe: Recipe, session: Path, tmp_path: Path
) -> None:
    wish = options(session, tmp_path, import_parameters={"dose_e_per_a2": "much"})
    with pytest.raises(ParameterError, match="dose_e_per_a2"):
        checked_recipe(project.folder, wish)


def test_files_of_yesterday_are_taken_soon(project: Project, recipe: Recipe, session: Path) -> None:
    age(leave_series(session, "ts_1"), 1e5)
    age(session / "ts_1.mrc.mdoc", 1e5)
    wish = WatchOptions(folder=session)
    watcher = Watcher(project, recipe, wish, lambda told: None, start_agent=False)
    watcher.step()
    assert jobs(project) == []
    watcher.step()
    assert len(jobs(project)) == 3

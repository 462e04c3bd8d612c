from __future__ import annotations

import signal
import sys
from pathlib import Path
from subprocess import Popen

from textual.widgets import OptionList

from tests.tui.conftest import AppMaker, request, until
from tomotui.jobs.killing import kill_task
from tomotui.jobs.liveness import identity_of, this_host
from tomotui.jobs.specification import WorkerInfo
from tomotui.project import Project
from tomotui.records import Status
from tomotui.tui.screens.confirm import ConfirmScreen
from tomotui.tui.screens.job_detail import JobDetailScreen
from tomotui.tui.screens.job_signal import SignalScreen
from tomotui.tui.screens.jobs import JobsScreen
from tomotui.tui.screens.launch import LaunchScreen
from tomotui.tui.screens.yank import YankMenu
from tomotui.tui.snapshots import NO_COUNTS, read_counts
from tomotui.tui.widgets.cells import plain
from tomotui.tui.widgets.fields import Field
from tomotui.tui.widgets.log_view import LogView
from tomotui.tui.widgets.plot import MetricPlot
from tomotui.tui.widgets.table import Table


async def test_the_table_says_what_runs_waits_and_failed(make_app: AppMaker, folder: Path) -> None:
    with Project.open(folder) as project:
        project.submit(request("reconstruct", ["ts_004"]).replace(after=(2,)))
    app = make_app()
    async with app.run_test(size=(160, 40)) as pilot:
        await pilot.press("4")
        await until(pilot, lambda: app.screen.query_one(Table).total == 4)
        cells = {r.key: [plain(c) for c in r.cells] for r in app.screen.query_one(Table).rows}
        assert list(cells) == ["4", "3", "2", "1"]
        assert cells["2"][3] == "▶ running"
        assert cells["2"][8] == "node07"
        assert cells["2"][9] == "now"
        assert cells["2"][10] == "every tilt of ts_003 is empty."
        assert cells["4"][3] == "◌ queued"
        assert "no agent is at work" in cells["4"][10]
        assert cells["3"][3] == "✓ done"
        counts = app.screen.counts
        assert (counts.running, counts.queued, counts.failed) == (1, 2, 1)


async def test_the_log_of_the_job_is_followed(make_app: AppMaker, folder: Path) -> None:
    app = make_app()
    async with app.run_test(size=(120, 32)) as pilot:
        await pilot.press("4")
        await until(pilot, lambda: app.screen.query_one(Table).total == 3)
        await pilot.press("j")
        log = app.screen.query_one(LogView)
        await until(pilot, lambda: log.lines[:1] == ["reading ts_003"])
        assert log.path is not None
        with log.path.open("a") as file:
            file.write("".join(f"more {i}\n" for i in range(100)))
        await until(pilot, lambda: log.lines[-1:] == ["more 99"])
        await until(pilot, lambda: log.following and log.part == 1.0 and log.top_line != "")
        await pilot.press("f", "[")
        await until(pilot, lambda: not log.following and log.top_line == "reading ts_003")
        await pilot.press("/", *"more 5", "enter")
        await until(pilot, lambda: log.pattern is not None and log.found is not None)
        found = next(line for line in log.page.lines if line.start == log.found)
        assert found.text.startswith("more 5")
        await pilot.press("w", "G")
        await until(pilot, lambda: log.following and log.wrapping)


async def test_cancelling_asks_first(make_app: AppMaker, folder: Path) -> None:
    app = make_app()
    async with app.run_test(size=(120, 32)) as pilot:
        await pilot.press("4")
        await until(pilot, lambda: app.screen.query_one(Table).total == 3)
        await pilot.press("j", "c")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        assert "0002-align" in app.screen.question
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, JobsScreen))
        with Project.open(folder) as project:
            assert project.task(2, "ts_004").status == Status.QUEUED
            await pilot.press("c", "y")
            await until(pilot, lambda: project.task(2, "ts_004").status == Status.CANCELLED)
            assert project.task(2, "ts_002").cancel_requested


async def test_cancelling_what_is_over_is_refused(make_app: AppMaker) -> None:
    app = make_app()
    async with app.run_test(size=(120, 32)) as pilot:
        await pilot.press("4")
        await until(pilot, lambda: app.screen.query_one(Table).total == 3)
        await pilot.press("end", "c")
        await pilot.pause()
        assert isinstance(app.screen, JobsScreen)
        assert "nothing here runs" in app.screen.status_bar.query_one("Hints").message


async def test_retrying_queues_what_failed(make_app: AppMaker, folder: Path) -> None:
    app = make_app()
    async with app.run_test(size=(120, 32)) as pilot:
        await pilot.press("4")
        await until(pilot, lambda: app.screen.query_one(Table).total == 3)
        await pilot.press("j", "r")
        with Project.open(folder) as project:
            await until(pilot, lambda: project.task(2, "ts_003").status == Status.QUEUED)
            assert project.task(2, "ts_003").attempt == 2
            assert project.task(2, "ts_001").status == Status.DONE


async def test_cloning_opens_the_form_with_the_values_of_the_job(make_app: AppMaker) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("4")
        await until(pilot, lambda: app.screen.query_one(Table).total == 3)
        await pilot.press("j", "R")
        await until(pilot, lambda: isinstance(app.screen, LaunchScreen) and app.screen.query(Field))
        form = app.screen
        assert isinstance(form, LaunchScreen)
        assert form.values() == {"thickness_angstrom": "3000"}
        assert not any(one.is_changed for one in form.query(Field))
        form.query(Field).first().set_value("2000")
        await until(pilot, lambda: "3000 → 2000" in str(form.query_one("#outlook").render()))
        assert form.wish().parameters == {"thickness_angstrom": 2000.0}
        assert len(form.wish().targets) == 4


async def test_one_job_shows_tasks_command_plot_and_log(make_app: AppMaker, folder: Path) -> None:
    app = make_app()
    async with app.run_test(size=(140, 40)) as pilot:
        await pilot.press("4")
        await until(pilot, lambda: app.screen.query_one(Table).total == 3)
        await pilot.press("j", "enter")
        await until(pilot, lambda: isinstance(app.screen, JobDetailScreen) and app.screen.detail)
        detail = app.screen
        assert isinstance(detail, JobDetailScreen)
        await until(pilot, lambda: detail.query_one(Table).cursor_key == "ts_003")
        await until(pilot, lambda: "Error" in " ".join(detail.query_one(LogView).lines))
        curve = detail.query_one(MetricPlot).curve
        assert curve is not None
        assert (curve.name, curve.unit, len(curve.x)) == ("residual", "Å", 40)
        assert detail.query_one("#plot-pane").border_title == "residual 0.75 Å · ts_003"
        facts = detail.query_one("#facts").visual
        assert facts is not None
        await pilot.press("y")
        await until(pilot, lambda: isinstance(app.screen, YankMenu) and app.screen.is_mounted)
        await pilot.press("x", "c")
        command = (
            "tomotui run align --on ts_001 ts_002 ts_003 ts_004 "
            f"--set thickness_angstrom=3000.0 -p {folder}"
        )
        await until(pilot, lambda: app.clipboard == command)
        await pilot.press("y")
        await until(pilot, lambda: isinstance(app.screen, YankMenu) and app.screen.is_mounted)
        await pilot.press("p")
        await until(pilot, lambda: app.clipboard == str(folder / "jobs/0002-align/ts_003"))
        await pilot.press("home")
        await until(pilot, lambda: detail.detail and detail.detail.target == "ts_001")
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, JobsScreen))


async def test_a_marked_task_is_cancelled_alone(make_app: AppMaker, folder: Path) -> None:
    app = make_app()
    async with app.run_test(size=(120, 32)) as pilot:
        await until(pilot, lambda: app.current_mode == "datasets")
        app.show_job(2)
        await until(pilot, lambda: isinstance(app.screen, JobDetailScreen) and app.screen.detail)
        await pilot.press("end", "space", "c")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        assert app.screen.question == "Cancel ts_004 of 0002-align?"
        await pilot.press("y")
        with Project.open(folder) as project:
            await until(pilot, lambda: project.task(2, "ts_004").status == Status.CANCELLED)
            assert not project.task(2, "ts_002").cancel_requested


def worker_of(project: Project, job_id: int, target: str) -> Popen[bytes]:
    """Start a process that bears the marks of a task's worker."""
    task = project.task(job_id, target)
    place = project.folder / task.folder
    place.mkdir(parents=True, exist_ok=True)
    process = Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    identity = identity_of(process.pid)
    assert identity is not None
    info = WorkerInfo(
        attempt=task.attempt, supervisor=identity, child_pid=process.pid, started_at=0.0
    )
    (place / "worker.json").write_text(info.model_dump_json())
    return process


async def test_killing_is_chosen_and_confirmed_and_ends_the_process(
    make_app: AppMaker, folder: Path
) -> None:
    app = make_app()
    with Project.open(folder) as project:
        process = worker_of(project, 2, "ts_002")
        async with app.run_test(size=(120, 32)) as pilot:
            await pilot.press("4")
            await until(pilot, lambda: app.screen.query_one(Table).total == 3)
            await pilot.press("j", "C")
            await until(pilot, lambda: isinstance(app.screen, SignalScreen))
            await until(pilot, lambda: app.screen.query_one(OptionList).has_focus)
            await pilot.press("down", "enter")
            await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
            assert app.screen.question == "Kill 0002-align at once?"
            assert process.poll() is None
            await pilot.press("y")
            await until(pilot, lambda: process.poll() == -signal.SIGKILL)
            await until(pilot, lambda: project.task(2, "ts_002").cancel_requested)
            assert project.task(2, "ts_004").status == Status.CANCELLED


async def test_stopping_with_grace_only_asks(make_app: AppMaker, folder: Path) -> None:
    app = make_app()
    with Project.open(folder) as project:
        process = worker_of(project, 2, "ts_002")
        async with app.run_test(size=(120, 32)) as pilot:
            await pilot.press("4")
            await until(pilot, lambda: app.screen.query_one(Table).total == 3)
            await pilot.press("j", "C")
            await until(pilot, lambda: isinstance(app.screen, SignalScreen))
            await until(pilot, lambda: app.screen.query_one(OptionList).has_focus)
            await pilot.press("enter")
            await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
            await pilot.press("y")
            await until(pilot, lambda: project.task(2, "ts_002").cancel_requested)
        assert process.poll() is None
        process.kill()
        process.wait()


def test_a_process_that_only_has_the_number_is_not_killed(folder: Path) -> None:
    with Project.open(folder) as project:
        task = project.task(2, "ts_002")
        process = worker_of(project, 2, "ts_002")
        path = folder / task.folder / "worker.json"
        info = WorkerInfo.model_validate_json(path.read_text())
        other = info.supervisor.model_copy(update={"start_ticks": 1})
        path.write_text(info.model_copy(update={"supervisor": other}).model_dump_json())
        assert not kill_task(folder, task)
        # Without worker.json a number alone proves nothing either.
        path.unlink()
        known = task.model_copy(update={"pid": process.pid, "host": this_host()})
        assert not kill_task(folder, known)
        assert process.poll() is None
        process.kill()
        process.wait()


def test_a_failure_counts_until_a_later_job_works_on_the_same(folder: Path) -> None:
    with Project.open(folder) as project:
        assert read_counts(project).failed == 1
        project.submit(request("reconstruct", ["ts_003"]))
        assert read_counts(project).failed == 1
        project.submit(request("align", ["ts_003"]))
        assert read_counts(project).failed == 0


def test_an_empty_project_counts_nothing(tmp_path: Path) -> None:
    with Project.create(tmp_path / "empty") as project:
        assert read_counts(project) == NO_COUNTS

"""What can be done to jobs, wherever they are shown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.binding import BindingType

from tomotui.jobs.specification import LOG_FILE
from tomotui.project import Project
from tomotui.records import Job, JobRequest
from tomotui.tui.actions import bindings
from tomotui.tui.screens.base import Frame
from tomotui.tui.shell_words import run_command
from tomotui.tui.widgets.log_view import LogView
from tomotui.tui.widgets.status_bar import StatusBar
from tomotui.tui.wording import counted, listed


class JobKeysFrame(Frame):
    """A screen with jobs; subclasses say which of them are meant."""

    BINDINGS: ClassVar[list[BindingType]] = bindings(
        "job.cancel",
        "job.signal",
        "job.retry",
        "job.clone",
        "job.dependencies",
        "job.follow",
        "job.yank",
        "job.pager",
    )

    def meant_jobs(self) -> list[Job]:
        """Return the jobs that an action works on."""
        return []

    def meant_targets(self) -> list[str]:
        """Return the targets that an action is limited to; none for the whole job."""
        return []

    def meant_folders(self) -> list[str]:
        """Return the folders of what is meant, relative to the project's."""
        return [job.folder for job in self.meant_jobs()]

    def log_path(self) -> Path | None:
        """Return the log that is shown or would be."""
        return None

    def _stoppable(self) -> tuple[list[int], list[str | None], str]:
        """Return jobs and targets that can be stopped, and both in words; says when none can."""
        jobs = [job for job in self.meant_jobs() if not job.status.is_finished]
        if self.tomotui.refuse_when_read_only():
            jobs = []
        elif not jobs:
            self.say("nothing here runs or waits", "warning")
        targets = self.meant_targets()
        names = listed([job.name for job in jobs], 4)
        what = f"{listed(targets, 4)} of {names}" if targets else names
        return [job.id for job in jobs], [*targets] or [None], what

    def action_signal(self) -> None:
        """Let the user choose how to stop."""
        from tomotui.tui.screens.job_signal import KILL, SignalScreen

        ids, each_target, what = self._stoppable()

        def chosen(way: str | None) -> None:
            if way == KILL:
                self._confirm_kill(ids, each_target, what)
            elif way is not None:
                self._confirm_cancel(ids, each_target, what)

        if ids:
            self.app.push_screen(SignalScreen(what), chosen)

    def action_cancel(self) -> None:
        """Ask, then cancel."""
        ids, each_target, what = self._stoppable()
        if ids:
            self._confirm_cancel(ids, each_target, what)

    def _confirm_kill(
        self, ids: Sequence[int], each_target: Sequence[str | None], what: str
    ) -> None:
        def confirmed(yes: bool | None) -> None:
            if yes:
                self.tomotui.change(lambda project: _kill(project, ids, each_target), done)

        def done(numbers: tuple[int, int]) -> None:
            killed, asked = numbers
            self._changed(f"{counted(killed, 'task')} killed, {asked - killed} asked to stop")

        self.tomotui.confirm(
            f"Kill {what} at once?",
            "Processes on this host end without saving anything; those elsewhere are asked to "
            "stop. What waits is dropped, finished series stay.",
            confirmed,
        )

    def _confirm_cancel(
        self, ids: Sequence[int], each_target: Sequence[str | None], what: str
    ) -> None:
        def cancel(project: Project) -> int:
            return sum(
                project.request_cancel(each, target) for each in ids for target in each_target
            )

        def confirmed(yes: bool | None) -> None:
            if yes:
                self.tomotui.change(
                    cancel, lambda n: self._changed(f"{counted(n, 'task')} asked to stop")
                )

        self.tomotui.confirm(
            f"Cancel {what}?",
            "What waits is dropped, what runs is stopped; finished series stay. "
            "r runs the rest again later.",
            confirmed,
        )

    def action_retry(self) -> None:
        """Queue again what did not succeed."""
        if self.tomotui.refuse_when_read_only():
            return
        ids = [job.id for job in self.meant_jobs()]
        each_target: list[str | None] = [*self.meant_targets()] or [None]

        def retry(project: Project) -> int:
            return sum(project.retry(each, target) for each in ids for target in each_target)

        def done(n: int) -> None:
            if n:
                self.tomotui.ensure_agent()
                self._changed(f"{counted(n, 'task')} queued again")
            else:
                self._changed("nothing here has failed or was stopped")

        if ids:
            self.tomotui.change(retry, done)

    def _changed(self, words: str) -> None:
        self.say(words)
        self.refresh_now()

    def action_clone(self) -> None:
        """Open the form with the parameters of the job."""
        if self.tomotui.refuse_when_read_only():
            return
        jobs = self.meant_jobs()
        if jobs:
            job = jobs[0]
            self.tomotui.change(
                lambda project: project.clone_request(job.id),
                lambda request: self._edit(request, job),
                opens=True,
            )

    def _edit(self, request: JobRequest, job: Job) -> None:
        from tomotui.tui.screens.launch_targets import wish_like

        wish = wish_like(job, request, self.tomotui.series_names())
        self.tomotui.launch(wish, cloned_from=job)

    def action_yank(self) -> None:
        """Offer to copy folders, names or command lines of the jobs meant."""
        jobs = self.meant_jobs()

        def texts(project: Project) -> dict[str, str]:
            requests = [project.clone_request(job.id) for job in jobs]
            return {
                "path": "\n".join(str(project.folder / folder) for folder in self.meant_folders()),
                "name": " ".join(job.name for job in jobs),
                "command": "\n".join(run_command(each, project.folder) for each in requests),
            }

        if jobs:
            self.tomotui.change(texts, self.offer_copies, opens=True)

    def action_dependencies(self) -> None:
        """Show what a job was made from and waits for, and what was made of it."""
        from tomotui.tui.screens.job_tree import JobTreeScreen

        jobs = self.meant_jobs()
        if jobs:
            self.app.push_screen(JobTreeScreen(jobs[0].id))

    def action_pager(self) -> None:
        """Open the log in the pager."""
        path = self.log_path()
        if path is None or not path.is_file():
            self.say("there is no log yet", "warning")
        else:
            self.tomotui.open_pager(path)

    def action_follow(self) -> None:
        """Show the log as it grows."""

    def action_go_in_log(self) -> None:
        """Type where to go in the log."""
        self.status_bar.ask("go in log", "line or %: ")

    @on(StatusBar.Answered)
    def _where_answered(self, event: StatusBar.Answered) -> None:
        if event.purpose == "go in log" and not event.live and event.text:
            try:
                self.query_one(LogView).go_to(event.text)
            except ValueError:
                self.say("give the number of a line, or a percentage such as 50%", "warning")


def _kill(
    project: Project, ids: Sequence[int], each_target: Sequence[str | None]
) -> tuple[int, int]:
    """Kill tasks; returns how many were killed and how many were stopped in any way."""
    from tomotui.jobs.killing import kill_task

    killed = asked = 0
    for job_id in ids:
        for target in each_target:
            # Asked first, so that the agent knows an end by request when it sees one.
            asked += project.request_cancel(job_id, target)
            tasks = project.tasks(job_id) if target is None else [project.task(job_id, target)]
            killed += sum(kill_task(project.folder, task) for task in tasks)
    return killed, asked


def task_log(project_folder: Path, task_folder: str) -> Path:
    """Return the log of a task."""
    return project_folder / task_folder / LOG_FILE

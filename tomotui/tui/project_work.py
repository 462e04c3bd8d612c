"""The app's work on the project: reading and changing it in threads, submitting jobs."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from textual import work

from tomotui.jobs import ensure_agent, submit
from tomotui.jobs.submission import SAMPLE
from tomotui.project import Project, ProjectError
from tomotui.records import Job, JobRequest
from tomotui.stages import UnknownStage
from tomotui.stages.base import ParameterError
from tomotui.tui.appearance import Appearance
from tomotui.tui.edits import Edit, History
from tomotui.tui.machine_feed import GpuSource
from tomotui.tui.screens.base import Frame
from tomotui.tui.screens.confirm import ConfirmScreen
from tomotui.tui.surroundings import Surroundings
from tomotui.tui.wording import counted

Submitter = Callable[[Project, JobRequest, bool], Job]


class ProjectWork(Appearance):
    """The part of the app that changes the project.

    Attributes
    ----------
    project
        For the thread of the screens; every thread that works has its own.
    start_agents
        Start an agent when jobs are submitted.
    surroundings
        The GPUs of this machine and other people, for all screens.
    n_awaited
        How many screens are to be opened as soon as something has been read.
    """

    def __init__(
        self,
        *,
        read_only: bool = False,
        start_agents: bool = True,
        submitter: Submitter = submit,
        gpu_source: GpuSource | None = None,
        **appearance: Any,
    ) -> None:
        super().__init__(**appearance)
        self.read_only = read_only
        self.start_agents = start_agents
        self.project: Project | None = None
        self._submitter = submitter
        self.history = History()
        self.surroundings = Surroundings(
            lambda: self.call_later(self.surroundings_changed), gpu_source
        )
        self._edits: deque[Callable[[], None]] = deque()
        self._is_editing = False
        self.n_awaited = 0

    @property
    def folder(self) -> Path | None:
        """The project's folder."""
        return self.project.folder if self.project is not None else None

    @property
    def project_name(self) -> str:
        """The project's name; empty when none is open."""
        return self.project.name if self.project is not None else ""

    def refuse_when_read_only(self) -> bool:
        """Say so when nothing may be changed; tells whether that is so."""
        if self.read_only:
            self.say("opened read-only: nothing can be changed here", "warning")
        return self.read_only

    def change(
        self,
        do: Callable[[Project], Any],
        done: Callable[[Any], object] | None = None,
        failed: Callable[[], object] | None = None,
        *,
        opens: bool = False,
    ) -> None:
        """Read or change the project in a thread, then go on with the result.

        A refusal is shown as an error; the program goes on. When going on ``opens`` a screen, what
        is typed meanwhile is for that screen.
        """
        if self.folder is None:
            return
        if opens:
            self.await_screen()
            done, failed = self._arriving(done), self._arriving(failed)
        self._in_thread(self.folder, do, done, failed)

    def await_screen(self) -> None:
        """Keep keys back from now on, for a screen that is to come."""
        self.n_awaited += 1

    def screen_has_come(self) -> None:
        """Let keys go on, to the screen that is here now."""
        self.n_awaited = max(self.n_awaited - 1, 0)
        self.keys_go_on()

    def keys_go_on(self) -> None:
        """Look again at the keys that were kept back."""

    def _arriving(self, go_on: Callable[..., object] | None) -> Callable[..., object]:
        def arrived(*value: Any) -> None:
            if go_on is not None:
                go_on(*value)
            self.screen_has_come()

        return arrived

    @work(thread=True, exit_on_error=False, group="project")
    def _in_thread(
        self,
        folder: Path,
        do: Callable[[Project], Any],
        done: Callable[[Any], object] | None,
        failed: Callable[[], object] | None,
    ) -> None:
        try:
            with Project.open(folder, read_only=self.read_only) as project:
                value = do(project)
        except ProjectError as error:
            self.call_later(self._refused, error.message, error.remedy, failed)
        except (ParameterError, UnknownStage) as error:
            self.call_later(self._refused, str(error), "", failed)
        else:
            if done is not None:
                self.call_later(done, value)

    def _refused(self, message: str, remedy: str, failed: Callable[[], object] | None) -> None:
        self.show_error(message, remedy)
        if failed is not None:
            failed()

    # ---- changes that can be taken back

    def edit(self, edit: Edit, again: bool = False) -> None:
        """Make a change that ``u`` takes back."""

        def done(result: Any) -> None:
            if again:
                self.history.done.append((edit, result))
            else:
                self.history.made(edit, result)
            self._edited(f"{edit.words}; u takes it back")

        if not self.refuse_when_read_only():
            self._in_turn(lambda: self.change(edit.do, done, self._next_edit))

    def action_undo(self) -> None:
        """Take the last change back."""

        def undo() -> None:
            if not self.history.done:
                self.say("there is nothing to take back")
                self._next_edit()
                return
            edit, result = self.history.done.pop()

            def done(_: object) -> None:
                self.history.undone.append(edit)
                self._edited(f"taken back: {edit.words}")

            self.change(lambda project: edit.undo(project, result), done, self._next_edit)

        if not self.refuse_when_read_only():
            self._in_turn(undo)

    def action_redo(self) -> None:
        """Make again what was taken back."""
        if self.refuse_when_read_only():
            return
        if not self.history.undone:
            self.say("there is nothing to make again")
            return
        self.edit(self.history.undone.pop(), again=True)

    def _in_turn(self, start: Callable[[], None]) -> None:
        """Change one thing after the other: keys come faster than a slow disk."""
        self._edits.append(start)
        if not self._is_editing:
            self._next_edit()

    def _next_edit(self) -> None:
        self._is_editing = bool(self._edits)
        if self._edits:
            self._edits.popleft()()

    def _edited(self, words: str) -> None:
        self.say(words)
        self.look_again()
        self._next_edit()

    def submit(
        self,
        request: JobRequest,
        done: Callable[[Job], object],
        failed: Callable[[], object] | None = None,
    ) -> None:
        """Put a job into the queue and say so."""
        submitter, start_agents = self._submitter, self.start_agents

        def submitted(job: Job) -> None:
            done(job)
            series = counted(len(job.targets), "series", "series")
            is_whole = job.targets == (request.label or SAMPLE,)
            self.say(f"{job.name} queued{'' if is_whole else f' for {series}'}; 4 shows it")
            self.look_again()

        self.change(lambda project: submitter(project, request, start_agents), submitted, failed)

    def ensure_agent(self) -> None:
        """Make sure that somebody looks after the queue."""
        if self.start_agents and not self.read_only:
            self.change(lambda project: ensure_agent(project.folder))

    def wake_agent(self) -> None:
        """Start an agent when work has been left without one, as after a restart of the host."""

        def found(n_unfinished: int) -> None:
            if n_unfinished:
                self.ensure_agent()

        self.change(
            lambda project: sum(not job.status.is_finished for job in project.jobs()), found
        )

    def surroundings_changed(self) -> None:
        """Let the screen tell what is new about the machine and other people, or how old it is."""
        if self.screen_stack and isinstance(self.screen, Frame):
            self.screen.surroundings_changed()

    def look_again(self) -> None:
        """Let the screens read the project now."""
        for screen in self.screen_stack:
            if isinstance(screen, Frame):
                screen.refresh_now()

    def confirm(self, question: str, explanation: str, done: Callable[[bool | None], None]) -> None:
        """Ask a question that is answered with yes or no."""
        self.push_screen(ConfirmScreen(question, explanation), done)

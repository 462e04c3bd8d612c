"""What a job waits for, and what waits for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from tomotui.project import Project
from tomotui.records import Job, Status
from tomotui.tui.screens.base import Modal
from tomotui.tui.status import SIGNS
from tomotui.tui.wording import counted, listed


@dataclass(frozen=True)
class Relative:
    """A job before or after another; ``depth`` counts the steps between them, from 1."""

    job: Job
    depth: int
    n_done: int


@dataclass(frozen=True)
class Dependencies:
    """A job with all that it waits for and all that waits for it, directly or not."""

    job: Job
    before: tuple[Relative, ...]
    after: tuple[Relative, ...]


def read_dependencies(project: Project, job_id: int) -> Dependencies:
    """Read what a job waits for and what waits for it."""
    jobs = {job.id: job for job in project.jobs()}
    before = {number: job.after for number, job in jobs.items()}
    after: dict[int, tuple[int, ...]] = dict.fromkeys(jobs, ())
    for number, job in jobs.items():
        for each in job.after:
            after[each] = (*after.get(each, ()), number)

    def relatives(ways: Mapping[int, Sequence[int]]) -> tuple[Relative, ...]:
        found = []
        for number, depth in _reachable(job_id, ways):
            if number in jobs:
                done = sum(task.status == Status.DONE for task in project.tasks(number))
                found.append(Relative(jobs[number], depth, done))
        return tuple(found)

    return Dependencies(project.job(job_id), relatives(before), relatives(after))


def _reachable(start: int, ways: Mapping[int, Sequence[int]]) -> list[tuple[int, int]]:
    """Return what can be reached, each once and the nearest first, with the number of steps."""
    found: list[tuple[int, int]] = []
    known, edge, depth = {start}, [start], 0
    while edge:
        depth += 1
        following = dict.fromkeys(number for each in edge for number in ways.get(each, ()))
        edge = [number for number in following if number not in known]
        known.update(edge)
        found += [(number, depth) for number in edge]
    return found


class DependenciesScreen(Modal):
    """Lists the jobs before and after one; gives the id of the one to be shown, or ``None``."""

    ABOUT = "dependencies"
    PROSE = "Jobs further away are further to the right; enter shows the one under the cursor."

    def __init__(self, dependencies: Dependencies) -> None:
        super().__init__()
        self.dependencies = dependencies

    def compose(self) -> ComposeResult:
        """Lay out what comes before, and what comes after."""
        about = self.dependencies
        with Vertical(classes="dialog medium") as dialog:
            dialog.border_title = f"dependencies of {about.job.name}"
            dialog.border_subtitle = (
                "enter shows the job   esc closes" if about.before or about.after else "esc closes"
            )
            if not about.before and not about.after:
                yield Static("It waits for no other job, and none waits for it.", markup=False)
                return
            yield OptionList(*self._options())

    def on_mount(self) -> None:
        """Let the arrows choose."""
        for options in self.query(OptionList):
            options.focus()

    def _options(self) -> list[Option]:
        about, look = self.dependencies, self.tomotui.look
        groups = (("waits for", about.before), ("waited for by", about.after))
        options = []
        for heading, relatives in groups:
            options.append(Option(Text(heading, look.primary), disabled=True))
            if not relatives:
                options.append(Option(Text("  nothing", look.dim), disabled=True))
            options += [Option(self._line(one), id=str(one.job.id)) for one in relatives]
        return options

    def _line(self, one: Relative) -> Text:
        look, job = self.tomotui.look, one.job
        word, mood = SIGNS[job.status]
        line = Text("  " * one.depth)
        line.append(f"{look.glyph(mood, self.tomotui.ascii_only)} {job.name}", look.colour(mood))
        total = counted(len(job.targets), "series", "series")
        line.append(f"  {word}  {one.n_done} of {total} done  ", look.foreground)
        return line.append(listed(job.targets, 2), look.dim)

    @on(OptionList.OptionSelected)
    def _choose(self, event: OptionList.OptionSelected) -> None:
        if event.option.id:
            self.dismiss(int(event.option.id))

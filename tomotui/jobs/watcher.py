"""Taking tilt series as they arrive: import, and every step of a recipe, exactly once.

What has been taken is known from the project alone: a watcher may be killed and started again at
any time. Taking a series, with all steps of its recipe, is one transaction.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from tomotui.formats.errors import FormatError
from tomotui.jobs.arrivals import Arrival, Arrivals, Look, Waiting
from tomotui.jobs.presence import agent_status, ensure_agent
from tomotui.jobs.recipe import OF_ONE_STACK, Recipe
from tomotui.jobs.recipe_running import queue_recipe
from tomotui.jobs.submission import submit
from tomotui.jobs.watch_presence import WatchOptions
from tomotui.project import Project, ProjectError
from tomotui.records import JobRequest, Status, Target, Task
from tomotui.stages import get

AGENT_PAUSE_SECONDS = 10.0
RECENT = 20
FILE_KEY = {"import": "stack", "motion": "movies"}
"""The stages that bring series in, and their parameter for the file of a series."""


class Happening(NamedTuple):
    """Something to tell; ``name`` is a tilt series, or empty."""

    kind: Literal["taken", "again", "waiting", "trouble", "well"]
    name: str
    words: str


Tell = Callable[[Happening], None]


def entrance_of(path: Path) -> str:
    """Return the stage that takes a file in: an mdoc stands for its movies."""
    return "motion" if path.suffix.lower() == ".mdoc" else "import"


def entrance_parameters(recipe: Recipe, options: WatchOptions) -> dict[str, dict[str, Any]]:
    """Return what is said about all stacks and about all movies, by stage.

    What is said about stacks goes for movies, too, where it means the same.
    """
    imports = {**recipe.import_parameters, **options.import_parameters}
    shared = get("motion").parameters_type.model_fields.keys() - set(OF_ONE_STACK)
    motion = {key: value for key, value in imports.items() if key in shared}
    return {
        "import": imports,
        "motion": {**motion, **recipe.motion_parameters, **options.motion_parameters},
    }


class Watcher:
    """Takes what arrives in a folder; `step` is one look.

    Parameters
    ----------
    tell
        Called for everything that is new; nothing is told twice.
    start_agent
        See to it that an agent looks after the queue.
    arrivals
        What looks at the folder; made from the options when not given.
    """

    def __init__(
        self,
        project: Project,
        recipe: Recipe,
        options: WatchOptions,
        tell: Tell,
        start_agent: bool = True,
        arrivals: Arrivals | None = None,
    ) -> None:
        self._project = project
        self._recipe = recipe
        self._parameters = entrance_parameters(recipe, options)
        self._tell = tell
        self._start_agent = start_agent
        self._folder = options.folder
        self._arrivals = arrivals or Arrivals(
            options.folder,
            self.examine,
            options.patterns,
            options.settle_seconds,
            leave_out=(project.jobs_folder,),
            frames=self._frames_folder(),
        )
        self._version = -1
        self._known: dict[Path, Task | None] = {}
        self._real_paths: dict[Path, Path] = {}
        self._counts: list[int] = []
        self._said: dict[str, str] = {}
        self._tried_again: set[tuple[Path, float]] = set()
        self._agent_at = float("-inf")
        self.taken = 0
        self.waiting: tuple[Waiting, ...] = ()
        self.trouble = ""

    def examine(self, stack: Path) -> int:
        """Return the number of images of a stack that an import would understand.

        Raises
        ------
        FormatError
            When it could not be imported.
        """
        from tomotui.stages.import_ import ImportParameters, plan_import
        from tomotui.stages.motion import MotionParameters, plan_motion

        stage = entrance_of(stack)
        parameters = get(stage).validate({**self._parameters[stage], FILE_KEY[stage]: str(stack)})
        if isinstance(parameters, MotionParameters):
            plan = plan_motion(parameters).plan
        else:
            assert isinstance(parameters, ImportParameters)
            plan = plan_import(parameters)
        if plan.problems:
            raise FormatError(plan.problems[0], "")
        return len(plan.tilts)

    def _frames_folder(self) -> Path | None:
        folder = self._parameters["motion"].get("frames")
        return Path(folder) if folder else None

    def step(self) -> Look:
        """Look at the folder, and take what is complete."""
        try:
            self._read_project()
            well = {path for path, task in self._known.items() if not _has_failed(task)}
            look = self._arrivals.look(well, self._counts)
            clashes = self._take(look.arrivals)
            self._look_after_queue()
        except ProjectError as error:
            # A full disk or a locked file passes, and the folder is still there at the next look.
            look, clashes = Look(trouble=str(error)), []
        self._note(look.trouble)
        if not look.trouble:
            self.waiting = (*look.waiting, *clashes)
            for waiting in self.waiting:
                self._say_once(waiting)
        return look

    # ---- what is known

    def _read_project(self) -> None:
        """Learn which stacks were taken, by whomever; read anew only when something changed."""
        version = self._project.data_version()
        if version == self._version:
            return
        self._version = version
        known: dict[Path, Task | None] = {}
        for task in self._entrance_tasks():
            stack = task.parameters.get(FILE_KEY[task.stage])
            if isinstance(stack, str):
                known[self._project.folder / stack] = task
        counts = []
        for series in self._project.tilt_series():
            path = self._project.folder / series.stack_path
            known[path] = None
            if path.is_relative_to(self._folder):
                counts.append(series.n_tilts)
        for path in list(known):
            known.setdefault(self._real(path), known[path])
        self._known, self._counts = known, counts[-RECENT:]

    def _entrance_tasks(self) -> list[Task]:
        """Return all imports, of stacks and of movies, oldest first."""
        tasks = [task for stage in FILE_KEY for task in self._project.tasks_of_stage(stage)]
        return sorted(tasks, key=lambda task: task.id)

    def _real(self, path: Path) -> Path:
        """Return a path without symbolic links; asked of the file server once."""
        if path not in self._real_paths:
            self._real_paths[path] = Path(os.path.realpath(path))
        return self._real_paths[path]

    def _names(self) -> dict[str, str]:
        """Return by name the stack of each series that is there or about to be."""
        names = {
            task.target: str(task.parameters.get(FILE_KEY[task.stage], ""))
            for task in self._entrance_tasks()
        }
        names |= {one.name: one.stack_path for one in self._project.tilt_series()}
        return names

    # ---- taking

    def _take(self, arrivals: Sequence[Arrival]) -> list[Waiting]:
        """Import what has arrived and queue its recipe; returns what another name stands against.

        All in one transaction: whatever happens, and whoever else watches, a series is taken
        with all its steps, and once.
        """
        if not arrivals:
            return []
        taken, again, clashes = [], [], []
        with self._project.at_once():
            self._read_project()
            names = self._names()
            for arrival in arrivals:
                known = self._known_as(arrival.path)
                if known is not False:
                    if isinstance(known, Task) and self._is_newer(arrival.path, known):
                        again.append((arrival, known))
                elif arrival.name in names:
                    clashes.append(_clash(arrival, names[arrival.name]))
                else:
                    names[arrival.name] = str(arrival.path)
                    taken.append(arrival)
            for _, task in again:
                self._project.retry(task.job_id, task.target)
            if taken:
                self._queue(taken)
        self.taken += len(taken)
        for arrival in taken:
            self._tell(Happening("taken", arrival.name, f"{arrival.n_images} images"))
        for arrival, _ in again:
            words = "its files have changed since the import failed: imported again"
            self._tell(Happening("again", arrival.name, words))
        return clashes

    def _known_as(self, path: Path) -> Task | bool:
        """Return the failed import of a stack; ``True`` for one taken well, ``False`` for none."""
        for place in (path, self._real(path)):
            if place in self._known:
                task = self._known[place]
                return task if task is not None and _has_failed(task) else True
        return False

    def _is_newer(self, path: Path, failed: Task) -> bool:
        """Return whether files of a series were written since its import failed; once."""
        changed = self._arrivals.last_change(path)
        mark = (path, changed)
        if changed <= (failed.finished_at or 0.0) or mark in self._tried_again:
            return False
        self._tried_again.add(mark)
        return True

    def _queue(self, arrivals: Sequence[Arrival]) -> None:
        label = f"watching {self._folder.name}"
        for stage, key in FILE_KEY.items():
            targets = tuple(
                Target(name=arrival.name, parameters={key: str(arrival.path)})
                for arrival in arrivals
                if entrance_of(arrival.path) == stage
            )
            if not targets:
                continue
            request = JobRequest(
                stage=stage, parameters=self._parameters[stage], targets=targets, label=label
            )
            job = submit(self._project, request, start_agent=False)
            queue_recipe(self._project, self._recipe, job.targets, after=(job.id,), label=label)

    def _look_after_queue(self) -> None:
        """Start an agent where tasks wait and nobody looks after them."""
        now = time.monotonic()
        if not self._start_agent or now - self._agent_at < AGENT_PAUSE_SECONDS:
            return
        if self._project.queued_count() and not agent_status(self._project.folder).is_alive:
            self._agent_at = now
            ensure_agent(self._project.folder)

    # ---- telling

    def _note(self, trouble: str) -> None:
        if trouble and trouble != self.trouble:
            self._tell(Happening("trouble", "", f"{trouble} Looking again."))
        elif self.trouble and not trouble:
            self._tell(Happening("well", "", "all is well again"))
        self.trouble = trouble

    def _say_once(self, waiting: Waiting) -> None:
        # Numbers that count up would make it new at every look.
        gist = re.sub(r"\d+", "", waiting.reason)
        if self._said.get(str(waiting.path)) != gist:
            self._said[str(waiting.path)] = gist
            self._tell(Happening("waiting", waiting.path.name, waiting.reason))


def _has_failed(task: Task | None) -> bool:
    return task is not None and task.status in (Status.FAILED, Status.LOST)


def _clash(arrival: Arrival, other: str) -> Waiting:
    words = (
        f"the project has a tilt series {arrival.name} already, of {other}; rename this file, or "
        "import it by hand with --name"
    )
    return Waiting(arrival.path, words)

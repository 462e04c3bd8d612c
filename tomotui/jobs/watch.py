"""Live processing: watching a folder until that is to stop, in this process or a detached one."""

from __future__ import annotations

import logging
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from tomotui import __version__
from tomotui.jobs.arrivals import Look
from tomotui.jobs.files import Lock, write_model
from tomotui.jobs.liveness import own_identity
from tomotui.jobs.recipe import FILE_OF, Recipe, RecipeError
from tomotui.jobs.recipe_files import find_recipe
from tomotui.jobs.recipe_running import per_series_only
from tomotui.jobs.watch_presence import (
    WATCH_FOLDER,
    WatchInfo,
    WatchOptions,
    status_of,
    watch_files,
)
from tomotui.jobs.watcher import Happening, Tell, Watcher, entrance_parameters
from tomotui.project import Project, ProjectError
from tomotui.stages import get
from tomotui.stages.base import ParameterError

SLICE_SECONDS = 0.25
HEARTBEAT_SECONDS = 5.0
LOCK_PATIENCE_SECONDS = 1.0

log = logging.getLogger(__name__)


def checked_recipe(project_folder: Path, options: WatchOptions) -> Recipe:
    """Return the recipe of a watcher.

    Raises
    ------
    RecipeError
        When it is wrong, or has a step that does not work on single series.
    ParameterError
        When the import does not accept its parameters.
    """
    recipe = find_recipe(options.recipe, project_folder)
    if whole := per_series_only(recipe):
        raise RecipeError(
            [f"{recipe.path}: step {whole}: target: works on all series, which never all arrive"]
        )
    for stage, merged in entrance_parameters(recipe, options).items():
        get(stage).validate({**merged, **FILE_OF[stage]})
    return recipe


class AlreadyWatched(ProjectError):
    """Another process watches the folder for this project."""


class StopSignal:
    """Set by SIGTERM: the watcher ends, the jobs go on."""

    def __init__(self) -> None:
        self.is_set = False
        self._before = signal.signal(signal.SIGTERM, self._set)

    def restore(self) -> None:
        """Let the signal do what it did before."""
        signal.signal(signal.SIGTERM, self._before)

    def _set(self, number: int, frame: FrameType | None) -> None:
        self.is_set = True


def run_watch(
    project_folder: Path,
    options: WatchOptions,
    tell: Tell,
    *,
    stopping: Callable[[], bool] = lambda: False,
    tick: Callable[[Project], None] = lambda project: None,
    start_agent: bool = True,
) -> Watcher:
    """Watch a folder until that is to stop (or, with ``once``, until all is taken).

    Parameters
    ----------
    tick
        Called a few times a second, for whoever shows what happens.

    Raises
    ------
    AlreadyWatched
        When another process watches the folder for this project.
    ProjectError, RecipeError
        When it cannot begin.
    """
    recipe = checked_recipe(project_folder, options)
    files = watch_files(project_folder, options.folder)
    with Project.open(project_folder) as project:
        (project.folder / WATCH_FOLDER).mkdir(exist_ok=True)
        lock = Lock(files.lock)
        # Whoever asks whether it is held holds it for a moment.
        if not lock.acquire(LOCK_PATIENCE_SECONDS):
            status = status_of(project.folder, options.folder)
            words = status.words if status else f"{options.folder} is watched by another process"
            raise AlreadyWatched(f"{words}.", "See it with: tomotui watch --status")
        files.stop.unlink(missing_ok=True)
        watcher = Watcher(project, recipe, options, tell, start_agent)
        announce = _Announcer(files.info, options)
        try:
            while True:
                announce(watcher)
                look = watcher.step()
                announce(watcher)
                if options.once and _is_through(look):
                    return watcher
                until = time.monotonic() + options.every_seconds
                while time.monotonic() < until:
                    if stopping() or files.stop.exists():
                        return watcher
                    tick(project)
                    announce(watcher)
                    time.sleep(min(SLICE_SECONDS, options.every_seconds))
        finally:
            announce(watcher, ended=True)
            files.stop.unlink(missing_ok=True)
            lock.release()


def _is_through(look: Look) -> bool:
    return not any(waiting.settling for waiting in look.waiting)


class _Announcer:
    """Writes who watches and what waits, when that is new or the sign of life is old."""

    def __init__(self, path: Path, options: WatchOptions) -> None:
        self._path = path
        self._options = options
        self._started_at = time.time()
        self._said: object = None
        self._at = float("-inf")

    def __call__(self, watcher: Watcher, ended: bool = False) -> None:
        waiting = {str(each.path): each.reason for each in watcher.waiting}
        words = (watcher.taken, waiting, watcher.trouble)
        now = time.monotonic()
        if words == self._said and now - self._at < HEARTBEAT_SECONDS and not ended:
            return
        self._said, self._at = words, now
        info = WatchInfo(
            process=own_identity(),
            started_at=self._started_at,
            # One that has ended is not to be taken for a living one by another host.
            heartbeat_at=0.0 if ended else time.time(),
            version=__version__,
            options=self._options,
            taken=watcher.taken,
            waiting=waiting,
            trouble=watcher.trouble,
        )
        try:
            write_model(self._path, info, durable=False)
        except OSError as error:
            log.warning("%s cannot be written: %s", self._path, error)


def main(arguments: list[str]) -> int:
    """Watch for a project, detached: ``python -m tomotui.jobs.watch PROJECT OPTIONS``."""
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%Y-%m-%d %H:%M:%S"
    )
    project_folder = Path(arguments[0]).absolute()
    options = WatchOptions.model_validate_json(arguments[1])
    stop = StopSignal()

    def tell(happening: Happening) -> None:
        log.info("%s", " ".join(filter(None, (happening.name, happening.words))))

    log.info("watching %s for %s", options.folder, project_folder)
    try:
        watcher = run_watch(project_folder, options, tell, stopping=lambda: stop.is_set)
    except (ProjectError, RecipeError, ParameterError, OSError) as error:
        log.error("%s", error)
        return 1
    log.info("ends; %d tilt series were taken", watcher.taken)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

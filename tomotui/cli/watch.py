"""``tomotui watch``: live processing in the foreground or detached, and its summary board."""

from __future__ import annotations

import json as json_text
import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from tomotui.cli.assignments import parse_assignments
from tomotui.cli.errors import WorkFailed, WrongWords
from tomotui.cli.options import JsonOption, ProjectOption, open_project, print_json

if TYPE_CHECKING:
    from tomotui.jobs.watch_presence import WatchOptions, WatchStatus
    from tomotui.jobs.watcher import Happening


def watch(
    folder: Path | None = None,
    /,
    *,
    recipe: str = "standard",
    project: ProjectOption = None,
    pattern: Annotated[list[str] | None, Parameter(consume_multiple=True)] = None,
    settle: float = 120.0,
    every: float = 5.0,
    import_: Annotated[list[str] | None, Parameter(name="--import", consume_multiple=True)] = None,
    motion: Annotated[list[str] | None, Parameter(name="--motion", consume_multiple=True)] = None,
    once: bool = False,
    detach: bool = False,
    status: Annotated[bool, Parameter(name="--status")] = False,
    stop: Annotated[bool, Parameter(name="--stop")] = False,
    json: JsonOption = False,
) -> int:
    """Import tilt series as they arrive in a folder, and put each through a recipe.

    A series is taken once its files have not changed for a while and are complete. Ctrl-C ends
    the watching; jobs go on, and starting again takes nothing twice.

    Example: `tomotui watch /data/session --recipe standard -p ~/data/cells --detach`

    Parameters
    ----------
    folder
        Where the microscope's files arrive.
    recipe
        Name or file of the recipe; `tomotui recipe list` shows those there are.
    project
        Project folder; the present one by default.
    pattern
        Which files, such as `'*.mrc'` or `'*/*.st'`; the stacks of the folder by default.
    settle
        Seconds without a change after which a series counts as complete; longer than the
        time between two tilts.
    every
        Seconds from one look at the folder to the next.
    import_
        What to say about every stack, as key=value; `tomotui stages import` lists the keys.
    motion
        What to say about every series that comes as movies and mdoc, as key=value, such as
        `gain=/data/gain.mrc`; `tomotui stages motion` lists the keys.
    once
        Take what is there when it is complete, and end.
    detach
        Go on without this terminal, until --stop.
    status
        Show who watches for the project, what waits, and the summary board.
    stop
        End the watching of the folder, or of all folders.
    json
        Print JSON for scripts: one object a line while watching.
    """
    if status and stop:
        raise WrongWords("--status and --stop do not go together")
    with open_project(project, read_only=status) as opened:
        place = opened.folder
        if status:
            return _show_status(opened, json)
    if stop:
        return _stop(place, folder)
    if folder is None:
        raise WrongWords("say which folder to watch: tomotui watch FOLDER")
    options = _options(folder, recipe, pattern, settle, every, import_, motion, once)
    if detach:
        return _detach(place, options, json)
    return _watch(place, options, json)


def _options(
    folder: Path,
    recipe: str,
    pattern: list[str] | None,
    settle: float,
    every: float,
    import_: list[str] | None,
    motion: list[str] | None,
    once: bool,
) -> WatchOptions:
    from tomotui.jobs.recipe import OF_ONE_SERIES
    from tomotui.jobs.watch_presence import WatchOptions
    from tomotui.stages import get

    watched = folder.expanduser().resolve()
    if not watched.is_dir():
        raise WorkFailed(f"{folder} is no folder; check the path")
    if not (math.isfinite(settle) and settle >= 0):
        raise WrongWords(f"--settle {settle:g}: give 0 seconds or more")
    if not (math.isfinite(every) and every > 0):
        raise WrongWords(f"--every {every:g}: give seconds above zero")
    for each in pattern or []:
        if not each or each.startswith("/") or ".." in Path(each).parts:
            raise WrongWords(f"--pattern {each!r}: give one within the folder, such as '*.mrc'")
    said = {}
    for stage, words in (("import", import_), ("motion", motion)):
        said[stage] = parse_assignments(words or [], get(stage).parameters_type.model_fields)
        for key in OF_ONE_SERIES[stage]:
            if key in said[stage]:
                what = "stack" if stage == "import" else "series"
                raise WrongWords(f"--{stage} {key}: belongs to a single {what}; here are many")
    for key in ("gain", "frames"):
        if said["motion"].get(key):
            said["motion"][key] = str(Path(said["motion"][key]).expanduser().resolve())
    file = Path(recipe).expanduser()
    return WatchOptions(
        folder=watched,
        recipe=str(file.resolve()) if file.is_file() else recipe,
        patterns=tuple(pattern or ()),
        settle_seconds=settle,
        every_seconds=every,
        once=once,
        import_parameters=said["import"],
        motion_parameters=said["motion"],
    )


def _watch(place: Path, options: WatchOptions, as_json: bool) -> int:
    from tomotui.cli.board import LiveBoard
    from tomotui.jobs.watch import StopSignal, run_watch

    teller = _Teller(as_json)
    stopped = StopSignal()
    if not as_json:
        print(f"watching {options.folder}; Ctrl-C ends that, and jobs go on", flush=True)
    board = LiveBoard(as_json)
    try:
        watcher = run_watch(
            place, options, teller.tell, stopping=lambda: stopped.is_set, tick=board
        )
    except KeyboardInterrupt:
        if not as_json:
            print(f"not watching any more; jobs go on: tomotui status -p {place}", flush=True)
        return 0
    finally:
        stopped.restore()
    if not as_json and options.once:
        left = len(watcher.waiting)
        words = f", {left} left out" if left else ""
        print(f"{watcher.taken} tilt series taken{words}", flush=True)
    return 1 if watcher.trouble else 0


class _Teller:
    """Prints what the watcher has to tell, a line each."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json

    def tell(self, happening: Happening) -> None:
        """Print one line."""
        if self._as_json:
            event = {"event": happening.kind, "name": happening.name, "text": happening.words}
            print(json_text.dumps({"at": time.time(), **event}), flush=True)
            return
        what = f"{happening.name}: " if happening.name else ""
        kind = {"taken": "taken", "again": "taken again"}.get(happening.kind, "")
        words = f"{kind}, {happening.words}" if kind else happening.words
        print(f"  {time.strftime('%H:%M:%S')} {what}{words}", flush=True)


def _detach(place: Path, options: WatchOptions, as_json: bool) -> int:
    from tomotui.jobs.watch import AlreadyWatched, checked_recipe
    from tomotui.jobs.watch_presence import start_watch, status_of, watch_files

    # Here, where somebody reads it: a detached process can only write it into its log.
    checked_recipe(place, options)
    present = status_of(place, options.folder)
    if present is not None and present.is_alive:
        raise AlreadyWatched(f"{present.words}.", "See it with: tomotui watch --status")
    started = start_watch(place, options)
    if as_json:
        print_json(_status_json(started))
        return 0
    print(started.words)
    print(f"it writes {watch_files(place, options.folder).log}")
    print(f"see it: tomotui watch --status -p {place}; end it: tomotui watch --stop -p {place}")
    return 0


def _stop(place: Path, folder: Path | None) -> int:
    from tomotui.jobs.watch_presence import stop_watch, watch_statuses

    wanted = folder.expanduser().resolve() if folder is not None else None
    living = [
        status
        for status in watch_statuses(place)
        if status.is_alive and wanted in (None, status.info.options.folder)
    ]
    if not living:
        print("nothing is being watched")
        return 0
    code = 0
    for status in living:
        ended = stop_watch(place, status)
        words = "is not watched any more" if ended else "was asked to stop and has not yet"
        print(f"{status.info.options.folder} {words}; jobs go on")
        code = max(code, 0 if ended else 1)
    return code


def _show_status(opened: Any, as_json: bool) -> int:
    from tomotui.cli.board import print_board, row_json, totals_json
    from tomotui.jobs.board import read_board, totals
    from tomotui.jobs.watch_presence import watch_statuses

    statuses = watch_statuses(opened.folder)
    rows = read_board(opened)
    if as_json:
        print_json(
            {
                "watchers": [_status_json(status) for status in statuses],
                "totals": totals_json(totals(rows, time.time())),
                "rows": [row_json(row) for row in rows],
            }
        )
        return 0
    if not any(status.is_alive for status in statuses):
        print("nothing is being watched; begin with: tomotui watch FOLDER")
    for status in statuses:
        if status.is_alive:
            print(f"{status.words}; {status.info.taken} taken")
            for path, reason in status.info.waiting.items():
                print(f"  {Path(path).name}: {reason}")
            if status.info.trouble:
                print(f"  {status.info.trouble}")
    if rows:
        print_board(rows)
    return 0


def _status_json(status: WatchStatus) -> dict[str, Any]:
    return {"alive": status.is_alive, **status.info.model_dump(mode="json")}

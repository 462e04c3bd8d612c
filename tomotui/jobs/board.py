"""The summary board: what has become of each tilt series, with what is out of the ordinary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from tomotui.jobs.figures import NOTHING, Figures, read_figures
from tomotui.project import Project, TaskState
from tomotui.records import Status
from tomotui.stages import ENTRANCES

State = Literal["queued", "running", "done", "held", "failed"]
STATES: tuple[State, ...] = ("running", "queued", "done", "held", "failed")

HOUR_SECONDS = 3600.0


@dataclass(frozen=True)
class BoardRow:
    """One tilt series.

    Attributes
    ----------
    arrived_at
        When it came into the project, seconds since the epoch.
    defocus_angstrom
        Median over the tilts, of the mean of both axes.
    verdict
        The worst of its alignment's and its CTF's; empty when there is none yet.
    state, stage
        ``held`` where a recipe's condition or a person stopped it; the stage that it is in, or
        that decided.
    note
        Why it is held or has failed, or what it was done without.
    odd
        What is out of the ordinary among the others (see `Figures`), and stages that came to
        nothing and were done without.
    """

    name: str
    arrived_at: float
    state: State
    stage: str = ""
    progress: float = 0.0
    note: str = ""
    n_tilts: int | None = None
    residual_angstrom: float | None = None
    axis_deg: float | None = None
    thickness_angstrom: float | None = None
    defocus_angstrom: float | None = None
    handedness: int | None = None
    verdict: str = ""
    finished_at: float | None = None
    odd: frozenset[str] = frozenset()


class Totals(NamedTuple):
    """The board in one line; rates are series per hour, ``None`` when there is no telling."""

    n_series: int
    by_state: dict[State, int]
    n_odd: int
    arrived_per_hour: float | None
    done_per_hour: float | None


def read_board(project: Project) -> tuple[BoardRow, ...]:
    """Return a row for each tilt series and each that is being imported, the newest first."""
    series = {one.name: one for one in project.series_sizes()}
    tasks: dict[str, list[TaskState]] = {}
    for task in sorted(project.newest_states(), key=lambda task: task.id):
        if task.target in series or task.stage in ENTRANCES:
            tasks.setdefault(task.target, []).append(task)
    figures = read_figures(project)
    arrived = project.arrival_times()
    rows = []
    for name in {**tasks, **series}:
        row = _state_row(name, arrived.get(name, 0.0), tasks.get(name, []))
        if (one := series.get(name)) is not None:
            row = _with_figures(row, one.n_tilts, figures.get(name, NOTHING))
        rows.append(row)
    # Of those that came together the last is the newest.
    rows.sort(key=lambda row: row.arrived_at)
    rows.reverse()
    return tuple(rows)


def _state_row(name: str, arrived_at: float, tasks: Sequence[TaskState]) -> BoardRow:
    """Say where a series is; one failed stage outweighs what else goes on.

    But for a failure that a later stage did without, as of an optional step: it is only noted.
    """
    overcome = [task for task in tasks if _is_overcome(task, tasks)]
    note = "; ".join(f"{task.stage} {task.status}: {task.error}" for task in overcome)
    odd = frozenset(task.stage for task in overcome)
    tasks = [task for task in tasks if task not in overcome]
    ended = max((t.finished_at or 0.0 for t in tasks), default=0.0) or None
    for state, statuses in (
        ("failed", (Status.FAILED, Status.LOST)),
        ("running", (Status.STARTING, Status.RUNNING)),
        ("queued", (Status.QUEUED,)),
        ("held", (Status.SKIPPED, Status.CANCELLED)),
    ):
        for task in tasks:
            if task.status in statuses:
                return BoardRow(
                    name,
                    arrived_at,
                    state,  # type: ignore[arg-type]
                    stage=task.stage,
                    progress=task.progress,
                    note=task.error or task.message,
                    odd=odd,
                    finished_at=ended if state in ("failed", "held") else None,
                )
    stage = tasks[-1].stage if tasks else ""
    return BoardRow(name, arrived_at, "done", stage, note=note, odd=odd, finished_at=ended)


def _is_overcome(task: TaskState, tasks: Sequence[TaskState]) -> bool:
    """Return whether a task came to nothing and a later one of the series succeeded."""
    if task.status not in (Status.FAILED, Status.LOST, Status.SKIPPED, Status.CANCELLED):
        return False
    return any(
        other.status == Status.DONE and (other.started_at or 0.0) >= (task.finished_at or 0.0)
        for other in tasks
    )


def _with_figures(row: BoardRow, n_tilts: int, found: Figures) -> BoardRow:
    return replace(
        row,
        n_tilts=n_tilts,
        residual_angstrom=found.residual_angstrom,
        axis_deg=found.axis_deg,
        thickness_angstrom=found.thickness_angstrom,
        defocus_angstrom=found.defocus_angstrom,
        handedness=found.handedness,
        verdict=found.verdict,
        odd=row.odd | found.odd,
    )


def totals(rows: Sequence[BoardRow], now: float) -> Totals:
    """Add up the board as it is at a time (epoch s)."""
    by_state: dict[State, int] = dict.fromkeys(STATES, 0)
    for row in rows:
        by_state[row.state] += 1
    done = [row.finished_at for row in rows if row.state == "done" and row.finished_at]
    return Totals(
        n_series=len(rows),
        by_state=by_state,
        n_odd=sum(bool(row.odd) or row.verdict in ("poor", "bad") for row in rows),
        arrived_per_hour=per_hour([row.arrived_at for row in rows], now),
        done_per_hour=per_hour(done, now),
    )


def per_hour(times: Sequence[float], now: float) -> float | None:
    """Return how many of some events there were in the last hour, or at which rate until now."""
    if not times:
        return None
    span = min(HOUR_SECONDS, now - min(times))
    if span < 60:
        return None
    return sum(now - at <= span for at in times) * HOUR_SECONDS / span

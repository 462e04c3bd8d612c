"""The summary board on a terminal: the whole table, or a line for each change of a series."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Sequence
from typing import Any

from tomotui.cli.options import one_line
from tomotui.jobs.board import BoardRow, Totals, read_board, totals
from tomotui.project import Project
from tomotui.stages import ENTRANCES

HEADER_EVERY = 30
_TITLES = ("arrived", "residual A", "axis", "thick nm", "defocus um", "hand", "verdict", "state")
_WIDTHS = (8, 10, 8, 8, 10, 4, 7, 30)
_NAME_WIDTH = 24


class LiveBoard:
    """Prints a row whenever something about its series has changed, below a header.

    What was printed stays where it is: no alternate screen, and nothing is painted over.
    """

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self._seen: dict[str, BoardRow] = {}
        self._lines = 0
        self._version = -1
        self._finished = 0

    def __call__(self, project: Project) -> None:
        """Print what is new."""
        version = project.data_version()
        if version == self._version:
            return
        self._version = version
        rows = read_board(project)
        for row in reversed(rows):
            key = _without_progress(row)
            if self._seen.get(row.name) != key:
                self._seen[row.name] = key
                self._print(row)
        finished = sum(row.state in ("done", "held", "failed") for row in rows)
        if finished != self._finished:
            self._finished = finished
            self._print_totals(totals(rows, time.time()))

    def _print(self, row: BoardRow) -> None:
        if self._as_json:
            print(json.dumps({"at": time.time(), "event": "row", **row_json(row)}), flush=True)
            return
        if row.state == "queued" or (row.state == "running" and row.stage in ENTRANCES):
            return  # That it was taken has been said.
        if self._lines % HEADER_EVERY == 0:
            print(header(), flush=True)
        self._lines += 1
        print(line(row), flush=True)

    def _print_totals(self, now: Totals) -> None:
        if self._as_json:
            event = {"at": time.time(), "event": "totals", **totals_json(now)}
            print(json.dumps(event), flush=True)
        else:
            print(f"  {totals_words(now)}", flush=True)


def _without_progress(row: BoardRow) -> BoardRow:
    return dataclasses.replace(row, progress=0.0, note="" if row.state == "running" else row.note)


def print_board(rows: Sequence[BoardRow]) -> None:
    """Print the whole board with its totals."""
    print(header())
    for row in rows:
        print(line(row))
    print(totals_words(totals(rows, time.time())))


def header() -> str:
    """Return the names of the columns."""
    titles = [title.rjust(width) for title, width in zip(_TITLES, _WIDTHS, strict=True)]
    titles[-1] = _TITLES[-1]
    return "  ".join(["series".ljust(_NAME_WIDTH), *titles])


def line(row: BoardRow) -> str:
    """Return a row; ``!`` marks what is out of the ordinary."""
    marks = {name: "!" if name in row.odd else " " for name in ("residual", "axis", "hand")}
    marks |= {name: "!" if name in row.odd else " " for name in ("thickness", "defocus")}
    cells = (
        time.strftime("%H:%M:%S", time.localtime(row.arrived_at)),
        number(row.residual_angstrom, 2) + marks["residual"],
        number(row.axis_deg, 2) + marks["axis"],
        number(_scaled(row.thickness_angstrom, 0.1), 0) + marks["thickness"],
        number(_scaled(row.defocus_angstrom, 1e-4), 2) + marks["defocus"],
        ("-" if row.handedness is None else f"{row.handedness:+d}") + marks["hand"],
        row.verdict or "-",
    )
    fitted = [cell.rjust(width) for cell, width in zip(cells, _WIDTHS, strict=False)]
    name = row.name if len(row.name) <= _NAME_WIDTH else f"{row.name[: _NAME_WIDTH - 1]}~"
    return "  ".join([name.ljust(_NAME_WIDTH), *fitted, state_words(row)]).rstrip()


def state_words(row: BoardRow) -> str:
    """Return the state of a series with the stage, and why where it does not go on."""
    words = row.state if row.state == "done" else f"{row.state} {row.stage}".strip()
    told = row.note and row.state in ("failed", "held", "done")
    return f"{words}: {one_line(row.note)}" if told else words


def number(value: float | None, digits: int) -> str:
    """Return a number, or a dash for one that is not known."""
    return "-" if value is None else f"{value:.{digits}f}"


def _scaled(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def totals_words(now: Totals) -> str:
    """Return the totals in one line."""
    parts = [f"{now.n_series} series"]
    parts += [f"{count} {state}" for state, count in now.by_state.items() if count]
    if now.n_odd:
        parts.append(f"{now.n_odd} to look at")
    for rate, what in ((now.arrived_per_hour, "arrived"), (now.done_per_hour, "done")):
        if rate is not None:
            parts.append(f"{rate:.1f} {what} per hour")
    return ", ".join(parts)


def row_json(row: BoardRow) -> dict[str, Any]:
    """Return a row for scripts."""
    return {**dataclasses.asdict(row), "odd": sorted(row.odd)}


def totals_json(now: Totals) -> dict[str, Any]:
    """Return the totals for scripts."""
    return now._asdict()

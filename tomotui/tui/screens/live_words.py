"""What is said on the live screen: rows of the board, totals, who watches, and the trends."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from rich.text import Text

from tomotui.jobs.board import BoardRow, State, totals
from tomotui.tui.live_feed import LiveSnapshot, WatchLine
from tomotui.tui.status import Mood
from tomotui.tui.theme import Look
from tomotui.tui.widgets.cells import EMPTY, Column, Content, Row, Span, bar, sign, text
from tomotui.tui.widgets.facts import Facts
from tomotui.tui.widgets.plot import Curve
from tomotui.tui.wording import counted, one_line, short_path

MOST_WAITING = 6

COLUMNS = (
    Column("name", "series", 8, 28),
    Column("arrived", "arrived", 5, 11, "right", rank=3),
    Column("residual", "residual Å", 6, 11, "right"),
    Column("axis", "axis", 6, 9, "right", rank=2),
    Column("thickness", "thick nm", 5, 9, "right", rank=1),
    Column("defocus", "defocus µm", 5, 11, "right", rank=1),
    Column("hand", "hand", 2, 5, "right", rank=4),
    Column("verdict", "verdict", 4, 7, rank=2),
    Column("state", "state", 10, 22),
    Column("note", "note", 6, 200, grows=True, rank=5),
)
MOODS: dict[State, Mood] = {
    "running": "running",
    "queued": "queued",
    "done": "done",
    "held": "warning",
    "failed": "failed",
}
_VERDICT_ROLES = {"poor": "warning", "bad": "failed"}


class Trend(NamedTuple):
    """Something that is plotted over the time of arrival."""

    name: str
    unit: str
    read: Callable[[BoardRow], float | None]


TRENDS = (
    Trend("residual", "Å", lambda row: row.residual_angstrom),
    Trend("thickness", "nm", lambda row: _scaled(row.thickness_angstrom, 0.1)),
    Trend("defocus", "µm", lambda row: _scaled(row.defocus_angstrom, 1e-4)),
    Trend("axis", "deg", lambda row: row.axis_deg),
)


def board_row(row: BoardRow, look: Look, ascii_only: bool) -> Row:
    """Return a row of the board; ``!`` marks what is out of the ordinary."""
    arrived = time.localtime(row.arrived_at)
    # Of another day only the day matters.
    today = time.localtime()[:3] == arrived[:3]
    cells = (
        text(row.name),
        text(time.strftime("%H:%M" if today else "%d %b %H:%M", arrived), "dim"),
        _value(row, "residual", row.residual_angstrom, 2),
        _value(row, "axis", row.axis_deg, 2),
        _value(row, "thickness", _scaled(row.thickness_angstrom, 0.1), 0),
        _value(row, "defocus", _scaled(row.defocus_angstrom, 1e-4), 2),
        _marked("hand" in row.odd, "" if row.handedness is None else f"{row.handedness:+d}"),
        text(row.verdict, _VERDICT_ROLES.get(row.verdict, "foreground")),
        state_cell(row, look, ascii_only),
        text(_note(row), "failed" if row.state == "failed" else "dim"),
    )
    odd = [f"odd:{name}" for name in sorted(row.odd)]
    words = (row.name, row.state, row.stage, row.verdict, *odd, "odd" if odd else "", row.note)
    return Row(row.name, cells, " ".join(words))


def _value(row: BoardRow, name: str, value: float | None, digits: int) -> Content:
    return _marked(name in row.odd, "" if value is None else f"{value:.{digits}f}")


def _marked(odd: bool, words: str) -> Content:
    """Return words with a mark, or with the room for one: numbers stand below each other."""
    if not words:
        return EMPTY
    return (Span(words, "warning"), Span("!", "warning")) if odd else (Span(words), Span(" "))


def _scaled(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def state_cell(row: BoardRow, look: Look, ascii_only: bool) -> Content:
    """Return the state of a series: glyph and words, or the bar of what runs."""
    mood = MOODS[row.state]
    if row.state == "running":
        words = sign(mood, look, ascii_only, row.stage)
        return words + text(" ") + bar(row.progress, 10, mood, ascii_only)
    words_of = row.state if row.state == "done" else f"{row.state} {row.stage}".strip()
    return sign(mood, look, ascii_only, words_of)


def _note(row: BoardRow) -> str:
    if row.note and row.state in ("failed", "held", "done"):
        return one_line(row.note)
    return ", ".join(f"odd {name}" for name in sorted(row.odd))


def session_facts(
    snapshot: LiveSnapshot, row: BoardRow | None, now: float, look: Look, ascii_only: bool
) -> Facts:
    """Return why the series under the cursor does not go on, totals, and who watches what."""
    facts = Facts(look, label_cells=10)
    if row is not None and row.note and row.state in ("failed", "held", "done"):
        facts.heading(row.name)
        facts.text(one_line(row.note), MOODS[row.state])
        facts.blank()
    found = totals(snapshot.rows, now)
    facts.line("series", str(found.n_series))
    states = Text()
    for state, count in found.by_state.items():
        if count:
            # What belongs together stays in one line.
            words = f"{look.glyph(MOODS[state], ascii_only)} {count} {state}".replace(
                " ", "\N{NBSP}"
            )
            states.append(f"{words}  ", look.colour(MOODS[state]))
    facts.pair("", states)
    if found.n_odd:
        facts.line("to look at", str(found.n_odd), role="warning")
    for label, rate in (("arriving", found.arrived_per_hour), ("finishing", found.done_per_hour)):
        if rate is not None:
            facts.line(label, f"{rate:.1f}", "per hour")
    living = [line for line in snapshot.watchers if line.is_alive]
    for line in living:
        _watch_facts(facts, line)
    if not living:
        facts.blank()
        facts.text("nothing is being watched", "dim")
        facts.text("tomotui watch FOLDER --detach", "dim")
    return facts


def _watch_facts(facts: Facts, line: WatchLine) -> None:
    facts.heading(f"watching {short_path(line.folder)}")
    facts.line("taken", str(line.taken), f"recipe {line.recipe}")
    if line.trouble:
        facts.line("trouble", line.trouble, role="warning")
    for name, reason in line.waiting[:MOST_WAITING]:
        facts.line("waits", f"{name}: {reason}", role="warning")
    if len(line.waiting) > MOST_WAITING:
        facts.line("", f"and {counted(len(line.waiting) - MOST_WAITING, 'file')} more")
    facts.line("process", line.process, role="dim")


def trend_curve(rows: Sequence[BoardRow], trend: Trend) -> Curve:
    """Return a trend over the time of arrival, in hours from the first series."""
    points = []
    for row in reversed(rows):
        value = trend.read(row)
        if value is not None:
            points.append((row.arrived_at, value))
    if not points:
        return Curve(trend.name, (), (), trend.unit)
    start = rows[-1].arrived_at
    hours = tuple((at - start) / 3600 for at, _ in points)
    return Curve(trend.name, hours, tuple(value for _, value in points), trend.unit)

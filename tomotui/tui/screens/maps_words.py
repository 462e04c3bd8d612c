"""The words of the screen of maps: rows of its tables, and titles."""

from __future__ import annotations

import math

from tomotui.tui.details import Details
from tomotui.tui.maps_feed import Entry, Particles
from tomotui.tui.theme import Look
from tomotui.tui.widgets.cells import EMPTY, Column, Row, sign, text
from tomotui.tui.wording import duration, percent

MAP_COLUMNS = (
    Column("name", "map", 8, 28, grows=True),
    Column("resolution", "Å", 4, 6, "right"),
    Column("particles", "n", 3, 7, "right", rank=1),
    Column("pixel", "Å/px", 4, 6, "right", rank=2),
    Column("made", "by", 6, 14, rank=3),
)

ITERATION_COLUMNS = (
    Column("number", "#", 2, 3, "right"),
    Column("letter", "what", 4, 12),
    Column("pixel", "Å/px", 4, 6, "right", rank=3),
    Column("resolution", "Å", 4, 6, "right"),
    Column("score", "score", 5, 8, "right", rank=2),
    Column("turned", "Δ°", 4, 6, "right"),
    Column("moved", "ΔÅ", 4, 6, "right"),
    Column("kept", "", 1, 8),
    Column("seconds", "time", 4, 7, "right", rank=4),
)

LETTERS = {
    "P": "search",
    "p": "pose",
    "t": "tilt shift",
    "r": "tilt turn",
    "d": "defocus",
    "g": "motion",
    "m": "size",
}
"""What an iteration refines."""


def map_row(entry: Entry, look: Look, ascii_only: bool) -> Row:
    """Return the row of a map or of an average under way."""
    one, task = entry.record, entry.task
    if task is not None:
        words = sign("running", look, ascii_only, entry.name, "foreground")
        share, stage = text(percent(task.progress), "dim"), text(task.stage, "dim")
        return Row(entry.key, (words, share, EMPTY, EMPTY, stage), entry.name)
    assert one is not None
    resolution = one.resolution_angstrom
    cells = (
        text(entry.name),
        text("-" if resolution is None else f"{resolution:.1f}"),
        text("-" if one.n_particles is None else str(one.n_particles)),
        text(f"{one.pixel_size_angstrom:.2f}", "dim"),
        text(one.made_by or "-", "dim"),
    )
    return Row(entry.key, cells, f"{entry.name} {one.made_by} {entry.set_name}")


def iteration_rows(details: Details, look: Look, ascii_only: bool) -> list[Row]:
    """Return a row for each iteration, the newest last."""
    letters = details.get("iteration_letter", 1)
    numbers = details.get("iteration_number", 1)
    n = max((len(one) for one in (letters, numbers) if one is not None), default=0)
    return [_iteration_row(details, at, look, ascii_only) for at in range(n)]


def _iteration_row(details: Details, at: int, look: Look, ascii_only: bool) -> Row:
    number, letter = _value(details, "number", at), details.get("iteration_letter", 1)
    word = "" if letter is None or at >= len(letter) else str(letter[at])
    kept = details.get("iteration_kept", 1)
    mark = EMPTY
    if kept is not None and at < len(kept):
        mark = sign(
            "done" if kept[at] else "failed", look, ascii_only, "" if kept[at] else "undone"
        )
    cells = (
        text(f"{at + 1 if math.isnan(number) else number:.0f}"),
        text(LETTERS.get(word, word)),
        text(_figure(details, "pixel_angstrom", at, 2), "dim"),
        text(_figure(details, "resolution_angstrom", at, 1)),
        text(_figure(details, "score", at, 3), "dim"),
        text(_figure(details, "change_deg", at, 2)),
        text(_figure(details, "change_angstrom", at, 2)),
        mark,
        text(duration(_seconds(details, at)), "dim"),
    )
    return Row(str(at), cells)


def iteration_words(details: Details, at: int) -> str:
    """Return which iteration a row is, what it refined, what it reached and what changed."""
    letters = details.get("iteration_letter", 1)
    letter = "" if letters is None or at >= len(letters) else str(letters[at])
    number = _value(details, "number", at)
    turned, moved = (_figure(details, f"change_{unit}", at, 2) for unit in ("deg", "angstrom"))
    change = [] if turned == "-" or letter not in ("P", "p") else [f"{turned}°"]
    change += [] if moved == "-" else [f"{moved} Å"]
    words = [
        f"{at + 1 if math.isnan(number) else number:.0f} {LETTERS.get(letter, letter)}".strip(),
        f"{_figure(details, 'resolution_angstrom', at, 1)} Å",
        *([f"Δ {', '.join(change)}"] if change else []),
    ]
    return " · ".join(words)


def iteration_label(details: Details, at: int) -> str:
    """Return the words that stand over the map of an iteration."""
    number = _value(details, "number", at)
    words = f"{at + 1 if math.isnan(number) else number:.0f}"
    return f"{words}: {_figure(details, 'resolution_angstrom', at, 1)} Å"


def _seconds(details: Details, at: int) -> float | None:
    seconds = _value(details, "seconds", at)
    return None if math.isnan(seconds) else seconds


def _value(details: Details, name: str, at: int) -> float:
    values = details.get(f"iteration_{name}", 1)
    return float(values[at]) if values is not None and at < len(values) else math.nan


def _figure(details: Details, name: str, at: int, digits: int) -> str:
    value = _value(details, name, at)
    return f"{value:.{digits}f}" if math.isfinite(value) else "-"


def particle_words(particles: Particles) -> str:
    """Return how many particles are kept, and how many cut."""
    if not particles.set_uid:
        return "particles"
    counts = dict(particles.counts)
    cut = counts.get("rejected", 0)
    return f"{particles.set_name}: {sum(counts.values()) - cut} kept, {cut} cut"

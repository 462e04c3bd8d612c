"""The words of the screen of variation: rows of its tables, and what it says of an entry."""

from __future__ import annotations

import numpy as np

from tomotui.geometry.landscapes import LatentSpace
from tomotui.geometry.mixtures import MovingMixture
from tomotui.records import Classification, Landscape
from tomotui.tui.details import Details
from tomotui.tui.screens.variation_charts import degrees_of, way_angstrom
from tomotui.tui.status import Mood
from tomotui.tui.theme import Look
from tomotui.tui.variation_feed import ClassEntry, Entry
from tomotui.tui.widgets.cells import EMPTY, Column, Content, Row, sign, text
from tomotui.tui.wording import counted, percent

ENTRY_COLUMNS = (
    Column("name", "name", 12, 40, grows=True),
    Column("result", "shows", 9, 11),
    Column("agree", "agree", 5, 5, "right", rank=2),
)

MOTION_COLUMNS = (
    Column("name", "motion", 8, 14),
    Column("evident", "", 9, 9),
    Column("share", "share", 5, 5, "right"),
    Column("way", "Å", 4, 6, "right"),
    Column("turn", "deg", 4, 6, "right", rank=1),
    Column("own", "one ±", 5, 6, "right", rank=2),
)

NO_MOTION = "the particles show no motion beyond noise"
REPRODUCIBLE = 0.6
"""Agreement of runs from which classes count as found again."""


def entry_row(entry: Entry, look: Look, ascii_only: bool) -> Row:
    """Return the row of a landscape, of classes, or of what is under way."""
    record, task = entry.record, entry.task
    if task is not None:
        words = sign("running", look, ascii_only, entry.name, "foreground")
        return Row(entry.key, (words, text(percent(task.progress), "dim"), EMPTY), entry.name)
    if isinstance(record, Landscape):
        kind, agreement = "landscape", record.agreement
        shown = _motions_sign(record, look, ascii_only)
    else:
        assert isinstance(record, Classification)
        kind, agreement = "classes", record.reproducibility
        shown = text(counted(record.n_classes, "class", "classes"))
    said = "-" if agreement is None else f"{agreement:.2f}"
    cells = (text(entry.name), shown, text(said))
    return Row(entry.key, cells, f"{entry.name} {kind} {entry.set_name}")


def _motions_sign(record: Landscape, look: Look, ascii_only: bool) -> Content:
    if not record.n_motions:
        return sign("warning", look, ascii_only, "no motion")
    return sign("done", look, ascii_only, counted(record.n_motions, "motion"), "foreground")


def landscape_verdict(record: Landscape, n_particles: int) -> tuple[Mood, str]:
    """Return what a landscape comes to, with the mood it is said in."""
    if not record.n_motions:
        return "warning", f"{NO_MOTION}: what is below is noise of {n_particles} particles"
    words = f"{counted(record.n_motions, 'motion')} among {n_particles} particles"
    if record.agreement is not None:
        words += f"; the halves agree by {record.agreement:.2f}"
    return "done", words


def classes_verdict(
    record: Classification, classes: tuple[ClassEntry, ...], details: Details
) -> tuple[Mood, str]:
    """Return what a classification comes to, with the mood it is said in."""
    shares = ", ".join(f"{one.name} {one.share:.0%}" for one in classes)
    agreed = record.reproducibility
    evident = details.arrays.get("is_evident")
    if evident is not None and not evident.any():
        return "warning", f"the classes are not different beyond noise: {shares}"
    if agreed is None:
        return "none", f"{shares}; a single run: nothing tells whether it would come out again"
    if agreed < REPRODUCIBLE:
        return "warning", f"{shares}; runs agree by {agreed:.2f} only: these may be no classes"
    return "done", f"{shares}; runs agree by {agreed:.2f}"


def motion_rows(
    space: LatentSpace, mixture: MovingMixture, record: Landscape, look: Look, ascii_only: bool
) -> list[Row]:
    """Return a row for each principal direction: what it moves, and how sure its places are."""
    squares = np.square(space.deviations[: space.n_principal])
    total = float(squares.sum()) or 1.0
    rows = []
    for number in range(space.n_principal):
        direction, deviation = space.directions[number], float(space.deviations[number])
        turn = degrees_of(mixture, direction, deviation)
        own = float(np.median(space.spread_along(number))) if len(space) else 0.0
        is_evident = number < record.n_motions
        mood: Mood = "done" if is_evident else "none"
        cells = (
            text(space.names[number]),
            sign(mood, look, ascii_only, "evident" if is_evident else "noise", "dim"),
            text(percent(float(squares[number]) / total)),
            text(f"{way_angstrom(mixture, direction, deviation):.1f}"),
            text("-" if turn is None else f"{turn:.1f}", "dim"),
            text(f"{own:.2f}", "dim"),
        )
        rows.append(Row(str(number), cells))
    return rows


def class_figures(one: ClassEntry) -> str:
    """Return number of particles and resolution of a class, as far as known."""
    if one.map is None:
        return ""
    words = []
    if one.map.n_particles is not None:
        words.append(str(one.map.n_particles))
    if one.map.resolution_angstrom is not None:
        words.append(f"{one.map.resolution_angstrom:.1f} Å")
    return " · ".join(words)

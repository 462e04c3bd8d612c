"""What is said of a tilt series: its row in the matrix and its details."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Literal, NamedTuple

from rich.text import Text

from tomotui.jobs.figures import NOTHING, Figures
from tomotui.project import Cell, SeriesRow
from tomotui.records import Alignment, Status, TiltSeries, Tomogram
from tomotui.tui.snapshots import SeriesDetail
from tomotui.tui.status import SIGNS
from tomotui.tui.theme import Look
from tomotui.tui.widgets.cells import EMPTY, Column, Content, Row, Span, bar, sign, text
from tomotui.tui.widgets.facts import Facts
from tomotui.tui.wording import counted, made_how, one_line, percent

HANDS = {1: "+", -1: "-", None: "?"}
"""How the handedness is written."""


class Figure(NamedTuple):
    """A column of figures.

    Attributes
    ----------
    column
        How it stands in the table.
    read
        Its value; what has none stands below all others when the table is sorted by it.
    digits
        Behind the point.
    scale
        From the record's unit to that of the column.
    worst_is
        The end that comes first when one begins to sort by it.
    """

    column: Column
    read: Callable[[Figures], float | None]
    digits: int = 0
    scale: float = 1.0
    worst_is: Literal["low", "high"] = "low"


FIGURES: tuple[Figure, ...] = (
    Figure(
        Column("residual", "resid Å", 7, 9, "right", rank=2),
        lambda one: one.residual_angstrom,
        2,
        worst_is="high",
    ),
    Figure(Column("axis", "axis °", 6, 8, "right", rank=9), lambda one: one.axis_deg, 1),
    Figure(
        Column("thickness", "thick Å", 7, 8, "right", rank=7), lambda one: one.thickness_angstrom
    ),
    Figure(
        Column("defocus", "def µm", 6, 8, "right", rank=3),
        lambda one: one.defocus_angstrom,
        2,
        1e-4,
    ),
    Figure(Column("hand", "hand", 4, 5, "right", rank=8), lambda one: one.handedness),
    Figure(
        Column("resolution", "fit Å", 5, 7, "right", rank=4),
        lambda one: one.fit_resolution_angstrom,
        1,
        worst_is="high",
    ),
)
"""Figures of a series beside what the stages made of it, in the order shown."""

SORTS = ("name", *(figure.column.key for figure in FIGURES))
"""What the table can be sorted by."""


def sorted_rows(
    rows: Sequence[SeriesRow], figures: Mapping[str, Figures], order: str
) -> list[SeriesRow]:
    """Return rows by a column (``-residual``: the largest first); unknown values come last."""
    name, falling = order.removeprefix("-"), order.startswith("-")
    chosen = next((one for one in FIGURES if one.column.key == name), None)
    if chosen is None:
        return list(reversed(rows)) if falling else list(rows)
    read = chosen.read

    def value(row: SeriesRow) -> float | None:
        return read(figures.get(row.name, NOTHING))

    known = [row for row in rows if value(row) is not None]
    known.sort(key=lambda row: value(row) or 0.0, reverse=falling)
    return known + [row for row in rows if value(row) is None]


def figure_cell(figure: Figure, found: Figures) -> Content:
    """Return a figure; ``!`` marks what is out of the ordinary among the series."""
    value = figure.read(found)
    if figure.column.key == "hand":
        # A series without CTF has no hand; one whose hand is unknown has a question.
        if value is None and found.defocus_angstrom is None:
            return EMPTY
        words = HANDS[found.handedness]
    elif value is None:
        return EMPTY
    else:
        words = f"{value * figure.scale:.{figure.digits}f}"
    if figure.column.key in found.odd:
        return Span(words, "warning"), Span("!", "warning")
    return Span(words), Span(" ")


def matrix_columns(
    stages: Sequence[str], with_dataset: bool, order: str = "name", ascii_only: bool = False
) -> list[Column]:
    """Return the columns of the matrix: one for each stage, in the order of the pipeline.

    The column that the table is sorted by is shown in any case, with an arrow.
    """
    found = _columns(stages, with_dataset)
    name, falling = order.removeprefix("-"), order.startswith("-")
    arrow = ("v" if falling else "^") if ascii_only else ("▼" if falling else "▲")
    plain = order in ("", "name")
    return [
        replace(column, title=f"{column.title}{arrow}", rank=0)
        if column.key == name and not plain
        else column
        for column in found
    ]


def _columns(stages: Sequence[str], with_dataset: bool) -> list[Column]:
    columns = [Column("name", "series", 8, 28)]
    if with_dataset:
        columns.append(Column("dataset", "dataset", 7, 16, rank=6))
    columns.append(Column("tilts", "tilts", 5, 6, "right", rank=5))
    last = len(stages) - 1
    columns += [
        Column(f"stage.{stage}", stage, 10, 20, rank=10 if at == 0 and last > 1 else 0)
        for at, stage in enumerate(stages)
    ]
    columns += [figure.column for figure in FIGURES]
    columns.append(Column("note", "note", 6, 80, grows=True, rank=1))
    return columns


def matrix_row(
    row: SeriesRow,
    stages: Sequence[str],
    with_dataset: bool,
    look: Look,
    ascii_only: bool,
    found: Figures = NOTHING,
) -> Row:
    """Return a row of the matrix."""
    cells = [text(row.name)]
    if with_dataset:
        cells.append(text(row.dataset, "dim"))
    cells.append(text(str(row.series.n_tilts) if row.series else "-", "dim"))
    cells += [stage_cell(row.cells.get(stage), look, ascii_only) for stage in stages]
    cells += [figure_cell(figure, found) for figure in FIGURES]
    note = series_note(row)
    cells.append(text(note, "dim"))
    words = [row.name, row.dataset, note]
    for name, cell in row.cells.items():
        words += [f"{name}:{SIGNS[cell.status].word}", cell.text]
    words += [f"odd:{name}" for name in sorted(found.odd)]
    return Row(row.name, tuple(cells), " ".join(words))


def stage_cell(cell: Cell | None, look: Look, ascii_only: bool) -> Content:
    """Return what a stage has made of a series: glyph, and words or a bar."""
    if cell is None:
        return sign("none", look, ascii_only)
    word, mood = SIGNS[cell.status]
    if cell.status.is_active:
        return sign(mood, look, ascii_only) + text(" ") + bar(cell.progress, 12, mood, ascii_only)
    if cell.status == Status.DONE:
        return sign(mood, look, ascii_only, one_line(cell.text) or word, "foreground")
    return sign(mood, look, ascii_only, word)


def series_note(row: SeriesRow) -> str:
    """Return what deserves attention: why a stage failed, or which tilts are left out."""
    for cell in row.cells.values():
        if cell.status in (Status.FAILED, Status.LOST):
            return one_line(cell.text)
    if row.series is None:
        return "being imported" if row.cells else ""
    excluded = sum(tilt.excluded for tilt in row.series.tilts)
    return f"{counted(excluded, 'tilt')} left out" if excluded else ""


def details(detail: SeriesDetail, stages: Sequence[str], look: Look, ascii_only: bool) -> Facts:
    """Return the details of a series."""
    facts = Facts(look)
    row = detail.row
    if row is None:
        facts.text("not in this project any more", "dim")
        return facts
    if row.series is not None:
        _series_lines(facts, row.series)
    if detail.alignment is not None:
        _alignment_lines(facts, detail.alignment)
    if detail.tomogram is not None:
        _tomogram_lines(facts, detail.tomogram, detail.filled)
    facts.heading("stages")
    for stage in stages:
        facts.pair(stage, _stage_words(row.cells.get(stage), look, ascii_only))
    return facts


def _stage_words(cell: Cell | None, look: Look, ascii_only: bool) -> Text:
    """Return glyph, word and text of what a stage has made."""
    if cell is None:
        return Text(f"{look.glyph('none', ascii_only)} not yet", look.dim)
    word, mood = SIGNS[cell.status]
    words = f"{word} {percent(cell.progress)}" if cell.status.is_active else word
    said = one_line(cell.text)
    if said:
        words = said if cell.status == Status.DONE else f"{words}, {said}"
    line = Text(look.glyph(mood, ascii_only), look.colour(mood))
    return line.append(f" {words}", look.foreground)


def _series_lines(facts: Facts, series: TiltSeries) -> None:
    low, high = series.tilt_range_deg
    facts.line("tilts", f"{series.n_tilts}, {low:+.1f} .. {high:+.1f}", "deg")
    facts.line("image", f"{series.width_px} x {series.height_px}", "px")
    facts.line("pixel", f"{series.pixel_size_angstrom:.4g}", "Å")
    doses = [tilt.dose_e_per_a2 for tilt in series.tilts if tilt.dose_e_per_a2 is not None]
    if doses:
        facts.line("dose", f"{sum(doses):.4g}", "e/Å² in all")
    optics = f"{series.voltage_kv:g} kV, {series.spherical_aberration_mm:g}"
    facts.line("microscope", optics, "mm")
    if series.nominal_tilt_axis_deg is not None:
        facts.line("tilt axis", f"{series.nominal_tilt_axis_deg:.1f}", "deg, nominal")


def _alignment_lines(facts: Facts, alignment: Alignment) -> None:
    facts.heading("alignment")
    facts.line("tilt axis", f"{alignment.axis_deg:.2f}", "deg")
    if alignment.residual_angstrom is not None:
        facts.line("residual", f"{alignment.residual_angstrom:.2f}", "Å")
    facts.line("used", f"{len(alignment.included)} of {len(alignment.tilts)}", "tilts")
    if alignment.verdict != "good":
        note = f", {alignment.note}" if alignment.note else ""
        facts.line("verdict", f"{alignment.verdict}{note}", role="warning")
    if alignment.source != "tomotui":
        facts.line("source", alignment.source)


def _tomogram_lines(facts: Facts, tomogram: Tomogram, filled: tuple[float, float] | None) -> None:
    facts.heading("restored tomogram" if tomogram.restored else "tomogram")
    x, y, z = tomogram.size_xyz
    facts.line("size", f"{x} x {y} x {z}", "voxels")
    facts.line("voxel", f"{tomogram.pixel_size_angstrom:.4g}", "Å")
    if tomogram.thickness_angstrom is not None:
        facts.line("thickness", f"{tomogram.thickness_angstrom / 10:.0f}", "nm")
    facts.line("method", made_how(tomogram))
    if tomogram.restored and filled is not None:
        facts.line("null test", f"{filled[0]:.2f}", f"known wedge; {filled[1]:.2f} of nothing")

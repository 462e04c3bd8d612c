"""What is said of a tilt series: its row in the matrix and its details."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from tomotui.project import Cell, SeriesRow
from tomotui.records import Alignment, Status, TiltSeries, Tomogram
from tomotui.stages.base import Stage
from tomotui.tui.snapshots import SeriesDetail
from tomotui.tui.status import SIGNS
from tomotui.tui.theme import Look
from tomotui.tui.widgets.cells import Column, Content, Row, bar, sign, text
from tomotui.tui.widgets.facts import Facts
from tomotui.tui.wording import counted, one_line, percent


def matrix_columns(stages: Sequence[Stage], with_dataset: bool) -> list[Column]:
    """Return the columns of the matrix: one for each stage, in the order of the pipeline."""
    columns = [Column("name", "series", 8, 28)]
    if with_dataset:
        columns.append(Column("dataset", "dataset", 7, 16, rank=3))
    columns.append(Column("tilts", "tilts", 5, 6, "right", rank=2))
    last = len(stages) - 1
    columns += [
        Column(f"stage.{stage.name}", stage.name, 10, 20, rank=4 if at == 0 and last > 1 else 0)
        for at, stage in enumerate(stages)
    ]
    columns.append(Column("note", "note", 6, 80, grows=True, rank=1))
    return columns


def matrix_row(
    row: SeriesRow, stages: Sequence[Stage], with_dataset: bool, look: Look, ascii_only: bool
) -> Row:
    """Return a row of the matrix."""
    cells = [text(row.name)]
    if with_dataset:
        cells.append(text(row.dataset, "dim"))
    cells.append(text(str(row.series.n_tilts) if row.series else "-", "dim"))
    cells += [stage_cell(row.cells.get(stage.name), look, ascii_only) for stage in stages]
    note = series_note(row)
    cells.append(text(note, "dim"))
    words = [row.name, row.dataset, note]
    for name, cell in row.cells.items():
        words += [f"{name}:{SIGNS[cell.status].word}", cell.text]
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


def details(detail: SeriesDetail, stages: Sequence[Stage], look: Look, ascii_only: bool) -> Facts:
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
        _tomogram_lines(facts, detail.tomogram)
    facts.heading("stages")
    for stage in stages:
        facts.pair(stage.name, _stage_words(row.cells.get(stage.name), look, ascii_only))
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


def _tomogram_lines(facts: Facts, tomogram: Tomogram) -> None:
    facts.heading("tomogram")
    x, y, z = tomogram.size_xyz
    facts.line("size", f"{x} x {y} x {z}", "voxels")
    facts.line("voxel", f"{tomogram.pixel_size_angstrom:.4g}", "Å")
    if tomogram.thickness_angstrom is not None:
        facts.line("thickness", f"{tomogram.thickness_angstrom / 10:.0f}", "nm")
    facts.line("method", tomogram.method + (", restored" if tomogram.restored else ""))

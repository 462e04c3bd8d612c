"""The course of a refinement on the screen of maps: iterations compared as volumes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from textual import on

from tomotui.tui.maps_feed import Entry, Part
from tomotui.tui.screens.maps_panels import MapsPanels
from tomotui.tui.screens.maps_words import iteration_label, iteration_words
from tomotui.tui.widgets.cells import Row
from tomotui.tui.widgets.table import Table

MOST_ITERATIONS = 6
"""Iterations that are seen at once."""


class View(NamedTuple):
    """A map to be drawn.

    Attributes
    ----------
    label
        Written over it.
    pixel_size_angstrom
        As its record has it; that of the file where ``None``.
    """

    part: Part
    label: str
    pixel_size_angstrom: float | None = None


class CourseShowing(MapsPanels):
    """The part of the screen of maps that shows single iterations.

    Attributes
    ----------
    is_course_beside
        Whether an iteration is shown beside the last one, not alone.
    """

    def __init__(self) -> None:
        super().__init__()
        self.is_course_beside = True
        self._shows_last = False
        self._listed: str | None = None
        self._at: int | None = None

    @property
    def entry(self) -> Entry | None:
        """The map under the cursor."""
        raise NotImplementedError

    def show_maps(self) -> None:
        """Draw what is to be seen."""
        raise NotImplementedError

    @property
    def iteration(self) -> int | None:
        """Row of the iteration that is looked at; ``None`` at the last, where the map itself is."""
        table = self.iterations
        at = table.selection.cursor
        is_told_of = self.entry is not None and self.entry.key == self._listed
        return at if is_told_of and at < len(table.rows) - 1 else None

    def show_iterations(self, rows: Sequence[Row]) -> None:
        """List the iterations; the cursor stays at the last, unless it was taken elsewhere."""
        table, chosen = self.iterations, self.snapshot.chosen
        follows = chosen != self._listed or self.iteration is None
        self._listed = chosen
        table.set_rows(rows)
        if follows and rows:
            table.go_to_key(rows[-1].key)
        self.entitle("iterations", "iterations")

    @on(Table.CursorMoved, "#iterations-table")
    def _iteration_chosen(self) -> None:
        if self.iteration == self._at:
            return
        self._at, self._shows_last = self.iteration, False
        self.when_at_rest(self._iteration_rests)

    def _iteration_rests(self) -> None:
        self.show_titles()
        self.show_maps()
        if self._at is not None and not self.course_views():
            self.say("no maps of single iterations were kept of this one", "warning")

    @on(Table.SelectionChanged, "#iterations-table")
    def _iterations_marked(self) -> None:
        if self.is_mounted and self.iteration is not None:
            self.show_maps()

    @on(Table.Activated, "#iterations-table")
    def _iteration_opened(self) -> None:
        self.panel = 0
        self.lay_out()
        self.focus_panel()

    def _row_with_map(self, at: int) -> int | None:
        """Return the iteration that made the map which another one ended with."""
        course = self.snapshot.course
        found = [row for row in range(min(at + 1, len(course))) if course[row] is not None]
        return found[-1] if found else None

    def course_views(self) -> list[View]:
        """Return the maps of the iteration, of those marked and of the last."""
        at = self.iteration
        if at is None:
            return []
        last = len(self.snapshot.course) - 1
        marks = self.iterations.selection.marks
        marked = [row for row, one in enumerate(self.iterations.rows) if one.key in marks]
        wanted = [at, last]
        if self.is_course_beside:
            # In the order of the course; the last is always seen, however many are marked.
            between = sorted({at, *marked} - {last})
            wanted = [*between[: MOST_ITERATIONS - 1], last]
        rows = [self._row_with_map(row) for row in wanted]
        if not self.is_course_beside:
            rows = rows[-1:] if self._shows_last else rows[:1]
        views = []
        for row in rows:
            part = self.snapshot.course[row] if row is not None else None
            if part is not None and row is not None:
                views.append(View(part, iteration_label(self.snapshot.details, row)))
        return views

    def surface_words(self) -> str:
        """Return the title of the surface: which iteration, what it reached and changed."""
        at = self.iteration
        if at is None or not self.course_views():
            return super().surface_words()
        details, last = self.snapshot.details, len(self.iterations.rows) - 1
        shown = last if self._shows_last and not self.is_course_beside else at
        words = iteration_words(details, shown)
        if self.is_course_beside:
            words += f" | last: {iteration_words(details, last)}"
        return words

    # ---- keys

    def blink_iteration(self) -> bool:
        """Show the last iteration in place of the one chosen, or that again."""
        if not self.course_views():
            return False
        self.is_course_beside, self._shows_last = False, not self._shows_last
        self.show_titles()
        self.show_maps()
        return True

    def set_iteration_beside(self) -> bool:
        """Show the iteration beside the last one, or alone."""
        if not self.course_views():
            return False
        self.is_course_beside, self._shows_last = not self.is_course_beside, False
        self.show_titles()
        self.show_maps()
        return True

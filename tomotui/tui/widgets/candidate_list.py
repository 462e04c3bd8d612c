"""The list of candidates: rows drawn from columns of numbers, as many as there are."""

from __future__ import annotations

import math

from textual import events
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tomotui.tui.review import Review
from tomotui.tui.theme import FALLBACK, Look
from tomotui.tui.widgets.cells import Span, fitted, strip_of

GLYPHS = {"accepted": "✓", "rejected": "✗", "unsure": "?", "undecided": "·"}
ASCII_GLYPHS = {"accepted": "+", "rejected": "x", "unsure": "?", "undecided": "."}


def verdict_glyph(verdict: str, ascii_only: bool = False) -> str:
    """Return the sign of a decision."""
    return (ASCII_GLYPHS if ascii_only else GLYPHS).get(verdict, " ")


def score_words(score: float) -> str:
    """Return a score in five characters or so; a dash when there is none."""
    if not math.isfinite(score):
        return "-"
    words = f"{score:.3f}" if abs(score) < 100 else f"{score:.0f}"
    return words.replace("0.", ".", 1) if words.startswith(("0.", "-0.")) else words


class CandidateList(ScrollView):
    """Candidates with number, score, decision, class and series; the cursor is the review's."""

    ALLOW_SELECT = False
    DEFAULT_CSS = """
    CandidateList {
        height: 1fr; background: $background; overflow-x: hidden; scrollbar-size-vertical: 1;
    }
    """

    class Chosen(Message):
        """A candidate was clicked."""

        def __init__(self, place: int) -> None:
            super().__init__()
            self.place = place

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.review: Review | None = None
        self._drawn_place = -1
        self._drawn_rows: object = None

    def show(self, review: Review | None) -> None:
        """Show a review from its place; what looks as before is not painted again."""
        before, rows = self._drawn_place, self._drawn_rows
        self.review = review
        n = 0 if review is None else len(review)
        self.virtual_size = Size(self.size.width, n + 1)
        place = -1 if review is None else review.place
        self._drawn_place = place
        self._drawn_rows = None if review is None else review.rows
        moved = self._keep_in_sight(place)
        if rows is not self._drawn_rows or moved:
            self.refresh()
            return
        for line in {before, place}:
            self.refresh_line(line + 1)

    def repaint_row(self, row: int) -> None:
        """Paint a candidate again: something was decided about it."""
        if self.review is None:
            return
        top = round(self.scroll_y)
        seen = self.review.rows[top : top + self.size.height]
        for offset in (seen == row).nonzero()[0].tolist():
            self.refresh_line(top + offset + 1)

    def _keep_in_sight(self, place: int) -> bool:
        height = max(self.scrollable_content_region.height - 1, 1)
        top = round(self.scroll_y)
        if top <= place < top + height or place < 0:
            return False
        # In the middle: what comes next is seen as well, and one step does not scroll again.
        self.scroll_to(y=max(place - height // 3, 0), animate=False, immediate=True, force=True)
        return True

    def on_resize(self) -> None:
        """Keep the cursor in sight."""
        self.show(self.review)
        self.refresh()

    def on_click(self, event: events.Click) -> None:
        """Choose a candidate."""
        place = event.y - 1 + round(self.scroll_y)
        if self.review is not None and event.y >= 1 and place < len(self.review):
            self.post_message(self.Chosen(place))

    # ---- drawing

    def render_line(self, y: int) -> Strip:
        """Draw the header, a candidate, or nothing."""
        width = self.size.width
        look: Look = getattr(self.app, "look", FALLBACK)
        if y == 0:
            return strip_of([Span("      #  score    in", "heading")], width, look)
        review = self.review
        place = y - 1 + self.scroll_offset.y
        if review is None or place >= len(review):
            words = f"  {review.why_empty}" if place == 1 and review is not None else ""
            return strip_of([Span(words, "dim")], width, look)
        ascii_only = getattr(self.app, "ascii_only", False)
        row = int(review.rows[place])
        table = review.curation.table
        verdict = str(table.decisions[row])
        number = int(table.classes[row])
        is_cursor = place == review.place
        spans = [
            Span(("|" if ascii_only else "▌") if is_cursor else " ", "primary"),
            Span(f"{place + 1:>6} ", "foreground" if is_cursor else "dim"),
            Span(f"{score_words(float(table.scores[row])):>5} "),
            Span(verdict_glyph(verdict, ascii_only), verdict),
            Span(f"{number if number > 0 else ' ':<2}", f"class{number}" if number > 0 else "dim"),
            *fitted((Span(review.series_at(row), "dim"),), max(width - 16, 0)),
        ]
        return strip_of(spans, width, look, look.cursor if is_cursor else None)

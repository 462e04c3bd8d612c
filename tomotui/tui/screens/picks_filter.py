"""Narrowing the list of candidates by words, as every other list."""

from __future__ import annotations

from textual import on

from tomotui.tui.screens.picks_training import PicksTraining
from tomotui.tui.widgets.status_bar import StatusBar

_FILTER = "picks filter"


class PicksFilter(PicksTraining):
    """Lists only candidates whose series, decision or class match what is typed."""

    def action_filter_list(self) -> None:
        """Type a filter for the list of candidates."""
        if self.review is not None:
            self.status_bar.ask(_FILTER, "/", self.review.filter.text)

    @on(StatusBar.Answered)
    def _filter_answered(self, event: StatusBar.Answered) -> None:
        if event.purpose == _FILTER:
            self.filter_candidates(event.text or "", is_typed=event.live)

    def filter_candidates(self, words: str, is_typed: bool = False) -> None:
        """Narrow the list; while one types, the picture stays where it is."""
        review = self.review
        if review is None or (words == review.filter.text and is_typed):
            return
        review.narrow(words)
        self.tomotui.session.filters["picks"] = words
        if is_typed:
            self.show_list()
        else:
            self.acted()
        self.update_right()

    def update_right(self) -> None:
        """Say at the right of the status bar what the list is narrowed to."""
        review, words = self.review, ""
        if review is not None and not review.filter.is_empty:
            found = f"{len(review)} of {len(review.curation.table)}"
            words = f"/{review.filter.text}  {found}  esc clears"
        self.status_bar.show_right(words)

    def go_back(self) -> bool:
        """Take the filter away, when nothing else is to be left before."""
        if super().go_back():
            return True
        if self.review is None or self.review.filter.is_empty:
            return False
        self.filter_candidates("")
        return True

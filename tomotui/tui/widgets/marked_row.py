"""A row of a form, with a sign at its left where the focus is, and what else is to be marked."""

from __future__ import annotations

from rich.text import Text
from textual.containers import Horizontal
from textual.widgets import Static

from tomotui.tui.theme import FALLBACK, Look
from tomotui.tui.widgets.choosing import pointer


class RowMark(Static):
    """The cells at the left of a row: whether the focus is in it, and a mark."""

    DEFAULT_CSS = """
    RowMark { width: 3; height: 1; }
    """

    def __init__(self) -> None:
        super().__init__("")
        self.mark = Text(" ")
        self.is_here = False

    def show(self, *, mark: Text | None = None, is_here: bool | None = None) -> None:
        """Show another mark, or that the focus has come or gone."""
        self.mark = self.mark if mark is None else mark
        self.is_here = self.is_here if is_here is None else is_here
        look: Look = getattr(self.app, "look", FALLBACK)
        words = Text(pointer(self) if self.is_here else " ", look.primary)
        self.update(words.append_text(self.mark))


class MarkedRow(Horizontal):
    """A row that tells where the focus is; a `RowMark` is the first in it."""

    def show_mark(self, mark: Text) -> None:
        """Show what is to be marked beside the focus."""
        for one in self.query(RowMark):
            one.show(mark=mark)

    def on_descendant_focus(self) -> None:
        """Tell that the focus is here."""
        for one in self.query(RowMark):
            one.show(is_here=True)

    def on_descendant_blur(self) -> None:
        """Tell that the focus has gone."""
        for one in self.query(RowMark):
            one.show(is_here=False)

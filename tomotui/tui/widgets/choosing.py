"""Buttons and options that show by a sign, not by colour alone, where the focus is.

Private names of Textual's lists of options are used here.
"""

from __future__ import annotations

from rich.segment import Segment
from textual.command import CommandList
from textual.content import Content
from textual.geometry import Size
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import Button, OptionList

_GUTTER = 2


def pointer(widget: Widget) -> str:
    """Return the sign of the place where the focus is."""
    return "|" if getattr(widget.app, "ascii_only", False) else "▌"


class Press(Button):
    """A button of one line."""

    def __init__(self, label: str, *, id: str | None = None, disabled: bool = False) -> None:
        super().__init__(label, id=id, disabled=disabled, compact=True)

    def render(self) -> Content:
        """Draw the label, and the sign before it."""
        return Content(f"{pointer(self) if self.has_focus else ' '} {self.label}")

    def get_content_width(self, container: Size, viewport: Size) -> int:
        """Leave room for the sign."""
        return super().get_content_width(container, viewport) + _GUTTER


class Options(OptionList):
    """Options, of which the one under the cursor has the sign before it."""

    def _get_left_gutter_width(self) -> int:
        return _GUTTER

    def render_line(self, y: int) -> Strip:
        """Draw one line of an option."""
        return _with_sign(self, y, super().render_line(y))


class Commands(CommandList, can_focus=False):
    """The options of the palette, with that sign as well."""

    def _get_left_gutter_width(self) -> int:
        return _GUTTER

    def render_line(self, y: int) -> Strip:
        """Draw one line of a command."""
        return _with_sign(self, y, super().render_line(y))


def _with_sign(options: OptionList, y: int, strip: Strip) -> Strip:
    """Return a line of an option with the room before it, and the sign if the cursor is there."""
    line = options.scroll_offset.y + y
    if line >= len(options._lines):
        return strip
    sign = pointer(options) if options._lines[line][0] == options.highlighted else " "
    style = next((segment.style for segment in strip), None)
    return Strip([Segment(f"{sign} ", style), *strip])

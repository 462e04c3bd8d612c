"""Pictures look the same with and without the focus: they are not sent again for it."""

from __future__ import annotations

from textual import events
from textual.widget import Widget


class UnmovedByFocus(Widget):
    """Takes note of the focus without being painted anew.

    Textual repaints a widget whenever it gets or loses the focus: when a line is typed below it,
    and when another window comes to the front. For a picture these are hundreds of kilobytes.
    """

    def on_focus(self, event: events.Focus) -> None:
        """Have the focus."""
        event.prevent_default()
        self.has_focus = True
        if self.parent is not None:
            self.parent.post_message(events.DescendantFocus(self))

    def on_blur(self, event: events.Blur) -> None:
        """Have it no more."""
        event.prevent_default()
        self.has_focus = False
        if self.parent is not None:
            self.parent.post_message(events.DescendantBlur(self))

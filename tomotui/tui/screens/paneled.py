"""A list beside panels: going from one to the next, and enlarging one."""

from __future__ import annotations

from textual import events
from textual.containers import Container
from textual.message import Message
from textual.widget import Widget

from tomotui.tui.screens.base import Frame
from tomotui.tui.widgets.table import Table


class Panels(Container):
    """The grid of panels; says when it has other room."""

    class Resized(Message):
        """There is more room, or less."""

    def on_resize(self) -> None:
        """Tell it."""
        self.post_message(self.Resized())


class PaneledFrame(Frame):
    """A screen with a list, and panels that show what is chosen there.

    Attributes
    ----------
    panel
        Number of the panel that has the focus, or had it last.
    in_list
        Whether the list has the focus.
    """

    def __init__(self) -> None:
        super().__init__()
        self.panel = 0
        self.in_list = True

    @property
    def panel_names(self) -> tuple[str, ...]:
        """The panels in their order."""
        raise NotImplementedError

    @property
    def table(self) -> Table:
        """The list."""
        raise NotImplementedError

    def pane(self, name: str) -> Widget:
        """Return the panel of a name."""
        return self.query_one(f"#panel-{name}")

    def lay_out(self) -> None:
        """Show as many panels as there is room for, among them the one with the focus."""
        raise NotImplementedError

    def filtered_table(self) -> Table | None:
        """Return the list: there is no other to filter."""
        return self.table

    def focus_panel(self) -> None:
        """Give the focus to what is in the panel chosen."""
        pane = self.pane(self.panel_names[self.panel])
        inner = next((one for one in pane.query("*").results(Widget) if one.focusable), pane)
        inner.focus()

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Take note of the panel that was chosen, also with the mouse."""
        if event.widget is not self.focused:
            return  # the focus has gone on since
        for at, name in enumerate(self.panel_names):
            pane = self.pane(name)
            if event.widget is pane or pane in event.widget.ancestors:
                self.panel = at
        self.in_list = event.widget is self.table
        self.set_class(self.in_list, "-in-list")

    def action_panel(self, step: int) -> None:
        """Go to the next panel; the list comes before the first."""
        zoomed = self.has_class("-zoomed")
        stops = [*([] if zoomed else [-1]), *range(len(self.panel_names))]
        at = stops.index(-1 if self.in_list and not zoomed else self.panel)
        wanted = stops[(at + step) % len(stops)]
        # Noted here: the focus itself moves later, and the next key may be there before.
        self.in_list = wanted < 0
        if self.in_list:
            self.lay_out()
            self.table.focus()
            return
        self.panel = wanted
        self.lay_out()
        self.focus_panel()

    def action_zoom_pane(self) -> None:
        """Give one panel all the room, or let all have some."""
        self.toggle_class("-zoomed")
        if self.has_class("-zoomed"):
            self.focus_panel()
        self.lay_out()

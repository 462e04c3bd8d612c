"""Words typed faster than the screens can follow reach the line that they are meant for.

A slow link delivers ``:jobs failed`` and enter in one piece. Textual hands each key to whatever
has the focus when the key arrives, so that the letters behind the colon would do what they do in
a list: cancel, leave out, launch. A key that opens a line is therefore acted on at once, before
the next one is looked at.
"""

from __future__ import annotations

from textual import events
from textual.binding import ActiveBinding
from textual.widgets import Input

from tomotui.tui.navigation import Navigation
from tomotui.tui.screens.base import Frame
from tomotui.tui.widgets.status_bar import LineInput

OPENS_A_LINE = frozenset({"app.command", "list.filter", "log.search", "pick.filter"})
"""Actions after which words are typed."""


class Prompting(Navigation):
    """The part of the app that opens lines to type in."""

    async def on_event(self, event: events.Event) -> None:
        """Open a line at once; leave everything else to Textual."""
        if isinstance(event, events.Key) and not event.is_forwarded:
            active = self._opener(event.key)
            if active is not None:
                event.stop()
                await self._open_line(active)
                return
        await super().on_event(event)

    def _opener(self, key: str) -> ActiveBinding | None:
        """Return the binding of a key that opens a line here and now."""
        screen = self.screen
        if not isinstance(screen, Frame) or screen.wants_key or isinstance(self.focused, Input):
            return None
        active = screen.active_bindings.get(key)
        opens = active is not None and active.enabled and active.binding.id in OPENS_A_LINE
        return active if opens else None

    async def _open_line(self, active: ActiveBinding) -> None:
        await self.run_action(active.binding.action, active.node)
        screen = self.screen
        if isinstance(screen, Frame) and screen.status_bar.is_asking:
            # What Textual would do later, when keys that are here already have gone elsewhere.
            screen.set_focus(screen.query_one(LineInput))

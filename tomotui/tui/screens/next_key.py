"""Keys of two strokes: the second goes to whoever has asked for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from textual import events, on
from textual.reactive import Reactive
from textual.screen import Screen
from textual.widget import Widget


class NextKeyScreen(Screen[Any]):
    """A screen on which an action may ask for one more key before the bindings see it."""

    # What looks different with the focus repaints itself. Textual would repaint the whole screen,
    # and send a picture again for every line that is typed below it.
    focused: Reactive[Widget | None] = Reactive(None, repaint=False)

    _wants_key: Callable[[str], None] | None = None

    def take_next_key(self, do: Callable[[str], None]) -> None:
        """Give the next key to ``do`` and to nothing else; escape arrives as the empty string."""
        self._wants_key = do

    @property
    def wants_key(self) -> bool:
        """True while somebody waits for a key."""
        return self._wants_key is not None

    @on(events.Key)
    def _hand_key_over(self, event: events.Key) -> None:
        """Hand the key over when somebody waits for it."""
        if self._wants_key is None:
            return
        event.stop()
        do, self._wants_key = self._wants_key, None
        do(event.character or "" if event.is_printable else "")

"""Keys that are typed ahead reach the screen that they are meant for.

On a busy machine a screen takes its time to open or to close, and hands do not wait for it. Textual
hands each key to whatever has the focus when the key arrives, so that what is typed for a form
would do what those keys do in the list below it. Here each key is followed on its way, from the
widget with the focus up to the app, and what it brought about after it; the next one is looked at
when all has come to rest, on the screen that is there by then.
"""

from __future__ import annotations

import time
from collections import deque
from typing import Any, NamedTuple

from textual import events
from textual.message import Message
from textual.message_pump import MessagePump
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Input

from tomotui.tui.prompting import Prompting
from tomotui.tui.screens.first_reading import FirstReading

ROUNDS = 4
"""Ways up with nothing new, after which a key has had its effects: enter in a line becomes
a message of the line, then one of the status bar, then an action of the app."""
LOOK_SECONDS = 0.1
_MOVING = frozenset({"list", "log", "slice", "triple", "surface", "ortho", "plane", "class"})
_MOVES = frozenset({"up", "down", "left", "right", "next", "previous", "page_up", "page_down"})
"""Scopes of actions, and their names, that only move a cursor or a picture."""
_ABOUT_ROWS = frozenset({"list", "dataset", "job"})
_NOT_ABOUT_ROWS = frozenset({"list.filter", "dataset.import"})
"""Scopes of actions that do something with the rows of a list, and those of them that do not."""
MOST_SECONDS = 10.0
"""After this time keys for a screen that does not come are dropped; the program can be left."""


class Where(NamedTuple):
    """The screen and the widget that keys go to."""

    screen: Screen[Any] | None
    focused: Widget | None


class Follower(Message):
    """Goes the way of a key, behind it."""

    def __init__(self, where: Where, rounds: int) -> None:
        super().__init__()
        self.where, self.rounds = where, rounds

    @property
    def first(self) -> MessagePump | None:
        """Where the way begins."""
        return self.where.focused or self.where.screen


class TypeAhead(Prompting):
    """The part of the app that keeps keys back while a screen opens or closes."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._kept_back: deque[events.Key | events.Paste] = deque()
        self._follower: Follower | None = None
        self._kept_since = 0.0
        self._looking = False

    async def on_event(self, event: events.Event) -> None:
        """Let a key through, or keep it back; leave everything else to Textual."""
        if not isinstance(event, events.Key | events.Paste) or event.is_forwarded:
            await super().on_event(event)
        elif self._is_behind_others() or self._keeps_until_read(event):
            self._kept_back.append(event)
            self._look_after_it()
        else:
            await self._let_through(event)

    def _is_behind_others(self) -> bool:
        return self._follower is not None or bool(self.n_awaited or self._kept_back)

    def _keeps_until_read(self, event: events.Key | events.Paste) -> bool:
        """Keep a key about what is listed where nothing is listed yet; tell whether that is so."""
        screen, focused = self._where()
        if not isinstance(screen, FirstReading) or not screen.is_unread:
            return False
        if isinstance(focused, Input) or isinstance(event, events.Paste):
            return False
        action = self._action_of(screen, event)
        is_kept = action.partition(".")[0] in _ABOUT_ROWS and action not in _NOT_ABOUT_ROWS
        if is_kept:
            screen.keep_keys_until_read()
        return is_kept

    async def _let_through(self, event: events.Key | events.Paste) -> None:
        self._kept_since = time.monotonic()
        stays = self._stays(event)
        await super().on_event(event)
        if not stays:
            self._follow()

    def _stays(self, event: events.Key | events.Paste) -> bool:
        """Tell whether a key leaves the focus where it is: letters of a line, steps in a list.

        Those that are held down are not to wait for each other.
        """
        screen, focused = self._where()
        if isinstance(focused, Input):
            return isinstance(event, events.Paste) or event.is_printable
        if screen is None or isinstance(event, events.Paste):
            return False
        scope, _, name = self._action_of(screen, event).partition(".")
        return scope in _MOVING and name in _MOVES

    @staticmethod
    def _action_of(screen: Screen[Any], event: events.Key) -> str:
        """Return the action of a key on a screen; empty where it has none."""
        active = screen.active_bindings.get(event.key)
        return (active.binding.id if active else "") or ""

    # ---- following a key

    def _where(self) -> Where:
        stack = self._screen_stacks.get(self.current_mode)
        return Where(stack[-1], stack[-1].focused) if stack else Where(None, None)

    def _follow(self, rounds: int = ROUNDS) -> None:
        self._follower = follower = Follower(self._where(), rounds)
        # Textual lets messages rise no further than to their sender.
        follower.set_sender(self)
        if follower.first is None or not follower.first.post_message(follower):
            self._look_after_it()

    async def on_follower(self, follower: Follower) -> None:
        """See whether the key has changed where keys go; the next one waits until it is known."""
        follower.stop()
        if follower is not self._follower or self.n_awaited:
            return
        if self._where() != follower.where:
            self._follow()
        elif follower.rounds > 1:
            self._follow(follower.rounds - 1)
        else:
            self._follower = None
            while self._kept_back and self._follower is None:
                if self._keeps_until_read(self._kept_back[0]):
                    break
                await self._let_through(self._kept_back.popleft())

    def keys_go_on(self) -> None:
        """Follow on: the screen that was waited for is here, or will not come."""
        if not self.n_awaited:
            self._follow()

    # ---- when following comes to nothing

    def _look_after_it(self) -> None:
        """Look from time to time whether the way of the follower is still there."""
        if not self._looking:
            self._looking, self._kept_since = True, time.monotonic()
            self.set_timer(LOOK_SECONDS, self._look)

    def _look(self) -> None:
        follower = self._follower
        if follower is None and not self.n_awaited:
            self._looking = False
        elif time.monotonic() - self._kept_since > MOST_SECONDS:
            self._give_up()
        else:
            self.set_timer(LOOK_SECONDS, self._look)
            if follower is not None and not self.n_awaited and self._has_lost(follower):
                self._follow()

    def _has_lost(self, follower: Follower) -> bool:
        """Tell whether a follower cannot come back: what it goes through was taken away."""
        first, (screen, _) = follower.first, follower.where
        stack = self._screen_stacks.get(self.current_mode, [])
        return first is None or not first.is_attached or screen not in stack

    def _give_up(self) -> None:
        n_dropped = len(self._kept_back)
        self._kept_back.clear()
        self._follower, self.n_awaited, self._looking = None, 0, False
        if n_dropped:
            self.say("what was typed was dropped: the screen meant did not open", "warning")

"""Screens of lists: what is typed before the first reading of the project waits for it."""

from __future__ import annotations

from collections.abc import Callable

from tomotui.tui.screens.base import Frame


class FirstReading(Frame):
    """A screen whose keys are about what is listed on it."""

    def __init__(self) -> None:
        super().__init__()
        self.is_unread = True
        self._has_read = False
        self._when_read: list[Callable[[], object]] = []

    def when_read(self, do: Callable[[], object]) -> None:
        """Do something on what is listed; before the first reading, as soon as that is there."""
        if self._has_read:
            do()
            return
        self.say("the project is being read; this follows")
        self._when_read.append(do)
        self.tomotui.await_screen()

    def keep_keys_until_read(self) -> None:
        """Keep keys back until it is known what they are about."""
        self.when_read(lambda: None)

    def reading_came(self, is_there: bool) -> None:
        """Do what waited for the first reading; drop it when the project cannot be read."""
        self.is_unread = False
        self._has_read = self._has_read or is_there
        waiting, self._when_read = self._when_read, []
        for do in waiting:
            if self._has_read and self.is_current:
                do()
            self.tomotui.screen_has_come()

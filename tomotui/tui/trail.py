"""Where the user has been, to go back and forward as in a browser."""

from __future__ import annotations

from typing import NamedTuple


class Place(NamedTuple):
    """A mode, and the series that was looked at in it where that matters."""

    mode: str
    series: str | None = None


class Trail:
    """The places that were left, in order, and the one that the user is at."""

    def __init__(self) -> None:
        self._places: list[Place] = []
        self._at = 0

    def go(self, here: Place, there: Place) -> None:
        """Note that the user goes on; what was ahead is forgotten."""
        self._places[self._at :] = [here, there]
        self._at += 1

    def step(self, here: Place, step: int) -> Place | None:
        """Go back (-1) or forward (1); ``None`` where the trail ends."""
        wanted = self._at + step
        if not 0 <= wanted < len(self._places):
            return None
        self._places[self._at] = here
        self._at = wanted
        return self._places[wanted]

    def forget(self) -> None:
        """Begin anew, in another project."""
        self._places, self._at = [], 0

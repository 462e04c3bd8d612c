"""Points of a landscape one after another, as the pages of a book that is leafed through."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SPEEDS = (1, 2, 4, 6, 8, 12, 16, 24)
"""Pages a second, at most: none is turned before the terminal has shown the last."""
PAGES_OF_MOTION = 21
REACH = 2.0
"""Standard deviations either way that a motion is shown."""
_PAGES_OF_PATH = 24


@dataclass(frozen=True, eq=False)
class FlipBook:
    """Pages, the one that is open, and whether and how fast they are turned.

    Attributes
    ----------
    points
        ``[n, d]`` in the coordinates of the landscape.
    title
        What they show.
    speed
        Number of the speed, see `SPEEDS`.
    step
        1 forwards, -1 backwards: at the ends it turns round.
    """

    points: Floats
    title: str
    at: int = 0
    is_playing: bool = False
    speed: int = 4
    step: int = 1

    def __len__(self) -> int:
        """Return the number of pages."""
        return len(self.points)

    @property
    def point(self) -> Floats:
        """Where the open page lies."""
        found: Floats = self.points[self.at]
        return found

    @property
    def pages_a_second(self) -> int:
        """How fast pages are turned."""
        return SPEEDS[self.speed]

    def turned(self) -> FlipBook:
        """Return the book at the next page; at its ends it goes back."""
        if len(self) < 2:
            return self
        step = self.step if 0 <= self.at + self.step < len(self) else -self.step
        return replace(self, at=self.at + step, step=step)

    def leafed(self, pages: int) -> FlipBook:
        """Return the book some pages further, at rest; it ends at its ends."""
        return replace(self, at=min(max(self.at + pages, 0), len(self) - 1), is_playing=False)

    def played(self, is_playing: bool) -> FlipBook:
        """Return the book in motion, or at rest."""
        return replace(self, is_playing=is_playing)

    def faster(self, steps: int) -> FlipBook:
        """Return the book at another speed."""
        return replace(self, speed=min(max(self.speed + steps, 0), len(SPEEDS) - 1))

    def words(self, ascii_only: bool) -> str:
        """Return glyph and word of its state, and which page is open."""
        glyph = (">" if ascii_only else "▶") if self.is_playing else "="
        word = f"playing {self.pages_a_second}/s" if self.is_playing else "paused"
        return f"{glyph} {word} {self.at + 1}/{len(self)}"


def motion_book(direction: Floats, deviation: float, title: str) -> FlipBook:
    """Return a motion from one end to the other, begun in its middle."""
    places = np.linspace(-REACH, REACH, PAGES_OF_MOTION) * deviation
    return FlipBook(places[:, None] * direction, title, at=PAGES_OF_MOTION // 2)


def path_book(corners: Floats, title: str) -> FlipBook:
    """Return pages in even steps along a path; a path of one point has one page.

    Parameters
    ----------
    corners
        ``[k, d]``, at least one.
    """
    lengths = np.linalg.norm(np.diff(corners, axis=0), axis=1)
    total = lengths.sum()
    if not total > 0:
        return FlipBook(corners[:1], title)
    reached = np.concatenate([[0.0], np.cumsum(lengths)])
    places = np.linspace(0.0, total, _PAGES_OF_PATH)
    columns = [np.interp(places, reached, column) for column in corners.T]
    return FlipBook(np.stack(columns, axis=1), title)

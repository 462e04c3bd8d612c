"""What a refinement does when: as a user asks in letters, or by how it goes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tomotui.algorithms.refine.particles import Level
from tomotui.algorithms.refine.plan import LETTERS, IterationResult

AUTO = "auto"

BETTER_BY = 0.01
"""Share of the resolution by which an iteration must gain to count."""

NEAR_NYQUIST = 1.15
"""Resolution over the finest spacing of a level, below which a finer level is gone to."""

SETTLED_DEG = 0.3
MOST_SEARCHES = 4
FEWEST_FOR_TILTS = 5
"""Particles in a series, below which its tilts are left as they are."""


class ScheduleError(ValueError):
    """The letters of a schedule cannot be understood; the message says what is allowed."""


def parse_schedule(words: str) -> list[str]:
    """Return the letters of iterations as asked for, such as ``p3,t2,p,t,r,d``.

    Raises
    ------
    ScheduleError
        When a word is not a letter with a number.
    """
    letters: list[str] = []
    for word in re.split(r"[,\s]+", words.strip()):
        match = re.fullmatch(r"([A-Za-z])(\d{0,2})", word)
        if not match or match[1] not in LETTERS:
            known = ", ".join(f"{letter} ({meaning})" for letter, meaning in LETTERS.items())
            raise ScheduleError(f"{word!r} is no iteration; there are {known}, or {AUTO}")
        letters += [match[1]] * int(match[2] or 1)
    if len(letters) > 100:
        raise ScheduleError(f"{len(letters)} iterations are asked for; 100 at most")
    return letters


def ladder(
    pixel_size_angstrom: float,
    box_angstrom: float,
    first_resolution_angstrom: float,
    finest_binning: int,
) -> list[Level]:
    """Return levels from coarse to fine, each of half the pixel size of the one before.

    Parameters
    ----------
    pixel_size_angstrom
        Of the images.
    box_angstrom
        Side of the views.
    first_resolution_angstrom
        Of the reference: the first level need not hold more than a little beyond it.
    finest_binning
        Of the last level.
    """
    binning, found = max(1, finest_binning), []
    while True:
        box = 2 * round(box_angstrom / (2 * binning * pixel_size_angstrom))
        found.append(Level(binning, max(16, box)))
        if 2 * binning * pixel_size_angstrom * 2 > first_resolution_angstrom / 1.5 or box < 24:
            return found[::-1]
        binning *= 2


@dataclass(frozen=True)
class Step:
    """What to do next: an iteration, at a level."""

    level: Level
    letter: str


class Automatic:
    """Chooses the next iteration from how those before went.

    Every level begins with poses; the first one with searches over all orientations, until
    they find what they found before. Then corrections of the series take turns with poses, until
    a round has gained nothing or the level's finest detail is reached.

    Parameters
    ----------
    levels
        From coarse to fine.
    search
        Begin with searches over all orientations.
    corrections
        Letters of the corrections to try, such as ``tgrd``; none where series have few particles.
    most_iterations
        In all.
    pixel_size_angstrom, finest_search_angstrom
        Of the images, and the finest detail that a search over all orientations looks at. As long
        as a level has kept it from that, the next one searches again: of a small or nearly round
        particle coarse detail does not tell the orientation.
    """

    def __init__(
        self,
        levels: Sequence[Level],
        search: bool,
        corrections: str,
        most_iterations: int = 60,
        pixel_size_angstrom: float = 1.0,
        finest_search_angstrom: float = float("inf"),
    ) -> None:
        self.levels, self.search = list(levels), search
        self.pixel, self.finest_search = pixel_size_angstrom, finest_search_angstrom
        self.corrections, self.most = corrections, most_iterations
        self._done: list[IterationResult] = []

    def told(self, result: IterationResult) -> None:
        """Take notice of what an iteration has reached."""
        self._done.append(result)

    def steps(self) -> Iterator[Step]:
        """Give the next step; `told` must be called after each."""
        for number, level in enumerate(self.levels):
            is_last = number == len(self.levels) - 1
            if self.search and (number == 0 or self._was_coarse(self.levels[number - 1])):
                yield from self._searches(level)
            for letter in self._round(level, number == 0):
                if len(self._done) >= self.most:
                    return
                yield Step(level, letter)
                if not is_last and self._is_near_nyquist():
                    break
        if self.levels and len(self._done) < self.most:
            yield Step(self.levels[-1], "p")

    def _was_coarse(self, level: Level) -> bool:
        """Tell whether a level has kept a search from the finest detail that it looks at."""
        return 2 * self.pixel * level.binning > 1.1 * self.finest_search

    def _searches(self, level: Level) -> Iterator[Step]:
        for _ in range(MOST_SEARCHES):
            before = self._done[-1].resolution_angstrom if self._done else float("inf")
            yield Step(level, "P")
            now = self._done[-1]
            settled = now.change_deg < SETTLED_DEG and len(self._done) > 1
            gained = now.resolution_angstrom < before * (1 - BETTER_BY)
            if settled or not gained or self._is_near_nyquist():
                return

    def _round(self, level: Level, is_first: bool) -> Iterator[str]:
        """Give letters for one level until nothing gains any more."""
        left = dict.fromkeys(self.corrections, 2)
        yield "p"
        best = self._done[-1].resolution_angstrom
        for _ in range(4):
            for letter in self.corrections:
                if not left[letter]:
                    continue
                yield letter
                if self._done[-1].kept == 0:
                    left[letter] = 0
                    continue
                left[letter] -= 1
                yield "p"
            now = self._done[-1].resolution_angstrom
            gained = now < best * (1 - BETTER_BY)
            best = min(best, now)
            if not gained:
                return

    def _is_near_nyquist(self) -> bool:
        now = self._done[-1]
        return now.resolution_angstrom < NEAR_NYQUIST * 2 * now.pixel_size_angstrom

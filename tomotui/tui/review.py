"""A review as a value that moves: which candidates, in which order, and which one is looked at."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping, Sequence
from itertools import pairwise
from statistics import median
from typing import Literal, get_args

import numpy as np

from tomotui.project.curation import ORDERS, Act, Curation, Order, Rows
from tomotui.project.decisions import Entry
from tomotui.records import Verdict
from tomotui.records.particle_table import ParticleTable
from tomotui.tui.filtering import RowFilter
from tomotui.tui.wording import duration

Show = Literal["all", "undecided", "accepted", "rejected", "unsure"]
SHOWS: tuple[Show, ...] = get_args(Show)

PACE_ACTS = 20
"""Decisions over which the pace is taken."""
LONGEST_PAUSE_SECONDS = 60.0


class Review:
    """Walks through the candidates of a set.

    The list stays as it is while one decides: what was just accepted is still there to be taken
    back, whatever the list is of. `arrange` makes it anew.

    Parameters
    ----------
    curation
        The candidates, and what is done about them.
    series_of
        Name of the tilt series of each tomogram.

    Attributes
    ----------
    rows
        Rows of the candidates in the list.
    place
        Where in the list one is.
    scope
        Only candidates in these series; all when empty.
    filter
        Only candidates whose series, decision and class match.
    threshold
        The score from which candidates are to be kept.
    in_audit
        The list is the sample of the audit.
    """

    def __init__(self, curation: Curation, series_of: Mapping[str, str]) -> None:
        self.curation = curation
        self.series_of = dict(series_of)
        self.order: Order = "priority"
        self.show: Show = "all"
        self.scope: tuple[str, ...] = ()
        self.filter = RowFilter()
        self.in_audit = False
        self.seed = 0
        self.place = 0
        self.rows: Rows = np.zeros(0, dtype=np.intp)
        self.threshold = self._first_threshold()
        self._acts: deque[float] = deque(maxlen=PACE_ACTS)
        self.arrange()

    # ---- the list

    def arrange(self, keep: bool = True) -> None:
        """Make the list anew; stay at the same candidate, or go to the first undecided one."""
        here = self.row
        curation = self.curation
        if self.in_audit and curation.audit is not None:
            found = [curation.row(uid) for uid in curation.audit.uids]
            self.rows = np.array([row for row in found if row is not None], dtype=np.intp)
        else:
            self.in_audit = False
            rows = curation.order(self.order, self.seed)
            self.rows = rows[self._is_shown(rows)]
        self.place = 0
        if keep and here is not None and self.go_to_row(here):
            return
        self.next_open(0)

    def _is_shown(self, rows: Rows) -> np.ndarray:
        shown = np.ones(len(rows), dtype=bool)
        if self.show != "all":
            shown &= self.curation.table.decisions[rows] == self.show
        if self.scope:
            shown &= np.isin(self.curation.table.tomogram_uids[rows], self.uids_of(self.scope))
        if not self.filter.is_empty:
            shown &= self._matching(rows)
        return shown

    def _matching(self, rows: Rows) -> np.ndarray:
        """Return which candidates the filter leaves; each kind of them is looked at once."""
        table = self.curation.table
        columns = (table.tomogram_uids[rows], table.decisions[rows], table.classes[rows])
        kinds = list(zip(*(column.tolist() for column in columns), strict=True))
        matches = {kind: self.filter.matches(self._words_of(*kind)) for kind in set(kinds)}
        return np.array([matches[kind] for kind in kinds], dtype=bool)

    def _words_of(self, tomogram_uid: str, decision: str, class_number: int) -> str:
        words = f"{self.series_of.get(tomogram_uid, '')} {decision}"
        return f"{words} class {class_number}" if class_number > 0 else words

    def narrow(self, words: str) -> None:
        """List only those that match; all for no words."""
        self.filter, self.in_audit = RowFilter(words), False
        self.arrange()

    def uids_of(self, series: Sequence[str]) -> list[str]:
        """Return the tomograms of series."""
        return [uid for uid, name in self.series_of.items() if name in series]

    def sort(self, order: Order) -> None:
        """Take another order, and begin at its head."""
        self.order, self.in_audit = order, False
        self.arrange(keep=False)

    def next_order(self) -> None:
        """Take the next order there is."""
        self.sort(ORDERS[(ORDERS.index(self.order) + 1) % len(ORDERS)])

    def next_show(self) -> None:
        """List those of the next decision, or all."""
        self.show = SHOWS[(SHOWS.index(self.show) + 1) % len(SHOWS)]
        self.in_audit = False
        self.arrange()

    def look_at(self, scope: Sequence[str]) -> None:
        """List only candidates in some series; all for none."""
        self.scope = tuple(scope)
        self.arrange()

    # ---- the place

    def __len__(self) -> int:
        """Return the length of the list."""
        return len(self.rows)

    @property
    def why_empty(self) -> str:
        """What is said of a list without candidates."""
        if not len(self.curation.table):
            return "no particle yet"
        if not self.filter.is_empty:
            return f"nothing matches {self.filter.text}"
        return "nothing in this list"

    @property
    def row(self) -> int | None:
        """The row of the candidate one looks at; ``None`` when there is none."""
        return int(self.rows[self.place]) if self.place < len(self.rows) else None

    @property
    def n_open(self) -> int:
        """How many of the list are still to be decided."""
        if self.in_audit:
            return len(self.curation.audit_rows())
        return int(self.curation.is_open[self.rows].sum())

    def series_at(self, row: int) -> str:
        """Return the tilt series of a candidate."""
        return self.series_of.get(str(self.curation.table.tomogram_uids[row]), "")

    def go_to(self, place: int) -> None:
        """Go to a place in the list, or to the end that is nearer."""
        self.place = min(max(place, 0), max(len(self.rows) - 1, 0))

    def go_to_row(self, row: int) -> bool:
        """Go to a candidate; false when it is not in the list."""
        found = np.flatnonzero(self.rows == row)
        if len(found):
            self.place = int(found[0])
        return bool(len(found))

    def go_to_series(self, series: Sequence[str]) -> bool:
        """Go to the first candidate in some series, an undecided one before others."""
        table = self.curation.table
        inside = np.isin(table.tomogram_uids[self.rows], self.uids_of(series))
        for found in (np.flatnonzero(inside & self._is_open()), np.flatnonzero(inside)):
            if len(found):
                self.place = int(found[0])
                return True
        return False

    def next_open(self, step: int = 1) -> bool:
        """Go to the next undecided one (-1: the one before; 0: this one or the next).

        Stays where it is, and returns false, when there is none.
        """
        is_open = self._is_open()
        if step >= 0:
            found = np.flatnonzero(is_open[self.place + step :]) + self.place + step
        else:
            found = np.flatnonzero(is_open[: self.place])[::-1]
        if len(found):
            self.place = int(found[0])
        return bool(len(found))

    def _is_open(self) -> np.ndarray:
        if self.in_audit:
            return ~self.curation.seen[self.rows]
        return self.curation.is_open[self.rows]

    # ---- acts

    def decide(self, verdict: Verdict) -> bool:
        """Judge the candidate and go to the next undecided one; false when there is none left."""
        row = self.row
        if row is None:
            return False
        self.curation.decide([row], verdict)
        self._acts.append(time.monotonic())
        return self.next_open() or self._wrapped()

    def _wrapped(self) -> bool:
        """Go on with what was passed over before."""
        is_open = np.flatnonzero(self._is_open())
        if len(is_open):
            self.place = int(is_open[0])
        return bool(len(is_open))

    def classify(self, class_number: int) -> int | None:
        """Give the candidate a class, or take it away when it has that one; returns the class."""
        row = self.row
        if row is None:
            return None
        given = None if self.curation.table.classes[row] == class_number else class_number
        self.curation.classify([row], given)
        return given

    def insert(self, tomogram_uid: str, position: tuple[float, float, float]) -> int:
        """Put a particle in by hand and look at it; returns its row.

        Raises
        ------
        ProjectError
            When one is there already.
        """
        row = self.curation.insert(tomogram_uid, position)
        self.rows = np.append(self.rows, row)
        self.place = len(self.rows) - 1
        return row

    def insert_curve(self, tomogram_uid: str, along: ParticleTable) -> int:
        """Put the particles of a curve in, as one act; returns how many."""
        rows = self.curation.insert_curve(tomogram_uid, along)
        self.rows = np.append(self.rows, rows).astype(np.intp)
        self.place = len(self.rows) - 1
        return len(rows)

    def forget_threshold(self) -> None:
        """Put the threshold into the middle of the scores."""
        self.threshold = self._first_threshold()

    def fit_threshold(self) -> None:
        """Bring the threshold back among the scores, if another search has left it outside."""
        low, high = self.score_range
        if not low <= self.threshold <= high:
            self.forget_threshold()

    def rest(self) -> Rows:
        """Return this candidate and all undecided ones that follow it in the list."""
        rows = self.rows[self.place :]
        return rows[self.curation.is_open[rows]]

    def undo(self) -> Sequence[Entry]:
        """Take the last act back and look at what it was about."""
        return self.returned(self.curation.undo())

    def redo(self) -> Sequence[Entry]:
        """Make the last act that was taken back again, and look at what it was about."""
        return self.returned(self.curation.redo())

    def returned(self, decisions: Sequence[Entry]) -> Sequence[Entry]:
        """Look at what was taken back, or made again."""
        gone = self.curation.table.decisions[self.rows] == "removed" if decisions else None
        row = self.curation.row(decisions[0].particle_uid) if len(decisions) == 1 else None
        if gone is not None and gone.any():
            self.rows = self.rows[~gone]
            self.go_to(self.place)
        if row is not None:
            is_there = bool(self.curation.is_there[row])
            if is_there and not self.go_to_row(row):
                self.rows = np.append(self.rows, row)
                self.place = len(self.rows) - 1
        return decisions

    # ---- the threshold

    def _first_threshold(self) -> float:
        scores = self.curation.table.scores
        known = scores[np.isfinite(scores)]
        return float(np.median(known)) if len(known) else 0.0

    @property
    def score_range(self) -> tuple[float, float]:
        """The lowest and the highest score; (0, 1) when there are none."""
        scores = self.curation.table.scores
        known = scores[np.isfinite(scores)]
        return (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)

    def nudge_threshold(self, steps: int) -> None:
        """Move the threshold past one score in a hundred, however they are spread."""
        scores = self.curation.table.scores
        known = np.unique(scores[np.isfinite(scores)])
        if len(known):
            at = int(np.searchsorted(known, self.threshold))
            moved = at + steps * max(len(known) // 100, 1)
            self.threshold = float(known[min(max(moved, 0), len(known) - 1)])

    def cut(self) -> tuple[int, int]:
        """Return how many undecided ones the threshold keeps, and how many it drops."""
        above, below = self.curation.split(self.threshold, self._cut_rows())
        return len(above), len(below)

    def _cut_rows(self) -> Rows:
        """Return the candidates that the threshold is about: those in scope."""
        rows = np.flatnonzero(self.curation.is_there)
        if self.scope:
            uids = self.uids_of(self.scope)
            rows = rows[np.isin(self.curation.table.tomogram_uids[rows], uids)]
        return rows

    def apply_threshold(self) -> int:
        """Decide all undecided ones in scope by the threshold; returns how many there were."""
        return len(self.curation.make(self.threshold_act()))

    def threshold_act(self) -> Act:
        """Prepare `apply_threshold`."""
        return self.curation.threshold_act(self.threshold, self._cut_rows())

    # ---- pace

    def time_left(self) -> str:
        """Return how long the rest of the list takes at the present pace; empty when unknown."""
        times = list(self._acts)
        gaps = [b - a for a, b in pairwise(times)]
        gaps = [gap for gap in gaps if gap < LONGEST_PAUSE_SECONDS]
        if len(gaps) < 3 or not self.n_open:
            return ""
        return duration(median(gaps) * self.n_open)

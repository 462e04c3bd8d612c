"""The candidates of a set as columns in memory, and what is read of them.

A hundred thousand are sorted and searched there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from tomotui.algorithms.curate.queue import Order, review_order
from tomotui.project.decisions import Position
from tomotui.project.project import Project
from tomotui.records import ParticleSet, Verdict
from tomotui.records.particle_table import ParticleTable

Rows = NDArray[np.intp]

DECIDED: tuple[Verdict, ...] = ("accepted", "rejected", "unsure")
DEFAULT_APART_ANGSTROM = 50.0
"""How far apart particles of a set of unknown diameter must be."""


class Who(TypedDict):
    """Under whose name decisions are kept."""

    user: str
    session: str


class CandidateColumns:
    """The candidates of a set.

    Parameters
    ----------
    project
        Belongs to the thread that decides.
    particle_set
        Whose candidates.
    tomogram_uids
        Only those in these tomograms; all when not given.
    table
        The candidates when somebody has read them already, as `read_candidates` does.

    Attributes
    ----------
    table
        The candidates; its columns follow what is decided.
    seen
        ``[n]``, whether somebody has looked at the candidate when its decision was made.
    judged_scores
        ``[n]``, the score each had when it was judged; NaN where it was not.
    """

    def __init__(
        self,
        project: Project,
        particle_set: ParticleSet,
        *,
        user: str,
        session: str,
        tomogram_uids: Sequence[str] | None = None,
        table: ParticleTable | None = None,
    ) -> None:
        self.project = project
        self.particle_set = particle_set
        self._who: Who = {"user": user, "session": session}
        self._tomogram_uids = None if tomogram_uids is None else tuple(tomogram_uids)
        self.reload(table)

    def reload(self, table: ParticleTable | None = None) -> None:
        """Read the candidates anew: a search has come to its end."""
        if table is None:
            table = read_candidates(self.project, self.particle_set, self._tomogram_uids)
        self.table = table
        self._row_of = {uid: row for row, uid in enumerate(table.uids.tolist())}
        n = len(table)
        self.seen = np.zeros(n, dtype=bool)
        self.judged_scores = np.full(n, np.nan)
        for one in self.project.judged(self.particle_set.uid):
            row = self._row_of.get(one.particle_uid)
            if row is not None and one.verdict in DECIDED:
                self._note(row, one.seen, one.score)

    def _note(self, row: int, seen: bool, score: float | None) -> None:
        self.seen[row] = seen
        self.judged_scores[row] = np.nan if score is None else score

    # ---- looking

    @property
    def radius_angstrom(self) -> float:
        """Half the diameter of the species; particles nearer than this are the same one."""
        diameter = self.particle_set.diameter_angstrom
        return DEFAULT_APART_ANGSTROM if diameter is None else diameter / 2

    @property
    def is_there(self) -> NDArray[np.bool_]:
        """``[n]``, which rows were not taken back."""
        there: NDArray[np.bool_] = self.table.decisions != "removed"
        return there

    @property
    def is_open(self) -> NDArray[np.bool_]:
        """``[n]``, which candidates nobody and nothing has decided about."""
        undecided: NDArray[np.bool_] = self.table.decisions == "undecided"
        return undecided

    def row(self, uid: str) -> int | None:
        """Return the row of a particle; ``None`` when it is not here."""
        return self._row_of.get(uid)

    def order(self, by: Order, seed: int = 0) -> Rows:
        """Return the rows in the order in which to look at them."""
        order = review_order(self.table, by, seed=seed)
        return order[self.is_there[order]]

    def nearest(
        self, tomogram_uids: Iterable[str], position_angstrom: Position
    ) -> tuple[int, float] | None:
        """Return the row nearest to a point, and its distance in Angstrom."""
        here = np.isin(self.table.tomogram_uids, list(tomogram_uids)) & self.is_there
        rows = np.flatnonzero(here)
        if not len(rows):
            return None
        gaps = self.table.positions_angstrom[rows] - np.array(position_angstrom)
        distances = np.linalg.norm(gaps, axis=1)
        at = int(np.argmin(distances))
        return int(rows[at]), float(distances[at])

    def home_of(self, series_uid: str) -> str | None:
        """Return the tomogram of a series that particles are put into.

        That which most of the set's particles of the series are in, or else the newest, one that
        was measured before one that a network made.
        """
        own = [one.uid for one in self.project.records("tomogram", series_uid)]
        words, numbers = np.unique(self.table.tomogram_uids, return_counts=True)
        n_of = dict(zip(words.tolist(), numbers.tolist(), strict=True))
        used = [uid for uid in own if uid in n_of]
        if used:
            return max(used, key=lambda uid: n_of[uid])
        for restored in (False, True):
            newest = self.project.newest_tomogram(series_uid, restored)
            if newest is not None:
                return newest.uid
        return None

    def counts(self) -> dict[str, int]:
        """Return how many candidates there are of each decision."""
        decisions = self.table.decisions
        return {word: int(np.count_nonzero(decisions == word)) for word in (*DECIDED, "undecided")}


def read_candidates(
    project: Project, particle_set: ParticleSet, tomogram_uids: Sequence[str] | None = None
) -> ParticleTable:
    """Read the candidates of a set, of some tomograms only when these are given."""
    table = project.particle_table([particle_set.uid])
    if tomogram_uids is not None:
        table = table.select(np.isin(table.tomogram_uids, list(tomogram_uids)))
    return table

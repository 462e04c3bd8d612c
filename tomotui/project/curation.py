"""Curation of one set of particles: what both faces do with candidates, in memory and on disk.

The candidates are columns in memory: a hundred thousand are sorted and searched there. Every act
goes to the project file first and is then followed here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from getpass import getuser
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from tomotui.algorithms.curate import audit, calibration
from tomotui.algorithms.curate.queue import ORDERS, Order, review_order
from tomotui.project.audits import Audit, AuditReport
from tomotui.project.decisions import Entry, Position
from tomotui.project.errors import ProjectError
from tomotui.project.project import Project
from tomotui.records import ParticleSet, Verdict
from tomotui.records.particle_table import UNASSIGNED, ParticleTable

__all__ = [
    "ORDERS",
    "Audit",
    "AuditReport",
    "Curation",
    "Order",
    "Rows",
    "particle_set_named",
    "present_user",
    "read_candidates",
]

Rows = NDArray[np.intp]

DECIDED: tuple[Verdict, ...] = ("accepted", "rejected", "unsure")
DEFAULT_APART_ANGSTROM = 50.0
"""How far apart particles of a set of unknown diameter must be."""


class _Who(TypedDict):
    user: str
    session: str


class Curation:
    """The candidates of a set, and what is decided about them.

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
        self._who: _Who = {"user": user, "session": session}
        self._tomogram_uids = None if tomogram_uids is None else tuple(tomogram_uids)
        self.audit: Audit | None = None
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
        self.audit = self._kept_audit()

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
        words, numbers = np.unique(self.table.decisions, return_counts=True)
        known = dict(zip(words.tolist(), numbers.tolist(), strict=True))
        return {word: known.get(word, 0) for word in (*DECIDED, "undecided")}

    # ---- acts

    def decide(
        self, rows: Sequence[int] | Rows, verdict: Verdict, class_number: int | None = None
    ) -> list[Entry]:
        """Judge candidates that somebody has looked at, in one act."""
        uids = self.table.uids[np.asarray(rows, dtype=np.intp)].tolist()
        return self._follow(
            self.project.decide(uids, verdict, class_number=class_number, **self._who)
        )

    def classify(self, rows: Sequence[int] | Rows, class_number: int | None) -> list[Entry]:
        """Give candidates a class, in one act."""
        uids = self.table.uids[np.asarray(rows, dtype=np.intp)].tolist()
        return self._follow(self.project.classify(uids, class_number, **self._who))

    def move(self, row: int, position_angstrom: Position) -> list[Entry]:
        """Put a candidate somewhere else."""
        uid = str(self.table.uids[row])
        return self._follow(self.project.move_particle(uid, position_angstrom, **self._who))

    def insert(
        self,
        tomogram_uid: str,
        position_angstrom: Position,
        class_number: int | None = None,
    ) -> int:
        """Put a particle in by hand; returns its row.

        Raises
        ------
        ProjectError
            When one is there already, within the radius.
        """
        made = self.project.insert_particle(
            self.particle_set.uid,
            tomogram_uid,
            position_angstrom,
            apart_angstrom=self.radius_angstrom,
            class_number=class_number,
            **self._who,
        )
        fresh = ParticleTable.of(
            tomogram_uid,
            [position_angstrom],
            set_uid=self.particle_set.uid,
            decision=made.decision,
            source="hand",
        )
        fresh.uids[0] = made.uid
        fresh.classes[0] = UNASSIGNED if class_number is None else class_number
        self.table = ParticleTable.joined([self.table, fresh])
        self.seen = np.append(self.seen, True)
        self.judged_scores = np.append(self.judged_scores, np.nan)
        row = len(self.table) - 1
        self._row_of[made.uid] = row
        return row

    def split(self, threshold: float, rows: Rows | None = None) -> tuple[Rows, Rows]:
        """Return the undecided candidates that reach a threshold, and those that do not.

        Parameters
        ----------
        rows
            Only among these; among all when not given.
        """
        rows = np.arange(len(self.table)) if rows is None else rows
        with_score = rows[self.is_open[rows] & np.isfinite(self.table.scores[rows])]
        reaches = self.table.scores[with_score] >= threshold
        return with_score[reaches], with_score[~reaches]

    def apply_threshold(self, threshold: float, rows: Rows | None = None) -> list[Entry]:
        """Accept what reaches a threshold and reject the rest, in one act.

        What somebody has decided stays as it is.
        """
        above, below = self.split(threshold, rows)
        verdicts: dict[str, Verdict] = dict.fromkeys(self.table.uids[above].tolist(), "accepted")
        verdicts |= dict.fromkeys(self.table.uids[below].tolist(), "rejected")
        return self._decide_unseen(verdicts)

    def drop(self, rows: Sequence[int] | Rows) -> list[Entry]:
        """Reject the undecided ones among candidates that nobody has looked at, in one act."""
        chosen = np.asarray(rows, dtype=np.intp)
        uids = self.table.uids[chosen[self.is_open[chosen]]].tolist()
        return self._decide_unseen(dict.fromkeys(uids, "rejected"))

    def _decide_unseen(self, verdicts: Mapping[str, Verdict]) -> list[Entry]:
        if not verdicts:
            return []
        return self._follow(self.project.decide_each(verdicts, seen=False, **self._who))

    def undo(self) -> list[Entry]:
        """Take the newest act of this session back."""
        return self._follow(self.project.undo(**self._who))

    def redo(self) -> list[Entry]:
        """Make again what was taken back last."""
        return self._follow(self.project.redo(**self._who))

    def _follow(self, decisions: list[Entry]) -> list[Entry]:
        """Let the columns say what the log says now."""
        if any(d.particle_uid not in self._row_of for d in decisions):
            # One that was taken back before this was read has come again.
            self.reload()
            return decisions
        table = self.table
        for d in decisions:
            row = self._row_of[d.particle_uid]
            table.decisions[row] = d.verdict
            table.classes[row] = UNASSIGNED if d.class_number is None else d.class_number
            if d.x_angstrom is not None:
                table.positions_angstrom[row] = (d.x_angstrom, d.y_angstrom, d.z_angstrom)
            decided = d.verdict in DECIDED
            self._note(row, d.seen and decided, d.score if decided else None)
        return decisions

    # ---- what the judgements say

    def start_audit(self, n: int, threshold: float, *, seed: int = 0, n_strata: int = 1) -> Audit:
        """Draw a random sample of the candidates that reach a threshold; forgets one before.

        Those that somebody has judged are not asked about again: they are counted.

        Raises
        ------
        ProjectError
            When there is nothing to ask about.
        """
        members = self.is_there & (self.table.scores >= threshold)
        known, unknown = members & self.seen, np.flatnonzero(members & ~self.seen)
        if not len(unknown):
            raise ProjectError(
                f"no candidate of {self.particle_set.name} with a score of {threshold:g} or more "
                "is left to ask about.",
                "Lower the threshold, or search first.",
            )
        chosen, strata, sizes = audit.draw_sample(self.table.scores[unknown], n, seed, n_strata)
        verdicts = self.table.decisions[known]
        made = Audit(
            threshold=threshold,
            seed=seed,
            uids=tuple(self.table.uids[unknown[chosen]].tolist()),
            strata=tuple(strata.tolist()),
            sizes=tuple(sizes.tolist()),
            n_known=int(known.sum()),
            n_known_right=float((verdicts == "accepted").sum() + (verdicts == "unsure").sum() / 2),
        )
        self.project.keep_audit(self.particle_set.uid, made.model_dump_json())
        self.audit = made
        return made

    def end_audit(self) -> None:
        """Forget the audit; what was judged for it stays."""
        self.project.keep_audit(self.particle_set.uid, None)
        self.audit = None

    def _kept_audit(self) -> Audit | None:
        """Return the audit of this set, if its sample is still there."""
        text = self.project.kept_audit(self.particle_set.uid)
        found = None if text is None else Audit.read(text)
        return found if found and all(uid in self._row_of for uid in found.uids) else None

    def audit_rows(self) -> Rows:
        """Return the rows of the audit's sample that are still to be judged, in its order."""
        uids = () if self.audit is None else self.audit.uids
        rows = np.array([self._row_of[uid] for uid in uids], dtype=np.intp)
        return rows[~self.seen[rows]]

    def audit_report(self) -> AuditReport | None:
        """Return what the audit says so far; ``None`` when there is none."""
        if self.audit is None:
            return None
        rows = [self._row_of[uid] for uid in self.audit.uids]
        verdicts = np.where(self.seen[rows], self.table.decisions[rows], "undecided")
        return self.audit.report(verdicts)

    def curve(self) -> calibration.Curve | None:
        """Return what every threshold gives; ``None`` before anything with a score was judged."""
        judged = self.seen & np.isin(self.table.decisions, ("accepted", "rejected"))
        outcomes = np.where(judged, self.table.decisions == "accepted", np.nan)
        fitted = calibration.calibrate(self.judged_scores[judged], outcomes[judged] > 0)
        if fitted is None:
            return None
        scores = np.where(judged, self.judged_scores, self.table.scores)
        return calibration.curve(scores, outcomes, fitted, n_missed=self._n_missed())

    def marked_scores(self) -> NDArray[np.float64]:
        """Return what the search gave the particles marked by hand; NaN where it missed them."""
        marked = (self.table.sources == "hand") & (self.table.decisions == "accepted")
        scores: NDArray[np.float64] = self.table.scores[marked]
        return scores

    def recall_of_marked(self, threshold: float = -math.inf) -> audit.Interval:
        """Return which fraction of the particles marked by hand the search has found."""
        scores = self.marked_scores() if self.has_scores else np.zeros(0)
        return calibration.recall_of_marked(scores, threshold)

    def _n_missed(self) -> int:
        return int(np.isnan(self.marked_scores()).sum()) if self.has_scores else 0

    @property
    def has_scores(self) -> bool:
        """Whether a search has given any candidate a score."""
        return bool(np.isfinite(self.table.scores).any())


def read_candidates(
    project: Project, particle_set: ParticleSet, tomogram_uids: Sequence[str] | None = None
) -> ParticleTable:
    """Read the candidates of a set, of some tomograms only when these are given."""
    table = project.particle_table([particle_set.uid])
    if tomogram_uids is not None:
        table = table.select(np.isin(table.tomogram_uids, list(tomogram_uids)))
    # The columns follow what is decided: they must be nobody else's.
    return ParticleTable(**{one.name: getattr(table, one.name).copy() for one in fields(table)})


def particle_set_named(project: Project, name: str) -> ParticleSet:
    """Return the set of a name.

    Raises
    ------
    ProjectError
        When there is none, naming those there are.
    """
    found = project.particle_set_named(name)
    if found is None:
        there = ", ".join(one.name for one in project.particle_sets())
        raise ProjectError(
            f"there is no particle set {name}.",
            f"There are: {there}." if there else "Search first, or begin a set by hand.",
        )
    return found


def present_user() -> str:
    """Return the name that decisions are kept under."""
    try:
        return getuser()
    except (KeyError, OSError):
        return "unknown"

"""Curation of one set of particles: what both faces do with candidates, in memory and on disk."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from getpass import getuser
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tomotui.algorithms.curate import calibration
from tomotui.algorithms.curate.audit import Interval, draw_sample
from tomotui.algorithms.curate.queue import ORDERS, Order
from tomotui.project.audits import Audit, AuditReport
from tomotui.project.candidates import DECIDED, CandidateColumns, Rows, read_candidates
from tomotui.project.decisions import Entry, Position
from tomotui.project.errors import ProjectError
from tomotui.project.mass_acts import MassEntries
from tomotui.project.project import Project
from tomotui.records import Particle, ParticleSet, Verdict
from tomotui.records.particle_table import UNASSIGNED, ParticleTable

__all__ = [
    "ORDERS",
    "Act",
    "Audit",
    "AuditReport",
    "Curation",
    "Order",
    "Rows",
    "particle_set_named",
    "present_user",
    "read_candidates",
]


class Act(NamedTuple):
    """Something to be done to the log.

    Attributes
    ----------
    n
        How many particles it is about.
    do
        Does it, through the project of whatever thread.
    """

    n: int
    do: Callable[[Project], Sequence[Entry]]


class Curation(CandidateColumns):
    """The candidates of a set, what is decided about them, and what the judgements say.

    Every act goes to the project file first and is then followed in the columns.
    """

    audit: Audit | None = None

    def reload(self, table: ParticleTable | None = None) -> None:
        """Read the candidates anew: a search has come to its end."""
        super().reload(table)
        self.audit = self._kept_audit()

    # ---- acts

    def decide(
        self, rows: Sequence[int] | Rows, verdict: Verdict, class_number: int | None = None
    ) -> Sequence[Entry]:
        """Judge candidates that somebody has looked at, in one act."""
        uids = self.table.uids[np.asarray(rows, dtype=np.intp)].tolist()
        return self.follow(
            self.project.decide(uids, verdict, class_number=class_number, **self._who)
        )

    def classify(self, rows: Sequence[int] | Rows, class_number: int | None) -> Sequence[Entry]:
        """Give candidates a class, in one act."""
        uids = self.table.uids[np.asarray(rows, dtype=np.intp)].tolist()
        return self.follow(self.project.classify(uids, class_number, **self._who))

    def move(self, row: int, position_angstrom: Position) -> Sequence[Entry]:
        """Put a candidate somewhere else."""
        uid = str(self.table.uids[row])
        return self.follow(self.project.move_particle(uid, position_angstrom, **self._who))

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
        return self._joined([made])[0]

    def insert_curve(self, tomogram_uid: str, along: ParticleTable) -> list[int]:
        """Put particles along a curve in, in one act; returns their rows."""
        table = along.select(np.arange(len(along)))
        table.tomogram_uids[:] = tomogram_uid
        made = self.project.insert_particles(self.particle_set.uid, table.particles(), **self._who)
        return self._joined(made)

    def _joined(self, made: Sequence[Particle]) -> list[int]:
        """Append particles that were put in to the columns; returns their rows."""
        fresh = ParticleTable.of(
            made[0].tomogram_uid if made else "",
            [(one.x_angstrom, one.y_angstrom, one.z_angstrom) for one in made],
            set_uid=self.particle_set.uid,
            angles_deg=[
                [np.nan if v is None else v for v in (one.rot_deg, one.tilt_deg, one.psi_deg)]
                for one in made
            ],
            decision="accepted",
        )
        fresh.uids[:] = [one.uid for one in made]
        fresh.sources[:] = [one.source for one in made]
        fresh.classes[:] = [
            UNASSIGNED if one.class_number is None else one.class_number for one in made
        ]
        n = len(self.table)
        self.table = ParticleTable.joined([self.table, fresh])
        self.seen = np.append(self.seen, np.ones(len(made), dtype=bool))
        self.judged_scores = np.append(self.judged_scores, np.full(len(made), np.nan))
        rows = list(range(n, len(self.table)))
        self._row_of |= {one.uid: row for one, row in zip(made, rows, strict=True)}
        return rows

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

    def apply_threshold(self, threshold: float, rows: Rows | None = None) -> Sequence[Entry]:
        """Accept what reaches a threshold and reject the rest, in one act.

        What somebody has decided stays as it is.
        """
        return self.make(self.threshold_act(threshold, rows))

    def drop(self, rows: Sequence[int] | Rows) -> Sequence[Entry]:
        """Reject the undecided ones among candidates that nobody has looked at, in one act."""
        return self.make(self.drop_act(rows))

    def undo(self) -> Sequence[Entry]:
        """Take the newest act of this session back."""
        return self.make(self.undo_act())

    def redo(self) -> Sequence[Entry]:
        """Make again what was taken back last."""
        return self.make(self.redo_act())

    # ---- acts that may take seconds, to be made by any thread and then followed

    def threshold_act(self, threshold: float, rows: Rows | None = None) -> Act:
        """Prepare `apply_threshold`."""
        above, below = self.split(threshold, rows)
        verdicts: dict[str, Verdict] = dict.fromkeys(self.table.uids[above].tolist(), "accepted")
        verdicts |= dict.fromkeys(self.table.uids[below].tolist(), "rejected")
        return self._unseen_act(verdicts)

    def drop_act(self, rows: Sequence[int] | Rows) -> Act:
        """Prepare `drop`."""
        chosen = np.asarray(rows, dtype=np.intp)
        uids = self.table.uids[chosen[self.is_open[chosen]]].tolist()
        return self._unseen_act(dict.fromkeys(uids, "rejected"))

    def undo_act(self) -> Act:
        """Prepare `undo`."""
        n = self.project.n_to_return(self._who["session"], undo=True)
        return Act(n, lambda project: project.undo(**self._who))

    def redo_act(self) -> Act:
        """Prepare `redo`."""
        n = self.project.n_to_return(self._who["session"], undo=False)
        return Act(n, lambda project: project.redo(**self._who))

    def _unseen_act(self, verdicts: Mapping[str, Verdict]) -> Act:
        if not verdicts:
            return Act(0, lambda project: ())
        return Act(
            len(verdicts), lambda project: project.decide_each(verdicts, seen=False, **self._who)
        )

    def make(self, act: Act) -> Sequence[Entry]:
        """Make an act here and now."""
        return self.follow(act.do(self.project))

    def follow(self, decisions: Sequence[Entry]) -> Sequence[Entry]:
        """Let the columns say what the log says since an act."""
        if isinstance(decisions, MassEntries):
            self._follow_many(decisions)
            return decisions
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

    def _follow_many(self, decisions: MassEntries) -> None:
        acted = decisions.acted
        rows = np.array([self._row_of.get(uid, -1) for uid in acted.uids], dtype=np.intp)
        if (rows < 0).any():
            self.reload()
            return
        verdicts = np.array(acted.verdicts, dtype=self.table.decisions.dtype)
        decided = np.isin(verdicts, DECIDED)
        self.table.decisions[rows] = verdicts
        classes = np.array(acted.classes, dtype=np.float64)
        self.table.classes[rows] = np.nan_to_num(classes, nan=UNASSIGNED).astype(np.int64)
        scores = np.array(acted.scores, dtype=np.float64)
        self.seen[rows] = decided & np.array(acted.seen, dtype=bool)
        self.judged_scores[rows] = np.where(decided, scores, np.nan)

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
        chosen, strata, sizes = draw_sample(self.table.scores[unknown], n, seed, n_strata)
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
        known = self.table.scores[np.isfinite(self.table.scores)]
        spread = float(known.std()) if len(known) else None
        fitted = calibration.calibrate(self.judged_scores[judged], outcomes[judged] > 0, spread)
        if fitted is None:
            return None
        scores = np.where(judged, self.judged_scores, self.table.scores)
        return calibration.curve(scores, outcomes, fitted, n_missed=self._n_missed())

    def marked_scores(self) -> NDArray[np.float64]:
        """Return what the search gave the particles marked by hand; NaN where it missed them."""
        marked = (self.table.sources == "hand") & (self.table.decisions == "accepted")
        scores: NDArray[np.float64] = self.table.scores[marked]
        return scores

    def recall_of_marked(self, threshold: float = -math.inf) -> Interval:
        """Return which fraction of the particles marked by hand the search has found."""
        scores = self.marked_scores() if self.has_scores else np.zeros(0)
        return calibration.recall_of_marked(scores, threshold)

    def _n_missed(self) -> int:
        return int(np.isnan(self.marked_scores()).sum()) if self.has_scores else 0

    @property
    def has_scores(self) -> bool:
        """Whether a search has given any candidate a score."""
        return bool(np.isfinite(self.table.scores).any())


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

"""The log of what people decided about particles.

Decisions are a log that only grows. A particle's present decision is the fold of the log; the
particle's row keeps it so that a screen can query it, and is written in the same transaction.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from tomotui.project.base import Part
from tomotui.project.database import Row
from tomotui.project.errors import ProjectError
from tomotui.project.mass_acts import (
    are_many,
    decide_many,
    is_mass,
    next_batch,
    take_back_many,
)
from tomotui.records import Decision, Verdict

Position = tuple[float, float, float]
"""(x, y, z) from the tomogram's centre, Angstrom."""

AXES = ("x_angstrom", "y_angstrom", "z_angstrom")
_PREVIOUS = tuple(f"previous_{axis}" for axis in AXES)


class Judgement(NamedTuple):
    """What the log says about one particle at present.

    Attributes
    ----------
    position_angstrom
        Where a person has put it; ``None`` when it was never moved.
    """

    verdict: Verdict
    class_number: int | None
    position_angstrom: Position | None = None


class Judged(NamedTuple):
    """What the newest decision about a particle says.

    Attributes
    ----------
    score
        What the search had given it at that moment.
    seen
        Whether somebody has looked at it.
    """

    particle_uid: str
    verdict: Verdict
    score: float | None
    seen: bool


class Entry(NamedTuple):
    """A line of the log as it was written, with the fields of `Decision`.

    Not a record, for a threshold writes very many at once; see also `mass_acts`.
    """

    particle_uid: str
    verdict: Verdict
    previous: Verdict
    class_number: int | None
    user: str
    session: str
    at: float
    score: float | None
    seen: bool
    x_angstrom: float | None = None
    y_angstrom: float | None = None
    z_angstrom: float | None = None
    previous_x_angstrom: float | None = None
    previous_y_angstrom: float | None = None
    previous_z_angstrom: float | None = None


class DecisionPart(Part):
    """Acts of people, and the log of them.

    One call of a method that decides is one act, which `undo` takes back as one. Every act is
    in the file when the method returns.
    """

    def decide(
        self,
        particle_uids: Sequence[str],
        verdict: Verdict,
        *,
        user: str,
        session: str,
        class_number: int | None = None,
    ) -> Sequence[Entry]:
        """Judge particles in one act.

        Parameters
        ----------
        class_number
            Class given by the person; the present one stays when it is ``None``.

        Raises
        ------
        ProjectError
            When a particle is not in the project.
        """
        verdicts = dict.fromkeys(particle_uids, verdict)
        return self.decide_each(verdicts, user=user, session=session, class_number=class_number)

    def decide_each(
        self,
        verdicts: Mapping[str, Verdict],
        *,
        user: str,
        session: str,
        class_number: int | None = None,
        seen: bool = True,
    ) -> Sequence[Entry]:
        """Judge particles in one act, each in its own way.

        Parameters
        ----------
        seen
            Whether somebody has looked at each of them; not so where a threshold decides.

        Raises
        ------
        ProjectError
            When a particle is not in the project.
        """
        with self._db.transaction():
            if are_many(len(verdicts)) and class_number is None:
                entries = decide_many(self._db, verdicts, user, session, seen)
                if len(entries) < len(verdicts):
                    self._refuse_absent(verdicts)
                return entries
            present = self._present(verdicts)
            judgements = {
                uid: Judgement(
                    verdict,
                    present[uid]["class_number"] if class_number is None else class_number,
                )
                for uid, verdict in verdicts.items()
            }
            unseen = () if seen else judgements
            return self._append(judgements, present, user, session, unseen=unseen)

    def classify(
        self,
        particle_uids: Sequence[str],
        class_number: int | None,
        *,
        user: str,
        session: str,
    ) -> Sequence[Entry]:
        """Give particles a class, or none, in one act; what was decided about them stays.

        Raises
        ------
        ProjectError
            When a particle is not in the project.
        """
        with self._db.transaction():
            present = self._present(particle_uids)
            judgements = {
                uid: Judgement(row["decision"], class_number) for uid, row in present.items()
            }
            return self._append(judgements, present, user, session)

    def move_particle(
        self, particle_uid: str, position_angstrom: Position, *, user: str, session: str
    ) -> Sequence[Entry]:
        """Put a particle somewhere else in its tomogram; what was decided about it stays.

        Raises
        ------
        ProjectError
            When the particle is not in the project.
        """
        with self._db.transaction():
            present = self._present([particle_uid])
            row = present[particle_uid]
            moved = Judgement(row["decision"], row["class_number"], position_angstrom)
            return self._append({particle_uid: moved}, present, user, session)

    # ---- undo and redo

    def undo(self, *, user: str, session: str) -> Sequence[Entry]:
        """Take back the newest act of a session; returns the compensating decisions.

        Nothing is erased: the log gets decisions that restore what was before. Called again it
        takes back the act before. Empty when nothing is left to take back.
        """
        with self._db.transaction():
            return self._take_back(self._to_undo(session), user, session)

    def redo(self, *, user: str, session: str) -> Sequence[Entry]:
        """Make again the act that the session took back last; returns its decisions.

        Empty when nothing was taken back since the session's last act of its own.
        """
        with self._db.transaction():
            return self._take_back(self._to_redo(session), user, session)

    def n_to_return(self, session: str, *, undo: bool) -> int:
        """Return about how many particles undo, or redo, of a session would be."""
        batch = self._to_undo(session) if undo else self._to_redo(session)
        found = self._db.scalar(
            "SELECT count(*) FROM decisions WHERE session = ? AND batch = ?", (session, batch)
        )
        return int(found or 0)

    def _to_undo(self, session: str) -> int | None:
        """Return the newest act of a session that is not taken back."""
        batch: int | None = self._db.scalar(
            f"""{_OWN_ACTS} SELECT batch FROM own WHERE batch IS NOT NULL AND undoes IS NULL
                AND NOT EXISTS (SELECT 1 FROM decisions u WHERE u.undoes = own.batch
                                AND NOT {_TAKEN_BACK.format("u")})
                LIMIT 1""",
            {"session": session},
        )
        return batch

    def _to_redo(self, session: str) -> int | None:
        """Return what a session took back last, if it has done nothing since."""
        batch: int | None = self._db.scalar(
            f"""{_OWN_ACTS} SELECT batch FROM own WHERE batch IS NOT NULL
                AND NOT {_TAKEN_BACK.format("own")}
                AND EXISTS (SELECT 1 FROM decisions d WHERE d.session = :session
                            AND d.batch = own.undoes AND d.undoes IS NULL)
                AND batch > (SELECT batch FROM own WHERE undoes IS NULL LIMIT 1)
                LIMIT 1""",
            {"session": session},
        )
        return batch

    def _take_back(self, batch: int | None, user: str, session: str) -> Sequence[Entry]:
        """Restore what was before a batch of decisions."""
        if batch is None:
            return []
        if is_mass(self._db, batch, session):
            return take_back_many(self._db, batch, user, session)
        rows = self._db.query(
            f"""SELECT particle_uid, previous, previous_class, {", ".join(_PREVIOUS)},
                (SELECT e.seen FROM decisions e WHERE e.particle_uid = d.particle_uid
                 AND e.id < d.id ORDER BY e.id DESC LIMIT 1) AS seen
                FROM decisions d WHERE batch = ? ORDER BY id""",
            (batch,),
        )
        before = {
            row["particle_uid"]: Judgement(
                row["previous"], row["previous_class"], _position(row, _PREVIOUS)
            )
            for row in rows
        }
        unseen = [row["particle_uid"] for row in rows if row["seen"] == 0]
        return self._append(before, self._present(before), user, session, batch, unseen)

    # ---- the log

    def _append(
        self,
        judgements: Mapping[str, Judgement],
        present: Mapping[str, Row],
        user: str,
        session: str,
        undoes: int | None = None,
        unseen: Iterable[str] = (),
    ) -> Sequence[Entry]:
        """Write decisions into the log and fold them into the particles' rows."""
        batch = next_batch(self._db)
        now, not_seen = time.time(), frozenset(unseen)
        entries = [
            Entry(
                uid,
                judgement.verdict,
                present[uid]["decision"],
                judgement.class_number,
                user,
                session,
                now,
                present[uid]["score"],
                uid not in not_seen,
                *_move(judgement, present[uid]),
            )
            for uid, judgement in judgements.items()
        ]
        names = ("batch", "undoes", "previous_class", *Entry._fields)
        self._db.execute_many(
            f"INSERT INTO decisions ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})",
            (
                (batch, undoes, present[entry.particle_uid]["class_number"], *entry)
                for entry in entries
            ),
        )
        self._db.execute_many(
            "UPDATE particles SET decision = ?, class_number = ? WHERE uid = ?",
            [(entry.verdict, entry.class_number, entry.particle_uid) for entry in entries],
        )
        self._db.execute_many(
            "UPDATE particles SET x_angstrom = ?, y_angstrom = ?, z_angstrom = ? WHERE uid = ?",
            [(*entry[9:12], entry.particle_uid) for entry in entries if entry[9] is not None],
        )
        return entries

    def _present(self, uids: Iterable[str]) -> dict[str, Row]:
        """Return the rows of particles by their identity, in the order asked for."""
        wanted = list(dict.fromkeys(uids))
        rows = self._db.query(
            f"""SELECT uid, decision, class_number, score, {", ".join(AXES)} FROM particles
                WHERE uid IN (SELECT value FROM json_each(?))""",
            (json.dumps(wanted),),
        )
        found = {row["uid"]: row for row in rows}
        if len(found) < len(wanted):
            self._refuse_absent(wanted)
        return {uid: found[uid] for uid in wanted}

    def _refuse_absent(self, uids: Iterable[str]) -> None:
        """Refuse to decide, naming the first of the particles that is not there."""
        there = self._db.tuples(
            "SELECT uid FROM particles WHERE uid IN (SELECT value FROM json_each(?))",
            (json.dumps(list(uids)),),
        )
        known = {uid for (uid,) in there}
        absent = next(uid for uid in uids if uid not in known)
        raise ProjectError(f"there is no particle {absent}.", "Nothing was decided.")

    def decisions(self, set_uid: str) -> list[Decision]:
        """Return the whole log of decisions about the particles of a set, oldest first."""
        columns = ", ".join(f"d.{name}" for name in Decision.model_fields)
        rows = self._db.query(
            f"""SELECT {columns} FROM decisions d JOIN particles p ON p.uid = d.particle_uid
                WHERE p.set_uid = ? ORDER BY d.id""",
            (set_uid,),
        )
        return [Decision.model_validate(row) for row in rows]

    def judged(self, set_uid: str) -> list[Judged]:
        """Return the newest decision about each particle of a set that has any.

        With the score it had at that moment: later searches have learnt from the decision, and
        what they say about the particle tells nothing about how well they search.
        """
        rows = self._db.tuples(
            """SELECT d.particle_uid, d.verdict, d.score, d.seen FROM decisions d
               WHERE d.id IN (SELECT max(e.id) FROM decisions e
                              JOIN particles p ON p.uid = e.particle_uid
                              WHERE p.set_uid = ? GROUP BY e.particle_uid)""",
            (set_uid,),
        )
        return [Judged(uid, verdict, score, bool(seen)) for uid, verdict, score, seen in rows]


_OWN_ACTS = """
    WITH RECURSIVE numbers(batch) AS (
        SELECT max(batch) FROM decisions WHERE session = :session
        UNION ALL
        SELECT (SELECT max(batch) FROM decisions d
                WHERE d.session = :session AND d.batch < numbers.batch)
        FROM numbers WHERE batch IS NOT NULL
    ),
    own AS (
        SELECT batch, (SELECT undoes FROM decisions d WHERE d.session = :session
                       AND d.batch = numbers.batch LIMIT 1) AS undoes FROM numbers
    )
"""
"""The acts of a session, the newest first, and what each takes back.

An index leads from one to the next: an act about a million is one step.
"""

_TAKEN_BACK = "EXISTS (SELECT 1 FROM decisions r WHERE r.undoes = {0}.batch)"
"""Whether a batch, one that takes something back, was itself taken back."""


def _position(row: Row, names: Sequence[str]) -> Position | None:
    x, y, z = (row[name] for name in names)
    return None if x is None else (x, y, z)


def _move(judgement: Judgement, present: Row) -> tuple[float | None, ...]:
    """Return what the log keeps of a move: both places, or nothing for a judgement."""
    if judgement.position_angstrom is None:
        return ()
    return (*judgement.position_angstrom, *(present[axis] for axis in AXES))


def fold(decisions: Iterable[Decision]) -> dict[str, Judgement]:
    """Return what a log of decisions, oldest first, says about each particle at its end."""
    state: dict[str, Judgement] = {}
    for d in decisions:
        before = state.get(d.particle_uid)
        position = before.position_angstrom if before else None
        if d.x_angstrom is not None and d.y_angstrom is not None and d.z_angstrom is not None:
            position = (d.x_angstrom, d.y_angstrom, d.z_angstrom)
        state[d.particle_uid] = Judgement(d.verdict, d.class_number, position)
    return state

"""Particles, and what people decided about them.

Decisions are a log that only grows. A particle's present decision is the fold of the log; the
particle's row keeps it so that a screen can query it, and is written in the same transaction.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from tomotui.project.base import Part
from tomotui.project.database import Row
from tomotui.project.errors import ProjectError
from tomotui.records import Decision, Particle, Verdict

_COLUMNS = tuple(Particle.model_fields)


class Judgement(NamedTuple):
    """What the log says about one particle at present."""

    verdict: Verdict
    class_number: int | None


class ParticlePart(Part):
    """The particles of a set, and the log of decisions."""

    def add_particles(self, set_uid: str, particles: Iterable[Particle]) -> None:
        """Add particles to a set in one transaction.

        Raises
        ------
        ProjectError
            When the set or a tomogram is not in the project, or an identity is there already.
        """
        rows = [{"set_uid": set_uid, **particle.model_dump()} for particle in particles]
        self._db.insert_all("particles", rows)

    def particles(
        self,
        set_uid: str,
        tomogram_uid: str | None = None,
        decisions: Sequence[Verdict] | None = None,
    ) -> list[Particle]:
        """Return the particles of a set, without those that were taken back.

        Only those of one tomogram and some decisions when these are given.
        """
        where, values = "set_uid = ? AND decision != 'removed'", [set_uid]
        if tomogram_uid is not None:
            where += " AND tomogram_uid = ?"
            values.append(tomogram_uid)
        if decisions is not None:
            where += f" AND decision IN ({', '.join('?' * len(decisions))})"
            values += decisions
        rows = self._db.query(
            f"SELECT {', '.join(_COLUMNS)} FROM particles WHERE {where} ORDER BY id", values
        )
        return [Particle.model_validate(row) for row in rows]

    def decide(
        self,
        particle_uids: Sequence[str],
        verdict: Verdict,
        *,
        user: str,
        session: str,
        class_number: int | None = None,
    ) -> list[Decision]:
        """Judge particles in one act, which `undo` takes back as one.

        Parameters
        ----------
        class_number
            Class given by the person; the present one stays when it is ``None``.

        Raises
        ------
        ProjectError
            When a particle is not in the project.
        """
        with self._db.transaction():
            judgements = {}
            for uid in dict.fromkeys(particle_uids):
                known = self._db.scalar("SELECT class_number FROM particles WHERE uid = ?", (uid,))
                kept = known if class_number is None else class_number
                judgements[uid] = Judgement(verdict, kept)
            return self._append(judgements, user, session, undoes=None)

    def undo(self, *, user: str, session: str) -> list[Decision]:
        """Take back the newest act of a session; returns the compensating decisions.

        Nothing is erased: the log gets decisions that restore what was before. Called again it
        takes back the act before. Empty when nothing is left to take back.
        """
        with self._db.transaction():
            batch = self._db.scalar(
                """SELECT max(batch) FROM decisions WHERE session = ? AND undoes IS NULL
                   AND batch NOT IN (SELECT undoes FROM decisions WHERE undoes IS NOT NULL)""",
                (session,),
            )
            if batch is None:
                return []
            rows = self._db.query(
                """SELECT particle_uid, previous, previous_class FROM decisions
                   WHERE batch = ? ORDER BY id DESC""",
                (batch,),
            )
            before = {
                row["particle_uid"]: Judgement(row["previous"], row["previous_class"])
                for row in rows
            }
            return self._append(before, user, session, undoes=batch)

    def _append(
        self, judgements: Mapping[str, Judgement], user: str, session: str, undoes: int | None
    ) -> list[Decision]:
        """Write decisions into the log and fold them into the particles' rows."""
        present = {uid: self._present(uid) for uid in judgements}
        batch = 1 + int(self._db.scalar("SELECT coalesce(max(batch), 0) FROM decisions"))
        decisions = [
            Decision(
                particle_uid=uid,
                verdict=judgement.verdict,
                previous=present[uid].verdict,
                class_number=judgement.class_number,
                user=user,
                session=session,
                at=time.time(),
            )
            for uid, judgement in judgements.items()
        ]
        rows: list[Row] = [
            {
                "batch": batch,
                "undoes": undoes,
                "previous_class": present[decision.particle_uid].class_number,
                **decision.model_dump(),
            }
            for decision in decisions
        ]
        self._db.insert_all("decisions", rows)
        self._db.execute_many(
            "UPDATE particles SET decision = ?, class_number = ? WHERE uid = ?",
            [(j.verdict, j.class_number, uid) for uid, j in judgements.items()],
        )
        return decisions

    def _present(self, uid: str) -> Judgement:
        row = self._db.one("SELECT decision, class_number FROM particles WHERE uid = ?", (uid,))
        if row is None:
            raise ProjectError(f"there is no particle {uid}.", "Nothing was decided.")
        return Judgement(row["decision"], row["class_number"])

    def decisions(self, set_uid: str) -> list[Decision]:
        """Return the whole log of decisions about the particles of a set, oldest first."""
        columns = ", ".join(f"d.{name}" for name in Decision.model_fields)
        rows = self._db.query(
            f"""SELECT {columns} FROM decisions d JOIN particles p ON p.uid = d.particle_uid
                WHERE p.set_uid = ? ORDER BY d.id""",
            (set_uid,),
        )
        return [Decision.model_validate(row) for row in rows]


def fold(decisions: Iterable[Decision]) -> dict[str, Judgement]:
    """Return what a log of decisions, oldest first, says about each particle at its end."""
    return {d.particle_uid: Judgement(d.verdict, d.class_number) for d in decisions}

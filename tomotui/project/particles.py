"""Particles, those put in by hand, and audits of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from tomotui.project.decisions import AXES, DecisionPart, Judgement, Position
from tomotui.project.errors import ProjectError
from tomotui.records import Particle, Verdict, new_uid

_COLUMNS = tuple(Particle.model_fields)


class ParticlePart(DecisionPart):
    """The particles of a set."""

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

    def n_particles(self, set_uid: str) -> int:
        """Return how many particles a set has, without those that were taken back."""
        return int(
            self._db.scalar(
                "SELECT count(*) FROM particles WHERE set_uid = ? AND decision != 'removed'",
                (set_uid,),
            )
        )

    def search_signature(self, set_uid: str) -> tuple[int, float]:
        """Return numbers that differ after a search has found something else for a set.

        Decisions, and particles put in by hand, do not change them.
        """
        row = self._db.tuples(
            """SELECT count(*), total(score) FROM particles
               WHERE set_uid = ? AND source IN ('match', 'find')""",
            (set_uid,),
        )[0]
        return int(row[0]), float(row[1])

    def insert_particle(
        self,
        set_uid: str,
        tomogram_uid: str,
        position_angstrom: Position,
        *,
        user: str,
        session: str,
        apart_angstrom: float = 0.0,
        class_number: int | None = None,
    ) -> Particle:
        """Put a particle in by hand; it counts as accepted, and undoing removes it.

        Parameters
        ----------
        apart_angstrom
            Refuse a place that is nearer than this to a particle that is there.

        Raises
        ------
        ProjectError
            When the place is taken, or the set or tomogram is not in the project.
        """
        with self._db.transaction():
            self._refuse_double(set_uid, tomogram_uid, position_angstrom, apart_angstrom)
            particle = Particle(
                uid=new_uid(),
                tomogram_uid=tomogram_uid,
                **dict(zip(AXES, position_angstrom, strict=True)),
                class_number=class_number,
                source="hand",
            )
            return self.insert_particles(set_uid, [particle], user=user, session=session)[0]

    def insert_particles(
        self, set_uid: str, particles: Sequence[Particle], *, user: str, session: str
    ) -> list[Particle]:
        """Put particles in, in one act; they count as accepted, and undoing removes them all.

        Raises
        ------
        ProjectError
            When the set or a tomogram is not in the project.
        """
        with self._db.transaction():
            self.add_particles(set_uid, [one.replace(decision="removed") for one in particles])
            judgements = {one.uid: Judgement("accepted", one.class_number) for one in particles}
            self._append(judgements, self._present(judgements), user, session)
            return [one.replace(decision="accepted") for one in particles]

    def _refuse_double(
        self, set_uid: str, tomogram_uid: str, position: Position, apart_angstrom: float
    ) -> None:
        near = " AND ".join(f"abs({axis} - ?) < ?" for axis in AXES)
        rows = self._db.query(
            f"""SELECT {", ".join(AXES)} FROM particles WHERE set_uid = ? AND tomogram_uid = ?
                AND decision != 'removed' AND {near}""",
            (set_uid, tomogram_uid, *(v for at in position for v in (at, apart_angstrom))),
        )
        distances = [math.dist(position, [row[axis] for axis in AXES]) for row in rows]
        if distances and min(distances) < apart_angstrom:
            raise ProjectError(
                f"there is a particle {min(distances):.0f} Å from here already; two must be "
                f"{apart_angstrom:.0f} Å apart.",
                "Move that one, or go further away. Nothing was put in.",
            )

    def keep_audit(self, set_uid: str, json_text: str | None) -> None:
        """Keep the audit of a set, or forget it.

        Raises
        ------
        ProjectError
            When the set is not in the project.
        """
        with self._db.transaction():
            self._db.execute("DELETE FROM audits WHERE set_uid = ?", (set_uid,))
            if json_text is not None:
                self._db.insert("audits", {"set_uid": set_uid, "json": json_text})

    def kept_audit(self, set_uid: str) -> str | None:
        """Return the audit of a set as it was kept; ``None`` when there is none."""
        found = self._db.scalar("SELECT json FROM audits WHERE set_uid = ?", (set_uid,))
        return None if found is None else str(found)

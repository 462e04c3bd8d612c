"""Acts about very many particles: SQLite writes the log from its own rows.

The log is the same as that of acts about few, one line for each particle; only nobody makes a
million objects of it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, overload

from tomotui.project.database import Database
from tomotui.records import Verdict

if TYPE_CHECKING:
    from tomotui.project.decisions import Entry

MANY = 2000
"""Acts about more particles than this are made so."""

_WRITTEN = """INSERT INTO decisions (batch, undoes, particle_uid, verdict, previous, class_number,
    previous_class, user, session, at, score, seen) """


class Acted(NamedTuple):
    """What an act about many has decided, as columns in one order.

    Attributes
    ----------
    classes
        ``None`` for particles that have none.
    """

    uids: Sequence[str]
    verdicts: Sequence[Verdict]
    previous: Sequence[Verdict]
    classes: Sequence[int | None]
    scores: Sequence[float | None]
    seen: Sequence[int]


class MassEntries(Sequence["Entry"]):
    """The lines of the log of an act about many, each made when somebody looks at it."""

    def __init__(self, acted: Acted, user: str, session: str, at: float) -> None:
        self.acted = acted
        self._who = user, session, at

    def __len__(self) -> int:
        """Return the number of particles."""
        return len(self.acted.uids)

    @overload
    def __getitem__(self, at: int) -> Entry: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Entry]: ...
    def __getitem__(self, at: int | slice) -> Entry | Sequence[Entry]:
        """Return a line, or some."""
        from tomotui.project.decisions import Entry

        if isinstance(at, slice):
            return [self[i] for i in range(*at.indices(len(self)))]
        one, (user, session, moment) = self.acted, self._who
        return Entry(
            particle_uid=one.uids[at],
            verdict=one.verdicts[at],
            previous=one.previous[at],
            class_number=one.classes[at],
            user=user,
            session=session,
            at=moment,
            score=one.scores[at],
            seen=bool(one.seen[at]),
        )


def are_many(n: int) -> bool:
    """Return whether an act about so many particles is made so."""
    return n > MANY


def decide_many(
    db: Database, verdicts: Mapping[str, Verdict], user: str, session: str, seen: bool
) -> MassEntries:
    """Judge particles that are there; their classes stay.

    Fewer entries than verdicts come back when some are not there.
    """
    now = time.time()
    with db.transaction():
        batch = next_batch(db)
        db.execute(
            """CREATE TEMP TABLE IF NOT EXISTS wished (
                   uid TEXT PRIMARY KEY, verdict TEXT NOT NULL) WITHOUT ROWID"""
        )
        # In the order of identities, for the log is kept by them: that halves the time.
        db.execute_many("INSERT INTO wished VALUES (?, ?)", sorted(verdicts.items()))
        db.execute(
            f"""{_WRITTEN} SELECT ?, NULL, p.uid, w.verdict, p.decision, p.class_number,
                p.class_number, ?, ?, ?, p.score, ?
                FROM wished w CROSS JOIN particles p ON p.uid = w.uid""",
            (batch, user, session, now, int(seen)),
        )
        db.execute("DELETE FROM wished")
        return _followed(db, batch, user, session, now)


def take_back_many(db: Database, batch: int, user: str, session: str) -> MassEntries:
    """Restore what was before an act of a session that has moved nothing."""
    now = time.time()
    with db.transaction():
        fresh = next_batch(db)
        db.execute(
            f"""{_WRITTEN} SELECT ?, d.batch, d.particle_uid, d.previous, p.decision,
                d.previous_class, p.class_number, ?, ?, ?, p.score,
                coalesce((SELECT e.seen FROM decisions e WHERE e.particle_uid = d.particle_uid
                          AND e.id < d.id ORDER BY e.id DESC LIMIT 1), 1)
                FROM decisions d CROSS JOIN particles p ON p.uid = d.particle_uid
                WHERE d.session = ? AND d.batch = ? ORDER BY d.id""",
            (fresh, user, session, now, session, batch),
        )
        return _followed(db, fresh, user, session, now)


def next_batch(db: Database) -> int:
    """Return the number of the next act."""
    newest = db.scalar("SELECT batch FROM decisions ORDER BY id DESC LIMIT 1")
    return 1 + int(newest or 0)


def is_mass(db: Database, batch: int, session: str) -> bool:
    """Return whether an act of a session is about many, and has moved none of them."""
    n, n_moved = db.tuples(
        """SELECT count(*), count(previous_x_angstrom) FROM decisions
           WHERE session = ? AND batch = ?""",
        (session, batch),
    )[0]
    return are_many(n) and not n_moved


def _followed(db: Database, batch: int, user: str, session: str, at: float) -> MassEntries:
    """Fold an act into the particles' rows, and return what it says."""
    of_this = (session, batch)
    db.execute(
        """UPDATE particles SET decision = d.verdict, class_number = d.class_number
           FROM (SELECT * FROM decisions WHERE session = ? AND batch = ?) d
           WHERE d.particle_uid = particles.uid""",
        of_this,
    )
    rows = db.tuples(
        """SELECT particle_uid, verdict, previous, class_number, score, seen FROM decisions
           WHERE session = ? AND batch = ? ORDER BY id""",
        of_this,
    )
    columns: Any = zip(*rows, strict=True) if rows else [()] * len(Acted._fields)
    return MassEntries(Acted(*columns), user, session, at)

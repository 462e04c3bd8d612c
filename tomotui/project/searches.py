"""What searches find: taken into a set, beside what people have decided about it already."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any, get_args

from tomotui.project.errors import ProjectError
from tomotui.project.particle_columns import (
    Chosen,
    insert_table,
    n_known,
    read_pages,
    read_table,
)
from tomotui.project.records import RecordPart
from tomotui.records import AnyRecord, ParticleSet, Verdict

if TYPE_CHECKING:
    import numpy as np

    from tomotui.records.particle_table import Candidates, ParticleTable

_SOUGHT = "source IN ('match', 'find')"
"""Particles that a machine has put there, and that it may take away again."""


class SearchPart(RecordPart):
    """Particles as columns, and the candidates of searches."""

    def particle_sets(self, picks_only: bool = False) -> list[ParticleSet]:
        """Return the particle sets, oldest first; of those of one name the newest.

        Those that were made from other sets are left out when only picks are wanted.
        """
        found = [one for one in self.records("particle_set") if isinstance(one, ParticleSet)]
        newest = {one.name: one for one in found}
        return [one for one in newest.values() if not picks_only or one.is_picks]

    def particle_set_named(self, name: str) -> ParticleSet | None:
        """Return the particle set of a name, or ``None``."""
        found = self._load(
            "id = (SELECT max(id) FROM records WHERE kind = 'particle_set' AND name = ?)", (name,)
        )
        return found[0] if found and isinstance(found[0], ParticleSet) else None

    def particle_counts(self, set_uid: str) -> dict[tuple[str, Verdict], int]:
        """Return how many particles of a set are in each tomogram, for each decision."""
        rows = self._db.query(
            """SELECT tomogram_uid, decision, count(*) AS n FROM particles
               WHERE set_uid = ? AND decision != 'removed' GROUP BY tomogram_uid, decision""",
            (set_uid,),
        )
        return {(row["tomogram_uid"], row["decision"]): int(row["n"]) for row in rows}

    def particle_totals(self, set_uid: str) -> tuple[dict[Verdict, int], dict[str, int]]:
        """Return how many particles of a set there are of each decision, and in each tomogram.

        Of a million that is told sooner than `particle_counts`.
        """
        verdicts = get_args(Verdict)
        sums = ", ".join(f"total(decision = '{verdict}')" for verdict in verdicts)
        (row,) = self._db.tuples(f"SELECT {sums} FROM particles WHERE set_uid = ?", (set_uid,))
        decisions = {verdict: int(n) for verdict, n in zip(verdicts, row, strict=True)}
        by_tomogram = """SELECT tomogram_uid, count(*) FROM particles
                         WHERE set_uid = ? {} GROUP BY tomogram_uid"""
        tomograms: dict[str, int] = dict(self._db.tuples(by_tomogram.format(""), (set_uid,)))
        if decisions.pop("removed"):
            only = by_tomogram.format("AND decision = 'removed'")
            for uid, n in self._db.tuples(only, (set_uid,)):
                tomograms[uid] -= n
        return decisions, {uid: n for uid, n in tomograms.items() if n}

    def change_particle_set(
        self, uid: str, diameter_angstrom: float | None, symmetry: str
    ) -> ParticleSet:
        """Say what is known of a set by now; returns the set as it is then.

        Raises
        ------
        ProjectError
            When there is no such set.
        """
        with self._db.transaction():
            old = self.record(uid)
            if not isinstance(old, ParticleSet):
                raise ProjectError(f"{uid} is no particle set.", "Nothing was changed.")
            new = old.replace(diameter_angstrom=diameter_angstrom, symmetry=symmetry)
            self._rewrite(new)
            self._db.execute(
                "UPDATE particle_sets SET diameter_angstrom = ?, symmetry = ? WHERE uid = ?",
                (diameter_angstrom, symmetry, uid),
            )
        return new

    def particle_table(
        self,
        set_uids: Sequence[str],
        tomogram_uid: str | None = None,
        decisions: Sequence[Verdict] | None = None,
    ) -> ParticleTable:
        """Return the particles of sets as columns, without those that were taken back.

        Parameters
        ----------
        tomogram_uid
            Only those of one tomogram.
        decisions
            Only those judged so.
        """
        return read_table(self._db, Chosen(set_uids, tomogram_uid, decisions))

    def particle_pages(self, chosen: Chosen) -> Iterator[ParticleTable]:
        """Give particles as columns, some thousands at a time: for what is written to files."""
        return read_pages(self._db, chosen)

    def n_known(self, chosen: Chosen) -> tuple[int, dict[str, int]]:
        """Return how many particles there are, and by column of how many each thing is known."""
        return n_known(self._db, chosen)

    def first_origins(self, set_uid: str) -> dict[str, str]:
        """Return for each particle of a set the first one that it came from, or itself.

        Origins that are gone are as far back as can be seen.
        """
        rows = self._db.tuples(
            """WITH RECURSIVE line(uid, origin, depth) AS (
                   SELECT uid, coalesce(origin_uid, uid), 0 FROM particles WHERE set_uid = ?
                   UNION ALL
                   SELECT line.uid, p.origin_uid, depth + 1 FROM line
                   JOIN particles p ON p.uid = line.origin WHERE p.origin_uid IS NOT NULL
               )
               SELECT uid, origin FROM line ORDER BY depth""",
            (set_uid,),
        )
        return {str(uid): str(origin) for uid, origin in rows}

    def take_candidates(self, candidates: Candidates) -> str:
        """Take what a search has found into its set; returns the identity of the set.

        What nobody has ever judged, and an earlier search had found, makes room. What somebody
        has judged stays where it is, with the score that the new search gives it; none where the
        new search did not find it.

        Raises
        ------
        ProjectError
            When the tomogram is not in the project.
        """
        with self._db.transaction():
            known = self._set_of_picks(candidates.particle_set)
            self._make_room(known.uid, candidates.tomogram_uid)
            here = self.particle_table([known.uid], candidates.tomogram_uid)
            table = candidates.table
            same = _nearest(
                here.positions_angstrom, table.positions_angstrom, candidates.same_within_angstrom
            )
            self._rescore(here, table, same)
            taken = {int(index) for index in same if index >= 0}
            fresh = [i for i in range(len(table)) if i not in taken]
            insert_table(self._db, table.select(fresh), known.uid)
            return known.uid

    def _set_of_picks(self, wanted: ParticleSet) -> ParticleSet:
        """Return the set that candidates go into, which is made where there is none.

        Never one that was made from another: its poses are not a search's to replace.
        """
        known = self.particle_set_named(wanted.name)
        if known is not None and not known.is_picks:
            wanted = wanted.replace(name=f"{wanted.name}-picks")
            known = self.particle_set_named(wanted.name)
        if known is None:
            self.add_records([wanted])
        return known or wanted

    def add_particle_tables(self, tables: Iterable[ParticleTable]) -> None:
        """Add particles to the sets that their rows name, in one transaction.

        Raises
        ------
        ProjectError
            When a set or a tomogram is not in the project, or an identity is there already.
        """
        with self._db.transaction():
            for table in tables:
                insert_table(self._db, table)

    def carry_over(self, particle_set: ParticleSet, table: ParticleTable) -> None:
        """Put particles of a set into other tomograms, with the set's record as it is then.

        Parameters
        ----------
        table
            The particles with their new tomograms, places and orientations.

        Raises
        ------
        ProjectError
            When a tomogram is not in the project.
        """
        places = (table.positions_angstrom, table.angles_deg)
        rows = [
            (str(tomogram), *(_sql(value) for value in (*at, *angles)), str(uid), particle_set.uid)
            for tomogram, at, angles, uid in zip(
                table.tomogram_uids, *places, table.uids, strict=True
            )
        ]
        with self._db.transaction():
            self._rewrite(particle_set)
            self._db.execute_many(
                """UPDATE particles SET tomogram_uid = ?, x_angstrom = ?, y_angstrom = ?,
                   z_angstrom = ?, rot_deg = ?, tilt_deg = ?, psi_deg = ?
                   WHERE uid = ? AND set_uid = ?""",
                rows,
            )

    def with_free_names(self, records: Sequence[AnyRecord]) -> list[AnyRecord]:
        """Return records with those particle sets renamed whose name a set has already.

        ``ribosome`` becomes ``ribosome-2``: sets are found by name, and an earlier one must not
        vanish behind a later.
        """
        taken = {one.name for one in self.particle_sets()}
        found: list[AnyRecord] = []
        for record in records:
            if isinstance(record, ParticleSet):
                record = record.replace(name=_free(record.name, taken))
                taken.add(record.name)
            found.append(record)
        return found

    def _make_room(self, set_uid: str, tomogram_uid: str) -> None:
        self._db.execute(
            f"""DELETE FROM particles WHERE set_uid = ? AND tomogram_uid = ?
                AND decision = 'undecided' AND {_SOUGHT}
                AND uid NOT IN (SELECT particle_uid FROM decisions)""",
            (set_uid, tomogram_uid),
        )

    def _rescore(
        self, here: ParticleTable, table: ParticleTable, same: np.ndarray[Any, Any]
    ) -> None:
        """Give judged particles what the new search says about them."""
        rows: list[tuple[Any, ...]] = []
        for uid, index in zip(here.uids, same, strict=True):
            found = (
                [None] * 3
                if index < 0
                else [
                    _sql(column[index])
                    for column in (table.scores, table.uncertainties, table.priorities)
                ]
            )
            angles = [None] * 3 if index < 0 else [_sql(v) for v in table.angles_deg[index]]
            rows.append((*found, *angles, str(uid)))
        self._db.execute_many(
            """UPDATE particles SET score = ?, uncertainty = ?, priority = ?,
               rot_deg = coalesce(rot_deg, ?), tilt_deg = coalesce(tilt_deg, ?),
               psi_deg = coalesce(psi_deg, ?) WHERE uid = ?""",
            rows,
        )


def _nearest(here: Any, there: Any, within: float) -> Any:
    """Return for each point here the number of its own point there, or -1; each has one."""
    import numpy as np
    from scipy.spatial import cKDTree

    found = np.full(len(here), -1)
    if not len(here) or not len(there):
        return found
    distances, indices = map(np.asarray, cKDTree(there).query(here, distance_upper_bound=within))
    taken: set[int] = set()
    for mine in np.argsort(distances):
        index = int(indices[mine])
        if np.isfinite(distances[mine]) and index not in taken:
            found[mine] = index
            taken.add(index)
    return found


def _free(name: str, taken: Collection[str]) -> str:
    """Return a name that is not taken: this one, or with the first number that is free."""
    if name not in taken:
        return name
    return next(f"{name}-{n}" for n in count(2) if f"{name}-{n}" not in taken)


def _sql(value: Any) -> float | None:
    """Return what the project file keeps: it has no NaN."""
    number = float(value)
    return number if number == number else None

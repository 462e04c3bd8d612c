"""The records that a stage works on: the newest of each kind, or those that were named."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tomotui.project.errors import MissingInput
from tomotui.project.records import CURRENT_SERIES, PER_SERIES, RecordPart
from tomotui.records import AnyRecord, Landscape, Map, ParticleSet, TiltSeries


class InputWish(NamedTuple):
    """What is to be known, beside kinds and target, to find the records a stage works on.

    Attributes
    ----------
    of_series
        Names of the series of a stage that works on several together, none for all; ``None``
        for a stage that works on one.
    restored
        Whether tomograms that a network has changed will do.
    network, network_purpose
        Name of the network, empty for the newest; what it must have been trained for, empty
        for anything.
    sets
        Names of the particle sets of a stage that takes particles, none for all picks; ``None``
        for a stage that does not.
    references
        Names or identities of maps, or files, which are the stage's own matter. None for the
        newest map of the particles that the stage takes.
    landscape
        Name of the landscape; empty for the newest of the sets, which are those of the landscape
        where none is named.
    """

    of_series: Sequence[str] | None = None
    restored: bool = False
    network: str = ""
    network_purpose: str = ""
    sets: Sequence[str] | None = None
    references: Sequence[str] = ()
    landscape: str = ""


PLAIN = InputWish()


class InputPart(RecordPart):
    """Finding what a stage works on."""

    def resolve_inputs(
        self, takes: Sequence[str], optional: Sequence[str], target: str, wish: InputWish = PLAIN
    ) -> dict[str, list[AnyRecord]]:
        """Return the newest records that a stage works on, by kind.

        For a target that is a tilt series those of the series; for any other target those of
        every series, or of those that the wish names. Alignments and CTFs that come with
        tomograms are those the tomograms were made with. Of the kinds that belong to no series
        the one named like the target, and otherwise the newest.

        Raises
        ------
        MissingInput
            When a kind in ``takes`` has no record.
        """
        series = self._series_meant(target, wish)
        if "landscape" in (*takes, *optional):
            wish = self._with_landscape(wish)
        found: dict[str, list[AnyRecord]] = {}
        for kind in dict.fromkeys((*takes, *optional)):
            records = self._inputs_of(kind, series, target, wish)
            if records:
                found[kind] = records
        for kind in ("alignment", "ctf"):
            if kind in found and "tomogram" in found:
                found[kind] = self._made_with(found["tomogram"], kind)
            if kind in found and "particle_set" in found:
                found[kind] = self._refined_with(found[kind], found["particle_set"], kind)
        for kind in takes:
            if not found.get(kind):
                noun = kind.replace("_", " ")
                raise MissingInput(
                    f"{target} has no {noun}.", f"Run the stage that makes a {noun} first."
                )
        return {kind: records for kind, records in found.items() if records}

    def _series_meant(self, target: str, wish: InputWish) -> list[TiltSeries] | None:
        """Return the series whose records are wanted; ``None`` for all."""
        if wish.of_series is None:
            series = self.series_named(target)
            return None if series is None else [series]
        if not wish.of_series:
            return None
        by_name = {one.name: one for one in self.tilt_series()}
        unknown = [name for name in wish.of_series if name not in by_name]
        if unknown:
            raise MissingInput(
                f"there is no tilt series {', '.join(unknown)}.", "See: tomotui status"
            )
        return [by_name[name] for name in wish.of_series]

    def _inputs_of(
        self, kind: str, series: list[TiltSeries] | None, target: str, wish: InputWish
    ) -> list[AnyRecord]:
        if kind == "network":
            return self._network(wish.network or target, wish)
        if kind == "particle_set" and wish.sets is not None:
            return list(self._sets(wish.sets))
        if kind == "map" and wish.references:
            return self._maps(wish.references)
        if kind == "map" and wish.sets is not None:
            return self._map_of(self._sets(wish.sets))
        if kind == "landscape" and wish.landscape:
            return self._load("uid = ?", (wish.landscape,))
        if kind not in PER_SERIES:
            named = self._load(
                "id = (SELECT max(id) FROM records WHERE kind = ? AND name = ?)", (kind, target)
            )
            newest = self.latest(kind)
            return named or ([newest] if newest else [])
        if kind == "tilt_series":
            return list(self.tilt_series() if series is None else series)
        whose = CURRENT_SERIES
        values: tuple[str, ...] = ()
        if series is not None:
            places = ", ".join("?" * len(series))
            whose = f"SELECT id FROM records WHERE uid IN ({places})"
            values = tuple(one.uid for one in series)
        only = ""
        if kind == "tomogram" and not wish.restored:
            only = "AND uid IN (SELECT uid FROM tomograms WHERE restored = 0)"
        return self._load(
            f"""id IN (
                SELECT max(id) FROM records WHERE kind = ? {only} AND series_uid IN (
                    SELECT uid FROM records WHERE id IN ({whose})
                ) GROUP BY series_uid
            )""",
            (kind, *values),
        )

    def _with_landscape(self, wish: InputWish) -> InputWish:
        """Return a wish for one landscape by its identity, and for the particles that are in it."""
        every = [one for one in self.records("landscape") if isinstance(one, Landscape)]
        known = [one for one in self.records("particle_set") if isinstance(one, ParticleSet)]
        name_of = {one.uid: one.name for one in known}
        named = [one for one in every if wish.landscape in ("", one.name)]
        if every and not named:
            there = ", ".join(dict.fromkeys(one.name for one in every))
            raise MissingInput(f"there is no landscape {wish.landscape}.", f"There are {there}.")
        uids = {one.uid for one in self._sets(wish.sets)} if wish.sets else set(name_of)
        found = [one for one in named if one.particle_set_uid in uids]
        if named and not found:
            told = (f"{one.name} is of {name_of.get(one.particle_set_uid, '?')}" for one in named)
            raise MissingInput(
                f"there is no landscape of {', '.join(wish.sets or ())}: {', '.join(told)}.",
                "Name the set of one of them, or learn one: tomotui run landscape",
            )
        if not found:
            return wish
        one = found[-1]
        return wish._replace(landscape=one.uid, sets=wish.sets or (name_of[one.particle_set_uid],))

    def _sets(self, names: Sequence[str]) -> list[ParticleSet]:
        """Return particle sets, of those of one name the newest; all picks when none is named."""
        records = self.records("particle_set")
        found = {one.name: one for one in records if isinstance(one, ParticleSet)}
        unknown = [name for name in names if name not in found]
        if unknown:
            raise MissingInput(
                f"there is no particle set {', '.join(unknown)}.",
                f"There are {', '.join(found)}." if found else "Make one: tomotui particles new",
            )
        return [one for name, one in found.items() if name in names or (not names and one.is_picks)]

    def _maps(self, names: Sequence[str]) -> list[AnyRecord]:
        """Return maps by name, of those of one name the newest, or by identity; no files."""
        maps = [one for one in self.records("map") if isinstance(one, Map)]
        found = {**{one.uid: one for one in maps}, **{one.name: one for one in maps}}
        wanted = [name for name in names if name in found or not _is_file(name)]
        unknown = [name for name in wanted if name not in found]
        if unknown:
            there = ", ".join(dict.fromkeys(one.name for one in maps))
            raise MissingInput(
                f"there is no map {', '.join(unknown)}.",
                f"There are {there}." if there else "Bring one: tomotui import-map FILE.mrc",
            )
        return [found[name] for name in wanted]

    def _map_of(self, sets: Sequence[ParticleSet]) -> list[AnyRecord]:
        """Return the newest map of the particles of sets, as they are or as they were made."""
        every = [one for one in self.records("particle_set") if isinstance(one, ParticleSet)]
        family = _family([one.uid for one in sets], every)
        found = [one for one in self.records("map") if isinstance(one, Map)]
        return list([one for one in found if one.particle_set_uid in family][-1:])

    def _network(self, name: str, wish: InputWish) -> list[AnyRecord]:
        """Return the newest network of a purpose: of a name where there is one, or any."""
        purpose = wish.network_purpose
        mine = "uid IN (SELECT uid FROM networks WHERE purpose = ? OR ? = '')"
        named = self._load(
            f"""id = (SELECT max(id) FROM records
                      WHERE kind = 'network' AND name = ? AND {mine})""",
            (name, purpose, purpose),
        )
        if named or wish.network:
            return named
        return self._load(
            f"id = (SELECT max(id) FROM records WHERE kind = 'network' AND {mine})",
            (purpose, purpose),
        )

    def _made_with(self, tomograms: Sequence[AnyRecord], kind: str) -> list[AnyRecord]:
        """Return the alignments or CTFs that tomograms were made with."""
        uids = [getattr(tomogram, f"{kind}_uid") for tomogram in tomograms]
        known = [uid for uid in uids if uid is not None]
        places = ", ".join("?" * len(known))
        return self._load(f"uid IN ({places})", known) if known else []

    def _refined_with(
        self, records: Sequence[AnyRecord], sets: Sequence[AnyRecord], kind: str
    ) -> list[AnyRecord]:
        """Return alignments or CTFs; of series that were refined with particles, the refined."""
        uids = [uid for one in sets for uid in getattr(one, f"{kind}_uids")]
        if not uids:
            return list(records)
        places = ", ".join("?" * len(uids))
        refined = self._load(f"uid IN ({places})", uids)
        by_series = {getattr(one, "series_uid", ""): one for one in (*records, *refined)}
        return list(by_series.values())


_OTHER_STRUCTURES = ("subparticles", "body")
"""What makes sets of something else than their parents hold."""


def _family(uids: Sequence[str], every: Sequence[ParticleSet]) -> set[str]:
    """Return sets, those they were made from, and those made from them: of one structure.

    Parts of a structure, and its classes, are others.
    """
    by_uid = {one.uid: one for one in every}
    family = set(uids)
    for uid in uids:
        one = by_uid[uid]
        while one.parent_uid in by_uid and one.made_by not in _OTHER_STRUCTURES:
            one = by_uid[one.parent_uid]
            family.add(one.uid)
    descended = set(uids)
    for one in every:
        # Oldest first: a set comes after that which it was made from.
        if one.parent_uid in descended and one.made_by not in (
            *_OTHER_STRUCTURES,
            "class",
            "selection",
        ):
            descended.add(one.uid)
    return family | descended


def _is_file(word: str) -> bool:
    """Return whether a word names a file rather than a map."""
    return "/" in word or word.lower().endswith((".mrc", ".map", ".ccp4"))

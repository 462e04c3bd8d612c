"""Many particles as columns: what searches give, screens sort and trainings read."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from tomotui.records.particles import Particle, ParticleSet

Floats = NDArray[np.float64]
Words = NDArray[np.str_]


def new_uids(n: int) -> Words:
    """Return ``[n]`` fresh identities, each as `tomotui.records.new_uid` gives one."""
    digits = os.urandom(8 * n).hex().encode()
    return np.frombuffer(digits, dtype="S16").astype("U16")


UNASSIGNED = -1
"""Class or half of a particle that has none."""


@dataclass(frozen=True, eq=False)
class ParticleTable:
    """Particles, one row each; unknown numbers are NaN, unknown classes and halves -1.

    Attributes
    ----------
    uids, set_uids, tomogram_uids
        ``[n]`` identities.
    positions_angstrom
        ``[n, 3]``, (x, y, z) from the tomogram's centre.
    angles_deg
        ``[n, 3]``, (rot, tilt, psi) in RELION's convention.
    scores, uncertainties, priorities
        ``[n]``, see `tomotui.records.Particle`.
    decisions, sources
        ``[n]`` words.
    classes, halves
        ``[n]`` whole numbers.
    origins
        ``[n]`` identities of the particles that these were made from; empty for picks.
    """

    uids: Words
    set_uids: Words
    tomogram_uids: Words
    positions_angstrom: Floats
    angles_deg: Floats
    scores: Floats
    uncertainties: Floats
    priorities: Floats
    decisions: Words
    sources: Words
    classes: NDArray[np.int64]
    halves: NDArray[np.int64]
    origins: Words

    def __len__(self) -> int:
        """Return the number of particles."""
        return len(self.uids)

    @classmethod
    def of(
        cls,
        tomogram_uid: str,
        positions_angstrom: Any,
        *,
        set_uid: str = "",
        angles_deg: Any = None,
        scores: Any = None,
        uncertainties: Any = None,
        priorities: Any = None,
        decision: str = "undecided",
        source: str = "import",
    ) -> Self:
        """Make new particles of one tomogram.

        Parameters
        ----------
        positions_angstrom
            ``[n, 3]``, (x, y, z) from the tomogram's centre.
        """
        positions = np.asarray(positions_angstrom, dtype=np.float64).reshape(-1, 3)
        n = len(positions)

        def column(values: Any, *shape: int) -> Floats:
            if values is None:
                return np.full((n, *shape), np.nan)
            return np.asarray(values, dtype=np.float64).reshape(n, *shape)

        return cls(
            uids=new_uids(n),
            set_uids=np.full(n, set_uid, dtype="U16"),
            tomogram_uids=np.full(n, tomogram_uid, dtype="U16"),
            positions_angstrom=positions,
            angles_deg=column(angles_deg, 3),
            scores=column(scores),
            uncertainties=column(uncertainties),
            priorities=column(priorities),
            decisions=np.full(n, decision, dtype="U9"),
            sources=np.full(n, source, dtype="U6"),
            classes=np.full(n, UNASSIGNED),
            halves=np.full(n, UNASSIGNED),
            origins=np.full(n, "", dtype="U16"),
        )

    def descendants(self, set_uid: str, **columns: Any) -> Self:
        """Return new particles of another set that were made from these, one from each row.

        They know their origin, and are like it in all but the columns given: ``positions_angstrom``
        and ``angles_deg`` after refinement, for instance. To make several of one, or to leave some
        out, `select` rows before.
        """
        n = len(self)
        fresh = {
            "uids": new_uids(n),
            "set_uids": np.full(n, set_uid, dtype="U16"),
            "origins": self.uids,
        }
        given = {
            name: np.asarray(values, dtype=getattr(self, name).dtype).reshape(
                getattr(self, name).shape
            )
            for name, values in columns.items()
        }
        return replace(self, **fresh, **given)

    def select(self, which: Any) -> Self:
        """Return some rows: by a mask, or by their numbers in the order wanted."""
        return type(self)(**{one.name: getattr(self, one.name)[which] for one in fields(self)})

    @classmethod
    def joined(cls, tables: Sequence[ParticleTable]) -> Self:
        """Return the rows of several tables, one after another."""
        if not tables:
            return cls.of("", np.zeros((0, 3)))
        return cls(
            **{
                one.name: np.concatenate([getattr(table, one.name) for table in tables])
                for one in fields(cls)
            }
        )

    def particles(self) -> list[Particle]:
        """Return the rows as records."""
        return [
            Particle(
                uid=str(self.uids[i]),
                tomogram_uid=str(self.tomogram_uids[i]),
                **dict(zip(_POSITION, self.positions_angstrom[i].tolist(), strict=True)),
                **dict(zip(_ANGLES, map(_known, self.angles_deg[i]), strict=True)),
                score=_known(self.scores[i]),
                uncertainty=_known(self.uncertainties[i]),
                priority=_known(self.priorities[i]),
                decision=str(self.decisions[i]),
                source=str(self.sources[i]),
                class_number=_assigned(self.classes[i]),
                half=_assigned(self.halves[i]),
                origin_uid=str(self.origins[i]) or None,
            )
            for i in range(len(self))
        ]

    def write(self, path: Path) -> None:
        """Write all columns as ``.npz``."""
        with path.open("wb") as file:
            np.savez(file, **{one.name: getattr(self, one.name) for one in fields(self)})

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read what `write` has written.

        Raises
        ------
        OSError, ValueError
            When the file is not there, torn, or something else.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                columns = {name: file[name] for name in file.files}
            n = len(columns["uids"])
            # Files of older programs do not know where particles came from.
            columns.setdefault("origins", np.full(n, "", dtype="U16"))
            table = cls(**{one.name: columns[one.name] for one in fields(cls)})
        except (OSError, ValueError):
            raise
        # What a torn archive makes of numpy and zipfile has no common base.
        except Exception as error:
            raise ValueError(f"it is torn, or holds no particles: {error!r}") from error
        shapes = {one.name: (n, *_MORE.get(one.name, ())) for one in fields(cls)}
        if any(getattr(table, name).shape != shape for name, shape in shapes.items()):
            raise ValueError("it is torn: its columns are of different lengths")
        return table


@dataclass(frozen=True, eq=False)
class Candidates:
    """What a search has found in one tomogram.

    Attributes
    ----------
    particle_set
        Where they go: the set of this name; this one where there is none yet.
    tomogram_uid
        Where they were found.
    table
        The particles.
    same_within_angstrom
        A candidate this near to a particle that somebody has judged is that particle.
    """

    particle_set: ParticleSet
    tomogram_uid: str
    table: ParticleTable
    same_within_angstrom: float


_MORE = {"positions_angstrom": (3,), "angles_deg": (3,)}
_POSITION = ("x_angstrom", "y_angstrom", "z_angstrom")
_ANGLES = ("rot_deg", "tilt_deg", "psi_deg")


def _known(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


def _assigned(value: Any) -> Any:
    return int(value) if value >= 0 else None

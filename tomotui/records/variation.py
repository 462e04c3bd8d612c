"""How particles of one kind differ: classes, and positions in a conformational landscape."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tomotui.records.base import Record


class Classification(Record):
    """Particles dealt out to classes.

    Attributes
    ----------
    particle_set_uid
        The particles, each with its most probable class.
    map_uids
        One map for each class that has one, in the order of the classes; empty for the class of
        noise, which has none.
    path
        What each particle is how probably, and how classes came about, as ``.npz``; relative to
        the project folder or absolute. Arrays: ``uids`` ``[n]`` of the particles of the set,
        ``probabilities`` ``[n, k]``, ``names`` ``[k]``, ``populations`` ``[iterations, k]`` as
        shares, ``changed`` ``[iterations]`` share of particles that went elsewhere,
        ``agreements`` ``[runs, runs]``, the adjusted Rand index between runs of other seeds, and
        ``is_evident``, whether the classes differ beyond noise.
    populations
        Share of the particles in each class.
    reproducibility
        Mean adjusted Rand index between runs of different seeds; ``None`` for a single run.
    """

    kind: Literal["classification"] = "classification"
    name: str
    particle_set_uid: str
    map_uids: tuple[str, ...] = ()
    path: str
    n_classes: int = Field(ge=1)
    populations: tuple[float, ...] = ()
    reproducibility: float | None = None


class Landscape(Record):
    """Particles in coordinates of how they differ continuously.

    Attributes
    ----------
    method
        What describes a particle: a mixture of Gaussians deformed by a network, or rigid bodies
        that move.
    particle_set_uid
        The particles.
    map_uid
        The map of all of them, that the coordinates deform; ``None`` where it was not kept.
    path
        Coordinates, and how a point becomes a shape, as ``.npz``; relative to the project folder
        or absolute. Arrays: ``uids`` ``[n]``, ``coordinates`` ``[n, d]``, ``spread`` ``[n, d]``
        (standard deviation of each coordinate), ``halves`` ``[n]``, ``axes`` ``[m, d]`` principal
        directions (unit length, most telling first), ``deviations`` ``[m]`` standard deviation
        along each, and those of `tomotui.geometry.mixtures`.
    n_coordinates
        Of each particle.
    n_motions
        Principal motions that are more than noise makes; 0 where the particles show none.
    agreement
        Mean correlation of coordinates that the two halves' models give the same particles.
    """

    kind: Literal["landscape"] = "landscape"
    name: str
    method: Literal["mixture", "bodies"]
    particle_set_uid: str
    map_uid: str | None = None
    path: str
    n_coordinates: int = Field(ge=1)
    n_motions: int = Field(default=0, ge=0)
    agreement: float | None = None

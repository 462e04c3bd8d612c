"""Cleaning a particle set: what rules leave out is rejected in one act, which can be undone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from tomotui.project.project import Project

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tomotui.records.particle_table import ParticleTable

    Points = NDArray[np.float64]
    Mask = NDArray[np.bool_]

REASONS = ("edge", "mask", "gold", "membrane", "duplicate", "neighbours", "lattice")
"""In the order in which they are looked for; what one finds is not there for the next."""

Range = tuple[float, float]


class Lattice(NamedTuple):
    """What a particle of a lattice has around it; see `algorithms.curate.cleaning.off_lattice`."""

    spacing_angstrom: float
    tolerance: float = 0.25
    turn_deg: float = 40.0
    least_neighbours: int = 2
    least_share: float = 0.5


@dataclass(frozen=True, eq=False)
class Volume:
    """A tomogram's extent, and what of it is masked.

    Attributes
    ----------
    size_xyz, pixel_size_angstrom
        Of the tomogram.
    mask, mask_pixel_size_angstrom
        ``[z, y, x]``, true where no particle should be, and its voxels.
    """

    size_xyz: tuple[int, int, int]
    pixel_size_angstrom: float
    mask: Mask | None = None
    mask_pixel_size_angstrom: float = 0.0


@dataclass(frozen=True, eq=False)
class CleaningRules:
    """What to leave out; a rule that is ``None`` is not asked. Lengths in Angstrom.

    Attributes
    ----------
    duplicates
        Least distance of two particles; the better stays: accepted ones, then the higher score.
    edge, top_bottom
        Least distance from the sides, and from top and bottom, of the tomogram.
    mask_margin
        Least distance from what is masked.
    gold
        Least distance from gold beads.
    neighbours
        Least and greatest distance to the nearest particle.
    membrane
        Least and greatest distance to the membrane.
    lattice
        What a particle of a lattice has around it.
    gold_points, membrane_points
        ``[n, 3]`` by the name of the tilt series.
    """

    duplicates: float | None = None
    edge: float | None = None
    top_bottom: float | None = None
    mask_margin: float = 0.0
    gold: float | None = None
    neighbours: Range | None = None
    membrane: Range | None = None
    lattice: Lattice | None = None
    gold_points: Mapping[str, Points] = field(default_factory=dict)
    membrane_points: Mapping[str, Points] = field(default_factory=dict)


@dataclass(frozen=True)
class Cleaned:
    """What cleaning found.

    Attributes
    ----------
    n_before
        Particles that were looked at: all but the rejected.
    counts
        How many were left out, for each reason.
    by_series
        The same for each tilt series.
    """

    n_before: int
    counts: dict[str, int]
    by_series: dict[str, dict[str, int]]

    @property
    def n_rejected(self) -> int:
        """How many are left out in all."""
        return sum(self.counts.values())


def clean(
    project: Project,
    set_uid: str,
    rules: CleaningRules,
    volumes: Mapping[str, Volume],
    series_of: Mapping[str, str],
    *,
    user: str,
    dry_run: bool = False,
) -> Cleaned:
    """Reject the particles of a set that rules leave out, in one act.

    Parameters
    ----------
    volumes
        The tomogram of each tilt series to clean, by the series' name; others are left alone.
    series_of
        Name of the tilt series of each tomogram, by the tomogram's identity.
    dry_run
        Only count.
    """
    import numpy as np

    with project.at_once():
        table = project.particle_table([set_uid], decisions=["accepted", "unsure", "undecided"])
        series = np.array([series_of[str(uid)] for uid in table.tomogram_uids], dtype=object)
        rejected: list[str] = []
        counts = dict.fromkeys(REASONS, 0)
        by_series: dict[str, dict[str, int]] = {}
        n_before = 0
        for name, volume in volumes.items():
            mine = table.select(series == name)
            n_before += len(mine)
            found = reasons(mine, name, rules, volume)
            rejected += [str(uid) for uid in mine.uids[found != ""]]
            by_series[name] = {one: int((found == one).sum()) for one in REASONS}
            for one in REASONS:
                counts[one] += by_series[name][one]
        if rejected and not dry_run:
            verdicts = dict.fromkeys(rejected, "rejected")
            session = session_of(set_uid)
            project.decide_each(verdicts, user=user, session=session, seen=False)  # type: ignore[arg-type]
    return Cleaned(n_before, counts, by_series)


def undo_cleaning(project: Project, set_uid: str, *, user: str) -> int:
    """Take back the newest cleaning of a set; returns how many particles are back."""
    return len(project.undo(user=user, session=session_of(set_uid)))


def session_of(set_uid: str) -> str:
    """Return the session under which a set's cleaning is in the log."""
    return f"clean-{set_uid}"


def reasons(table: ParticleTable, name: str, rules: CleaningRules, volume: Volume) -> Any:
    """Return why each particle of one tomogram is left out, ``[n]`` words; empty if it stays.

    Parameters
    ----------
    name
        The tilt series.
    """
    import numpy as np

    found = np.full(len(table), "", dtype="U10")
    for reason, judge in _judges(name, rules, volume):
        left = np.flatnonzero(found == "")
        if len(left):
            found[left[judge(table.select(left))]] = reason
    return found


def _judges(
    name: str, rules: CleaningRules, volume: Volume
) -> list[tuple[str, Callable[[ParticleTable], Mask]]]:
    """Return the rules that are asked, in order, as functions from particles to a mask."""
    import numpy as np

    from tomotui.algorithms.curate import cleaning

    judges: list[tuple[str, Callable[[ParticleTable], Mask]]] = []

    def ask(reason: str, judge: Callable[[ParticleTable], Mask]) -> None:
        judges.append((reason, judge))

    if rules.edge is not None or rules.top_bottom is not None:
        side = rules.edge if rules.edge is not None else -np.inf
        margins = (side, side, rules.top_bottom if rules.top_bottom is not None else side)
        size, pixel = volume.size_xyz, volume.pixel_size_angstrom
        ask("edge", lambda t: cleaning.near_faces(t.positions_angstrom, size, pixel, margins))
    mask, mask_pixel = volume.mask, volume.mask_pixel_size_angstrom
    if mask is not None:
        margin = rules.mask_margin
        ask("mask", lambda t: cleaning.inside_mask(t.positions_angstrom, mask, mask_pixel, margin))
    gold, beads = rules.gold, rules.gold_points.get(name)
    if gold is not None and beads is not None:
        ask("gold", lambda t: cleaning.near_points(t.positions_angstrom, beads, gold))
    span, surface = rules.membrane, rules.membrane_points.get(name)
    if span is not None and surface is not None:
        ask("membrane", lambda t: cleaning.off_surface(t.positions_angstrom, surface, *span))
    if (apart := rules.duplicates) is not None:
        ask("duplicate", lambda t: cleaning.doubles(t.positions_angstrom, _ranks(t), apart))
    if (company := rules.neighbours) is not None:
        ask("neighbours", lambda t: cleaning.lonely_or_crowded(t.positions_angstrom, *company))
    if (lattice := rules.lattice) is not None:
        asked = lattice._asdict()
        ask("lattice", lambda t: cleaning.off_lattice(t.positions_angstrom, t.angles_deg, **asked))
    return judges


def _ranks(table: ParticleTable) -> Any:
    """Return what makes a particle the better of two: accepted, then its score."""
    import numpy as np

    is_accepted = table.decisions == "accepted"
    return np.stack([is_accepted, np.nan_to_num(table.scores, nan=-np.inf)], axis=1)

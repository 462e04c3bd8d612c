"""Traced contours made into particles: along curves, or over closed surfaces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tomotui.records import Particle

if TYPE_CHECKING:
    from tomotui.formats.contours import Contour


class TracingError(Exception):
    """Contours of which no curve or surface can be made."""


@dataclass(frozen=True)
class TracingRules:
    """How particles lie on what was traced. Lengths in Angstrom.

    Attributes
    ----------
    spacing
        From one particle to the next.
    is_closed
        Whether curves are closed; ``None`` as the contours say, else open.
    smoothing
        How far a curve may pass its points.
    alpha
        Radius of the ball that wraps a surface; ``None`` for the convex hull.
    """

    spacing: float
    is_closed: bool | None = None
    smoothing: float = 0.0
    alpha: float | None = None


def particles_along(
    contours: Sequence[Contour], uids: Mapping[str, str], rules: TracingRules
) -> list[Particle]:
    """Return particles along each contour, their z axes along it.

    Parameters
    ----------
    uids
        Identity of each tomogram by its name.

    Raises
    ------
    TracingError
        When a contour has too few points.
    """
    from tomotui.algorithms.curate.curves import along_curve

    found: list[Particle] = []
    for number, one in enumerate(contours, start=1):
        is_closed = bool(one.is_closed) if rules.is_closed is None else rules.is_closed
        try:
            places, directions = along_curve(
                one.points_angstrom,
                rules.spacing,
                is_closed=is_closed,
                smoothing_angstrom=rules.smoothing,
            )
        except ValueError as error:
            raise TracingError(f"contour {number} of {one.tomogram}: {error}") from error
        found += _facing(uids[one.tomogram], places, directions)
    return found


def particles_over(
    contours: Sequence[Contour], uids: Mapping[str, str], rules: TracingRules
) -> list[Particle]:
    """Return particles over the surface of each object, their z axes outward.

    Raises
    ------
    TracingError
        When the points of an object span no surface.
    """
    from tomotui.algorithms.curate.surfaces import mesh_of_contours, over_surface

    objects: dict[tuple[str, str], list[Contour]] = {}
    for one in contours:
        objects.setdefault((one.tomogram, one.owner), []).append(one)
    found: list[Particle] = []
    for (name, owner), mine in objects.items():
        try:
            mesh = mesh_of_contours(
                [one.points_angstrom for one in mine], rules.spacing, rules.alpha
            )
        except ValueError as error:
            raise TracingError(f"object {owner} of {name}: {error}") from error
        found += _facing(uids[name], *over_surface(mesh, rules.spacing))
    return found


def _facing(uid: str, places: object, directions: object) -> list[Particle]:
    from tomotui.geometry.poses import angles_facing
    from tomotui.records.particle_table import ParticleTable

    angles = angles_facing(directions)  # type: ignore[arg-type]
    return ParticleTable.of(uid, places, angles_deg=angles, source="curve").particles()

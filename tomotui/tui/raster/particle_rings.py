"""Particles as the circles in which a slice cuts them: how large tells how far away they are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tomotui.tui.raster.picture import Trail

Floats = NDArray[np.float64]

MOST_RINGS = 400
"""Particles that are drawn at once; those nearest to the slice."""
_TURN = np.append(np.linspace(0, 2 * np.pi, 25), np.nan)
"""Angles of a ring's corners; the last one breaks the line."""
_LEAST_SHARE = 0.25
"""Of the radius: rings of particles that are only just cut stay visible."""


def cut_by(away: Floats, radius: float, reach: float) -> NDArray[np.intp]:
    """Return which particles a slab cuts, the nearest ``MOST_RINGS`` of them.

    Parameters
    ----------
    away
        Distance of each from the slice, in voxels.
    reach
        Half the thickness of the slab.
    """
    seen = np.flatnonzero(away <= max(radius, 0.5) + reach)
    return seen[np.argsort(away[seen], kind="stable")[:MOST_RINGS]]


def ring_trails(
    rows: Floats, columns: Floats, away: Floats, radius: float, roles: Sequence[str]
) -> list[Trail]:
    """Return the circles in which a slice cuts spheres, one trail for each role.

    Parameters
    ----------
    rows, columns, away
        Places on the slice and distances from it, in voxels, ``[n]``.
    roles
        Colour role of each.
    """
    share = np.sqrt(np.clip(1 - np.square(away / radius), _LEAST_SHARE**2, 1))
    found, named = [], np.array(roles)
    for role in dict.fromkeys(roles):
        mine = named == role
        size = radius * share[mine, None]
        down = rows[mine, None] + size * np.sin(_TURN)
        across = columns[mine, None] + size * np.cos(_TURN)
        found.append(Trail(down.ravel(), across.ravel(), role))
    return found


def sign_trails(
    rows: Floats, columns: Floats, radius: float, signs: Sequence[str], roles: Sequence[str]
) -> list[Trail]:
    """Return the sign of each particle at the upper right of its place; blank ones are left out."""
    pairs = list(zip(signs, roles, strict=True))
    found = []
    for sign, role in dict.fromkeys(pairs):
        if not sign.strip():
            continue
        mine = np.array([pair == (sign, role) for pair in pairs])
        aside = 0.75 * radius
        found.append(Trail(rows[mine] - aside, columns[mine] + aside, role, sign))
    return found

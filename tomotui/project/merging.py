"""New particles into a set, beside those that are in it already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tomotui.project.project import Project
from tomotui.records import Particle


def add_apart(
    project: Project,
    set_uid: str,
    particles: Sequence[Particle],
    apart_angstrom: float,
    series_of: Mapping[str, str],
) -> int:
    """Add those particles that are not in the set yet; returns how many were left out.

    Parameters
    ----------
    apart_angstrom
        A particle nearer than this to one of the set in a tomogram of its tilt series is that
        one, whatever was decided about it.
    series_of
        Name of the tilt series of each tomogram, by the tomogram's identity.
    """
    import numpy as np
    from scipy.spatial import cKDTree

    with project.at_once():
        here = _by_series(project.particles(set_uid), series_of)
        is_new = np.ones(len(particles), dtype=bool)
        for name, numbers in _by_series(particles, series_of).items():
            if name in here:
                present = np.array([_place(one) for _, one in here[name]])
                places = np.array([_place(one) for _, one in numbers])
                distances, _ = cKDTree(present).query(places)
                is_new[[number for number, _ in numbers]] = distances >= apart_angstrom
        fresh = [one for one, new in zip(particles, is_new, strict=True) if new]
        project.add_particles(set_uid, fresh)
        return len(particles) - len(fresh)


def _by_series(
    particles: Sequence[Particle], series_of: Mapping[str, str]
) -> dict[str, list[tuple[int, Particle]]]:
    """Return the particles in each tilt series, with their numbers."""
    found: dict[str, list[tuple[int, Particle]]] = {}
    for number, one in enumerate(particles):
        found.setdefault(series_of[one.tomogram_uid], []).append((number, one))
    return found


def _place(one: Particle) -> tuple[float, float, float]:
    return (one.x_angstrom, one.y_angstrom, one.z_angstrom)

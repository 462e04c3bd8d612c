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
        here: dict[str, list[tuple[float, float, float]]] = {}
        for one in project.particles(set_uid):
            here.setdefault(series_of[one.tomogram_uid], []).append(_place(one))
        trees = {name: cKDTree(np.array(places)) for name, places in here.items()}
        fresh = []
        for particle in particles:
            tree = trees.get(series_of[particle.tomogram_uid])
            distance = np.inf if tree is None else float(tree.query(_place(particle))[0])
            if distance >= apart_angstrom:
                fresh.append(particle)
        project.add_particles(set_uid, fresh)
        return len(particles) - len(fresh)


def _place(one: Particle) -> tuple[float, float, float]:
    return (one.x_angstrom, one.y_angstrom, one.z_angstrom)

"""A small project whose particles differ: two classes and noise, and landscapes of a hinge."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.tui.maps_project import PIXEL, N, blob
from tests.tui.picks_project import make_project
from tomotui.formats.mrc import write_volume
from tomotui.geometry.mixtures import MovingMixture, RigidBodies
from tomotui.project import Project
from tomotui.records import Classification, Landscape, Map, ParticleSet

N_PARTICLES = 120
DEVIATIONS = np.array([2.0, 1.0])


def hinge() -> MovingMixture:
    """A body at rest and an arm upon it that turns about z and about y."""
    rng = np.random.default_rng(0)
    body = rng.normal(scale=18.0, size=(40, 3))
    arm = rng.normal(scale=6.0, size=(30, 3)) + np.linspace(20, 80, 30)[:, None] * (1, 0, 0)
    shares = np.repeat(np.eye(2), (40, 30), axis=0)
    modes = np.zeros((2, 2, 6))
    modes[0, 1, 2] = np.deg2rad(15.0)
    modes[1, 1, 1] = np.deg2rad(20.0)
    return MovingMixture(
        np.concatenate([body, arm]).astype(np.float32),
        np.ones(70, dtype=np.float32),
        np.full(70, 9.0, dtype=np.float32),
        RigidBodies(
            shares.astype(np.float32),
            np.zeros((2, 3), dtype=np.float32),
            modes.astype(np.float32),
        ),
    )


def coordinates(n: int = N_PARTICLES) -> np.ndarray:
    """Two groups along the first axis, one spread along the second, ``[n, 2]``."""
    rng = np.random.default_rng(3)
    found = rng.normal(size=(n, 2)) * (0.4, 1.0)
    found[:, 0] += np.where(np.arange(n) < n // 3, -2.5, 1.5)
    return found


def add_landscape(
    project: Project, of: ParticleSet, map_uid: str | None, name: str, n_motions: int
) -> Landscape:
    """Add a landscape with its file."""
    table = project.particle_table([of.uid])
    record = Landscape(
        name=name,
        method="bodies",
        particle_set_uid=of.uid,
        map_uid=map_uid,
        path=f"{name.replace(' ', '-')}.npz",
        n_coordinates=2,
        n_motions=n_motions,
        agreement=0.83,
    )
    np.savez(
        project.folder / record.path,
        uids=table.uids,
        coordinates=coordinates(len(table)),
        spread=np.full((len(table), 2), 0.3),
        halves=np.arange(len(table)) % 2,
        axes=np.eye(2),
        deviations=DEVIATIONS,
        **hinge().arrays(),  # type: ignore[arg-type]
    )
    project.add_records([record])
    return record


def add_classes(project: Project, of: ParticleSet) -> None:
    """Add two classes and one of noise, with their maps and particles."""
    table = project.particle_table([of.uid])
    n = len(table)
    labels = np.repeat((1, 2, 3), (n // 2, n // 3, n - n // 2 - n // 3))
    made = ParticleSet(name="ribosome-classes", made_by="class", parent_uid=of.uid)
    shared = {"size_xyz": (N, N, N), "pixel_size_angstrom": PIXEL, "made_by": "classify"}
    maps = []
    for number in (1, 2):
        path = f"class{number}.mrc"
        write_volume(project.folder / path, blob(40.0 * number), PIXEL)
        maps.append(
            Map(
                name=f"ribosome class {number}",
                path=path,
                particle_set_uid=made.uid,
                n_particles=int((labels == number).sum()),
                resolution_angstrom=28.0 + number,
                **shared,
            )
        )
    shares = np.array([(labels == number).mean() for number in (1, 2, 3)])
    steps = np.linspace(0, 1, 6)[:, None]
    rows = table.descendants(made.uid, classes=labels)
    record = Classification(
        name="ribosome classes",
        particle_set_uid=made.uid,
        map_uids=tuple(one.uid for one in maps),
        path="classes.npz",
        n_classes=2,
        populations=tuple(shares.tolist()),
        reproducibility=0.91,
    )
    np.savez(
        project.folder / "classes.npz",
        uids=rows.uids,
        probabilities=np.eye(3)[labels - 1] * 0.8 + 0.2 / 3,
        names=np.array(["class 1", "class 2", "noise"]),
        populations=(1 - steps) / 3 + steps * shares,
        changed=np.linspace(0.6, 0.01, 6),
        agreements=np.array([[1.0, 0.91], [0.91, 1.0]]),
    )
    project.add_records([made, *maps, record])
    project.add_particle_tables([rows])


def make_variation(place: Path, rigid: bool = False) -> None:
    """Make a project with a refined set, its map, classes and landscapes."""
    make_project(place, N_PARTICLES // 2)
    write_volume(place / "whole.mrc", blob(), PIXEL)
    with Project.open(place) as project:
        picks = project.particle_sets()[0]
        table = project.particle_table([picks.uid])
        refined = ParticleSet(
            name="ribosome-refined", made_by="refine", parent_uid=picks.uid, diameter_angstrom=200
        )
        whole = Map(
            name="ribosome",
            path="whole.mrc",
            size_xyz=(N, N, N),
            pixel_size_angstrom=PIXEL,
            particle_set_uid=refined.uid,
            made_by="refine",
        )
        angles = np.random.default_rng(1).uniform(0, 180, (len(table), 3))
        project.add_records([refined, whole])
        project.add_particle_tables([table.descendants(refined.uid, angles_deg=angles)])
        add_classes(project, refined)
        if rigid:
            add_landscape(project, refined, whole.uid, "still", 0)
        add_landscape(project, refined, whole.uid, "ribosome hinge", 2)

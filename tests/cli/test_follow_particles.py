"""Particles that go over into tomograms that were reconstructed from refined alignments."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.tui.conftest import make_series
from tomotui.geometry import TiltGeometry
from tomotui.geometry.angles import rotations_of_vectors
from tomotui.geometry.poses import directions_of_angles, matrices_of_angles
from tomotui.geometry.tilt import angles_of_projections
from tomotui.project import Project
from tomotui.records import Alignment, ParticleSet, TiltSeries, Tomogram
from tomotui.records.particle_table import ParticleTable

Call = Any

TURN = rotations_of_vectors(np.array([[0.02, 0.1, -0.05]]))[0]
SHIFT = np.array([10.0, -20.0, 150.0])


def tomogram_of(series: TiltSeries, alignment: Alignment, ctf: str | None = None) -> Tomogram:
    return Tomogram(
        series_uid=series.uid,
        alignment_uid=alignment.uid,
        ctf_uid=ctf,
        path="t.mrc",
        size_xyz=(64, 64, 32),
        pixel_size_angstrom=10.0,
        window_low=0,
        window_high=1,
    )


def alignment_of(series: TiltSeries, geometry: TiltGeometry) -> Alignment:
    return Alignment(series_uid=series.uid, tilts=geometry.to_tilt_alignments())


def geometry_of(series: TiltSeries) -> TiltGeometry:
    tilts = [tilt.nominal_tilt_deg for tilt in series.tilts]
    shifts = np.random.default_rng(1).normal(0, 30, (len(tilts), 2))
    return TiltGeometry.of(tilts, axis_deg=85.0, shift_angstrom=shifts)


def moved(geometry: TiltGeometry, turn: np.ndarray, shift: np.ndarray) -> TiltGeometry:
    matrices = geometry.projection_matrices @ turn.T
    axis, tilt, x_tilt = angles_of_projections(matrices)
    return TiltGeometry(tilt, x_tilt, axis, geometry.shift_angstrom - (matrices @ shift)[:, :2])


class World:
    """A project with picks, one of them rejected, and those refined of them, in two series."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.picks = ParticleSet(name="ring")
        with Project.create(folder) as project:
            project.add_records([self.picks])
            self.series = [make_series(name) for name in ("ts_0", "ts_1")]
            self.geometry = [geometry_of(one) for one in self.series]
            self.tomograms, self.refined_alignments = [], []
            tables = []
            for number, (series, geometry) in enumerate(
                zip(self.series, self.geometry, strict=True)
            ):
                alignment = alignment_of(series, geometry)
                tomogram = tomogram_of(series, alignment)
                project.add_records([series, alignment, tomogram])
                self.tomograms.append(tomogram)
                chance = np.random.default_rng(number)
                table = ParticleTable.of(
                    tomogram.uid,
                    chance.uniform(-250, 250, (4, 3)),
                    set_uid=self.picks.uid,
                    angles_deg=chance.uniform(0, 180, (4, 3)),
                    decision="accepted",
                )
                table.angles_deg[2, 0] = np.nan
                table.angles_deg[3] = np.nan
                tables.append(table)
            self.before = ParticleTable.joined(tables)
            project.add_particle_tables([self.before])
            project.decide([str(self.before.uids[1])], "rejected", user="anna", session="s")
            self._refine(project)

    def _refine(self, project: Project) -> None:
        for series, geometry in zip(self.series, self.geometry, strict=True):
            errors = np.random.default_rng(7).normal(0, 3.0, (geometry.n_tilts, 2))
            found = TiltGeometry(
                geometry.tilt_deg,
                geometry.x_tilt_deg,
                geometry.axis_deg,
                geometry.shift_angstrom + errors,
            )
            self.refined_alignments.append(alignment_of(series, found))
        project.add_records(self.refined_alignments)
        uids = tuple(one.uid for one in self.refined_alignments)
        self.refined = ParticleSet(
            name="ring-refined", made_by="refine", parent_uid=self.picks.uid, alignment_uids=uids
        )
        project.add_records([self.refined])
        project.add_particle_tables([self.before.descendants(self.refined.uid)])

    def reconstruct(self, number: int, alignment: Alignment) -> Tomogram:
        tomogram = tomogram_of(self.series[number], alignment)
        with Project.open(self.folder) as project:
            if project.latest("alignment", alignment.series_uid) != alignment:
                project.add_records([alignment])
            project.add_records([tomogram])
        return tomogram

    def table(self, of: ParticleSet) -> tuple[ParticleSet, ParticleTable]:
        with Project.open(self.folder) as project:
            found = project.particle_set_named(of.name)
            assert found is not None
            return found, project.particle_table([of.uid])


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "project")


def test_picks_go_over_into_the_tomogram_of_the_refined_alignment(call: Call, world: World) -> None:
    again = world.reconstruct(0, world.refined_alignments[0])
    said = call.well("particles", "follow", "ring", "-p", world.folder).out
    assert said.startswith("ts_0: 4 particles, ")
    assert "ts_1" not in said
    _, after = world.table(world.picks)
    assert after.tomogram_uids.tolist() == [again.uid] * 4 + [world.tomograms[1].uid] * 4
    assert after.uids.tolist() == world.before.uids.tolist()
    assert after.decisions.tolist() == ["accepted", "rejected"] + ["accepted"] * 6
    way = np.linalg.norm(after.positions_angstrom - world.before.positions_angstrom, axis=1)
    assert 0 < way[:4].max() < 15
    assert not way[4:].any()
    said = call.well("particles", "follow", "ring", "-p", world.folder).out
    assert said.strip() == "ring: all particles lie in the newest tomograms"


def test_refined_particles_lie_in_their_own_frame_already(call: Call, world: World) -> None:
    again = world.reconstruct(0, world.refined_alignments[0])
    told = call.well("particles", "follow", "ring-refined", "--json", "-p", world.folder).json
    assert [(one["series"], one["n_particles"], one["moved_angstrom"]) for one in told] == [
        ("ts_0", 4, 0.0)
    ]
    found, after = world.table(world.refined)
    np.testing.assert_array_equal(after.positions_angstrom, world.before.positions_angstrom)
    assert set(after.tomogram_uids[:4]) == {again.uid}
    # The tomogram tells now how they are seen; of the other series the set still does.
    assert found.alignment_uids == (world.refined_alignments[1].uid,)


def test_a_frame_that_was_centred_moves_places_and_orientations(call: Call, world: World) -> None:
    centred = alignment_of(world.series[0], moved(world.geometry[0], TURN, SHIFT))
    world.reconstruct(0, centred)
    call.well("particles", "follow", "ring", "-p", world.folder)
    _, after = world.table(world.picks)
    expected = world.before.positions_angstrom[:4] @ TURN.T + SHIFT
    np.testing.assert_allclose(after.positions_angstrom[:4], expected, atol=1e-3)
    known = matrices_of_angles(world.before.angles_deg[:2])
    np.testing.assert_allclose(matrices_of_angles(after.angles_deg[:2]), TURN @ known, atol=1e-6)
    # Of the third the direction is known, of the fourth nothing.
    assert np.isnan(after.angles_deg[[2, 3], 0]).all()
    np.testing.assert_allclose(
        directions_of_angles(after.angles_deg[2:3]),
        directions_of_angles(world.before.angles_deg[2:3]) @ TURN.T,
        atol=1e-6,
    )
    assert np.isnan(after.angles_deg[3]).all()


def test_nothing_goes_where_it_does_not_belong(call: Call, world: World) -> None:
    wrong = TiltGeometry(
        -world.geometry[0].tilt_deg * 3 + 40,
        world.geometry[0].x_tilt_deg,
        world.geometry[0].axis_deg + 90,
        world.geometry[0].shift_angstrom,
    )
    world.reconstruct(0, alignment_of(world.series[0], wrong))
    filled = world.reconstruct(1, world.refined_alignments[1])
    with Project.open(world.folder) as project:
        there = ParticleTable.of(filled.uid, [[0, 0, 0]], set_uid=world.picks.uid)
        project.add_particle_tables([there])
    said = call.well("particles", "follow", "ring", "-p", world.folder).out
    assert "ts_0: they stay, for its newest tomogram was aligned otherwise" in said
    assert "ts_1: they stay, for its newest tomogram holds 1 of them already" in said
    _, after = world.table(world.picks)
    np.testing.assert_array_equal(after.positions_angstrom[:8], world.before.positions_angstrom)
    assert (after.tomogram_uids[:8] == world.before.tomogram_uids).all()
    assert call("particles", "follow", "sphere", "-p", world.folder).code == 2

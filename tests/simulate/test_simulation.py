from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from tomotui.formats.mdoc import read_mdoc
from tomotui.formats.mrc import MrcStack, read_volume
from tomotui.formats.particles_csv import read_particles_csv
from tomotui.formats.relion_particles import read_relion_particles
from tomotui.formats.tilts import read_angles
from tomotui.records import Alignment, Ctf
from tomotui.simulate import (
    SimulationError,
    SimulationParameters,
    simulate_tilt_series,
    write_simulation,
)
from tomotui.simulate.simulation import Simulation

SMALL: dict[str, Any] = {
    "size_px": 96,
    "height_px": 80,
    "pixel_size_angstrom": 12.0,
    "tilt_step_deg": 20.0,
    "n_particles": 5,
    "n_vesicles": 1,
    "n_gold": 2,
    "crowding": 0.01,
    "seed": 3,
    "axis_error_deg": 1.0,
    "dark_tilts": (6,),
}


@pytest.fixture(scope="module")
def simulation() -> Simulation:
    return simulate_tilt_series(SimulationParameters(**SMALL, keep_noise_free=True))


@pytest.fixture(scope="module")
def folder(simulation: Simulation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("simulation")
    write_simulation(simulation, folder)
    return folder


def digests(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.iterdir())}


def test_the_same_seed_gives_the_same_bytes_and_another_one_does_not(
    folder: Path, tmp_path: Path
) -> None:
    again = SimulationParameters(**SMALL, keep_noise_free=True)
    write_simulation(simulate_tilt_series(again), tmp_path / "again")
    assert digests(tmp_path / "again") == digests(folder)
    other = SimulationParameters(**{**SMALL, "seed": 4})
    write_simulation(simulate_tilt_series(other), tmp_path / "other")
    assert digests(tmp_path / "other")["simulated.mrc"] != digests(folder)["simulated.mrc"]


def test_the_files_are_what_an_import_reads(folder: Path, simulation: Simulation) -> None:
    with MrcStack(folder / "simulated.mrc") as stack:
        assert stack.shape == (7, 80, 96)
        assert stack.pixel_size_angstrom == pytest.approx(12.0)
        assert stack.header.dtype == np.int16
        assert stack.header.is_stack
        np.testing.assert_array_equal(stack.read_all(), simulation.stack)
    assert read_angles(folder / "simulated.rawtlt") == pytest.approx([-60, -40, -20, 0, 20, 40, 60])
    mdoc = read_mdoc(folder / "simulated.mrc.mdoc")
    assert [s.tilt_deg for s in mdoc.sections] == pytest.approx([-60, -40, -20, 0, 20, 40, 60])
    prior = [t.prior_dose_e_per_a2 for t in simulation.series.tilts]
    assert prior == [18, 9, 6, 0, 3, 12, 15]


def test_the_truth_holds_the_records(folder: Path, simulation: Simulation) -> None:
    truth = json.loads((folder / "truth.json").read_text())
    assert Alignment.model_validate(truth["alignment"]) == simulation.alignment
    assert Ctf.model_validate(truth["ctf"]) == simulation.ctf
    assert SimulationParameters.model_validate(truth["parameters"]) == simulation.parameters
    assert simulation.alignment.tilts[6].excluded
    assert simulation.series.nominal_tilt_axis_deg == pytest.approx(86.3)
    assert sum(p["in_field"] for p in truth["particles"]) == 5


def test_star_and_csv_hold_the_poses_of_the_field(folder: Path) -> None:
    truth = json.loads((folder / "truth.json").read_text())
    inside = [p for p in truth["particles"] if p["in_field"]]
    names = {"simulated": "t"}
    for particles in (
        read_particles_csv(folder / "particles.csv", names),
        read_relion_particles(folder / "particles.star", names),
    ):
        assert len(particles) == 5
        for found, true in zip(particles, inside, strict=True):
            place = [found.x_angstrom, found.y_angstrom, found.z_angstrom]
            np.testing.assert_allclose(place, true["position_angstrom"], atol=0.01)
            angles = [found.rot_deg, found.tilt_deg, found.psi_deg]
            pose = Rotation.from_euler("ZYZ", angles, degrees=True).inv().as_matrix()
            np.testing.assert_allclose(pose, true["rotation"], atol=1e-4)


def test_the_volume_is_bright_where_the_particles_are(folder: Path, simulation: Simulation) -> None:
    volume, pixel = read_volume(folder / "truth_volume.mrc")
    assert pixel == pytest.approx(24.0)
    assert volume.shape == (63, 40, 48)
    shape = np.array(volume.shape)
    inside = [q for q in simulation.specimen.particles if q.in_field]
    for particle in inside:
        centre = particle.position_angstrom[::-1] / 24.0 + shape // 2
        low = np.maximum(0, np.round(centre).astype(int) - 3)
        window = volume[tuple(slice(a, a + 7) for a in low)]
        assert window.size == 0 or window.max() > 1.0


def test_volume_and_maps_share_orientation_and_scale() -> None:
    alone = SimulationParameters(
        size_px=96, pixel_size_angstrom=6.0, tilt_step_deg=60.0, n_particles=1, n_vesicles=0,
        species=("ribosome",), thickness_angstrom=500.0, truth_binning=1,
    )  # fmt: skip
    made = simulate_tilt_series(alone)
    particle = next(q for q in made.specimen.particles if q.in_field)
    assert made.volume is not None
    template = made.specimen.templates[0]
    z, y, x = (np.indices(made.volume.shape).astype(float) - 0).reshape(3, -1)
    centre = np.array(made.volume.shape[::-1]) // 2
    points = np.stack([x, y, z], axis=-1) - centre
    points = points * 6.0 - particle.position_angstrom
    reference = points @ particle.rotation / 6.0 + template.potential_v.shape[0] // 2
    near = (np.abs(points) < 60).all(axis=1)
    nearest = np.round(reference[near]).astype(int)
    sampled = template.potential_v[nearest[:, 2], nearest[:, 1], nearest[:, 0]]
    found = made.volume.reshape(-1)[near]
    assert np.corrcoef(sampled, found)[0, 1] > 0.75
    assert found.mean() == pytest.approx(sampled.mean(), rel=0.05)


def test_noise_free_counts_are_the_mean_of_the_counts(simulation: Simulation) -> None:
    assert simulation.noise_free is not None
    for i in (0, 3):
        difference = simulation.stack[i] - simulation.noise_free[i]
        deviation = float(simulation.noise_free[i].std())
        assert abs(difference.mean()) < 5 * np.sqrt(simulation.noise_free[i].mean() / 7680)
        assert deviation > 1


def test_progress_is_told_and_may_stop(tmp_path: Path) -> None:
    told: list[float] = []

    def stop(fraction: float, message: str) -> None:
        told.append(fraction)
        if "image 3" in message:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate_tilt_series(SimulationParameters(**SMALL), stop)
    assert told == sorted(told)
    assert len(told) == 4


def test_an_existing_stack_is_not_overwritten(folder: Path, simulation: Simulation) -> None:
    before = digests(folder)
    with pytest.raises(SimulationError, match="exists already"):
        write_simulation(simulation, folder)
    assert digests(folder) == before


def test_a_folder_that_cannot_be_made_is_named(simulation: Simulation, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SimulationError, match="file"):
        write_simulation(simulation, tmp_path / "file" / "below")

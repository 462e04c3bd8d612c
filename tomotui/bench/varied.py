"""Particles that differ: hinges at five angles and proteasomes, whose poses are known."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tomotui.bench.scenes import Scene, Tell
from tomotui.formats.relion_writing import write_relion
from tomotui.geometry.poses import angles_of_matrices
from tomotui.records import Particle, new_uid
from tomotui.simulate import SimulationParameters, simulate_tilt_series, write_simulation
from tomotui.simulate.shapes import SHAPES

if TYPE_CHECKING:
    from pathlib import Path

    from tomotui.simulate import Simulation

Array = NDArray[np.float64]

VARIED = "varied"
ANGLES_DEG = (-24.0, -12.0, 0.0, 12.0, 24.0)
"""By which the arm of a hinge is turned; the species after these is the proteasome."""
HINGE_DIAMETER_ANGSTROM = 280.0

VARIED_SERIES = SimulationParameters(
    name=VARIED,
    seed=9,
    size_px=220,
    pixel_size_angstrom=12.0,
    thickness_angstrom=800.0,
    tilt_step_deg=8.0,
    dose_e_per_a2=8.0,
    shift_min_angstrom=0.0,
    n_particles=60,
    species=(*(f"hinge@{angle:g}:2" for angle in ANGLES_DEG), "proteasome:5"),
    n_vesicles=0,
    truth_binning=0,
)


@dataclass(frozen=True)
class Varied:
    """The series of these particles, and what is true of them."""

    folder: Path
    simulation: Simulation

    @property
    def stack(self) -> Path:
        """The stack."""
        return self.folder / "files" / f"{VARIED}.mrc"

    @property
    def known_geometry(self) -> Path:
        """True alignment and CTF."""
        return self.folder / "known" / "aligned_tilt_series.star"

    @cached_property
    def _particles(self) -> list[Any]:
        return [one for one in self.simulation.specimen.particles if one.in_field]

    @property
    def species(self) -> NDArray[np.int64]:
        """Number of the species of each particle of the field, ``[n]``."""
        return np.array([one.species for one in self._particles])

    @property
    def is_hinge(self) -> NDArray[np.bool_]:
        """Which particles of the field are hinges, ``[n]``."""
        return self.species < len(ANGLES_DEG)

    def records(self, tomogram_uid: str, which: NDArray[np.bool_]) -> list[Particle]:
        """Return chosen particles of the field as they lie; hinges with one frame for all angles.

        The simulator puts the middle of every conformer at its place: where that lies in the frame
        of the body is taken back. Halves are dealt out, so that each run comes to the same.
        """
        middles = [SHAPES["hinge"](angle).protein.mean(axis=0) for angle in ANGLES_DEG]
        middles.append(np.zeros(3))
        found = []
        for number in np.flatnonzero(which).tolist():
            one = self._particles[number]
            at = one.position_angstrom - one.rotation @ middles[one.species]
            rot, tilt, psi = angles_of_matrices(one.rotation[None])[0].tolist()
            x, y, z = at.tolist()
            found.append(
                Particle(
                    uid=new_uid(),
                    tomogram_uid=tomogram_uid,
                    x_angstrom=x,
                    y_angstrom=y,
                    z_angstrom=z,
                    rot_deg=rot,
                    tilt_deg=tilt,
                    psi_deg=psi,
                    half=number % 2,
                )
            )
        return found


def make_varied(scene: Scene, tell: Tell) -> Varied:
    """Simulate the series and write it; only where variation is to be judged."""
    tell("simulating particles that differ")
    simulation = simulate_tilt_series(VARIED_SERIES)
    varied = Varied(scene.folder / VARIED, simulation)
    write_simulation(simulation, varied.folder / "files")
    known = simulation.series.replace(stack_path=str(varied.stack))
    write_relion(varied.folder / "known", [(known, simulation.alignment, simulation.ctf)])
    return varied

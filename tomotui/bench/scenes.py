"""The small series that stages are judged on, and the project that holds them.

One crowded field of ribosomes and a vesicle is taken in twice: as a microscope would leave it, for
what finds the geometry and the CTF, and with both as they truly are, for what comes after. Then
one stage that fails does not spoil what is said of the next, and places can be compared without a
change of frame. A few movies of a smaller field serve motion correction, and a few images with
finer pixels the CTF.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tomotui.formats.relion_writing import write_relion
from tomotui.simulate import (
    SimulationParameters,
    simulate_tilt_series,
    write_movie_series,
    write_simulation,
)

if TYPE_CHECKING:
    from tomotui.records import Ctf
    from tomotui.simulate import Simulation

RAW, KNOWN, MOVIES, RINGS = "raw", "known", "movies", "rings"
SPECIES = "ribosome"
DIAMETER_ANGSTROM = 270.0
N_FRAMES = 6

SERIES = SimulationParameters(
    name=RAW,
    seed=7,
    size_px=192,
    pixel_size_angstrom=8.0,
    thickness_angstrom=1000.0,
    tilt_step_deg=4.0,
    dose_e_per_a2=4.0,
    axis_deg=77.0,
    n_particles=24,
    species=(SPECIES,),
    n_vesicles=1,
    truth_binning=3,
)
MOVIE_SERIES = SimulationParameters(
    name=MOVIES,
    seed=8,
    size_px=384,
    pixel_size_angstrom=4.0,
    thickness_angstrom=800.0,
    tilt_min_deg=-20.0,
    tilt_max_deg=20.0,
    tilt_step_deg=20.0,
    n_particles=25,
    n_vesicles=0,
    ice_noise=0.0,
    truth_binning=0,
)
RINGS_SERIES = SimulationParameters(
    name=RINGS,
    seed=10,
    size_px=512,
    pixel_size_angstrom=3.0,
    thickness_angstrom=600.0,
    tilt_min_deg=-30.0,
    tilt_max_deg=30.0,
    tilt_step_deg=10.0,
    dose_e_per_a2=6.0,
    n_particles=25,
    n_vesicles=0,
    truth_binning=0,
)
"""Pixels fine enough for rings: at those of the other series a CTF cannot be measured."""

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Scene:
    """The simulated files and their truth.

    Attributes
    ----------
    folder
        Holds everything, the project in its folder ``project``.
    """

    folder: Path
    simulation: Simulation

    @property
    def project_folder(self) -> Path:
        """Where the project is."""
        return self.folder / "project"

    @property
    def stack(self) -> Path:
        """The stack of both series."""
        return self.folder / "files" / f"{RAW}.mrc"

    @property
    def known_geometry(self) -> Path:
        """True alignment and CTF, for the import of the known series."""
        return self.folder / "known" / "aligned_tilt_series.star"

    @property
    def species_map(self) -> Path:
        """The particle as it is, protein bright."""
        return self.folder / "files" / f"species_1_{SPECIES}.mrc"

    @property
    def true_volume(self) -> Path:
        """The specimen as it is, protein bright."""
        return self.folder / "files" / "truth_volume.mrc"

    @property
    def movies(self) -> Path:
        """The folder of the movies."""
        return self.folder / "movies"


def make_scene(parent: Path | None, tell: Tell) -> Scene:
    """Simulate the series and write them, in a new folder."""
    folder = Path(tempfile.mkdtemp(prefix="tomotui-bench-", dir=parent))
    try:
        tell("simulating a tilt series")
        simulation = simulate_tilt_series(SERIES)
        scene = Scene(folder, simulation)
        write_simulation(simulation, folder / "files")
        known = simulation.series.replace(stack_path=str(scene.stack))
        write_relion(folder / "known", [(known, simulation.alignment, simulation.ctf)])
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return scene


def make_movies(scene: Scene, tell: Tell) -> None:
    """Write the movies; only where motion is to be judged."""
    tell("simulating movies")
    simulation = simulate_tilt_series(MOVIE_SERIES)
    write_movie_series(simulation, scene.movies, N_FRAMES)


def make_rings(scene: Scene, tell: Tell) -> tuple[Path, Path, Ctf]:
    """Write the series that the CTF is measured on; only where that is to be judged.

    Returns
    -------
    The stack, the file of its true alignment, and its true CTF.
    """
    tell("simulating images with rings")
    simulation = simulate_tilt_series(RINGS_SERIES)
    stack = write_simulation(simulation, scene.folder / RINGS)[0]
    series = simulation.series.replace(stack_path=str(stack))
    known = scene.folder / f"{RINGS}-known"
    write_relion(known, [(series, simulation.alignment, simulation.ctf)])
    return stack, known / scene.known_geometry.name, simulation.ctf

"""The scenes that alignments are measured on: simulated series with known truth.

All but the SHREC-like one are 720 x 720 x 41 at 6 A/px and 3 e/A^2 per tilt; every scene has a
random tilt axis that the program is not told, shifts of 30 A rms plus a random walk of 20 A a
step in the order of time, and 0.05 degrees of tilt jitter.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import mrcfile
import numpy as np

from tomotui.records import RECORD, Alignment
from tomotui.simulate import SimulationParameters, simulate_tilt_series, write_simulation

COMMON: dict[str, Any] = {
    "shift_min_angstrom": 0.0,
    "shift_max_angstrom": 0.0,
    "shift_rms_angstrom": 30.0,
    "shift_walk_angstrom": 20.0,
    "tilt_jitter_deg": 0.05,
    "n_particles": 150,
    "n_vesicles": 3,
    "crowding": 0.1,
    "truth_binning": 0,
}
SHREC: dict[str, Any] = {
    "size_px": 512,
    "pixel_size_angstrom": 10.0,
    "thickness_angstrom": 1800.0,
    "tilt_step_deg": 2.0,
    "dose_e_per_a2": 1.6,
}


class Scene(NamedTuple):
    """A kind of series.

    Attributes
    ----------
    parameters
        Of the simulation, beside the common ones.
    target_px
        Most RMS projection error: of the median of the seeds, and of the worst one.
    spoil
        What happens to the files after the simulation; takes the stack, the file of the tilts,
        the seed, and the truth, and returns what is true afterwards.
    """

    parameters: dict[str, Any]
    target_px: tuple[float, float]
    spoil: Callable[[Path, Path, int, Alignment], Alignment] | None = None


def _lost_field(stack: Path, tilts: Path, seed: int, truth: Alignment) -> Alignment:
    """Let the stage drift so far in the last eight images that a quarter of the field is lost."""
    with mrcfile.open(stack, "r+") as file:
        data = file.data
        side = data.shape[2] // 4
        for tilt in range(len(data) - 8, len(data)):
            data[tilt, :, :-side] = data[tilt, :, side:]
            data[tilt, :, -side:] = np.median(data[tilt])
        drift = side * float(file.voxel_size.x)
        first = len(data) - 8
    moved = [
        tilt.replace(shift_x_angstrom=tilt.shift_x_angstrom - drift * (tilt.index >= first))
        for tilt in truth.tilts
    ]
    return truth.replace(tilts=moved)


def _missing_tilts(stack: Path, tilts: Path, seed: int, truth: Alignment) -> Alignment:
    """Take ten images away, and the mdoc, which still tells of them."""
    stack.with_name(f"{stack.name}.mdoc").unlink()
    with mrcfile.open(stack) as file:
        data, pixel = file.data.copy(), file.voxel_size.copy()
    angles = np.loadtxt(tilts)
    kept = np.sort(np.random.default_rng(seed).choice(len(data), len(data) - 10, replace=False))
    with mrcfile.new(stack, data[kept], overwrite=True) as file:
        file.voxel_size = pixel
        file.set_image_stack()
    np.savetxt(tilts, angles[kept], fmt="%.2f")
    return truth.replace(tilts=[truth.tilts[old].replace(index=i) for i, old in enumerate(kept)])


def _wrong_sign(stack: Path, tilts: Path, seed: int, truth: Alignment) -> Alignment:
    np.savetxt(tilts, -np.loadtxt(tilts), fmt="%.2f")
    return truth


def _outliers(stack: Path, tilts: Path, seed: int, truth: Alignment) -> Alignment:
    """Put X-rays and dead pixels into every image."""
    chance = np.random.default_rng(seed)
    with mrcfile.open(stack, "r+") as file:
        for image in file.data:
            rows, columns = (chance.integers(0, side, 200) for side in image.shape)
            image[rows, columns] = chance.choice([0, 30_000, 5_000, 3_000], 200)
    return truth


SCENES: dict[str, Scene] = {
    "crowded": Scene({}, (0.25, 0.6)),
    "gold": Scene({"n_gold": 12}, (0.12, 0.6)),
    "deformed": Scene({"deformation_angstrom": 20.0}, (0.4, 1.0)),
    "shrec": Scene(SHREC, (0.1, 0.6)),
    "field-lost": Scene({}, (1.0, 1.0), _lost_field),
    "dark-tilts": Scene({"dark_tilts": (4, 19, 33)}, (1.0, 1.0)),
    "missing-tilts": Scene({}, (1.0, 1.0), _missing_tilts),
    "tilt-offset": Scene({"tilt_offset_deg": 12.0, "tilt_min_deg": -54.0}, (1.0, 1.0)),
    "wrong-sign": Scene({}, (1.0, 1.0), _wrong_sign),
    "oblong": Scene({"height_px": 512}, (1.0, 1.0)),
    "outliers": Scene({}, (1.0, 1.0), _outliers),
    "half-dose": Scene({"dose_e_per_a2": 1.5}, (1.0, 1.0)),
}


class Case(NamedTuple):
    """One simulated series on disk, with its truth."""

    stack: Path
    tilts: Path
    truth: Alignment
    parameters: SimulationParameters


def make_case(name: str, seed: int, folder: Path) -> Case:
    """Simulate a scene, or take it from the folder where it was made before."""
    scene = SCENES[name]
    axis = float(np.random.default_rng(1000 + seed).uniform(-90, 90))
    parameters = SimulationParameters(
        name=f"{name}-{seed}", seed=seed, axis_deg=axis, **(COMMON | scene.parameters)
    )
    place = folder / parameters.name
    stack, tilts = (place / f"{parameters.name}.{end}" for end in ("mrc", "rawtlt"))
    truth_file = place / "alignment.json"
    if not truth_file.exists():
        simulation = simulate_tilt_series(parameters)
        write_simulation(simulation, place)
        truth = simulation.alignment
        if scene.spoil is not None:
            truth = scene.spoil(stack, tilts, seed, truth)
        truth_file.write_text(truth.model_dump_json(), encoding="utf-8")
    truth = RECORD.validate_json(truth_file.read_bytes())
    return Case(stack, tilts, truth, parameters)

"""Writing a simulation: a stack as a microscope leaves it, and the truth beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

import tomotui
from tomotui.formats.mdoc_writing import write_mdoc
from tomotui.formats.mrc import write_stack, write_volume
from tomotui.formats.particles_csv import write_particles_csv
from tomotui.formats.relion_particles import write_relion_particles
from tomotui.formats.tilts import write_angles
from tomotui.records import Particle
from tomotui.simulate.parameters import SimulationError
from tomotui.simulate.simulation import Simulation


def write_simulation(simulation: Simulation, folder: Path | str) -> list[Path]:
    """Write a simulation into a folder.

    ``NAME.mrc``, ``NAME.mrc.mdoc`` and ``NAME.rawtlt`` are what an import takes; the rest is
    truth: ``truth.json``, ``particles.star`` and ``particles.csv`` (those in the field),
    ``truth_volume.mrc`` and ``species_*.mrc`` (volts above ice: protein bright), and
    ``NAME_noise_free.mrc`` when it was kept. The same simulation gives the same bytes.

    Returns
    -------
    The paths written, the stack first.

    Raises
    ------
    SimulationError
        When the folder cannot be written or already holds a stack of that name.
    FormatError
        When the disk is full.
    """
    folder = Path(folder)
    stack = folder / simulation.series.stack_path
    if stack.exists():
        raise SimulationError(f"{stack} exists already; choose another folder or name")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # The stack appears last: a folder with a stack has its truth as well.
        paths = [*_write_truth(simulation, folder), *_write_volumes(simulation, folder)]
        mdoc, rawtlt = folder / f"{stack.name}.mdoc", stack.with_suffix(".rawtlt")
        write_mdoc(mdoc, simulation.series, simulation.parameters.output_type)
        write_angles(rawtlt, [t.nominal_tilt_deg for t in simulation.series.tilts])
        parameters = simulation.parameters
        write_stack(stack, simulation.stack, parameters.pixel_size_angstrom, parameters.output_type)
    except OSError as error:
        raise SimulationError(f"{folder} cannot be written: {error.strerror or error}") from error
    return [stack, mdoc, rawtlt, *paths]


def truth(simulation: Simulation) -> dict[str, Any]:
    """Return everything that is true about a simulation, ready for JSON."""
    specimen, acquisition = simulation.specimen, simulation.acquisition
    deformation = acquisition.deformation
    return {
        "program": "tomotui",
        "version": tomotui.__version__,
        "conventions": {
            "points": "x, y, z in Angstrom from the specimen's centre",
            "projection": "q = Ry(tilt) Rx(x_tilt) p; image = Rz(axis) q_xy + shift, Angstrom "
            "from pixel n // 2; depth = q_z; defocus = defocus_i + handedness * depth",
            "rotation": "x_tomogram = rotation @ x_reference + position",
            "euler": "RELION rot, tilt, psi: intrinsic ZYZ of the inverse of rotation",
            "astigmatism": "defocus U lies along astigmatism_angle, from +x towards +y",
            "volumes": "volts above the potential of ice; protein is bright",
            "stack": "electrons; protein is dark",
        },
        "parameters": simulation.parameters.model_dump(mode="json"),
        "series": simulation.series.model_dump(mode="json"),
        "alignment": simulation.alignment.model_dump(mode="json"),
        "ctf": simulation.ctf.model_dump(mode="json"),
        "deformation": None
        if deformation is None
        else {
            "control_angstrom": deformation.control_angstrom.tolist(),
            "half_extent_angstrom": list(deformation.half_extent_angstrom),
            "n_tilts": deformation.n_tilts,
        },
        "species": [
            {
                "name": t.name,
                "radius_angstrom": t.radius_angstrom,
                "mass_kda": t.mass_kda,
                "map": species_file(i, t.name),
            }
            for i, t in enumerate(specimen.templates)
        ],
        "particles": _particle_table(simulation),
        "gold": {
            "diameter_angstrom": specimen.gold_diameter_angstrom,
            "positions_angstrom": specimen.gold_angstrom.tolist(),
        },
        "vesicles": [
            {
                "position_angstrom": v.position_angstrom.tolist(),
                "radius_angstrom": v.radius_angstrom,
            }
            for v in specimen.vesicles
        ],
        "truth_volume": {
            "file": "truth_volume.mrc" if simulation.volume is not None else None,
            "pixel_size_angstrom": simulation.volume_pixel_size_angstrom,
        },
    }


def species_file(number: int, name: str) -> str:
    """Return the file name of a species' map."""
    safe = "".join(c if c.isalnum() or c in "-_" else "_" for c in name)
    return f"species_{number + 1}_{safe}.mrc"


def relion_euler_deg(rotation: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return RELION's (rot, tilt, psi) of poses ``[n, 3, 3]``, shape ``[n, 3]``."""
    inverse = Rotation.from_matrix(np.swapaxes(rotation, -1, -2))
    return np.asarray(inverse.as_euler("ZYZ", degrees=True), dtype=np.float64)


def particle_records(simulation: Simulation) -> list[Particle]:
    """Return the particles of the field as records; the class is the species, from 1."""
    uid = simulation.series.uid
    rows = [row for row in _particle_table(simulation) if row["in_field"]]
    return [
        Particle(
            uid=f"{uid[:8]}{i:08x}",
            tomogram_uid=uid,
            x_angstrom=row["position_angstrom"][0],
            y_angstrom=row["position_angstrom"][1],
            z_angstrom=row["position_angstrom"][2],
            rot_deg=row["euler_deg"][0],
            tilt_deg=row["euler_deg"][1],
            psi_deg=row["euler_deg"][2],
            class_number=row["species_number"],
        )
        for i, row in enumerate(rows)
    ]


def _particle_table(simulation: Simulation) -> list[dict[str, Any]]:
    particles = simulation.specimen.particles
    if not particles:
        return []
    euler = relion_euler_deg(np.array([p.rotation for p in particles]))
    return [
        {
            "species": simulation.specimen.templates[p.species].name,
            "species_number": p.species + 1,
            "position_angstrom": p.position_angstrom.tolist(),
            "euler_deg": e.tolist(),
            "rotation": p.rotation.tolist(),
            "in_field": p.in_field,
        }
        for p, e in zip(particles, euler, strict=True)
    ]


def _write_truth(simulation: Simulation, folder: Path) -> list[Path]:
    particles = particle_records(simulation)
    names = {simulation.series.uid: simulation.series.name}
    csv, star, json_path = (
        folder / name for name in ("particles.csv", "particles.star", "truth.json")
    )
    write_particles_csv(csv, particles, names)
    write_relion_particles(star, particles, names)
    _remove_comments(star)
    text = json.dumps(truth(simulation), indent=1) + "\n"
    temporary = json_path.with_suffix(".json.partial")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(json_path)
    return [json_path, star, csv]


def _remove_comments(star: Path) -> None:
    """Take out the comment with the time of writing, so that the same truth is the same file."""
    lines = star.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if not line.startswith("#")]
    star.write_text("\n".join(kept).strip() + "\n", encoding="utf-8")


def _write_volumes(simulation: Simulation, folder: Path) -> list[Path]:
    paths = []
    pixel = simulation.parameters.pixel_size_angstrom
    for i, template in enumerate(simulation.specimen.templates):
        paths.append(folder / species_file(i, template.name))
        write_volume(paths[-1], template.potential_v, pixel, labels=["volts above ice"])
    if simulation.volume is not None:
        paths.append(folder / "truth_volume.mrc")
        write_volume(
            paths[-1],
            simulation.volume,
            simulation.volume_pixel_size_angstrom,
            labels=["volts above ice; protein bright"],
        )
    if simulation.noise_free is not None:
        paths.append(folder / f"{simulation.series.name}_noise_free.mrc")
        write_stack(paths[-1], simulation.noise_free, pixel)
    return paths

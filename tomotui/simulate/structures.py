"""Particles from atomic models: their electrostatic potential in ice."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any

import gemmi
import numpy as np

from tomotui.simulate.optics import ICE_POTENTIAL_V
from tomotui.simulate.parameters import SimulationError
from tomotui.simulate.scatterers import Array, FormFactor, Matter, Scatterers, Template, sample
from tomotui.simulate.shapes import SHAPES, shape

VOLT_A2 = 47.87801
"""Potential of a scattering factor: h^2 / (2 pi m e) in V A^2."""

B_FACTOR_A2 = 40.0
"""Thermal motion and disorder of all atoms."""

EXCLUDED_VOLUME_A3 = {"H": 5.15, "C": 16.44, "N": 2.49, "O": 9.13, "P": 5.73, "S": 19.86}
"""Volume of ice that an atom displaces (Fraser, MacRae and Suzuki 1978)."""

_OTHER_VOLUME_A3 = 10.0
_HYDROGEN_DA = 1.008
_SOLVENT_NAMES = {"HOH", "WAT", "DOD", "H2O"}


def template(name: str, pixel_size_angstrom: float) -> Template:
    """Return the potential of a generated shape or of an atomic model in a file.

    Parameters
    ----------
    name
        A shape such as ``ribosome`` or ``hinge@20``, or the path of a PDB or mmCIF file.

    Raises
    ------
    SimulationError
        When there is neither such a shape nor such a file, or the file has no atoms.
    """
    path = Path(name)
    if path.is_file():
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        return _sampled_file(str(path), content, pixel_size_angstrom)
    if name.partition("@")[0] not in SHAPES:
        raise SimulationError(
            f"species {name!r} is neither a file nor a generated shape; "
            f"the shapes are {', '.join(sorted(SHAPES))}"
        )
    return _sampled_shape(name, pixel_size_angstrom)


@lru_cache(maxsize=32)
def _sampled_shape(name: str, pixel_size_angstrom: float) -> Template:
    return sample(shape(name), name, pixel_size_angstrom)


@lru_cache(maxsize=16)
def _sampled_file(path: str, content: str, pixel_size_angstrom: float) -> Template:
    """Sample a file; ``content`` makes a changed file a different one."""
    name = Path(path).name.split(".")[0]
    return sample(read_matter(Path(path)), name, pixel_size_angstrom)


def read_matter(path: Path) -> Matter:
    """Read the biological assembly of a PDB or mmCIF file.

    Solvent and second conformers are left out. Hydrogens that the file does not have are
    counted from the residues and sit on the residue's carbons.

    Raises
    ------
    SimulationError
        When the file cannot be read or has no atoms.
    """
    try:
        structure = gemmi.read_structure(str(path))
    except (RuntimeError, ValueError, OSError) as error:
        raise SimulationError(f"{path}: not a readable PDB or mmCIF file ({error})") from error
    if len(structure) == 0:
        raise SimulationError(f"{path}: holds no atoms; give a PDB or mmCIF coordinate file")
    model = structure[0]
    if structure.assemblies:
        naming = gemmi.HowToNameCopiedChain.Short
        model = gemmi.make_assembly(structure.assemblies[0], model, naming)
    positions, weights, mass = _collect(model)
    if not positions:
        raise SimulationError(f"{path}: holds no atoms; give a PDB or mmCIF coordinate file")
    # The potential of one element is summed over a fixed order, so that it never varies.
    names = sorted(positions)
    everything = np.concatenate([positions[n] for n in names])
    masses = np.concatenate(
        [weights[n] * gemmi.Element(n).weight for n in names if len(positions[n])]
    )
    centre = (everything * masses[:, None]).sum(axis=0) / masses.sum()
    groups = tuple(
        Scatterers(np.asarray(positions[n]) - centre, np.asarray(weights[n]), _atom_form(n))
        for n in names
    )
    return Matter(groups, mass / 1e3)


def _collect(model: Any) -> tuple[dict[str, Any], dict[str, Any], float]:
    """Return positions and occupancies by element, and the mass in Dalton."""
    positions: dict[str, list] = {}
    weights: dict[str, list] = {}
    for chain in model:
        for residue in chain:
            if residue.name in _SOLVENT_NAMES:
                continue
            atoms = [a for a in residue if a.altloc in ("\0", "A")]
            for atom in atoms:
                positions.setdefault(atom.element.name, []).append(atom.pos.tolist())
                weights.setdefault(atom.element.name, []).append(1.0)
            _add_hydrogens(residue, atoms, positions, weights)
    arrays = {n: np.array(p, dtype=np.float64) for n, p in positions.items()}
    counts = {n: np.array(w, dtype=np.float64) for n, w in weights.items()}
    mass = sum(float(w.sum()) * gemmi.Element(n).weight for n, w in counts.items())
    return arrays, counts, mass


def _add_hydrogens(residue: Any, atoms: list, positions: dict, weights: dict) -> None:
    """Put the hydrogens that a residue must have, and the file lacks, on its carbons."""
    carbons = [a for a in atoms if a.element.name == "C"]
    if not carbons or any(a.element.name in ("H", "D") for a in atoms):
        return
    known = gemmi.find_tabulated_residue(residue.name)
    # Two hydrogens left with the water when the residue joined its chain.
    count = known.hydrogen_count - 2 if known.hydrogen_count > 2 else len(carbons)
    complete = known.hydrogen_count > 2 and len(atoms) > 3
    share = (count if complete else len(carbons)) / len(carbons)
    for atom in carbons:
        positions.setdefault("H", []).append(atom.pos.tolist())
        weights.setdefault("H", []).append(share)


def _atom_form(element: str) -> FormFactor:
    """Return an atom's potential minus that of the ice it displaces (Peng 1999 Gaussians)."""
    coefficients = gemmi.Element(element).c4322
    a, b = list(coefficients.a), list(coefficients.b)
    if not any(a):
        carbon = gemmi.Element("C").c4322
        a, b = list(carbon.a), list(carbon.b)
    volume = EXCLUDED_VOLUME_A3.get(element, _OTHER_VOLUME_A3)

    def form(k2: Array) -> Array:
        atom = sum(ai * np.exp(-(bi + B_FACTOR_A2) * k2 / 4) for ai, bi in zip(a, b, strict=True))
        ice = ICE_POTENTIAL_V * volume * np.exp(-np.pi * volume ** (2 / 3) * k2)
        return np.asarray(VOLT_A2 * atom - ice * np.exp(-B_FACTOR_A2 * k2 / 4))

    return form

"""Atomic models: the atoms of a PDB or mmCIF file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gemmi
import numpy as np
from numpy.typing import NDArray

from tomotui.formats.errors import FormatError

Atoms = dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]
"""By element: positions in Angstrom ``[n, 3]``, (x, y, z), and occupancies ``[n]``."""

SUFFIXES = (".pdb", ".ent", ".cif", ".mmcif")
"""Ends of the names of atomic models; ``.gz`` may follow."""

_SOLVENT_NAMES = {"HOH", "WAT", "DOD", "H2O"}


def is_structure(path: Path) -> bool:
    """Tell by its name whether a file holds an atomic model."""
    name = path.name.lower().removesuffix(".gz")
    return name.endswith(SUFFIXES)


def read_atoms(path: Path) -> Atoms:
    """Read the biological assembly of a PDB or mmCIF file.

    Solvent and second conformers are left out. Hydrogens that the file does not have are
    counted from the residues and sit on the residue's carbons.

    Raises
    ------
    FormatError
        When the file cannot be read or has no atoms.
    """
    try:
        structure = gemmi.read_structure(str(path))
    except (RuntimeError, ValueError, OSError, LookupError) as error:
        raise FormatError(f"{path}: not a readable PDB or mmCIF file ({error})") from error
    no_atoms = f"{path}: holds no atoms; give a PDB or mmCIF coordinate file"
    if len(structure) == 0:
        raise FormatError(no_atoms)
    model = structure[0]
    if structure.assemblies:
        naming = gemmi.HowToNameCopiedChain.Short
        model = gemmi.make_assembly(structure.assemblies[0], model, naming)
    try:
        atoms = _collect(model)
    except UnicodeDecodeError as error:
        raise FormatError(f"{path}: holds names that are no text ({error})") from error
    if not atoms:
        raise FormatError(no_atoms)
    return atoms


def _collect(model: Any) -> Atoms:
    positions: dict[str, list[Any]] = {}
    weights: dict[str, list[float]] = {}
    for chain in model:
        for residue in chain:
            if residue.name in _SOLVENT_NAMES:
                continue
            atoms = [a for a in residue if a.altloc in ("\0", "A")]
            for atom in atoms:
                positions.setdefault(atom.element.name, []).append(atom.pos.tolist())
                weights.setdefault(atom.element.name, []).append(1.0)
            _add_hydrogens(residue, atoms, positions, weights)
    return {n: (np.array(p, dtype=np.float64), np.array(weights[n])) for n, p in positions.items()}


def _add_hydrogens(
    residue: Any, atoms: list[Any], positions: dict[str, list[Any]], weights: dict[str, list[float]]
) -> None:
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


def atom_positions(path: Path) -> NDArray[np.float64]:
    """Return where the atoms of the first model of a file are, Angstrom, ``[n, 3]``.

    Raises
    ------
    FormatError
        When the file cannot be read or has no atoms.
    """
    model = _first_model(path)
    return np.array([one.atom.pos.tolist() for one in model.all()])


def write_moved_models(path: Path, shifts: Sequence[Any], target: Path) -> None:
    """Write a PDB file with one model for each set of shifts of a file's atoms.

    Parameters
    ----------
    path
        Of the file with the atoms.
    shifts
        Angstrom, ``[n, 3]`` each, in the order of `atom_positions`.
    target
        Where to write.

    Raises
    ------
    FormatError
        When a file cannot be read or written.
    """
    first = _first_model(path)
    moved = gemmi.Structure()
    for number, shift in enumerate(shifts, start=1):
        model = first.clone()
        model.num = number
        for one, (x, y, z) in zip(model.all(), np.asarray(shift, dtype=float), strict=True):
            one.atom.pos += gemmi.Position(x, y, z)
        moved.add_model(model)
    try:
        moved.write_pdb(str(target))
    except (RuntimeError, ValueError, OSError, LookupError) as error:
        raise FormatError(f"{target}: cannot be written ({error})") from error


def _first_model(path: Path) -> Any:
    try:
        structure = gemmi.read_structure(str(path))
    except (RuntimeError, ValueError, OSError, LookupError) as error:
        raise FormatError(f"{path}: not a readable PDB or mmCIF file ({error})") from error
    if len(structure) == 0 or structure[0].count_atom_sites() == 0:
        raise FormatError(f"{path}: holds no atoms; give a PDB or mmCIF coordinate file")
    structure.shorten_chain_names()
    return structure[0]

"""Structures that vary: subunits, hinges and spikes, as files of pseudo-atoms.

A pseudo-atom is as heavy as some thirteen atoms: at 8 A/px nobody can tell, and files stay small.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import gemmi
import numpy as np
from numpy.typing import NDArray

from tomotui.geometry.angles import rotations_of_vectors

Array = NDArray[np.float64]
STRUCTURES = Path(__file__).parents[3] / "shared" / "data" / "structures"
RIBOSOME = STRUCTURES / "4v5d_ribosome70s.cif.gz"

ATOMS_EACH = 13
PSEUDO_ATOM = "U"
RATCHET_AXIS = np.array([0.35, 0.87, 0.35])
SWIVEL_AXIS = np.array([-0.9, 0.2, 0.39])


@lru_cache(maxsize=1)
def ribosome() -> tuple[Array, NDArray[np.int64]]:
    """Return every thirteenth heavy atom of the 70S and its body: 0 for 50S and ligands, 1 for 30S.

    Positions are about the centre of all of them, Angstrom.
    """
    structure = gemmi.read_structure(str(RIBOSOME))
    structure.setup_entities()
    number_of = {}
    for entity in structure.entities:
        for subchain in entity.subchains:
            number_of[subchain] = int(entity.name) if entity.name.isdigit() else 99
    small, places = [], []
    for chain in structure[0]:
        for residue in chain:
            number = number_of.get(residue.subchain, 99)
            for atom in residue:
                if atom.element.name == "H" or number > 56:
                    continue
                places.append(atom.pos.tolist())
                small.append(number <= 21)
    found = np.array(places)[::ATOMS_EACH]
    return found - found.mean(axis=0), np.array(small, dtype=np.int64)[::ATOMS_EACH]


def hinged(angles_deg: tuple[float, float]) -> Array:
    """Return the 70S with its 30S turned about two axes through the interface."""
    places, body = ribosome()
    turn = rotations_of_vectors(
        np.deg2rad(
            [
                angles_deg[0] * RATCHET_AXIS / np.linalg.norm(RATCHET_AXIS)
                + angles_deg[1] * SWIVEL_AXIS / np.linalg.norm(SWIVEL_AXIS)
            ]
        )
    )[0]
    pivot = hinge_pivot()
    moved = places.copy()
    moved[body == 1] = (places[body == 1] - pivot) @ turn.T + pivot
    return moved


def hinge_pivot() -> Array:
    """Return a point of the interface between the subunits."""
    places, body = ribosome()
    means = [places[body == one].mean(axis=0) for one in (0, 1)]
    return 0.5 * (means[0] + means[1])


def spiked(tilts_deg: tuple[float, float]) -> Array:
    """Return a disc of bilayer with a stalk and a head, tilted about x and y at its foot.

    The membrane's normal is z; its middle lies 110 A below the origin.
    """
    chance = np.random.default_rng(17)
    disc = []
    for z in (-18.0, 18.0):
        polar = chance.uniform(0, 2 * np.pi, 700), 105 * np.sqrt(chance.random(700))
        disc.append(
            np.stack(
                [
                    polar[1] * np.cos(polar[0]),
                    polar[1] * np.sin(polar[0]),
                    z + chance.normal(0, 3.0, 700),
                ],
                axis=1,
            )
        )
    stalk = np.stack(
        [chance.normal(0, 12.0, 500), chance.normal(0, 12.0, 500), chance.uniform(20, 110, 500)],
        axis=1,
    )
    lobes = [[35, 0, 160], [-18, 30, 160], [-18, -30, 165], [10, 5, 195]]
    head = np.concatenate([chance.normal(one, 17.0, (450, 3)) for one in lobes])
    top = np.concatenate([stalk, head])
    foot = np.array([0.0, 0.0, 20.0])
    turn = rotations_of_vectors(np.deg2rad([[tilts_deg[0], tilts_deg[1], 0.0]]))[0]
    tilted = (top - foot) @ turn.T + foot
    return np.concatenate([*disc, tilted]) - [0, 0, 110.0]


def write_atoms(path: Path, places: Array) -> Array:
    """Write pseudo-atoms as a PDB file; returns their centre, which the simulator puts at 0."""
    structure, model = gemmi.Structure(), gemmi.Model(1)
    chain = gemmi.Chain("A")
    for number, place in enumerate(places):
        if number % 9000 == 0 and number:
            model.add_chain(chain)
            chain = gemmi.Chain(chr(ord("A") + number // 9000))
        residue = gemmi.Residue()
        residue.name, residue.seqid = "UNL", gemmi.SeqId(number % 9000 + 1, " ")
        atom = gemmi.Atom()
        atom.name, atom.element = PSEUDO_ATOM, gemmi.Element(PSEUDO_ATOM)
        atom.pos = gemmi.Position(*np.round(place, 3))
        residue.add_atom(atom)
        chain.add_residue(residue)
    model.add_chain(chain)
    structure.add_model(model)
    structure.write_pdb(str(path))
    return np.round(places, 3).mean(axis=0)

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

LARGE, SMALL, HEAD = 0, 1, 2
"""Bodies of the ribosome: 50S with all ligands, 30S but for its head, and the 30S's head."""

HEAD_BEGINS, HEAD_ENDS = 921, 1396
"""Residues of the 16S RNA between which the head lies; at both is its neck."""

_RNA, _LAST_OF_SMALL, _LAST_POLYMER = 1, 21, 56
_PROTEINS_OF_HEAD = (3, 7, 9, 10, 13, 14, 19)


@lru_cache(maxsize=1)
def _atoms() -> tuple[Array, NDArray[np.int64], NDArray[np.int64]]:
    """Return every thirteenth heavy atom of the 70S, its entity and its residue's number.

    Entities have the numbers of 4V5D: 16S RNA, proteins S2 to THX, ligands, and what the 50S is
    made of; ions and small molecules are left out.
    """
    structure = gemmi.read_structure(str(RIBOSOME))
    structure.setup_entities()
    entity_of = {
        part: int(one.name)
        for one in structure.entities
        if one.name.isdigit() and int(one.name) <= _LAST_POLYMER
        for part in one.subchains
    }
    rows = [
        (*atom.pos.tolist(), entity_of[residue.subchain], residue.seqid.num)
        for chain in structure[0]
        for residue in chain
        if residue.subchain in entity_of
        for atom in residue
        if atom.element.name != "H"
    ][::ATOMS_EACH]
    found = np.array(rows)
    return found[:, :3], found[:, 3].astype(np.int64), found[:, 4].astype(np.int64)


@lru_cache(maxsize=1)
def ribosome() -> tuple[Array, NDArray[np.int64]]:
    """Return the 70S about its centre, Angstrom, ``[n, 3]``, and the body of each atom."""
    places, entities, residues = _atoms()
    bodies = np.where(entities <= _LAST_OF_SMALL, SMALL, LARGE)
    within = (residues >= HEAD_BEGINS) & (residues <= HEAD_ENDS)
    in_head = np.where(entities == _RNA, within, np.isin(entities, _PROTEINS_OF_HEAD))
    bodies[in_head] = HEAD
    return places - places.mean(axis=0), bodies


@lru_cache(maxsize=1)
def pivots() -> tuple[Array, Array]:
    """Return what the 30S turns about, between the subunits, and its head: the neck."""
    places, bodies = ribosome()
    _, entities, residues = _atoms()
    large, small = (places[(bodies == LARGE) == side].mean(axis=0) for side in (True, False))
    from_end = np.minimum(np.abs(residues - HEAD_BEGINS), np.abs(residues - HEAD_ENDS))
    neck = (entities == _RNA) & (from_end < 10)
    return 0.5 * (large + small), places[neck].mean(axis=0)


def large_subunit(_: tuple[float, float]) -> Array:
    """Return the 50S as it lies in the 70S."""
    places, bodies = ribosome()
    return places[bodies == LARGE]


def hinged(angles_deg: tuple[float, float]) -> Array:
    """Return the 70S with its 30S turned on the 50S, and the 30S's head on the rest of it."""
    places, bodies = ribosome()
    interface, neck = pivots()
    moved = places.copy()
    for which, angle, axis, pivot in (
        (bodies == HEAD, angles_deg[1], SWIVEL_AXIS, neck),
        (bodies != LARGE, angles_deg[0], RATCHET_AXIS, interface),
    ):
        turn = rotations_of_vectors(np.deg2rad([angle * axis / np.linalg.norm(axis)]))[0]
        moved[which] = (moved[which] - pivot) @ turn.T + pivot
    return moved


def spiked(tilts_deg: tuple[float, float]) -> Array:
    """Return a disc of bilayer with a stalk and a head, tilted about x and y at its foot.

    The membrane's normal is z; its middle lies 110 A below the origin.
    """
    disc, top = _spike()
    foot = np.array([0.0, 0.0, 20.0])
    turn = rotations_of_vectors(np.deg2rad([[tilts_deg[0], tilts_deg[1], 0.0]]))[0]
    tilted = (top - foot) @ turn.T + foot
    return np.concatenate([disc, tilted]) - [0, 0, 110.0]


def spike_bodies() -> NDArray[np.int64]:
    """Return the body of each atom of a spike: 0 in the membrane, 1 beyond."""
    disc, top = _spike()
    return np.repeat([0, 1], [len(disc), len(top)])


@lru_cache(maxsize=1)
def _spike() -> tuple[Array, Array]:
    """Return the atoms of the membrane and of what stands upright on it."""
    chance = np.random.default_rng(17)
    leaflets = []
    for z in (-18.0, 18.0):
        azimuth, radius = chance.uniform(0, 2 * np.pi, 700), 105 * np.sqrt(chance.random(700))
        height = z + chance.normal(0, 3.0, 700)
        leaflets.append(
            np.stack([radius * np.cos(azimuth), radius * np.sin(azimuth), height], axis=1)
        )
    across, along = chance.normal(0, 12.0, (2, 500)), chance.uniform(20, 110, 500)
    stalk = np.stack([*across, along], axis=1)
    lobes = [[35, 0, 160], [-18, 30, 160], [-18, -30, 165], [10, 5, 195]]
    head = np.concatenate([chance.normal(one, 17.0, (450, 3)) for one in lobes])
    return np.concatenate(leaflets), np.concatenate([stalk, head])


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

"""What the picking network takes: tomograms at its sampling, and what was judged in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tomotui.records import Network, ParticleSet
from tomotui.stages.base import Inputs, StageError, Task
from tomotui.stages.network_files import load_network, write_network

if TYPE_CHECKING:
    from torch import Tensor

    from tomotui.algorithms.pick.calibration import Calibration
    from tomotui.algorithms.pick.lessons import Labels
    from tomotui.algorithms.pick.network import PickNet
    from tomotui.algorithms.pick.volumes import Volume
    from tomotui.records.particle_table import ParticleTable
    from tomotui.stages.restore_inputs import Subject

PURPOSE = "pick"
FEWEST_ACCEPTED = 3
"""Accepted particles of a species, below which nothing can be learnt."""


@dataclass(frozen=True)
class Species:
    """A kind of particle that a network tells.

    Attributes
    ----------
    name, symmetry
        Of the particle set.
    diameter_angstrom
        Greatest extent.
    is_marked_at_mass
        Whether people mark it where its mass has its centre.
    """

    name: str
    diameter_angstrom: float
    symmetry: str = "C1"
    is_marked_at_mass: bool = True


def load_volume(task: Task, subject: Subject, wanted_angstrom: float, device: str) -> Volume:
    """Read a tomogram, make up for what its transfer took, and resample it.

    Raises
    ------
    StageError
        When a file is missing, truncated, too small, flat, or holds values that are no numbers.
    """
    from tomotui.algorithms.pick.volumes import resampled
    from tomotui.stages.restore_inputs import load_material

    material = load_material(task, subject, device)
    return resampled(
        material.name,
        material.inputs,
        material.clear,
        material.voxel_size_angstrom,
        wanted_angstrom,
    )


def species_of(inputs: Inputs, table: ParticleTable) -> list[Species]:
    """Return the particle sets that can be learnt from.

    Raises
    ------
    StageError
        When no set has enough accepted particles, or one has no diameter.
    """
    found, few = [], []
    for one in inputs.all(ParticleSet):
        mine = table.set_uids == one.uid
        accepted = int((mine & (table.decisions == "accepted")).sum())
        if accepted < FEWEST_ACCEPTED:
            few.append(f"{one.name} has {accepted}")
        elif one.diameter_angstrom is None:
            raise StageError(
                f"the diameter of {one.name} is not known.",
                f"Say it: tomotui particles change {one.name} --diameter ANGSTROM",
            )
        else:
            found.append(Species(one.name, one.diameter_angstrom, one.symmetry))
    if not found:
        raise StageError(
            f"at least {FEWEST_ACCEPTED} accepted particles are needed to learn from; "
            f"{', '.join(few) or 'there is no particle set'}.",
            "Mark some in the Picks screen, or import them.",
        )
    return found


def labels_of(
    task: Task,
    inputs: Inputs,
    table: ParticleTable,
    species: Sequence[Species],
    subjects: Sequence[Subject],
    volumes: Sequence[Volume],
) -> tuple[Labels, ParticleTable]:
    """Return what was judged in the tomograms, and the particles it is made from.

    Particles in tomograms that are not among these are left out, and it is said.
    """
    from tomotui.algorithms.pick.lessons import Labels

    number_of = {one.tomogram.uid: n for n, one in enumerate(subjects)}
    kind_of = {one.name: n for n, one in enumerate(species)}
    kinds = {one.uid: kind_of[one.name] for one in inputs.all(ParticleSet) if one.name in kind_of}
    judged = np.isin(table.decisions, ("accepted", "rejected"))
    judged &= np.isin(table.set_uids, list(kinds))
    here = np.isin(table.tomogram_uids, list(number_of))
    lost = int((judged & ~here).sum())
    if lost:
        task.warn(
            f"{lost} judged particles lie in tomograms that have been replaced or were not chosen; "
            "they are not learnt from"
        )
    mine = table.select(judged & here)
    volume = np.array([number_of[uid] for uid in mine.tomogram_uids], dtype=np.int64)
    voxels = np.zeros((len(mine), 3))
    for number, one in enumerate(volumes):
        which = volume == number
        voxels[which] = one.to_voxels(mine.positions_angstrom[which])
    labels = Labels(
        volume,
        voxels,
        np.array([kinds[uid] for uid in mine.set_uids], dtype=np.int64),
        mine.decisions == "accepted",
        np.zeros(len(mine), dtype=bool),
    )
    return labels, mine


@dataclass(frozen=True)
class Picker:
    """A trained network and how to read it.

    Attributes
    ----------
    network
        On the device.
    species, calibrations
        In the order of its maps.
    voxel_size_angstrom
        What it was trained at.
    learnt
        Identities of the particles it has learnt from.
    """

    network: PickNet
    species: list[Species]
    calibrations: list[Calibration]
    voxel_size_angstrom: float
    learnt: frozenset[str]


def write_picker(path: Path, picker: Picker) -> None:
    """Write a picking network.

    Raises
    ------
    StageError
        When the file cannot be written.
    """
    description = {
        "purpose": PURPOSE,
        "architecture": picker.network.architecture.as_dict(),
        "species": [vars(one) for one in picker.species],
        "calibrations": [vars(one) for one in picker.calibrations],
        "voxel_size_angstrom": picker.voxel_size_angstrom,
        "learnt": sorted(picker.learnt),
    }
    write_network(path, picker.network.state_dict(), description)


def load_picker(task: Task, record: Network) -> Picker:
    """Read a picking network.

    Raises
    ------
    StageError
        When its file is missing, torn, or of another program.
    """
    from tomotui.algorithms.pick.calibration import Calibration
    from tomotui.algorithms.pick.network import Architecture, PickNet

    def build(weights: dict[str, Tensor], kept: dict[str, Any]) -> Picker:
        network = PickNet(Architecture(**kept["architecture"]))
        network.load_state_dict(weights)
        return Picker(
            network.to(task.device).eval(),
            [Species(**one) for one in kept["species"]],
            [Calibration(**one) for one in kept["calibrations"]],
            float(kept["voxel_size_angstrom"]),
            frozenset(kept["learnt"]),
        )

    return load_network(task, record, build, "pick-train")

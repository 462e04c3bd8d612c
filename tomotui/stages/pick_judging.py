"""What is held back of the judgements, and what a network says of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tomotui.stages.pick_inputs import Species

if TYPE_CHECKING:
    from tomotui.algorithms.pick.calibration import Calibration, HeldOut
    from tomotui.algorithms.pick.lessons import Labels
    from tomotui.algorithms.pick.network import PickNet
    from tomotui.algorithms.pick.volumes import Volume

HELD_OUT_SHARE = 0.2
FEWEST_TO_HOLD_OUT = 5
"""Judgements of a kind, below which all are learnt from at once."""


def with_centres(
    species: Sequence[Species], labels: Labels, volumes: Sequence[Volume]
) -> list[Species]:
    """Return the species, knowing which are marked at their centres of mass."""
    from tomotui.algorithms.pick.centring import is_centre_of_mass, mass_of

    voxel = float(np.mean(volumes[0].voxel_zyx_angstrom))
    masses = [mass_of(one.image.cpu(), voxel) for one in volumes]
    found = []
    for number, one in enumerate(species):
        mine = labels.accepted & (labels.species == number)
        diameter = one.diameter_angstrom / voxel
        at_mass = is_centre_of_mass(masses, labels.volume[mine], labels.voxels[mine], diameter)
        found.append(replace(one, is_marked_at_mass=at_mass))
    return found


def kept_back(labels: Labels, fresh: NDArray[np.bool_], n_species: int, seed: int) -> Labels:
    """Keep some judgements back, of those that no network has learnt from yet.

    Parameters
    ----------
    fresh
        ``[n]``: which those are.
    """
    chance = np.random.default_rng(seed)
    held = np.zeros(len(labels), dtype=bool)
    for species in range(n_species):
        for kind in (True, False):
            mine = (labels.species == species) & (labels.accepted == kind)
            free = np.flatnonzero(mine & fresh)
            if mine.sum() >= FEWEST_TO_HOLD_OUT and len(free):
                count = min(len(free), max(1, round(HELD_OUT_SHARE * int(mine.sum()))))
                held[chance.choice(free, count, replace=False)] = True
    return replace(labels, held_out=held)


def look_at_held_out(
    network: PickNet,
    volumes: Sequence[Volume],
    labels: Labels,
    diameters_voxel: NDArray[np.float64],
    side: int,
    device: str,
) -> tuple[HeldOut, NDArray[np.int64]]:
    """Return what a network says of what was held out, and the species of each."""
    from tomotui.algorithms.pick.calibration import HeldOut
    from tomotui.algorithms.pick.search import logits_at

    which = np.flatnonzero(labels.held_out)
    kinds = labels.species[which]
    logits = np.zeros(len(which))
    for number, volume in enumerate(volumes):
        mine = labels.volume[which] == number
        logits[mine] = logits_at(
            network,
            volume.image,
            labels.voxels[which][mine],
            kinds[mine],
            0.25 * diameters_voxel[kinds[mine]],
            side,
            device,
        )
    return HeldOut(logits, labels.accepted[which]), kinds


def calibrations_of(
    held_out: HeldOut, kinds: NDArray[np.int64], n_species: int
) -> list[Calibration]:
    """Return a calibration for each species: its own where enough was held out, or that of all."""
    from tomotui.algorithms.pick.calibration import HeldOut, calibrated

    together = calibrated(held_out)
    found = []
    for species in range(n_species):
        mine = kinds == species
        own = HeldOut(held_out.logits[mine], held_out.accepted[mine])
        found.append(calibrated(own) if own.suffices else together)
    return found

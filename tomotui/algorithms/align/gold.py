"""Find gold beads among the landmarks: few, compact, and far darker than everything else."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from tomotui.algorithms.align.landmarks import blobs

DIAMETERS_ANGSTROM = (50.0, 75.0, 100.0, 150.0)
"""Usual sizes of colloidal gold."""

OUTSTANDING = 3.0
"""A bead is so many times as dark as the typical strong feature."""

GAP = 1.5
"""Nothing is as dark as something between gold and matter: the faintest bead is so many times as
dark as what comes next. Ribosomes and ice go on without such a step."""

BORDER_SHARE = 0.03
"""Of each side of the volume where no bead is looked for: nothing at a rim is as dark as gold."""

N_TYPICAL = 300
MIN_BEADS, MAX_BEADS = 4, 150


class Beads(NamedTuple):
    """Gold beads of one size.

    Attributes
    ----------
    positions
        (x, y, z) in Angstrom, ``[n, 3]``, darkest first.
    diameter_angstrom
        The size they answer to most strongly.
    """

    positions: Tensor
    diameter_angstrom: float


def find_beads(volume: Tensor, voxel_size_angstrom: float) -> Beads | None:
    """Return the beads of a tomogram; ``None`` where there are too few to align by.

    Parameters
    ----------
    volume
        Back-projection in which matter is dark, ``[n_z, n_x, n_y]``.
    voxel_size_angstrom
        Angstrom per voxel; a third of a bead at most.
    """
    best: tuple[float, Beads] | None = None
    for diameter in DIAMETERS_ANGSTROM:
        if diameter < 2 * voxel_size_angstrom:
            continue
        positions, strength = blobs(volume, voxel_size_angstrom, diameter, N_TYPICAL, BORDER_SHARE)
        if len(strength) < 2 * MIN_BEADS:
            continue
        outstanding = strength > OUTSTANDING * strength.median()
        steps = strength[:-1] / strength[1:].clamp_min(1e-12)
        count = 1 + int(torch.where(outstanding[:-1], steps, 0.0).argmax())
        if not MIN_BEADS <= count <= MAX_BEADS or steps[count - 1] < GAP:
            continue
        answer = float(strength[:count].median())
        if best is None or answer > best[0]:
            best = answer, Beads(positions[:count], diameter)
    return None if best is None else best[1]

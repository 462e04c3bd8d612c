"""Small errors of poses and contrast, which are no difference of structure.

Particles whose poses are a little wrong, or whose contrast is, differ from their common map too,
and evidently so. To first order such an error adds a multiple of one of seven known differences:
what a shift along each axis, a turn about each, and more contrast do to the common map. Every
class has them at the price of their probability alone, and that is found from the particles, so
that nothing is gained by making classes of them.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from tomotui.algorithms.classify.evidence import Evidence
from tomotui.algorithms.refine.maps import turned
from tomotui.geometry.angles import rotations_of_vectors

FIRST_SHIFT_PX, FIRST_TURN_DEG, FIRST_CONTRAST = 0.5, 2.0, 0.1
"""Standard deviations before they are known."""

_STEP_DEG = 2.0
"""By which the common map is turned to see what a turn does."""

_ROUNDS = 8


def with_freedom(evidence: Evidence) -> Evidence:
    """Return evidence whose particles may have errors as large as they show them."""
    terms, common = evidence.terms, evidence.common
    shifts = common * terms.frequencies.T * (-2j * math.pi / terms.size)
    unit = torch.cat([shifts, _turns(evidence), common[None]])
    first = [FIRST_SHIFT_PX] * 3 + [FIRST_TURN_DEG] * 3 + [FIRST_CONTRAST]
    sizes = torch.tensor(first, device=unit.device)
    # Noise shows none of them.
    is_real = evidence.base > 0
    real = evidence.select(is_real) if bool(is_real.any()) else evidence
    for _ in range(_ROUNDS):
        sizes = sizes * _spread(replace(real, responses=unit * sizes[:, None])).sqrt()
    return replace(evidence, responses=unit * sizes[:, None])


def _turns(evidence: Evidence) -> Tensor:
    """Return what turning the common map by one degree about x, y and z adds, ``[3, k]``."""
    terms = evidence.terms
    volume = terms.volumes(evidence.common)
    found = []
    for axis in np.eye(3):
        vectors = np.stack([axis, -axis]) * np.deg2rad(_STEP_DEG)
        there, back = (
            turned(volume, torch.as_tensor(one[None], dtype=torch.float32, device=volume.device))
            for one in rotations_of_vectors(vectors)
        )
        found.append(terms.of(there - back) / (2 * _STEP_DEG))
    return torch.stack(found)


def _spread(evidence: Evidence) -> Tensor:
    """Return the mean square of small errors over that expected, ``[m]``."""
    slope, curvature = evidence.normal_equations()
    inverse = torch.linalg.inv(curvature)
    mean = (inverse @ slope[..., None])[..., 0]
    return (mean.square() + inverse.diagonal(dim1=1, dim2=2)).mean(dim=0)

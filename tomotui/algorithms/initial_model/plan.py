"""What is asked of a search for first maps, and what it tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[np.float64]

FIRST_SHARE = 0.3
"""Detail to begin with over the diameter."""


@dataclass(frozen=True)
class AnnealingPlan:
    """How a first map is looked for.

    Attributes
    ----------
    diameter_angstrom
        Of the particle: what lies outside is kept empty.
    pixel_size_angstrom
        Of the views.
    first_resolution_angstrom, last_resolution_angstrom
        Detail that counts in the beginning and in the end.
    shift_reach_angstrom
        How far particles may be from where they are thought to be.
    symmetry
        Point group.
    n_classes
        Maps to make.
    n_steps
        At most.
    batch
        Particles in a step in the beginning; it grows.
    finest_step_deg
        Of the grid of orientations.
    seed
        Of all that is random.
    """

    diameter_angstrom: float
    pixel_size_angstrom: float
    first_resolution_angstrom: float = 80.0
    last_resolution_angstrom: float = 30.0
    shift_reach_angstrom: float = 15.0
    symmetry: str = "C1"
    n_classes: int = 1
    n_steps: int = 100
    batch: int = 48
    finest_step_deg: float = 10.0
    seed: int = 0

    @classmethod
    def to(
        cls,
        resolution_angstrom: float,
        diameter_angstrom: float,
        pixel_size_angstrom: float,
        **choices: Any,
    ) -> AnnealingPlan:
        """Return a plan that begins with the coarsest detail that says anything, and goes on to it.

        Parameters
        ----------
        resolution_angstrom
            Detail in the end.
        choices
            Anything else of the plan.
        """
        first = max(FIRST_SHARE * diameter_angstrom, 2 * resolution_angstrom)
        return cls(diameter_angstrom, pixel_size_angstrom, first, resolution_angstrom, **choices)


@dataclass(frozen=True)
class Progress:
    """What is known after a step.

    Attributes
    ----------
    step
        Counted from 1.
    maps
        ``[c, n, n, n]``.
    resolution_angstrom
        Detail that counts now.
    change
        One minus the correlation of the maps with those of the step before, the greatest.
    score
        Mean log-likelihood of the particles above that of noise.
    populations
        Share of each class, ``[c]``.
    """

    step: int
    maps: Tensor
    resolution_angstrom: float
    change: float
    score: float
    populations: Array


@dataclass
class Outcome:
    """What was found.

    Attributes
    ----------
    maps
        ``[c, n, n, n]``, protein bright.
    steps
        Of which it took.
    has_settled
        Whether it stopped because nothing changed any more.
    history
        Score and change of each step, ``[steps, 2]``.
    populations
        Share of each class, ``[c]``.
    rival
        By how much its log-likelihood of a particle is above that of its opposite, where the
        particle is nearly round and that was tried; ``None`` elsewhere.
    """

    maps: Tensor
    steps: int
    has_settled: bool
    history: Array
    populations: Array
    rival: float | None = None

"""What is asked of a refinement, and what each of its iterations tells."""

from __future__ import annotations

from dataclasses import dataclass

LETTERS: dict[str, str] = {
    "P": "poses, over all orientations",
    "p": "poses, from where they are",
    "t": "shift of every tilt",
    "r": "turn and shift of every tilt",
    "d": "defocus of every tilt",
    "g": "smooth motion over field and time",
    "m": "magnification of every series",
}
"""What an iteration may refine."""


@dataclass(frozen=True)
class RefinementPlan:
    """What does not change in the course of a refinement.

    Attributes
    ----------
    diameter_angstrom
        Of the particle.
    symmetry
        Point group.
    first_resolution_angstrom
        Of the reference: finer detail of it is not used, so that halves cannot share it.
    shift_reach_angstrom
        How far particles may be from where they were picked, in a search over all orientations.
    shift_spread_angstrom
        Standard deviation of the same in refinement; 0 for anywhere.
    cone_deg
        How far the reference's z axis may be from a particle's prior direction.
    n_nodes
        Of the field of motion, along x and y.
    rise_angstrom, twist_deg
        Of a helix along z, from a subunit to the next; a rise of 0 where the particle is none.
        The point group is that about its axis.
    refines_helix
        Whether both are refined with the maps.
    """

    diameter_angstrom: float
    symmetry: str = "C1"
    first_resolution_angstrom: float = 40.0
    shift_reach_angstrom: float = 15.0
    shift_spread_angstrom: float = 15.0
    cone_deg: float = 180.0
    n_nodes: int = 3
    rise_angstrom: float = 0.0
    twist_deg: float = 0.0
    refines_helix: bool = True


@dataclass(frozen=True)
class IterationResult:
    """What an iteration did.

    Attributes
    ----------
    number
        Counted from 1.
    letter
        What was refined.
    pixel_size_angstrom, resolution_angstrom
        Of the maps afterwards.
    score
        Mean log-likelihood of particles above that of noise.
    change_deg, change_angstrom
        Median change of poses; for tilts, root mean square change of their shifts.
    kept
        Share of the series whose correction was kept; 1 for poses.
    seconds
        It took.
    """

    number: int
    letter: str
    pixel_size_angstrom: float
    resolution_angstrom: float
    score: float
    change_deg: float
    change_angstrom: float
    kept: float
    seconds: float

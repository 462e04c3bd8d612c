"""What a refinement begins with: one reference for both halves, or a first map of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tomotui.stages.averaging_inputs import Subjects
from tomotui.stages.averaging_joined import FINEST_SHARE, join_particles
from tomotui.stages.base import Inputs, StageError, Task
from tomotui.stages.particle_choice import read_reference

if TYPE_CHECKING:
    from torch import Tensor

    from tomotui.algorithms.initial_model.plan import Progress
    from tomotui.stages.refine import RefineParameters

FIRST_SHARE = 0.15
"""Detail of the reference over the diameter: what tells orientations apart by some 9 degrees."""


@dataclass(frozen=True)
class Reference:
    """A map to begin with.

    Attributes
    ----------
    values
        Bright protein, empty outside the particle, ``[n, n, n]`` with n even.
    is_nearly_round
        Whether little of it tells directions apart.
    """

    name: str
    values: Tensor
    pixel_size_angstrom: float
    is_nearly_round: bool


def read_beginning(
    task: Task, inputs: Inputs, wanted: str, diameter_angstrom: float, mirror: bool = False
) -> Reference:
    """Read the map to begin with.

    Parameters
    ----------
    wanted
        Its name or file; the newest map of the particles when empty.
    mirror
        Whether its mirror image is wanted.

    Raises
    ------
    StageError
        When there is none, or none that particles could be compared with.
    """
    from tomotui.algorithms.initial_model.annealing import NEARLY_ROUND
    from tomotui.algorithms.refine.maps import particle_ball
    from tomotui.imaging.resample import mirrored
    from tomotui.imaging.round_part import round_share

    values, pixel, name = read_reference(task, inputs, wanted, None)
    _check_reference(values, pixel, name, diameter_angstrom)
    if values.shape[0] % 2:
        values = values[:-1, :-1, :-1]
    values = mirrored(values.float()) if mirror else values.float()
    name = f"the mirror image of {name}" if mirror else name
    values = values * particle_ball(values.shape[0], pixel, diameter_angstrom)
    coarse = _low_passed(values, pixel, FIRST_SHARE * diameter_angstrom)
    return Reference(name, values, pixel, round_share(coarse) > NEARLY_ROUND)


def _low_passed(values: Tensor, pixel: float, resolution_angstrom: float) -> Tensor:
    import torch

    from tomotui.imaging.fourier import radial_frequency

    kept = radial_frequency(tuple(values.shape), values.device) <= pixel / resolution_angstrom
    passed: Tensor = torch.fft.irfftn(torch.fft.rfftn(values) * kept, s=values.shape)
    return passed


def first_resolution_of(reference: Reference | None, diameter_angstrom: float) -> float:
    """Return the detail of a reference that tells orientations apart, Angstrom.

    Parameters
    ----------
    reference
        ``None`` where each half has a map of its own: they share nothing, however fine.
    """
    is_enough = reference is not None and not reference.is_nearly_round
    return round((FIRST_SHARE if is_enough else FINEST_SHARE) * diameter_angstrom, 1)


def maps_of_halves(
    task: Task,
    subjects: Subjects,
    choices: RefineParameters,
    symmetry: str,
    diameter_angstrom: float,
    told: Callable[[float, str], None],
) -> tuple[Tensor, Tensor, float]:
    """Make a first map of each half, and turn the second into the frame of the first.

    Returns
    -------
    Both maps and their voxel size in Angstrom.
    """
    from tomotui.algorithms.initial_model.annealing import Annealing
    from tomotui.algorithms.initial_model.plan import AnnealingPlan
    from tomotui.algorithms.refine.align_maps import aligned_to

    resolution = choices.first_resolution_angstrom or FINEST_SHARE * diameter_angstrom
    joined = join_particles(subjects, diameter_angstrom, resolution, task.device, told)
    pixel, maps = joined.pixel_size_angstrom, []
    plan = AnnealingPlan.to(
        resolution,
        diameter_angstrom,
        pixel,
        shift_reach_angstrom=choices.shift_reach_angstrom,
        symmetry=symmetry,
        seed=choices.seed,
    )
    for half in (0, 1):
        mine = joined.of_half(half)
        known = mine.directions if choices.cone_deg < 180 else None
        own = replace(plan, seed=plan.seed + half)

        def tell(progress: Progress, half: int = half) -> None:
            told(min(1.0, progress.step / plan.n_steps), f"first map of half {half + 1}")

        maps.append(Annealing(mine.views, own, known, choices.cone_deg).run(tell).maps[0])
    second = aligned_to(maps[1], maps[0], pixel, diameter_angstrom, 1.2 * resolution)
    return maps[0], second, pixel


def _check_reference(values: Tensor, pixel: float, name: str, diameter_angstrom: float) -> None:
    """Refuse maps that particles cannot be compared with."""
    from tomotui.imaging.map_masks import map_mask

    try:
        map_mask(values, pixel, radius_angstrom=diameter_angstrom / 2)
    except ValueError as error:
        if any(word in str(error) for word in ("cube", "not numbers", "same everywhere", "dark")):
            raise StageError(
                f"the reference {name} cannot be used: {error}.",
                "Bring it in with tomotui import-map, which makes cubes and turns contrast.",
            ) from error

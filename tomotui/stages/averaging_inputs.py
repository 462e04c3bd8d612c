"""What averaging works on: particles of a set, series by series, with their images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from tomotui.records import ParticleSet
from tomotui.stages.base import Inputs, StageError, Task
from tomotui.stages.particle_choice import in_tomograms

if TYPE_CHECKING:
    from torch import Tensor

    from tomotui.algorithms.parallel import Ranks
    from tomotui.algorithms.refine.particles import SeriesParticles
    from tomotui.algorithms.subtomograms.views import SeriesModel
    from tomotui.records.particle_table import ParticleTable
    from tomotui.stages.aligned_images import AlignedImages
    from tomotui.stages.restore_inputs import Subject

BOX_PER_DIAMETER = 1.5
"""Side of the views over the diameter: room for what the contrast transfer carries outwards."""

SAME_PIXEL_SHARE = 1e-3

FEWEST_PARTICLES = 4
"""Two for each half."""


@dataclass(frozen=True)
class Subjects:
    """Particles by series, and the records behind them.

    Attributes
    ----------
    particle_set
        Whose particles.
    table
        The particles, in the order of their rows.
    series
        As refinement takes them.
    halves
        Of all particles, by row.
    subjects, images
        Records and images of the same series.
    pixel_size_angstrom
        Of the images.
    """

    particle_set: ParticleSet
    table: ParticleTable
    series: list[SeriesParticles]
    halves: NDArray[np.int64]
    subjects: list[Subject]
    images: list[AlignedImages]
    pixel_size_angstrom: float

    def check_halves(self) -> None:
        """Refuse halves of too few particles.

        Raises
        ------
        StageError
            When a half has fewer than two.
        """
        of_half = np.bincount(self.halves, minlength=2)
        if of_half.min() < 2:
            name = self.particle_set.name
            raise StageError(
                f"the halves of {name} have {of_half[0]} and {of_half[1]} particles; "
                "each needs two at least, for a map to be judged by the other.",
                f"Deal them out anew: tomotui particles split-halves {name}",
            )

    def share_out(self, ranks: Ranks) -> None:
        """Keep the particles of this process, where several share the work."""
        if ranks.count == 1:
            return
        for number, one in enumerate(self.series):
            mine = np.arange(len(one)) % ranks.count == ranks.rank
            self.series[number] = one.part(np.flatnonzero(mine))


def subjects_with_particles(
    task: Task, inputs: Inputs, particle_set: ParticleSet, table: ParticleTable, seed: int
) -> Subjects:
    """Gather the series that have particles, with everything their images are seen by.

    Parameters
    ----------
    table
        Particles to work on.
    seed
        Of how particles without a half are dealt out.

    Raises
    ------
    StageError
        When there are too few particles, or images of series differ in pixel size.
    """
    from tomotui.stages.aligned_images import AlignedImages
    from tomotui.stages.restore_inputs import subjects_of

    if len(table) < FEWEST_PARTICLES:
        raise StageError(
            f"{particle_set.name} has {len(table)} particles to average; at least "
            f"{FEWEST_PARTICLES} are needed, two for each half.",
            "Accept or import more, or name another set.",
        )
    subjects = subjects_of(task, inputs)
    check_pixel_sizes(subjects)
    table = in_tomograms(task, table, [one.tomogram.uid for one in subjects])
    if len(table) < FEWEST_PARTICLES:
        raise StageError(
            f"only {len(table)} particles of {particle_set.name} lie in the tomograms at hand.",
            "Find or import them in these tomograms.",
        )
    halves = dealt_halves(table, seed)
    series, used, images = [], [], []
    for one in subjects:
        rows = np.flatnonzero(table.tomogram_uids == one.tomogram.uid)
        if not len(rows):
            continue
        aligned = AlignedImages(task, one.series, one.alignment, [1.0])
        series.append(_particles_of(task, one, aligned, table, rows, halves[rows]))
        used.append(one)
        images.append(aligned)
    return Subjects(
        particle_set, table, series, halves, used, images, used[0].series.pixel_size_angstrom
    )


def check_pixel_sizes(subjects: Sequence[Subject]) -> None:
    """Refuse images of different pixel sizes.

    Raises
    ------
    StageError
        Naming those that differ from most.
    """
    from tomotui.stages.restore_inputs import odd_sizes

    sizes = {one.series.name: one.series.pixel_size_angstrom for one in subjects}
    usual, odd = odd_sizes(sizes, SAME_PIXEL_SHARE)
    if odd:
        raise StageError(
            f"the images have different pixel sizes: most {usual:.4g} A, but {', '.join(odd)}.",
            "Average series of one pixel size together: name them with series (--on).",
        )


def dealt_halves(table: ParticleTable, seed: int) -> NDArray[np.int64]:
    """Return the half of every particle: its own, or dealt out evenly within each tomogram.

    Particles that came from the same one, such as symmetry mates and parts, go together.
    """
    halves = table.halves.copy()
    chance = np.random.default_rng([seed, 5])
    kin = np.where(table.origins == "", table.uids, table.origins)
    for tomogram in np.unique(table.tomogram_uids):
        rows = np.flatnonzero((table.tomogram_uids == tomogram) & (halves < 0))
        families, member = np.unique(kin[rows], return_inverse=True)
        dealt = (chance.permutation(len(families)) + chance.integers(2)) % 2
        halves[rows] = dealt[member]
    return np.asarray(halves, dtype=np.int64)


def series_model(subject: Subject, aligned: AlignedImages) -> SeriesModel:
    """Return how the images of a series see its specimen."""
    from tomotui.algorithms.subtomograms.views import SeriesModel

    exposure = aligned.exposure_e_per_a2()
    return SeriesModel(
        aligned.geometry,
        aligned.local,
        aligned.ctf(subject.ctf, is_wanted=True),
        None if exposure is None else np.array(exposure),
        subject.series.voltage_kv,
    )


def _particles_of(
    task: Task,
    subject: Subject,
    aligned: AlignedImages,
    table: ParticleTable,
    rows: NDArray[np.intp],
    halves: NDArray[np.int64],
) -> SeriesParticles:
    from tomotui.algorithms.refine.particles import SeriesParticles
    from tomotui.algorithms.refine.poses import Poses
    from tomotui.algorithms.subtomograms.views import contrast_images
    from tomotui.geometry.poses import directions_of_angles, matrices_of_angles
    from tomotui.stages.loading import load_binned

    rotations = matrices_of_angles(table.angles_deg[rows])
    unknown = ~np.isfinite(rotations).all(axis=(1, 2))
    rotations[unknown] = np.eye(3)

    def load(binning: int) -> tuple[Tensor, float]:
        silent = cast(Task, _Silent(task))
        images = load_binned(silent, subject.series, aligned.used, binning, 0.0, 1.0)
        return contrast_images(images), subject.series.pixel_size_angstrom * binning

    return SeriesParticles(
        subject.series.name,
        series_model(subject, aligned),
        load,
        Poses(rotations, table.positions_angstrom[rows].copy()),
        halves,
        rows,
        directions_of_angles(table.angles_deg[rows]),
    )


class _Silent:
    """A task whose progress is told by somebody else."""

    def __init__(self, task: Task) -> None:
        self._task = task

    def progress(self, fraction: float, message: str = "") -> None:
        self._task.raise_if_cancelled()

    def __getattr__(self, name: str) -> object:
        return getattr(self._task, name)


def box_of(diameter_angstrom: float, box_angstrom: float | None) -> float:
    """Return the side of the views in Angstrom."""
    return box_angstrom or BOX_PER_DIAMETER * diameter_angstrom


def diameter_of(particle_set: ParticleSet, wanted_angstrom: float | None) -> float:
    """Return the particle's diameter in Angstrom.

    Raises
    ------
    StageError
        When nobody has said it.
    """
    found = wanted_angstrom or particle_set.diameter_angstrom
    if not found:
        raise StageError(
            f"the diameter of {particle_set.name} is not known.",
            f"Say it: --set diameter_angstrom=..., or tomotui particles change "
            f"{particle_set.name} --diameter ANGSTROM",
        )
    return found

"""Oriented particles at a binning, and their own average: what their variation is told beside."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tomotui.stages.averaging_inputs import Subjects, box_of, diameter_of, subjects_with_particles
from tomotui.stages.base import Inputs, Task
from tomotui.stages.particle_choice import one_set, with_orientation

if TYPE_CHECKING:
    from tomotui.algorithms.parallel import Ranks
    from tomotui.algorithms.refine.maps import HalfMaps
    from tomotui.algorithms.refine.refinement import Refinement
    from tomotui.records.particle_table import ParticleTable

LEAST_BOX_PX = 24
GATHERING = 0.2
"""Share of the whole work that it is to gather and average the particles."""


class AveragedParticles:
    """Particles of one set at a binning, and their average there.

    Parameters
    ----------
    table
        Particles to use.
    diameter_angstrom, box_angstrom
        As asked for; those of the set when ``None``.
    box_px
        About how many pixels the views are to have: binning follows from it.
    memory_gb
        Room for views.

    Attributes
    ----------
    maps
        Half maps of the particles as they lie.

    Raises
    ------
    StageError
        When particles have no orientation, or are too few.
    """

    def __init__(
        self,
        task: Task,
        inputs: Inputs,
        table: ParticleTable,
        *,
        diameter_angstrom: float | None,
        box_angstrom: float | None,
        box_px: int,
        memory_gb: float,
        seed: int,
    ) -> None:
        from tomotui.algorithms.parallel import Ranks

        self.task = task
        self.span(0.0, GATHERING)
        self.ranks: Ranks = Ranks()
        self.set = one_set(inputs)
        self.diameter = diameter_of(self.set, diameter_angstrom)
        table = with_orientation(task, table, self.set.name)
        task.progress(0.0, "gathering particles")
        self.subjects: Subjects = subjects_with_particles(task, inputs, self.set, table, seed)
        self.subjects.check_halves()
        self.subjects.share_out(self.ranks)
        self.refinement = self._at_level(box_of(self.diameter, box_angstrom), box_px, memory_gb)
        self.maps: HalfMaps = self.refinement.make_maps()

    def _at_level(self, box_angstrom: float, box_px: int, memory_gb: float) -> Refinement:
        from tomotui.algorithms.refine.particles import Level
        from tomotui.algorithms.refine.plan import RefinementPlan
        from tomotui.algorithms.refine.refinement import Refinement

        pixel = self.subjects.pixel_size_angstrom
        # Whole binnings only: the one whose box is nearest in proportion.
        wanted = box_angstrom / (box_px * pixel)
        low = max(1, math.floor(wanted))
        binning = low if wanted < math.sqrt(low * (low + 1)) else low + 1
        box = max(LEAST_BOX_PX, 2 * round(box_angstrom / (2 * binning * pixel)))
        plan = RefinementPlan(self.diameter, self.set.symmetry, 2 * pixel * binning)
        refinement = Refinement(
            self.subjects.series,
            plan,
            int(memory_gb * 2**30),
            self.task.device,
            self.ranks,
            self.told,
        )
        refinement.go_to(Level(binning, box), pixel)
        refinement.work.store.prepare(refinement.series)
        return refinement

    def span(self, begin: float, end: float) -> None:
        """Let what is told of the particles from now on be this part of the task."""
        self._begin, self._end = begin, end

    def told(self, share: float, words: str) -> None:
        """Tell how far the part of the task has come."""
        self.task.progress(self._begin + (self._end - self._begin) * min(1.0, share), words)

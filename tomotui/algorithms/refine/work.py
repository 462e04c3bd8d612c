"""What all parts of a refinement work with: the particles, the plan, and where views come from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from tomotui.algorithms.parallel import Ranks
from tomotui.algorithms.refine.particles import SeriesParticles, ViewStore
from tomotui.algorithms.refine.plan import RefinementPlan

Array = NDArray[np.float64]


@dataclass
class Work:
    """A refinement's particles and means.

    Attributes
    ----------
    series
        Particles of this process.
    store
        Of their views at the level at work.
    group
        Rotations of the point group, ``[m, 3, 3]``.
    pixel_size_angstrom
        Of the views.
    told
        Is told the share of the iteration that is done, and what is done; may raise to stop.
    """

    series: list[SeriesParticles]
    plan: RefinementPlan
    store: ViewStore
    group: Array
    device: torch.device
    ranks: Ranks
    told: Callable[[float, str], None]
    pixel_size_angstrom: float = 0.0

    @property
    def box(self) -> int:
        """Side of the views in pixels."""
        return self.store.level.box

    @property
    def radius_limit(self) -> float:
        """Greatest frequency of the views, cycles per box."""
        return self.box / 2 - 1

    def radius(self, resolution_angstrom: float) -> float:
        """Return the frequency of a spacing in cycles per box, within what the box holds."""
        extent = self.box * self.pixel_size_angstrom
        return min(extent / resolution_angstrom, self.radius_limit)

    def all_rows(self, values: Sequence[Array]) -> Array:
        """Return values of the particles of all processes by row; NaN where there is none.

        Parameters
        ----------
        values
            Of the particles of each series, ``[p, ...]``.
        """
        rows = [one.rows for one in self.series]
        last = max((int(one.max()) for one in rows if len(one)), default=-1) + 1
        count = torch.tensor([last], device=self.device)
        self.ranks.max_(count)
        shape = values[0].shape[1:] if values else ()
        width = int(np.prod(shape))
        table = torch.zeros(int(count), width + 1, dtype=torch.float64, device=self.device)
        for at, value in zip(rows, values, strict=True):
            where = torch.as_tensor(at, device=self.device)
            flat = torch.as_tensor(value.reshape(len(at), width), device=self.device)
            table[where, :width] = flat.double()
            table[where, width] = 1
        self.ranks.sum_(table)
        found = table.cpu().numpy()
        found[found[:, width] == 0] = np.nan
        return np.asarray(found[:, :width].reshape(-1, *shape))

"""Sums over the views of all particles of a refinement, for each half."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from tomotui.algorithms.refine.poses import batches
from tomotui.algorithms.refine.reconstruct import Spectra, add_views
from tomotui.algorithms.refine.work import Work
from tomotui.algorithms.subtomograms.views import SeriesViews
from tomotui.imaging.slices import SliceSums

Array = NDArray[np.float64]


def half_spectra(work: Work, weights: Array | None = None) -> list[Spectra]:
    """Add up the views of both halves, particles as they lie.

    Parameters
    ----------
    weights
        By which particles count, by row ``[n]``; all count alike when not said.
    """
    group = torch.as_tensor(work.group, dtype=torch.float32, device=work.device)
    sums = [SliceSums(work.box, work.radius_limit, work.device) for _ in (0, 1)]
    n_terms = len(work.store.plane.radius)
    for number, one in enumerate(work.series):
        work.told(number / len(work.series), f"maps: {one.name}")
        own = np.ones(len(one)) if weights is None else weights[one.rows]
        if not (own > 0).any():
            continue
        views = work.store.views(one)
        for half in (0, 1):
            mine = one.of_half(half)
            mine = mine[own[mine] > 0]
            for part in batches(len(mine), n_terms * one.model.n_tilts):
                rows = mine[part]
                poses, some = one.poses.select(rows), views.select(rows)
                add_views(
                    sums[half],
                    some if weights is None else _weighed(some, own[rows]),
                    poses.cameras(one.model, work.device),
                    some.offsets_px(one.model, poses.positions_angstrom),
                    n_terms,
                )
    return [Spectra.of(one, group, work.ranks) for one in sums]


def _weighed(views: SeriesViews, weights: Array) -> SeriesViews:
    """Return views that count by weights: both of their sums have two factors of each."""
    root = torch.as_tensor(weights**0.5, dtype=torch.float32, device=views.data.device)
    root = root[:, None, None]
    return replace(views, data=views.data * root, transfer=views.transfer * root)

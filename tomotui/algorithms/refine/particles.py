"""Particles of a tilt series as refinement holds them: poses, halves, and views at any binning."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tomotui.algorithms.parallel import Ranks
from tomotui.algorithms.refine.poses import Poses
from tomotui.algorithms.subtomograms.views import SeriesModel, SeriesViews, views_of
from tomotui.imaging.slices import HalfPlane

Array = NDArray[np.float64]
Loader = Callable[[int], tuple[Tensor, float]]
"""Reads a series at a binning: relative contrast ``[t, h, w]``, and its pixel size in Angstrom."""


@dataclass(frozen=True)
class Level:
    """A binning that refinement works at.

    Attributes
    ----------
    binning
        Pixels of the images for one of the views.
    box
        Side of the views in pixels, even.
    """

    binning: int
    box: int


@dataclass(frozen=True)
class Cut:
    """Where the views of a series were cut out, which does not change as poses are refined.

    Attributes
    ----------
    level
        Of the views.
    model
        Of the series then.
    positions_angstrom
        Of the particles then, ``[p, 3]``.
    """

    level: Level
    model: SeriesModel
    positions_angstrom: Array


@dataclass
class SeriesParticles:
    """Particles of one tilt series.

    Attributes
    ----------
    name
        Of the series.
    model
        How its images see the specimen; refined.
    began_with
        The same before any refinement.
    load
        Reads its images.
    poses
        Refined.
    picked_angstrom
        Where the particles were to begin with, ``[p, 3]``.
    halves
        0 or 1, ``[p]``.
    rows
        Their rows among all particles, ``[p]``.
    directions
        Prior directions of the reference's z axis in the specimen, ``[p, 3]``, NaN where none is
        known; ``None`` for no prior.
    scores
        Log-likelihood above that of noise, ``[p]``.
    view_scores
        The same by view, ``[p, t]``.
    cut
        Where its views were cut out; ``None`` before that, or when they are to be cut anew.
    """

    name: str
    model: SeriesModel
    load: Loader
    poses: Poses
    halves: NDArray[np.int64]
    rows: NDArray[np.int64]
    directions: Array | None = None
    began_with: SeriesModel = field(init=False)
    picked_angstrom: Array = field(init=False)
    scores: Array = field(init=False)
    view_scores: Array = field(init=False)
    cut: Cut | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.began_with = self.model
        self.picked_angstrom = self.poses.positions_angstrom.copy()
        self.scores = np.zeros(len(self.poses))
        self.view_scores = np.zeros((len(self.poses), self.model.n_tilts))

    def __len__(self) -> int:
        """Return the number of particles."""
        return len(self.poses)

    def part(self, which: NDArray[np.intp]) -> SeriesParticles:
        """Return some of the particles, before anything was refined."""
        directions = None if self.directions is None else self.directions[which]
        return SeriesParticles(
            self.name,
            self.model,
            self.load,
            self.poses.select(which).copied(),
            self.halves[which],
            self.rows[which],
            directions,
        )

    def keep(self, which: NDArray[np.bool_]) -> None:
        """Leave out the particles that are not among these."""
        self.poses = self.poses.select(which).copied()
        self.halves, self.rows = self.halves[which], self.rows[which]
        self.picked_angstrom = self.picked_angstrom[which]
        self.scores, self.view_scores = self.scores[which], self.view_scores[which]
        if self.cut is not None:
            self.cut = replace(self.cut, positions_angstrom=self.cut.positions_angstrom[which])
        if self.directions is not None:
            self.directions = self.directions[which]

    def time_order(self) -> NDArray[np.intp]:
        """Return the tilts by the time of their exposure; by angle where it is not known."""
        exposure = self.model.exposure_e_per_a2
        return np.argsort(self.model.geometry.tilt_deg if exposure is None else exposure)

    def of_half(self, half: int) -> NDArray[np.intp]:
        """Return the numbers of the particles of one half."""
        return np.flatnonzero(self.halves == half)


class ViewStore:
    """Views of all series at one level, kept while there is room and read again otherwise.

    Parameters
    ----------
    keep_bytes
        Room for views; the images of a series are never kept.
    device
        Where to work.
    ranks
        Processes that share the particles of every series.

    Attributes
    ----------
    noise
        Of each series at this level, as it was measured, ``[t, k]``.
    """

    def __init__(
        self, keep_bytes: int, device: torch.device | str = "cpu", ranks: Ranks | None = None
    ) -> None:
        self.keep_bytes, self.device = keep_bytes, torch.device(device)
        self.ranks = ranks or Ranks()
        self.level = Level(0, 0)
        self.plane = HalfPlane(4)
        self._kept: dict[str, SeriesViews] = {}
        self.noise: dict[str, Tensor] = {}

    def at(self, level: Level) -> None:
        """Work at a level from now on."""
        if level != self.level:
            self._kept.clear()
            self.noise.clear()
            self.level, self.plane = level, HalfPlane(level.box, self.device)

    def prepare(self, series: Sequence[SeriesParticles]) -> None:
        """Measure the noise of series of which it is not known yet; all processes must ask."""
        for one in series:
            if one.name not in self.noise:
                self.views(one)

    def views(self, series: SeriesParticles) -> SeriesViews:
        """Return the views of the particles of a series, as its model sees them.

        They are the same whether they were kept or are read again.
        """
        if series.name in self._kept:
            return self._kept[series.name]
        images, pixel = series.load(self.level.binning)
        if series.cut is None or series.cut.level != self.level:
            series.cut = Cut(self.level, series.model, series.poses.positions_angstrom.copy())
        views = views_of(
            images.to(self.device),
            pixel,
            series.cut.model,
            series.cut.positions_angstrom,
            self.plane,
            self.ranks,
            self.noise.get(series.name),
        )
        self.noise[series.name] = views.noise
        size = _bytes_of(views)
        if size + sum(map(_bytes_of, self._kept.values())) <= self.keep_bytes:
            self._kept[series.name] = views
        return views

    def forget(self, series: SeriesParticles) -> None:
        """Make the views of a series anew when they are asked for: its model has changed."""
        self._kept.pop(series.name, None)
        series.cut = None

    def forget_strayed(self, series: SeriesParticles, limit_px: float = 4.0) -> None:
        """Make the views anew where particles have moved far from the middle of their crops."""
        if series.cut is None or series.cut.level != self.level or not len(series):
            return
        offsets = self.views(series).offsets_px(series.model, series.poses.positions_angstrom)
        if float(offsets.abs().max()) > limit_px:
            self.forget(series)


def _bytes_of(views: SeriesViews) -> int:
    return views.data.numel() * (views.data.element_size() + views.transfer.element_size())

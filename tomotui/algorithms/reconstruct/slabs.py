"""The volumes, slab by slab, so that none has to fit into memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tomotui.algorithms.reconstruct.backproject import (
    Operator,
    make_backprojector,
    undo_lean,
)
from tomotui.algorithms.reconstruct.depth_ctf import DepthCtf
from tomotui.algorithms.reconstruct.filters import SlabFilter
from tomotui.algorithms.reconstruct.frame import Frame
from tomotui.algorithms.reconstruct.plan import Plan, plan_slabs, working_bytes
from tomotui.algorithms.reconstruct.prepare import FrameImages

PADDING = {"linear": 1.0, "fourier": 5.0}
"""Bytes at work for each byte of a result: transforms are padded and complex."""


@dataclass(frozen=True)
class Slab:
    """Consecutive sections of the volumes.

    Attributes
    ----------
    first
        Index of the first section.
    parts
        One volume per part, ``[n_z, n_y, n_x]`` each.
    """

    first: int
    parts: tuple[Tensor, ...]


@dataclass(frozen=True)
class Part:
    """What one volume is made of.

    Attributes
    ----------
    images
        In a stretched frame.
    scale
        Factor on the voxels; by default those of `default_scale`.
    filter
        Exact filter still to be applied.
    ctf
        Correction still to be applied.
    """

    images: FrameImages
    scale: float
    filter: SlabFilter | None = None
    ctf: DepthCtf | None = None

    @property
    def frame(self) -> Frame:
        """Frame of the images."""
        return self.images.frame

    @property
    def sections(self) -> int:
        """Sections that the same images do for."""
        if self.ctf is None:
            return self.images.sections
        return min(self.images.sections, self.ctf.sections_per_slab)


def default_scale(n_tilts: int) -> float:
    """Return pi / (2 n_tilts), the measure of the integral over tilts."""
    return float(np.pi / (2 * n_tilts))


def reconstruct_slabs(
    parts: Sequence[Part],
    operator: Operator = "linear",
    device: torch.device | str | None = None,
    plan: Plan | None = None,
) -> Iterator[Slab]:
    """Put images together to volumes, yielding them in slabs along z.

    Parameters
    ----------
    parts
        One for each volume, all of the same sampling.
    operator
        Interpolation between columns.
    device
        Where to work; where the images are by default.
    plan
        Cuts; chosen by the memory of the device by default.

    Yields
    ------
    Slabs from the first section to the last, where the images are.
    """
    frame = parts[0].frame
    n_z, n_x = frame.sampling.n_z, frame.sampling.n_x
    work = parts[0].images.device if device is None else torch.device(device)
    if plan is None:
        tilts = sum(part.frame.n_tilts for part in parts)
        shape = (tilts, frame.n_columns, frame.n_rows)
        plan = plan_slabs(shape, n_x, n_z, len(parts), PADDING[operator], working_bytes(work))
    step = min([plan.sections, *(part.sections for part in parts)])
    makers = [_VolumeMaker(part, operator, work, plan.rows) for part in parts]
    for first in range(0, n_z, step):
        depths = np.arange(first, min(n_z, first + step)) - n_z // 2
        yield Slab(first, tuple(maker.make(depths) for maker in makers))


class _VolumeMaker:
    """Makes the sections of one part, some rows at a time."""

    def __init__(self, part: Part, operator: Operator, device: torch.device, rows: int) -> None:
        self.part, self.device, self.rows = part, device, rows
        self.backprojector = make_backprojector(operator, part.frame)
        self._source: Tensor | None = None
        self._taken = False

    def make(self, depths: np.ndarray) -> Tensor:
        """Return sections at depths in voxels, ``[n_z, n_y, n_x]``."""
        part = self.part
        middle = float(depths.mean())
        images = part.images.at(middle)
        if part.ctf is not None:
            images = part.ctf.at(middle, images)
        if part.ctf is not None or images is not self._source:
            self._source, self._taken = images, False
        n_rows = images.shape[2]
        blocks = []
        for first in range(0, n_rows, self.rows):
            if not (self._taken and self.rows >= n_rows):
                self._take(images[:, :, first : first + self.rows])
            made = self.backprojector.sections(depths)
            blocks.append(made.to(images.device))
        whole = blocks[0] if len(blocks) == 1 else torch.cat(blocks, dim=2)
        return undo_lean(whole, depths, part.frame).transpose(1, 2) * part.scale

    def _take(self, images: Tensor) -> None:
        here = images.to(self.device)
        if self.part.filter is not None:
            here = self.part.filter.apply(here)
        self.backprojector.take(here)
        self._taken = True

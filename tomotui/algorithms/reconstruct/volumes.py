"""From images of one series to its volumes: the whole and, where asked for, two halves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
import torch
from torch import Tensor

from tomotui.algorithms.reconstruct.backproject import Operator, undo_lean
from tomotui.algorithms.reconstruct.depth_ctf import Correction, DepthCtf, SeriesCtf
from tomotui.algorithms.reconstruct.filters import (
    COLUMN_FILTERS,
    ColumnFilter,
    Filter,
    MatrixFilter,
    SlabFilter,
)
from tomotui.algorithms.reconstruct.frame import Frame, Sampling, make_frame
from tomotui.algorithms.reconstruct.plan import working_bytes
from tomotui.algorithms.reconstruct.prepare import FrameImages, Weighting
from tomotui.algorithms.reconstruct.sirt import sirt
from tomotui.algorithms.reconstruct.slabs import (
    Part,
    Slab,
    default_scale,
    reconstruct_slabs,
)
from tomotui.geometry import TiltGeometry
from tomotui.geometry.local import LocalField

Method = Literal["wbp", "sirt", "fourier"]
Scratch = Callable[[tuple[int, int, int]], np.ndarray]

SIRT_SECTIONS = 32


@dataclass(frozen=True)
class Recipe:
    """How volumes are made.

    Attributes
    ----------
    method
        ``wbp`` interpolates in space, ``fourier`` moves sections exactly in Fourier space;
        both weight by the filter. ``sirt`` iterates.
    filter
        Weights of ``wbp`` and ``fourier``.
    iterations
        Of ``sirt``, and those that the filter ``sirt-like`` stands for.
    correction
        Of the contrast transfer function; ``None`` for none.
    snr
        For the correction ``wiener``.
    """

    method: Method = "wbp"
    filter: Filter = "hamming"
    iterations: int = 20
    correction: Correction | None = None
    snr: float = 1.0

    @property
    def name(self) -> str:
        """Word for the record, such as ``wbp-hamming``."""
        kind = str(self.iterations) if self.method == "sirt" else self.filter
        return f"{self.method}-{kind}"

    @property
    def column_filter(self) -> ColumnFilter | None:
        """The filter, where it knows one image at a time."""
        if self.method != "sirt" and self.filter in COLUMN_FILTERS:
            return cast(ColumnFilter, self.filter)
        return None


@dataclass(frozen=True)
class Material:
    """What volumes are made of.

    Attributes
    ----------
    images
        Binned and from `normalise`, ``[n_tilts, height, width]``.
    geometry, local, ctf
        Of those tilts.
    halves
        Tilts of each half, or the images of each half of the frames; empty for no halves.
    exposure_e_per_a2
        For the exposure filter; ``None`` for no filter.
    voltage_kv
        Acceleration voltage.
    """

    images: Tensor
    geometry: TiltGeometry
    local: LocalField | None = None
    ctf: SeriesCtf | None = None
    halves: Sequence[Sequence[int]] | Sequence[Tensor] = ()
    exposure_e_per_a2: Tensor | None = None
    voltage_kv: float = 300.0


def reconstruct_volumes(
    material: Material,
    sampling: Sampling,
    recipe: Recipe,
    device: torch.device | str,
    scratch: Scratch = np.empty,
    told: Callable[[float], None] = lambda fraction: None,
) -> Iterator[Slab]:
    """Make the whole volume and the halves, yielding them in slabs along z.

    Parameters
    ----------
    material, sampling, recipe
        What of, on which grid, and how.
    device
        Where to work; images may lie elsewhere.
    scratch
        Gives an array ``[n_z, n_x, n_rows]`` to gather a volume in that is not made in slabs.
    told
        Called with the fraction done.

    Yields
    ------
    Slabs whose first part is the whole, followed by the halves. Halves of every other tilt with
    a column filter average to the whole exactly; otherwise each volume is filtered for the
    tilts that it has, so that no half knows anything of the other.
    """
    if recipe.method == "sirt":
        yield from _sirt_slabs(material, sampling, recipe, device, scratch, told)
        return
    frame = make_frame(material.geometry, sampling, material.local)
    operator: Operator = "linear" if recipe.method == "wbp" else "fourier"
    column = recipe.column_filter
    additive = column is not None and _are_tilts(material.halves)
    parts = []
    n_parts = max(2, len(material.halves)) if additive else 1 + len(material.halves)
    for number, (images, chosen) in enumerate(_weighted(material, frame, recipe, device)):
        if additive and number == 0:
            continue
        exact = None
        if column is None:
            exact = SlabFilter(cast(MatrixFilter, recipe.filter), images.frame, recipe.iterations)
        scale = default_scale(len(chosen) if column is None else frame.n_tilts)
        ctf = _correction(images.frame, chosen, material, recipe, device, n_parts)
        parts.append(Part(images, scale, exact, ctf))
    for slab in reconstruct_slabs(parts, operator, device):
        volumes = slab.parts
        if additive:
            volumes = (volumes[0] + volumes[1], 2 * volumes[0], 2 * volumes[1])
        told((slab.first + len(volumes[0])) / sampling.n_z)
        yield Slab(slab.first, volumes)


def _are_tilts(halves: Sequence[Sequence[int]] | Sequence[Tensor]) -> bool:
    return bool(len(halves)) and not isinstance(halves[0], Tensor)


def _weighted(
    material: Material, frame: Frame, recipe: Recipe, device: torch.device | str
) -> Iterator[tuple[FrameImages, list[int]]]:
    """Yield the weighted images and the tilts of the whole and of each half."""
    weighting = Weighting(recipe.column_filter, material.exposure_e_per_a2, material.voltage_kv)
    whole = FrameImages(material.images, frame, weighting, device)
    everything = list(range(frame.n_tilts))
    yield whole, everything
    for half in material.halves:
        if isinstance(half, Tensor):
            yield FrameImages(half, frame, weighting, device), everything
        else:
            yield whole.select(half), list(half)


def _correction(
    frame: Frame,
    chosen: list[int],
    material: Material,
    recipe: Recipe,
    device: torch.device | str,
    n_parts: int,
) -> DepthCtf | None:
    """Return the correction of the images of some tilts, where one is asked for."""
    if recipe.correction is None or material.ctf is None:
        return None
    room = working_bytes(device) // (4 * n_parts)
    ctf = material.ctf.select(chosen)
    return DepthCtf(frame, ctf, recipe.correction, recipe.snr, room, device)


def _sirt_slabs(
    material: Material,
    sampling: Sampling,
    recipe: Recipe,
    device: torch.device | str,
    scratch: Scratch,
    told: Callable[[float], None],
) -> Iterator[Slab]:
    """Iterate some rows at a time, then give out sections."""
    frame = make_frame(material.geometry, sampling, material.local, stretched=False)
    gathered = []
    n_volumes = 1 + len(material.halves)
    for number, (source, chosen) in enumerate(_weighted(material, frame, recipe, device)):
        mine, images = source.frame, source.at(0.0)
        # Iterations see all depths at once: corrections follow the middle plane.
        ctf = _correction(mine, chosen, material, recipe, device, n_volumes)
        images = images if ctf is None else ctf.at(0.0, images)
        rows = _rows_that_fit(mine, working_bytes(device))
        volume = scratch((sampling.n_z, sampling.n_x, frame.n_rows))

        def part_told(fraction: float, number: int = number) -> None:
            told(0.95 * (number + fraction) / n_volumes)

        for first, block in sirt(images, mine, recipe.iterations, rows, device, part_told):
            volume[:, :, first : first + block.shape[2]] = block.cpu().numpy()
        gathered.append(volume)
    for first in range(0, sampling.n_z, SIRT_SECTIONS):
        some = slice(first, min(sampling.n_z, first + SIRT_SECTIONS))
        depths = np.arange(some.start, some.stop) - sampling.n_z // 2
        volumes = tuple(
            undo_lean(torch.from_numpy(np.array(volume[some])), depths, frame).transpose(1, 2)
            for volume in gathered
        )
        yield Slab(first, volumes)


def _rows_that_fit(frame: Frame, budget: int) -> int:
    """Return how many rows of a volume, its images and their work copies fit at once."""
    sampling = frame.sampling
    # The volume that is iterated is up to twice as wide as the one that is kept.
    per_row = 4 * (4 * frame.n_tilts * frame.n_columns + 6 * sampling.n_x * sampling.n_z)
    return max(1, budget // per_row)

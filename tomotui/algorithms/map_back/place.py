"""Putting copies of a map into the volume of a tomogram, at the poses of its particles."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import grid_sample, pad

from tomotui.imaging.fourier import radial_frequency
from tomotui.imaging.masks import raised_cosine, soft_ball

Array = NDArray[np.float64]

OVERSAMPLING = 2
"""Least samples of the map for one voxel of the volume: taken linearly, it loses little."""

EDGE_SHARE = 0.1
"""Of the radius, over which a map ends softly where it has no mask."""

POINTS_AT_ONCE = 2**21


@dataclass(frozen=True)
class Stamp:
    """A map, sampled finely enough to be turned.

    Attributes
    ----------
    values
        About ``m // 2``, ``[m, m, m]``; 0 beyond the radius.
    voxel_size_angstrom
        Of these samples.
    radius_angstrom
        Of the ball that holds it.
    """

    values: Tensor
    voxel_size_angstrom: float
    radius_angstrom: float


def stamp_of(
    values: Tensor,
    voxel_size_angstrom: float,
    target_angstrom: float,
    mask: Tensor | None = None,
) -> Stamp:
    """Prepare a map for a volume of other voxels.

    Parameters
    ----------
    values
        About ``n // 2``, ``[n, n, n]``.
    target_angstrom
        Voxel size of the volume; detail that it cannot show is left out.
    mask
        Of the same shape, 0 to 1; the ball that fits into the box where there is none.

    Raises
    ------
    ValueError
        When the map is no cube, empty, or holds values that are not numbers.
    """
    n = values.shape[-1]
    if values.ndim != 3 or len(set(values.shape)) != 1:
        raise ValueError(f"a map must be a cube, got {tuple(values.shape)}")
    if not bool(torch.isfinite(values).all()):
        raise ValueError("the map holds values that are not numbers")
    reach = n // 2 - 1.0
    if mask is None:
        edge = EDGE_SHARE * reach
        mask = soft_ball(n, reach - edge, edge).to(values.device)
    else:
        reach = min(reach, _reach(mask))
    masked = values * mask
    if not bool((masked != 0).any()):
        raise ValueError("the map is empty")
    filtered = _shown_at(masked, voxel_size_angstrom, target_angstrom)
    factor = math.ceil(OVERSAMPLING * voxel_size_angstrom / target_angstrom - 1e-6)
    # The filter spreads the map a little beyond its mask.
    radius = min(n // 2 - 1.0, reach + 2 * target_angstrom / voxel_size_angstrom)
    return Stamp(
        _finer(filtered, factor) if factor > 1 else filtered,
        voxel_size_angstrom / max(1, factor),
        radius * voxel_size_angstrom,
    )


def _reach(mask: Tensor) -> float:
    """Return how far from the centre a mask reaches, voxels."""
    places = (mask > 0).nonzero() - mask.shape[-1] // 2
    return float(places.square().sum(dim=1).max().sqrt()) if len(places) else 0.0


def _shown_at(values: Tensor, voxel_size_angstrom: float, target_angstrom: float) -> Tensor:
    """Return a map without what lies beyond the Nyquist frequency of a volume."""
    cut = 0.5 * voxel_size_angstrom / target_angstrom
    if cut >= 0.5:
        return values
    frequency = radial_frequency(tuple(values.shape), values.device)
    passed = raised_cosine(frequency - 0.85 * cut, 0.15 * cut)
    return torch.fft.irfftn(torch.fft.rfftn(values) * passed, s=values.shape)


def _finer(values: Tensor, factor: int) -> Tensor:
    """Return a cube of ``factor`` samples for one, exact below Nyquist; the centre stays."""
    n = values.shape[0]
    spectrum = torch.fft.fftshift(torch.fft.fftn(values))
    before = n * factor // 2 - n // 2
    padded = pad(spectrum, (before, n * factor - n - before) * 3)
    return torch.fft.ifftn(torch.fft.ifftshift(padded)).real * factor**3


class Placement:
    """Copies of a map in a volume, made slab by slab.

    Parameters
    ----------
    stamp
        The map.
    positions_angstrom
        (x, y, z) from the volume's centre, voxel ``n // 2`` of each axis, ``[n, 3]``.
    rotations
        From the map to the volume, on (x, y, z), ``[n, 3, 3]``.
    shape
        Of the volume, (z, y, x).
    voxel_size_angstrom
        Of the volume.
    """

    def __init__(
        self,
        stamp: Stamp,
        positions_angstrom: Array,
        rotations: Array,
        shape: tuple[int, int, int],
        voxel_size_angstrom: float,
    ) -> None:
        self.stamp, self.shape = stamp, shape
        self.voxel_size_angstrom = voxel_size_angstrom
        centre = np.array(shape) // 2
        places = positions_angstrom[:, ::-1] / voxel_size_angstrom + centre
        self.nearest = np.round(places).astype(np.int64)
        self.remainder = (self.nearest - places)[:, ::-1].copy()
        self.rotations = rotations
        self.reach = math.ceil(stamp.radius_angstrom / voxel_size_angstrom) + 1
        self._offsets = self._ball().to(stamp.values.device)

    def __len__(self) -> int:
        """Return the number of copies."""
        return len(self.nearest)

    def is_inside(self) -> NDArray[np.bool_]:
        """Tell which copies have their centres in the volume, ``[n]``."""
        within: NDArray[np.bool_] = (self.nearest >= 0) & (self.nearest < np.array(self.shape))
        return np.asarray(within.all(axis=1))

    def slab(
        self, first: int, stop: int, told: Callable[[float], None] = lambda share: None
    ) -> Tensor:
        """Return sections ``first`` to ``stop``, ``[stop - first, y, x]``; copies add up.

        Parameters
        ----------
        told
            Is told the share done.
        """
        slab = torch.zeros(stop - first, *self.shape[1:], device=self.stamp.values.device)
        low = np.array([first, 0, 0]) + self.reach
        high = np.array([stop, *self.shape[1:]]) - self.reach
        whole = ((self.nearest >= low) & (self.nearest < high)).all(axis=1)
        some = (self.nearest > low - 2 * self.reach - 1) & (self.nearest < high + 2 * self.reach)
        cut = some.all(axis=1) & ~whole
        at_once = max(1, POINTS_AT_ONCE // len(self._offsets))
        done, total = 0, int(whole.sum() + cut.sum())
        for is_cut, chosen in ((False, whole), (True, cut)):
            rows = np.flatnonzero(chosen)
            for begin in range(0, len(rows), at_once):
                batch = rows[begin : begin + at_once]
                self._add(slab, batch, first, is_cut)
                done += len(batch)
                told(done / total)
        return slab

    def _ball(self) -> Tensor:
        """Return the voxels around a place that a copy may reach, (x, y, z), ``[p, 3]``."""
        line = torch.arange(-self.reach, self.reach + 1)
        z, y, x = torch.meshgrid(line, line, line, indexing="ij")
        inside = z.square() + y.square() + x.square() <= self.reach**2
        return torch.stack([x[inside], y[inside], z[inside]], dim=-1)

    def _add(self, slab: Tensor, rows: NDArray[np.intp], first: int, is_cut: bool) -> None:
        """Add copies to a slab that begins at a section; some of their voxels may lie outside."""
        values = self._sampled(rows)
        centres = torch.from_numpy(self.nearest[rows, ::-1].copy()).to(slab.device)
        centres[:, 2] -= first
        n_z, n_y, n_x = slab.shape
        strides = torch.tensor([1, n_x, n_x * n_y], device=slab.device)
        index = (centres * strides).sum(dim=1)[:, None] + (self._offsets * strides).sum(dim=1)
        if is_cut:
            x, y, z = (centres[:, None] + self._offsets).unbind(dim=-1)
            kept = (x >= 0) & (x < n_x) & (y >= 0) & (y < n_y) & (z >= 0) & (z < n_z)
            index, values = index[kept], values[kept]
        slab.view(-1).index_add_(0, index.reshape(-1), values.reshape(-1))

    def _sampled(self, rows: NDArray[np.intp]) -> Tensor:
        """Return the map, turned, on the voxels around its copies, ``[n_rows, p]``."""
        stamp, side = self.stamp, self.stamp.values.shape[-1]
        device = stamp.values.device
        # To the range from -1 to 1 that holds the samples of the map.
        scale = self.voxel_size_angstrom / stamp.voxel_size_angstrom * 2 / (side - 1)
        # Row vectors times R are column vectors times its inverse: from the volume to the map.
        turns = torch.from_numpy(self.rotations[rows] * scale).to(device)
        starts = torch.from_numpy(self.remainder[rows]).to(device)[:, None] @ turns
        starts += side // 2 * 2 / (side - 1) - 1
        places = self._offsets.float().expand(len(rows), -1, -1)
        grid = torch.baddbmm(starts.float(), places, turns.float())
        return grid_sample(
            stamp.values[None, None], grid[None, :, None], padding_mode="zeros", align_corners=True
        )[0, 0, :, 0]

"""How each particle differs from the map, as two sums in the reference's Fourier space.

Once poses are known, the likelihood of a shape follows from two sums over a particle's views, at
the places of the reference's Fourier space where its views cut it: of transfer times what the map
leaves of the data, and of squared transfer. Shapes are then compared in three dimensions, whatever
the number of tilts: with ``D`` the spectrum of a shape less that of the map, the log-likelihood
above the map's own is the sum over half of space of ``Re(conj(values) D) - weights |D|^2 / 2``.

Both sums are put together on a grid twice as fine and brought to the box's frequencies through
real space, where the interpolation's window is divided out. The first term is exact. The square
takes the box for periodic, which costs a few percent of it while the particle fills two thirds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tomotui.algorithms.refine.equations import predicted, ramps, slice_points
from tomotui.algorithms.refine.poses import Poses
from tomotui.algorithms.refine.work import Work
from tomotui.algorithms.subtomograms.joined import HalfBall
from tomotui.algorithms.subtomograms.views import SeriesModel, SeriesViews
from tomotui.imaging.masks import soft_ball
from tomotui.imaging.slices import (
    PADDING,
    FourierGrid,
    SliceSource,
    interpolation_window,
    scattered,
)

_ROOM_BYTES = 2**29
"""For the terms of the particles that are put together at once."""


class Terms:
    """The Fourier terms of volumes within a radius: the origin, and one of each pair of mates.

    Parameters
    ----------
    size
        Side of the box in voxels.
    radius
        Greatest frequency, cycles per box.
    """

    def __init__(self, size: int, radius: float, device: torch.device | str = "cpu") -> None:
        self.size = size
        ball = HalfBall(size, radius, device)
        origin = ball.frequencies.new_zeros(1, 3)
        self.frequencies = torch.cat([origin, ball.frequencies])
        self.length = torch.cat([ball.length.new_zeros(1), ball.length])
        x, y, z = self.frequencies.long().unbind(-1)
        self._flat = ((z % size) * size + y % size) * (size // 2 + 1) + x

    def __len__(self) -> int:
        """Return their number."""
        return len(self.frequencies)

    def of(self, volumes: Tensor) -> Tensor:
        """Return the terms of volumes ``[..., n, n, n]`` about voxel ``n // 2``, ``[..., k]``."""
        dims = (-3, -2, -1)
        spectrum = torch.fft.rfftn(torch.fft.ifftshift(volumes, dim=dims), dim=dims)
        found: Tensor = spectrum.flatten(-3)[..., self._flat]
        return found

    def volumes(self, terms: Tensor) -> Tensor:
        """Return the volumes that have these terms and no others, ``[..., n, n, n]``."""
        n, half = self.size, self.size // 2 + 1
        whole = terms.new_zeros(*terms.shape[:-1], n * n * half)
        whole[..., self._flat] = terms
        grid = whole.view(*terms.shape[:-1], n, n, half)
        # Of the plane x = 0 only one of each pair of mates is there.
        plane = grid[..., 0]
        mates = plane.flip(-2, -1).roll((1, 1), dims=(-2, -1)).conj()
        grid[..., 0] = torch.where(plane == 0, mates, plane)
        dims = (-3, -2, -1)
        return torch.fft.fftshift(torch.fft.irfftn(grid, s=(n, n, n), dim=dims), dim=dims)


@dataclass
class ParticleSums:
    """Sums of particles.

    Attributes
    ----------
    terms
        Where in Fourier space.
    values
        Of transfer times what the map leaves of the data, complex, for two shares of the views
        (every other tilt), which know nothing of each other: ``[2, p, k]``.
    weights
        Of squared transfer, ``[2, p, k]``.
    rows
        Of the particles among all, ``[p]``.
    halves
        0 or 1, ``[p]``.
    pixel_size_angstrom
        Of the box.
    """

    terms: Terms
    values: Tensor
    weights: Tensor
    rows: NDArray[np.int64]
    halves: NDArray[np.int64]
    pixel_size_angstrom: float

    def __len__(self) -> int:
        """Return the number of particles."""
        return len(self.rows)

    def whole(self, which: Tensor) -> tuple[Tensor, Tensor]:
        """Return values and weights over all views of some particles, ``[b, k]`` each."""
        return self.values[:, which].sum(dim=0), self.weights[:, which].sum(dim=0)


def gather_sums(
    work: Work, references: Sequence[Tensor], resolution_angstrom: float
) -> ParticleSums:
    """Put together the sums of all particles.

    Parameters
    ----------
    work
        At the level whose box and pixels are to be used, with poses known.
    references
        What particles of each half are compared with, ``[n, n, n]``.
    resolution_angstrom
        Finest detail to keep.
    """
    terms = Terms(work.box, work.radius(resolution_angstrom), work.device)
    maker = SumMaker(terms, references, work.device)
    values, weights = [], []
    for number, one in enumerate(work.series):
        work.told(number / len(work.series), f"reading particles: {one.name}")
        views = work.store.views(one)
        for part in maker.runs(len(one), one.model.n_tilts):
            rows = np.arange(part.start, part.stop)
            found = maker.sums(
                views.select(rows), one.model, one.poses.select(rows), one.halves[rows]
            )
            values.append(found[0])
            weights.append(found[1])
    return ParticleSums(
        terms,
        torch.cat(values, dim=1),
        torch.cat(weights, dim=1),
        np.concatenate([one.rows for one in work.series]),
        np.concatenate([one.halves for one in work.series]),
        work.pixel_size_angstrom,
    )


class SumMaker:
    """Puts together the sums of particles of one series."""

    def __init__(self, terms: Terms, references: Sequence[Tensor], device: torch.device) -> None:
        size = terms.size
        self.terms, self.device = terms, device
        self.grid = FourierGrid(size, min(float(terms.length.max()) + 1, size / 2 - 1))
        self.sources = [SliceSource(one, self.grid.radius) for one in references]
        # The window falls to nothing nowhere; the ball keeps what cannot be the particle out.
        window = interpolation_window(size, device)
        self.of_values = soft_ball(size, size / 2 - 3, 2.0).to(device) / window
        self.of_weights = 1 / window

    def runs(self, n: int, n_tilts: int) -> list[slice]:
        """Cut particles into runs that fit into memory."""
        of_views = 120 * self.terms.size**2 * n_tilts
        of_grids = 24 * (PADDING * self.terms.size) ** 3
        size = max(1, _ROOM_BYTES // (of_views + of_grids))
        return [slice(first, min(first + size, n)) for first in range(0, n, size)]

    def sums(
        self, views: SeriesViews, model: SeriesModel, poses: Poses, halves: NDArray[np.int64]
    ) -> tuple[Tensor, Tensor]:
        """Return values and weights of both shares of the views, ``[2, p, k]`` each."""
        n_terms = views.plane.within(self.grid.radius)
        frequencies = views.plane.frequencies[:n_terms]
        transfer = views.transfer[..., :n_terms]
        camera = poses.cameras(model, self.device)
        offsets = views.offsets_px(model, poses.positions_angstrom)
        left = views.data[..., :n_terms].clone()
        for half, source in enumerate(self.sources):
            own = torch.as_tensor(halves == half, device=self.device)
            if own.any():
                rows = own.nonzero()[:, 0].cpu().numpy()
                left[own] -= predicted(
                    source, views.select(rows), camera[own], offsets[own], n_terms
                )
        seen = left * transfer * ramps(frequencies, -offsets, views.box)
        points = slice_points(frequencies, camera)
        # Shares alternate in the order of the tilt angles: each covers all of them.
        turn = np.argsort(np.argsort(model.geometry.tilt_deg)) % 2
        found = [self._share(points, seen, transfer, np.flatnonzero(turn == i)) for i in (0, 1)]
        return torch.stack([one[0] for one in found]), torch.stack([one[1] for one in found])

    def _share(
        self, points: Tensor, seen: Tensor, transfer: Tensor, tilts: NDArray[np.intp]
    ) -> tuple[Tensor, Tensor]:
        chosen = torch.as_tensor(tilts, device=self.device)
        n, n_points = len(seen), self.grid.n_points
        flat = points[:, chosen].reshape(-1, 3)
        index, shares, mirrored = self.grid.around(flat)
        values = seen[:, chosen].reshape(-1)
        squares = transfer[:, chosen].square().reshape(-1)
        imaginary = torch.where(mirrored, -values.imag, values.imag)
        columns = torch.stack([values.real, imaginary, squares], dim=-1)
        first = torch.arange(n, device=self.device, dtype=torch.int32)
        first = first.repeat_interleave(len(flat) // max(n, 1))[:, None] * n_points
        sums = scattered(index + first, shares, columns, n * n_points)
        shaped = sums.view(n, *self.grid.shape, 3)
        spectrum = torch.complex(shaped[..., 0], shaped[..., 1])
        weights = shaped[..., 2].contiguous()
        spectrum[..., 0] = spectrum[..., 0] + spectrum[..., 0].flip(1, 2).conj()
        weights[..., 0] = weights[..., 0] + weights[..., 0].flip(1, 2)
        scale = PADDING**3
        volumes = self.grid.uncut(spectrum) * self.of_values * scale
        spreads = self.grid.uncut(weights.to(spectrum.dtype)) * self.of_weights * scale
        # A periodic box may leave weights a little below nothing.
        found = self.terms.of(volumes), self.terms.of(spreads).real.clamp_min(0)
        for one in found:
            one[:, 0] *= 0.5  # which is no pair
        return found


def log_likelihood(difference: Tensor, values: Tensor, weights: Tensor) -> Tensor:
    """Return that of shapes above the map's own, ``[...]``.

    Parameters
    ----------
    difference
        From the map, ``[..., k]``.
    values, weights
        ``[..., k]``.
    """
    agreement = values.real * difference.real + values.imag * difference.imag
    power = difference.real.square() + difference.imag.square()
    return (agreement - 0.5 * weights * power).sum(dim=-1)


def real_product(left: Tensor, right: Tensor) -> Tensor:
    """Return the real part of products over frequencies, ``[..., k]`` by ``[m, k]``."""
    first, second = (torch.view_as_real(one.contiguous()).flatten(-2) for one in (left, right))
    return first @ second.T

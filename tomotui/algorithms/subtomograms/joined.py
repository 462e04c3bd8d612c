"""The views of a particle joined into one sum in its three-dimensional Fourier space.

At the low frequencies that a search over all orientations uses, the likelihood of a turned and
moved reference follows from two grids for each particle: sums of transfer times data, and of
squared transfer. It is then a matrix product over frequencies for all particles, shifts and
orientations together, whatever the number of tilts; turned references serve every particle.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tomotui.algorithms.refine.equations import ramps, slice_points
from tomotui.algorithms.subtomograms.views import SeriesViews
from tomotui.imaging.slices import FourierGrid, scattered

Array = NDArray[np.float64]


class HalfBall:
    """Whole frequencies of a cubic box within a radius, one of each pair of mates.

    Parameters
    ----------
    size
        Side of the box.
    radius
        Greatest frequency, cycles per box.

    Attributes
    ----------
    frequencies
        (x, y, z), ``[n, 3]``, without the origin.
    """

    def __init__(self, size: int, radius: float, device: torch.device | str = "cpu") -> None:
        self.size, self.radius = size, radius
        self.grid = FourierGrid(size, radius, padding=1)
        reach = self.grid.reach
        side = torch.arange(-reach, reach + 1, dtype=torch.float32)
        z, y, x = torch.meshgrid(side, side, side[reach:], indexing="ij")
        places = torch.stack([x, y, z], dim=-1).reshape(-1, 3)
        length = places.square().sum(dim=-1).sqrt()
        is_first = (x > 0) | ((x == 0) & ((y > 0) | ((y == 0) & (z > 0))))
        chosen = ((length <= radius) & (length > 0.5) & is_first.reshape(-1)).nonzero()[:, 0]
        self._chosen = chosen.to(device)
        self._mates = (
            torch.arange(self.grid.n_points)
            .reshape(self.grid.shape)[:, :, 0]
            .flip(0, 1)
            .reshape(-1)
            .to(device)
        )
        self.frequencies = places[chosen].to(device)
        self.length = length[chosen].to(device)

    def __len__(self) -> int:
        """Return the number of frequencies."""
        return len(self.frequencies)

    def pick(self, grid_rows: Tensor, imaginary_from: int) -> Tensor:
        """Return rows of a grid's sums at the frequencies, the two halves of space joined.

        Parameters
        ----------
        grid_rows
            ``[n_points, c]``; columns from ``imaginary_from`` on change sign at mates.
        """
        plane = self._mates.sort().values
        sign = torch.ones(grid_rows.shape[1], device=grid_rows.device, dtype=grid_rows.dtype)
        sign[imaginary_from:] = -1
        joined = grid_rows.clone()
        joined[plane] += grid_rows[self._mates] * sign
        return joined[self._chosen]

    def ramps(self, shifts_px: Tensor) -> Tensor:
        """Return what undoing shifts (x, y, z) does to Fourier terms, ``[s, n]``."""
        angle = (shifts_px @ self.frequencies.T) * (2 * math.pi / self.size)
        return torch.polar(torch.ones_like(angle), angle)


@dataclass(frozen=True)
class JoinedViews:
    """Particles as sums on a half ball of frequencies.

    Attributes
    ----------
    values
        Of transfer times data, in the specimen's orientation about where the particle is thought
        to be, complex, ``[p, n]``.
    weights
        Of squared transfer, ``[p, n]``.
    """

    ball: HalfBall
    values: Tensor
    weights: Tensor

    def __len__(self) -> int:
        """Return the number of particles."""
        return len(self.values)

    @classmethod
    def of_all(cls, parts: Sequence[JoinedViews]) -> JoinedViews:
        """Return particles one after another."""
        return cls(
            parts[0].ball,
            torch.cat([part.values for part in parts]),
            torch.cat([part.weights for part in parts]),
        )


def join_views(
    views: SeriesViews, projection: Array, offsets_px: Tensor, ball: HalfBall
) -> JoinedViews:
    """Join the views of particles of one series.

    Parameters
    ----------
    projection
        From specimen to camera, ``[t, 3, 3]``.
    offsets_px
        Of the particles from their crops' centres, ``[p, t, 2]``.
    ball
        Of the box's side.
    """
    n_terms = views.plane.within(ball.radius)
    frequencies = views.plane.frequencies[:n_terms]
    transfer = views.transfer[..., :n_terms]
    camera = torch.as_tensor(projection, dtype=torch.float32, device=transfer.device)
    points = slice_points(frequencies, camera).reshape(-1, 3)
    values = views.data[..., :n_terms] * transfer * ramps(frequencies, -offsets_px, views.box)
    index, shares, mirrored = ball.grid.around(points)
    flat = values.flatten(1)
    imaginary = torch.where(mirrored, -flat.imag, flat.imag)
    columns = torch.cat([flat.real, transfer.square().flatten(1), imaginary])
    rows = scattered(index, shares, columns.T.contiguous(), ball.grid.n_points)
    n = len(views)
    found = ball.pick(rows, 2 * n).T
    return JoinedViews(
        ball, torch.complex(found[:n], found[2 * n :]).contiguous(), found[n : 2 * n].contiguous()
    )

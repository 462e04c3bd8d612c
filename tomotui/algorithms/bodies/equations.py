"""How well views agree with bodies that lie as they do, and where to move all of them at once.

A view is modelled as the sum of slices of all bodies, each at its own pose. Their shifts and turns
are solved for together, so that what one body explains is not explained again by another, and the
inverse of the curvature says how surely each of them is known beside the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from tomotui.algorithms.bodies.poses import SIX, BodyPoses
from tomotui.algorithms.refine.equations import (
    fit_of,
    pose_columns,
    predicted,
    slices_with_slopes,
)
from tomotui.algorithms.subtomograms.views import SeriesModel, SeriesViews
from tomotui.imaging.slices import SliceSource

_FIVE = 5
"""Numbers of a pose in a view: shift (x, y) and turn about (x, y, z)."""


@dataclass(frozen=True)
class BodyEquations:
    """Agreement of particles with their bodies, and its derivatives.

    Attributes
    ----------
    score
        Log-likelihood above that of noise alone, ``[p]``.
    gradient
        By shift (pixels) and turn (radians) in the specimen, body after body, ``[p, 6 b]``.
    curvature
        Positive where the likelihood has a maximum, ``[p, 6 b, 6 b]``.
    """

    score: Tensor
    gradient: Tensor
    curvature: Tensor

    def select(self, rows: Tensor) -> BodyEquations:
        """Return those of some particles."""
        return BodyEquations(*(getattr(self, one.name)[rows] for one in fields(self)))

    def put(self, rows: Tensor, new: BodyEquations) -> None:
        """Replace those of some particles."""
        for one in fields(self):
            getattr(self, one.name)[rows] = getattr(new, one.name)


def body_equations(
    sources: Sequence[SliceSource],
    views: SeriesViews,
    model: SeriesModel,
    poses: BodyPoses,
    n_terms: int,
) -> BodyEquations:
    """Work out agreement and derivatives.

    Parameters
    ----------
    sources
        Of each body about its pivot, with gradients.
    n_terms
        Fourier terms of each view that count.
    """
    frequencies, device = views.plane.frequencies[:n_terms], views.data.device
    total = torch.zeros_like(views.data[..., :n_terms])
    columns = []
    for number, source in enumerate(sources):
        body = poses.body(number)
        offsets = views.offsets_px(model, body.positions_angstrom)
        slices, ramp, seen = slices_with_slopes(
            source, views, body.cameras(model, device), offsets, n_terms
        )
        mine = slices * ramp * views.transfer[..., :n_terms]
        total += mine
        columns += pose_columns(mine, seen, frequencies, views.box)
    jacobian = torch.view_as_real(torch.stack(columns, dim=-2)).flatten(-2)
    data = views.data[..., :n_terms]
    residual = torch.view_as_real(data - total).flatten(-2)
    agreement, power = fit_of(data, total)
    chain = _chain(model, len(sources), device)
    gradient = (jacobian @ residual[..., None])[..., 0]
    curvature = jacobian @ jacobian.transpose(-1, -2)
    return BodyEquations(
        (agreement - 0.5 * power).double().sum(dim=1),
        torch.einsum("ptm,tmj->pj", gradient.double(), chain),
        torch.einsum("tmi,ptmn,tnj->pij", chain, curvature.double(), chain),
    )


def _chain(model: SeriesModel, n_bodies: int, device: torch.device) -> Tensor:
    """Return how bodies that move in the specimen move in each view, ``[t, 5 b, 6 b]``."""
    projection = torch.as_tensor(model.geometry.projection_matrices, device=device)
    chain = projection.new_zeros(len(projection), n_bodies * _FIVE, n_bodies * SIX)
    for body in range(n_bodies):
        row, column = body * _FIVE, body * SIX
        chain[:, row : row + 2, column : column + 3] = projection[:, :2]
        chain[:, row + 2 : row + 5, column + 3 : column + 6] = projection
    return chain.double()


def bodies_in_views(
    sources: Sequence[SliceSource],
    views: SeriesViews,
    model: SeriesModel,
    poses: BodyPoses,
    n_terms: int,
) -> list[Tensor]:
    """Return what each body looks like in the views, ``[p, t, n_terms]``."""
    found = []
    for number, source in enumerate(sources):
        body = poses.body(number)
        cameras = body.cameras(model, views.data.device)
        offsets = views.offsets_px(model, body.positions_angstrom)
        found.append(predicted(source, views, cameras, offsets, n_terms))
    return found

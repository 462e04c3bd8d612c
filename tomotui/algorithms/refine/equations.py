"""How well views agree with a reference, and how that changes with everything that moves them.

For every view: the logarithm of its likelihood beside that of noise alone, and its first and
second derivatives (after Gauss and Newton) by a shift in the image, by a turn of the specimen as
the camera sees it, by defocus and by magnification. All that is refined - poses, shifts and turns
of tilts, motion, defocus - acts through these few numbers of each view, so that one pass over the
data serves any of them, and each is a small least-squares problem.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from tomotui.algorithms.subtomograms.views import SeriesViews
from tomotui.imaging.slices import SliceSource

SHIFT, TURN = slice(0, 2), slice(2, 5)
"""Places of the parameters: shift (x, y) in pixels, and turn about (x, y, z) in radians."""

DEFOCUS, MAGNIFICATION = 5, 6
"""Where they are asked for: per `DEFOCUS_UNIT_ANGSTROM`, and per unit."""

DEFOCUS_UNIT_ANGSTROM = 100.0


@dataclass(frozen=True)
class ViewEquations:
    """Agreement of views with the reference, and its derivatives.

    Attributes
    ----------
    agreement
        Product of data and model, ``[p, t]``.
    power
        Square of the model, ``[p, t]``.
    gradient
        ``[p, t, m]``.
    curvature
        Positive where the likelihood has a maximum, ``[p, t, m, m]``.
    """

    agreement: Tensor
    power: Tensor
    gradient: Tensor
    curvature: Tensor

    @property
    def score(self) -> Tensor:
        """Log-likelihood above that of noise alone, ``[p, t]``."""
        return self.agreement - 0.5 * self.power

    def select(self, rows: Tensor) -> ViewEquations:
        """Return those of some particles."""
        return ViewEquations(*(getattr(self, one.name)[rows] for one in fields(self)))

    def put(self, rows: Tensor, new: ViewEquations) -> None:
        """Replace those of some particles."""
        for one in fields(self):
            getattr(self, one.name)[rows] = getattr(new, one.name)

    @classmethod
    def of_all(cls, parts: Sequence[ViewEquations]) -> ViewEquations:
        """Return those of particles one after another, in double precision."""
        return cls(
            *(
                torch.cat([getattr(part, one.name) for part in parts]).double()
                for one in fields(cls)
            )
        )


def slice_points(frequencies: Tensor, camera: Tensor) -> Tensor:
    """Return where views cut the reference's Fourier space, ``[..., k, 3]``.

    Parameters
    ----------
    frequencies
        Of the images, cycles per box (x, y), ``[k, 2]``.
    camera
        From reference to camera, ``[..., 3, 3]``.
    """
    return frequencies @ camera[..., :2, :]


def ramps(frequencies: Tensor, offsets_px: Tensor, box: int) -> Tensor:
    """Return what moving images by offsets does to their Fourier terms, ``[..., k]``."""
    angle = (offsets_px @ frequencies.T) * (-2 * math.pi / box)
    return torch.polar(torch.ones_like(angle), angle)


def predicted(
    source: SliceSource, views: SeriesViews, camera: Tensor, offsets_px: Tensor, n_terms: int
) -> Tensor:
    """Return what the reference looks like in views, ``[p, t, n_terms]``.

    Parameters
    ----------
    camera
        From reference to camera, ``[p, t, 3, 3]``.
    offsets_px
        From the crops' centres, ``[p, t, 2]``.
    """
    frequencies = views.plane.frequencies[:n_terms]
    slices = source.read(slice_points(frequencies, camera))
    return slices * views.transfer[..., :n_terms] * ramps(frequencies, offsets_px, views.box)


def view_fits(
    source: SliceSource, views: SeriesViews, camera: Tensor, offsets_px: Tensor, n_terms: int
) -> tuple[Tensor, Tensor]:
    """Return agreement and power of views, as `ViewEquations` has them, ``[p, t]`` each."""
    model = predicted(source, views, camera, offsets_px, n_terms)
    return fit_of(views.data[..., :n_terms], model)


def fit_of(data: Tensor, model: Tensor) -> tuple[Tensor, Tensor]:
    """Return the product of terms and their model, and the model's square, ``[...]`` each."""
    agreement = (data.real * model.real + data.imag * model.imag).sum(dim=-1)
    return agreement, (model.real.square() + model.imag.square()).sum(dim=-1)


def view_equations(
    source: SliceSource,
    views: SeriesViews,
    camera: Tensor,
    offsets_px: Tensor,
    n_terms: int,
    defocus_slope: Tensor | None = None,
) -> ViewEquations:
    """Work out agreement and derivatives of views.

    Parameters
    ----------
    source
        Made with its gradient, for at least the radius of the terms.
    camera
        From reference to camera, ``[p, t, 3, 3]``.
    offsets_px
        From the crops' centres, ``[p, t, 2]``.
    n_terms
        How many Fourier terms count, from the inside out.
    defocus_slope
        Change of `views.transfer` by one `DEFOCUS_UNIT_ANGSTROM`, ``[p, t, n_terms]``: then
        defocus and magnification are parameters too.
    """
    frequencies = views.plane.frequencies[:n_terms]
    slices, ramp, seen = slices_with_slopes(source, views, camera, offsets_px, n_terms)
    model = slices * ramp * views.transfer[..., :n_terms]
    columns = pose_columns(model, seen, frequencies, views.box)
    if defocus_slope is not None:
        x, y = frequencies[:, 0], frequencies[:, 1]
        columns += [slices * ramp * defocus_slope, seen[0] * x + seen[1] * y]
    jacobian = torch.view_as_real(torch.stack(columns, dim=-2)).flatten(-2)
    data = views.data[..., :n_terms]
    residual = torch.view_as_real(data - model).flatten(-2)
    return ViewEquations(
        *fit_of(data, model),
        (jacobian @ residual[..., None])[..., 0],
        jacobian @ jacobian.transpose(-1, -2),
    )


def slices_with_slopes(
    source: SliceSource, views: SeriesViews, camera: Tensor, offsets_px: Tensor, n_terms: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Return slices of a reference, what shifting does to them, and how they change.

    Returns
    -------
    Slices and ramps ``[p, t, n_terms]`` each; and the slices' gradient along x, y and the beam of
    the camera, shifted and transferred, ``[3, p, t, n_terms]``.
    """
    frequencies = views.plane.frequencies[:n_terms]
    slices, slope = source.read_with_gradient(slice_points(frequencies, camera))
    ramp = ramps(frequencies, offsets_px, views.box)
    seen = torch.einsum("ptki,ptji->jptk", slope, camera.to(slope.dtype))
    return slices, ramp, seen * (ramp * views.transfer[..., :n_terms])


def pose_columns(model: Tensor, seen: Tensor, frequencies: Tensor, box: int) -> list[Tensor]:
    """Return how views change by shift (x, y) in pixels and turn about (x, y, z) in radians.

    Parameters
    ----------
    model
        What is seen, ``[p, t, k]``.
    seen
        Its gradient as the camera sees it, ``[3, p, t, k]``.
    """
    x, y = frequencies[:, 0], frequencies[:, 1]
    turn = -2j * math.pi / box
    # Turning by d moves what is read at k to k - d x k.
    return [
        model * (turn * x),
        model * (turn * y),
        -seen[2] * y,
        seen[2] * x,
        seen[0] * y - seen[1] * x,
    ]

"""Crops of particles with their transfer, centred to a fraction of a pixel.

Contrast transfer spreads what a point scatters over many pixels. Crops are therefore multiplied
with it in a wider box, and cut to size afterwards: what the transfer brings back from outside the
box is not lost. Tilts are scaled so that their noise is alike; the scale is part of the transfer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from tomotui.algorithms.refine.equations import ramps
from tomotui.algorithms.subtomograms.views import (
    LEAST_INSIDE,
    SeriesModel,
    cut_crops,
    transfer_of,
    views_of,
)
from tomotui.imaging.slices import HalfPlane

Array = NDArray[np.float64]

NOISE_FROM = 0.5
"""Share of the Nyquist frequency above which noise is measured."""

_NOISE_PARTICLES, _NOISE_BOX_PX = 100, 48
BYTES_PER_PIXEL = 40
"""Working memory for a pixel of a wide crop."""


@dataclass(frozen=True)
class Crops:
    """Crops of some particles.

    Attributes
    ----------
    images
        Protein bright, the particle at pixel ``n // 2``; 0 where a tilt does not show it,
        ``[p, t, n, n]``.
    transfer
        On the half plane of the box, ``[p, t, k]``; 0 where a tilt does not show the particle.
    visible
        Which tilts show which particle, ``[p, t]``.
    """

    images: Tensor
    transfer: Tensor
    visible: NDArray[np.bool_]


class Cutter:
    """Cuts particles of one series.

    Parameters
    ----------
    images
        Relative contrast with protein bright, ``[t, h, w]``.
    pixel_size_angstrom
        Of the images.
    model
        Of the series, for the same tilts.
    box_px
        Side of the crops, even.
    room
        Side of the wider box over that of the crops.

    Attributes
    ----------
    scales
        That tilts are multiplied with, ``[t]``; set by `measure_noise`.
    """

    def __init__(
        self,
        images: Tensor,
        pixel_size_angstrom: float,
        model: SeriesModel,
        box_px: int,
        room: float = 2.0,
    ) -> None:
        self.images, self.pixel, self.model = images, pixel_size_angstrom, model
        self.plane = HalfPlane(box_px, images.device)
        self.wide = HalfPlane(2 * round(box_px * room / 2), images.device)
        self.scales = torch.ones(model.n_tilts, device=images.device)

    @property
    def bytes_per_particle(self) -> int:
        """Working memory that one particle needs."""
        return BYTES_PER_PIXEL * self.model.n_tilts * self.wide.size**2

    def visible(self, positions_angstrom: ArrayLike) -> NDArray[np.bool_]:
        """Tell which tilts show enough of the crops, ``[p, t]``."""
        seen = self.model.places(positions_angstrom)[..., :2] / self.pixel
        height, width = self.images.shape[-2:]
        shares = [
            _share_inside(np.rint(seen[..., axis]), side, self.plane.size)
            for axis, side in ((0, width), (1, height))
        ]
        return np.asarray(shares[0] * shares[1] >= LEAST_INSIDE)

    def measure_noise(self, positions_angstrom: Array) -> None:
        """Find scales that make the noise of all tilts alike, from fine detail of some crops."""
        every = max(1, len(positions_angstrom) // _NOISE_PARTICLES)
        plane = HalfPlane(min(self.plane.size, _NOISE_BOX_PX), self.images.device)
        views = views_of(self.images, self.pixel, self.model, positions_angstrom[::every], plane)
        fine = plane.radius >= NOISE_FROM * plane.size / 2
        power = views.noise[:, fine].square().mean(dim=1)
        is_seen = (views.transfer.abs().amax(dim=-1) > 0).any(dim=0)
        usual = power[is_seen].median() if bool(is_seen.any()) else power.new_ones(())
        self.scales = torch.where(is_seen & (power > 0), (usual / power).sqrt(), 1.0)

    def cut(self, positions_angstrom: ArrayLike, are_premultiplied: bool = True) -> Crops:
        """Cut particles out.

        Parameters
        ----------
        positions_angstrom
            ``[p, 3]``.
        are_premultiplied
            Whether crops are multiplied with their transfer.
        """
        seen = self.model.places(positions_angstrom)
        places = seen[..., :2] / self.pixel
        visible = self.visible(positions_angstrom)
        shown = torch.as_tensor(visible, device=self.images.device)[..., None]
        wide, box = self.wide, self.plane.size
        crops, whole, _ = cut_crops(self.images, places, wide.size)
        offsets = torch.as_tensor(places - whole, dtype=torch.float32, device=crops.device)
        terms = wide.transform(crops) * ramps(wide.frequencies, -offsets, wide.size)
        terms *= self.scales[:, None] * shown
        if are_premultiplied:
            bare = transfer_of(self.model, seen[..., 2], wide, self.pixel)
            terms *= bare * self.scales[:, None]
        first = wide.size // 2 - box // 2
        images = wide.image(terms)[..., first : first + box, first : first + box].contiguous()
        transfer = transfer_of(self.model, seen[..., 2], self.plane, self.pixel)
        return Crops(images, transfer * self.scales[:, None] * shown, visible)


def _share_inside(centre_px: Array, side: int, box: int) -> Array:
    """Return which share of a crop lies on the image along one side."""
    first = centre_px + side // 2 - box // 2
    inside = np.minimum(first + box, side) - np.maximum(first, 0)
    share: Array = inside.clip(0) / box
    return share

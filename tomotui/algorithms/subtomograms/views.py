"""The views of particles: whitened Fourier terms of crops of every tilt, with their transfer.

A view is modelled as ``data = transfer * slice of the particle * shift + noise``. Data and
transfer are both divided by the noise's amplitude of their tilt and frequency, so that real and
imaginary parts of the noise have unit variance, and the likelihood of a slice is the half sum of
squares of what it leaves: exposure, contrast transfer, detector and thickness all come in as the
transfer. Nothing is filtered away; crops are whole pixels of the images.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from tomotui.algorithms.parallel import Ranks
from tomotui.algorithms.reconstruct.depth_ctf import SeriesCtf
from tomotui.geometry import TiltGeometry
from tomotui.geometry.local import LocalField
from tomotui.imaging.ctf import ctf_phase, defocus_along
from tomotui.imaging.exposure import exposure_weights_1d
from tomotui.imaging.slices import HalfPlane

Array = NDArray[np.float64]

LEAST_INSIDE = 0.6
"""Share of a crop that must lie on the image for the view to count."""

LEAST_POWER = 1e-6
"""Power over that of the median tilt, below which an image shows nothing."""

_COUNTS_LEAST = 2.0
"""Mean over deviation above which grey values count electrons, to be divided by the mean."""


@dataclass(frozen=True)
class SeriesModel:
    """How the images of a series see points of the specimen: what refinement changes.

    Attributes
    ----------
    geometry
        Of the tilts in use.
    local
        Local displacements, or ``None``.
    ctf
        Contrast transfer at the specimen's centre; ``None`` where it is not known.
    exposure_e_per_a2
        Up to the middle of each image, ``[t]``; ``None`` where it is not known.
    voltage_kv
        Of the microscope.
    magnification
        By how much particles look larger than the pixel size says.
    """

    geometry: TiltGeometry
    local: LocalField | None = None
    ctf: SeriesCtf | None = None
    exposure_e_per_a2: Array | None = None
    voltage_kv: float = 300.0
    magnification: float = 1.0

    @property
    def n_tilts(self) -> int:
        """Number of tilts in use."""
        return self.geometry.n_tilts

    def places(self, positions_angstrom: ArrayLike) -> Array:
        """Return where points are seen, and how deep they lie.

        Parameters
        ----------
        positions_angstrom
            (x, y, z) from the tomogram's centre, ``[p, 3]``.

        Returns
        -------
        (x, y) from pixel ``n // 2`` of the raw image and the depth, Angstrom, ``[p, t, 3]``.
        """
        seen = self.geometry.project(positions_angstrom)
        if self.local is not None:
            seen[..., :2] += self.local.displacement(positions_angstrom)
        return np.ascontiguousarray(seen.transpose(1, 0, 2))


@dataclass
class SeriesViews:
    """The views of particles of one series.

    Attributes
    ----------
    plane
        Which Fourier terms.
    pixel_size_angstrom
        Of the crops.
    data
        Complex, ``[p, t, k]``.
    transfer
        ``[p, t, k]``; 0 for views that do not count.
    noise
        Amplitude of the noise by which both were divided, ``[t, k]``; infinite in images that show
        nothing.
    centres_angstrom
        Where the crops' pixel ``n // 2`` lies, from the image's, ``[p, t, 2]``.
    """

    plane: HalfPlane
    pixel_size_angstrom: float
    data: Tensor
    transfer: Tensor
    noise: Tensor
    centres_angstrom: Array

    @property
    def box(self) -> int:
        """Side of the crops in pixels."""
        return self.plane.size

    def __len__(self) -> int:
        """Return the number of particles."""
        return len(self.data)

    def offsets_px(self, model: SeriesModel, positions_angstrom: ArrayLike) -> Tensor:
        """Return how far from its crop's centre each particle is seen, (x, y), ``[p, t, 2]``."""
        seen = model.places(positions_angstrom)[..., :2]
        offsets = (seen - self.centres_angstrom) / self.pixel_size_angstrom
        return torch.as_tensor(offsets, dtype=torch.float32, device=self.data.device)

    def select(self, which: ArrayLike) -> SeriesViews:
        """Return the views of some particles."""
        chosen = np.asarray(which)
        rows = torch.as_tensor(chosen, device=self.data.device)
        return replace(
            self,
            data=self.data[rows],
            transfer=self.transfer[rows],
            centres_angstrom=self.centres_angstrom[chosen],
        )


def contrast_images(images: Tensor) -> Tensor:
    """Return images as relative contrast with protein bright, about 0, ``[t, h, w]``.

    Counts of electrons are divided by their mean, which makes images of other exposure and
    thickness alike; grey values of which the mean says nothing are divided by their deviation.
    """
    mean = images.mean(dim=(-2, -1), keepdim=True)
    deviation = images.std(dim=(-2, -1), keepdim=True).clamp_min(1e-12)
    are_counts = bool((mean > _COUNTS_LEAST * deviation).float().mean() > 0.5)
    return (mean - images) / (mean if are_counts else deviation)


def cut_crops(images: Tensor, places_px: Array, box: int) -> tuple[Tensor, Array, Tensor]:
    """Cut whole pixels about places out of images.

    Parameters
    ----------
    images
        ``[t, h, w]``.
    places_px
        (x, y) from pixel ``n // 2``, ``[p, t, 2]``.
    box
        Side of the crops, even.

    Returns
    -------
    Crops ``[p, t, box, box]``, which are 0 beyond the images; where their pixel ``box // 2``
    lies, from the images', ``[p, t, 2]``; and the share of each on the image, ``[p, t]``.
    """
    height, width = images.shape[-2:]
    whole = np.rint(places_px)
    x0, y0 = whole[..., 0] + width // 2 - box // 2, whole[..., 1] + height // 2 - box // 2
    side = torch.arange(box, device=images.device)
    columns = torch.as_tensor(x0, device=images.device).long()[..., None] + side
    rows = torch.as_tensor(y0, device=images.device).long()[..., None] + side
    inside_x, inside_y = (columns >= 0) & (columns < width), (rows >= 0) & (rows < height)
    tilts = torch.arange(len(images), device=images.device)[None, :, None, None]
    crops = images[
        tilts,
        rows.clamp(0, height - 1)[..., :, None],
        columns.clamp(0, width - 1)[..., None, :],
    ]
    inside = inside_y[..., :, None] & inside_x[..., None, :]
    share = inside_x.float().mean(dim=-1) * inside_y.float().mean(dim=-1)
    return crops * inside, whole, share


def views_of(
    images: Tensor,
    pixel_size_angstrom: float,
    model: SeriesModel,
    positions_angstrom: ArrayLike,
    plane: HalfPlane,
    ranks: Ranks | None = None,
    noise: Tensor | None = None,
) -> SeriesViews:
    """Cut, transform and whiten the views of particles.

    Parameters
    ----------
    images
        Relative contrast with protein bright, ``[t, h, w]``.
    pixel_size_angstrom
        Of the images.
    model
        Of the series, for the same tilts.
    positions_angstrom
        ``[p, 3]``.
    plane
        Of the box's side.
    ranks
        Processes that share the particles of the series.
    noise
        Its amplitude, where it is known already, ``[t, k]``; measured otherwise.
    """
    seen = model.places(positions_angstrom)
    terms, centres, share = [], [], []
    for tilt in range(model.n_tilts):
        crops, whole, inside = cut_crops(
            images[tilt : tilt + 1], seen[:, tilt : tilt + 1, :2] / pixel_size_angstrom, plane.size
        )
        terms.append(plane.transform(crops[:, 0]))
        centres.append(whole[:, 0])
        share.append(inside[:, 0])
    data = torch.stack(terms, dim=1)
    counts = (torch.stack(share, dim=1) >= LEAST_INSIDE) & data.isfinite().all(dim=-1)
    data = torch.where(counts[..., None], data, torch.zeros((), dtype=data.dtype))
    if noise is None:
        noise = noise_amplitude(data, counts, plane, ranks or Ranks())
    transfer = transfer_of(model, seen[..., 2], plane, pixel_size_angstrom)
    whiten = math.sqrt(2) / noise
    return SeriesViews(
        plane,
        pixel_size_angstrom,
        data * whiten,
        transfer * whiten * counts[..., None],
        noise,
        np.stack(centres, axis=1) * pixel_size_angstrom,
    )


def noise_amplitude(data: Tensor, counts: Tensor, plane: HalfPlane, ranks: Ranks) -> Tensor:
    """Return the root mean square amplitude by ring and tilt, smoothed a little, ``[t, k]``.

    It is infinite where an image shows nothing, so that nothing follows from it.

    Parameters
    ----------
    data
        Fourier terms, ``[p, t, k]``.
    counts
        Views to count, ``[p, t]``.
    """
    ring = plane.radius.round().long()
    n_rings = int(ring.max()) + 1
    n_views = counts.float().sum(dim=0)
    power = torch.einsum("ptk,pt->tk", data.abs().square(), counts.float())
    ranks.sum_(n_views)
    ranks.sum_(power)
    power /= n_views.clamp_min(1)[:, None]
    sums = power.new_zeros(len(power), n_rings).index_add_(1, ring, power)
    mean = sums / torch.bincount(ring, minlength=n_rings).clamp_min(1)
    # A ring near the origin has few terms: its neighbours help.
    padded = torch.cat([mean[:, 1:2], mean[:, 1:], mean[:, -1:]], dim=1)
    smooth = (padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]) / 4
    smooth = torch.cat([smooth[:, :1], smooth], dim=1)
    floor = smooth.amax(dim=1, keepdim=True) * 1e-9 + 1e-30
    strength = power.mean(dim=1)
    is_flat = strength <= LEAST_POWER * strength.median()
    return smooth.clamp_min(floor)[:, ring].sqrt().masked_fill(is_flat[:, None], torch.inf)


def transfer_of(
    model: SeriesModel, depth_angstrom: Array, plane: HalfPlane, pixel_size_angstrom: float
) -> Tensor:
    """Return contrast transfer times what the exposure has left, ``[p, t, k]``.

    Parameters
    ----------
    depth_angstrom
        Of the particles in each view, ``[p, t]``.
    """
    k = plane.frequencies.double() / (plane.size * pixel_size_angstrom)
    device = k.device
    length = k.square().sum(dim=-1)
    if model.ctf is None:
        out = torch.ones(*depth_angstrom.shape, len(k), device=device)
    else:
        out = torch.sin(transfer_phase(model.ctf, depth_angstrom, k)).float()
    if model.exposure_e_per_a2 is not None:
        exposure = torch.as_tensor(model.exposure_e_per_a2, device=device, dtype=torch.float32)
        out *= exposure_weights_1d(length.sqrt().float(), exposure, model.voltage_kv)
    return out


def transfer_phase(ctf: SeriesCtf, depth_angstrom: Array, k: Tensor) -> Tensor:
    """Return the argument of the contrast transfer's sine, radians, ``[p, t, k]``.

    Parameters
    ----------
    depth_angstrom
        ``[p, t]``.
    k
        Frequencies (x, y) in cycles per Angstrom, ``[k, 2]``.
    """
    u, v, angle, shift = (
        torch.as_tensor(values, device=k.device, dtype=k.dtype)[None, :, None]
        for values in (
            ctf.defocus_u_angstrom,
            ctf.defocus_v_angstrom,
            ctf.astigmatism_angle_deg,
            ctf.phase_shift_deg,
        )
    )
    depth = torch.as_tensor(depth_angstrom * ctf.handedness, device=k.device, dtype=k.dtype)
    azimuth = torch.atan2(k[:, 1], k[:, 0])
    defocus = defocus_along(azimuth, u, v, angle) + depth[..., None]
    return ctf_phase(k.square().sum(dim=-1), defocus, shift, ctf.optics)

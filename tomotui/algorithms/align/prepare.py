"""Make tilt images fit for correlation: clean, level, normalise, taper."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch_fourier_rescale import fourier_rescale_2d

from tomotui.imaging.fourier import high_pass, radial_frequency
from tomotui.imaging.masks import edge_taper
from tomotui.imaging.resample import bin_images

CLIP_SIGMA = 6.0
"""Gold stays the strongest feature; anything stronger is an X-ray or a dead pixel."""

HIGH_PASS_CYCLES_PER_IMAGE = 2.0
"""Gradients slower than this come from ice thickness and illumination, not from the specimen."""

MAX_FINE_BYTES = 1_000_000_000


@dataclass(frozen=True)
class WorkingImages:
    """Images ready for correlation at one sampling.

    Attributes
    ----------
    images
        Zero mean, unit deviation, tapered to zero at the borders, ``[n_tilts, height, width]``.
    window
        The taper, 1 inside and 0 at the borders, ``[height, width]``.
    tilt_deg
        Tilt of each image in degrees, ``[n_tilts]``.
    pixel_size_angstrom
        Angstrom per pixel.
    """

    images: Tensor
    window: Tensor
    tilt_deg: Tensor
    pixel_size_angstrom: float

    @cached_property
    def fine(self) -> Tensor:
        """The same images sampled twice as densely, where memory allows; band-limited.

        Places between pixels are then read to a few thousandths instead of a few hundredths of a
        pixel, which matters to all that is averaged over many places.
        """
        if 16 * self.images.numel() > MAX_FINE_BYTES:
            return self.images
        height, width = self.images.shape[-2:]
        return fourier_rescale_2d(self.images, target_shape=(2 * height, 2 * width))[0]

    @property
    def n_tilts(self) -> int:
        """Number of images."""
        return self.images.shape[0]

    @property
    def frame_px(self) -> int:
        """Side of the square frame that holds an image whichever way its axis runs."""
        return max(self.images.shape[-2:])


def remove_outliers(images: Tensor, threshold_sigma: float = 8.0) -> Tensor:
    """Replace pixels that stand out from their image and from their own neighbours.

    Parameters
    ----------
    images
        Shape ``[n_tilts, height, width]``.
    threshold_sigma
        Distance from the local mean, in standard deviations of the image, that no specimen
        reaches over a single pixel.

    Returns
    -------
    Images in which such pixels, and values that are not finite, are the mean of their
    neighbours.
    """
    finite = torch.isfinite(images)
    safe = torch.where(finite, images, images.nanmedian())
    around = torch.nn.functional.avg_pool2d(safe[:, None], 5, 1, 2, count_include_pad=False)[:, 0]
    count = _neighbourhood(images.shape[-2:], images.device)
    # The mean of the neighbours (24, fewer at the borders), without the pixel itself.
    around = (around * count - safe) / (count - 1)
    sigma = safe.std(dim=(-2, -1), keepdim=True)
    outlying = (safe - around).abs() > threshold_sigma * sigma
    return torch.where(outlying | ~finite, around, safe)


def _neighbourhood(shape: torch.Size, device: torch.device) -> Tensor:
    """Return how many pixels the square of 5 x 5 about each pixel holds, ``[height, width]``."""
    lines = [torch.nn.functional.pad(torch.ones(n, device=device), (2, 2)) for n in shape]
    height, width = (line.unfold(0, 5, 1).sum(dim=1) for line in lines)
    return height[:, None] * width[None, :]


def prepare_images(
    images: Tensor, tilt_deg: Tensor, pixel_size_angstrom: float, binning: int = 1
) -> WorkingImages:
    """Bin, flatten, normalise and taper images for correlation.

    Parameters
    ----------
    images
        Cleaned images, ``[n_tilts, height, width]``.
    tilt_deg
        Tilts in degrees, ``[n_tilts]``.
    pixel_size_angstrom
        Of ``images``, before binning.
    binning
        Whole factor >= 1.
    """
    binned = bin_images(images, binning)
    binned = _without_plane(binned)
    sigma = binned.std(dim=(-2, -1), keepdim=True).clamp_min(1e-12)
    binned = (binned / sigma).clamp(-CLIP_SIGMA, CLIP_SIGMA)
    height, width = binned.shape[-2:]
    frequency = radial_frequency((height, width), device=binned.device)
    keep = high_pass(frequency, HIGH_PASS_CYCLES_PER_IMAGE / min(height, width))
    flat = torch.fft.irfft2(torch.fft.rfft2(binned) * keep, s=(height, width))
    flat = flat / flat.std(dim=(-2, -1), keepdim=True).clamp_min(1e-12)
    window = edge_taper((height, width), fraction=0.1, device=binned.device)
    return WorkingImages(
        images=flat * window,
        window=window,
        tilt_deg=tilt_deg.to(binned.device),
        pixel_size_angstrom=pixel_size_angstrom * binning,
    )


def _without_plane(images: Tensor) -> Tensor:
    """Subtract from each image the plane that fits it best.

    A steep gradient, as of a wedge of ice, would jump at the borders of the Fourier transform.
    """
    height, width = images.shape[-2:]
    like: dict[str, Any] = {"device": images.device, "dtype": images.dtype}
    y = torch.linspace(-1, 1, height, **like)[:, None]
    x = torch.linspace(-1, 1, width, **like)[None, :]
    centred = images - images.mean(dim=(-2, -1), keepdim=True)
    for slope in (y, x):
        steepness = (centred * slope).mean(dim=(-2, -1), keepdim=True) / slope.square().mean()
        centred = centred - steepness * slope
    return centred

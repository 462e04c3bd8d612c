"""Filters for the eye: they smooth one slice for display and change no data."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

FILTER_PRESETS: dict[str, float | None] = {
    "none": None,
    "LP20": 20.0,
    "LP40": 40.0,
    "LP60": 60.0,
    "LP80": 80.0,
}
"""Resolution in Angstrom at which a preset has fallen to one half."""

_BAND = "DoG"
_BAND_RATIO = 1.6
"""Between the widths of the two Gaussians; their difference is then nearly a Laplacian."""


def band_preset(diameter_angstrom: float) -> str:
    """Return the name of the preset that brings out particles of a diameter."""
    return f"{_BAND}{diameter_angstrom:.0f}"


def filtered(
    image: NDArray[np.float32], pixel_size_angstrom: float, name: str
) -> NDArray[np.float32]:
    """Return an image as a preset shows it; a name that is not known changes nothing."""
    if name.startswith(_BAND) and name[len(_BAND) :].isdigit():
        return band_pass(image, pixel_size_angstrom, float(name[len(_BAND) :]))
    resolution = FILTER_PRESETS.get(name)
    return image if resolution is None else low_pass(image, pixel_size_angstrom, resolution)


def band_pass(
    image: NDArray[np.float32], pixel_size_angstrom: float, diameter_angstrom: float
) -> NDArray[np.float32]:
    """Return the difference of two Gaussians that answers most to discs of a diameter.

    A disc of radius r gives the Laplacian of a Gaussian its strongest answer at a standard
    deviation of r / sqrt(2); the two Gaussians lie on either side of that.

    Parameters
    ----------
    image
        Shape ``[y, x]``; values that are no numbers are replaced by the mean of the others.
    """
    middle = max(diameter_angstrom / 2 / np.sqrt(2) / pixel_size_angstrom, 0.3)
    narrow, wide = middle / np.sqrt(_BAND_RATIO), middle * np.sqrt(_BAND_RATIO)

    def weight(frequency: NDArray[np.float64]) -> NDArray[np.float64]:
        square = -2 * np.pi**2 * np.square(frequency)
        band: NDArray[np.float64] = np.exp(square * narrow**2) - np.exp(square * wide**2)
        return band

    return _weighted(image, weight, margin=int(np.ceil(3 * wide)))


def low_pass(
    image: NDArray[np.float32], pixel_size_angstrom: float, resolution_angstrom: float
) -> NDArray[np.float32]:
    """Return an image without detail finer than a resolution.

    The edge is a raised cosine in spatial frequency from 0.75 to 1.25 of the cut-off, soft enough
    not to ring round gold beads.

    Parameters
    ----------
    image
        Shape ``[y, x]``; values that are no numbers are replaced by the mean of the others.
    resolution_angstrom
        Where the filter has fallen to one half; finer than twice the pixel it changes nothing.
    """
    cutoff = pixel_size_angstrom / resolution_angstrom
    if cutoff >= 0.5:
        return image

    def weight(frequency: NDArray[np.float64]) -> NDArray[np.float64]:
        phase = np.clip((frequency / cutoff - 0.75) / 0.5, 0.0, 1.0)
        kept: NDArray[np.float64] = 0.5 + 0.5 * np.cos(np.pi * phase)
        return kept

    return _weighted(image, weight, margin=int(np.ceil(1.0 / cutoff)))


def _weighted(
    image: NDArray[np.float32],
    weight: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    margin: int,
) -> NDArray[np.float32]:
    """Return an image with weights on its spatial frequencies, in cycles per pixel."""
    finite = np.isfinite(image)
    if not finite.all():
        mean = image[finite].mean() if finite.any() else 0.0
        image = np.where(finite, image, np.float32(mean))
    height, width = image.shape
    # Mirrored margins keep opposite edges from bleeding into each other.
    margin = min(margin, height - 1, width - 1)
    padded = np.pad(image, margin, mode="reflect") if margin > 0 else image
    fy = np.fft.fftfreq(padded.shape[0])[:, None]
    fx = np.fft.rfftfreq(padded.shape[1])[None, :]
    factor = weight(np.sqrt(fy * fy + fx * fx)).astype(np.float32)
    smooth = np.fft.irfft2(np.fft.rfft2(padded) * factor, s=padded.shape)
    cropped = smooth[margin : margin + height, margin : margin + width]
    return np.ascontiguousarray(cropped, dtype=np.float32)

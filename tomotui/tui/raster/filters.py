"""Low-pass filters for the eye: they smooth one slice for display and change no data."""

from __future__ import annotations

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
    finite = np.isfinite(image)
    if not finite.all():
        mean = image[finite].mean() if finite.any() else 0.0
        image = np.where(finite, image, np.float32(mean))
    height, width = image.shape
    # Mirrored margins of one cut-off wave keep opposite edges from bleeding into each other.
    margin = min(int(np.ceil(1.0 / cutoff)), height - 1, width - 1)
    padded = np.pad(image, margin, mode="reflect") if margin > 0 else image
    fy = np.fft.fftfreq(padded.shape[0])[:, None]
    fx = np.fft.rfftfreq(padded.shape[1])[None, :]
    frequency = np.sqrt(fy * fy + fx * fx)
    phase = np.clip((frequency / cutoff - 0.75) / 0.5, 0.0, 1.0)
    weight = (0.5 + 0.5 * np.cos(np.pi * phase)).astype(np.float32)
    smooth = np.fft.irfft2(np.fft.rfft2(padded) * weight, s=padded.shape)
    cropped = smooth[margin : margin + height, margin : margin + width]
    return np.ascontiguousarray(cropped, dtype=np.float32)

"""Two sets of images with independent noise from one: for series that came without frames.

Noise ``z`` with the covariance of the noise that an image holds is added to it and taken from it.
The noise of ``y + z`` and that of ``y - z`` are then independent, as are those of two halves of
the frames, and both sets hold every tilt (recorrupted-to-recorrupted: Pang, Zheng, Quan & Ji 2021,
CVPR, 2043). Halves of the tilts would lack what the others have measured, and the streaks of one
half are the opposite of the other's.
"""

from __future__ import annotations

import torch
from torch import Tensor

from tomotui.imaging.fourier import radial_frequency

NOISE_BAND = (0.35, 0.48)
"""Cycles per pixel where binned images hold next to nothing but noise."""


def deal_noise(images: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """Return two versions of images, each with twice the noise power, independent of the other's.

    Parameters
    ----------
    images
        Binned, ``[n_tilts, height, width]``.
    seed
        Of the noise.

    Notes
    -----
    The noise is taken to be white, of the power that the finest spacings show. Noise that came
    about before the electrons were counted, such as that of the ice, stays in both.
    """
    generator = torch.Generator().manual_seed(seed)
    first, second = torch.empty_like(images), torch.empty_like(images)
    # One by one: images may fill the memory.
    for number, image in enumerate(images):
        noise = torch.randn(image.shape, generator=generator).to(image.device)
        noise *= noise_deviation(image)
        first[number], second[number] = image + noise, image - noise
    return first, second


def noise_deviation(image: Tensor) -> Tensor:
    """Return the standard deviation of the white noise of an image ``[height, width]``."""
    height, width = image.shape
    window = torch.hann_window(height, periodic=False, device=image.device)[
        :, None
    ] * torch.hann_window(width, periodic=False, device=image.device)
    spectrum = torch.fft.rfft2((image - image.mean()) * window)
    frequency = radial_frequency((height, width), image.device)
    chosen = (frequency >= NOISE_BAND[0]) & (frequency <= NOISE_BAND[1])
    # The median of an exponential distribution is ln 2 of its mean; strong terms do not count.
    power = spectrum[chosen].abs().square().median() / torch.log(torch.tensor(2.0))
    return (power / window.square().sum()).sqrt()

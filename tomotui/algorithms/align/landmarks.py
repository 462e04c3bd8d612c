"""Choose compact dark features of a tomogram: gold beads, ribosomes, anything that stands out."""

from __future__ import annotations

import torch
from torch import Tensor

from tomotui.imaging.fourier import low_pass, radial_frequency

BORDER_SHARE = 0.08
"""Of each side, where back-projection piles up edges."""


def find_landmarks(
    volume: Tensor,
    voxel_size_angstrom: float,
    diameter_angstrom: float,
    number: int,
    border_share: float = BORDER_SHARE,
) -> Tensor:
    """Return the strongest dark blobs of about one diameter.

    Parameters
    ----------
    volume
        Back-projection in which matter is dark, ``[n_z, n_x, n_y]``.
    voxel_size_angstrom
        Angstrom per voxel.
    diameter_angstrom
        Size of the features, and the least distance between two of them.
    number
        Most landmarks to return.
    border_share
        Of each side, where none is looked for.

    Returns
    -------
    Positions (x, y, z) in Angstrom from the centre, ``[n, 3]``, strongest first.
    """
    return blobs(volume, voxel_size_angstrom, diameter_angstrom, number, border_share)[0]


def blobs(
    volume: Tensor,
    voxel_size_angstrom: float,
    diameter_angstrom: float,
    number: int,
    border_share: float = BORDER_SHARE,
) -> tuple[Tensor, Tensor]:
    """Return the landmarks and their strengths, ``[n, 3]`` and ``[n]``, strongest first.

    The strength is on the scale of the volume: of all diameters, a blob answers most strongly to
    its own.
    """
    response = -_difference_of_gaussians(volume, diameter_angstrom / voxel_size_angstrom)
    _clear_borders(response, border_share)
    reach = max(1, round(diameter_angstrom / voxel_size_angstrom / 2))
    peaks = (response == _windowed_maximum(response, reach)) & (response > 0)
    found = torch.nonzero(peaks)
    strength = response[peaks]
    best = torch.argsort(strength, descending=True)[:number]
    chosen = found[best]
    centre = torch.tensor([side // 2 for side in volume.shape], device=volume.device)
    z, x, y = ((chosen - centre) * voxel_size_angstrom).T.to(volume.dtype)
    return torch.stack([x, y, z], dim=1), strength[best]


def _difference_of_gaussians(volume: Tensor, diameter: float) -> Tensor:
    """Band-pass whose response is greatest for blobs of the given diameter in voxels."""
    frequency = radial_frequency(tuple(volume.shape), device=volume.device)
    sigma = diameter / 3.0
    narrow, wide = (low_pass(frequency, 1 / (2 * torch.pi * s)) for s in (sigma, 2 * sigma))
    return torch.fft.irfftn(torch.fft.rfftn(volume) * (narrow - wide), s=volume.shape)


def _clear_borders(response: Tensor, share: float) -> None:
    """Forget blobs at the rim, where back-projection piles up edges."""
    margins = (2, *(max(2, int(share * side)) for side in response.shape[1:]))
    for dim, margin in enumerate(margins):
        side = response.shape[dim]
        response.narrow(dim, 0, margin).zero_()
        response.narrow(dim, side - margin, margin).zero_()


def _windowed_maximum(volume: Tensor, reach: int) -> Tensor:
    """Return the maximum over a cube; done axis by axis, as the maximum is separable."""
    for dim in range(3):
        side = volume.shape[dim]
        widest = volume.clone()
        for offset in range(1, min(reach, side - 1) + 1):
            for start in (0, offset):
                seen = widest.narrow(dim, start, side - offset)
                other = volume.narrow(dim, offset - start, side - offset)
                torch.maximum(seen, other, out=seen)
        volume = widest
    return volume

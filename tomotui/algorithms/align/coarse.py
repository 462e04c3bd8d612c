"""Coarse shifts: neighbouring tilts correlated after cosine stretching.

A tilt sees the specimen foreshortened by cos(tilt) across the axis. Stretching the less tilted
image to the foreshortening of its neighbour makes the two alike (Guckenberger 1982,
Ultramicroscopy 9:167); the shifts are added up outwards from the least tilted image.
"""

from __future__ import annotations

import torch
from torch import Tensor

from tomotui.algorithms.align.correlate import find_peaks
from tomotui.algorithms.align.geometry import AxisGeometry
from tomotui.algorithms.align.prepare import WorkingImages
from tomotui.imaging.fourier import low_pass, radial_frequency

MAX_SHIFT_FRACTION = 0.3
"""Largest shift between neighbours, as a fraction of the frame."""


def neighbour_pairs(tilt_deg: Tensor) -> list[tuple[int, int]]:
    """Return (tilt, next less tilted neighbour) pairs, in the order to add shifts up."""
    order = torch.argsort(tilt_deg).tolist()
    start = min(range(len(order)), key=lambda rank: abs(float(tilt_deg[order[rank]])))
    upwards = [(order[i], order[i - 1]) for i in range(start + 1, len(order))]
    downwards = [(order[i], order[i + 1]) for i in range(start - 1, -1, -1)]
    return upwards + downwards


def coarse_shifts(working: WorkingImages, axis_deg: float) -> AxisGeometry:
    """Align neighbours by cosine-stretched correlation and add the shifts up.

    Parameters
    ----------
    working
        Prepared images, some hundred pixels wide.
    axis_deg
        Supposed angle of the tilt axis.
    """
    pairs = neighbour_pairs(working.tilt_deg)
    moving = torch.tensor([pair[0] for pair in pairs])
    fixed = torch.tensor([pair[1] for pair in pairs])
    cosine = torch.cos(torch.deg2rad(working.tilt_deg))
    ratio = cosine[moving] / cosine[fixed]
    images = _rotated(working, moving, axis_deg, torch.ones_like(ratio))
    stretched = _rotated(working, fixed, axis_deg, 1 / ratio)
    steps, _ = find_peaks(
        _soft_phase_correlation(images, stretched), MAX_SHIFT_FRACTION * working.frame_px
    )
    shift = torch.zeros(working.n_tilts, 2, device=working.images.device)
    for row, (tilt, neighbour) in enumerate(pairs):
        carried = shift[neighbour].clone()
        carried[0] *= ratio[row]
        shift[tilt] = carried + steps[row]
    start = AxisGeometry(working.tilt_deg, axis_deg, torch.zeros_like(shift))
    return start.moved(shift * working.pixel_size_angstrom)


def _rotated(
    working: WorkingImages, which: Tensor, axis_deg: float, magnification: Tensor
) -> Tensor:
    """Return images turned so that the axis lies along y, sampled ``magnification`` times coarser.

    Result ``[n, size, size]`` with x (across the axis) first.
    """
    height, width = working.images.shape[-2:]
    size = working.frame_px
    line = torch.arange(size, device=working.images.device, dtype=torch.float32) - size // 2
    across = line[None, :, None] * magnification[:, None, None]
    along = line[None, None, :]
    angle = torch.deg2rad(torch.tensor(float(axis_deg)))
    x = torch.cos(angle) * across - torch.sin(angle) * along + width // 2
    y = torch.sin(angle) * across + torch.cos(angle) * along + height // 2
    grid = torch.stack([x * (2 / (width - 1)) - 1, y * (2 / (height - 1)) - 1], dim=-1)
    return torch.nn.functional.grid_sample(
        working.images[which][:, None], grid, mode="bilinear", align_corners=True
    )[:, 0]


def _soft_phase_correlation(images: Tensor, references: Tensor) -> Tensor:
    """Correlate with amplitudes under a square root: between plain and phase correlation."""
    size = images.shape[-1]
    cross = torch.fft.rfft2(images) * torch.fft.rfft2(references).conj()
    softened = cross / cross.abs().sqrt().clamp_min(1e-12)
    keep = low_pass(radial_frequency((size, size), device=images.device), 0.15)
    return torch.fft.irfft2(softened * keep, s=(size, size))

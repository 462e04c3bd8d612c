"""Bring raw images into the aligned frame, filtered and weighted, ready for back-projection."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tomotui.algorithms.reconstruct.filters import Filter, filter_columns
from tomotui.geometry import TiltGeometry
from tomotui.imaging.exposure import exposure_weights
from tomotui.imaging.masks import edge_taper
from tomotui.imaging.resample import sample_aligned

MAX_PIXELS_AT_ONCE = 64_000_000


@dataclass(frozen=True)
class Sampling:
    """The sampling of a reconstruction.

    Attributes
    ----------
    voxel_size_angstrom
        Angstrom per voxel.
    n_x, n_y
        Voxels across and along the tilt axis.
    magnification
        Binned pixels per voxel along y and x; 1 for whole binnings.
    """

    voxel_size_angstrom: float
    n_x: int
    n_y: int
    magnification: tuple[float, float] = (1.0, 1.0)


@dataclass(frozen=True)
class Weighting:
    """How images are weighted before back-projection.

    Attributes
    ----------
    column_filter
        Filter across the tilt axis.
    exposure_e_per_a2
        Exposure up to the middle of each image for the exposure filter, ``[n_tilts]``; ``None``
        for no filter.
    voltage_kv
        Acceleration voltage.
    """

    column_filter: Filter = "hamming"
    exposure_e_per_a2: Tensor | None = None
    voltage_kv: float = 300.0


def normalise(images: Tensor) -> Tensor:
    """Give each image zero mean and unit deviation.

    Parameters
    ----------
    images
        ``[n_tilts, height, width]``.
    """
    centred = images - images.mean(dim=(-2, -1), keepdim=True)
    return centred / centred.std(dim=(-2, -1), keepdim=True).clamp_min(1e-12)


def weight_images(
    images: Tensor, geometry: TiltGeometry, sampling: Sampling, weighting: Weighting
) -> Tensor:
    """Filter by exposure, align, and filter across the axis.

    Some tilts are taken at a time, as Fourier transforms of a whole stack of full frames would
    need many times its memory.

    Parameters
    ----------
    images
        Binned and from `normalise`, ``[n_tilts, height, width]``.
    geometry
        Geometry of those tilts.
    sampling, weighting
        What to make of them.

    Returns
    -------
    ``[n_tilts, n_columns, n_rows]``, the tilt axis along the last dimension.
    """
    n_tilts = len(images)
    at_once = max(1, MAX_PIXELS_AT_ONCE // (sampling.n_x * sampling.n_y))
    out = images.new_empty(n_tilts, sampling.n_x, sampling.n_y)
    for first in range(0, n_tilts, at_once):
        chosen = np.arange(first, min(n_tilts, first + at_once))
        part = geometry.select(chosen)
        out[first : first + at_once] = _weight_some(
            images[first : first + at_once], part, chosen, sampling, weighting
        )
    return out


def _weight_some(
    images: Tensor,
    geometry: TiltGeometry,
    chosen: np.ndarray,
    sampling: Sampling,
    weighting: Weighting,
) -> Tensor:
    shape = (images.shape[-2], images.shape[-1])
    if weighting.exposure_e_per_a2 is not None:
        weights = exposure_weights(
            shape,
            sampling.voxel_size_angstrom,
            weighting.exposure_e_per_a2.to(images)[chosen],
            weighting.voltage_kv,
        )
        images = torch.fft.irfft2(torch.fft.rfft2(images) * weights, s=shape)
    tapered = images * edge_taper(shape, fraction=0.02, device=images.device)
    aligned = sample_aligned(
        tapered,
        torch.from_numpy(geometry.axis_deg),
        torch.from_numpy(geometry.shift_angstrom) / sampling.voxel_size_angstrom,
        (sampling.n_x, sampling.n_y),
        magnification=sampling.magnification,
    )
    return filter_columns(aligned, weighting.column_filter)

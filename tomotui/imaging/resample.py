"""Binning and moving images, always about pixel ``n // 2``."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch_fourier_rescale import fourier_rescale_2d


def binned_size(size_px: int, binning: float) -> int:
    """Return the even number of pixels that covers ``size_px`` at a binning."""
    return max(2, 2 * round(size_px / binning / 2 + 0.49))


def mirrored(volume: Tensor, axis: int = -1) -> Tensor:
    """Return the mirror image of a map about voxel ``n // 2`` of an axis, n even."""
    return volume.flip(axis).roll(1, dims=axis)


def bin_images(images: Tensor, binning: float) -> Tensor:
    """Reduce images by Fourier cropping; the centre ``n // 2`` stays the centre.

    Parameters
    ----------
    images
        Shape ``[..., height, width]``.
    binning
        Factor >= 1, not necessarily whole.

    Returns
    -------
    Images with even sides, which cover the input; mean values are kept.

    Raises
    ------
    ValueError
        When the binning is below 1.
    """
    if binning < 1:
        raise ValueError(f"binning must be at least 1, got {binning}")
    target, source = zip(*(_binned_side(side, binning) for side in images.shape[-2:]), strict=True)
    fitted = fit_about_centre(images, source)
    if target == source:
        return fitted
    return fourier_rescale_2d(fitted, target_shape=target)[0]


def binning_correction(shape: tuple[int, int], binning: float) -> tuple[float, float]:
    """Return wanted over actual binning along y and x: 1 exactly for whole binnings.

    Fourier cropping reaches only ratios of even sizes; `sample_aligned` makes up for the rest.

    Parameters
    ----------
    shape
        Height and width before binning.
    """
    sides = (_binned_side(side, binning) for side in shape)
    height, width = (binning * target / source for target, source in sides)
    return height, width


def _binned_side(side: int, binning: float) -> tuple[int, int]:
    """Return a binned side and the side before it; both even, so that the centre stays."""
    target = binned_size(side, binning)
    return target, 2 * round(target * binning / 2)


def fit_about_centre(images: Tensor, shape: tuple[int, int], fill: Tensor | None = None) -> Tensor:
    """Crop or pad images to a shape so that pixel ``n // 2`` stays in place.

    Parameters
    ----------
    images
        Shape ``[..., height, width]``.
    shape
        Wanted (height, width).
    fill
        Value for new pixels, broadcastable to ``[..., 1, 1]``; the mean of each image by default.
    """
    height, width = images.shape[-2:]
    if (height, width) == tuple(shape):
        return images
    if fill is None:
        fill = images.mean(dim=(-2, -1), keepdim=True)
    out = fill.expand(*images.shape[:-2], *shape).clone()
    source, target = [], []
    for old, new in zip((height, width), shape, strict=True):
        offset = new // 2 - old // 2
        start, stop = max(0, offset), min(new, offset + old)
        target.append(slice(start, stop))
        source.append(slice(start - offset, stop - offset))
    out[..., target[0], target[1]] = images[..., source[0], source[1]]
    return out


def sample_aligned(
    images: Tensor,
    axis_deg: Tensor,
    shift_px: Tensor,
    shape_xy: tuple[int, int],
    mode: str = "bicubic",
    magnification: tuple[float, float] = (1.0, 1.0),
) -> Tensor:
    """Undo shift and in-plane rotation, so that the tilt axis lies along y.

    Parameters
    ----------
    images
        Shape ``[n_tilts, height, width]``.
    axis_deg
        Tilt-axis angle of each image in degrees, ``[n_tilts]``.
    shift_px
        Image position of the specimen's centre (x, y), pixels from ``n // 2``, ``[n_tilts, 2]``.
    shape_xy
        Columns and rows of the result.
    mode
        Interpolation of ``torch.nn.functional.grid_sample``.
    magnification
        Pixels of the images per pixel of the result along y and x, close to 1.

    Returns
    -------
    Aligned images with x before y, ``[n_tilts, n_columns, n_rows]``; zero where there is no data.
    """
    height, width = images.shape[-2:]
    columns, rows = shape_xy
    like: dict[str, Any] = {"device": images.device, "dtype": images.dtype}
    x = (torch.arange(columns, **like) - columns // 2)[:, None]
    y = (torch.arange(rows, **like) - rows // 2)[None, :]
    angle = torch.deg2rad(axis_deg.to(**like))
    cos, sin = torch.cos(angle)[:, None, None], torch.sin(angle)[:, None, None]
    shift = shift_px.to(**like)
    image_x = (cos * x - sin * y + shift[:, 0, None, None]) * magnification[1] + width // 2
    image_y = (sin * x + cos * y + shift[:, 1, None, None]) * magnification[0] + height // 2
    grid = torch.stack([image_x * (2 / (width - 1)) - 1, image_y * (2 / (height - 1)) - 1], dim=-1)
    sampled = torch.nn.functional.grid_sample(
        images[:, None], grid, mode=mode, padding_mode="zeros", align_corners=True
    )
    return sampled[:, 0]

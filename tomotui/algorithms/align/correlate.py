"""Find displacements between images and their predictions, weighted by what they share.

The weight of a frequency is taken from the data: the coherence C(k) between images and
predictions, pooled over the series, gives C / (1 - C^2), the maximum-likelihood weight of
whitened signals with a common part (Knapp & Carter 1976, IEEE Trans. ASSP 24:320). While the
alignment is coarse only low frequencies agree and count; as it improves finer ones join by
themselves, so that no band has to be chosen.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tomotui.imaging.fourier import Rings

LOWEST_RING = 1
"""The mean carries no position."""

MAX_COHERENCE = 0.95


@dataclass(frozen=True)
class Correlation:
    """Cross-correlation maps and what was learnt on the way.

    Attributes
    ----------
    maps
        Correlation with the origin at index 0, ``[..., size, size]``.
    coherence
        Correlation per ring for each item, ``[..., n_rings]``.
    pooled
        Mean coherence per ring over the series, ``[n_rings]``.
    norm
        Value that a map would have at its peak if image and prediction were equal, ``[...]``.
    """

    maps: Tensor
    coherence: Tensor
    pooled: Tensor
    norm: Tensor


def correlate(
    images: Tensor, predictions: Tensor, rings: Rings, pool: int | None = None
) -> Correlation:
    """Correlate images with predictions under data-driven frequency weights.

    Parameters
    ----------
    images, predictions
        Masked, shape ``[n_tilts, (n_items,) size, size]``.
    rings
        Rings of that size.
    pool
        Dimension over which spectra are pooled before the coherence is formed (the items of a
        tilt, which are too small to speak for themselves).
    """
    size = images.shape[-1]
    transformed, predicted = torch.fft.rfft2(images), torch.fft.rfft2(predictions)
    cross = transformed * predicted.conj()
    power, power_predicted = rings.sum(transformed.abs() ** 2), rings.sum(predicted.abs() ** 2)
    shared = rings.sum(cross.real)
    own_power, own_predicted = power, power_predicted
    if pool is not None:
        power, power_predicted, shared = (
            value.sum(dim=pool, keepdim=True) for value in (power, power_predicted, shared)
        )
    scale = torch.sqrt(power * power_predicted).clamp_min(1e-20)
    coherence = shared / scale
    pooled = coherence.reshape(-1, rings.n_rings).mean(dim=0)
    weight = coherence_weight(pooled)
    per_ring = weight / scale
    maps = torch.fft.irfft2(cross * rings.spread(per_ring), s=(size, size))
    norm = (
        torch.sqrt((own_power * per_ring).sum(dim=-1) * (own_predicted * per_ring).sum(dim=-1))
        / size**2
    )
    return Correlation(maps, coherence, pooled, norm)


def coherence_weight(coherence: Tensor) -> Tensor:
    """Return C / (1 - C^2) per ring, smoothed over rings; zero for the mean and the corners."""
    smooth = torch.nn.functional.avg_pool1d(
        coherence[None, None], 3, 1, 1, count_include_pad=False
    )[0, 0]
    smooth = smooth.clamp(0, MAX_COHERENCE)
    smooth[:LOWEST_RING] = 0
    smooth[-1] = 0
    return smooth / (1 - smooth**2)


def information(coherence: Tensor, rings: Rings) -> Tensor:
    """Return the mutual information of images and predictions, in nats per pixel.

    The intrinsic quality of a geometry: ``-1/2 sum n_k log(1 - C_k^2)`` over rings with
    positive coherence. Comparable between geometries of the same images.

    Parameters
    ----------
    coherence
        Shape ``[..., n_rings]``.
    """
    positive = coherence.clamp(0, MAX_COHERENCE)[..., LOWEST_RING:-1]
    counts = rings.weight[LOWEST_RING:-1]
    return -0.5 * (counts * torch.log1p(-(positive**2))).sum(dim=-1) / rings.weight.sum()


def find_peaks(maps: Tensor, max_shift_px: float) -> tuple[Tensor, Tensor]:
    """Find the highest point of each correlation map to a fraction of a pixel.

    Parameters
    ----------
    maps
        Origin at index 0, ``[..., size, size]``.
    max_shift_px
        Largest displacement considered along each axis.

    Returns
    -------
    displacement, height
        ``[..., 2]`` along the two axes of the map, and ``[...]``.
    """
    size = maps.shape[-1]
    reach = int(min(max(1, round(max_shift_px)) + 1, size // 2 - 1))
    side = 2 * reach + 1
    near = torch.roll(maps, (reach, reach), dims=(-2, -1))[..., :side, :side]
    flat = near.reshape(-1, side, side)
    best = flat[:, 1:-1, 1:-1].reshape(len(flat), -1).argmax(dim=1)
    row, column = best // (side - 2) + 1, best % (side - 2) + 1
    item = torch.arange(len(flat), device=maps.device)
    centre = flat[item, row, column]
    offset_row = _vertex(flat[item, row - 1, column], centre, flat[item, row + 1, column])
    offset_column = _vertex(flat[item, row, column - 1], centre, flat[item, row, column + 1])
    found = torch.stack([row + offset_row - reach, column + offset_column - reach], dim=-1)
    return found.reshape(*maps.shape[:-2], 2).to(maps.dtype), centre.reshape(maps.shape[:-2])


def _vertex(before: Tensor, at: Tensor, after: Tensor) -> Tensor:
    """Return the offset of a parabola's vertex from the middle of three samples."""
    curvature = before - 2 * at + after
    offset = 0.5 * (before - after) / torch.where(curvature < -1e-20, curvature, -1e-20)
    return torch.where(curvature < -1e-20, offset, torch.zeros_like(offset)).clamp(-0.5, 0.5)

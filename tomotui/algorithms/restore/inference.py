"""The network on whole volumes, tile by tile, so that memory never limits their size."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from tomotui.algorithms.restore.cubes import Place, cut

OVERLAP = 16
"""Voxels at each face of a tile that are seen but not kept, or only in part."""

Told = Callable[[float], None]
"""Called with the fraction done; may raise to stop."""


def restore_volume(
    network: nn.Module,
    volume: Tensor,
    longest: int,
    device: torch.device | str,
    told: Told = lambda fraction: None,
    multiple: int = 8,
) -> Tensor:
    """Return a volume restored in three dimensions.

    Parameters
    ----------
    network
        For ``[1, 1, z, y, x]``; on the device.
    volume
        Standardised, ``[z, y, x]``, wherever it is.
    longest
        Most voxels along the sides of a tile.
    device
        Where the network is.
    multiple
        What the sides of tiles must be multiples of.

    Returns
    -------
    On the device of the volume. Tiles go over into each other smoothly.
    """
    shape = (int(volume.shape[0]), int(volume.shape[1]), int(volume.shape[2]))
    lines = [_divide(side, longest, multiple) for side in shape]
    size = (lines[0][0], lines[1][0], lines[2][0])
    window = _blend(size).to(volume.device)
    total, weights = torch.zeros_like(volume), torch.zeros_like(volume)
    places = [Place(z, y, x) for z in lines[0][1] for y in lines[1][1] for x in lines[2][1]]
    with torch.inference_mode():
        for number, place in enumerate(places):
            told(number / len(places))
            image = cut(volume, place, size).to(device)[None, None]
            with autocast(device):
                answer = network(image)
            inner, outer = _overlap(shape, place, size)
            part = window[inner]
            total[outer] += answer[0, 0].float().to(volume.device)[inner] * part
            weights[outer] += part
    told(1.0)
    return total / weights.clamp_min(1e-6)


def restore_planes(
    network: nn.Module,
    volume: Tensor,
    multiple: int,
    device: torch.device | str,
    told: Told = lambda fraction: None,
    batch: int = 16,
) -> Tensor:
    """Return a volume whose xz planes were restored one by one.

    Parameters
    ----------
    network
        For ``[batch, 1, z, x]``.
    volume
        ``[z, y, x]``.
    multiple
        What sides must be multiples of.
    batch
        Planes at once.
    """
    n_z, n_y, n_x = volume.shape
    pad_z, pad_x = (OVERLAP + (-side - 2 * OVERLAP) % multiple for side in (n_z, n_x))
    planes = volume.permute(1, 0, 2)[:, None]
    restored = torch.empty_like(volume)
    with torch.inference_mode():
        for first in range(0, n_y, batch):
            told(first / n_y)
            some = planes[first : first + batch].to(device)
            some = torch.nn.functional.pad(some, (OVERLAP, pad_x, OVERLAP, pad_z), mode="replicate")
            with autocast(device):
                answer = network(some)
            inner = answer[:, 0, OVERLAP : OVERLAP + n_z, OVERLAP : OVERLAP + n_x].float()
            restored[:, first : first + batch] = inner.permute(1, 0, 2).to(volume.device)
    told(1.0)
    return restored


def autocast(device: torch.device | str) -> torch.autocast:
    """Return a context that lets a GPU work with bfloat16; CPUs work with float32."""
    kind = torch.device(device).type
    return torch.autocast(kind, dtype=torch.bfloat16, enabled=kind == "cuda")


def _divide(side: int, longest: int, multiple: int) -> tuple[int, list[int]]:
    """Return the length of tiles along an axis and where they begin, before the first voxel too.

    Tiles are all alike and no longer than they must be for their number.
    """
    room = max(multiple, longest // multiple * multiple - 2 * OVERLAP)
    count = -(-side // room)
    step = -(-side // count)
    length = -(-(step + 2 * OVERLAP) // multiple) * multiple
    last = side + OVERLAP - length
    if count == 1:
        return length, [(side - length) // 2]
    return length, [round(-OVERLAP + (last + OVERLAP) * n / (count - 1)) for n in range(count)]


def _overlap(
    shape: tuple[int, int, int], place: Place, size: tuple[int, int, int]
) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Return which part of a tile lies in the volume, and where."""
    inner, outer = [], []
    for start, side, length in zip((place.z, place.y, place.x), shape, size, strict=True):
        low, high = max(0, start), min(side, start + length)
        inner.append(slice(low - start, high - start))
        outer.append(slice(low, high))
    return tuple(inner), tuple(outer)


def _blend(size: tuple[int, int, int]) -> Tensor:
    """Return the weight of a tile's voxels: 1 inside, falling towards the faces."""
    ramps = []
    for length in size:
        line = torch.arange(length) + 0.5
        depth = torch.minimum(line, length - line) - OVERLAP / 2
        ramps.append((depth / (OVERLAP / 2)).clamp(1e-3, 1))
    return ramps[0][:, None, None] * ramps[1][:, None] * ramps[2]

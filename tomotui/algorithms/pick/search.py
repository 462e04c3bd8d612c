"""Looking for particles with a trained network: maps of centres, and the peaks in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tomotui.algorithms.pick.network import STRIDE, PickNet
from tomotui.algorithms.restore.cubes import Place, cut
from tomotui.algorithms.restore.inference import autocast
from tomotui.geometry.points import kept_apart
from tomotui.imaging.neighbours import highest_around

Array = NDArray[np.float64]
Told = Callable[[float], None]

MARGIN = 16
"""Voxels at each face of a tile that are seen but not kept."""

TURNS = ((0, False), (2, True), (1, True), (3, False))
"""Quarter turns about the beam, and whether upside down: how a tomogram is looked at."""


@dataclass(frozen=True, eq=False)
class Maps:
    """What networks say of a whole tomogram, at half its sampling.

    Attributes
    ----------
    centres
        ``[n_species, z, y, x]``: mean log odds of all looks.
    spread
        ``[n_species, z, y, x]``: standard deviation of the looks.
    """

    centres: Tensor
    spread: Tensor


def look(
    networks: Sequence[PickNet],
    image: Tensor,
    longest: int,
    device: torch.device | str,
    n_turns: int = 4,
    told: Told = lambda fraction: None,
) -> Maps:
    """Return maps of centres, from every network and every turn.

    Parameters
    ----------
    networks
        On the device.
    image
        ``[z, y, x]``, as they were trained on, wherever it is.
    longest
        Most voxels along the sides of a tile.
    n_turns
        How often each tile is looked at by each network, turned and turned upside down.
    told
        Called with the fraction done; may raise to stop.
    """
    shape = tuple(-(-int(side) // STRIDE) for side in image.shape)
    n_species = networks[0].architecture.n_species
    multiple = max(network.architecture.multiple for network in networks)
    total = torch.zeros((n_species, *shape))
    spread = torch.zeros_like(total)
    lines = [_divide(int(side), longest, multiple) for side in image.shape]
    size = (lines[0][0], lines[1][0], lines[2][0])
    places = [Place(z, y, x) for z in lines[0][1] for y in lines[1][1] for x in lines[2][1]]
    with torch.inference_mode():
        for number, place in enumerate(places):
            told(number / len(places))
            tile = cut(image, place, size).to(device)
            looks = torch.stack(
                [_one_look(net, tile, turn) for net in networks for turn in TURNS[:n_turns]]
            )
            inner, outer = _kept(shape, place, size)
            total[(slice(None), *outer)] = looks.mean(dim=0)[(slice(None), *inner)].cpu()
            deviation = looks.std(dim=0, correction=0)
            spread[(slice(None), *outer)] = deviation[(slice(None), *inner)].cpu()
    told(1.0)
    return Maps(total, spread)


def _one_look(network: PickNet, tile: Tensor, turn: tuple[int, bool]) -> Tensor:
    """Return the log odds ``[n_species, z, y, x]`` of a tile that is looked at turned."""
    quarters, flipped = turn
    turned = torch.rot90(tile, quarters, (1, 2))
    if flipped:
        turned = turned.flip(0, 1)
    with autocast(tile.device):
        answer = network.centres_of(turned[None, None].contiguous())
    found = answer[0].float()
    if flipped:
        found = found.flip(1, 2)
    return torch.rot90(found, -quarters, (2, 3))


@dataclass(frozen=True, eq=False)
class Peaks:
    """Candidates of one species.

    Attributes
    ----------
    voxels
        ``[n, 3]``, (z, y, x) of the image.
    logits, spread
        ``[n]``: log odds and how far the looks differ.
    """

    voxels: Array
    logits: Array
    spread: Array

    def select(self, which: NDArray[np.bool_]) -> Peaks:
        """Return some of them."""
        return Peaks(self.voxels[which], self.logits[which], self.spread[which])


def find_peaks(maps: Maps, species: int, diameter_voxel: float, most: int, least: float) -> Peaks:
    """Return the highest places of a map, none nearer than a radius to a higher one.

    Parameters
    ----------
    diameter_voxel
        Of the species, in voxels of the image.
    most
        Return no more.
    least
        Least log odds.
    """
    values = maps.centres[species]
    radius = max(0.5 * diameter_voxel / STRIDE, 1.0)
    highest = highest_around(values, max(1, int(radius * 0.6)))
    where = torch.nonzero((values == highest) & (values > least))
    found = values[where[:, 0], where[:, 1], where[:, 2]]
    order = torch.argsort(found, descending=True, stable=True)[: 8 * most]
    cells, scores = where[order].numpy(), found[order].numpy().astype(np.float64)
    kept = np.flatnonzero(kept_apart(cells, 2 * radius * SEPARATION))[:most]
    cells, scores = cells[kept], scores[kept]
    spread = maps.spread[species].numpy()[tuple(cells.T)].astype(np.float64)
    exact = cells + _parabola(values.numpy(), cells)
    return Peaks(exact * STRIDE + (STRIDE - 1) / 2, scores, spread)


def features_at(
    network: PickNet,
    image: Tensor,
    voxels: Array,
    side: int,
    device: torch.device | str,
    batch: int = 16,
) -> Array:
    """Return what a network makes of places, ``[n, width]``, for telling which are alike."""
    found = []
    place = side // STRIDE // 2
    inner = slice(place - 1, place + 1)
    with torch.inference_mode():
        for first in range(0, len(voxels), batch):
            some = voxels[first : first + batch]
            boxes = torch.stack([cut(image, _corner(one, side), (side,) * 3) for one in some])
            answer = network(boxes[:, None].to(device))
            part = answer.features[:, :, inner, inner, inner].float()
            found.append(part.mean(dim=(2, 3, 4)).cpu().numpy())
    width = network.architecture.width
    return np.concatenate(found).astype(np.float64) if found else np.zeros((0, width))


def logits_at(
    network: PickNet,
    image: Tensor,
    voxels: Array,
    species: NDArray[np.int64],
    reach_voxel: Array,
    side: int,
    device: torch.device | str,
) -> Array:
    """Return the greatest log odds near places, ``[n]``, each for its own species.

    Parameters
    ----------
    voxels, species
        ``[n, 3]`` (z, y, x) and ``[n]``.
    reach_voxel
        ``[n]``: how far from the place the greatest is looked for.
    side
        Voxels along the sides of the boxes that are looked at.
    """
    line = torch.arange(side // STRIDE) * STRIDE + (STRIDE - 1) / 2 - side // 2
    z, y, x = torch.meshgrid(line, line, line, indexing="ij")
    distance = (z**2 + y**2 + x**2).sqrt()
    found = []
    with torch.inference_mode():
        for voxel, own, reach in zip(voxels, species, reach_voxel, strict=True):
            box = cut(image, _corner(voxel, side), (side,) * 3)
            map_ = network.centres_of(box[None, None].to(device))[0, int(own)].float().cpu()
            found.append(float(map_[distance <= max(float(reach), STRIDE)].max()))
    return np.array(found)


def _corner(voxel: Array, side: int) -> Place:
    """Return where a box about a place begins."""
    first = np.round(voxel).astype(np.int64) - side // 2
    return Place(int(first[0]), int(first[1]), int(first[2]))


SEPARATION = 0.8
"""Least distance of two particles of a species, over the diameter."""


def _parabola(values: NDArray[np.float32], cells: NDArray[np.int64]) -> Array:
    """Return where between the cells the peaks lie, by a parabola along each axis."""
    offsets = np.zeros(cells.shape)
    for axis in range(3):
        before, after = cells.copy(), cells.copy()
        before[:, axis] = np.maximum(cells[:, axis] - 1, 0)
        after[:, axis] = np.minimum(cells[:, axis] + 1, values.shape[axis] - 1)
        low, middle, high = (values[tuple(c.T)] for c in (before, cells, after))
        bend = low - 2 * middle + high
        step = np.where(bend < -1e-6, 0.5 * (low - high) / np.minimum(bend, -1e-6), 0)
        offsets[:, axis] = np.clip(step, -0.5, 0.5)
    return offsets


def _divide(side: int, longest: int, multiple: int) -> tuple[int, list[int]]:
    """Return the length of tiles along an axis and where they begin, before the first voxel too."""
    room = max(multiple, longest // multiple * multiple - 2 * MARGIN)
    count = -(-side // room)
    length = -(-(-(-side // count) + 2 * MARGIN) // multiple) * multiple
    step = length - 2 * MARGIN
    return length, [n * step - MARGIN for n in range(-(-side // step))]


def _kept(
    shape: tuple[int, ...], place: Place, size: tuple[int, int, int]
) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Return which part of a tile's answer is kept, and where it goes."""
    inner, outer = [], []
    for start, side, length in zip((place.z, place.y, place.x), shape, size, strict=True):
        first = (start + MARGIN) // STRIDE
        last = min(side, (start + length - MARGIN) // STRIDE)
        offset = start // STRIDE
        inner.append(slice(first - offset, last - offset))
        outer.append(slice(first, last))
    return tuple(inner), tuple(outer)

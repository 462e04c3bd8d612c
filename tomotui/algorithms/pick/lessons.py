"""What the picking network learns from: crops turned at random, with what is known in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import grid_sample

from tomotui.algorithms.pick.network import STRIDE
from tomotui.algorithms.pick.volumes import Volume
from tomotui.algorithms.restore.cubes import Place, Places, cut

Array = NDArray[np.float64]

REACH = 1.75
"""Of what is cut for a crop that is turned freely, over its side."""

CENTRE_SHARE = 0.16
"""Deviation of the blob that marks a centre, over the diameter."""

REJECTED_SHARE = 0.35
"""Radius about a rejected place where nothing is to be found, over the diameter."""


@dataclass(frozen=True, eq=False)
class Labels:
    """What people have judged.

    Attributes
    ----------
    volume
        ``[n]`` numbers of the volumes.
    voxels
        ``[n, 3]``, (z, y, x).
    species
        ``[n]`` numbers of the species.
    accepted
        ``[n]``: whether a particle of the species is there.
    held_out
        ``[n]``: kept back for an honest look at what has been learnt.
    """

    volume: NDArray[np.int64]
    voxels: Array
    species: NDArray[np.int64]
    accepted: NDArray[np.bool_]
    held_out: NDArray[np.bool_]

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.volume)

    def released(self) -> Labels:
        """Return the same with nothing kept back."""
        return replace(self, held_out=np.zeros(len(self), dtype=bool))


@dataclass(frozen=True)
class Lesson:
    """A batch of crops.

    Attributes
    ----------
    image, other
        ``[batch, 1, z, y, x]``: a mixture of the halves, and the half that it holds less of.
    target
        ``[batch, n_species, z, y, x]`` at half the sampling: 1 at centres, falling to 0.
    known
        Weight of what was judged; sums to 1 over each particle and each rejection.
    unknown
        Weight of what nobody has judged; 0 near what was, and where there is no data.
    """

    image: Tensor
    other: Tensor
    target: Tensor
    known: Tensor
    unknown: Tensor


class CropSampler:
    """Draws crops about what was judged, and from anywhere.

    Parameters
    ----------
    volumes
        Of one sampling.
    labels
        What was judged in them.
    diameters_voxel
        Of each species.
    side
        Voxels along the sides of a crop.
    free_share
        Share of the crops that are turned by any angle; the others by right ones.
    device
        Where crops are made.
    """

    def __init__(
        self,
        volumes: Sequence[Volume],
        labels: Labels,
        diameters_voxel: Sequence[float],
        side: int,
        free_share: float,
        device: torch.device | str,
    ) -> None:
        self.volumes, self.side = list(volumes), side
        self.diameters, self.free_share = np.asarray(diameters_voxel), free_share
        self.device = torch.device(device)
        self.places = [Places(one.image * one.clear, (side,) * 3, one.shape[1]) for one in volumes]
        powers = np.array([float(np.prod(one.shape)) for one in volumes])
        self.shares = powers / powers.sum()
        line = torch.arange(side // STRIDE, device=self.device) * STRIDE + (STRIDE - 1) / 2
        self.grid = torch.stack(torch.meshgrid(line, line, line, indexing="ij"), dim=-1)
        self.learn_from(labels)

    def learn_from(self, labels: Labels) -> None:
        """Draw from these labels from now on."""
        self.labels = labels
        self.groups = [
            np.flatnonzero((labels.species == s) & (labels.accepted == kind) & ~labels.held_out)
            for s in range(len(self.diameters))
            for kind in (True, False)
        ]

    def draw(self, chance: np.random.Generator, batch: int) -> Lesson:
        """Draw a batch: accepted, rejected and random places in turn."""
        return _stacked([self._one(chance) for _ in range(batch)])

    def _one(self, chance: np.random.Generator) -> Lesson:
        kinds = [group for group in self.groups if len(group)]
        if not kinds or chance.random() < RANDOM_SHARE:
            number = int(chance.choice(len(self.volumes), p=self.shares))
            place = self.places[number].draw(chance)
            centre = np.array([place.z, place.y, place.x]) + self.side / 2
        else:
            accepted = [g for g in kinds if self.labels.accepted[g[0]]]
            wanted = accepted if accepted and chance.random() < ACCEPTED_SHARE else kinds
            label = int(chance.choice(wanted[int(chance.integers(len(wanted)))]))
            number = int(self.labels.volume[label])
            centre = self.labels.voxels[label] + chance.uniform(-0.3, 0.3, 3) * self.side
        return self._crop(number, np.round(centre), chance)

    def _crop(self, number: int, centre: Array, chance: np.random.Generator) -> Lesson:
        volume = self.volumes[number]
        rotation = random_turn(chance, self.free_share)
        share = float(chance.uniform(0, 1)) if len(volume.halves) == 2 else 1.0
        reach = 2 * round(REACH * self.side / 2)
        corner = Place(*(int(c) - reach // 2 for c in centre))
        parts = torch.stack([cut(v, corner, (reach,) * 3) for v in (*volume.halves, volume.clear)])
        turned = _turned(parts.to(self.device)[:, None], rotation, self.side)[:, 0]
        first, last, clear = turned[0], turned[-2], turned[-1]
        if chance.random() < 0.5:
            first, last = last, first
        # Between the mean of both halves and one of them: as much noise as there is, or twice.
        image = (1 - share / 2) * first + share / 2 * last
        gain = float(np.exp(chance.normal(0, 0.08)))
        target, known, near = self._told(number, centre, rotation)
        usable = clear[None, ::STRIDE, ::STRIDE, ::STRIDE] > 0.5
        unknown = (usable & ~near).float() / usable[0].numel()
        return Lesson(
            gain * image[None, None], last[None, None], target[None], known[None], unknown[None]
        )

    def _told(self, number: int, centre: Array, rotation: Array) -> tuple[Tensor, Tensor, Tensor]:
        """Return target, weight of what is known, and where something is known."""
        labels, n_species = self.labels, len(self.diameters)
        shape = (n_species, *self.grid.shape[:3])
        target = torch.zeros(shape, device=self.device)
        known = torch.zeros(shape, device=self.device)
        near = torch.zeros(shape, dtype=torch.bool, device=self.device)
        offset = (labels.voxels - centre)[:, ::-1] @ rotation.T
        middle = (self.side - 1) / 2
        here = (labels.volume == number) & (np.abs(offset) < self.side / 2 + 2).all(axis=1)
        for label in np.flatnonzero(here):
            place = torch.as_tensor(
                offset[label, ::-1] + middle + 0.5, dtype=torch.float32, device=self.device
            )
            distance = (self.grid - place).square().sum(dim=-1).sqrt()
            own = int(labels.species[label])
            if labels.held_out[label]:
                near[own] |= distance <= 0.5 * float(self.diameters[own])
                continue
            for species in range(n_species):
                # What is one species is no other; what is not one species may be any other.
                if labels.accepted[label] and species == own:
                    self._mark(target, known, near, species, distance)
                elif labels.accepted[label] or species == own:
                    radius = REJECTED_SHARE * self.diameters[own]
                    ball = distance <= max(radius, STRIDE)
                    weight = ball.float() / ball.sum().clamp_min(8)
                    known[species] += torch.where(target[species] > 0.1, 0.0, weight)
                    near[species] |= ball
        return target, known, near

    def _mark(
        self, target: Tensor, known: Tensor, near: Tensor, species: int, distance: Tensor
    ) -> None:
        """Mark a centre."""
        deviation = centre_deviation(float(self.diameters[species]))
        blob = torch.exp(-distance.square() / (2 * deviation**2))
        ball = distance <= max(0.5 * float(self.diameters[species]), 2 * STRIDE)
        weight = (blob + 0.1) * ball
        target[species] = torch.maximum(target[species], blob * ball)
        known[species] += weight / weight.sum().clamp_min(1.0)
        near[species] |= ball


def centre_deviation(diameter_voxel: float) -> float:
    """Return the deviation of the blob that marks a centre, in voxels."""
    return max(CENTRE_SHARE * diameter_voxel, 0.75 * STRIDE)


RANDOM_SHARE = 0.3
ACCEPTED_SHARE = 0.7


def random_turn(chance: np.random.Generator, free_share: float) -> Array:
    """Return a rotation on (x, y, z): any, or one of those that keep the beam's direction.

    A tomogram shows the same particle differently along the beam, so most turns are about it,
    with and without turning the specimen upside down.
    """
    from tomotui.algorithms.restore.cubes import random_rotation

    if chance.random() < free_share:
        return random_rotation(chance)
    quarter = int(chance.integers(4)) * np.pi / 2
    angle = quarter if chance.random() < 0.5 else float(chance.uniform(0, 2 * np.pi))
    c, s = np.cos(angle), np.sin(angle)
    about_z = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])
    return about_z @ np.diag([1.0, -1.0, -1.0]) if chance.random() < 0.5 else about_z


def _turned(parts: Tensor, rotation: Array, side: int) -> Tensor:
    """Return boxes ``[n, 1, reach, reach, reach]`` turned about their middle voxel and cropped."""
    reach = parts.shape[-1]
    # New voxel v shows old voxel R^T (v - c) + c; grid_sample counts from -1 to 1 over faces.
    line = (torch.arange(side, device=parts.device) - (side - 1) / 2 - 0.5).float()
    z, y, x = torch.meshgrid(line, line, line, indexing="ij")
    inverse = torch.as_tensor(rotation.T, dtype=torch.float32, device=parts.device)
    points = torch.stack([x, y, z], dim=-1) @ inverse.T
    scaled = (2 * (points + reach // 2) + 1) / reach - 1
    return grid_sample(
        parts,
        scaled[None].expand(len(parts), *scaled.shape),
        padding_mode="reflection",
        align_corners=False,
    )


def _stacked(lessons: Sequence[Lesson]) -> Lesson:
    return Lesson(
        *(
            torch.cat([getattr(one, name) for one in lessons])
            for name in ("image", "other", "target", "known", "unknown")
        )
    )

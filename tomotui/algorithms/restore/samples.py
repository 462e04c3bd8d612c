"""One lesson for the network: a turned cube that lacks an artificial wedge, and what it lacks.

The input is one half of the data, turned, with the teeth and the wedge of an untilted series
taken away again; the target is the other half, turned alike. Where the target has measured
something that the input still has, the network learns to take noise away; where the input has
lost it, to fill.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from tomotui.algorithms.restore.comb import coverage
from tomotui.algorithms.restore.cubes import (
    Place,
    Places,
    cube_rotations,
    cut,
    held_out_places,
    last_training_row,
    random_rotation,
    turn_cube,
)
from tomotui.algorithms.restore.material import Material
from tomotui.algorithms.restore.spectra import WELCH_SIDE, Shells, resampled, spread_evenly

Array = NDArray[np.float64]
MARGIN = 8
"""Voxels around a cube that are there while the artificial wedge is made, so that it is no
circular one."""

MODEL_ERROR = 0.1
"""Share of the signal's power that is not expected to be explained anywhere."""

FREE_REACH = 1.4
"""Side of what is cut for a free rotation, over that of the cube."""


@dataclass(frozen=True)
class Sample:
    """Cubes for one step, all ``[batch, 1, z, y, x]``; weights on the grid of ``rfftn``.

    Attributes
    ----------
    image
        What the network sees.
    target
        What it is compared with.
    clear
        0 where residuals do not count.
    denoising, filling
        Weights of residuals where the input has, and has not, what the target has measured.
    """

    image: Tensor
    target: Tensor
    clear: Tensor
    denoising: Tensor
    filling: Tensor


@dataclass(frozen=True)
class Lesson:
    """A sample that training is judged by, and where its residual counts."""

    sample: Sample
    window: Tensor


class CubeSampler:
    """Draws lessons from prepared tomograms.

    Parameters
    ----------
    materials
        Of one sample.
    side
        Voxels along the sides of a cube.
    free_share
        Share of the cubes that are turned by any angle instead of by right ones.
    device
        Where lessons are made; the tomograms may be elsewhere.
    """

    def __init__(
        self,
        materials: Sequence[Material],
        side: int,
        free_share: float,
        device: torch.device | str,
    ) -> None:
        self.materials, self.side, self.free_share = list(materials), side, free_share
        self.device = torch.device(device)
        self.wide = side + 2 * MARGIN
        self.rotations = cube_rotations()
        self.filled = [one.inputs for one in self.materials]
        self.shells = Shells.of((side,) * 3, max(8, side // 2), self.device)
        size = (self.wide,) * 3
        self.places = [
            Places(one.inputs.mean(dim=0) * one.clear, size, last_training_row(one, side))
            for one in self.materials
        ]
        powers = np.array([float(np.prod(one.shape)) for one in self.materials])
        self.shares = powers / powers.sum()
        self._coverage = lru_cache(maxsize=256)(self._compute_coverage)
        self._precision = [self._make_precision(one) for one in self.materials]

    def draw(self, chance: np.random.Generator, batch: int) -> Sample:
        """Draw a batch of lessons."""
        return stack_samples([self._one(chance) for _ in range(batch)])

    def held_out(self) -> list[Lesson]:
        """Return the lessons that training is judged by, each with the window of its judgement."""
        found = []
        for number, material in enumerate(self.materials):
            first_held = last_training_row(material, self.side)
            for place in held_out_places(material, self.side):
                window = torch.zeros((self.side,) * 3, device=self.device)
                window[4:-4, first_held - place.y :, 4:-4] = 1.0
                outer = Place(*(p - MARGIN for p in (place.z, place.y, place.x)))
                for turn in self._telling_turns():
                    sample = self._lesson(number, turn % 2, outer, turn, None)
                    found.append(Lesson(sample, turn_cube(window, self.rotations[turn])))
        return found

    def _telling_turns(self) -> list[int]:
        """Return one rotation that leaves the beam's direction, and two that turn it away."""
        found: dict[int, int] = {}
        for number, rotation in enumerate(self.rotations):
            found.setdefault(int(np.argmax(np.abs(rotation[:, 2]))), number)
        return list(found.values())

    def refill(self, answers: Sequence[Tensor], seed: int) -> None:
        """Put answers where nothing was measured, with the noise that data would have there.

        A network that learns from cubes with two wedges, their own and the artificial one, would
        be met by one wedge afterwards; so the first is filled as well as it can be by now.

        Parameters
        ----------
        answers
            For each tomogram the restored halves, ``[n_halves, z, y, x]``.
        seed
            Of the noise.
        """
        generator = torch.Generator().manual_seed(seed)
        for number, (material, answer) in enumerate(zip(self.materials, answers, strict=True)):
            spectra, shape = material.spectra, material.shape
            place = material.targets.device
            noise = spread_evenly(spectra.noise.sqrt(), shape, place)
            wiener = spread_evenly(spectra.wiener, shape, place)
            filled = torch.empty_like(material.inputs)
            for half, comb in enumerate(material.combs):
                seen = coverage(comb, shape, place, WELCH_SIDE)
                grain = torch.randn(shape, generator=generator).to(place)
                filling = torch.fft.rfftn(answer[half]) + torch.fft.rfftn(grain) * noise
                own = torch.fft.rfftn(material.inputs[half])
                own += (1 - seen) * (filling * wiener - own)
                filled[half] = torch.fft.irfftn(own, s=shape)
            self.filled[number] = filled

    def _one(self, chance: np.random.Generator) -> Sample:
        number = int(chance.choice(len(self.materials), p=self.shares))
        half = int(chance.integers(2))
        place = self.places[number].draw(chance)
        turn = int(chance.integers(len(self.rotations)))
        free = random_rotation(chance) if chance.random() < self.free_share else None
        return self._lesson(number, half, place, turn, free)

    def _lesson(
        self, number: int, half: int, place: Place, turn: int, free: Array | None
    ) -> Sample:
        material = self.materials[number]
        source = half % len(material.targets)
        other = (half + 1) % len(material.targets)
        parts = (self.filled[number][source], material.targets[other], material.clear)
        if free is None:
            rotation = self.rotations[turn]
            cubes = torch.stack([cut(v, place, (self.wide,) * 3) for v in parts]).to(self.device)
            cubes = turn_cube(cubes, rotation)
            seen = self._coverage(number, other, turn)
        else:
            cubes = self._turned_freely(parts, place, free)
            seen = self._coverage_of(number, other, free, self.side)
        kept_wide, kept = self._coverage(number, source, -1), self._coverage(number, source, -2)
        shape = (self.wide,) * 3
        image = torch.fft.irfftn(torch.fft.rfftn(cubes[0]) * kept_wide, s=shape)
        inner = slice(MARGIN, MARGIN + self.side)
        weight = seen * self._precision[number]
        return Sample(
            image[inner, inner, inner][None, None],
            cubes[1, inner, inner, inner][None, None],
            cubes[2, inner, inner, inner][None, None],
            (weight * kept)[None, None],
            (weight * (1 - kept))[None, None],
        )

    def _turned_freely(self, volumes: tuple[Tensor, ...], place: Place, rotation: Array) -> Tensor:
        """Return cubes turned by any rotation, cut from somewhat more than their room."""
        reach = 2 * round(FREE_REACH * self.wide / 2)
        more = (reach - self.wide) // 2
        outer = Place(*(p - more for p in (place.z, place.y, place.x)))
        parts = torch.stack([cut(v, outer, (reach,) * 3) for v in volumes])[:, None].to(self.device)
        # grid_sample wants where each voxel comes from, in (x, y, z): the inverse rotation.
        share = self.wide / reach
        theta = torch.as_tensor(share * rotation.T, dtype=torch.float32, device=self.device)
        theta = torch.cat([theta, torch.zeros(3, 1, device=self.device)], dim=1)
        grid = affine_grid(
            theta[None].expand(3, 3, 4), [3, 1, self.wide, self.wide, self.wide], False
        )
        turned = grid_sample(parts, grid, padding_mode="reflection", align_corners=False)
        return turned[:, 0]

    def _compute_coverage(self, number: int, half: int, turn: int) -> Tensor:
        """Return what a half has measured: turned, or (-1, -2) as it is in wide and own cubes."""
        rotation = np.eye(3) if turn < 0 else self.rotations[turn]
        return self._coverage_of(number, half, rotation, self.wide if turn == -1 else self.side)

    def _coverage_of(self, number: int, half: int, rotation: Array, side: int) -> Tensor:
        comb = self.materials[number].combs[half].turned(rotation)
        return coverage(comb, (side,) * 3, self.device)

    def _make_precision(self, material: Material) -> Tensor:
        """Return the weight of residuals by frequency; a network that gives 0 loses about 1."""
        spectra = material.spectra
        n_shells = self.shells.n_shells
        weight = self.shells.spread(
            resampled(spectra.precision(MODEL_ERROR), n_shells).to(self.device)
        )
        power = resampled(spectra.signal + spectra.noise, n_shells)
        inside = self.shells.index < self.shells.n_shells - 1
        weight = weight * inside
        expected = (weight * self.shells.spread(power.to(self.device))).sum() * self.side**3
        return weight / expected


def stack_samples(samples: Sequence[Sample]) -> Sample:
    """Return samples as one batch."""
    return Sample(
        *(
            torch.cat([getattr(one, name) for one in samples])
            for name in ("image", "target", "clear", "denoising", "filling")
        )
    )

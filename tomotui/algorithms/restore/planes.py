"""Lessons in two dimensions: what xy planes show is learnt, to be filled in on xz planes.

Sections (xy) are all but free of the missing wedge. With the wedge of an xz plane imposed on
them they teach a small network what the wedge takes away, in minutes and without a GPU, as far as
the specimen looks alike from all sides. The idea is EMAN2's.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from tomotui.algorithms.restore.comb import coverage
from tomotui.algorithms.restore.cubes import (
    Place,
    Places,
    cut,
    held_out_places,
    last_training_row,
)
from tomotui.algorithms.restore.material import Material
from tomotui.algorithms.restore.samples import MARGIN, MODEL_ERROR, Lesson, Sample, stack_samples
from tomotui.algorithms.restore.spectra import Shells, Spectra, resampled


class PlaneSampler:
    """Draws lessons from the sections of prepared tomograms.

    Parameters
    ----------
    materials
        Of one sample.
    side
        Pixels along the sides of a patch.
    device
        Where lessons are made.
    """

    def __init__(
        self, materials: Sequence[Material], side: int, device: torch.device | str
    ) -> None:
        self.materials, self.side = list(materials), side
        self.device = torch.device(device)
        self.wide = side + 2 * MARGIN
        self.shells = Shells.of((side, side), side // 2, self.device)
        self.places = [
            Places(
                one.inputs.mean(dim=0) * one.clear,
                (1, self.wide, self.wide),
                last_training_row(one, side),
            )
            for one in self.materials
        ]
        sizes = np.array([float(np.prod(one.shape)) for one in self.materials])
        self.shares = sizes / sizes.sum()
        self._kept = [
            [tuple(coverage(c, (n, n), self.device) for n in (self.wide, side)) for c in m.combs]
            for m in self.materials
        ]
        self._weights = [self._weight(one) for one in self.materials]

    def draw(self, chance: np.random.Generator, batch: int) -> Sample:
        """Draw a batch of lessons."""
        return stack_samples([self._one(chance) for _ in range(batch)])

    def held_out(self) -> list[Lesson]:
        """Return the lessons that training is judged by, each with the window of its judgement."""
        found = []
        for number, material in enumerate(self.materials):
            first_held = last_training_row(material, self.side)
            for place in held_out_places(material, self.side):
                window = torch.zeros(self.side, self.side, device=self.device)
                window[first_held - place.y :, 4:-4] = 1.0
                for z in np.linspace(0.3, 0.7, 4) * material.shape[0]:
                    outer = Place(int(z), place.y - MARGIN, place.x - MARGIN)
                    found.append(Lesson(self._lesson(number, 0, outer, 0, False), window))
        return found

    def refill(self, answers: Sequence[Tensor], seed: int) -> None:
        """Sections have nothing to refill."""

    def _one(self, chance: np.random.Generator) -> Sample:
        number = int(chance.choice(len(self.materials), p=self.shares))
        place = self.places[number].draw(chance)
        quarter, mirrored = int(chance.integers(4)), bool(chance.integers(2))
        return self._lesson(number, int(chance.integers(2)), place, quarter, mirrored)

    def _lesson(self, number: int, half: int, place: Place, quarter: int, mirrored: bool) -> Sample:
        material = self.materials[number]
        source, other = (h % len(material.targets) for h in (half, half + 1))
        size = (1, self.wide, self.wide)
        pair = torch.stack(
            [
                cut(v, place, size)[0]
                for v in (material.inputs[source], material.targets[other], material.clear)
            ]
        ).to(self.device)
        pair = torch.rot90(pair, quarter, (1, 2))
        if mirrored:
            # A plane has no hand: its mirror image is the same plane seen from below.
            pair = pair.flip(2)
        wide, own = self._kept[number][source]
        image = torch.fft.irfft2(torch.fft.rfft2(pair[0]) * wide, s=(self.wide, self.wide))
        inner = slice(MARGIN, MARGIN + self.side)
        weight = self._weights[number]
        return Sample(
            image[inner, inner][None, None],
            pair[1, inner, inner][None, None],
            pair[2, inner, inner][None, None],
            (weight * own)[None, None],
            (weight * (1 - own))[None, None],
        )

    def _weight(self, material: Material) -> Tensor:
        spectra = _plane_spectra(material, self.side)
        weight = self.shells.spread(
            resampled(spectra.precision(MODEL_ERROR), self.shells.n_shells).to(self.device)
        )
        weight = weight * (self.shells.index < self.shells.n_shells - 1)
        power = self.shells.spread(resampled(spectra.signal + spectra.noise, self.shells.n_shells))
        return weight / ((weight * power.to(self.device)).sum() * self.side**2)


def _plane_spectra(material: Material, side: int) -> Spectra:
    """Return signal and noise of the sections of a half."""
    shells = Shells.of((side, side), side // 2, material.targets.device)
    n_z, n_y, n_x = material.shape
    sections = (material.targets * material.clear)[:, n_z // 4 : n_z - n_z // 4 : 4]
    side_y, side_x = min(side, n_y), min(side, n_x)
    window = torch.hann_window(side_y)[:, None] * torch.hann_window(side_x)
    total = torch.zeros(2, shells.n_shells, dtype=torch.float64, device=sections.device)
    window = window.to(sections.device)
    count = 0
    for y in range(0, n_y - side_y + 1, side_y):
        for x in range(0, n_x - side_x + 1, side_x):
            part = sections[:, :, y : y + side_y, x : x + side_x] * window
            padded = torch.nn.functional.pad(part, (0, side - side_x, 0, side - side_y))
            spectrum = torch.fft.rfft2(padded)
            mean = spectrum.mean(dim=0)
            signal = (spectrum[0] * spectrum[-1].conj()).real
            noise = (spectrum - mean).abs().square().sum(dim=0)
            total[0] += shells.sum(signal).sum(dim=0)
            total[1] += shells.sum(noise).sum(dim=0)
            count += sections.shape[1]
    terms = shells.sum(torch.ones(shells.index.shape, device=sections.device))
    total /= terms.clamp_min(1) * count * window.square().sum().double()
    signal = total[0].clamp_min(1e-12)
    return Spectra(signal.float(), total[1].clamp_min(0.05 * float(signal.min())).float())

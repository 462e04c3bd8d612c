"""Training the picking network: first on tomograms alone, then on what people have judged."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, softplus

from tomotui.algorithms.learning import Learner, cosine_rate
from tomotui.algorithms.parallel import Ranks
from tomotui.algorithms.pick.lessons import CropSampler, Lesson, centre_deviation
from tomotui.algorithms.pick.network import STRIDE, Architecture, PickNet, fold
from tomotui.algorithms.pick.volumes import Volume
from tomotui.algorithms.restore.inference import autocast

WARM_UP_STEPS = 10
LONGEST_MEMORY = 0.98
"""Of the mean of the weights, per step."""


@dataclass(frozen=True)
class Schedule:
    """How long and how training goes.

    Attributes
    ----------
    pretraining_steps
        Updates from the tomograms alone.
    steps
        Updates from what was judged.
    batch
        Crops of an update.
    learning_rate
        Greatest; it rises in the first steps and falls along a cosine.
    unknown_weight
        Of all that nobody has judged in a crop, over one judged particle.
    image_weight
        Of the head that shows the image without noise, while centres are learnt.
    """

    pretraining_steps: int = 80
    steps: int = 120
    batch: int = 4
    learning_rate: float = 8e-3
    unknown_weight: float = 8.0
    image_weight: float = 0.3


@dataclass(frozen=True)
class Progress:
    """What is told after each step: mean losses of the heads since the last."""

    step: int
    centres: float
    image: float
    learning_rate: float


class Trainer(Learner[PickNet]):
    """Trains one network; may be stopped, kept and gone on with after any step.

    Parameters
    ----------
    lessons
        Where crops come from.
    architecture
        Of the network.
    schedule
        How long and how.
    priors
        For each species the share of all voxels of the answer that lie at a centre.
    seed
        Of everything that is random.
    device
        Where to train.
    ranks
        The processes that train together.
    """

    def __init__(
        self,
        lessons: CropSampler,
        architecture: Architecture,
        schedule: Schedule,
        priors: Tensor,
        seed: int,
        device: torch.device | str = "cpu",
        ranks: Ranks | None = None,
    ) -> None:
        super().__init__(
            lambda: PickNet(architecture).to(device),
            learning_rate=schedule.learning_rate,
            weight_decay=1e-3,
            longest_memory=LONGEST_MEMORY,
            seed=seed,
            device=device,
            ranks=ranks,
        )
        self.lessons, self.schedule = lessons, schedule
        self.priors = priors.to(self.device)

    @property
    def steps(self) -> int:
        """Updates of both parts."""
        return self.schedule.pretraining_steps + self.schedule.steps

    def run(self, told: Callable[[Progress], None]) -> None:
        """Train to the end; what ``told`` raises ends it early."""
        while self.step < self.steps:
            rate = self._learning_rate()
            centres, image = self._advance(rate)
            self.step += 1
            told(Progress(self.step, centres, image, rate))

    def _learning_rate(self) -> float:
        first = self.schedule.pretraining_steps
        alone = self.step < first
        step, count = (self.step, first) if alone else (self.step - first, self.schedule.steps)
        least = 0.3 if alone else 0.02
        return self.schedule.learning_rate * cosine_rate(step, count, WARM_UP_STEPS, least)

    def _advance(self, rate: float) -> tuple[float, float]:
        alone = self.step < self.schedule.pretraining_steps
        self.begin_step(rate)
        lesson = self.lessons.draw(self.chance, self.schedule.batch)
        with autocast(self.device):
            answer = self.network(lesson.image)
        image = (answer.image.float() - fold(lesson.other)).square().mean()
        centres = torch.zeros((), device=self.device)
        if alone:
            loss = image
        else:
            centres = self._centres(answer.centres.float(), lesson)
            loss = centres + self.schedule.image_weight * image
        loss.backward()
        told, shown = self.end_step(torch.stack([centres.detach(), image.detach()]))
        return told, shown

    def _centres(self, logits: Tensor, lesson: Lesson) -> Tensor:
        """Return the loss of centres: positive-unlabelled where nobody has judged.

        Of what nobody has judged a small share is particles; their part of the loss is known
        from those that were judged, and taken off again, but never below zero (Kiryo et al. 2017).
        """
        known = binary_cross_entropy_with_logits(
            logits, lesson.target, lesson.known, reduction="none"
        )
        judged = known.sum() / logits.shape[0]
        axes = (0, 2, 3, 4)
        unknown = (softplus(logits) * lesson.unknown).sum(axes) / logits.shape[0]
        core = lesson.known * (lesson.target > 0.5)
        hidden = (softplus(logits) * core).sum(axes) / core.sum(axes).clamp_min(1e-6)
        hidden = torch.where(core.sum(axes) > 0, hidden, 0.0)
        rest = (unknown - self.priors * hidden).clamp_min(0)
        return judged + self.schedule.unknown_weight * rest.sum()

    def take_over(self, network: PickNet, with_centres: bool) -> None:
        """Begin with the weights of a network; without those that tell centres, if so wished."""
        weights = {
            name: value
            for name, value in network.state_dict().items()
            if with_centres or not name.startswith("head.")
        }
        for own in (self.network, self.mean):
            own.load_state_dict(weights, strict=with_centres)


def centre_shares(
    counts: NDArray[np.float64], diameters_voxel: Sequence[float], volumes: Sequence[Volume]
) -> Tensor:
    """Return for each species the share of the answer's cells that lie at a centre.

    Parameters
    ----------
    counts
        Particles of each species in all volumes together.
    """
    cells = sum(float(np.prod(one.shape)) for one in volumes) / STRIDE**3
    deviations = np.array([centre_deviation(diameter) for diameter in diameters_voxel])
    # Where the blob is above a half.
    radii = deviations * math.sqrt(2 * math.log(2)) / STRIDE
    shares = counts * 4 / 3 * math.pi * radii**3 / cells
    return torch.as_tensor(np.minimum(shares, MOST_CENTRES), dtype=torch.float32)


MOST_CENTRES = 0.05
"""Share of cells at centres that is never believed to be exceeded."""

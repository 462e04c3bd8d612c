"""Training: steps, the mean of the weights, what is held out, and going on after a stop."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from tomotui.algorithms.learning import Learner, cosine_rate
from tomotui.algorithms.parallel import Ranks
from tomotui.algorithms.restore.inference import autocast, restore_volume
from tomotui.algorithms.restore.loss import SplitLoss
from tomotui.algorithms.restore.network import Architecture, RestorationNet
from tomotui.algorithms.restore.samples import Lesson, Sample

WARM_UP_STEPS = 20
LONGEST_MEMORY = 0.995
"""Of the mean of the weights, per step."""


@dataclass(frozen=True)
class Schedule:
    """How long and how training goes.

    Attributes
    ----------
    steps
        Updates of the weights.
    batch, accumulate
        Lessons at once, and how many times before an update.
    learning_rate
        Greatest; it rises in the first steps and falls along a cosine.
    filling_weight
        Of filled terms over denoised ones.
    refill_at
        Shares of the steps after which the wedges of the inputs are filled anew.
    judge_every
        Steps between two looks at what is held out.
    patience
        Looks without a better loss before training stops.
    tile
        Side of the tiles when wedges are filled.
    """

    steps: int
    batch: int = 1
    accumulate: int = 1
    learning_rate: float = 1e-3
    filling_weight: float = 2.0
    refill_at: tuple[float, ...] = (0.4, 0.7)
    judge_every: int = 50
    patience: int = 8
    tile: int = 192


class Lessons(Protocol):
    """Where samples come from."""

    side: int
    materials: list[Any]

    def draw(self, chance: np.random.Generator, batch: int) -> Sample:
        """Draw a batch of lessons."""

    def held_out(self) -> list[Lesson]:
        """Return the lessons that training is judged by."""

    def refill(self, answers: Sequence[Tensor], seed: int) -> None:
        """Put answers where the inputs have nothing."""


@dataclass(frozen=True)
class Progress:
    """What is told after each step.

    Attributes
    ----------
    step
        Steps done.
    denoising, filling
        Mean loss since the last report; 1 would be an answer of nothing at all, of both together.
    held_out
        Denoising and filling loss of what is held out, where it was looked at.
    learning_rate
        Of this step.
    """

    step: int
    denoising: float
    filling: float
    held_out: tuple[float, float] | None
    learning_rate: float


class Trainer(Learner[RestorationNet]):
    """Trains a network; may be stopped, kept and gone on with after any step.

    Parameters
    ----------
    lessons
        Where samples come from.
    architecture
        Of the network.
    schedule
        How long and how.
    seed
        Of everything that is random.
    device
        Where to train.
    ranks
        The processes that train together.
    """

    def __init__(
        self,
        lessons: Lessons,
        architecture: Architecture,
        schedule: Schedule,
        seed: int,
        device: torch.device | str = "cpu",
        ranks: Ranks | None = None,
    ) -> None:
        super().__init__(
            lambda: _laid_out(RestorationNet(architecture).to(device), architecture),
            learning_rate=schedule.learning_rate,
            weight_decay=1e-4,
            longest_memory=LONGEST_MEMORY,
            seed=seed,
            device=device,
            ranks=ranks,
        )
        self.lessons, self.schedule = lessons, schedule
        self.best: dict[str, Tensor] | None = None
        self.best_loss, self.looks_since_best = math.inf, 0
        self.filled_with: dict[str, Tensor] | None = None
        self.refills = 0
        self.loss = SplitLoss(
            lessons.side, architecture.n_dims, schedule.filling_weight, self.device
        )
        self._judged: list[Lesson] | None = None

    # ---- going through it

    def run(self, told: Callable[[Progress], None]) -> None:
        """Train to the end, or until what is held out stops getting better.

        Parameters
        ----------
        told
            Called after each step; what it raises ends the training.
        """
        while self.step < self.schedule.steps and not self.is_exhausted:
            self._maybe_refill()
            rate = self._learning_rate()
            denoising, filling = self._advance(rate)
            self.step += 1
            held_out = None
            last = self.step == self.schedule.steps
            if last or self.step % self.schedule.judge_every == 0:
                held_out = self._judge()
            told(Progress(self.step, denoising, filling, held_out, rate))

    @property
    def is_exhausted(self) -> bool:
        """Whether what is held out has stopped getting better."""
        return self.looks_since_best >= self.schedule.patience

    def final(self) -> RestorationNet:
        """Return the network that was best on what is held out; otherwise the last mean."""
        if self.best is not None:
            chosen = copy.deepcopy(self.mean)
            chosen.load_state_dict(self.best)
            return chosen
        return self.mean

    def _learning_rate(self) -> float:
        """Return the rate of the coming step."""
        share = cosine_rate(self.step, self.schedule.steps, WARM_UP_STEPS, 0.01)
        return self.schedule.learning_rate * share

    def _advance(self, rate: float) -> tuple[float, float]:
        """Do one step and return the loss of both kinds."""
        self.begin_step(rate)
        sums = torch.zeros(2, device=self.device)
        for _ in range(self.schedule.accumulate):
            sample = self.lessons.draw(self.chance, self.schedule.batch)
            with autocast(self.device):
                answer = self.network(sample.image)
            parts = self.loss(answer, sample)
            (self.loss.total(parts) / self.schedule.accumulate).backward()
            sums += torch.stack(parts).detach() / self.schedule.accumulate
        denoising, filling = self.end_step(sums)
        return denoising, filling

    def _judge(self) -> tuple[float, float] | None:
        """Return the loss of what is held out, and remember the best weights."""
        if self._judged is None:
            self._judged = self.lessons.held_out()
        if not self._judged:
            return None
        sums = np.zeros(2)
        with torch.inference_mode():
            for lesson in self._judged:
                with autocast(self.device):
                    answer = self.mean(lesson.sample.image)
                parts = self.loss(answer, lesson.sample, lesson.window)
                sums += [float(part) for part in parts]
        denoising, filling = (sums / len(self._judged)).tolist()
        total = denoising + self.schedule.filling_weight * filling
        if total < self.best_loss:
            self.best_loss, self.looks_since_best = total, 0
            self.best = {k: v.detach().clone() for k, v in self.mean.state_dict().items()}
        else:
            self.looks_since_best += 1
        return denoising, filling

    # ---- filling the wedges of the inputs

    def _maybe_refill(self) -> None:
        due = sum(self.step >= share * self.schedule.steps for share in self.schedule.refill_at)
        if due > self.refills:
            self.refills = due
            self.filled_with = {k: v.detach().clone() for k, v in self.mean.state_dict().items()}
            self._refill()

    def _refill(self) -> None:
        """Fill the wedges of the inputs with the answers of the weights kept for it."""
        if self.filled_with is None or self.network.architecture.n_dims != 3:
            return
        network = copy.deepcopy(self.mean)
        network.load_state_dict(self.filled_with)
        answers = [
            torch.stack(
                [
                    restore_volume(network, half, self.schedule.tile, self.device)
                    for half in material.inputs
                ]
            )
            for material in self.lessons.materials
        ]
        self.lessons.refill(answers, self.seed + self.refills)

    # ---- keeping and going on

    def state(self) -> dict[str, Any]:
        """Return everything that is needed to go on as if nothing had happened."""
        return {
            **super().state(),
            "best": self.best,
            "best_loss": self.best_loss,
            "looks_since_best": self.looks_since_best,
            "filled_with": self.filled_with,
            "refills": self.refills,
        }

    def go_on(self, state: dict[str, Any]) -> None:
        """Take up a state; the next steps are those that would have come."""
        super().go_on(state)
        self.best, self.best_loss = state["best"], state["best_loss"]
        self.looks_since_best = state["looks_since_best"]
        self.filled_with, self.refills = state["filled_with"], state["refills"]
        self._refill()


def _laid_out(network: RestorationNet, architecture: Architecture) -> RestorationNet:
    """Let channels lie innermost, which the convolutions of CPUs and GPUs like best."""
    layout = torch.channels_last if architecture.n_dims == 2 else torch.channels_last_3d
    return network.to(memory_format=layout)  # type: ignore[call-overload]

"""What every training does: rates, steps, the mean of the weights, and going on after a stop."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from tomotui.algorithms.parallel import Ranks

NetworkT = TypeVar("NetworkT", bound=nn.Module)

GRADIENT_LIMIT = 1.0


class Learner(Generic[NetworkT]):
    """A network in training, on one process or several.

    Parameters
    ----------
    build
        Makes the network, on its device, with weights by chance.
    learning_rate, weight_decay
        Of AdamW.
    longest_memory
        Of the mean of the weights, per step.
    seed
        Of everything that is random.
    device
        Where to train.
    ranks
        The processes that train together.

    Attributes
    ----------
    network, mean
        As it is now, and with the mean of the weights of the last steps.
    step
        Steps done.
    chance
        For drawing lessons; its own on every process.
    """

    def __init__(
        self,
        build: Callable[[], NetworkT],
        *,
        learning_rate: float,
        weight_decay: float,
        longest_memory: float,
        seed: int,
        device: torch.device | str,
        ranks: Ranks | None,
    ) -> None:
        self.seed, self.longest_memory = seed, longest_memory
        self.device, self.ranks = torch.device(device), ranks or Ranks()
        torch.manual_seed(seed)
        self.network = build()
        self.ranks.same_weights(self.network)
        self.mean = copy.deepcopy(self.network).eval()
        self.step = 0
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=learning_rate, weight_decay=weight_decay
        )
        self.chance = np.random.default_rng([seed, self.ranks.rank])

    def begin_step(self, rate: float) -> None:
        """Make ready for the gradients of a step at a learning rate."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        self.network.train()

    def end_step(self, losses: Tensor) -> list[float]:
        """Change the weights by the gradients of all processes; returns their mean losses.

        A step whose losses are no numbers changes nothing.

        Parameters
        ----------
        losses
            ``[n]``, of this process.
        """
        self.ranks.mean_gradients(self.network)
        self.ranks.mean_(losses)
        nn.utils.clip_grad_norm_(self.network.parameters(), GRADIENT_LIMIT)
        if bool(torch.isfinite(losses).all()):
            self.optimizer.step()
        memory = min(self.longest_memory, (self.step + 1) / (self.step + 10))
        with torch.no_grad():
            for mean, now in zip(self.mean.parameters(), self.network.parameters(), strict=True):
                mean.lerp_(now, 1 - memory)
        found: list[float] = losses.tolist()
        return found

    def state(self) -> dict[str, Any]:
        """Return everything that is needed to go on as if nothing had happened."""
        return {
            "step": self.step,
            "network": self.network.state_dict(),
            "mean": self.mean.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "chance": self.chance.bit_generator.state,
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state(self.device) if self.device.type == "cuda" else None,
        }

    def go_on(self, state: dict[str, Any]) -> None:
        """Take up a state; the next steps are those that would have come."""
        self.step = state["step"]
        self.network.load_state_dict(state["network"])
        self.mean.load_state_dict(state["mean"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.ranks.rank == 0:
            self.chance.bit_generator.state = state["chance"]
        else:
            self.chance = np.random.default_rng([self.seed, self.ranks.rank, self.step])
        torch.set_rng_state(state["torch"].cpu())
        if state["cuda"] is not None and self.device.type == "cuda":
            torch.cuda.set_rng_state(state["cuda"].cpu(), self.device)


def cosine_rate(step: int, steps: int, warm_up: int, least: float) -> float:
    """Return the share of the greatest rate at a step: rising at first, then along a cosine.

    Parameters
    ----------
    steps
        Of the whole training.
    warm_up
        Steps in which it rises.
    least
        Share below which the cosine does not fall.
    """
    rising = min(1.0, (step + 1) / warm_up)
    falling = 0.5 + 0.5 * math.cos(math.pi * step / steps)
    return rising * max(falling, least)

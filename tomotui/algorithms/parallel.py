"""Processes that work on the same thing, one for each GPU: as ``torchrun`` starts them."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor, nn


class Ranks:
    """What the processes of a group have to tell each other; one process alone tells nobody.

    Attributes
    ----------
    rank, count
        Number of this process, and of all.
    """

    def __init__(self) -> None:
        is_one_of_many = dist.is_available() and dist.is_initialized()
        self.rank: int = dist.get_rank() if is_one_of_many else 0
        self.count: int = dist.get_world_size() if is_one_of_many else 1

    def same_weights(self, network: nn.Module) -> None:
        """Give all processes the weights of the first."""
        if self.count > 1:
            with torch.no_grad():
                for value in network.parameters():
                    dist.broadcast(value, 0)

    def mean_gradients(self, network: nn.Module) -> None:
        """Replace all gradients by their mean over the processes, in one exchange."""
        if self.count == 1:
            return
        gradients = [p.grad for p in network.parameters() if p.grad is not None]
        flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
        self.mean_(flat)
        first = 0
        for gradient in gradients:
            n = gradient.numel()
            gradient.copy_(flat[first : first + n].view_as(gradient))
            first += n

    def mean_(self, values: Tensor) -> None:
        """Replace values by their mean over the processes."""
        if self.count > 1:
            dist.all_reduce(values)
            values /= self.count

    def sum_(self, values: Tensor) -> None:
        """Replace values by their sum over the processes."""
        if self.count > 1:
            dist.all_reduce(values)

    def max_(self, values: Tensor) -> None:
        """Replace values by the greatest of all processes."""
        if self.count > 1:
            dist.all_reduce(values, dist.ReduceOp.MAX)

    def min_(self, values: Tensor) -> None:
        """Replace values by the least of all processes."""
        if self.count > 1:
            dist.all_reduce(values, dist.ReduceOp.MIN)

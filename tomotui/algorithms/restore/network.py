"""The network: a residual U-Net whose finest level is thin, for planes or volumes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Architecture:
    """Everything needed to build a network again.

    Attributes
    ----------
    n_dims
        2 for planes, 3 for volumes.
    width
        Channels at half the sampling; each coarser level has twice as many.
    fine_width
        Channels at full sampling.
    levels
        Levels below full sampling.
    dropout
        Share of the coarsest level's channels left out in training.
    """

    n_dims: int = 3
    width: int = 32
    fine_width: int = 8
    levels: int = 3
    dropout: float = 0.1

    @property
    def multiple(self) -> int:
        """Sides of the input must be a multiple of this."""
        return int(2**self.levels)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


class RestorationNet(nn.Module):
    """Return what is to be added to the input.

    Most of what can be known lies below half the sampling's Nyquist frequency, where the widest
    levels work; a thin level at full sampling keeps edges sharp at little cost.

    Parameters
    ----------
    architecture
        Its sizes.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        dims, width, fine = architecture.n_dims, architecture.width, architecture.fine_width
        conv = (nn.Conv2d, nn.Conv3d)[dims - 2]
        up = (nn.ConvTranspose2d, nn.ConvTranspose3d)[dims - 2]
        drop = (nn.Dropout2d, nn.Dropout3d)[dims - 2]
        widths = [width * 2**level for level in range(architecture.levels)]
        self.first = conv(1, fine, 3, padding=1)
        self.down, self.encode = nn.ModuleList(), nn.ModuleList()
        before = fine
        for each in widths:
            self.down.append(conv(before, each, 2, stride=2))
            self.encode.append(_Block(dims, each, each))
            before = each
        self.drop = drop(architecture.dropout)
        self.up, self.decode = nn.ModuleList(), nn.ModuleList()
        for each in reversed(widths[:-1]):
            self.up.append(up(before, each, 2, stride=2))
            self.decode.append(_Block(dims, 2 * each, each))
            before = each
        self.last_up = up(before, fine, 2, stride=2)
        self.join = conv(2 * fine + 1, fine, 3, padding=1)
        self.last = conv(fine, 1, 1)
        self.activation = nn.LeakyReLU(0.1)
        nn.init.zeros_(self.last.weight)
        assert self.last.bias is not None
        nn.init.zeros_(self.last.bias)

    def forward(self, image: Tensor) -> Tensor:
        """Return the restored image.

        Parameters
        ----------
        image
            ``[batch, 1, (z,) y, x]`` of unit deviation; sides are multiples of
            ``architecture.multiple``.
        """
        fine = self.activation(self.first(image))
        kept, value = [], fine
        for down, encode in zip(self.down, self.encode, strict=True):
            value = encode(self.activation(down(value)))
            kept.append(value)
        value = self.drop(kept.pop())
        for up, decode in zip(self.up, self.decode, strict=True):
            value = decode(torch.cat([up(value), kept.pop()], dim=1))
        value = torch.cat([self.last_up(value), fine, image], dim=1)
        change: Tensor = self.last(self.activation(self.join(value)))
        return image + change


class _Block(nn.Module):
    """Two convolutions with normalisation, and a short cut around both."""

    def __init__(self, dims: int, before: int, after: int) -> None:
        super().__init__()
        conv = (nn.Conv2d, nn.Conv3d)[dims - 2]
        self.one, self.two = conv(before, after, 3, padding=1), conv(after, after, 3, padding=1)
        self.around = conv(before, after, 1) if before != after else nn.Identity()
        self.activation = nn.LeakyReLU(0.1)

    def forward(self, value: Tensor) -> Tensor:
        inner = self.two(self.activation(self.one(value)))
        result: Tensor = self.activation(inner + self.around(value))
        return result

"""The picking network: from a standardised tomogram to a map of centres for each species."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

STRIDE = 2
"""Voxels of the input for one of the answer, along each axis."""


@dataclass(frozen=True)
class Architecture:
    """Everything needed to build a network again.

    Attributes
    ----------
    n_species
        Maps of centres.
    width
        Channels at half the sampling; each coarser level has half as many again.
    levels
        Levels at and below half the sampling.
    """

    n_species: int = 1
    width: int = 24
    levels: int = 3

    @property
    def multiple(self) -> int:
        """Sides of the input must be a multiple of this."""
        return int(STRIDE * 2 ** (self.levels - 1))

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


class Answer(NamedTuple):
    """What the network says of an image, at half its sampling.

    Attributes
    ----------
    centres
        ``[batch, n_species, z, y, x]``: log odds that a particle's centre is here.
    image
        ``[batch, 8, z, y, x]``: the image without its noise, eight voxels to one.
    features
        ``[batch, width, z, y, x]``: what both were made from.
    """

    centres: Tensor
    image: Tensor
    features: Tensor


class PickNet(nn.Module):
    """A U-Net that works at half the sampling and coarser.

    One trunk serves two heads: one tells centres, the other the image that an independent
    measurement would show, which is learnt without anybody's help.

    Parameters
    ----------
    architecture
        Its sizes.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        widths = [round(architecture.width * 1.5**n) for n in range(architecture.levels)]
        self.first = nn.Conv3d(STRIDE**3, widths[0], 3, padding=1)
        self.encode = nn.ModuleList([_Block(width) for width in widths])
        pairs = list(pairwise(widths))
        self.down = nn.ModuleList([nn.Conv3d(a, b, 2, stride=2) for a, b in pairs])
        self.up = nn.ModuleList([nn.ConvTranspose3d(b, a, 2, stride=2) for a, b in pairs])
        self.join = nn.ModuleList([nn.Conv3d(2 * a, a, 1) for a, _ in pairs])
        self.decode = nn.ModuleList([_Block(a) for a, _ in pairs])
        self.image = nn.Conv3d(widths[0], STRIDE**3, 1)
        self.drop = nn.Dropout3d(0.1)
        self.head = nn.Sequential(
            nn.Conv3d(widths[0], widths[0], 3, padding=1),
            nn.LeakyReLU(0.1),
            nn.Conv3d(widths[0], architecture.n_species, 1),
        )
        last = self.head[-1]
        assert isinstance(last, nn.Conv3d)
        assert last.bias is not None
        nn.init.zeros_(last.weight)
        nn.init.constant_(last.bias, -4.0)

    def forward(self, image: Tensor) -> Answer:
        """Return what it says of ``[batch, 1, z, y, x]``, sides multiples of ``multiple``."""
        value = self._trunk(image)
        return Answer(self.head(self.drop(value)), self.image(value), value)

    def centres_of(self, image: Tensor) -> Tensor:
        """Return the log odds of centres alone, ``[batch, n_species, z, y, x]``."""
        found: Tensor = self.head(self._trunk(image))
        return found

    def _trunk(self, image: Tensor) -> Tensor:
        value = nn.functional.leaky_relu(self.first(fold(image)), 0.1)
        kept = []
        for level, encode in enumerate(self.encode):
            value = encode(value)
            if level < len(self.down):
                kept.append(value)
                value = self.down[level](value)
        for level in reversed(range(len(self.down))):
            value = self.join[level](torch.cat([self.up[level](value), kept[level]], dim=1))
            value = self.decode[level](value)
        return value


def fold(image: Tensor) -> Tensor:
    """Return ``[batch, 1, 2z, 2y, 2x]`` as ``[batch, 8, z, y, x]``."""
    batch, _, n_z, n_y, n_x = image.shape
    parts = image.reshape(batch, n_z // 2, 2, n_y // 2, 2, n_x // 2, 2)
    return parts.permute(0, 2, 4, 6, 1, 3, 5).reshape(batch, 8, n_z // 2, n_y // 2, n_x // 2)


class _Block(nn.Module):
    """Two convolutions and a short cut around both.

    Normalised over the channels of each place and never over space: what a place is called must
    not depend on what else is in the tile.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.one, self.two = (nn.Conv3d(width, width, 3, padding=1) for _ in range(2))
        self.gain = nn.Parameter(torch.ones(1, width, 1, 1, 1))
        self.scale = nn.Parameter(torch.full((1, width, 1, 1, 1), 0.3))

    def forward(self, value: Tensor) -> Tensor:
        power = value.square().mean(dim=1, keepdim=True)
        inner = value * torch.rsqrt(power + 1e-3) * self.gain
        inner = nn.functional.leaky_relu(self.one(inner), 0.1)
        result: Tensor = value + self.scale * self.two(inner)
        return result

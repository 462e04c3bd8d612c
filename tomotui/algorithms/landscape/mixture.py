"""Gaussians that follow anchors, and what they look like in Fourier space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2
from torch import Tensor

from tomotui.algorithms.subtomograms.reference_sums import Terms

REACH = 3.5
"""Standard deviations of a Gaussian that are drawn."""

SPREAD_PER_SPACING = 0.75
"""Reach of an anchor over the distance of neighbours: how smoothly Gaussians follow."""

N_COMPONENTS = 4
"""Of an anchor: displacement along x, y and z, and the logarithm of its weight."""

N_RIGID = 6

What = Literal["both", "motion", "occupancy"]


@dataclass(frozen=True)
class Mixture:
    """Gaussians in voxels about voxel ``n // 2`` of a box.

    Attributes
    ----------
    terms
        Where its spectrum is told.
    centres
        (x, y, z), ``[g, 3]``.
    amplitudes
        ``[g]``.
    width
        Standard deviation.
    anchors
        ``[a, 3]``.
    following
        Share of each anchor in each Gaussian, ``[g, a]``; a Gaussian's sum to 1, or to 0 where it
        stays as it is.
    components
        1 for components of anchors' motions that are free, 0 for others, ``[a * 4]``.
    """

    terms: Terms
    centres: Tensor
    amplitudes: Tensor
    width: float
    anchors: Tensor
    following: Tensor
    components: Tensor

    @classmethod
    def of(
        cls,
        terms: Terms,
        centres: Tensor,
        amplitudes: Tensor,
        width: float,
        n_anchors: int,
        moving: Tensor | None = None,
        what: What = "both",
    ) -> Mixture:
        """Place anchors among Gaussians; as many as there are when more are asked for.

        Parameters
        ----------
        moving
            Which Gaussians may change, ``[g]``; all when not said. What is said of some is
            relative to the others.
        what
            Whether they move, become stronger or weaker, or both.
        """
        free = torch.ones(len(centres), dtype=torch.bool) if moving is None else moving.cpu()
        places = centres.double().cpu().numpy()
        inside = places[free.numpy()]
        anchors, _ = kmeans2(inside, min(n_anchors, len(inside)), iter=20, minit="++", seed=7)
        shares = _shares(places, anchors)
        shares[~free.numpy()] = 0
        component = torch.tensor({"both": [1, 1, 1, 1], "motion": [1, 1, 1, 0],
                                  "occupancy": [0, 0, 0, 1]}[what])  # fmt: skip
        return cls(
            terms,
            centres,
            amplitudes,
            width,
            centres.new_tensor(anchors).float(),
            centres.new_tensor(shares).float(),
            component.to(centres).repeat(len(anchors)),
        )

    def shares_at(self, places: NDArray[np.float32]) -> Tensor:
        """Return the share of each anchor in how points (voxels, ``[p, 3]``) move, ``[p, a]``."""
        shares = _shares(places.astype(np.float64), self.anchors.double().cpu().numpy())
        return self.following.new_tensor(shares)

    @property
    def n_anchors(self) -> int:
        """Number of anchors."""
        return len(self.anchors)

    @property
    def anchor_masses(self) -> Tensor:
        """Strength of the Gaussians that follow each anchor, ``[a]``; they sum to 1."""
        masses = self.following.T @ self.amplitudes
        return masses / masses.sum()

    def moved(self, motion: Tensor) -> tuple[Tensor, Tensor]:
        """Return centres ``[..., g, 3]`` and amplitudes ``[..., g]`` as anchors say.

        Parameters
        ----------
        motion
            Of anchors, ``[..., a, 4]``: voxels, and logarithms of weights.
        """
        of_each = self.following @ motion
        return self.centres + of_each[..., :3], self.amplitudes * of_each[..., 3].exp()

    def volume(self, centres: Tensor, amplitudes: Tensor) -> Tensor:
        """Return the sum of Gaussians on the box, ``[..., n, n, n]``."""
        x, y, z = self._along(centres)
        plane = z[..., :, None, :] * (y * amplitudes[..., None, :])[..., None, :, :]
        return plane.flatten(-3, -2) @ x.transpose(-1, -2)

    def _along(self, centres: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        first, side = self._inner()
        line = torch.arange(side, device=centres.device, dtype=centres.dtype)
        line = line + (first - self.terms.size // 2)
        apart = (line[:, None] - centres.transpose(-1, -2)[..., None, :]) / self.width
        along = torch.exp(-0.5 * apart.square())
        return along[..., 0, :, :], along[..., 1, :, :], along[..., 2, :, :]

    def _inner(self) -> tuple[int, int]:
        """Return where the part of the box begins that Gaussians can be in, and its side."""
        size = self.terms.size
        farthest = float(self.centres.abs().max()) + REACH * self.width + 1
        half = min(size // 2, int(np.ceil(farthest)))
        return size // 2 - half, 2 * half

    def spectrum(self, centres: Tensor, amplitudes: Tensor) -> Tensor:
        """Return the terms of the sum of Gaussians, ``[..., k]``."""
        first, side = self._inner()
        inner = self.volume(centres, amplitudes).unflatten(-2, (side, side))
        rest = self.terms.size - side - first
        whole = torch.nn.functional.pad(inner, (first, rest) * 3)
        return self.terms.of(whole)

    def at_rest(self) -> Tensor:
        """Return the terms of the Gaussians as they were placed, ``[k]``."""
        return self.spectrum(self.centres, self.amplitudes)

    def responses(self) -> Tensor:
        """Return how the spectrum changes with each component of each anchor, ``[a * 4, k]``."""
        motions = torch.diag(self.components)
        fields = self.following @ motions.unflatten(1, (self.n_anchors, N_COMPONENTS))
        return self._slopes(fields)

    def rigid_responses(self) -> Tensor:
        """Return how the spectrum changes with shifts (voxels) and turns (radians), ``[6, k]``."""
        fields = self.centres.new_zeros(N_RIGID, len(self.centres), N_COMPONENTS)
        for axis in range(3):
            fields[axis, :, axis] = 1
            turn = self.centres.new_zeros(3)
            turn[axis] = 1
            fields[3 + axis, :, :3] = torch.linalg.cross(
                turn.expand_as(self.centres), self.centres, dim=-1
            )
        return self._slopes(fields)

    def _slopes(self, fields: Tensor) -> Tensor:
        """Return the change of the spectrum with motions of Gaussians, ``[m, g, 4] -> [m, k]``."""
        step = 0.05  # voxels: the middle of two steps is right to its square
        found = []
        for field in fields.split(16):
            ends = [
                self.spectrum(
                    self.centres + sign * step * field[..., :3],
                    self.amplitudes * (1 + sign * step * field[..., 3]),
                )
                for sign in (1, -1)
            ]
            found.append((ends[0] - ends[1]) / (2 * step))
        return torch.cat(found)

    def still_modes(self) -> Tensor:
        """Return motions of anchors that only move, turn or strengthen the whole, ``[7, a * 4]``.

        They are orthonormal with the anchors' masses as weights. There are none where some
        Gaussians stay: the motions of the others are relative to those.
        """
        if bool((self.following.sum(dim=1) < 0.5).any()):
            return self.anchors.new_zeros(0, self.n_anchors * N_COMPONENTS)
        modes = self.anchors.new_zeros(N_RIGID + 1, self.n_anchors, N_COMPONENTS)
        middle = self.anchor_masses @ self.anchors
        for axis in range(3):
            modes[axis, :, axis] = 1
            turn = self.anchors.new_zeros(3)
            turn[axis] = 1
            modes[3 + axis, :, :3] = torch.linalg.cross(
                turn.expand_as(self.anchors), self.anchors - middle, dim=-1
            )
        modes[N_RIGID, :, 3] = 1
        weighed = modes.flatten(1) * self.component_masses().sqrt()
        return torch.linalg.qr(weighed.T)[0].T / self.component_masses().sqrt()

    def component_masses(self) -> Tensor:
        """Return the mass behind each component of each anchor's motion, ``[a * 4]``."""
        return self.anchor_masses.clamp_min(1e-6).repeat_interleave(N_COMPONENTS)

    def without_still(self, motions: Tensor) -> Tensor:
        """Take out of motions of anchors ``[..., a * 4]`` what moves or strengthens the whole."""
        modes = self.still_modes()
        still = ((motions * self.component_masses()) @ modes.T) @ modes
        return (motions - still) * self.components

    def sizes(self, motions: Tensor) -> Tensor:
        """Return how large motions of anchors ``[..., a * 4]`` are, ``[...]``.

        The root mean square displacement of the Gaussians in voxels; where nothing moves, that
        of the logarithms of their weights.
        """
        field = self.following @ motions.unflatten(-1, (self.n_anchors, N_COMPONENTS))
        share = self.amplitudes / self.amplitudes.sum()
        moving = field[..., :3] if bool(self.components[0]) else field[..., 3:]
        return (moving.square().sum(dim=-1) @ share).sqrt()


def _shares(places: NDArray[np.float64], anchors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how points follow anchors: by nearness, in all to 1, ``[p, a]``."""
    squares = np.square(places[:, None] - anchors[None]).sum(axis=2)
    closeness = -squares / (2 * (SPREAD_PER_SPACING * _spacing(anchors)) ** 2)
    shares: NDArray[np.float64] = np.exp(closeness - closeness.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


def _spacing(anchors: NDArray[np.float64]) -> float:
    if len(anchors) < 2:
        return 1.0
    apart = np.linalg.norm(anchors[:, None] - anchors[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    return float(np.median(apart.min(axis=1)))

"""Local projection matching: small tomograms around landmarks predict their own images.

Two tilts share a Fourier component only where their slabs overlap; for a whole specimen of
thickness T that is below ``1 / (T sin(angle))``, so that whole images say little about distant
tilts and slow drifts along the tilt angle go unseen. A small ball around a compact feature has a
small T: every tilt there speaks about every other one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tomotui.algorithms.align.correlate import Correlation, correlate
from tomotui.algorithms.align.geometry import AxisGeometry
from tomotui.algorithms.align.prepare import WorkingImages
from tomotui.imaging.fourier import Rings
from tomotui.imaging.masks import soft_ball
from tomotui.imaging.projector import SingleAxisProjector

SOFT_EDGE = 0.5
"""Width of the mask's edge as a fraction of its radius."""

INSIDE, INSIDE_SHARE = 0.97, 0.95
"""A patch lies within an image when this share of it is within this part of the field."""


@dataclass(frozen=True)
class Places:
    """Where landmarks fall, in working pixels and radians; all may carry gradients.

    Attributes
    ----------
    across, along
        Landmarks in the aligned frame, ``[n_tilts, n]``.
    axis
        Tilt axis of each image, ``[n_tilts]``.
    shift
        Image position of the specimen's centre from pixel ``n // 2``, ``[n_tilts, 2]``.
    local
        Local displacement of each landmark on the image, ``[n_tilts, n, 2]``, or ``None``.
    """

    across: Tensor
    along: Tensor
    axis: Tensor
    shift: Tensor
    local: Tensor | None = None

    @classmethod
    def of(cls, geometry: AxisGeometry, landmarks: Tensor, pixel_size_angstrom: float) -> Places:
        """Project landmarks (x, y, z in Angstrom, ``[n, 3]``) by a geometry."""
        tilt = torch.deg2rad(geometry.tilt_deg).to(landmarks)[:, None]
        x, y, z = (landmarks / pixel_size_angstrom).T
        across = x * torch.cos(tilt) + z * torch.sin(tilt)
        local = geometry.local_at(landmarks)
        return cls(
            across,
            y.expand_as(across),
            torch.deg2rad(geometry.axis_per_tilt()).to(landmarks),
            geometry.shift_angstrom.to(landmarks) / pixel_size_angstrom,
            None if local is None else local.to(landmarks) / pixel_size_angstrom,
        )

    def on_image(self) -> Tensor:
        """Return the places on the raw image from pixel ``n // 2``, ``[n_tilts, n, 2]``."""
        cos, sin = torch.cos(self.axis)[:, None], torch.sin(self.axis)[:, None]
        x = cos * self.across - sin * self.along
        y = sin * self.across + cos * self.along
        raw = torch.stack([x, y], dim=-1) + self.shift[:, None, :]
        return raw if self.local is None else raw + self.local


class PatchMatcher:
    """Leave-one-out matching of patches around landmarks.

    Parameters
    ----------
    working
        Prepared images.
    radius_angstrom
        Radius of the ball around a landmark that counts as its structure.
    apart_deg
        Tilts as near as this predict nothing for each other. What lies above or below a ball
        smears through it and looks right to neighbouring tilts at any depth: it binds neighbours
        to each other more strongly than to the feature, and draws slow drifts.
    """

    def __init__(
        self, working: WorkingImages, radius_angstrom: float, apart_deg: float = 0.0
    ) -> None:
        self.working = working
        radius = max(2.5, radius_angstrom / working.pixel_size_angstrom)
        self.size = max(16, 2 * int(np.ceil(radius * (1 + SOFT_EDGE) + 2)))
        device = working.images.device
        self._tilts = working.tilt_deg.cpu().numpy()
        depth = np.arange(self.size) - self.size // 2
        self.projector = SingleAxisProjector(
            self._tilts, self.size, self.size, depth, device, kernel="cubic"
        )
        self._ball = soft_ball(self.size, radius, SOFT_EDGE * radius).to(device)
        self.disc = soft_ball(self.size, radius, SOFT_EDGE * radius, n_dims=2).to(device)
        self._ramp = torch.fft.fftfreq(self.size, device=device).abs()[:, None]
        self._left_out = self._kernels(depth, apart_deg, device)
        self.rings = Rings(self.size, device=device)

    def _kernels(
        self, depth: np.ndarray, apart_deg: float, device: torch.device
    ) -> list[tuple[Tensor, Tensor]]:
        """Return what a prediction holds of the tilt itself and of its neighbours.

        For the k-th neighbour on each side, itself first: which tilt it is, ``[n_tilts]``, and the
        matrix from its patch to its share of the prediction, ``S_i' diag(ball) S_k`` for the
        interpolation matrices S, per row of the patch, ``[n_tilts, y, u, v]``.
        """
        ball = self._ball.reshape(self.size**2, self.size)
        smears = []
        for tilt in self._tilts:
            single = SingleAxisProjector([tilt], self.size, self.size, depth, kernel="cubic")
            smear = single.backproject(torch.eye(self.size)[None])
            smears.append(smear.reshape(self.size**2, -1).to(device))
        order = np.argsort(self._tilts, kind="stable")
        rank = np.argsort(order)
        kernels = []
        for offset in _offsets(np.sort(self._tilts), apart_deg):
            place = np.clip(rank + offset, 0, len(order) - 1)
            other = order[place]
            near = abs(self._tilts[other] - self._tilts) <= apart_deg + 1e-3
            near &= place == rank + offset
            pairs = [
                torch.einsum("pu,py,pv->yuv", smears[tilt], ball, smears[source])
                if near[tilt]
                else torch.zeros(self.size, self.size, self.size, device=device)
                for tilt, source in enumerate(other)
            ]
            kernels.append((torch.from_numpy(other).to(device), torch.stack(pairs)))
        return kernels

    def extract(self, geometry: AxisGeometry, landmarks: Tensor) -> tuple[Tensor, Tensor]:
        """Cut the patch of every landmark out of every tilt, turned into the aligned frame.

        Parameters
        ----------
        geometry
            The present alignment.
        landmarks
            Positions (x, y, z) in Angstrom, ``[n, 3]``.

        Returns
        -------
        patches, inside
            ``[n_tilts, n, size, size]`` (across the axis first), and whether the patch lies
            within the image, ``[n_tilts, n]``.
        """
        places = Places.of(geometry, landmarks, self.working.pixel_size_angstrom)
        grid = self.grid(places)
        reach = self.disc[self.size // 2] > 0
        corners = grid[:, :, reach][:, :, :, reach]
        inside = (corners.abs() < INSIDE).all(dim=-1).float().mean(dim=(-2, -1)) > INSIDE_SHARE
        return self.sample(grid), inside

    def grid(self, places: Places) -> Tensor:
        """Return where the pixels of all patches lie: -1..1 as ``grid_sample`` counts.

        ``[n_tilts, n, size, size, 2]``; gradients flow from it to everything in ``places``.
        """
        images = self.working.images
        height, width = images.shape[-2:]
        line = torch.arange(self.size, device=images.device) - self.size // 2
        across = places.across[..., None, None] + line[:, None]
        along = places.along[..., None, None] + line[None, :]
        cos, sin = (f(places.axis)[:, None, None, None] for f in (torch.cos, torch.sin))
        x = cos * across - sin * along + places.shift[:, 0, None, None, None] + width // 2
        y = sin * across + cos * along + places.shift[:, 1, None, None, None] + height // 2
        if places.local is not None:
            x = x + places.local[..., 0, None, None]
            y = y + places.local[..., 1, None, None]
        return torch.stack([x * (2 / (width - 1)) - 1, y * (2 / (height - 1)) - 1], dim=-1)

    def sample(self, grid: Tensor) -> Tensor:
        """Read the images at a grid of patches: ``[n_tilts, n, size, size]``."""
        n_tilts, n, size = grid.shape[:3]
        images = self.working.fine
        sides = zip(images.shape[:-3:-1], self.working.images.shape[:-3:-1], strict=True)
        factors = [(coarse - 1) * (new // coarse) / (new - 1) for new, coarse in sides]
        scale = torch.tensor(factors, device=grid.device, dtype=grid.dtype)
        # Pixel 0 stays pixel 0 when the sampling is doubled, the last one does not.
        moved = (grid + 1) * scale - 1
        patches = torch.nn.functional.grid_sample(
            images[:, None],
            moved.reshape(n_tilts, n * size, size, 2),
            mode="bicubic",
            align_corners=True,
        )
        return patches.reshape(n_tilts, n, size, size)

    def correlate(self, patches: Tensor) -> Correlation:
        """Correlate every patch with what the other tilts predict for it.

        Parameters
        ----------
        patches
            From `extract`.
        """
        predicted = self.predict(patches)
        return correlate(patches * self.disc, predicted * self.disc, self.rings, pool=1)

    def predict(self, patches: Tensor) -> Tensor:
        """Return what the tilts that are left predict for a patch; gradients flow through it."""
        n_tilts, n, size, _ = patches.shape
        spectrum = torch.fft.fft(patches, dim=2) * self._ramp
        filtered = torch.fft.ifft(spectrum, dim=2).real
        rows = filtered.transpose(1, 2).reshape(n_tilts, size, n * size).contiguous()
        volume: Tensor = _Smear.apply(rows, self.projector)
        masked = volume.reshape(size, size, n, size) * self._ball[:, :, None, :]
        total: Tensor = _Sum.apply(masked.reshape(size, size, n * size), self.projector)
        total = total.reshape(n_tilts, size, n, size).transpose(1, 2)
        for other, kernel in self._left_out:
            total = total - torch.einsum("tyuv,tnvy->tnuy", kernel, filtered[other])
        return total


def _offsets(sorted_deg: np.ndarray, apart_deg: float) -> list[int]:
    """Return how far along the sorted tilts neighbours must be sought: 0, -1, 1, -2, 2, ..."""
    farthest = 0
    while (
        farthest + 1 < len(sorted_deg)
        and (sorted_deg[farthest + 1 :] - sorted_deg[: -farthest - 1]).min() <= apart_deg + 1e-3
    ):
        farthest += 1
    return [0, *(sign * step for step in range(1, farthest + 1) for sign in (-1, 1))]


class _Smear(torch.autograd.Function):
    """Back-projection, whose gradient is projection."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, projector: SingleAxisProjector) -> Tensor:
        ctx.projector = projector
        return projector.backproject(images)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return ctx.projector.project(gradients[0].contiguous()), None


class _Sum(torch.autograd.Function):
    """Projection, whose gradient is back-projection."""

    @staticmethod
    def forward(ctx: Any, volume: Tensor, projector: SingleAxisProjector) -> Tensor:
        ctx.projector = projector
        return projector.project(volume)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return ctx.projector.backproject(gradients[0].contiguous()), None

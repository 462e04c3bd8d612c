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
    """

    def __init__(self, working: WorkingImages, radius_angstrom: float) -> None:
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
        self._own = self._own_kernels(depth, device)
        self.rings = Rings(self.size, device=device)

    def _own_kernels(self, depth: np.ndarray, device: torch.device) -> Tensor:
        """Return, per tilt and row, the matrix from a patch to its share of its prediction.

        ``S' diag(ball) S`` for the interpolation matrix S of a tilt, ``[n_tilts, y, u, v]``.
        """
        ball = self._ball.reshape(self.size**2, self.size)
        kernels = []
        for tilt in self._tilts:
            single = SingleAxisProjector([tilt], self.size, self.size, depth, kernel="cubic")
            smear = single.backproject(torch.eye(self.size)[None]).reshape(self.size**2, -1)
            smear = smear.to(device)
            kernels.append(torch.einsum("pu,py,pv->yuv", smear, ball, smear))
        return torch.stack(kernels)

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
        """Return what all other tilts predict for every patch; gradients flow through it."""
        n_tilts, n, size, _ = patches.shape
        spectrum = torch.fft.fft(patches, dim=2) * self._ramp
        filtered = torch.fft.ifft(spectrum, dim=2).real
        rows = filtered.transpose(1, 2).reshape(n_tilts, size, n * size).contiguous()
        volume: Tensor = _Smear.apply(rows, self.projector)
        masked = volume.reshape(size, size, n, size) * self._ball[:, :, None, :]
        total: Tensor = _Sum.apply(masked.reshape(size, size, n * size), self.projector)
        total = total.reshape(n_tilts, size, n, size).transpose(1, 2)
        own = torch.einsum("tyuv,tnvy->tnuy", self._own, filtered)
        return total - own


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

"""Local projection matching: small tomograms around landmarks predict their own images.

Two tilts share a Fourier component only where their slabs overlap; for a whole specimen of
thickness T that is below ``1 / (T sin(angle))``, so that whole images say little about distant
tilts and slow drifts along the tilt angle go unseen. A small ball around a compact feature has a
small T: every tilt there speaks about every other one.
"""

from __future__ import annotations

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
            self._tilts, self.size, self.size, depth, working.images.device
        )
        self._ball = soft_ball(self.size, radius, SOFT_EDGE * radius).to(device)
        self._disc = soft_ball(self.size, radius, SOFT_EDGE * radius, n_dims=2).to(device)
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
            single = SingleAxisProjector([tilt], self.size, self.size, depth)
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
        pixel = self.working.pixel_size_angstrom
        height, width = self.working.images.shape[-2:]
        tilt = torch.deg2rad(self.working.tilt_deg)[:, None]
        x, y, z = (landmarks / pixel).T
        line = torch.arange(self.size, device=x.device) - self.size // 2
        across = (x * torch.cos(tilt) + z * torch.sin(tilt))[..., None, None] + line[:, None]
        along = y[None, :, None, None] + line[None, :]
        angle = torch.deg2rad(torch.tensor(geometry.axis_deg))
        shift = (geometry.shift_angstrom / pixel)[:, :, None, None, None]
        image_x = torch.cos(angle) * across - torch.sin(angle) * along + shift[:, 0] + width // 2
        image_y = torch.sin(angle) * across + torch.cos(angle) * along + shift[:, 1] + height // 2
        n_tilts, n = image_x.shape[:2]
        grid = torch.stack(
            [image_x * (2 / (width - 1)) - 1, image_y * (2 / (height - 1)) - 1], dim=-1
        ).reshape(n_tilts, n * self.size, self.size, 2)
        patches = torch.nn.functional.grid_sample(
            self.working.images[:, None], grid, mode="bicubic", align_corners=True
        )
        reach = self._disc[self.size // 2] > 0
        corners = grid.reshape(n_tilts, n, self.size, self.size, 2)[:, :, reach][:, :, :, reach]
        inside = (corners.abs() < 0.97).all(dim=-1).float().mean(dim=(-2, -1)) > 0.95
        return patches.reshape(n_tilts, n, self.size, self.size), inside

    def correlate(self, patches: Tensor) -> Correlation:
        """Correlate every patch with what the other tilts predict for it.

        Parameters
        ----------
        patches
            From `extract`.
        """
        predicted = self._predict(patches)
        return correlate(patches * self._disc, predicted * self._disc, self.rings, pool=1)

    def _predict(self, patches: Tensor) -> Tensor:
        n_tilts, n, size, _ = patches.shape
        spectrum = torch.fft.fft(patches, dim=2) * self._ramp
        filtered = torch.fft.ifft(spectrum, dim=2).real
        rows = filtered.transpose(1, 2).reshape(n_tilts, size, n * size)
        volume = self.projector.backproject(rows.contiguous()).reshape(size, size, n, size)
        masked = volume * self._ball[:, :, None, :]
        total = self.projector.project(masked.reshape(size, size, n * size))
        total = total.reshape(n_tilts, size, n, size).transpose(1, 2)
        own = torch.einsum("tyuv,tnvy->tnuy", self._own, filtered)
        return total - own

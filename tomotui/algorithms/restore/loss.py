"""How far a restored cube is from what the other half has measured."""

from __future__ import annotations

import torch
from torch import Tensor

from tomotui.algorithms.restore.samples import Sample

EDGE_SHARE = 0.125


class SplitLoss:
    """The residual's power in Fourier space, of what is denoised and of what is filled.

    Residuals at the cube's faces, where the network sees only one side, fade out; without that
    the wedge would leak.

    Parameters
    ----------
    side, n_dims
        Of the cubes.
    filling_weight
        Of filled terms over denoised ones.
    """

    def __init__(
        self, side: int, n_dims: int, filling_weight: float, device: torch.device | str = "cpu"
    ) -> None:
        edge = max(2.0, EDGE_SHARE * side)
        line = torch.arange(side, device=device) + 0.5
        taper = (torch.minimum(line, side - line) / edge).clamp_max(1)
        taper = 0.5 - 0.5 * torch.cos(torch.pi * taper)
        window = torch.ones((), device=device)
        for axis in range(n_dims):
            window = window * taper.reshape([-1 if a == axis else 1 for a in range(n_dims)])
        self.window, self.dims = window, tuple(range(-n_dims, 0))
        self.scale = float(window.numel() / window.square().sum())
        self.filling_weight = filling_weight

    def __call__(
        self, restored: Tensor, sample: Sample, window: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the mean loss of what is denoised, and of what is filled.

        Parameters
        ----------
        restored
            The network's answer to ``sample.image``.
        sample
            The lesson.
        window
            Where residuals count, instead of the window of the whole cube.
        """
        chosen = self.window if window is None else window
        scale = self.scale
        if window is not None:
            scale = float(window.numel() / window.square().sum())
        residual = (restored.float() - sample.target) * (chosen * sample.clear)
        power = torch.fft.rfftn(residual, dim=self.dims).abs().square() * scale
        batch = len(restored)
        denoised = (power * sample.denoising).sum() / batch
        filled = (power * sample.filling).sum() / batch
        return denoised, filled

    def total(self, parts: tuple[Tensor, Tensor]) -> Tensor:
        """Return the weighted sum of both parts."""
        return parts[0] + self.filling_weight * parts[1]

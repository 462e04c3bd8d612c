"""What each orientation is correlated with: the turned template as the tomogram would show it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tomotui.algorithms.match.field import SpectralFilter
from tomotui.algorithms.match.template import MatchTemplate
from tomotui.algorithms.restore.comb import Comb, response


@dataclass(frozen=True)
class Kernels:
    """Maker of kernels for a template in a tomogram.

    Attributes
    ----------
    template
        The particle.
    transfer
        What tilts, contrast transfer, exposure and filters make of it, on the ``rfftn`` grid of
        its box.
    ball
        Mask of the statistics where the template has none of its own, ``[box, box, box]``.
    """

    template: MatchTemplate
    transfer: Tensor
    ball: Tensor

    @classmethod
    def of(cls, template: MatchTemplate, comb: Comb, spectral_filter: SpectralFilter) -> Kernels:
        """Make the kernels of a template in a tomogram of this comb and filter."""
        device, box = template.density.device, (template.box,) * 3
        voxel = template.voxel_size_angstrom
        filtered = spectral_filter.on(box, voxel).to(device)
        transfer = response(comb, box, voxel, device) * filtered
        return cls(template, transfer, template.ball().to(device))

    @property
    def has_null(self) -> bool:
        """Whether a template of random phases comes along."""
        return self.template.null is not None

    @property
    def has_own_mask(self) -> bool:
        """Whether statistics are taken under a mask that turns along."""
        return self.template.own_mask is not None

    def make(self, rotations: Tensor) -> tuple[Tensor, Tensor]:
        """Return kernels whose correlation with a field, over its local deviation, is the score.

        Each has a mean of zero under its mask and is scaled so that scores lie within -1 and 1.

        Parameters
        ----------
        rotations
            From the reference to the tomogram, ``[n, 3, 3]``.

        Returns
        -------
        Kernels ``[n, k, box, box, box]``, that of the template and, where there is one, of the
        null; and their masks, ``[n or 1, 1, box, box, box]``.
        """
        turned = self.template.turned(rotations)
        mask = turned[:, -1:].clamp(0, 1) if self.has_own_mask else self.ball[None, None]
        parts = turned[:, : 1 + int(self.has_null)]
        seen = torch.fft.irfftn(
            torch.fft.rfftn(parts, dim=(-3, -2, -1)) * self.transfer,
            s=parts.shape[-3:],
            dim=(-3, -2, -1),
        )
        dims = (-3, -2, -1)
        weight = mask.sum(dim=dims, keepdim=True)
        mean = (seen * mask).sum(dim=dims, keepdim=True) / weight
        level = seen - mean
        deviation = ((level.square() * mask).sum(dim=dims, keepdim=True) / weight).sqrt()
        return level * mask / (deviation * weight).clamp_min(1e-30), mask

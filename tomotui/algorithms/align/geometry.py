"""The state of an alignment while it is being found, and its gauge freedoms."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class AxisGeometry:
    """One tilt axis for the series and a shift for each image.

    Attributes
    ----------
    tilt_deg
        Tilts in degrees, ``[n_tilts]``.
    axis_deg
        Angle of the tilt axis.
    shift_angstrom
        Image position (x, y) of the specimen's centre, ``[n_tilts, 2]``.
    """

    tilt_deg: Tensor
    axis_deg: float
    shift_angstrom: Tensor

    @property
    def n_tilts(self) -> int:
        """Number of tilts."""
        return len(self.tilt_deg)

    def with_axis(self, axis_deg: float) -> AxisGeometry:
        """Return the same shifts about another axis."""
        return replace(self, axis_deg=axis_deg)

    def moved(self, aligned_angstrom: Tensor) -> AxisGeometry:
        """Add displacements measured in the aligned frame (across, along the axis)."""
        angle = np.deg2rad(self.axis_deg)
        turn = torch.tensor(
            [[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]],
            dtype=aligned_angstrom.dtype,
            device=aligned_angstrom.device,
        )
        return replace(self, shift_angstrom=self.shift_angstrom + aligned_angstrom @ turn)

    def axis_per_tilt(self) -> Tensor:
        """Return the axis angle of each tilt, ``[n_tilts]``."""
        return torch.full_like(self.tilt_deg, self.axis_deg)


def gauge_modes(tilt_deg: Tensor) -> Tensor:
    """Return the shifts across the axis that only move the specimen: ``[n_tilts, 2]``.

    Moving the specimen along x shifts every image by ``cos(tilt)``, along z by ``sin(tilt)``;
    along the axis every image shifts alike. No correlation between tilts can see those.
    """
    tilt = torch.deg2rad(tilt_deg)
    return torch.stack([torch.cos(tilt), torch.sin(tilt)], dim=1)


def remove_gauge(displacement: Tensor, tilt_deg: Tensor) -> Tensor:
    """Take motions of the whole specimen out of displacements in the aligned frame.

    Parameters
    ----------
    displacement
        Across and along the axis, ``[n_tilts, 2]``.
    tilt_deg
        Tilts in degrees, ``[n_tilts]``.
    """
    modes = gauge_modes(tilt_deg).double()
    across = displacement[:, 0].double()
    fitted = modes @ torch.linalg.lstsq(modes, across[:, None]).solution[:, 0]
    kept = displacement.clone()
    kept[:, 0] -= fitted.to(displacement.dtype)
    kept[:, 1] -= displacement[:, 1].mean()
    return kept

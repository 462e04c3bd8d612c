"""The state of an alignment while it is being found, and its gauge freedoms."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from tomotui.geometry.local import LocalField


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
    local
        Local displacements on the images, for a specimen that bends; ``None`` for a solid one.
    """

    tilt_deg: Tensor
    axis_deg: float
    shift_angstrom: Tensor
    local: LocalField | None = None

    @property
    def n_tilts(self) -> int:
        """Number of tilts."""
        return len(self.tilt_deg)

    def with_axis(self, axis_deg: float) -> AxisGeometry:
        """Return the same shifts about another axis."""
        return replace(self, axis_deg=axis_deg)

    def moved(self, aligned_angstrom: Tensor) -> AxisGeometry:
        """Add displacements measured in the aligned frame (across, along the axis)."""
        return replace(self, shift_angstrom=self.shift_angstrom + self.to_image(aligned_angstrom))

    def to_image(self, aligned: Tensor) -> Tensor:
        """Turn displacements (across, along the axis) into the image's (x, y), ``[..., 2]``."""
        return aligned @ self._turn().to(aligned).T

    def to_aligned(self, image: Tensor) -> Tensor:
        """Turn displacements on the image (x, y) into (across, along the axis), ``[..., 2]``."""
        return image @ self._turn().to(image)

    def _turn(self) -> Tensor:
        cos, sin = np.cos(np.deg2rad(self.axis_deg)), np.sin(np.deg2rad(self.axis_deg))
        return torch.tensor([[cos, -sin], [sin, cos]])

    def local_at(self, points_angstrom: Tensor) -> Tensor | None:
        """Return the local displacement (x, y) of points, ``[n_tilts, n_points, 2]``."""
        if self.local is None:
            return None
        return torch.from_numpy(self.local.displacement(points_angstrom.cpu().numpy()))

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


def centred(geometry: AxisGeometry, landmarks: Tensor) -> tuple[AxisGeometry, Tensor]:
    """Put the origin at the centre of the least tilted image and at the landmarks' depth.

    Returns
    -------
    The geometry, and the landmarks from the new origin.
    """
    tilt = torch.deg2rad(geometry.tilt_deg).to(geometry.shift_angstrom)
    least = int(geometry.tilt_deg.abs().argmin())
    aligned = geometry.to_aligned(geometry.shift_angstrom)[least]
    z = landmarks[:, 2].median().to(aligned)
    x = -(aligned[0] + z * torch.sin(tilt[least])) / torch.cos(tilt[least])
    y = -aligned[1]
    across = x * torch.cos(tilt) + z * torch.sin(tilt)
    moved = geometry.moved(torch.stack([across, y.expand_as(across)], dim=1))
    return moved, landmarks - torch.stack([x, y, z]).to(landmarks)

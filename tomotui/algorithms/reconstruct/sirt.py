"""Simultaneous iterative reconstruction (Gilbert 1972), some rows of the volume at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from tomotui.algorithms.reconstruct.frame import Frame
from tomotui.imaging.projector import SingleAxisProjector

MAX_MATRIX_ENTRIES = 60_000_000
"""Of all projectors kept at a time: two matrices with 8 bytes an entry."""

LEAST_PATH_VOXELS = 0.5


class SlabProjector:
    """Projects and back-projects sections in groups, so that no matrix grows too large.

    Parameters
    ----------
    frame
        Frame with equally spaced samples (``stretched`` is false).
    device
        Where to work.
    """

    def __init__(self, frame: Frame, device: torch.device | str) -> None:
        self.frame, self.device = frame, device
        n_x, n_z = frame.sampling.n_x, frame.sampling.n_z
        # Rays that cross the volume anywhere must find what they see in it all the way.
        steepest = np.deg2rad(np.abs(frame.geometry.tilt_deg).max())
        beside = int(np.ceil(min(n_z / 2 * np.tan(steepest), n_x / 2)))
        self.n_x = n_x + 2 * beside
        self.kept_columns = slice(beside, beside + n_x)
        n_x = self.n_x
        per_section = 2 * n_x * frame.n_tilts
        kept = per_section * n_z <= MAX_MATRIX_ENTRIES
        thick = n_z if kept else max(1, MAX_MATRIX_ENTRIES // per_section)
        # A lean about x makes sections of the specimen lie closer along the beam.
        depths = (np.arange(n_z) - n_z // 2) / np.cos(frame.x_tilt_rad)
        self._groups = [slice(first, first + thick) for first in range(0, n_z, thick)]
        self._depths = depths
        self._kept = self._make(self._groups[0]) if kept else None
        self.n_z = n_z

    def _make(self, group: slice) -> SingleAxisProjector:
        frame = self.frame
        return SingleAxisProjector(
            frame.geometry.tilt_deg,
            frame.n_columns,
            self.n_x,
            self._depths[group],
            self.device,
        )

    def _each(self) -> Iterator[tuple[slice, SingleAxisProjector]]:
        for group in self._groups:
            yield group, self._kept or self._make(group)

    def project(self, volume: Tensor) -> Tensor:
        """Project ``[n_z, n_x, n_rows]`` to ``[n_tilts, n_columns, n_rows]``."""
        total: Tensor | None = None
        for group, projector in self._each():
            images = projector.project(volume[group])
            total = images if total is None else total.add_(images)
        assert total is not None
        return total

    def backproject_into(self, images: Tensor, volume: Tensor, factor: Tensor) -> None:
        """Add the back-projection times a factor per voxel to a volume."""
        for group, projector in self._each():
            volume[group].addcmul_(projector.backproject(images), factor[group])

    def sums(self) -> tuple[Tensor, Tensor]:
        """Return the path through the volume per column and the tilts that see each voxel."""
        paths: Tensor | None = None
        seen = torch.empty(self.n_z, self.n_x, 1, device=self.device)
        ones = torch.ones(self.frame.n_tilts, self.frame.n_columns, 1, device=self.device)
        for group, projector in self._each():
            path = projector.path_length()
            paths = path if paths is None else paths + path
            seen[group] = projector.backproject(ones)
        assert paths is not None
        return paths[..., None], seen


def sirt(
    images: Tensor,
    frame: Frame,
    iterations: int,
    rows: int,
    device: torch.device | str | None = None,
    told: Callable[[float], None] = lambda fraction: None,
) -> Iterator[tuple[int, Tensor]]:
    """Reconstruct by SIRT: ``x + C A^T R (b - A x)``, from an empty volume.

    R is one over the path of each ray through the volume, C one over the number of tilts that
    see a voxel. Rows of the volume do not know of each other and are made some at a time.

    Parameters
    ----------
    images
        Aligned, zero mean, ``[n_tilts, n_columns, n_rows]``.
    frame
        Their frame, not stretched.
    iterations
        How often all images are used.
    rows
        Made at a time.
    device
        Where to work; where the images are by default.
    told
        Called with the fraction done.

    Yields
    ------
    The first row and ``[n_z, n_x, rows]``, where the images are.
    """
    work = images.device if device is None else torch.device(device)
    projector = SlabProjector(frame, work)
    paths, seen = projector.sums()
    per_ray = torch.where(paths > LEAST_PATH_VOXELS, 1 / paths.clamp_min(LEAST_PATH_VOXELS), 0.0)
    per_voxel = 1 / seen.clamp_min(1.0)
    n_rows = images.shape[2]
    for first in range(0, n_rows, rows):
        measured = images[:, :, first : first + rows].to(work)
        volume = measured.new_zeros(projector.n_z, projector.n_x, measured.shape[2])
        for number in range(iterations):
            missing = measured if number == 0 else measured - projector.project(volume)
            projector.backproject_into(missing * per_ray, volume, per_voxel)
            told((first + (number + 1) / iterations * measured.shape[2]) / n_rows)
        yield first, volume[:, projector.kept_columns].to(images.device)

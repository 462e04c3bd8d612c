"""The images of a series at every sampling that a step asks for, prepared once each."""

from __future__ import annotations

import torch
from torch import Tensor

from tomotui.algorithms.align.following import DETECTION_PIXEL_ANGSTROM
from tomotui.algorithms.align.geometry import AxisGeometry
from tomotui.algorithms.align.landmarks import BORDER_SHARE, find_landmarks
from tomotui.algorithms.align.matching import ProjectionMatcher
from tomotui.algorithms.align.prepare import WorkingImages, prepare_images


class Samplings:
    """The usable tilts of a series.

    Parameters
    ----------
    images
        Cleaned, ``[n_tilts, height, width]``.
    tilt_deg
        Tilts in degrees, ``[n_tilts]``.
    pixel_size_angstrom
        Of ``images``.
    thickness_angstrom
        Depth of the slab that may hold matter.
    """

    def __init__(
        self,
        images: Tensor,
        tilt_deg: Tensor,
        pixel_size_angstrom: float,
        thickness_angstrom: float,
    ) -> None:
        self.images, self.tilt_deg = images, tilt_deg
        self.pixel_size_angstrom = pixel_size_angstrom
        self.thickness_angstrom = thickness_angstrom
        self._prepared: dict[int, WorkingImages] = {}
        self._matchers: dict[float, ProjectionMatcher] = {}

    @property
    def field_angstrom(self) -> tuple[float, float]:
        """Width and height of the images."""
        height, width = self.images.shape[-2:]
        return width * self.pixel_size_angstrom, height * self.pixel_size_angstrom

    def at(self, pixel_size_angstrom: float) -> WorkingImages:
        """Return the images at a sampling, never finer than they are."""
        binning = max(1, round(pixel_size_angstrom / self.pixel_size_angstrom))
        if binning not in self._prepared:
            self._prepared[binning] = prepare_images(
                self.images, self.tilt_deg, self.pixel_size_angstrom, binning
            )
        return self._prepared[binning]

    def framed(self, frame_px: int) -> WorkingImages:
        """Return the images at the sampling that makes the longer side about ``frame_px``."""
        longer = max(self.images.shape[-2:])
        return self.at(self.pixel_size_angstrom * max(1, round(longer / frame_px)))

    def matcher(self, working: WorkingImages) -> ProjectionMatcher:
        """Return the matcher of whole images at a sampling, which several passes share."""
        pixel = working.pixel_size_angstrom
        if pixel not in self._matchers:
            self._matchers[pixel] = ProjectionMatcher(working, self.thickness_angstrom)
        return self._matchers[pixel]

    def landmarks(
        self,
        geometry: AxisGeometry,
        diameter_angstrom: float,
        number: int,
        pixel_size_angstrom: float = 0.0,
        border_share: float = BORDER_SHARE,
    ) -> Tensor:
        """Return the strongest features of a tomogram, (x, y, z) in Angstrom, ``[n, 3]``.

        Raises
        ------
        ValueError
            When there are fewer than three.
        """
        volume, voxel = self.detection_volume(geometry, pixel_size_angstrom)
        found = find_landmarks(volume, voxel, diameter_angstrom, number, border_share)
        if len(found) < 3:
            raise ValueError("the tomogram shows nothing to follow; is the stack empty?")
        return found

    @torch.no_grad()
    def detection_volume(
        self, geometry: AxisGeometry, pixel_size_angstrom: float = 0.0
    ) -> tuple[Tensor, float]:
        """Return a tomogram to find features in, ``[n_z, n_x, n_y]``, and its voxel size."""
        working = self.at(max(pixel_size_angstrom, DETECTION_PIXEL_ANGSTROM))
        return self.matcher(working).volume(geometry), working.pixel_size_angstrom

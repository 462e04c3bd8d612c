"""The images of a tilt series as slices, raw or turned and shifted by an alignment."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tomotui.geometry.tilt import rotation_z
from tomotui.records import Alignment, TiltAlignment, TiltSeries
from tomotui.tui.raster.picture import Turn
from tomotui.tui.raster.volume import Axis, VolumeReader

if TYPE_CHECKING:
    from tomotui.tui.raster.tracks import Tracks


class TiltStack(VolumeReader):
    """A tilt series as a source of slices.

    Parameters
    ----------
    series
        The record; its intensity scale and offset are applied.
    path
        The stack as an absolute path.
    alignment
        Geometry that ``turn`` undoes; ``None`` when the series is not aligned yet.

    Attributes
    ----------
    tracks
        Where the alignment has seen its landmarks, when it has kept that.

    Raises
    ------
    SliceError
        When the stack is missing or broken.
    """

    def __init__(self, series: TiltSeries, path: Path, alignment: Alignment | None = None) -> None:
        super().__init__(
            path,
            name=series.name,
            pixel_size_angstrom=series.pixel_size_angstrom,
            intensity_scale=series.intensity_scale,
            intensity_offset=series.intensity_offset,
            is_stack=True,
        )
        self.series = series
        self.tracks: Tracks | None = None
        self._tilts: dict[int, TiltAlignment] = {}
        if alignment is not None:
            self._tilts = {tilt.index: tilt for tilt in alignment.tilts}

    @property
    def is_aligned(self) -> bool:
        """True when an alignment is known."""
        return bool(self._tilts)

    def describe(self, axis: Axis, index: int) -> str:
        """Say which tilt this is: its number, its angle, whether it is excluded."""
        text = f"tilt {index + 1}/{self.n_slices(axis)}"
        if index >= len(self.series.tilts):
            return text
        tilt, aligned = self.series.tilts[index], self._tilts.get(index)
        angle = aligned.tilt_deg if aligned else tilt.nominal_tilt_deg
        return f"{text}  {angle:+.1f}°{'  excluded' if self.is_excluded(index) else ''}"

    def is_excluded(self, index: int) -> bool:
        """Return whether a tilt is left out; of an aligned series the alignment says so."""
        aligned = self._tilts.get(index)
        return aligned.excluded if aligned else self.series.tilts[index].excluded

    def turn(self, index: int) -> Turn | None:
        """Return the rotation and shift that bring the tilt axis upright and the centre home.

        By the projection equation the specimen's point ``q_xy`` falls at
        ``Rz2(axis) q_xy + shift`` of the image: that is where the shown frame looks it up.
        """
        tilt = self._tilts.get(index)
        if tilt is None:
            return None
        r = np.asarray(rotation_z(tilt.axis_deg))
        pixel = self.pixel_size_angstrom
        return Turn(
            ((float(r[0, 0]), float(r[0, 1])), (float(r[1, 0]), float(r[1, 1]))),
            (tilt.shift_x_angstrom / pixel, tilt.shift_y_angstrom / pixel),
        )

"""The images of an aligned series that a reconstruction works with, and what is known of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tomotui.geometry import TiltGeometry
from tomotui.geometry.local import LocalField
from tomotui.records import Alignment, Ctf, TiltSeries
from tomotui.stages.base import StageError, Task

if TYPE_CHECKING:
    from torch import Tensor

    from tomotui.algorithms.reconstruct.depth_ctf import SeriesCtf


@dataclass(frozen=True)
class Images:
    """Binned images: of all frames, and where asked for of every other frame."""

    whole: Tensor
    frame_halves: tuple[Tensor, ...] = ()


class AlignedImages:
    """The usable tilts of a series, their geometry, and their images at any binning.

    Parameters
    ----------
    task
        At work.
    series, alignment
        Tilts excluded in either are left out.
    binnings
        That will be asked for; the finest is read from disk.

    Raises
    ------
    StageError
        When fewer than three tilts are left.
    """

    def __init__(
        self, task: Task, series: TiltSeries, alignment: Alignment, binnings: Sequence[float]
    ) -> None:
        self.task, self.series = task, series
        self.finest = min(binnings)
        position = {tilt.index: number for number, tilt in enumerate(alignment.tilts)}
        self.used = [
            tilt.index
            for tilt in series.tilts
            if not tilt.excluded
            and tilt.index in position
            and not alignment.tilts[position[tilt.index]].excluded
        ]
        if len(self.used) < 3:
            raise StageError(
                f"{series.name}: only {len(self.used)} tilts may be used.",
                "Include more tilts, or align again.",
            )
        self.follow(alignment)

    def follow(self, alignment: Alignment) -> None:
        """Take the geometry of an alignment of the same tilts."""
        position = {tilt.index: number for number, tilt in enumerate(alignment.tilts)}
        chosen = [position[index] for index in self.used]
        self.geometry = TiltGeometry.from_alignment(alignment).select(chosen)
        local = alignment.local
        self.local = None if local is None else LocalField.from_record(local).select(chosen)

    def load(self, with_frame_halves: bool) -> Images:
        """Read the images once, at the finest binning that is needed."""
        from tomotui.algorithms.reconstruct.plan import working_bytes
        from tomotui.stages.loading import load_binned

        series = self.series
        paths = [series.stack_path]
        if with_frame_halves:
            paths += [path for path in (series.even_stack_path, series.odd_stack_path) if path]
        pixels = series.width_px * series.height_px * len(self.used) / self.finest**2
        # Images, their weighted copies and transforms: about four times their room.
        keep = None if 16 * len(paths) * pixels < working_bytes(self.task.device) else "cpu"
        step = 0.15 / len(paths)
        whole, *halves = (
            load_binned(
                self.task,
                series,
                self.used,
                self.finest,
                step * number,
                step * (number + 1),
                stack_path=path,
                keep_on=keep,
            )
            for number, path in enumerate(paths)
        )
        return Images(whole, tuple(halves))

    def binned(self, images: Tensor, binning: float) -> tuple[Tensor, float, tuple[float, float]]:
        """Bin loaded images on to about a binning.

        Returns
        -------
        The images, the binning, and binned pixels per voxel along y and x.
        """
        from tomotui.imaging.resample import bin_images, binning_correction

        further = max(1.0, binning / self.finest)
        first = binning_correction((self.series.height_px, self.series.width_px), self.finest)
        if further < 1 + 1e-6:
            return images, self.finest, first
        shape = (int(images.shape[-2]), int(images.shape[-1]))
        second = binning_correction(shape, further)
        # The same number of pixels fewer per side: what remains of two roundings is made up for.
        return (
            bin_images(images, further),
            self.finest * further,
            (first[0] * second[0], first[1] * second[1]),
        )

    def sides(self, images: Tensor) -> tuple[int, int]:
        """Return the voxels along x and y; y follows the tilt axis, whichever side of the image."""
        height, width = images.shape[-2:]
        axis = np.deg2rad(self.geometry.axis_deg)
        lies_along_x = np.abs(np.sin(axis)).mean() > np.abs(np.cos(axis)).mean()
        return (height, width) if lies_along_x else (width, height)

    def every_other_tilt(self) -> list[list[int]]:
        """Return every other tilt, by angle, as positions among the used tilts."""
        order = np.argsort(self.geometry.tilt_deg).tolist()
        return [sorted(order[0::2]), sorted(order[1::2])]

    def exposure_e_per_a2(self) -> list[float] | None:
        """Return the exposure up to the middle of each image; ``None`` where it is not known."""
        tilts = [self.series.tilts[index] for index in self.used]
        if any(t.dose_e_per_a2 is None or t.prior_dose_e_per_a2 is None for t in tilts):
            self.task.warn("the exposure of the images is not known: no exposure filter")
            return None
        return [(t.prior_dose_e_per_a2 or 0.0) + (t.dose_e_per_a2 or 0.0) / 2 for t in tilts]

    def ctf(self, record: Ctf | None, is_wanted: bool) -> SeriesCtf | None:
        """Return the contrast transfer function of the used tilts, where all are known.

        Parameters
        ----------
        record
            As measured, or ``None``.
        is_wanted
            Whether its absence is worth a warning.
        """
        from tomotui.algorithms.reconstruct.depth_ctf import SeriesCtf
        from tomotui.imaging.ctf import CtfOptics

        known = {} if record is None else {tilt.index: tilt for tilt in record.tilts}
        missing = [index for index in self.used if index not in known]
        if record is None or missing:
            what = "of the series" if record is None else f"of {len(missing)} tilts"
            message = f"the CTF {what} was not measured: no CTF correction"
            (self.task.warn if is_wanted else self.task.log)(message)
            return None
        if record.verdict == "bad":
            self.task.warn(f"the CTF was judged bad and is not corrected: {record.note}")
            return None
        if record.handedness is None:
            self.task.warn("the handedness was not measured: defocus is taken to grow with depth")
        tilts = [known[index] for index in self.used]
        series = self.series
        return SeriesCtf(
            np.array([tilt.defocus_u_angstrom for tilt in tilts]),
            np.array([tilt.defocus_v_angstrom for tilt in tilts]),
            np.array([tilt.astigmatism_angle_deg for tilt in tilts]),
            np.array([tilt.phase_shift_deg for tilt in tilts]),
            record.handedness or 1,
            CtfOptics(series.voltage_kv, series.spherical_aberration_mm, series.amplitude_contrast),
        )

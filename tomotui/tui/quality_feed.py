"""What the quality screen shows, read in a thread: records of one series and their details."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tomotui.project import Project
from tomotui.records import Alignment, Ctf, TiltAlignment, TiltCtf, TiltSeries, Tomogram
from tomotui.tui.details import NO_DETAILS, Details, read_details
from tomotui.tui.snapshots import NO_COUNTS, Counts, read_counts


@dataclass(frozen=True)
class QualitySnapshot:
    """One tilt series with the newest that was made of it.

    Attributes
    ----------
    series
        ``None`` when there is no series of this name.
    tomogram
        As it was measured: what a network has made of it says nothing of the data.
    """

    name: str
    series: TiltSeries | None = None
    alignment: Alignment | None = None
    ctf: Ctf | None = None
    tomogram: Tomogram | None = None
    alignment_details: Details = NO_DETAILS
    ctf_details: Details = NO_DETAILS
    tomogram_details: Details = NO_DETAILS
    motion_details: Details = NO_DETAILS
    counts: Counts = NO_COUNTS

    @cached_property
    def aligned(self) -> dict[int, TiltAlignment]:
        """The aligned tilts by their place in the stack."""
        return {tilt.index: tilt for tilt in self.alignment.tilts} if self.alignment else {}

    @cached_property
    def transfer(self) -> dict[int, TiltCtf]:
        """The transfer functions by their place in the stack."""
        return {tilt.index: tilt for tilt in self.ctf.tilts} if self.ctf else {}

    def angle(self, index: int) -> float:
        """Return the tilt angle of an image in degrees, refined when it is known."""
        assert self.series is not None
        aligned = self.aligned.get(index)
        return aligned.tilt_deg if aligned else self.series.tilts[index].nominal_tilt_deg

    def is_excluded(self, index: int) -> bool:
        """Return whether an image is left out."""
        assert self.series is not None
        aligned = self.aligned.get(index)
        return aligned.excluded if aligned else self.series.tilts[index].excluded

    def motion_of(self, index: int, name: str) -> float | None:
        """Return a figure of the motion of an image; ``None`` when it is not known."""
        values, row = self.motion_details.get(name, 1), self.motion_details.row_of(index)
        if values is None or row is None or row >= len(values):
            return None
        value = float(values[row])
        return value if math.isfinite(value) else None

    @cached_property
    def order(self) -> tuple[int, ...]:
        """The images by angle."""
        if self.series is None:
            return ()
        return tuple(sorted(range(self.series.n_tilts), key=self.angle))


def read_quality(project: Project, name: str | None) -> QualitySnapshot:
    """Read a tilt series by its name, and the files of details of its newest records."""
    series = project.series_named(name) if name else None
    if series is None:
        return QualitySnapshot(name or "", counts=read_counts(project))
    alignment = project.latest("alignment", series.uid)
    ctf = project.latest("ctf", series.uid)
    tomogram = project.newest_tomogram(series.uid)
    return QualitySnapshot(
        series.name,
        series,
        alignment if isinstance(alignment, Alignment) else None,
        ctf if isinstance(ctf, Ctf) else None,
        tomogram,
        _details(project.folder, alignment),
        _details(project.folder, ctf),
        _details(project.folder, tomogram),
        _details(project.folder, series),
        read_counts(project),
    )


def _details(folder: Path, record: object) -> Details:
    return read_details(folder, getattr(record, "details_path", None))

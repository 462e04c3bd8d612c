"""What a series has to show: its tilt images and its tomograms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from tomotui.records import Alignment, TiltSeries, Tomogram
from tomotui.tui.raster.tilt_stack import TiltStack
from tomotui.tui.raster.volume import SliceSource, VolumeReader
from tomotui.tui.raster.window import Window


class SliceRecords(Protocol):
    """What this screen asks of a project."""

    @property
    def folder(self) -> Path:
        """Where relative paths of records begin."""

    def tilt_series(self) -> Sequence[TiltSeries]:
        """Return all series."""

    def records(self, kind: str, series_uid: str | None = None) -> Sequence[Any]:
        """Return records of a kind, oldest first."""

    def latest(self, kind: str, series_uid: str) -> Any:
        """Return the newest record of a kind, or ``None``."""


@dataclass(frozen=True)
class Choice:
    """Something of a series that can be looked at."""

    label: str
    uid: str
    series: TiltSeries
    tomogram: Tomogram | None = None
    alignment: Alignment | None = None

    def open(self, folder: Path) -> SliceSource:
        """Open the file.

        Raises
        ------
        SliceError
            When it is missing or broken.
        """
        if self.tomogram is None:
            from tomotui.tui.raster.tracks import read_tracks

            stack = TiltStack(self.series, folder / self.series.stack_path, self.alignment)
            stack.tracks = read_tracks(folder, self.alignment)
            return stack
        tomogram = self.tomogram
        return VolumeReader(
            folder / tomogram.path,
            name=self.label,
            pixel_size_angstrom=tomogram.pixel_size_angstrom,
            default_window=stored_window(tomogram),
        )


def stored_window(tomogram: Tomogram) -> Window | None:
    """Return the contrast kept with a tomogram, when it is one."""
    if tomogram.window_high > tomogram.window_low:
        return Window(tomogram.window_low, tomogram.window_high)
    return None


def choices_of(project: SliceRecords, series: TiltSeries) -> list[Choice]:
    """Return what a series has to show: its tilt images, then its tomograms, oldest first."""
    alignment = project.latest("alignment", series.uid)
    stack_uid = f"{series.uid}+{alignment.uid if alignment else ''}"
    choices = [Choice(f"{series.name} tilt images", stack_uid, series, alignment=alignment)]
    for tomogram in project.records("tomogram", series.uid):
        restored = " restored" if tomogram.restored else ""
        size = f"{tomogram.pixel_size_angstrom:.3g} Å"
        label = f"{series.name} {tomogram.method}{restored} {size}"
        choices.append(Choice(label, tomogram.uid, series, tomogram=tomogram))
    return choices

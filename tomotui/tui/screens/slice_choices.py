"""What a series has to show: its tilt images, its tomograms and how sure a network is of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from tomotui.records import Alignment, TiltSeries, Tomogram
from tomotui.tui.raster.tilt_stack import TiltStack
from tomotui.tui.raster.volume import SliceSource, VolumeReader
from tomotui.tui.raster.window import Window
from tomotui.tui.wording import made_how

NO_SERIES = "no tilt series yet: :import takes some in"


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
    """Something of a series that can be looked at.

    Attributes
    ----------
    label
        What the status line calls it; a restored volume says so.
    uid
        Tells choices apart.
    tomogram
        ``None`` for tilt images.
    alignment
        Of tilt images.
    of_uncertainty
        The standard deviation of the network's answers is meant, not the tomogram itself.
    half
        1 or 2 for a tomogram of half the data; 0 for all of it.
    """

    label: str
    uid: str
    series: TiltSeries
    tomogram: Tomogram | None = None
    alignment: Alignment | None = None
    of_uncertainty: bool = False
    half: int = 0

    @property
    def remark(self) -> str:
        """What must be said with every slice: that this was not measured."""
        if self.of_uncertainty:
            return "uncertainty"
        if self.half:
            return f"half {self.half}"
        return "restored" if self.tomogram is not None and self.tomogram.restored else ""

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
        path, window = tomogram.path, stored_window(tomogram)
        if self.of_uncertainty:
            path, window = tomogram.uncertainty_path or "", None
        elif self.half and tomogram.half_paths is not None:
            path, window = tomogram.half_paths[self.half - 1], None
        return VolumeReader(
            folder / path,
            name=self.label,
            pixel_size_angstrom=tomogram.pixel_size_angstrom,
            default_window=window,
            remark=self.remark,
        )


def stored_window(tomogram: Tomogram) -> Window | None:
    """Return the contrast kept with a tomogram, when it is one."""
    if tomogram.window_high > tomogram.window_low:
        return Window(tomogram.window_low, tomogram.window_high)
    return None


def choices_of(project: SliceRecords, series: TiltSeries) -> list[Choice]:
    """Return what a series has to show: its tilt images, then its tomograms, oldest first.

    The uncertainty of a restored tomogram follows it.
    """
    alignment = project.latest("alignment", series.uid)
    stack_uid = f"{series.uid}+{alignment.uid if alignment else ''}"
    choices = [Choice(f"{series.name} tilt images", stack_uid, series, alignment=alignment)]
    for tomogram in project.records("tomogram", series.uid):
        made = made_how(tomogram)
        size = f"{tomogram.pixel_size_angstrom:.3g} Å"
        label = f"{series.name} {made} {size}"
        choices.append(Choice(label, tomogram.uid, series, tomogram=tomogram))
        if tomogram.uncertainty_path:
            label = f"{series.name} uncertainty of {made} {size}"
            uid = f"{tomogram.uid}+uncertainty"
            choices.append(Choice(label, uid, series, tomogram=tomogram, of_uncertainty=True))
    return choices


def with_halves(choices: Sequence[Choice]) -> list[Choice]:
    """Return choices with the two halves of each tomogram that has kept them behind it."""
    found = []
    for one in choices:
        found.append(one)
        tomogram = one.tomogram
        if tomogram is None or one.of_uncertainty or tomogram.half_paths is None:
            continue
        for half in (1, 2):
            label, uid = f"{one.label}, half {half}", f"{one.uid}+half{half}"
            found.append(replace(one, label=label, uid=uid, half=half))
    return found


def newest_of(choices: Sequence[Choice]) -> Choice:
    """Return the newest tomogram, or the tilt images where there is none."""
    return next(one for one in reversed(choices) if not one.of_uncertainty)


def partner_of(choices: Sequence[Choice], shown: Choice) -> Choice | str:
    """Return what a tomogram is compared with, or why there is nothing.

    A restored tomogram is compared with the one it was made from: the newest before it that was
    measured and has the same voxels. A measured one is compared with the newest restored one
    that was made from it, and an uncertainty with the tomogram that it is of.
    """
    if shown.tomogram is None:
        return "these are tilt images: b shows a tomogram"
    volumes = [one for one in choices if one.tomogram is not None and not one.of_uncertainty]
    if shown.of_uncertainty:
        found = next((one for one in volumes if one.tomogram == shown.tomogram), None)
        return found or "the tomogram that this is of is not there any more"
    if shown.half:
        found = next((one for one in volumes if one.tomogram == shown.tomogram), None)
        return found or "the tomogram that this is half of is not there any more"
    if shown.tomogram.restored:
        found = _origin_of(volumes, shown)
        return found or "the measured tomogram that this was made from is not there any more"
    for one in reversed(volumes):
        if one.remark and (origin := _origin_of(volumes, one)) and origin.uid == shown.uid:
            return one
    return "no restored tomogram yet: run restore-train, then restore"


def _origin_of(volumes: Sequence[Choice], restored: Choice) -> Choice | None:
    uids = [one.uid for one in volumes]
    before = volumes[: uids.index(restored.uid)] if restored.uid in uids else []
    return next(
        (one for one in reversed(before) if not one.remark and _same_voxels(one, restored)), None
    )


def _same_voxels(one: Choice, other: Choice) -> bool:
    assert one.tomogram is not None
    assert other.tomogram is not None
    ratio = one.tomogram.pixel_size_angstrom / other.tomogram.pixel_size_angstrom
    return one.tomogram.size_xyz == other.tomogram.size_xyz and abs(ratio - 1) < 1e-3

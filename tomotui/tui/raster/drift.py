"""How particles drifted on the images of a tilt series: arrows from where they were expected."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomotui.tui.details import Details
from tomotui.tui.raster.picture import Trail, nice_length
from tomotui.tui.raster.view import SliceViewState
from tomotui.tui.raster.volume import Image, Sliced, SliceSource
from tomotui.tui.raster.window import Window

Floats = NDArray[np.float64]

_LONG_PERCENT = 90.0
_LONG_ARROW = 0.9
"""Of the usual gap between particles: length of an arrow longer than 90 of a hundred."""
_HEAD, _HEAD_DEG = 0.35, 28.0
"""Barbs of an arrow: their length over that of the arrow, and their angle to it."""
_FIELD_PX = 512
"""Longest side of a field without images."""
_FIELD_MARGIN = 1.15


@dataclass(frozen=True, eq=False)
class Drift:
    """Drift of the particles of one series.

    Attributes
    ----------
    section
        Sections of the stack that the tilts are, ``[t]``.
    tilt_deg
        Their angles, ``[t]``.
    seen_angstrom
        Where each particle was expected on the raw images, (x, y) from pixel ``n // 2``,
        ``[t, p, 2]``.
    moved_angstrom
        How far from there it was found, ``[t, p, 2]``; without the shift of the whole image.
    shift_angstrom
        That shift, ``[t, 2]``.
    score
        How much each image says of its particles, ``[t]``, or ``None``.
    on_images
        Whether places on the images are known; otherwise they are those in the specimen.
    """

    section: NDArray[np.intp]
    tilt_deg: Floats
    seen_angstrom: Floats
    moved_angstrom: Floats
    shift_angstrom: Floats
    score: Floats | None
    on_images: bool

    @property
    def order(self) -> tuple[int, ...]:
        """Sections of the stack from the lowest angle to the highest."""
        return tuple(int(one) for one in self.section[np.argsort(self.tilt_deg, kind="stable")])

    def row_of(self, section: int) -> int | None:
        """Return the tilt that a section of the stack is; ``None`` where it was not used."""
        found = np.flatnonzero(self.section == section)
        return int(found[0]) if len(found) else None

    @property
    def is_any(self) -> bool:
        """Whether anything moved at all."""
        return bool(np.nan_to_num(self.moved_angstrom).any())

    @property
    def factor(self) -> float:
        """By how much arrows are longer than the drift, the same for all tilts of the series."""
        lengths = np.linalg.norm(self.moved_angstrom, axis=2)
        lengths = lengths[np.isfinite(lengths)]
        usual = float(np.percentile(lengths, _LONG_PERCENT)) if lengths.size else 0.0
        if not usual > 0:
            return 1.0
        flat = self.seen_angstrom[int(np.argmin(np.abs(self.tilt_deg)))]
        size = float(np.nanmax(np.ptp(flat, axis=0))) or 1.0
        gap = size / max(np.sqrt(len(flat)), 1.0)
        return nice_length(_LONG_ARROW * gap / usual)

    def over(self, source: SliceSource, view: SliceViewState, factor: float) -> list[Trail]:
        """Return places and arrows to draw over an image, longer than the drift by a factor."""
        row = self.row_of(view.index)
        if row is None:
            return []
        _, height, width = source.shape
        pixel, middle = source.pixel_size_angstrom, np.array([width // 2, height // 2])
        tails = self.seen_angstrom[row] / pixel + middle
        lines = arrows(tails, self.moved_angstrom[row] * (factor / pixel))
        return [
            Trail(tails[:, 1], tails[:, 0], "undecided", "·"),
            Trail(lines[:, 1], lines[:, 0], "accent"),
        ]


def arrows(tails: Floats, ways: Floats) -> Floats:
    """Return corners of one line that draws arrows, with breaks between them, ``[6 p, 2]``."""
    heads = tails + ways
    turn = np.deg2rad(180 - _HEAD_DEG)
    cosine, sine = np.cos(turn), np.sin(turn)
    one = _HEAD * ways @ np.array([[cosine, sine], [-sine, cosine]])
    other = _HEAD * ways @ np.array([[cosine, -sine], [sine, cosine]])
    breaks = np.full_like(tails, np.nan)
    corners = np.stack([tails, heads, heads + one, heads, heads + other, breaks], axis=1)
    return corners.reshape(-1, 2)


def read_drift(details: Details, series: int) -> Drift | str:
    """Return how particles of a series drifted, or why nothing is known of that."""
    moved = details.get(f"motion_angstrom_{series}", 3)
    angle = details.get(f"tilt_deg_{series}", 1)
    if moved is None or angle is None or len(moved) != len(angle) or moved.shape[2] != 2:
        return "nothing is known of motion\nrefine with g tells"
    seen = details.get(f"motion_seen_angstrom_{series}", 3)
    index = details.get(f"tilt_index_{series}", 1)
    on_images = seen is not None and seen.shape == moved.shape and index is not None
    if not on_images:
        points = details.get(f"motion_points_angstrom_{series}", 2)
        if points is None or points.shape != moved.shape[1:]:
            return "nothing is known of where particles are"
        seen, index = np.broadcast_to(points, moved.shape), np.arange(len(moved))
    shift = details.get(f"tilt_shift_angstrom_{series}", 2)
    score = details.get(f"tilt_score_{series}", 1)
    assert seen is not None
    assert index is not None
    return Drift(
        np.rint(index).astype(np.intp),
        angle.astype(np.float64),
        seen.astype(np.float64),
        moved.astype(np.float64),
        np.zeros((len(angle), 2)) if shift is None or len(shift) != len(angle) else shift,
        score if score is not None and len(score) == len(angle) else None,
        on_images,
    )


class EmptyField(Sliced):
    """What arrows are drawn on where there are no images.

    Parameters
    ----------
    ground
        How light it is, 0 to 1.
    """

    def __init__(self, drift: Drift, name: str = "", ground: float = 0.0) -> None:
        known = np.nan_to_num(np.abs(drift.seen_angstrom)).max(initial=1.0)
        self.pixel_size_angstrom = 2 * _FIELD_MARGIN * float(known) / _FIELD_PX
        self.shape = (int(drift.section.max(initial=0)) + 1, _FIELD_PX, _FIELD_PX)
        self.name, self.is_stack = name, True
        # Only zeros survive resampling as they are: anything else would show as a pattern.
        self.default_window = Window(-ground, 1.0 - ground)
        self._drift = drift

    def read(self, axis: str, index: int, slab: int = 0) -> Image:
        """Return an image without anything on it."""
        return np.zeros(self.shape[1:], np.float32)

    def describe(self, axis: str, index: int) -> str:
        """Say which tilt it is."""
        row = self._drift.row_of(index)
        angle = "" if row is None else f"  {self._drift.tilt_deg[row]:+.1f}°"
        return f"tilt {index + 1}/{self.shape[0]}{angle}"

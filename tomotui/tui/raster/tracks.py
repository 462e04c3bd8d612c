"""The tracks of patches or beads over tilt images: where each was seen, and in the neighbours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tomotui.records import Alignment
from tomotui.tui.details import Details, read_details
from tomotui.tui.raster.picture import Trail, Turn
from tomotui.tui.raster.tilt_stack import TiltStack
from tomotui.tui.raster.view import SliceViewState

Floats = NDArray[np.float64]

REACH = 3
"""Tilts before and after whose places make the tail."""
_WELL, _BADLY = 2.5, 5.0
"""Residuals, as multiples of the usual one, up to which a place fits well, and not at all."""
_ARRAYS = ("tilt_index", "tilt_deg", "track_angstrom", "track_residual_angstrom")


class Tracks:
    """The tracks of one alignment.

    Parameters
    ----------
    details
        With ``tilt_index[n]`` and ``track_angstrom[n, k, 2]``, places (x, y) on the raw image in
        Angstrom from pixel ``n // 2``, NaN where nothing was seen.
    """

    def __init__(self, details: Details) -> None:
        index, place = details.get("tilt_index", 1), details.get("track_angstrom", 3)
        if index is None or place is None or place.shape[0] != len(index) or place.shape[2] != 2:
            raise ValueError("there are no tracks")
        self.tilt_index = np.rint(index).astype(np.intp)
        self.place = place.astype(np.float64)
        self.misfit = _misfits(details.get("track_residual_angstrom", 2), place.shape[:2])
        angle = details.get("tilt_deg", 1)
        known = angle is not None and len(angle) == len(index)
        self._order = np.argsort(np.asarray(angle) if known else self.tilt_index, kind="stable")

    def over(self, stack: TiltStack, view: SliceViewState) -> list[Trail]:
        """Return tails and places to draw over a tilt image, as it is shown."""
        found = np.flatnonzero(self.tilt_index == view.index)
        if not len(found):
            return []
        row = int(found[0])
        at = int(np.flatnonzero(self._order == row)[0])
        near = self._order[max(at - REACH, 0) : at + REACH + 1]
        points = np.stack([self._shown(int(each), stack, view) for each in near], axis=1)
        # One line for all tails, with breaks between them.
        breaks = np.full((len(points), 1, 2), np.nan)
        tails = np.concatenate([points, breaks], axis=1).reshape(-1, 2)
        trails = [Trail(tails[:, 1], tails[:, 0], "accent")]
        here, misfit = self._shown(row, stack, view), self.misfit[row]
        for role, mark, chosen in (
            ("accepted", "●", misfit <= _WELL),
            ("unsure", "●", (misfit > _WELL) & (misfit <= _BADLY)),
            ("rejected", "✗", misfit > _BADLY),
        ):
            seen = chosen & np.isfinite(here).all(axis=1)
            if seen.any():
                trails.append(Trail(here[seen, 1], here[seen, 0], role, mark))
        return trails

    def _shown(self, row: int, stack: TiltStack, view: SliceViewState) -> Floats:
        """Return where the places of a tilt lie in the shown frame, (column, row) in pixels."""
        pixels: Floats = self.place[row] / stack.pixel_size_angstrom
        turn: Turn | None = stack.turn(int(self.tilt_index[row])) if view.aligned else None
        if turn is not None:
            # The frame's point p is looked up at M p + offset.
            pixels = (pixels - np.array(turn.offset)) @ np.array(turn.matrix)
        _, height, width = stack.shape
        shown: Floats = pixels + np.array([width // 2, height // 2])
        return shown


def _misfits(residual: Floats | None, shape: tuple[int, ...]) -> Floats:
    """Return residuals as multiples of the usual one; 0 where nothing is known."""
    known = residual[np.isfinite(residual)] if residual is not None else np.zeros(0)
    if residual is None or residual.shape != shape or not known.size:
        return np.zeros(shape)
    misfit: Floats = np.nan_to_num(np.abs(residual) / max(float(np.median(np.abs(known))), 1e-9))
    return misfit


def read_tracks(folder: Path, alignment: Alignment | None) -> Tracks | None:
    """Read the tracks of an alignment; ``None`` when it has left none."""
    if alignment is None or not alignment.details_path:
        return None
    try:
        return Tracks(read_details(folder, alignment.details_path, *_ARRAYS))
    except ValueError:
        return None

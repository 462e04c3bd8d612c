"""A crosshair on a slice: where it is, in voxels and Angstrom, and the value under it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomotui.tui.raster.picture import Trail
from tomotui.tui.raster.view import SliceViewState
from tomotui.tui.raster.volume import AXES, SliceSource
from tomotui.tui.screens.places import from_voxel
from tomotui.tui.screens.slice_companion import CompanionShowing
from tomotui.tui.widgets.slice_view import SliceView

GAP_CELLS, ARM_CELLS = 2.0, 8.0
"""Across the width of a cell: the free middle of the crosshair, and the ends of its arms."""
FAR_STEPS = 10
"""Steps that shift makes of one."""


@dataclass(frozen=True)
class Cross:
    """A voxel of a volume or an image, along (z, y, x)."""

    z: int
    y: int
    x: int

    def along(self, axis: str) -> int:
        """Return the number along an axis."""
        return {"z": self.z, "y": self.y, "x": self.x}[axis]

    def moved_to(self, **axes: int) -> Cross:
        """Return the voxel with other numbers along some axes."""
        now = {"z": self.z, "y": self.y, "x": self.x} | axes
        return Cross(now["z"], now["y"], now["x"])


class CrossShowing(CompanionShowing):
    """Shows a crosshair that arrows and the mouse move; without it arrows pan.

    Attributes
    ----------
    cross
        Where it is; ``None`` when it is not shown.
    """

    cross: Cross | None = None

    def action_cross(self) -> None:
        """Show the crosshair in the middle of what is seen, or take it away."""
        source, view = self.slice_view.source, self.slice_view.view
        if source is None:
            return
        if self.cross is not None:
            self.cross = None
        else:
            row, column = view.middle(source.shape)
            self.cross = self._on_slice(source, view, row - 0.5, column - 0.5)
        self._show_cross()

    def put_cross(self, z: int, y: int, x: int) -> None:
        """Show the crosshair at a voxel."""
        self.cross = Cross(z, y, x)
        self._show_cross()

    def _show_cross(self) -> None:
        shown = self.cross is not None
        self.slice_view.lay_over("cross", self._cross_trails if shown else None)
        beside = shown and self.beside == "volume"
        self.companion.lay_over("cross", self._cross_beside if beside else None)
        self._update_status()

    def _on_slice(
        self, source: SliceSource, view: SliceViewState, row: float, column: float
    ) -> Cross:
        """Return the voxel at a place of the slice, or the nearest one inside."""
        rest = iter((row, column))
        wanted = [view.index if axis == view.axis else round(next(rest)) for axis in AXES]
        z, y, x = (min(max(at, 0), n - 1) for at, n in zip(wanted, source.shape, strict=True))
        return Cross(z, y, x)

    def on_slice_view_pointed(self, message: SliceView.Pointed) -> None:
        """Put the crosshair where the mouse points."""
        source, view = message.slice_view.source, message.slice_view.view
        if message.slice_view is self.slice_view and source is not None and not view.aligned:
            self.cross = self._on_slice(source, view, message.row, message.column)
            self._show_cross()

    def action_pan(self, rows: int, columns: int, fast: bool = False) -> None:
        """Move the crosshair where it is shown, and otherwise the view."""
        source, view, cross = self.slice_view.source, self.slice_view.view, self.cross
        if cross is None or source is None:
            super().action_pan(rows, columns, fast)
            return
        step = max(math.floor(self.slice_view.sub_pixel_voxels()), 1) * (FAR_STEPS if fast else 1)
        down, across = (axis for axis in AXES if axis != view.axis)
        row, column = cross.along(down) + rows * step, cross.along(across) + columns * step
        self.cross = self._on_slice(source, view, row, column)
        self._keep_in_view(source, view)
        self._show_cross()

    def _keep_in_view(self, source: SliceSource, view: SliceViewState) -> None:
        """Pan as far as the crosshair has left what is seen."""
        assert self.cross is not None
        down, across = (axis for axis in AXES if axis != view.axis)
        missing = []
        extents = self.slice_view.extent_voxels()
        for axis, middle, extent in zip(
            (down, across), view.middle(source.shape), extents, strict=True
        ):
            off = self.cross.along(axis) + 0.5 - middle
            missing.append(math.copysign(max(abs(off) - extent / 2, 0.0), off))
        if view.zoom is not None and any(missing):
            self.set_view(view.panned(missing[0], missing[1], source.shape))

    def _lay_out(self) -> None:
        """Show the crosshair in the volume beside, too."""
        super()._lay_out()
        beside = self.cross is not None and self.beside == "volume"
        self.companion.lay_over("cross", self._cross_beside if beside else None)

    def _cross_beside(self, view: SliceViewState) -> list[Trail]:
        """Return the crosshair where it lies in the volume beside."""
        source, other = self.slice_view.source, self.companion.source
        if source is None or other is None or self.beside != "volume":
            return []
        found = []
        for trail in self._cross_trails(self.slice_view.view):
            axes = zip(("down", "across"), (trail.rows, trail.columns), strict=True)
            rows, columns = (self._as_in(other, source, view, which, at) for which, at in axes)
            found.append(Trail(rows, columns, trail.role))
        return found

    @staticmethod
    def _as_in(
        other: SliceSource,
        source: SliceSource,
        view: SliceViewState,
        which: str,
        at: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Return places along the rows or columns of a slice as another volume has them."""
        axes = [number for number, axis in enumerate(AXES) if axis != view.axis]
        number = axes[0 if which == "down" else 1]
        ratio = source.pixel_size_angstrom / other.pixel_size_angstrom
        return (at - source.shape[number] // 2) * ratio + other.shape[number] // 2

    def _cross_trails(self, view: SliceViewState) -> list[Trail]:
        source, cross = self.slice_view.source, self.cross
        if source is None or cross is None or view.aligned:
            return []
        down, across = (axis for axis in AXES if axis != view.axis)
        row, column = float(cross.along(down)), float(cross.along(across))
        per_cell = self.slice_view.voxels_per_cell()
        near, far = GAP_CELLS * per_cell, ARM_CELLS * per_cell
        found = []
        for sign in (-1.0, 1.0):
            ends = np.array([near, far]) * sign
            found.append(Trail(row + ends, np.array([column, column]), "accent"))
            found.append(Trail(np.array([row, row]), column + ends, "accent"))
        return found

    def cross_facts(self) -> dict[str, str]:
        """Say where the crosshair is and which value is under it."""
        source, view, cross = self.slice_view.source, self.slice_view.view, self.cross
        if source is None or cross is None:
            return {}
        here = cross.moved_to(**{view.axis: view.index})
        facts = {"voxel": f"{here.x + 1} {here.y + 1} {here.z + 1}"}
        if not source.is_stack:
            x, y, z = from_voxel(source, (here.z, here.y, here.x))
            facts["at Å"] = f"{x:.0f} {y:.0f} {z:.0f}"
        value = self._value_at(here)
        return facts | ({"value": f"{value:.4g}"} if value is not None else {})

    def _value_at(self, here: Cross) -> float | None:
        image, view = self.slice_view.image, self.slice_view.view
        row, column = (here.along(axis) for axis in AXES if axis != view.axis)
        if image is None or row >= image.shape[0] or column >= image.shape[1]:
            return None
        return float(image[row, column])

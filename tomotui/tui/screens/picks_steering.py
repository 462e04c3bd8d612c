"""Steering a crosshair through a volume: to mark particles, move one, or follow a curve."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from tomotui.project import ProjectError
from tomotui.project.decisions import Position
from tomotui.tui.raster.picture import Trail
from tomotui.tui.raster.view import SliceViewState
from tomotui.tui.raster.volume import AXES
from tomotui.tui.screens.picks_view import PicksView
from tomotui.tui.screens.places import looking_at, point_on_slice, to_voxel
from tomotui.tui.widgets.slice_view import SliceView

Steering = Literal["", "mark", "nudge", "curve"]
_FAST = 5
_RIM_PART = 0.12
"""Part of the view at whose rim the picture follows the crosshair."""


class PicksSteering(PicksView):
    """Adds a crosshair to the screen of a review.

    While one steers, ``hjkl`` and arrows move the crosshair, ``,`` and ``.`` go through the
    slices.
    """

    def __init__(self, *words: Any) -> None:
        super().__init__(*words)
        self.steering: Steering = ""
        self.curve_points: list[Position] = []

    # ---- beginning and ending

    def steer(self, what: Steering) -> None:
        """Begin to steer, or end it."""
        if what and not self.has_volume:
            self.say("there is no tomogram to mark anything in", "warning")
            return
        source = self.slice_view.source
        self.steering = what
        if what and source is not None:
            at_pick = self.pick_position if what == "nudge" else None
            self.cross = at_pick or self.cross or self._middle()
        else:
            self.cross = None
        self.slice_view.redraw()
        self.update_status()

    def _middle(self) -> Position:
        """Return the point in the middle of the view."""
        source = self.slice_view.source
        assert source is not None
        row, column = self.slice_view.view.middle(source.shape)
        return point_on_slice(source, self.slice_view.view, row - 0.5, column - 0.5)

    def action_mark(self) -> None:
        """Mark particles by hand: the crosshair goes where the keys say, i marks."""
        if not self.tomotui.refuse_when_read_only():
            self.steer("" if self.steering == "mark" else "mark")

    def action_nudge(self) -> None:
        """Move the candidate: the keys take it along until enter or escape."""
        if self.tomotui.refuse_when_read_only():
            return
        if self.pick_position is None:
            self.say("there is no candidate here to move", "warning")
        elif self.steering == "nudge":
            self.end_nudge()
        else:
            self.steer("nudge")

    def end_nudge(self, keep: bool = True) -> None:
        """Leave the candidate where the crosshair is, as one act; or where it was."""
        review, at, before = self.review, self.cross, self.pick_position
        self.steer("")
        if keep and review is not None and review.row is not None and at and at != before:
            review.curation.move(review.row, at)
            self.say("moved; u takes it back")
        self.show_pick()

    def go_back(self) -> bool:
        """Stop steering before anything else."""
        if self.steering == "nudge":
            self.end_nudge(keep=False)
            return True
        if self.steering:
            self.curve_points = []
            self.steer("")
            return True
        if self.cross is not None:
            self.cross = None
            self.look()
            return True
        return super().go_back()

    # ---- moving

    def move_cross(self, rows: float, columns: float, slices: int = 0) -> None:
        """Move the crosshair over the slice, in voxels, and through the slices."""
        source, cross = self.slice_view.source, self.cross
        if source is None or cross is None:
            return
        view = self.slice_view.view
        voxel = list(to_voxel(source, cross))
        across = AXES.index(view.axis)
        row_axis, column_axis = (i for i in range(3) if i != across)
        voxel[row_axis] += rows
        voxel[column_axis] += columns
        voxel[across] = view.index + slices
        voxel = [min(max(at, 0.0), n - 1.0) for at, n in zip(voxel, source.shape, strict=True)]
        x, y, z = (
            (at - n // 2) * source.pixel_size_angstrom
            for at, n in zip(voxel[::-1], source.shape[::-1], strict=True)
        )
        self.cross = (x, y, z)
        self._follow_cross(voxel[row_axis], voxel[column_axis], slices)

    def _follow_cross(self, row: float, column: float, slices: int) -> None:
        source, view = self.slice_view.source, self.slice_view.view
        assert source is not None
        assert self.cross is not None
        extent, middle = self.slice_view.extent_voxels(), view.middle(source.shape)
        away = (abs(row - middle[0]), abs(column - middle[1]))
        near = [a < (0.5 - _RIM_PART) * e for a, e in zip(away, extent, strict=True)]
        if view.zoom is not None and not all(near):
            self.set_view(looking_at(source, self.cross, view))
        else:
            self.set_view(view.moved(slices, source.shape))
            self.slice_view.redraw()
        if self.steering == "nudge":
            self.show_orthos()
        self.update_status()

    def _step(self) -> float:
        """Return the voxels of one step: a cell of the picture, or a voxel when nudging."""
        return 1.0 if self.steering == "nudge" else max(self.slice_view.voxels_per_cell(), 1.0)

    def action_move(self, step: int) -> None:
        """Move the crosshair down or up while steering; otherwise go through the slices."""
        if self.steering and abs(step) == 1:
            self.move_cross(step * self._step(), 0)
            return
        super().action_move(step)
        if self.cross is not None:
            self.move_cross(0, 0)

    def action_pan(self, rows: int, columns: int, fast: bool = False) -> None:
        """Move the crosshair while steering; otherwise pan."""
        if self.steering:
            step = self._step() * (_FAST if fast else 1)
            self.move_cross(rows * step, columns * step)
        else:
            super().action_pan(rows, columns, fast)

    def action_sideways(self, step: int) -> None:
        """Move the crosshair to the side while steering; ``l`` alone changes the overlay."""
        if self.steering:
            self.move_cross(0, step * self._step())
        elif step > 0:
            self.overlay_level = (self.overlay_level + 1) % 3
            words = ("all marks", "only the mark of this one", "no marks")
            self.say(words[self.overlay_level])
            self.slice_view.redraw()

    def action_series(self, step: int) -> None:
        """Go through the slices while steering; otherwise to another tomogram."""
        if self.steering:
            self.move_cross(0, 0, step)
            return
        names = [one.name for one in self.project.tilt_series() if self.choices(one.name)]
        if names:
            at = names.index(self.series_name) if self.series_name in names else 0
            self.cross = None
            self.show_series(names[(at + step) % len(names)])

    def on_slice_view_pointed(self, message: SliceView.Pointed) -> None:
        """Put the crosshair where the mouse has pointed, or go to the candidate there."""
        source, review = self.slice_view.source, self.review
        if source is None:
            return
        at = point_on_slice(source, self.slice_view.view, message.row, message.column)
        if not self.steering and review is not None:
            found = review.curation.nearest(review.uids_of([self.series_name]), at)
            radius = review.curation.radius_angstrom
            if found is not None and found[1] <= radius and review.go_to_row(found[0]):
                self.show_pick()
                return
        self.cross = at
        self.slice_view.redraw()
        self.update_status()

    # ---- marking

    def action_insert(self) -> None:
        """Put a particle in at the crosshair, or at the middle of the view."""
        if self.tomotui.refuse_when_read_only() or not self.has_volume:
            return
        review = self.review
        if review is None:
            self.say("S begins a set first: its name and how large it is", "warning")
            return
        at = self.cross or self._middle()
        if self.steering == "curve":
            self.curve_points.append(at)
            self.slice_view.redraw()
            self.update_status()
            return
        series = self.project.series_named(self.series_name)
        home = review.curation.home_of(series.uid) if series is not None else None
        if home is None:
            return
        review.series_of.setdefault(home, self.series_name)
        try:
            review.insert(home, at)
        except ProjectError as error:
            self.say(error.message, "warning")
            return
        self.marked(at)

    def marked(self, at: Position) -> None:
        """Show the particle that was put in; the crosshair stays for the next."""
        steering = self.steering
        self.show_list()
        self.show_facts()
        self.cross = at if steering else None
        self.slice_view.redraw()
        review = self.review
        assert review is not None
        n = review.curation.counts()["accepted"]
        self.say(f"marked: {n} accepted now; u takes it back")
        self.update_status()

    # ---- drawing

    def trails(self, view: SliceViewState) -> Sequence[Trail]:
        """Return the crosshair, open in the middle, and the curve."""
        source, cross = self.slice_view.source, self.cross
        if source is None:
            return ()
        trails = [self._curve(view)] if self.curve_points else []
        if cross is None:
            return trails
        voxel = dict(zip(AXES, to_voxel(source, cross), strict=True))
        row, column = (voxel[axis] for axis in AXES if axis != view.axis)
        per_cell = self.slice_view.voxels_per_cell()
        aspect = self.slice_view.artist.capability.cell_aspect
        across, down = 2 * per_cell, 1.2 * per_cell * aspect
        sides = np.array([column - across, column - 1.5 * across, column + across])
        sides = np.append(sides, column + 1.5 * across)
        ends = np.array([row - down, row + down])
        return [
            *trails,
            Trail(np.full(4, row), sides, "accent", "━"),
            Trail(ends, np.full(2, column), "accent", "┃"),
        ]

    def _curve(self, view: SliceViewState) -> Trail:
        source = self.slice_view.source
        assert source is not None
        keep = [i for i, axis in enumerate(AXES) if axis != view.axis]
        voxels = np.array([to_voxel(source, at) for at in self.curve_points])
        return Trail(voxels[:, keep[0]], voxels[:, keep[1]], "accent", "")

    def mode_words(self) -> str:
        """Return what is being steered."""
        if self.steering == "mark":
            return "MARK: hjkl moves, , . slices, i marks, esc ends"
        if self.steering == "nudge":
            return "NUDGE: hjkl , . move it, enter keeps, esc drops"
        if self.steering == "curve":
            return f"CURVE: {len(self.curve_points)} points; i adds one, enter ends"
        return ""

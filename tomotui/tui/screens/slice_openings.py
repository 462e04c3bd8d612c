"""What is opened from a slice: its three planes, and back to where they were left."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from textual.binding import BindingType

from tomotui.tui.actions import bindings
from tomotui.tui.raster.sharp import sharp_picture
from tomotui.tui.raster.stills import Grey
from tomotui.tui.raster.volume import AXES
from tomotui.tui.screens.slices import SlicesScreen
from tomotui.tui.session import Voxel
from tomotui.tui.slice_actions import MODE_ACTIONS
from tomotui.tui.widgets.ortho_triple import TripleState


class SliceOpening(SlicesScreen):
    """Opens the three planes through the crosshair, or through the middle of what is seen."""

    BINDINGS: ClassVar[list[BindingType]] = bindings(*(each.id for each in MODE_ACTIONS))
    # The style sheet of the base class speaks of the base class.
    SCOPED_CSS = False

    def action_ortho(self) -> None:
        """Show XY, XZ and YZ through one point."""
        source, view = self.slice_view.source, self.slice_view.view
        if source is None or self._shown is None:
            return
        if len(source.axes) < len(AXES):
            self._say("tilt images have no planes across them: b shows a tomogram")
            return
        self.stop_blinking()
        rest = iter(view.middle(source.shape))
        middle = [view.index if a == view.axis else int(next(rest)) for a in AXES]
        if self.cross is not None:
            here = self.cross.moved_to(**{view.axis: view.index})
            middle = [here.z, here.y, here.x]
        z, y, x = (min(max(at, 0), n - 1) for at, n in zip(middle, source.shape, strict=True))
        self.open_planes((z, y, x))

    def open_planes(self, voxel: Voxel) -> None:
        """Show the planes through a voxel of the volume that is seen."""
        from tomotui.tui.screens.ortho import OrthoScreen

        source, shown = self.slice_view.source, self._shown
        if source is None or shown is None:
            return
        state = TripleState(voxel, replace(self.slice_view.view, zoom=None, centre=None))
        series = (shown.series.name,)
        screen = OrthoScreen(source, shown.label, state, series, self.particle_diameters())
        self.app.push_screen(screen, self._left_planes)

    def action_still(self) -> None:
        """Show the slice as the terminal's own picture, until a key is pressed."""
        from tomotui.tui.screens.still import StillScreen

        view, support = self.slice_view, self.capability.still
        source, image, window = view.source, view.image, view.window
        if source is None or image is None or window is None or view.is_waiting:
            return
        if not support.protocol:
            self.app.notify(support.refusal, severity="warning")
            return
        self.stop_blinking()
        state, aspect = view.view, self.capability.cell_aspect
        seen = view.voxels_per_cell() * view.cells[1]

        def draw(cells: tuple[int, int], pixels: tuple[int, int]) -> tuple[Grey, str]:
            # As wide a part of the slice as was seen; all of it where it was all seen.
            fit = state.voxels_per_cell(source.shape, cells, aspect)
            per_cell = fit if state.zoom is None else seen / cells[1]
            return sharp_picture(source, state, image, window, cells, pixels, (per_cell, aspect))

        where = source.describe(state.axis, state.index)
        self.app.push_screen(StillScreen(support, draw, f"{self._shown_label()}  {where}"))

    def _shown_label(self) -> str:
        return self._shown.label if self._shown is not None else ""

    def _left_planes(self, state: TripleState | None) -> None:
        """Go to the point at which the planes were left."""
        source, view = self.slice_view.source, self.slice_view.view
        if state is None or source is None:
            return
        at = dict(zip(AXES, state.cursor, strict=True))
        row, column = (at[axis] + 0.5 for axis in AXES if axis != view.axis)
        centre = (row, column) if view.zoom is not None else view.centre
        look = state.look
        moved = replace(
            view,
            centre=centre,
            slab=look.slab,
            filter_name=look.filter_name,
            inverted=look.inverted,
            glyphs=look.glyphs,
        )
        self.set_view(moved.at(at[view.axis], source.shape))
        z, y, x = state.cursor
        self.put_cross(z, y, x)

"""What is drawn over the picture of a slice: lines, marks and stains of whoever asks for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from tomotui.tui.raster.picture import Mark, Stain, Trail
from tomotui.tui.raster.resample import Grid
from tomotui.tui.raster.view import SliceViewState
from tomotui.tui.widgets.slice_mouse import SliceMouse

Overlay = Callable[[SliceViewState], Sequence[Trail]]
"""What is drawn over the picture in a state of the view."""
Marker = Callable[[SliceViewState], Sequence[Mark]]
"""What is pointed at in a state of the view."""
Stainer = Callable[[SliceViewState, Grid], Sequence[Stain]]
"""What colours cells in a state of the view, on the sub-pixels of a grid."""


class DrawnOver(SliceMouse):
    """The part of a view of slices that keeps what is drawn over each of its pictures."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.overlay: Overlay | None = None
        self.marker: Marker | None = None
        self.stainer: Stainer | None = None
        self._overlays: dict[str, Overlay] = {}

    def draw_over(self, overlay: Overlay | None) -> None:
        """Draw something over every picture from now on; ``None`` for nothing."""
        self.overlay = overlay
        self.redraw()

    def lay_over(self, name: str, overlay: Overlay | None) -> None:
        """Draw one thing more over every picture, under a name; ``None`` takes it away again."""
        known = self._overlays.pop(name, None)
        if overlay is not None:
            self._overlays[name] = overlay
        if overlay is not None or known is not None:
            self.redraw()

    def stain_with(self, stainer: Stainer | None) -> None:
        """Colour cells of every picture from now on; ``None`` for none."""
        self.stainer = stainer
        self.redraw()

    def mark_over(self, marker: Marker | None) -> None:
        """Point at something in every picture from now on; ``None`` for nothing."""
        self.marker = marker
        self.redraw()

    # ---- in a state of the view

    def trails_of(self, view: SliceViewState) -> list[Trail]:
        """Return the lines."""
        layers = [*([self.overlay] if self.overlay is not None else []), *self._overlays.values()]
        return [trail for layer in layers for trail in layer(view)]

    def marks_of(self, view: SliceViewState) -> Sequence[Mark]:
        """Return what is pointed at."""
        return self.marker(view) if self.marker is not None else ()

    def stain_of(self, view: SliceViewState) -> Callable[[Grid], Sequence[Stain]] | None:
        """Return what colours cells; ``None`` for nothing."""
        return partial(self.stainer, view) if self.stainer is not None else None

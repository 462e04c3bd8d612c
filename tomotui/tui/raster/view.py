"""What one looks at, as a value: which slice, from where, how near, in which contrast."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tomotui.tui.raster.filters import FILTER_PRESETS
from tomotui.tui.raster.glyphs import GLYPHS
from tomotui.tui.raster.resample import ZOOM_LADDER, fit_voxels_per_cell
from tomotui.tui.raster.tiers import GlyphName
from tomotui.tui.raster.volume import AXES, Axis
from tomotui.tui.raster.window import Window

Shape = tuple[int, int, int]
MAX_SLAB = 32


@dataclass(frozen=True)
class SliceViewState:
    """The state of a view of slices; every method returns a changed copy.

    Attributes
    ----------
    axis, index
        The slice across ``axis`` number ``index``, counted from 0.
    slab
        The mean of ``2 * slab + 1`` slices is shown.
    zoom
        Voxels across the width of a character cell; ``None`` fits the slice.
    centre
        Row and column of the slice, in voxels, at the middle of the view; ``None`` is its middle.
    window
        Contrast; ``None`` is automatic.
    inverted
        Dark shows bright.
    glyphs
        Glyph set that draws.
    filter_name
        Name of a filter preset.
    aligned
        Images of a tilt series are turned and shifted by their alignment.
    """

    axis: Axis = "z"
    index: int = 0
    slab: int = 0
    zoom: float | None = None
    centre: tuple[float, float] | None = None
    window: Window | None = None
    inverted: bool = False
    glyphs: GlyphName = "quadrant"
    filter_name: str = "none"
    aligned: bool = False

    def slice_shape(self, shape: Shape) -> tuple[int, int]:
        """Return rows and columns of the slices across the axis."""
        rows, columns = (n for a, n in zip(AXES, shape, strict=True) if a != self.axis)
        return rows, columns

    def middle(self, shape: Shape) -> tuple[float, float]:
        """Return the row and column in the middle of the view, in voxels."""
        if self.centre is not None:
            return self.centre
        rows, columns = self.slice_shape(shape)
        return rows / 2, columns / 2

    def voxels_per_cell(self, shape: Shape, cells: tuple[int, int], aspect: float) -> float:
        """Return the zoom in force."""
        if self.zoom is not None:
            return self.zoom
        return fit_voxels_per_cell(self.slice_shape(shape), cells, aspect)

    def moved(self, step: int, shape: Shape) -> SliceViewState:
        """Go ``step`` slices on, not beyond the ends."""
        return self.at(self.index + step, shape)

    def at(self, index: int, shape: Shape) -> SliceViewState:
        """Go to a slice, or to the end that is nearer."""
        return replace(self, index=min(max(index, 0), shape[AXES.index(self.axis)] - 1))

    def panned(self, rows: float, columns: float, shape: Shape) -> SliceViewState:
        """Move the view over the slice by voxels; its middle stays on the slice."""
        height, width = self.slice_shape(shape)
        row, column = self.middle(shape)
        row = min(max(row + rows, 0.0), float(height))
        column = min(max(column + columns, 0.0), float(width))
        return replace(self, centre=(row, column))

    def zoomed(
        self, steps: int, shape: Shape, cells: tuple[int, int], aspect: float
    ) -> SliceViewState:
        """Go nearer by so many steps of the ladder, or further for negative steps."""
        per_column = GLYPHS[self.glyphs].columns
        now = self.voxels_per_cell(shape, cells, aspect) / per_column
        for _ in range(abs(steps)):
            if steps > 0:
                now = next((z for z in ZOOM_LADDER if z < now * 0.999), now)
            else:
                now = next((z for z in reversed(ZOOM_LADDER) if z > now * 1.001), now)
        return replace(self, zoom=now * per_column)

    def one_to_one(self) -> SliceViewState:
        """Show one voxel as one sub-pixel."""
        return replace(self, zoom=float(GLYPHS[self.glyphs].columns))

    def fitted(self) -> SliceViewState:
        """Show the whole slice."""
        return replace(self, zoom=None, centre=None)

    def across(self, axis: Axis, shape: Shape) -> SliceViewState:
        """Cut across another axis through the point in the middle of the view."""
        row, column = self.middle(shape)
        rest = iter((row, column))
        point = {a: float(self.index) + 0.5 if a == self.axis else next(rest) for a in AXES}
        turned = replace(self, axis=axis)
        centre = tuple(point[a] for a in AXES if a != axis)
        turned = replace(turned, centre=None if self.zoom is None else (centre[0], centre[1]))
        return turned.at(int(point[axis]), shape)

    def with_slab(self, step: int) -> SliceViewState:
        """Average more or fewer slices."""
        return replace(self, slab=min(max(self.slab + step, 0), MAX_SLAB))

    def next_filter(self, more: Sequence[str] = ()) -> SliceViewState:
        """Take the next filter preset; ``more`` are those for what is seen just now."""
        names = [*FILTER_PRESETS, *more]
        at = names.index(self.filter_name) if self.filter_name in names else -1
        return replace(self, filter_name=names[(at + 1) % len(names)])

    def with_glyphs(self, glyphs: GlyphName) -> SliceViewState:
        """Draw with another glyph set, at the same scale on the screen."""
        return replace(self, glyphs=glyphs)

    def clamped(self, shape: Shape, axes: tuple[Axis, ...]) -> SliceViewState:
        """Return a state that is possible for a volume of this shape."""
        state = self if self.axis in axes else replace(self, axis=axes[0], centre=None)
        state = state.at(state.index, shape)
        return state.panned(0, 0, shape) if state.centre is not None else state

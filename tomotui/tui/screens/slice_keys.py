"""The keys of a screen that shows slices; screens that add to them inherit from here."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from textual.binding import BindingType

from tomotui.tui.actions import bindings
from tomotui.tui.raster.filters import band_preset
from tomotui.tui.raster.tiers import GlyphName
from tomotui.tui.raster.view import SliceViewState
from tomotui.tui.raster.volume import AXES
from tomotui.tui.screens.next_key import NextKeyScreen
from tomotui.tui.slice_actions import VIEW_ACTIONS
from tomotui.tui.widgets.slice_view import SliceView

COMMON_DIAMETER_ANGSTROM = 200.0
CONTRAST_STEP = 0.8
LEVEL_STEP = 0.08
PAN_STEP, FAST_PAN_STEP = 0.05, 0.25
"""Part of the view by which an arrow key pans."""


class SliceKeysScreen(NextKeyScreen):
    """A screen with a ``SliceView`` and the keys that move through it."""

    BINDINGS: ClassVar[list[BindingType]] = bindings(*(each.id for each in VIEW_ACTIONS))

    @property
    def slice_view(self) -> SliceView:
        """The picture."""
        return self.query_one(SliceView)

    def set_view(self, view: SliceViewState) -> None:
        """Show another state, if there is anything to show."""
        if self.slice_view.source is not None:
            self.slice_view.view = view

    @property
    def _now(self) -> SliceViewState:
        return self.slice_view.view

    @property
    def _shape(self) -> tuple[int, int, int]:
        source = self.slice_view.source
        return source.shape if source is not None else (1, 1, 1)

    def action_move(self, step: int) -> None:
        """Go some slices on."""
        self.set_view(self._now.moved(step, self._shape))

    def action_first(self) -> None:
        """Go to the first slice."""
        self.set_view(self._now.at(0, self._shape))

    def action_last(self) -> None:
        """Go to the last slice."""
        self.set_view(self._now.at(self._shape[AXES.index(self._now.axis)], self._shape))

    def action_go_to(self, number: int) -> None:
        """Go to a slice, counted from 1."""
        self.set_view(self._now.at(number - 1, self._shape))

    def action_pan(self, rows: int, columns: int, fast: bool = False) -> None:
        """Move over the slice by a part of what is seen."""
        if self.slice_view.source is None:
            return
        height, width = self.slice_view.extent_voxels()
        part = FAST_PAN_STEP if fast else PAN_STEP
        self.set_view(self._now.panned(rows * part * height, columns * part * width, self._shape))

    def action_zoom(self, steps: int) -> None:
        """Go nearer or further."""
        aspect = self.slice_view.artist.capability.cell_aspect
        self.set_view(self._now.zoomed(steps, self._shape, self.slice_view.cells, aspect))

    def action_one_to_one(self) -> None:
        """Show one voxel as one sub-pixel."""
        self.set_view(self._now.one_to_one())

    def action_fit(self) -> None:
        """Show the whole slice."""
        self.set_view(self._now.fitted())

    def action_contrast(self, sign: int) -> None:
        """Narrow or widen the contrast."""
        if (window := self.slice_view.window) is not None:
            factor = CONTRAST_STEP if sign > 0 else 1 / CONTRAST_STEP
            self.set_view(replace(self._now, window=window.narrowed(factor)))

    def action_level(self, sign: int) -> None:
        """Make the picture brighter or darker."""
        if (window := self.slice_view.window) is not None:
            sign = -sign if self._now.inverted else sign
            self.set_view(replace(self._now, window=window.shifted(-sign * LEVEL_STEP)))

    def action_auto_contrast(self) -> None:
        """Take the automatic contrast; pressed again, the one kept with the tomogram."""
        source = self.slice_view.source
        if source is None:
            return
        if self._now.window is None and source.default_window is not None:
            self.set_view(replace(self._now, window=source.default_window))
        else:
            self.slice_view.auto_contrast()

    def action_slab(self, step: int) -> None:
        """Average more or fewer slices."""
        source = self.slice_view.source
        if source is not None and not source.is_stack:
            self.set_view(self._now.with_slab(step))

    def particle_diameters(self) -> tuple[float, ...]:
        """Return the sizes in Angstrom that filters can bring out; a common one where not known."""
        return (COMMON_DIAMETER_ANGSTROM,)

    def action_filter(self) -> None:
        """Take the next filter preset: none, low-pass, the band of a particle's size."""
        bands = [band_preset(diameter) for diameter in self.particle_diameters()]
        self.set_view(self._now.next_filter(bands))

    def action_invert(self) -> None:
        """Show dark as bright."""
        self.set_view(replace(self._now, inverted=not self._now.inverted))

    def action_axis(self) -> None:
        """Cut across the next axis, through the point in the middle of the view."""
        source = self.slice_view.source
        if source is not None and len(source.axes) > 1:
            following = source.axes[(source.axes.index(self._now.axis) + 1) % len(source.axes)]
            self.set_view(self._now.across(following, self._shape))

    def action_renderer(self) -> None:
        """Draw with the next glyph set that this terminal may be able to show."""
        names = self.slice_view.artist.capability.available
        at = names.index(self._now.glyphs) if self._now.glyphs in names else -1
        name = names[(at + 1) % len(names)]
        self.set_view(self._now.with_glyphs(name))
        self.renderer_chosen(name)

    def renderer_chosen(self, name: GlyphName) -> None:
        """Take note that the user has chosen a glyph set; for screens that can keep it."""

    def position_text(self) -> str:
        """Return the tilt, or the point in the middle: Angstrom from the volume's centre."""
        source = self.slice_view.source
        assert source is not None
        if source.is_stack:
            return source.describe("z", self._now.index)
        rest = iter(self._now.middle(source.shape))
        voxel = {a: self._now.index if a == self._now.axis else next(rest) - 0.5 for a in AXES}
        sizes = dict(zip(AXES, source.shape, strict=True))
        point = {a: (voxel[a] - sizes[a] // 2) * source.pixel_size_angstrom for a in AXES}
        return f"x={point['x']:.1f} y={point['y']:.1f} z={point['z']:.1f} Å"

    def texts_to_copy(self) -> dict[str, str]:
        """Return what can be copied of what is seen, by kind."""
        source = self.slice_view.source
        assert source is not None
        path = str(getattr(source, "path", ""))
        return {"path": path, "name": source.name, "position": self.position_text()}

    def action_yank(self) -> None:
        """Offer to copy path, name or the position in the middle of the view."""
        from tomotui.tui.screens.yank import YankMenu

        def copy(text: str | None) -> None:
            if text:
                self.app.copy_to_clipboard(text)
                self.app.notify(f"copied {text}", timeout=2)

        if self.slice_view.source is not None:
            self.app.push_screen(YankMenu(self.texts_to_copy()), copy)

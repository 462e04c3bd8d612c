"""The surface of a map as a picture that is turned from the keyboard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from textual import events
from textual.binding import BindingType
from textual.geometry import Offset
from textual.timer import Timer

from tomotui.tui.actions import bindings
from tomotui.tui.raster.cutouts import paste
from tomotui.tui.raster.density import Density
from tomotui.tui.raster.emit import Frame
from tomotui.tui.raster.glyphs import GlyphSet
from tomotui.tui.raster.pack import pack
from tomotui.tui.raster.picture import compose, scale_bar
from tomotui.tui.raster.surface import Screen, Surface, turned
from tomotui.tui.raster.window import Window
from tomotui.tui.widgets.density_picture import DensityPicture, cell_means, places_of

TURN_DEG = 15.0
MOUSE_DEG = 4.0
"""Turn for each cell that the mouse moves."""
ZOOM_STEP = 1.25
LEVEL_STEP = 1.1
LEVELS = (0.1, 10.0)
ZOOMS = (0.3, 12.0)
OTHER_SIZE = 1.5
"""Maps that differ in size by less are seen at one scale."""
MARGIN = 1.12
"""Room about the surface at the beginning."""
ALONG = tuple(
    np.array(rows, dtype=np.float64)
    for rows in (
        ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
        ((1, 0, 0), (0, 0, 1), (0, -1, 0)),
        ((0, 1, 0), (0, 0, 1), (1, 0, 0)),
    )
)
"""Turns that look along z, y and x: x or y to the right, y or z down."""
REST_SECONDS = 0.15
"""Stillness after which a coarse picture becomes a fine one."""


@dataclass(frozen=True)
class SurfaceState:
    """From where one looks, and at which contour.

    Attributes
    ----------
    turn
        Rotation from the map's axes to the screen's, ``[3, 3]``.
    zoom
        1 shows the whole surface.
    share
        Contour over the level of each map.
    """

    turn: NDArray[np.float64] = field(default_factory=lambda: np.eye(3))
    zoom: float = 1.0
    share: float = 1.0


class SurfaceView(DensityPicture):
    """Draws surfaces side by side, all seen from one side."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("surface")

    def __init__(self, *words: object, **settings: object) -> None:
        super().__init__(*words, **settings)  # type: ignore[arg-type]
        self.state = SurfaceState()
        self._surfaces: dict[tuple[int, float], Surface] = {}
        self._extent_angstrom = 1.0
        self._coarse = False
        self._still: Timer | None = None
        self._held: Offset | None = None

    def take(self, densities: Sequence[Density], begins: bool) -> None:
        """Fit the picture to the first maps; later ones of about their size keep its scale."""
        kept = {id(one) for one in densities}
        self._surfaces = {key: one for key, one in self._surfaces.items() if key[0] in kept}
        if not densities:
            return
        extent = max(self._surface(one).extent_angstrom for one in densities)
        if begins or not 1 / OTHER_SIZE < extent / self._extent_angstrom < OTHER_SIZE:
            self._extent_angstrom = extent

    def _surface(self, density: Density) -> Surface:
        """Return the surface at the present contour; made once."""
        key = (id(density), self.state.share)
        if key not in self._surfaces:
            others = {k: one for k, one in self._surfaces.items() if k[0] != id(density)}
            level = self.state.share * density.level
            self._surfaces = {**others, key: Surface(density, level)}
        return self._surfaces[key]

    # ---- drawing

    def draw_into(self, frame: Frame, cheap: bool) -> None:
        """Draw each surface in its share of the room."""
        height, width = frame.shape
        glyphs = self.artist.glyph_set("half" if cheap else self.artist.capability.glyphs)
        places = places_of(height, width, len(self.densities), self.aspect)
        for density, (row, column, *cells) in zip(self.densities, places, strict=True):
            part = self._drawn(density, (cells[0], cells[1]), glyphs)
            part.write(0, 0, density.label[: cells[1]], "text")
            if density is self.densities[-1]:
                per_cell = self._angstrom_per_cell((cells[0], cells[1]))
                scale_bar(part, per_cell / 10, self.artist.capability.ascii_only)
            paste(frame, part, row, column)
        frame.write(height - 1, 0, f"contour {self.state.share:.2f}", "dim")

    def _drawn(self, density: Density, cells: tuple[int, int], glyphs: GlyphSet) -> Frame:
        height, width = cells
        per_cell = self._angstrom_per_cell(cells)
        coarse = 2 if self._coarse and glyphs.rows % 2 == 0 and glyphs.columns % 2 == 0 else 1
        rows, columns = height * glyphs.rows // coarse, width * glyphs.columns // coarse
        screen = Screen(
            self.state.turn,
            (rows, columns),
            per_cell * self.aspect / glyphs.rows * coarse,
            per_cell / glyphs.columns * coarse,
        )
        shades = self._surface(density).shaded(screen)
        if coarse > 1:
            shades = shades.repeat(coarse, axis=0).repeat(coarse, axis=1)
        return self._composed(shades, glyphs)

    def _composed(self, shades: NDArray[np.float32], glyphs: GlyphSet) -> Frame:
        """Return the frame of brightnesses ``[rows, columns]``, NaN where nothing is."""
        there = np.isfinite(shades)
        share = cell_means(there.astype(np.float32), glyphs)
        values = np.where(there, shades, np.float32(self.ground))
        palette = self.artist.palette()
        frame = compose(values, share > 0, Window(0.0, 1.0), glyphs, palette)
        outside = palette.role("outside")
        if glyphs.bits == 2:
            frame.foreground[~there[0::2]] = outside
            frame.background[~there[1::2]] = outside
        elif glyphs.kind == "blocks" and not palette.is_mono:
            # Cells at the rim show its shape: in their own tone, on the ground of the theme.
            rim = (share > 0) & (share < 1)
            tone = cell_means(np.where(there, shades, 0), glyphs) / np.maximum(share, 1e-6)
            shape = pack(there.astype(np.uint8) * np.uint8(255), glyphs).codes
            grey = (np.clip(tone, 0, 1) * 255).astype(np.uint8)
            frame.characters[rim] = glyphs.table[shape[rim]]
            frame.foreground[rim] = palette.quantise[grey[rim]]
            frame.background[rim] = outside
        return frame

    def _angstrom_per_cell(self, cells: tuple[int, int]) -> float:
        height, width = cells
        across = 2 * self._extent_angstrom * MARGIN / self.state.zoom
        return max(across / width, across / (height * self.aspect))

    # ---- looking

    def look(self, state: SurfaceState) -> None:
        """Look from elsewhere: coarsely while it goes on, finely at rest."""
        self.state = state
        self._coarse = True
        self.redraw()
        if self._still is not None:
            self._still.stop()
        self._still = self.set_timer(REST_SECONDS, self._refine)

    def _refine(self) -> None:
        self._coarse = False
        if self.densities:
            self.redraw()

    def action_turn(self, right: int, down: int, roll: int = 0) -> None:
        """Turn the map by steps."""
        degrees = (TURN_DEG * step for step in (right, down, roll))
        self.look(replace(self.state, turn=turned(self.state.turn, *degrees)))

    def action_zoom(self, steps: int) -> None:
        """Go nearer, or further."""
        zoom = self.state.zoom * ZOOM_STEP**steps
        self.look(replace(self.state, zoom=min(max(zoom, ZOOMS[0]), ZOOMS[1])))

    def action_contour(self, steps: int) -> None:
        """Raise or lower the contour."""
        share = self.state.share * LEVEL_STEP**steps
        self.look(replace(self.state, share=min(max(share, LEVELS[0]), LEVELS[1])))

    def action_along(self) -> None:
        """Look along the axes of the map in turn, with the others as sections have them."""
        now = [np.array_equal(self.state.turn, one) for one in ALONG]
        at = now.index(True) + 1 if any(now) else 0
        self.look(replace(self.state, turn=ALONG[at % len(ALONG)]))

    def action_reset(self) -> None:
        """Look as at the beginning."""
        self.state = SurfaceState()
        self.take(self.densities, begins=True)
        self.look(self.state)

    # ---- mouse

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Go nearer."""
        event.stop()
        self.action_zoom(1)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Go further."""
        event.stop()
        self.action_zoom(-1)

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Take hold of the map."""
        if event.button == 1 and self.densities:
            self._held = event.screen_offset
            self.capture_mouse()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Turn the map with the mouse that holds it."""
        if self._held is None:
            return
        moved = event.screen_offset - self._held
        if moved == Offset(0, 0):
            return
        self._held = event.screen_offset
        turn = turned(
            self.state.turn,
            right_deg=MOUSE_DEG * moved.x,
            down_deg=MOUSE_DEG * self.aspect * moved.y,
        )
        self.look(replace(self.state, turn=turn))

    def on_mouse_up(self) -> None:
        """Let go."""
        if self._held is not None:
            self._held = None
            self.release_mouse()

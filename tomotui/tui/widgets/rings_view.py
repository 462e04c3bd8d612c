"""The power spectrum of an image with the rings that were fitted to it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from textual.color import Color
from textual.strip import Strip

from tomotui.tui.raster.artist import SliceArtist
from tomotui.tui.raster.capability import Capability
from tomotui.tui.raster.picture import Trail
from tomotui.tui.raster.resample import fit_voxels_per_cell
from tomotui.tui.raster.strip import strips_of
from tomotui.tui.raster.view import SliceViewState
from tomotui.tui.raster.volume import ArraySource, Axis
from tomotui.tui.theme import Look
from tomotui.tui.widgets.drawn_once import DrawnOnce

Rings = Callable[[float], Sequence[Trail]]
"""Makes the rings, with so many pixels at least between two of them."""
LEAST_GAP_CELLS = 1.6
"""Between two rings, in widths of a cell: closer ones would hide the picture."""


class _Spectrum(ArraySource):
    """A spectrum as a picture without a scale in nanometres."""

    def describe(self, axis: Axis, index: int) -> str:
        """Return nothing: the pane's title says what it is."""
        return ""


class RingsView(DrawnOnce):
    """Shows a spectrum as large as the pane allows."""

    DEFAULT_CSS = """
    RingsView { height: 1fr; background: $background; }
    """

    def __init__(self, capability: Capability, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._artist = SliceArtist(capability)
        self.spectrum: NDArray[np.float32] | None = None
        self.rings: Rings | None = None
        self.message = ""
        self.reach: float | None = None

    def show(
        self,
        spectrum: NDArray[np.float32] | None,
        rings: Rings | None = None,
        message: str = "",
        reach: float | None = None,
    ) -> None:
        """Show another spectrum ``[y, x]`` with its rings, or say why there is none.

        ``reach`` is how many pixels from the origin are of interest; all when not given.
        """
        self.spectrum, self.rings, self.message = spectrum, rings, message
        self.reach = reach
        self.draw_anew()

    def draw(self, look: Look) -> list[Strip]:
        """Return the rows."""
        width, height = self.size
        if self.spectrum is None or height < 3 or width < 6:
            return self.said(self.message, look)
        artist = self._artist
        artist.forget_windows()
        artist.lut = look.image.lut
        inks = {"outside": look.background, "accent": look.accent, "unsure": look.warning}
        artist.use_roles({role: Color.parse(colour).rgb for role, colour in inks.items()})
        source = _Spectrum(self.spectrum[None], pixel_size_angstrom=0.0, is_stack=True)
        size = self.spectrum.shape[0]
        side = size if self.reach is None else min(math.ceil(2 * self.reach), size)
        zoom = fit_voxels_per_cell((side, side), (height, width), artist.capability.cell_aspect)
        middle = size // 2 + 0.5
        view = SliceViewState(glyphs=artist.capability.glyphs, zoom=zoom, centre=(middle, middle))
        trails = self.rings(LEAST_GAP_CELLS * zoom) if self.rings is not None else ()
        frame = artist.draw(source, view, self.spectrum, (height, width), trails=trails)
        return strips_of(frame)[0]

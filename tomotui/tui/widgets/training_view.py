"""What a network has learnt so far, as pictures: side views and spectra, before and after."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from rich.style import Style
from textual.color import Color
from textual.strip import Strip

from tomotui.tui.raster.artist import SliceArtist
from tomotui.tui.raster.capability import Capability
from tomotui.tui.raster.strip import strips_of
from tomotui.tui.raster.view import SliceViewState
from tomotui.tui.raster.window import Window
from tomotui.tui.theme import Look
from tomotui.tui.training_pictures import SPECTRA, TrainingPictures
from tomotui.tui.widgets.drawn_once import DrawnOnce
from tomotui.tui.widgets.thumbnail import Still
from tomotui.tui.widgets.training_layout import Place, Shapes, arrange

if TYPE_CHECKING:
    from tomotui.tui.training_pictures import Image

CAPTIONS = {
    "before": ("before",),
    "after": ("after",),
    "spectrum_before": ("spectrum before", "before"),
    "spectrum_after": ("spectrum after", "after"),
}
"""What stands in the corner of each picture, the longest that has room."""
NO_ROOM = "too small for pictures: p gives them the whole screen"
SPECTRUM_PERCENTILES = (2.0, 99.8)
"""Of the powers of both spectra: what is black and what is white."""


class TrainingView(DrawnOnce, can_focus=True):
    """Draws the pictures of a training; anew only when they, the size or the theme change."""

    DEFAULT_CSS = """
    TrainingView { height: 1fr; background: $background; }
    """

    def __init__(self, capability: Capability, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._artist = SliceArtist(capability)
        self.pictures: TrainingPictures | None = None
        self.places: tuple[Place, ...] = ()

    def show(self, pictures: TrainingPictures | None) -> None:
        """Show other pictures."""
        if pictures != self.pictures:
            self.pictures = pictures
            self.draw_anew()

    def draw(self, look: Look) -> list[Strip]:
        """Return the rows."""
        width, height = self.size
        self.places = ()
        if self.pictures is None:
            return []
        images = self.pictures.images
        aspect = self._artist.capability.cell_aspect
        rows, columns = images["before"].shape
        self.places = arrange(height, width, Shapes(columns / rows * aspect, aspect))
        if not self.places:
            return self.said(NO_ROOM, look)
        self._take_colours(look)
        window = spectrum_window([images[name] for name in SPECTRA])
        drawn = [(place, self._picture(place, window)) for place in self.places]
        return [_row(drawn, y, width, look) for y in range(height)]

    def _take_colours(self, look: Look) -> None:
        self._artist.lut = look.image.lut
        inks = {"outside": look.background, "shade": look.panel, "text": look.foreground}
        self._artist.use_roles({role: Color.parse(colour).rgb for role, colour in inks.items()})

    def _picture(self, place: Place, window: Window | None) -> list[Strip]:
        assert self.pictures is not None
        image, pixel_size = self.pictures.images[place.name], self.pictures.voxel_size_angstrom
        is_spectrum = place.name in SPECTRA
        if is_spectrum:
            image, pixel_size = even_frequencies(image), 0.0
        captions = [one for one in CAPTIONS[place.name] if len(one) + 2 <= place.width // 2]
        source = Still(image, captions[0] if captions else "", pixel_size)
        view = SliceViewState(
            glyphs=self._artist.capability.glyphs, window=window if is_spectrum else None
        )
        # Every picture has a contrast of its own; of the spectra it is given.
        self._artist.forget_windows()
        frame = self._artist.draw(source, view, image, (place.height, place.width))
        return strips_of(frame)[0]


def even_frequencies(spectrum: Image) -> Image:
    """Return a spectrum ``[z, x]`` of an oblong picture with the same frequencies along both.

    Its rows and columns go to the same highest frequency in steps of different size; a square
    shows angles as they are, that of the missing wedge among them.
    """
    rows, columns = spectrum.shape
    size = max(rows, columns)
    return spectrum[np.ix_(np.arange(size) * rows // size, np.arange(size) * columns // size)]


def spectrum_window(spectra: list[Image]) -> Window | None:
    """Return one contrast for spectra that are to be compared; ``None`` when there is none."""
    values = np.concatenate([one[np.isfinite(one)] for one in spectra])
    if values.size == 0:
        return None
    low, high = (float(one) for one in np.percentile(values, SPECTRUM_PERCENTILES))
    return Window(low, high) if high > low else None


def _row(drawn: list[tuple[Place, list[Strip]]], y: int, width: int, look: Look) -> Strip:
    """Put the pictures of one row side by side."""
    ground = Style(bgcolor=look.background)
    parts, column = [], 0
    for place, strips in sorted(drawn, key=lambda one: one[0].column):
        if place.row <= y < place.row + place.height:
            if place.column > column:
                parts.append(Strip.blank(place.column - column, ground))
            parts.append(strips[y - place.row])
            column = place.column + place.width
    if column < width:
        parts.append(Strip.blank(width - column, ground))
    return Strip.join(parts)

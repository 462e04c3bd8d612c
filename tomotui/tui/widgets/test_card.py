"""The same ring drawn with every kind of character, to see which the font shows rightly."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from textual.message import Message

from tomotui.tui.raster.artist import SliceArtist
from tomotui.tui.raster.capability import Capability
from tomotui.tui.raster.cutouts import blank_frame, paste
from tomotui.tui.raster.emit import Frame
from tomotui.tui.raster.glyphs import GLYPHS
from tomotui.tui.raster.picture import compose
from tomotui.tui.raster.strip import strips_of
from tomotui.tui.raster.tiers import GLYPH_ORDER, GlyphName
from tomotui.tui.raster.window import Window
from tomotui.tui.widgets.worded_picture import WordedPicture

RING_CELLS = (6, 12)
"""Height and width of a ring in cells."""
GAP_CELLS = 2
RING_RADIUS, RING_WIDTH = 0.74, 0.13
"""Of half the height."""
RAMP_ROWS = 1


class Place(NamedTuple):
    """Where a ring lies on the card; its caption is the row above."""

    glyphs: GlyphName
    row: int
    column: int


def places_of(width: int) -> list[Place]:
    """Return where the rings lie: beside each other as far as there is room."""
    height, across = RING_CELLS[0] + 2, RING_CELLS[1] + GAP_CELLS
    per_row = 6 if width >= 6 * across - GAP_CELLS else 3
    return [
        Place(name, 1 + at // per_row * height, at % per_row * across)
        for at, name in enumerate(GLYPH_ORDER)
    ]


def card_rows(width: int) -> int:
    """Return how many rows the card takes."""
    return places_of(width)[-1].row + RING_CELLS[0] + 1 + RAMP_ROWS


def ring(glyphs: GlyphName, cells: tuple[int, int], aspect: float) -> NDArray[np.float32]:
    """Return a ring, 0 dark to 1 bright, as sub-pixels of a glyph set."""
    kind, (height, width) = GLYPHS[glyphs], cells
    rows = (np.arange(height * kind.rows) + 0.5) / kind.rows - height / 2
    columns = ((np.arange(width * kind.columns) + 0.5) / kind.columns - width / 2) / aspect
    distance = np.hypot(rows[:, None], columns[None, :]) / (height / 2)
    bright: NDArray[np.float32] = np.exp(
        -0.5 * np.square((distance - RING_RADIUS) / RING_WIDTH)
    ).astype(np.float32)
    return bright


def frame_bytes(capability: Capability, glyphs: GlyphName, cells: tuple[int, int]) -> int:
    """Return the bytes of a picture of that size that is all noise, as slices are."""
    artist, kind = SliceArtist(capability), GLYPHS[glyphs]
    shape = (cells[0] * kind.rows, cells[1] * kind.columns)
    noise = np.random.default_rng(1).normal(0.0, 1.0, shape).astype(np.float32)
    inside = np.ones(cells, dtype=bool)
    frame = compose(noise, inside, Window(-2.8, 2.8), kind, artist.palette())
    return strips_of(frame)[1]


class TestCard(WordedPicture):
    """Draws the rings, each with its number, name and cost, and a ramp of greys.

    Attributes
    ----------
    chosen
        The set in use, which is marked.
    costs
        Bytes of a full screen, by set, as far as they are known.
    """

    __test__ = False

    class Measured(Message):
        """The terminal has shown the card, or has kept silent."""

    def __init__(self, capability: Capability, *, id: str | None = None) -> None:
        super().__init__(capability, id=id)
        self.chosen: GlyphName = capability.glyphs
        self.costs: dict[GlyphName, int] = {}
        self.redraw()

    @property
    def has_picture(self) -> bool:
        """There is always one."""
        return True

    def make_picture(self, cheap: bool) -> int | None:
        """Draw the card."""
        height, width = self.size.height, self.size.width
        if height < 3 or width < RING_CELLS[1]:
            return None
        frame = blank_frame(self.artist, (height, width))
        for number, place in enumerate(places_of(width), 1):
            self._draw_ring(frame, number, place)
        if height >= card_rows(width):
            self._draw_ramp(frame, card_rows(width) - RAMP_ROWS, min(width, 72))
        self._strips, n_bytes = strips_of(frame)
        return n_bytes

    def _draw_ring(self, frame: Frame, number: int, place: Place) -> None:
        capability, name = self.artist.capability, place.glyphs
        now = name == self.chosen
        frame.write(
            place.row - 1,
            place.column,
            f"{'>' if now else ' '}{number} {name}",
            "accent" if now else "text",
        )
        cost = self.costs.get(name)
        if cost is not None:
            words = f" {cost / 1000:.0f} kB"
            frame.write(place.row + RING_CELLS[0], place.column, words, "dim")
        if name not in capability.available:
            for line, words in enumerate(("the terminal", "misplaces", "these")):
                frame.write(place.row + 1 + line, place.column, words, "dim")
            return
        bright = ring(name, RING_CELLS, self.aspect)
        inside = np.ones(RING_CELLS, dtype=bool)
        window = Window(0.0, 1.0)
        # Dots stand for what is dark.
        shown = 1 - bright if GLYPHS[name].kind == "dots" else bright
        drawn = compose(shown, inside, window, GLYPHS[name], self.artist.palette())
        paste(frame, drawn, place.row, place.column)

    def _draw_ramp(self, frame: Frame, row: int, width: int) -> None:
        """Draw greys from black to white, as many as the terminal has."""
        name: GlyphName = "ascii" if self.artist.capability.ascii_only else "half"
        kind = GLYPHS[name]
        shades = np.tile(np.linspace(0, 1, width * kind.columns), (RAMP_ROWS * kind.rows, 1))
        inside = np.ones((RAMP_ROWS, width), dtype=bool)
        values, window = shades.astype(np.float32), Window(0.0, 1.0)
        paste(frame, compose(values, inside, window, kind, self.artist.palette()), row, 0)

    def choose(self, name: GlyphName) -> None:
        """Mark another set."""
        self.chosen = name
        self.redraw()

    def know_costs(self, costs: dict[GlyphName, int]) -> None:
        """Write what a full screen costs."""
        self.costs = costs
        self.redraw()

    def frame_acknowledged(self) -> None:
        """Tell that the link was measured."""
        super().frame_acknowledged()
        self.post_message(self.Measured())

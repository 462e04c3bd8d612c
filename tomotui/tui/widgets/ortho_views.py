"""Three small pictures of one particle: seen along z, y and x."""

from __future__ import annotations

from typing import NamedTuple

from rich.segment import Segment
from rich.style import Style
from textual import work
from textual.color import Color
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from tomotui.tui.raster.artist import SliceArtist
from tomotui.tui.raster.capability import Capability
from tomotui.tui.raster.cutouts import (
    Boxes,
    Cut,
    Image,
    Voxel,
    blank_frame,
    draw_tile,
    paste,
    plane,
    window_of,
)
from tomotui.tui.raster.loader import SliceError
from tomotui.tui.raster.strip import strips_of
from tomotui.tui.raster.tiers import GlyphName
from tomotui.tui.raster.volume import AXES, PLANES
from tomotui.tui.theme import FALLBACK, Look


class Subject(NamedTuple):
    """What is shown: a place in a volume, and how it is cut."""

    source: Boxes
    voxel: Voxel
    cut: Cut
    glyphs: GlyphName
    inverted: bool


class OrthoViews(Widget):
    """Draws the three planes through a particle, side by side."""

    ALLOW_SELECT = False
    DEFAULT_CSS = """
    OrthoViews { height: 7; background: $background; }
    """

    class Loaded(Message, bubble=False):
        """The planes were cut out, or could not be."""

        def __init__(self, subject: Subject, images: list[Image], error: str) -> None:
            super().__init__()
            self.subject, self.images, self.error = subject, images, error

    def __init__(self, capability: Capability, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._artist = SliceArtist(capability)
        self._subject: Subject | None = None
        self._images: list[Image] = []
        self._strips: list[Strip] = []
        self._error = ""

    def show(self, subject: Subject | None) -> None:
        """Show another particle; the present one stays until the next is there."""
        if subject == self._subject:
            return
        self._subject = subject
        if subject is None:
            self._images, self._error = [], ""
            self._redraw()
        elif self.size.area:
            self._load(subject)

    @work(thread=True, exclusive=True, group="ortho", exit_on_error=False)
    def _load(self, subject: Subject) -> None:
        images, error = [], ""
        try:
            images = [plane(subject.source, subject.voxel, axis, subject.cut) for axis in AXES]
        except SliceError as problem:
            error = str(problem)
        self.post_message(self.Loaded(subject, images, error))

    def on_ortho_views_loaded(self, message: Loaded) -> None:
        """Draw what was cut out, unless something else is wanted by now."""
        if message.subject == self._subject:
            self._images, self._error = message.images, message.error
            self._redraw()

    def on_mount(self) -> None:
        """Follow the theme."""
        self.app.theme_changed_signal.subscribe(self, lambda _: self._redraw())

    def on_resize(self) -> None:
        """Draw for the new size."""
        if self._subject is not None and not self._images:
            self._load(self._subject)
        self._redraw()

    def _redraw(self) -> None:
        self._strips = []
        subject = self._subject
        height, width = self.size.height, self.size.width
        tile = (height - 1, (width - 2) // 3)
        if self._images and subject is not None and min(tile) > 0:
            look: Look = getattr(self.app, "look", FALLBACK)
            self._artist.lut = look.image.lut
            grounds = {"outside": look.background, "dim": look.dim, "shade": look.background}
            self._artist.use_roles({role: Color.parse(c).rgb for role, c in grounds.items()})
            frame = blank_frame(self._artist, (height, width))
            window = window_of(self._images, subject.inverted)
            for number, (axis, image) in enumerate(zip(AXES, self._images, strict=True)):
                left = number * (tile[1] + 1)
                paste(frame, draw_tile(self._artist, image, tile, window, subject.glyphs), 0, left)
                frame.write(height - 1, left, PLANES[axis].center(tile[1]), "dim")
            self._strips, _ = strips_of(frame)
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Return one row of the pictures."""
        if y < len(self._strips):
            return self._strips[y]
        look: Look = getattr(self.app, "look", FALLBACK)
        words = self._error[: self.size.width] if y == self.size.height // 2 else ""
        style = look.style("dim") + Style(bgcolor=look.background)
        return Strip([Segment(words.center(self.size.width), style)], self.size.width)

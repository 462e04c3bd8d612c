"""A small picture of a tilt series: its newest tomogram, or the image in the middle."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rich.segment import Segment
from rich.style import Style
from textual import events, work
from textual.color import Color
from textual.message import Message
from textual.strip import Strip
from textual.timer import Timer
from textual.widget import Widget

from tomotui.tui.raster.artist import SliceArtist
from tomotui.tui.raster.capability import Capability
from tomotui.tui.raster.loader import Image, SliceError
from tomotui.tui.raster.strip import strips_of
from tomotui.tui.raster.tilt_stack import TiltStack
from tomotui.tui.raster.view import SliceViewState
from tomotui.tui.raster.volume import ArraySource, Axis, SliceSource, VolumeReader
from tomotui.tui.snapshots import SeriesDetail
from tomotui.tui.theme import FALLBACK, Look

DEBOUNCE_SECONDS = 0.06
"""Stillness of the cursor after which a picture is read."""


@dataclass(frozen=True)
class Subject:
    """What the picture shows; equal subjects need no other picture."""

    path: Path
    kind: str
    uid: str


def subject_of(detail: SeriesDetail | None) -> Subject | None:
    """Return what to show of a series; ``None`` when it has nothing yet."""
    if detail is None or detail.row is None or detail.row.series is None:
        return None
    tomogram, series = detail.tomogram, detail.row.series
    if tomogram is not None:
        path = tomogram.thumbnail_path or tomogram.path
        kind = "thumbnail" if tomogram.thumbnail_path else "tomogram"
        return Subject(detail.folder / path, kind, tomogram.uid)
    return Subject(detail.folder / series.stack_path, "tilt", series.uid)


class Still(ArraySource):
    """A single picture with a caption."""

    def __init__(self, image: Image, caption: str, pixel_size_angstrom: float) -> None:
        super().__init__(image[None], pixel_size_angstrom=pixel_size_angstrom, is_stack=True)
        self.caption = caption

    def describe(self, axis: Axis, index: int) -> str:
        """Return the caption."""
        return self.caption


def load(subject: Subject, detail: SeriesDetail) -> Still:
    """Read the one slice that is shown.

    Raises
    ------
    SliceError
        When the file is missing or broken.
    """
    assert detail.row is not None
    assert detail.row.series is not None
    source: SliceSource
    if subject.kind == "tilt":
        source = TiltStack(detail.row.series, subject.path, detail.alignment)
        tilts = detail.row.series.tilts
        index = min(range(len(tilts)), key=lambda i: abs(tilts[i].nominal_tilt_deg))
        index = min(index, source.n_slices("z") - 1)
        pixel_size = source.pixel_size_angstrom
        caption = f"tilt {round(tilts[index].nominal_tilt_deg):+d}°"
    else:
        assert detail.tomogram is not None
        source = VolumeReader(subject.path)
        index = source.n_slices("z") // 2
        caption = "restored slice" if detail.tomogram.restored else "middle slice"
        pixel_size = detail.tomogram.pixel_size_angstrom
        if subject.kind == "thumbnail":
            pixel_size *= max(detail.tomogram.size_xyz[0] / source.shape[2], 1.0)
    return Still(source.read("z", index), caption, pixel_size)


class Thumbnail(Widget):
    """Shows one small picture, read in a thread once the cursor rests."""

    ALLOW_SELECT = False
    DEFAULT_CSS = """
    Thumbnail { height: 14; background: $background; }
    """

    class Loaded(Message, bubble=False):
        """The picture was read, or could not be."""

        def __init__(self, subject: Subject, source: Still | None, error: str) -> None:
            super().__init__()
            self.subject, self.source, self.error = subject, source, error

    def __init__(self, capability: Capability | None = None) -> None:
        super().__init__()
        self._artist = SliceArtist(capability or Capability())
        self._subject: Subject | None = None
        self._source: Still | None = None
        self._error = ""
        self._strips: list[Strip] = []
        self._timer: Timer | None = None

    def show(self, detail: SeriesDetail | None) -> None:
        """Show another series; the present picture stays until the next is there."""
        subject = subject_of(detail)
        if subject == self._subject:
            return
        self._subject = subject
        if self._timer is not None:
            self._timer.stop()
        if subject is None or detail is None:
            self._source, self._error = None, ""
            self._redraw()
        else:
            self._timer = self.set_timer(DEBOUNCE_SECONDS, lambda: self._load(subject, detail))

    @work(thread=True, exclusive=True, group="thumbnail", exit_on_error=False)
    def _load(self, subject: Subject, detail: SeriesDetail) -> None:
        source, error = None, ""
        try:
            source = load(subject, detail)
        except SliceError as problem:
            error = str(problem)
        self.post_message(self.Loaded(subject, source, error))

    def on_thumbnail_loaded(self, message: Loaded) -> None:
        """Draw what was read, unless something else is wanted by now."""
        if message.subject == self._subject:
            self._source, self._error = message.source, message.error
            self._redraw()

    def on_mount(self) -> None:
        """Follow the theme."""
        self.app.theme_changed_signal.subscribe(self, lambda _: self._redraw())

    def on_resize(self, event: events.Resize) -> None:
        """Draw for the new size."""
        self._redraw()

    def _redraw(self) -> None:
        self._strips = []
        look: Look = getattr(self.app, "look", FALLBACK)
        if self._source is not None and self.size.area:
            self._artist.forget_windows()
            self._artist.lut = look.image.lut
            grounds = {"outside": look.background, "shade": look.panel, "text": look.foreground}
            self._artist.use_roles({role: Color.parse(c).rgb for role, c in grounds.items()})
            view = SliceViewState(glyphs=self._artist.capability.glyphs)
            image = self._source.read("z", 0)
            cells = (self.size.height, self.size.width)
            frame = self._artist.draw(self._source, view, image, cells, (), False, 0)
            self._strips, _ = strips_of(frame)
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Return one row of the picture."""
        if y < len(self._strips):
            return self._strips[y]
        look: Look = getattr(self.app, "look", FALLBACK)
        words = ""
        if y == self.size.height // 2 and not self._strips:
            words = self._error or ("no picture yet" if self._subject is None else "")
        words = words[: self.size.width].center(self.size.width)
        ground = Style(bgcolor=look.background)
        return Strip([Segment(words, look.style("dim") + ground)], self.size.width)

"""A plane of a landscape: how densely particles stand, a cursor, and what is drawn over them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray
from textual import events
from textual.binding import BindingType
from textual.message import Message

from tomotui.tui.actions import bindings
from tomotui.tui.raster.capability import Capability
from tomotui.tui.raster.chart import Axis, Chart, layer
from tomotui.tui.raster.emit import Frame
from tomotui.tui.raster.glyphs import GlyphSet
from tomotui.tui.raster.picture import Trail, compose, draw_trails
from tomotui.tui.raster.plane import Image, Place, Span, density_of
from tomotui.tui.raster.resample import Grid
from tomotui.tui.raster.strip import strips_of
from tomotui.tui.raster.window import Window
from tomotui.tui.widgets.cells import Span as Words
from tomotui.tui.widgets.cells import strip_of
from tomotui.tui.widgets.worded_picture import WordedPicture

Floats = NDArray[np.float64]

FAST = 5
"""Cells of a large step."""
ZOOM_STEP = 1.4
DRAG_CELLS = 2
"""Cells that the mouse moves before a click becomes a line."""
WHITE = 1.5
"""Greater than any density: what is drawn over the densest places is still seen."""
_EMPTY = 0.004
"""Density below which a cell shows the ground of the theme."""
_NO_POINTS = np.zeros(0)
ALL = Span((-3.0, 3.0), (-3.0, 3.0))
"""Three deviations either way."""


@dataclass(frozen=True, eq=False)
class Label:
    """A few words at a place, in a colour role."""

    place: Place
    words: str
    role: str = "accent"


@dataclass(frozen=True, eq=False)
class PlanePicture:
    """What is drawn.

    Attributes
    ----------
    x, y
        Where particles stand, ``[n]``.
    names
        Of the axes.
    selected
        Which of them are selected, ``[n]``.
    path
        Corners of a path, ``[k, 2]``.
    labels
        Words at places.
    here
        Where the open page of a flip-book lies.
    cut
        The x of a threshold.
    """

    x: Floats = field(default_factory=lambda: _NO_POINTS)
    y: Floats = field(default_factory=lambda: _NO_POINTS)
    names: tuple[str, str] = ("", "")
    selected: NDArray[np.bool_] | None = None
    path: Floats = field(default_factory=lambda: np.zeros((0, 2)))
    labels: tuple[Label, ...] = ()
    here: Place | None = None
    cut: float | None = None


@dataclass(frozen=True)
class PlaneState:
    """How the plane is looked at.

    Attributes
    ----------
    cursor
        (x, y) on the plane.
    span
        The part that is seen.
    corners
        Of the line that is being drawn.
    box_from
        Corner of the box that is being drawn.
    """

    cursor: Place = (0.0, 0.0)
    span: Span = ALL
    corners: tuple[Place, ...] = ()
    box_from: Place | None = None

    def outline(self) -> tuple[Place, ...]:
        """Return the corners of what is being drawn; the cursor is the last."""
        if self.box_from is not None:
            return box_corners(self.box_from, self.cursor)
        return (*self.corners, self.cursor) if self.corners else ()


class _Smooth(NamedTuple):
    """A density, and of what it was made."""

    x: Floats
    y: Floats
    way: tuple[Span, tuple[int, int]]
    density: Image


def box_corners(one: Place, other: Place) -> tuple[Place, ...]:
    """Return the corners of a box in their order."""
    return one, (other[0], one[1]), other, (one[0], other[1])


class LatentPlane(WordedPicture):
    """Draws a plane; keys and mouse move its cursor and draw lines about particles."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("plane")

    class CursorMoved(Message):
        """The cursor is elsewhere."""

        def __init__(self, place: Place) -> None:
            super().__init__()
            self.place = place

    class Enclosed(Message):
        """A line was drawn about particles, ``[k, 2]``."""

        def __init__(self, corners: Floats) -> None:
            super().__init__()
            self.corners = corners

    def __init__(self, capability: Capability, *, id: str | None = None) -> None:
        super().__init__(capability, id=id)
        self.picture: PlanePicture | None = None
        self.state = PlaneState()
        self._smooth: _Smooth | None = None
        self._held: Place | None = None
        self._dragged: list[Place] = []

    # ---- what is shown

    def printable(self) -> Chart | None:
        """Return the particles on the plane as points, for paper."""
        picture = self.picture
        if picture is None or not len(picture.x):
            return None
        layers = [layer(picture.x, picture.y, "series.0", "dots", name="particles")]
        if picture.selected is not None and picture.selected.any():
            chosen = picture.selected
            layers.append(
                layer(picture.x[chosen], picture.y[chosen], "series.1", "dots", name="selected")
            )
        if len(picture.path):
            layers.append(layer(picture.path[:, 0], picture.path[:, 1], "accent", name="path"))
        across, up = picture.names
        title = f"particles over {across} and {up}"
        return Chart(tuple(layers), title=title, x_axis=Axis(across), y_axis=Axis(up))

    @property
    def has_picture(self) -> bool:
        """Whether there is a plane."""
        return self.picture is not None

    def show(self, picture: PlanePicture | None, message: str = "") -> None:
        """Draw something else, or say why there is nothing."""
        self.picture, self.message = picture, message
        if picture is None:
            self.say_instead()
        else:
            self.redraw()

    def look(self, state: PlaneState) -> None:
        """Look elsewhere; the cursor stays in sight."""
        moved = state.cursor != self.state.cursor
        self.state = replace(state, span=state.span.containing(state.cursor))
        self.redraw()
        if moved:
            self.post_message(self.CursorMoved(state.cursor))

    def drop_line(self) -> bool:
        """Forget the line being drawn; tells whether there was one."""
        was = bool(self.state.corners) or self.state.box_from is not None
        if was:
            self.look(replace(self.state, corners=(), box_from=None))
        return was

    # ---- drawing

    def make_picture(self, cheap: bool) -> int | None:
        """Draw the plane."""
        height, width = self.size.height, self.size.width
        if self.picture is None or height < 4 or width < 12:
            return None
        glyphs = self.artist.glyph_set("half" if cheap else self.artist.capability.glyphs)
        frame = self._drawn(self.picture, (height - 1, width), glyphs)
        self._strips, n_bytes = strips_of(frame)
        rim = Words(self._rim(self.picture.names[0], width), "dim")
        self._strips.append(strip_of([rim], width, self.theme_look))
        return n_bytes

    def _drawn(self, picture: PlanePicture, cells: tuple[int, int], glyphs: GlyphSet) -> Frame:
        shape = (cells[0] * glyphs.rows, cells[1] * glyphs.columns)
        density = self._density(picture, shape)
        # Square roots: thin regions between dense ones are what one looks for.
        split = density.reshape(cells[0], glyphs.rows, cells[1], glyphs.columns)
        inside = split.max(axis=(1, 3)) > _EMPTY
        palette = self.artist.palette()
        frame = compose(np.sqrt(density), inside, Window(0.0, WHITE), glyphs, palette)
        grid = Grid(shape[0], shape[1], 0.0, 0.0, 1.0, 1.0)
        ascii_only = self.artist.capability.ascii_only
        if picture.selected is not None:
            self._mark_selected(frame, picture, picture.selected)
        draw_trails(frame, grid, glyphs, self._lines(picture, shape), ascii_only)
        for label in self._labels(picture, ascii_only):
            row, column = self._cell(label.place, cells)
            frame.write(row, column, label.words, label.role)
        self._draw_cursor(frame, cells, ascii_only)
        low, high = (f"{one:.3g}" for one in self.state.span.y)
        frame.write(0, 0, f"{high} {picture.names[1]}"[: cells[1]], "dim")
        frame.write(cells[0] - 1, 0, low, "dim")
        return frame

    def _density(self, picture: PlanePicture, shape: tuple[int, int]) -> Image:
        """Return the density; made once for the same particles, span and size."""
        kept, way = self._smooth, (self.state.span, shape)
        if kept is None or kept.x is not picture.x or kept.y is not picture.y or kept.way != way:
            made = density_of(picture.x, picture.y, self.state.span, shape)
            kept = self._smooth = _Smooth(picture.x, picture.y, way, made)
        return kept.density

    def _mark_selected(self, frame: Frame, picture: PlanePicture, which: NDArray[np.bool_]) -> None:
        """Put a dot into every cell with a particle that is selected."""
        height, width = frame.shape
        down, across = self.state.span.shares(picture.x[which], picture.y[which])
        rows = np.floor(down * height).astype(np.intp)
        columns = np.floor(across * width).astype(np.intp)
        seen = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
        cells = (rows[seen], columns[seen])
        frame.characters[cells] = "*" if self.artist.capability.ascii_only else "•"
        frame.foreground[cells] = frame.palette.role("accepted")

    def _lines(self, picture: PlanePicture, shape: tuple[int, int]) -> list[Trail]:
        lines = []
        outline = self.state.outline()
        if len(outline) > 1:
            lines.append(self._trail(np.array([*outline, outline[0]]), shape, "cursor"))
        if len(picture.path) > 1:
            lines.append(self._trail(picture.path, shape, "accent"))
        if picture.cut is not None:
            low, high = self.state.span.y
            ends = np.array([(picture.cut, low), (picture.cut, high)])
            lines.append(self._trail(ends, shape, "unsure"))
        return lines

    def _trail(self, places: Floats, shape: tuple[int, int], role: str) -> Trail:
        down, across = self.state.span.shares(places[:, 0], places[:, 1])
        return Trail(down * shape[0] - 0.5, across * shape[1] - 0.5, role)

    def _labels(self, picture: PlanePicture, ascii_only: bool) -> list[Label]:
        corners = [Label(one, "o" if ascii_only else "○", "cursor") for one in self.state.corners]
        if self.state.box_from is not None:
            corners.append(Label(self.state.box_from, "o" if ascii_only else "○", "cursor"))
        path = [
            Label((x, y), str(number), "accent")
            for number, (x, y) in enumerate(picture.path.tolist(), start=1)
        ]
        page = [Label(picture.here, "#" if ascii_only else "◆", "accent")] if picture.here else []
        return [*picture.labels, *path, *corners, *page]

    def _cell(self, place: Place, cells: tuple[int, int]) -> tuple[int, int]:
        down, across = self.state.span.shares(np.array(place[0]), np.array(place[1]))
        return int(np.floor(down * cells[0])), int(np.floor(across * cells[1]))

    def _draw_cursor(self, frame: Frame, cells: tuple[int, int], ascii_only: bool) -> None:
        row, column = self._cell(self.state.cursor, cells)
        for by, glyph in ((-1, "-" if ascii_only else "━"), (1, "-" if ascii_only else "━")):
            frame.write(row, column + by, glyph, "cursor", ground=None)
        frame.write(row, column, "+" if ascii_only else "╋", "cursor", ground=None)

    def _rim(self, name: str, width: int) -> str:
        low, high = (f"{one:.3g}" for one in self.state.span.x)
        room = max(width - len(low) - len(high), 0)
        return f"{low}{name[: max(room - 2, 0)].center(room)}{high}"

    # ---- keys

    def _if_shown(self, make: Callable[[PlaneState], PlaneState]) -> None:
        if self.picture is not None:
            self.look(make(self.state))

    def action_move(self, right: int, up: int) -> None:
        """Move the cursor by cells."""
        span = self.state.span
        across = (span.x[1] - span.x[0]) / max(self.size.width, 1)
        down = (span.y[1] - span.y[0]) / max(self.size.height - 1, 1)
        x, y = self.state.cursor
        self._if_shown(lambda now: replace(now, cursor=(x + right * across, y + up * down)))

    def action_zoom(self, steps: int) -> None:
        """Go nearer to the cursor, or further from it."""
        factor = ZOOM_STEP**steps
        self._if_shown(lambda now: replace(now, span=now.span.zoomed(factor, now.cursor)))

    def action_corner(self) -> None:
        """Mark a corner of a line about particles."""
        self._if_shown(lambda now: replace(now, corners=(*now.corners, now.cursor), box_from=None))

    def action_box(self) -> None:
        """Begin a box at the cursor, or end it there."""
        begun = self.state.box_from
        if begun is not None:
            self._enclose(box_corners(begun, self.state.cursor))
        else:
            self._if_shown(lambda now: replace(now, box_from=now.cursor, corners=()))

    def action_enclose(self) -> None:
        """Close the line about particles, or the box."""
        self._enclose(self.state.outline())

    def _enclose(self, corners: tuple[Place, ...]) -> None:
        self.drop_line()
        self.post_message(self.Enclosed(np.array(corners).reshape(-1, 2)))

    # ---- mouse

    def _place_of(self, event: events.MouseEvent) -> Place:
        height, width = max(self.size.height - 1, 1), max(self.size.width, 1)
        return self.state.span.place((event.y + 0.5) / height, (event.x + 0.5) / width)

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Put the cursor there; a line may follow."""
        if event.button == 1 and self.picture is not None:
            self._held = self._place_of(event)
            self._dragged = [self._held]
            self.capture_mouse()
            self.look(replace(self.state, cursor=self._held))

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Draw a line with the mouse."""
        if self._held is None:
            return
        place = self._place_of(event)
        if place != self._dragged[-1]:
            self._dragged.append(place)
            self.look(replace(self.state, corners=tuple(self._dragged), box_from=None))

    def on_mouse_up(self) -> None:
        """End the line, where there is one."""
        if self._held is None:
            return
        self._held = None
        self.release_mouse()
        if len(self._dragged) > DRAG_CELLS:
            self._enclose(tuple(self._dragged))
        elif len(self._dragged) > 1:
            self.look(replace(self.state, corners=(), cursor=self._dragged[-1]))

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Go nearer."""
        event.stop()
        self.action_zoom(1)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Go further."""
        event.stop()
        self.action_zoom(-1)

"""The picture of a slice: fast, paced by the terminal, never more than one frame behind."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

from rich.segment import Segment
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip

from tomotui.tui.raster.artist import SliceArtist
from tomotui.tui.raster.capability import Capability
from tomotui.tui.raster.filters import filtered
from tomotui.tui.raster.loader import Image, SliceLoader
from tomotui.tui.raster.palette import DEFAULT_ROLES, LUT_NAMES
from tomotui.tui.raster.picture import Mark
from tomotui.tui.raster.strip import rich_style, strips_of
from tomotui.tui.raster.view import SliceViewState
from tomotui.tui.raster.volume import Axis, SliceSource
from tomotui.tui.raster.window import Window
from tomotui.tui.theme import Look
from tomotui.tui.widgets.slice_colours import roles_of, roles_of_picks
from tomotui.tui.widgets.slice_over import DrawnOver
from tomotui.tui.widgets.unmoved import UnmovedByFocus

PREFETCH = 8
"""Slices loaded ahead in the direction of travel."""
LONGEST_STRIDE = 10
"""Slices of a step, beyond which nothing is known of where the next one goes."""


def load_slice(source: SliceSource, axis: Axis, index: int, slab: int, filter_name: str) -> Image:
    """Read and filter a slice; runs in the loader's thread."""
    image = source.read(axis, index, slab)
    return filtered(image, source.pixel_size_angstrom, filter_name)


class _Told(Message):
    """What a view tells."""

    def __init__(self, sender: SliceView) -> None:
        super().__init__()
        self.slice_view = sender

    @property
    def control(self) -> SliceView:
        """The view that tells it."""
        return self.slice_view


class SliceView(DrawnOver, UnmovedByFocus, can_focus=True):
    """Shows slices of a source.

    The state is ``view``, a value: assigning another one draws it. Nothing is repainted by the
    assignment itself, for a terminal that is still busy with the last picture gets the newest
    state when it is done, not all those in between.

    Parameters
    ----------
    source
        What to look at; may be set later by ``show``.
    capability
        What the terminal can show.
    lut
        Name of the colour look-up table; the theme's when not given.

    Attributes
    ----------
    image
        The slice of the last picture.
    expected
        Slices that are likely to be wanted next, loaded before the neighbours.
    """

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {f"slice-view--{role}" for role in DEFAULT_ROLES}
    DEFAULT_CSS = """
    SliceView {
        width: 1fr; height: 1fr; background: $background;
        & > .slice-view--text { color: $foreground; }
        & > .slice-view--dim { color: $text-muted; }
        & > .slice-view--accent { color: $accent; }
        & > .slice-view--accepted { color: $success; }
        & > .slice-view--rejected { color: $error; }
        & > .slice-view--unsure { color: $warning; }
        & > .slice-view--undecided { color: $secondary; }
        & > .slice-view--shade { background: $panel; }
        & > .slice-view--cursor { background: $block-cursor-background; }
    }
    """

    view: reactive[SliceViewState] = reactive(SliceViewState(), repaint=False)
    marks: reactive[tuple[Mark, ...]] = reactive((), repaint=False)

    class Drawn(_Told):
        """A picture was drawn."""

        def __init__(self, sender: SliceView, n_bytes: int, cheap: bool) -> None:
            super().__init__(sender)
            self.n_bytes, self.cheap = n_bytes, cheap

    class Failed(_Told):
        """A slice could not be read."""

        def __init__(self, sender: SliceView, error: str) -> None:
            super().__init__(sender)
            self.error = error

    class Pointed(_Told):
        """A place was clicked: row and column of the slice in voxels, voxel i's middle at i."""

        def __init__(self, sender: SliceView, row: float, column: float) -> None:
            super().__init__(sender)
            self.row, self.column = row, column

    class SliceLoaded(Message, bubble=False):
        """The loader's thread has finished the slice that was wanted."""

        def __init__(self, key: Hashable, error: str) -> None:
            super().__init__()
            self.key = key
            self.error = error

    def __init__(
        self,
        source: SliceSource | None = None,
        capability: Capability | None = None,
        *,
        lut: str | None = None,
        name: str | None = None,
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        capability = capability or Capability()
        super().__init__(name=name, id=id, classes=classes)
        self.expects_answers = capability.answers_cursor_report is not False
        self.artist = SliceArtist(capability, lut or "grey")
        self._own_lut = lut
        self.error = ""
        self.image: Image | None = None
        self._source: SliceSource | None = None
        self._other: tuple[SliceSource | None, int] | None = None
        self._generation = self._newest = 0
        self._loader = SliceLoader(self._loaded_in_thread)
        self._strips: list[Strip] = []
        self._strips_size = Size(0, 0)
        self._blank: Strip | None = None
        self._direction = 1
        self._strides = True
        self.expected: Sequence[int] = ()
        self.set_reactive(SliceView.view, SliceViewState(glyphs=self.artist.capability.glyphs))
        if source is not None:
            self.show(source)

    # ---- what is shown

    @property
    def source(self) -> SliceSource | None:
        """What is looked at."""
        return self._source

    @property
    def window(self) -> Window | None:
        """The contrast of the picture on the screen."""
        return self.artist.window

    def show(self, source: SliceSource, view: SliceViewState | None = None) -> None:
        """Look at another source, at its middle slice or in a given state."""
        same_kind = self._source is not None and self._source.is_stack == source.is_stack
        self._source = source
        self._other = None
        self._new_generation()
        self.artist.forget_windows()
        self._strips = []
        self.error = ""
        if view is None:
            view = SliceViewState(
                index=source.n_slices("z") // 2,
                glyphs=self.view.glyphs,
                inverted=self.view.inverted,
                filter_name=self.view.filter_name,
                slab=self.view.slab if same_kind else 0,
            )
        self.set_reactive(SliceView.view, view.clamped(source.shape, source.axes))
        self.redraw()

    def blink(self, source: SliceSource, view: SliceViewState) -> None:
        """Look at another source once it can be drawn; slices and contrast of this one are kept."""
        before, known = (self._source, self._generation), self._other
        if known is not None and known[0] is source:
            self._generation = self.artist.subject = known[1]
        else:
            self._new_generation()
        self._source, self._other = source, before
        self.error = ""
        self.set_reactive(SliceView.view, view.clamped(source.shape, source.axes))
        self.redraw()

    def _new_generation(self) -> None:
        self._newest += 1
        self._generation = self.artist.subject = self._newest

    def place_at(self, x: float, y: float) -> tuple[float, float] | None:
        """Return the row and column of the slice, in voxels, under the middle of a cell."""
        if self._source is None:
            return None
        grid = self.artist.grid(self._source, self.view, self.cells)
        glyphs = self.artist.glyphs(self.view)
        row = grid.top + (y + 0.5) * glyphs.rows * grid.row_step - 0.5
        column = grid.left + (x + 0.5) * glyphs.columns * grid.column_step - 0.5
        return row, column

    def move_slice(self, step: int) -> None:
        """Go ``step`` slices on."""
        if self._source is not None:
            self.view = self.view.moved(step, self._source.shape)

    @property
    def can_be_held(self) -> bool:
        """Whether there is a slice to take hold of."""
        return self._source is not None

    def drag(self, rows: int, columns: int) -> None:
        """Pan against so many cells, down and to the right."""
        if self._source is not None:
            width = self.voxels_per_cell()
            height = width * self.artist.capability.cell_aspect
            self.view = self.view.panned(-rows * height, -columns * width, self._source.shape)

    def point_at(self, x: int, y: int) -> None:
        """Tell which place was clicked."""
        place = self.place_at(x, y)
        if place is not None:
            self.post_message(self.Pointed(self, *place))

    def voxels_per_cell(self) -> float:
        """Return voxels across the width of a character cell."""
        assert self._source is not None
        return self.view.voxels_per_cell(
            self._source.shape, self.cells, self.artist.capability.cell_aspect
        )

    def sub_pixel_voxels(self) -> float:
        """Return voxels across the width of a sub-pixel."""
        return self.voxels_per_cell() / self.artist.glyphs(self.view).columns

    def extent_voxels(self) -> tuple[float, float]:
        """Return height and width of what is seen, in voxels."""
        height, width = self.cells
        per_cell = self.voxels_per_cell()
        return height * per_cell * self.artist.capability.cell_aspect, width * per_cell

    @property
    def cells(self) -> tuple[int, int]:
        """Height and width of the picture."""
        return max(self.size.height, 1), max(self.size.width, 1)

    def watch_view(self, old: SliceViewState, new: SliceViewState) -> None:
        """Draw the new state."""
        if new.index != old.index and new.axis == old.axis:
            self._direction = 1 if new.index > old.index else -1
            self._strides = abs(new.index - old.index) <= LONGEST_STRIDE
        self.redraw()

    def watch_marks(self) -> None:
        """Draw the new marks."""
        self.redraw()

    # ---- life

    def on_unmount(self) -> None:
        """Stop loading."""
        self._loader.close()

    def on_resize(self) -> None:
        """Drop the picture of the old size; the new one comes when the layout is at rest."""
        self._strips = []

    # ---- drawing

    def make_picture(self, cheap: bool) -> int | None:
        """Make the picture of the present state, or ask for its slice."""
        source = self._source
        image = self._image(source) if source is not None else None
        if source is None or image is None:
            return None
        self.error = ""
        tolerance = 1 if self.pacer.is_slow(self.full_bytes) else 0
        view, marks = self.view, (*self.marks, *self.marks_of(self.view))
        over = self.trails_of(view), self.stain_of(view)
        frame = self.artist.draw(source, view, image, self.cells, marks, cheap, tolerance, *over)
        self.image = image
        self._strips, n_bytes = strips_of(frame)
        self._strips_size = self.size
        return n_bytes

    def picture_made(self) -> None:
        """Tell whoever shows the numbers."""
        self.post_message(self.Drawn(self, self.n_bytes, self.is_cheap))

    def _image(self, source: SliceSource) -> Image | None:
        """Return the slice if it is there; otherwise it will announce itself."""
        view = self.view

        def item(index: int) -> tuple[Hashable, Any]:
            key = (self._generation, view.axis, index, view.slab, view.filter_name)
            load = partial(load_slice, source, view.axis, index, view.slab, view.filter_name)
            return key, load

        key, load = item(view.index)
        image = self._loader.get(key)
        if image is None:
            self._loader.request(key, load)
        last = source.n_slices(view.axis) - 1
        ahead = [view.index + self._direction * step for step in range(1, PREFETCH + 1)]
        ahead = [*self.expected, *(ahead if self._strides else ())]
        self._loader.prefetch([item(index) for index in ahead if 0 <= index <= last])
        return image

    def _loaded_in_thread(self, key: Hashable, image: Image | None, error: str) -> None:
        self.post_message(self.SliceLoaded(key, error if image is None else ""))

    def on_slice_view_slice_loaded(self, message: SliceLoaded) -> None:
        """Draw the slice that has come, unless another is wanted by now."""
        if not message.error:
            if self.is_waiting:
                self.redraw()
            return
        if isinstance(message.key, tuple) and message.key[0] != self._generation:
            return
        self.error = message.error
        self._strips = []
        self.give_up_picture()
        self.post_message(self.Failed(self, message.error))

    def auto_contrast(self) -> None:
        """Make the automatic window anew from what is seen now."""
        self.artist.forget_windows()
        self.view = replace(self.view, window=None)
        self.redraw()

    def take_colours(self) -> None:
        """Use the theme's colours for what is drawn over the picture."""
        self._blank = None
        roles = roles_of(self, "slice-view")
        look = getattr(self.app, "look", None)
        if isinstance(look, Look):
            named = look.image.lut if look.image.lut in LUT_NAMES else "grey"
            self.artist.lut = self._own_lut or named
            roles |= roles_of_picks(look)
        self.artist.use_roles(roles)

    # ---- painting

    def render_lines(self, crop: Region) -> list[Strip]:
        """Return the rows of the last picture; empty rows where it does not fit any more."""
        width, height = self.size
        if self._strips and self._strips_size == self.size:
            self.picture_painted()
            rows: Sequence[Strip] = self._strips[crop.y : crop.bottom]
        else:
            rows = [self._empty_row(y, width, height) for y in range(crop.y, crop.bottom)]
        if crop.x == 0 and crop.width >= width:
            return list(rows)
        return [row.crop(crop.x, crop.right) for row in rows]

    def render_line(self, y: int) -> Strip:
        """Return one row."""
        rows = self.render_lines(Region(0, y, self.size.width, 1))
        return rows[0] if rows else Strip.blank(self.size.width)

    def _empty_row(self, y: int, width: int, height: int) -> Strip:
        if self.error and y == height // 2:
            text = self.error[:width].center(width)
            return Strip([Segment(text, self.rich_style)])
        if self._blank is None or self._blank.cell_length != width:
            palette = self.artist.palette()
            outside = palette.role("outside")
            self._blank = Strip.blank(width, rich_style(palette, outside, outside))
        return self._blank

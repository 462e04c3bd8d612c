"""The candidates of a review as a sheet of tiles, many decided at once."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, ClassVar, NamedTuple, cast

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.message import Message
from textual.widgets import Static

from tomotui.project.decisions import Entry
from tomotui.records import Verdict
from tomotui.tui.actions import bindings
from tomotui.tui.raster.cutouts import Boxes, Cut, Image, Voxel, plane
from tomotui.tui.raster.filters import FILTER_PRESETS
from tomotui.tui.raster.loader import ByteLru, SliceError
from tomotui.tui.raster.volume import SliceSource
from tomotui.tui.review import Review
from tomotui.tui.screens.base import NO_BREAKPOINTS, Frame
from tomotui.tui.screens.places import to_voxel
from tomotui.tui.screens.slice_choices import Choice
from tomotui.tui.screens.wait import make
from tomotui.tui.widgets.candidate_list import score_words, verdict_glyph
from tomotui.tui.widgets.tile_sheet import Tile, TileSheet
from tomotui.tui.wording import counted, fitting

if TYPE_CHECKING:
    from tomotui.tui.screens.picks_mode import PicksMode

CACHE_BYTES = 48 * 2**20


class Wanted(NamedTuple):
    """An image that is missing: which volume, where, and its key."""

    key: Hashable
    choice: Choice
    position: tuple[float, float, float]


class GalleryScreen(Frame):
    """Shows tiles of a review; escape, ``g`` and enter go back to the slice.

    Parameters
    ----------
    picks
        The screen whose review this is; it knows the volumes.
    """

    mode = "picks"
    ABOUT = "gallery"
    PROSE = (
        "Each tile is a slab cut out about a candidate, all in one contrast. a, x and s decide "
        "the tile under the cursor, or all of a range begun with v; the same key takes it back. "
        "A accepts all undecided ones of the page, d drops all that follow in the order."
    )
    HORIZONTAL_BREAKPOINTS = NO_BREAKPOINTS
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("gallery")]
    CSS = """
    GalleryScreen #gallery-status { height: 1; background: $panel; color: $text-muted; }
    """

    class TilesCut(Message, bubble=False):
        """Images were cut out, or could not be."""

        def __init__(self, page: int, images: dict[Hashable, Image], error: str) -> None:
            super().__init__()
            self.page, self.images, self.error = page, images, error

    def __init__(self, picks: PicksMode) -> None:
        super().__init__()
        self.picks = picks
        self._cache = ByteLru(CACHE_BYTES)
        self._sources: dict[str, SliceSource] = {}
        self._images: dict[Hashable, Image] = {}
        self._keys: list[Hashable] = []
        self._page = -1
        self._anchor: int | None = None
        self._filter = picks.slice_view.view.filter_name
        self._error = ""
        self._is_cutting = False

    @property
    def review(self) -> Review:
        """The review that is shown."""
        assert self.picks.review is not None
        return self.picks.review

    @property
    def sheet(self) -> TileSheet:
        """The tiles."""
        return self.query_one(TileSheet)

    def compose_body(self) -> ComposeResult:
        """Lay out the sheet and one line of state."""
        sheet = TileSheet(self.picks.capability, id="gallery-sheet")
        sheet.glyphs = self.picks.slice_view.view.glyphs
        sheet.inverted = self.picks.slice_view.view.inverted
        yield sheet
        yield Static(id="gallery-status", markup=False)

    def on_mount(self) -> None:
        """Take the keys."""
        self.sheet.focus()

    def crumbs(self) -> tuple[str, ...]:
        """Return the set."""
        return (self.review.curation.particle_set.name, "gallery")

    # ---- the page

    @property
    def per_page(self) -> int:
        """Tiles of a page."""
        rows, columns = self.sheet.shape
        return rows * columns

    @property
    def first(self) -> int:
        """Place of the first tile of the page."""
        return self.review.place // self.per_page * self.per_page

    def places(self) -> range:
        """Return the places of the page."""
        return range(self.first, min(self.first + self.per_page, len(self.review)))

    @on(TileSheet.Resized)
    def _resized(self) -> None:
        self._page = -1
        self.show()

    def show(self) -> None:
        """Show the page that the cursor is on; images that are missing are cut in a thread."""
        review = self.review
        page = self.first
        if page != self._page or len(self._keys) != len(self.places()):
            self._page = page
            self._images, self._keys = {}, []
            wanted = []
            for place in self.places():
                one = self._wanted(int(review.rows[place]))
                self._keys.append(one.key)
                image = self._cache.get(one.key)
                if image is None:
                    wanted.append(one)
                else:
                    self._images[one.key] = image
            self._is_cutting = bool(wanted)
            if wanted:
                self._cut(page, wanted)
        if self._images or not self._is_cutting:
            self._draw()
        self._say_where()

    def _draw(self) -> None:
        self.sheet.show(
            [self._tile(p, k) for p, k in zip(self.places(), self._keys, strict=True)], self._images
        )

    def _wanted(self, row: int) -> Wanted:
        table = self.review.curation.table
        x, y, z = table.positions_angstrom[row].tolist()
        choice = self.picks.volume_of(row)
        key = (choice.uid if choice else "", str(table.uids[row]), x, y, z, self._filter)
        return Wanted(key, cast(Choice, choice), (x, y, z))

    def _tile(self, place: int, key: Hashable) -> Tile:
        table = self.review.curation.table
        row = int(self.review.rows[place])
        verdict, number = str(table.decisions[row]), int(table.classes[row])
        sign = verdict_glyph(verdict, self.picks.ascii_only) + (str(number) if number > 0 else "")
        return Tile(
            key,
            f"{place + 1:03d} {score_words(float(table.scores[row]))}",
            verdict,
            sign,
            chosen=place == self.review.place,
            in_range=place in self._range() and self._anchor is not None,
        )

    @work(thread=True, exclusive=True, group="tiles", exit_on_error=False)
    def _cut(self, page: int, wanted: list[Wanted]) -> None:
        images, error = {}, ""
        for one in wanted:
            try:
                images[one.key] = self._image(one)
            except (SliceError, OSError) as problem:
                error = str(problem)
            if self._page != page:
                break
        self.post_message(self.TilesCut(page, images, error))

    def _image(self, one: Wanted) -> Image:
        """Cut one image; runs in the thread of tiles."""
        if one.choice is None:
            raise SliceError("a candidate lies in a tomogram that is not there any more")
        source = self._sources.get(one.choice.uid)
        if source is None:
            source = self._sources[one.choice.uid] = one.choice.open(self.picks.project.folder)
        assert isinstance(source, Boxes)
        voxel: Voxel = to_voxel(source, one.position)
        pixel = source.pixel_size_angstrom
        cut = Cut.about(self.picks.diameter_angstrom, pixel, self._filter)
        return plane(source, voxel, "z", cut)

    def on_gallery_screen_tiles_cut(self, message: TilesCut) -> None:
        """Draw what was cut out, unless another page is shown by now."""
        for key, image in message.images.items():
            self._cache.put(key, image)
        if message.page != self._page:
            return
        self._error, self._is_cutting = message.error, False
        fresh = {key: image for key, image in message.images.items() if key in self._keys}
        self._images = {**self._images, **fresh}
        self._draw()
        self._say_where()

    def _say_where(self) -> None:
        review = self.review
        counts = review.curation.counts()
        n_pages = -(-len(review) // self.per_page)
        parts = [
            f"page {self.first // self.per_page + 1}/{max(n_pages, 1)}",
            f"{len(review)} by {review.order}",
            *(f"{counts[word]} {word}" for word in ("accepted", "rejected", "unsure")),
            f"filter {self._filter}" if self._filter != "none" else "",
            "RANGE: a x s decide it, v ends" if self._anchor is not None else "",
            self._error,
        ]
        words = fitting([part for part in parts if part], self.size.width - 2)
        self.query_one("#gallery-status", Static).update(f" {words}")

    # ---- moving

    def action_move(self, columns: int, rows: int) -> None:
        """Go to another tile; beyond the rim to another page."""
        self.review.go_to(self.review.place + columns + rows * self.sheet.shape[1])
        self.show()

    def action_page(self, step: int) -> None:
        """Go to the first tile of another page."""
        self.review.go_to(self.first + step * self.per_page)
        self.show()

    def action_first(self) -> None:
        """Go to the first tile."""
        self.review.go_to(0)
        self.show()

    def action_last(self) -> None:
        """Go to the last tile."""
        self.review.go_to(len(self.review))
        self.show()

    @on(TileSheet.Pointed)
    def _pointed(self, event: TileSheet.Pointed) -> None:
        self.review.go_to(self.first + event.number)
        self.show()

    # ---- acts

    def _range(self) -> range:
        """Return the places that are meant: those of the range, or the one under the cursor."""
        here = self.review.place
        anchor = here if self._anchor is None else self._anchor
        return range(min(here, anchor), min(max(here, anchor) + 1, len(self.review)))

    def action_range(self) -> None:
        """Begin a range, or end it without doing anything."""
        self._anchor = self.review.place if self._anchor is None else None
        self.show()

    def action_judge(self, verdict: str) -> None:
        """Decide what is meant; what has that decision already becomes undecided again."""
        if self.tomotui.refuse_when_read_only() or not len(self.review):
            return
        rows = self.review.rows[list(self._range())]
        now = self.review.curation.table.decisions[rows]
        given = "undecided" if (now == verdict).all() else verdict
        self.review.curation.decide(rows, cast(Verdict, given))
        self._anchor = None
        self.show()

    def action_accept_page(self) -> None:
        """Accept the undecided ones of the page: they were all looked at."""
        if self.tomotui.refuse_when_read_only():
            return
        rows = self.review.rows[list(self.places())]
        rows = rows[self.review.curation.is_open[rows]]
        if len(rows):
            self.review.curation.decide(rows, "accepted")
            self.say(f"{counted(len(rows), 'candidate')} accepted; u takes it back")
            self.show()

    def action_drop(self) -> None:
        """Reject this one and all undecided ones that follow, as one act."""
        if self.tomotui.refuse_when_read_only():
            return
        rest = self.review.rest()
        if not len(rest):
            self.say("nothing undecided from here on")
            return

        def dropped(decisions: Sequence[Entry]) -> None:
            self.show()
            self.say(f"{counted(len(decisions), 'candidate')} rejected; u takes it back")

        def answered(yes: bool | None) -> None:
            if yes:
                curation = self.review.curation
                make(self, curation, curation.drop_act(rest), dropped)

        self.tomotui.confirm(
            f"Reject {counted(len(rest), 'undecided candidate')}: this one and all that follow?",
            f"The order is by {self.review.order}. One act, which u takes back.",
            answered,
        )

    def action_undo_act(self) -> None:
        """Take the last act back."""
        self._return(undo=True)

    def action_redo_act(self) -> None:
        """Make again what was taken back."""
        self._return(undo=False)

    def _return(self, *, undo: bool) -> None:
        if self.tomotui.refuse_when_read_only():
            return
        words = "taken back" if undo else "made again"
        nothing = f"there is nothing to {'take back' if undo else 'make again'}"

        def returned(decisions: Sequence[Entry]) -> None:
            self.review.returned(decisions)
            self.say(f"{words}: {counted(len(decisions), 'decision')}" if decisions else nothing)
            self.show()

        curation = self.review.curation
        make(self, curation, curation.undo_act() if undo else curation.redo_act(), returned)

    def action_sort(self) -> None:
        """Take the next order."""
        self.review.next_order()
        self._page = -1
        self.show()
        self.say(f"sorted by {self.review.order}")

    def action_show(self) -> None:
        """List those of another decision."""
        self.review.next_show()
        self._page = -1
        self.show()
        self.say(f"shown: {self.review.show}")

    def action_filter(self) -> None:
        """Take the next low-pass filter."""
        names = list(FILTER_PRESETS)
        self._filter = names[(names.index(self._filter) + 1) % len(names)]
        self._page = -1
        self.show()

    def action_slice(self) -> None:
        """Look at this one in its slice."""
        self.dismiss(None)

    def go_back(self) -> bool:
        """Drop a range, or go back to the slice."""
        if self._anchor is not None:
            self.action_range()
        else:
            self.dismiss(None)
        return True

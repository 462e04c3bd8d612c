"""The slices of the project's series, framed like the other modes and told of what is new."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.message import Message
from textual.widgets import Footer

from tomotui.project import Project
from tomotui.tui.actions import bindings
from tomotui.tui.feeds import Feed, Observation
from tomotui.tui.memory import place_of, view_of
from tomotui.tui.raster.capability import Capability
from tomotui.tui.raster.picture import Trail
from tomotui.tui.raster.tiers import GlyphName
from tomotui.tui.raster.tilt_stack import TiltStack
from tomotui.tui.raster.view import SliceViewState
from tomotui.tui.screens.base import NO_BREAKPOINTS, Frame
from tomotui.tui.screens.slice_choices import Choice
from tomotui.tui.screens.slices import SlicesScreen
from tomotui.tui.screens.slices_again import SlicesAgain
from tomotui.tui.screens.tilt_choices import launch_again, toggle_tilt
from tomotui.tui.session import PicksWish
from tomotui.tui.snapshots import Counts, read_counts

Seen = tuple[Counts, str | None, tuple[str, ...]]
"""The queue, a series, what is left out of it, and its alignments and tomograms."""


class SlicesMode(SlicesAgain, Frame):
    """The slices screen with header, status bar and command line."""

    mode = "slices"
    ABOUT = "slices"
    PROSE = (
        "Tilt images and tomograms, slice by slice. Contrast follows what is seen until you set "
        "it; . and , go to the next and previous series, b to its other volumes. The space bar "
        "shows a restored tomogram and the measured one in turn, at the same place; d shows them "
        "side by side, D compares with the next other volume or half, B keeps blinking. "
        "Correlation is Pearson's, of what is seen; difference is the root mean square of what "
        "the second volume does not explain, as a part of the first. F shows the power spectrum "
        "beside the slice, with rings of resolution and, in XZ, the lines of the missing wedge; "
        "a thicker slab averages it. O shows three planes through one point. l draws particles, "
        "then scores or maps put back, over the slices; S chooses the particles. g shows a "
        "crosshair that arrows move, and H a picture at the full resolution of the screen. On "
        "tilt images t draws the tracks of the alignment, x leaves the tilt out (u takes that "
        "back), L runs a stage again."
    )
    HORIZONTAL_BREAKPOINTS = NO_BREAKPOINTS
    # The style sheet of the base class speaks of the base class.
    SCOPED_CSS = False
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("tilt")]

    class News(Message, bubble=False):
        """The feed has something new."""

        def __init__(self, observation: Observation[Seen]) -> None:
            super().__init__()
            self.observation = observation

    def __init__(self, project: Project, capability: Capability, series_name: str | None) -> None:
        super().__init__(project, capability, series_name)
        self._known: Seen | None = None
        self._news_feed: Feed[Seen] | None = None
        self._with_tracks = False
        kept, glyphs = self.kept_session, capability.glyphs
        self._states = {uid: view_of(place, glyphs) for uid, place in kept.places.items()}
        self._seen_last = kept.volume

    def compose(self) -> ComposeResult:
        """Lay out the picture between header and status bar."""
        yield from Frame.compose(self)

    def compose_body(self) -> ComposeResult:
        """Lay out the picture; the status bar takes the footer's place."""
        for widget in SlicesScreen.compose(self):
            if not isinstance(widget, Footer):
                yield widget

    def on_mount(self) -> None:
        """Begin to watch the series that is shown."""
        self.bookmarks = self.tomotui.session.bookmarks
        self._news_feed = Feed(
            self.project.folder,
            _read,
            lambda seen: self.post_message(self.News(seen)),
            subject=self._series_name,
        )
        self.watch_feed(self._news_feed)

    def on_screen_resume(self) -> None:
        """Show the series that was asked for meanwhile."""
        wanted = self.tomotui.take_wanted_series()
        if wanted is not None and wanted != self._series_name:
            self.show_series(wanted)

    def show_series(self, name: str) -> None:
        """Show the newest tomogram of a series, or its tilt images."""
        super().show_series(name)
        self.tomotui.session.series = self._series_name
        if self._news_feed is not None:
            self._news_feed.look_at(self._series_name)
        self.update_header()

    def choice_to_begin_with(self, choices: Sequence[Choice]) -> Choice:
        """Return the volume that was seen when the program was left, once; then the newest."""
        wanted, self._seen_last = self._seen_last, None
        seen = next((one for one in choices if one.uid == wanted), None)
        return seen or super().choice_to_begin_with(choices)

    def keep_place(self) -> None:
        """Keep which slices were seen, and how."""
        shown = self._shown
        if shown is None or self.slice_view.source is None:
            return
        views = {**self._states, shown.uid: self.slice_view.view}
        # The last one seen is the last to be forgotten.
        views[shown.uid] = views.pop(shown.uid)
        self.kept_session.keep_places({uid: place_of(view) for uid, view in views.items()})
        self.kept_session.volume = shown.uid
        self.keep_sight()

    def crumbs(self) -> tuple[str, ...]:
        """Return the series."""
        return (self._series_name,) if self._series_name else ()

    def picks_wish(self) -> PicksWish | None:
        """Return the series that is shown."""
        return PicksWish((self._series_name,), narrow=False) if self._series_name else None

    def on_slices_mode_news(self, message: News) -> None:
        """Let header and picture follow what has changed in the project."""
        seen = message.observation.value
        self.set_alarm(message.observation.error)
        if seen is None:
            return
        before, self._known = self._known, seen
        self.counts, name, uids = seen
        self.update_header()
        if name is None:
            first = self.project.tilt_series()
            if first:
                self.show_series(first[0].name)
        elif before is not None and before[1] == name and before[2] != uids:
            self.source_changed(name)

    # ---- single tilts

    def _stack(self) -> TiltStack | None:
        """Return the tilt images that are shown; say how to see them when they are not."""
        source = self.slice_view.source
        if isinstance(source, TiltStack):
            return source
        self._say("this is a tomogram: b shows the tilt images")
        return None

    def action_tracks(self) -> None:
        """Draw the tracks of patches over the images, or not."""
        stack = self._stack()
        if stack is None:
            return
        self._with_tracks = not self._with_tracks
        self.slice_view.draw_over(self._trails if self._with_tracks else None)
        if not self._with_tracks:
            return
        if not stack.is_aligned:
            self._say(f"{stack.name} is not aligned yet: L runs align")
        elif stack.tracks is None:
            self._say("this alignment has kept no tracks: L runs align again")

    def _trails(self, view: SliceViewState) -> list[Trail]:
        source = self.slice_view.source
        if isinstance(source, TiltStack) and source.tracks is not None:
            return source.tracks.over(source, view)
        return []

    def action_exclude(self) -> None:
        """Leave the tilt that is shown out, or take it in again."""
        stack = self._stack()
        if stack is not None and not self.tomotui.refuse_when_read_only():
            index = self.slice_view.view.index
            toggle_tilt(self.tomotui, stack.series, index, not stack.is_excluded(index))

    def action_launch_again(self) -> None:
        """Run a stage again on this series."""
        if self.choice is not None:
            series = self.choice.series
            alignment = self.project.latest("alignment", series.uid)
            launch_again(self.tomotui, series, alignment)

    def renderer_chosen(self, name: GlyphName) -> None:
        """Keep what draws in this terminal."""
        self.tomotui.keep_glyphs(name)

    def action_zoom_pane(self) -> None:
        """Give the picture the columns of the facts, or give them back."""
        self.toggle_class("-zoomed")

    def texts_to_copy(self) -> dict[str, str]:
        """Return what can be copied of what is seen, by kind."""
        return {**super().texts_to_copy(), "name": self._series_name or ""}

    def action_back(self) -> None:
        """Go to the screen before."""
        self.tomotui.action_go_back()


def _read(project: Project, name: str | None) -> Seen:
    series = project.series_named(name) if name else None
    if series is None:
        # With no series chosen, any that comes is news.
        return read_counts(project), None, tuple(one.uid for one in project.tilt_series())
    records = (*project.records("alignment", series.uid), *project.records("tomogram", series.uid))
    left_out = ",".join(str(tilt.index) for tilt in series.tilts if tilt.excluded)
    uids = (f"{series.uid} without {left_out}", *(record.uid for record in records))
    return read_counts(project), name, uids

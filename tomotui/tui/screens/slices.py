"""The screen of slices: one tomogram or tilt series, as large as the terminal allows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from textual import events, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container, Horizontal
from textual.message import Message
from textual.reactive import reactive
from textual.widgets import Footer, Static

from tomotui.records import TiltSeries
from tomotui.tui.actions import bindings
from tomotui.tui.raster.capability import Capability
from tomotui.tui.raster.linked import linked_view
from tomotui.tui.raster.loader import SliceError
from tomotui.tui.raster.tilt_stack import TiltStack
from tomotui.tui.raster.view import SliceViewState
from tomotui.tui.raster.volume import SliceSource
from tomotui.tui.screens.slice_choices import (
    NO_SERIES,
    Choice,
    SliceRecords,
    choices_of,
    newest_of,
    with_halves,
)
from tomotui.tui.screens.slice_cross import CrossShowing
from tomotui.tui.screens.slice_facts import slice_facts
from tomotui.tui.session import Bookmark
from tomotui.tui.slice_actions import SCREEN_ACTIONS
from tomotui.tui.widgets.slice_view import SliceView
from tomotui.tui.wording import fitting

PANEL_COLUMNS = 30
"""Width of the panel of facts."""
ROOM_FOR_PANEL = 110
"""Terminals narrower than this give all columns to the picture."""


class SlicesScreen(CrossShowing):
    """Look through the slices of a series.

    Parameters
    ----------
    project
        Where the records come from.
    capability
        What the terminal can show.
    series_name
        The series to begin with; the first of the project when not given.
    """

    HELP = """\
    # Slices

    The picture is drawn with characters: the finest that this terminal shows rightly. `R` tries
    others. Protein is dark in tomograms; `I` inverts. Contrast follows what is seen until you set
    it; `c` goes back to automatic, and pressed again to the values kept with the tomogram. The
    space bar shows a restored tomogram and the measured one in turn.
    """
    BINDINGS: ClassVar[list[BindingType]] = bindings(*(each.id for each in SCREEN_ACTIONS))
    CSS = f"""
    SlicesScreen {{
        layout: vertical;
        & #slices-body {{ height: 1fr; }}
        & #slices-panel {{
            width: {PANEL_COLUMNS}; height: 1fr; padding: 0 1; background: $panel;
            color: $foreground;
        }}
        & #slices-status {{ height: 1; background: $panel; color: $text-muted; }}
        &.-narrow #slices-panel, &.-zoomed #slices-panel {{ display: none; }}
        & #slices-pictures {{ width: 1fr; height: 1fr; layout: horizontal; }}
        & #slices-beside {{ display: none; margin-left: 1; }}
        &.-beside #slices-beside {{ display: block; }}
        &.-stacked #slices-pictures {{ layout: vertical; }}
        &.-stacked #slices-beside {{ margin: 1 0 0 0; }}
    }}
    """

    choice: reactive[Choice | None] = reactive(None, repaint=False)

    class SourceOpened(Message, bubble=False):
        """A file was opened, or could not be."""

        def __init__(self, choice: Choice, source: SliceSource | None, error: str) -> None:
            super().__init__()
            self.choice = choice
            self.source = source
            self.error = error

    def __init__(
        self,
        project: SliceRecords,
        capability: Capability | None = None,
        series_name: str | None = None,
    ) -> None:
        super().__init__()
        self.project = project
        self.capability = capability or Capability()
        self._series_name = series_name
        self._states: dict[str, SliceViewState] = {}
        self._pair: dict[str, SliceSource] = {}
        self._blinks_to = self._compares_with = ""
        self._offer = ""
        self._known_uids: set[str] = set()
        self.bookmarks: dict[str, Bookmark] = {}

    def compose(self) -> ComposeResult:
        """Lay out the picture on the left, facts on the right, one line of state below."""
        with Horizontal(id="slices-body"):
            with Container(id="slices-pictures"):
                yield SliceView(capability=self.capability, id="slices-view")
                yield SliceView(capability=self.capability, id="slices-beside")
            yield Static(id="slices-panel", markup=False)
        yield Static(id="slices-status", markup=False)
        yield Footer()

    # ---- what is shown

    def on_mount(self) -> None:
        """Show the series that was asked for."""
        self.slice_view.focus()
        self.watch_companion()
        series = self._series()
        names = [one.name for one in series]
        at = names.index(self._series_name) if self._series_name in names else 0
        if series:
            self.show_series(series[at].name)
        else:
            self._say(NO_SERIES)

    def on_resize(self, event: events.Resize) -> None:
        """Give narrow terminals the whole width for the picture."""
        self.set_class(event.size.width < ROOM_FOR_PANEL, "-narrow")
        self.call_after_refresh(self.share_room)

    def _series(self) -> list[TiltSeries]:
        return list(self.project.tilt_series())

    def show_series(self, name: str) -> None:
        """Show the newest tomogram of a series, or its tilt images."""
        series = next((one for one in self._series() if one.name == name), None)
        if series is None:
            self._say(f"there is no tilt series {name}")
            return
        self._series_name = name
        self._offer = ""
        choices = choices_of(self.project, series)
        self._known_uids = {one.uid for one in with_halves(choices)}
        self.choice = self.choice_to_begin_with(choices)

    def choice_to_begin_with(self, choices: Sequence[Choice]) -> Choice:
        """Return what is shown of a series first: the newest tomogram, or its tilt images."""
        return newest_of(choices)

    def source_changed(self, name: str) -> None:
        """Take note that records of a series have changed; offer what is new, disturb nothing."""
        if self.choice is None:
            self.show_series(name)
            return
        if name != self.choice.series.name:
            return
        series = next((one for one in self._series() if one.name == name), None)
        choices = choices_of(self.project, series) if series else []
        if not choices:
            return
        newest = newest_of(choices)
        if newest.uid not in self._known_uids and newest.tomogram is not None:
            self._offer = f"new: {newest.label} (b shows it)"
        self._known_uids = {one.uid for one in with_halves(choices)}
        if self._shown is not None:
            self._compares_with = self._partner_words()
        gone = self.choice.uid not in self._known_uids
        if gone or (self.choice.tomogram is None and choices[0] != self.choice):
            # The same tilt images with another alignment: what is shown must follow.
            self.choice = choices[0]
        self._update_status()

    def watch_choice(self, choice: Choice | None) -> None:
        """Open the file in a thread: a slow file system must not hold up keys."""
        if choice is not None and self.is_attached:
            self._say(f"opening {choice.label}")
            self._open(choice)

    @work(thread=True, exclusive=True, group="slices-open", exit_on_error=False)
    def _open(self, choice: Choice) -> None:
        try:
            source, error = choice.open(self.project.folder), ""
        except SliceError as problem:
            source, error = None, str(problem)
        self.post_message(self.SourceOpened(choice, source, error))

    def on_slices_screen_source_opened(self, message: SourceOpened) -> None:
        """Show the file, where one was before in that file."""
        if message.choice != self.choice:
            return
        blinks = self._blinks_to == message.choice.uid and self._shown is not None
        self._blinks_to = ""
        if message.source is None:
            if blinks:
                self.set_reactive(SlicesScreen.choice, self._shown)
            self._say(message.error)
            return
        if blinks:
            self._blink(message.choice, message.source)
            return
        if self._shown is not None:
            self._states[self._shown.uid] = self.slice_view.view
        before, self._shown = self._shown, message.choice
        state = self._states.get(message.choice.uid)
        if state is None and before is not None and before.series.uid == message.choice.series.uid:
            state = self._same_place(before, message.choice)
        self._pair = {message.choice.uid: message.source}
        self._compares_with = self._partner_words()
        self.slice_view.show(message.source, state)
        self.subject_changed()
        self._update_status()

    def _same_place(self, before: Choice, now: Choice) -> SliceViewState | None:
        """Return the state of the view when both have the same voxels, or the same images."""
        old, new = before.tomogram, now.tomogram
        if old is None and new is None and before.series.stack_path == now.series.stack_path:
            return self.slice_view.view
        if old is None or new is None or old.size_xyz != new.size_xyz:
            return None
        return replace(self.slice_view.view, window=None)

    # ---- what is said

    def on_slice_view_drawn(self) -> None:
        """Say how the picture was made."""
        self._update_status()

    def on_slice_view_failed(self, message: SliceView.Failed) -> None:
        """Say why there is no picture."""
        self._say(message.error)

    def _say(self, text: str) -> None:
        self.query_one("#slices-status", Static).update(f" {text}")
        if len(text) >= self.size.width > 0:
            # There it is read to its end.
            self.app.notify(text, severity="warning")

    def _update_status(self) -> None:
        source = self.slice_view.source
        if source is None or self._shown is None:
            return
        facts = slice_facts(self.slice_view, source)
        keys = ("where", "slab", "filter", "contrast", "drawn")
        parts = [self._shown.label, *(facts[key] for key in keys if facts.get(key))]
        cross = self.cross_facts()
        facts |= cross
        parts[1:1] = [words for words in (self.overlay_words(), self.beside_words()) if words]
        parts[1:1] = ["  ".join(f"{key} {value}" for key, value in cross.items())] if cross else []
        if self._compares_with:
            parts.insert(-1, self._compares_with)
        if self._offer:
            parts.insert(1, self._offer)
        self._say(fitting(parts, self.size.width - 2))
        width = max(len(key) for key in facts)
        lines = [f"{key:{width}} {value}" for key, value in facts.items() if value]
        self.query_one("#slices-panel", Static).update("\n".join([self._shown.label, "", *lines]))

    def overlay_words(self) -> str:
        """Say what is drawn over the slice; nothing here."""
        return ""

    # ---- keys

    def action_aligned(self) -> None:
        """Show tilt images as they are, or turned and shifted by the alignment."""
        source = self.slice_view.source
        if isinstance(source, TiltStack) and source.is_aligned:
            self.set_view(replace(self.slice_view.view, aligned=not self.slice_view.view.aligned))
        elif isinstance(source, TiltStack):
            self._say(f"{source.name} is not aligned yet")

    def action_choose(self, step: int) -> None:
        """Show the next thing that this series has: another tomogram or the tilt images."""
        if self.choice is None:
            return
        choices = choices_of(self.project, self.choice.series)
        uids = [one.uid for one in choices]
        if self._offer:
            self._offer, self.choice = "", newest_of(choices)
            return
        at = uids.index(self.choice.uid) if self.choice.uid in uids else -1
        self.choice = choices[(at + step) % len(choices)]

    def action_blink(self) -> None:
        """Show the tomogram that this one is compared with, at the same place; or go back."""
        if self._shown is None or self.choice is None:
            return
        if self.choice.series.uid != self._shown.series.uid:
            return  # another series is being opened
        partner = self.partner()
        if isinstance(partner, str):
            self.stop_blinking()
            self._say(partner)
            return
        source = self._pair.get(partner.uid)
        if source is None:
            self._blinks_to, self.choice = partner.uid, partner
        else:
            self.set_reactive(SlicesScreen.choice, partner)
            self._blink(partner, source)

    def _partner_words(self) -> str:
        """Say what the space bar shows; nothing when there is nothing to compare with."""
        assert self._shown is not None
        partner = self.partner()
        return "" if isinstance(partner, str) else f"space: {partner.remark or 'measured'}"

    def _blink(self, choice: Choice, source: SliceSource) -> None:
        """Show the other of a pair where one is, in its own contrast."""
        assert self._shown is not None
        here, before = self.slice_view.view, self._shown
        self._states[before.uid] = here
        known = self._states.get(choice.uid)
        self._shown = choice
        self._compares_with = self._partner_words()
        self._pair = {uid: one for uid, one in self._pair.items() if uid == before.uid} | {
            choice.uid: source
        }
        now = self.slice_view.source
        if now is not None and not _same_voxels(now, source):
            here = linked_view(here, now, source, self.slice_view.voxels_per_cell())
        self.slice_view.blink(source, replace(here, window=known.window if known else None))
        self.subject_changed()

    def action_series(self, step: int) -> None:
        """Show the next series."""
        names = [one.name for one in self._series()]
        if names:
            at = names.index(self._series_name) if self._series_name in names else 0
            self.show_series(names[(at + step) % len(names)])

    def action_bookmark(self) -> None:
        """Keep the place under the letter that comes next."""
        if self._shown is not None and self.slice_view.source is not None:
            self._say("bookmark: a letter keeps this place")
            self.take_next_key(self._set_bookmark)

    def _set_bookmark(self, letter: str) -> None:
        self._update_status()
        if not letter.isalpha() or self._shown is None:
            return
        view = self.slice_view.view
        self.bookmarks[letter] = Bookmark(
            series=self._shown.series.name,
            uid=self._shown.uid,
            axis=view.axis,
            index=view.index,
            centre=view.centre,
            zoom=view.zoom,
        )
        self._say(f"bookmark {letter} set; ' {letter} comes back")

    def action_recall(self) -> None:
        """Go to the place that was kept under the letter that comes next."""
        if not self.bookmarks:
            self._say("no bookmark yet: m and a letter set one")
            return
        self._say(f"go to bookmark: {' '.join(sorted(self.bookmarks))}")
        self.take_next_key(self._go_to_bookmark)

    def _go_to_bookmark(self, letter: str) -> None:
        self._update_status()
        mark = self.bookmarks.get(letter)
        if mark is None:
            if letter:
                self._say(f"there is no bookmark {letter}")
            return
        state = replace(
            self.slice_view.view,
            axis=mark.axis,
            index=mark.index,
            centre=mark.centre,
            zoom=mark.zoom,
        )
        source = self.slice_view.source
        if source is not None and self._shown is not None and mark.uid == self._shown.uid:
            self.set_view(state.clamped(source.shape, source.axes))
            return
        series = next((one for one in self._series() if one.name == mark.series), None)
        choices = choices_of(self.project, series) if series else []
        choice = next((one for one in choices if one.uid == mark.uid), None)
        if choice is None:
            self._say(f"what bookmark {letter} was set in is not there any more")
            return
        self._states[mark.uid] = replace(state, window=None)
        self.show_series(mark.series)
        self.choice = choice

    def action_back(self) -> None:
        """Leave the screen, unless it is the only one."""
        if len(self.app.screen_stack) > 1:
            self.dismiss(None)


def _same_voxels(one: SliceSource, other: SliceSource) -> bool:
    ratio = one.pixel_size_angstrom / other.pixel_size_angstrom
    return one.shape == other.shape and abs(ratio - 1) < 1e-3

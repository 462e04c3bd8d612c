"""What is shown beside a slice and follows it: its spectrum, or another volume."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from textual import on, work
from textual.message import Message
from textual.timer import Timer

from tomotui.records import Alignment
from tomotui.tui.raster.linked import Agreement, agreement, linked_view, on_grid
from tomotui.tui.raster.loader import SliceError
from tomotui.tui.raster.resample import fit_voxels_per_cell
from tomotui.tui.raster.spectrum import SpectrumSource, tilt_range
from tomotui.tui.raster.view import SliceViewState
from tomotui.tui.raster.volume import SliceSource
from tomotui.tui.screens.slice_choices import (
    Choice,
    SliceRecords,
    choices_of,
    partner_of,
    with_halves,
)
from tomotui.tui.screens.slice_keys import SliceKeysScreen
from tomotui.tui.widgets.slice_view import SliceView

BLINK_SECONDS = 0.7
"""How long each of two volumes is seen while they blink."""

Beside = Literal["", "spectrum", "volume"]


class CompanionShowing(SliceKeysScreen):
    """Shows something beside the slice that follows it, whatever moves either of them.

    Attributes
    ----------
    beside
        What that is; empty for nothing.
    agreement
        How the two volumes agree in what is seen; ``None`` when not known.
    """

    project: SliceRecords

    class BesideOpened(Message, bubble=False):
        """The volume to stand beside was opened, or could not be."""

        def __init__(self, choice: Choice, source: SliceSource | None, error: str) -> None:
            super().__init__()
            self.choice, self.source, self.error = choice, source, error

    class Compared(Message, bubble=False):
        """What is seen of two volumes was compared."""

        def __init__(self, result: Agreement | None) -> None:
            super().__init__()
            self.result = result

    def __init__(self) -> None:
        super().__init__()
        self.beside: Beside = ""
        self.agreement: Agreement | None = None
        self._shown: Choice | None = None
        self._couple: tuple[str, str] | None = None
        self._beside_choice: Choice | None = None
        self._beside_source: SliceSource | None = None
        self._follows = False
        self._blinker: Timer | None = None

    @property
    def companion(self) -> SliceView:
        """The picture beside."""
        return self.query_one("#slices-beside", SliceView)

    def watch_companion(self) -> None:
        """Let the slice follow what the mouse does to its companion."""
        self.watch(self.companion, "view", self._companion_moved, init=False)

    def _say(self, text: str) -> None:
        raise NotImplementedError

    def _update_status(self) -> None:
        raise NotImplementedError

    def action_blink(self) -> None:
        """Show the other of two volumes in the same place."""
        raise NotImplementedError

    # ---- which volume

    def partner(self) -> Choice | str:
        """Return what the volume is compared with, or why there is nothing."""
        shown = self._shown
        assert shown is not None
        others = self._others()
        if self._couple is not None and shown.uid in self._couple:
            first, second = self._couple
            wanted = second if shown.uid == first else first
            found = next((one for one in others if one.uid == wanted), None)
            if found is not None:
                return found
        return partner_of(choices_of(self.project, shown.series), shown)

    def _others(self) -> list[Choice]:
        """Return the volumes of the series that the one shown can be compared with."""
        shown = self._shown
        if shown is None or shown.tomogram is None:
            return []
        there = with_halves(choices_of(self.project, shown.series))
        return [one for one in there if one.tomogram is not None and one.uid != shown.uid]

    def action_partner(self) -> None:
        """Compare with the next other volume of the series, side by side."""
        others = self._others()
        if not others or self._shown is None:
            self._say(self._why_alone())
            return
        present = self.partner()
        uids = [one.uid for one in others]
        at = uids.index(present.uid) if isinstance(present, Choice) and present.uid in uids else -1
        if self.beside == "volume":
            at += 1
        chosen = others[max(at, 0) % len(others)]
        self._couple = (self._shown.uid, chosen.uid)
        self._show_beside(chosen)

    def _why_alone(self) -> str:
        if self._shown is None or self._shown.tomogram is None:
            return "these are tilt images: b shows a tomogram"
        return "this series has no other volume to compare with"

    def action_filter(self) -> None:
        """Take the next filter preset; behind the last one comes the restored tomogram, and back.

        That is what a filter made from the data itself shows.
        """
        before = self.slice_view.view.filter_name
        super().action_filter()
        shown = self._shown
        if shown is None or before == "none" or self.slice_view.view.filter_name != "none":
            return
        sibling = partner_of(choices_of(self.project, shown.series), shown)
        if isinstance(sibling, Choice) and sibling == self.partner():
            self.action_blink()

    # ---- what stands beside

    def action_spectrum(self) -> None:
        """Show the power spectrum of the slice beside it, or nothing."""
        if self.beside == "spectrum":
            self.close_beside()
        elif self.slice_view.source is not None:
            self.beside = "spectrum"
            self._lay_out()

    def action_beside(self) -> None:
        """Show another volume beside this one, or this one alone."""
        if self.beside == "volume":
            self.close_beside()
            return
        found = self.partner() if self._shown is not None else "nothing is shown yet"
        if isinstance(found, Choice):
            self._show_beside(found)
        else:
            self.action_partner()

    def close_beside(self) -> None:
        """Give the slice all the room."""
        self.beside, self.agreement = "", None
        self._beside_choice = self._beside_source = None
        self._lay_out()

    def share_room(self) -> None:
        """Put two volumes side by side or above each other, whichever shows more of them."""
        source, box = self.slice_view.source, self.query_one("#slices-pictures").size
        stacked = False
        if self.beside == "volume" and source is not None and box.area:
            shape = self.slice_view.view.slice_shape(source.shape)
            aspect = self.slice_view.artist.capability.cell_aspect
            below = fit_voxels_per_cell(shape, (box.height // 2, box.width), aspect)
            stacked = below < fit_voxels_per_cell(shape, (box.height, box.width // 2), aspect)
        self.set_class(stacked, "-stacked")

    def _lay_out(self) -> None:
        self.set_class(bool(self.beside), "-beside")
        self.share_room()
        self.companion.lay_over("rings", None)
        self.follow()
        self._update_status()

    def _show_beside(self, choice: Choice) -> None:
        self._beside_choice = choice
        self._say(f"opening {choice.label}")
        self._open_beside(choice)

    @work(thread=True, exclusive=True, group="slices-beside", exit_on_error=False)
    def _open_beside(self, choice: Choice) -> None:
        try:
            source, error = choice.open(self.project.folder), ""
        except SliceError as problem:
            source, error = None, str(problem)
        self.post_message(self.BesideOpened(choice, source, error))

    def on_companion_showing_beside_opened(self, message: BesideOpened) -> None:
        """Show the volume that was opened, unless another is wanted by now."""
        if message.choice != self._beside_choice:
            return
        if message.source is None:
            self._beside_choice = None
            self._say(message.error)
            return
        self._beside_source, self.beside, self.agreement = message.source, "volume", None
        self._lay_out()

    def subject_changed(self) -> None:
        """Take note that another volume or series is shown; what stood beside it may not fit."""
        if self.beside == "volume":
            couple = self._couple or ("", "")
            fits = self._shown is not None and self._beside_choice in self._others()
            if not fits or (self._shown is not None and self._shown.uid not in couple):
                self.close_beside()
                return
        self.follow()

    # ---- following

    def follow(self) -> None:
        """Bring the companion to where the slice is."""
        source = self.slice_view.source
        if not self.beside or source is None:
            return
        self._follows = True
        try:
            if self.beside == "spectrum":
                self._follow_with_spectrum(source)
            elif self._beside_source is not None:
                self._follow_with_volume(source, self._beside_source)
        finally:
            self._follows = False

    def _follow_with_spectrum(self, source: SliceSource) -> None:
        view, companion = self.slice_view.view, self.companion
        known = companion.source
        same = isinstance(known, SpectrumSource) and known.source is source
        if not (same and isinstance(known, SpectrumSource) and known.axis == view.axis):
            known = SpectrumSource(source, view.axis, self._tilts_deg())
            companion.lay_over("rings", known.trails)
            state = SliceViewState(
                axis=view.axis, index=view.index, slab=view.slab, glyphs=view.glyphs
            )
            companion.show(known, state)
            return
        moved = replace(companion.view, index=view.index, slab=view.slab, glyphs=view.glyphs)
        if moved != companion.view:
            companion.view = moved

    def _tilts_deg(self) -> tuple[float, float] | None:
        """Return the range of tilts that the volume was made from; ``None`` of tilt images."""
        if self._shown is None or self._shown.tomogram is None:
            return None
        uid = self._shown.tomogram.alignment_uid
        found = (
            one
            for one in self.project.records("alignment", self._shown.series.uid)
            if isinstance(one, Alignment) and one.uid == uid
        )
        alignment = next(found, None)
        if alignment is None:
            return None
        return tilt_range([tilt.tilt_deg for tilt in alignment.tilts if not tilt.excluded])

    def _follow_with_volume(self, source: SliceSource, other: SliceSource) -> None:
        companion = self.companion
        state = linked_view(self.slice_view.view, source, other, self.slice_view.voxels_per_cell())
        if companion.source is not other:
            companion.show(other, state)
        else:
            moved = replace(state, window=companion.view.window)
            if moved != companion.view:
                companion.view = moved.clamped(other.shape, other.axes)

    def _companion_moved(self) -> None:
        """Go where the mouse has moved the companion to."""
        source, other = self.slice_view.source, self.companion.source
        if self._follows or source is None or other is None or not self.beside:
            return
        state, now = self.companion.view, self.slice_view.view
        if self.beside == "spectrum":
            self.set_view(now.at(state.index, source.shape))
            return
        back = linked_view(state, other, source, self.companion.voxels_per_cell())
        zoom = now.zoom if now.zoom is None else back.zoom
        centre = back.centre if zoom is not None or now.centre is not None else None
        moved = replace(now, zoom=zoom, centre=centre)
        self.set_view(moved.at(back.index, source.shape))

    # ---- how they agree

    @on(SliceView.Drawn)
    def _pictures_drawn(self, message: SliceView.Drawn) -> None:
        """Follow; compare once both pictures are there."""
        if message.slice_view is self.slice_view:
            self.share_room()
            self.follow()
        if self.beside == "volume" and not self.companion.is_waiting:
            self._compare()

    def _compare(self) -> None:
        left, right = self.slice_view, self.companion
        source, other = left.source, right.source
        if left.image is None or right.image is None or source is None or other is None:
            return
        cells = left.cells
        state = linked_view(left.view, source, other, left.voxels_per_cell())
        grids = (left.artist.grid(source, left.view, cells), left.artist.grid(other, state, cells))
        images = (left.image, right.image)

        def work_out() -> None:
            values = [on_grid(one, grid) for one, grid in zip(images, grids, strict=True)]
            self.post_message(self.Compared(agreement(values[0], values[1])))

        self.run_worker(work_out, thread=True, exclusive=True, group="slices-agreement")

    def on_companion_showing_compared(self, message: Compared) -> None:
        """Say how the volumes agree."""
        if self.beside == "volume" and message.result != self.agreement:
            self.agreement = message.result
            self._update_status()

    def beside_words(self) -> str:
        """Say what stands beside, and how it agrees."""
        if self.beside == "spectrum":
            return "beside: spectrum"
        if self.beside != "volume" or self._beside_choice is None:
            return ""
        if self.agreement is None:
            return f"beside: {self._beside_choice.label}"
        found = self.agreement
        figures = f"correlation {found.correlation:.3f}  difference {found.difference:.2f}"
        return f"{figures}  beside: {self._beside_choice.label}"

    # ---- blinking by itself

    def action_blink_on(self) -> None:
        """Show two volumes in turn by the clock, until the key is pressed again."""
        if self._blinker is not None:
            self.stop_blinking()
            return
        found = self.partner() if self._shown is not None else "nothing is shown yet"
        if isinstance(found, str):
            self._say(found)
            return
        self._blinker = self.set_interval(BLINK_SECONDS, self._blink_by_clock)

    def _blink_by_clock(self) -> None:
        if not self.slice_view.is_waiting:
            self.action_blink()

    def on_screen_suspend(self) -> None:
        """Rest while nobody looks."""
        self.stop_blinking()

    def stop_blinking(self) -> None:
        """Let the clock rest."""
        if self._blinker is not None:
            self._blinker.stop()
            self._blinker = None

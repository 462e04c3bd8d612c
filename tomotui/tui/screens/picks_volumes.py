"""The volumes in which candidates are shown: which one, opened in a thread, and from where."""

from __future__ import annotations

from dataclasses import replace

from textual import work
from textual.message import Message

from tomotui.project import Project
from tomotui.project.decisions import Position
from tomotui.tui.raster.capability import Capability
from tomotui.tui.raster.loader import SliceError
from tomotui.tui.raster.tiers import GlyphName
from tomotui.tui.raster.view import SliceViewState
from tomotui.tui.raster.volume import SliceSource
from tomotui.tui.review import Review
from tomotui.tui.screens.base import Frame
from tomotui.tui.screens.places import from_voxel, looking_at
from tomotui.tui.screens.slice_choices import NO_SERIES, Choice, choices_of
from tomotui.tui.screens.slice_keys import SliceKeysScreen
from tomotui.tui.session import PickPlace

CELLS_ACROSS = 14
"""Width of a particle in the picture, to begin with."""
DEFAULT_DIAMETER_ANGSTROM = 200.0
MOST_SOURCES = 4
"""Volumes that are kept open."""


class PicksVolumes(SliceKeysScreen, Frame):
    """Opens the volume that a candidate lies in, and looks at a place in it.

    Parameters
    ----------
    project
        Of the thread of the screens.
    capability
        What the terminal can show.
    place
        Where the user was.
    """

    class VolumeOpened(Message, bubble=False):
        """A volume was opened, or could not be."""

        def __init__(self, choice: Choice, source: SliceSource | None, error: str) -> None:
            super().__init__()
            self.choice, self.source, self.error = choice, source, error

    def __init__(self, project: Project, capability: Capability, place: PickPlace) -> None:
        super().__init__()
        self.project = project
        self.capability = capability
        self.kept = place
        self.review: Review | None = None
        self.cross: Position | None = None
        self.series_name = ""
        self.choice: Choice | None = None
        self._wanted_volumes: dict[str, str] = {}
        self._choices: dict[str, list[Choice]] = {}
        self._sources: dict[str, SliceSource] = {}

    # ---- which one

    def first_series(self) -> str:
        """Return the series to begin with when no candidate says it."""
        wanted = self.review.scope if self.review is not None else self.kept.scope
        known = [one.name for one in self.project.tilt_series()]
        for name in (*wanted, self.kept.series or "", self.tomotui.session.series or ""):
            if name in known:
                return name
        return known[0] if known else ""

    def choices(self, series: str) -> list[Choice]:
        """Return the volumes of a series."""
        if series not in self._choices:
            record = self.project.series_named(series)
            found = choices_of(self.project, record) if record is not None else []
            self._choices[series] = [one for one in found if one.tomogram is not None]
        return self._choices[series]

    def forget_choices(self) -> None:
        """Look for volumes anew: there may be others."""
        self._choices.clear()

    def _volume(self, series: str, tomogram_uid: str) -> Choice | None:
        """Return the volume to show: the wanted one, or else that which the candidate is in."""
        there = self.choices(series)
        wanted = self._wanted_volumes.get(series, tomogram_uid)
        newest = next((one for one in reversed(there) if not one.of_uncertainty), None)
        return next((one for one in there if one.uid == wanted), newest)

    def volume_of(self, row: int) -> Choice | None:
        """Return the volume in which a candidate is shown."""
        assert self.review is not None
        uid = str(self.review.curation.table.tomogram_uids[row])
        return self._volume(self.review.series_at(row), uid)

    def renderer_chosen(self, name: GlyphName) -> None:
        """Keep what draws in this terminal."""
        self.tomotui.keep_glyphs(name)

    def wish_volume(self, series: str, uid: str) -> None:
        """Show this volume of a series from now on, if it is still there."""
        if any(one.uid == uid for one in self.choices(series)):
            self._wanted_volumes[series] = uid

    def next_volume(self) -> None:
        """Show another volume of the series."""
        there = self.choices(self.series_name)
        if len(there) < 2 or self.choice is None:
            self.say(f"{self.series_name} has no other volume")
            return
        uids = [one.uid for one in there]
        at = uids.index(self.choice.uid) if self.choice.uid in uids else -1
        self._wanted_volumes[self.series_name] = uids[(at + 1) % len(uids)]
        self.show_series(self.series_name)

    def show_series(self, series: str, tomogram_uid: str = "") -> None:
        """Open the volume of a series, unless it is shown already."""
        self.series_name = series
        choice = self._volume(series, tomogram_uid) if series else None
        self.update_header()
        if choice is None:
            self.put_status(f"{series} has no tomogram yet" if series else NO_SERIES)
            return
        if self.choice is not None and choice.uid == self.choice.uid and self.has_volume:
            self.look()
            return
        self.choice = choice
        known = self._sources.get(choice.uid)
        if known is not None:
            self._show_source(choice, known)
        else:
            self._open(choice)

    @work(thread=True, exclusive=True, group="picks-open", exit_on_error=False)
    def _open(self, choice: Choice) -> None:
        try:
            source, error = choice.open(self.project.folder), ""
        except SliceError as problem:
            source, error = None, str(problem)
        self.post_message(self.VolumeOpened(choice, source, error))

    def on_picks_volumes_volume_opened(self, message: VolumeOpened) -> None:
        """Show the volume, unless another is wanted by now."""
        if message.choice != self.choice:
            return
        if message.source is None:
            self.put_status(message.error)
            return
        self._sources[message.choice.uid] = message.source
        while len(self._sources) > MOST_SOURCES:
            self._sources.pop(next(iter(self._sources)))
        self._show_source(message.choice, message.source)

    def _show_source(self, choice: Choice, source: SliceSource) -> None:
        view, known = self.slice_view, self.slice_view.source
        state = view.view
        if known is None:
            state = self._first_state(source)
        elif known.pixel_size_angstrom != source.pixel_size_angstrom and state.zoom is not None:
            state = replace(
                state, zoom=state.zoom * known.pixel_size_angstrom / source.pixel_size_angstrom
            )
        view.show(source, looking_at(source, self.target(source), replace(state, window=None)))
        self.show_orthos()
        self.update_status()

    def _first_state(self, source: SliceSource) -> SliceViewState:
        """Return a view in which particles are large enough to be judged."""
        state = replace(self.slice_view.view, slab=1)
        across = self.diameter_angstrom / source.pixel_size_angstrom
        fit = state.voxels_per_cell(source.shape, self.slice_view.cells, 2.0)
        zoom = across / CELLS_ACROSS
        return replace(state, zoom=zoom) if zoom < fit else state

    # ---- where

    @property
    def diameter_angstrom(self) -> float:
        """Diameter of the species, or a common one where it is not known."""
        known = self.review.curation.particle_set.diameter_angstrom if self.review else None
        return known or DEFAULT_DIAMETER_ANGSTROM

    def particle_diameters(self) -> tuple[float, ...]:
        """Return the diameter of the species."""
        return (self.diameter_angstrom,)

    @property
    def has_volume(self) -> bool:
        """Whether a volume is shown."""
        return self.slice_view.source is not None

    @property
    def pick_position(self) -> Position | None:
        """Where the candidate is that one looks at, if it is in the series shown."""
        review = self.review
        row = review.row if review is not None else None
        if review is None or row is None or review.series_at(row) != self.series_name:
            return None
        x, y, z = review.curation.table.positions_angstrom[row].tolist()
        return x, y, z

    def target(self, source: SliceSource) -> Position:
        """Return the point to look at: crosshair, candidate, or the middle."""
        return (
            self.cross or self.pick_position or from_voxel(source, [n // 2 for n in source.shape])
        )

    # ---- what the screen does then

    def look(self) -> None:
        """Go to the candidate in the volume that is shown."""
        raise NotImplementedError

    def show_orthos(self) -> None:
        """Show the place along three axes."""
        raise NotImplementedError

    def put_status(self, words: str) -> None:
        """Say something in the line below the picture."""
        raise NotImplementedError

    def update_status(self) -> None:
        """Say which candidate and which slice this is, and what the keys do."""
        raise NotImplementedError

"""The screen of a review: candidates, the slice about one of them, and what is known of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

import numpy as np
from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Static

from tomotui.project import Project
from tomotui.project.curation import Curation, present_user, read_candidates
from tomotui.records import ParticleSet, new_uid
from tomotui.records.particle_table import ParticleTable
from tomotui.tui.raster.capability import Capability
from tomotui.tui.raster.cutouts import Boxes, Cut
from tomotui.tui.raster.picture import Mark
from tomotui.tui.raster.view import SliceViewState
from tomotui.tui.raster.volume import AXES, SliceSource
from tomotui.tui.review import Review
from tomotui.tui.screens.base import NO_BREAKPOINTS
from tomotui.tui.screens.picks_volumes import PicksVolumes
from tomotui.tui.screens.picks_words import facts_of, panel_lines, place_words, status_words
from tomotui.tui.screens.places import looking_at, marks_near, to_voxel
from tomotui.tui.screens.slice_facts import slice_facts
from tomotui.tui.session import PickPlace
from tomotui.tui.widgets.candidate_list import CandidateList
from tomotui.tui.widgets.ortho_views import OrthoViews, Subject
from tomotui.tui.widgets.score_histogram import ScoreHistogram, ScorePicture, bars_of, column_of
from tomotui.tui.widgets.slice_view import SliceView
from tomotui.tui.wording import fitting

LIST_COLUMNS, PANEL_COLUMNS = 26, 36
ROOM_FOR_PANEL, ROOM_FOR_LIST = 118, 76
"""Terminals narrower than this give the columns to the picture."""
EXPECTED = 2
"""Candidates whose slices are loaded ahead."""


class Candidates(NamedTuple):
    """What is read of a set before it can be reviewed."""

    particle_set: ParticleSet
    table: ParticleTable
    series_of: dict[str, str]


def read_all(project: Project, name: str | None) -> Candidates | None:
    """Read a set, the newest of picks when no name is given; ``None`` when there is none."""
    known = project.particle_set_named(name) if name else None
    sets = project.particle_sets(picks_only=True) if known is None else [known]
    if not sets:
        return None
    series_of = project.series_of_tomograms(current=True)
    return Candidates(sets[-1], read_candidates(project, sets[-1]), series_of)


class PicksView(PicksVolumes):
    """Shows a review; what is done with it is a matter of the classes that inherit.

    Parameters
    ----------
    project
        Of the thread of the screens.
    capability
        What the terminal can show.
    place
        Where the user was.
    """

    mode = "picks"
    ABOUT = "picks"
    HORIZONTAL_BREAKPOINTS = NO_BREAKPOINTS
    CSS: ClassVar[str] = f"""
    PicksMode {{
        & #picks-body {{ height: 1fr; }}
        & #picks-list {{ width: {LIST_COLUMNS}; }}
        & #picks-middle {{ width: 1fr; }}
        & #picks-right {{ width: {PANEL_COLUMNS}; padding: 0 1; }}
        & #picks-heading {{ height: 1; color: $text-muted; }}
        & #picks-status {{ height: 1; background: $panel; color: $text-muted; }}
        & #picks-orthos {{ margin: 1 0; }}
        & #picks-facts {{ height: auto; }}
        & #picks-audit {{ height: auto; color: $accent; margin-top: 1; }}
        &.-narrow #picks-right, &.-zoomed #picks-right {{ display: none; }}
        &.-tiny #picks-list, &.-zoomed #picks-list {{ display: none; }}
    }}
    """

    def __init__(self, project: Project, capability: Capability, place: PickPlace) -> None:
        super().__init__(project, capability, place)
        self.session_name = new_uid()
        self.overlay_level = 0
        self._bars: tuple[object, tuple[float, ...]] = (None, ())
        self._here: tuple[object, np.ndarray] = (None, np.zeros(0, dtype=np.intp))

    def compose_body(self) -> ComposeResult:
        """Lay out list, picture and panel, and one line of state below."""
        with Horizontal(id="picks-body"):
            with Vertical(id="picks-list"):
                yield Static(id="picks-heading", markup=False)
                yield CandidateList(id="picks-candidates")
            with Vertical(id="picks-middle"):
                yield SliceView(capability=self.capability, id="picks-view")
            with Vertical(id="picks-right"):
                yield ScoreHistogram(id="picks-scores")
                yield OrthoViews(self.capability, id="picks-orthos")
                yield Static(id="picks-facts", markup=False)
                yield Static(id="picks-audit", markup=False)
        yield Static(id="picks-status", markup=False)

    def on_resize(self, event: events.Resize) -> None:
        """Give narrow terminals the columns for the picture."""
        self.set_class(event.size.width < ROOM_FOR_PANEL, "-narrow")
        self.set_class(event.size.width < ROOM_FOR_LIST, "-tiny")

    def crumbs(self) -> tuple[str, ...]:
        """Return the set, and the series that is shown."""
        if self.review is None:
            return ()
        return (self.review.curation.particle_set.name, self.series_name)

    # ---- reading a set

    def load(self, name: str | None = None) -> None:
        """Read a set in a thread, then begin to review it."""
        self.put_status(f"reading {name}" if name else "reading the candidates")
        self.tomotui.change(lambda project: self._read(project, name), self._begin)

    def _read(self, project: Project, name: str | None) -> Review | None:
        """Read a set and put its candidates in order: of a million that takes seconds."""
        found = read_all(project, name)
        if found is None:
            return None
        curation = Curation(
            project,
            found.particle_set,
            user=present_user(),
            session=self.session_name,
            table=found.table,
        )
        return Review(curation, found.series_of)

    def _begin(self, review: Review | None) -> None:
        if not self.is_attached:
            return
        if review is None:
            self.put_status("no particles yet: S begins a set, by hand")
            self.show_series(self.first_series())
            return
        # What was read in a thread is decided about in this one.
        review.curation.project = self.project
        self.review = review
        self.begun()

    def begun(self) -> None:
        """Show the review that was read; subclasses bring back where the user was."""
        self.show_list()
        self.show_pick()

    # ---- the candidate

    def show_list(self) -> None:
        """Show the list from its place."""
        self.query_one(CandidateList).show(self.review)
        self.query_one("#picks-heading", Static).update(place_words(self.review))
        self.show_scores()

    def show_pick(self) -> None:
        """Show the candidate that one looks at, wherever it is."""
        review, self.cross = self.review, None
        self.query_one(CandidateList).show(review)
        self.query_one("#picks-heading", Static).update(place_words(review))
        row = review.row if review is not None else None
        if review is None or row is None:
            self.show_series(self.series_name or self.first_series())
        else:
            uid = str(review.curation.table.tomogram_uids[row])
            self.show_series(review.series_at(row) or self.first_series(), uid)
        self.show_facts()

    def look(self) -> None:
        """Go to the candidate in the volume that is shown."""
        source = self.slice_view.source
        if source is not None:
            self.slice_view.expected = self._expected(source)
            now = looking_at(source, self.target(source), self.slice_view.view)
            if now == self.slice_view.view:
                self.slice_view.redraw()
            else:
                self.slice_view.view = now
            self.show_orthos()
            self.update_status()

    def _expected(self, source: SliceSource) -> list[int]:
        """Return the slices of the candidates that come next."""
        review = self.review
        if review is None:
            return []
        rows = review.rows[review.place + 1 : review.place + 1 + EXPECTED]
        axis = self.slice_view.view.axis
        return [
            round(dict(zip(AXES, to_voxel(source, (x, y, z)), strict=True))[axis])
            for x, y, z in review.curation.table.positions_angstrom[rows].tolist()
        ]

    def show_orthos(self) -> None:
        """Show the candidate, or the place of the crosshair, along three axes."""
        source, position = self.slice_view.source, self.cross or self.pick_position
        orthos = self.query_one(OrthoViews)
        if source is None or position is None or not isinstance(source, Boxes):
            orthos.show(None)
            return
        view = self.slice_view.view
        cut = Cut.about(self.diameter_angstrom, source.pixel_size_angstrom, view.filter_name)
        voxel = to_voxel(source, position)
        orthos.show(Subject(source, voxel, cut, view.glyphs, view.inverted))

    # ---- what is drawn over the slice

    def marks(self, view: SliceViewState) -> Sequence[Mark]:
        """Return the candidates near the slice."""
        source, review = self.slice_view.source, self.review
        if source is None or review is None or self.overlay_level == 2:
            return ()
        rows = self._rows_here(review)
        if self.overlay_level == 1:
            rows = rows[rows == review.row]
        return marks_near(
            source, view, review, rows, self.ascii_only, self.slice_view.extent_voxels()
        )

    def _rows_here(self, review: Review) -> np.ndarray:
        table = review.curation.table
        key = (id(table), self.series_name)
        if self._here[0] != key:
            inside = np.isin(table.tomogram_uids, review.uids_of([self.series_name]))
            self._here = (key, np.flatnonzero(inside))
        return self._here[1]

    @property
    def ascii_only(self) -> bool:
        """Whether the terminal shows nothing but ASCII."""
        return self.capability.ascii_only

    # ---- words

    def on_slice_view_drawn(self) -> None:
        """Say how the picture was made."""
        self.update_status()

    def on_slice_view_failed(self, message: SliceView.Failed) -> None:
        """Say why there is no picture."""
        self.put_status(message.error)

    def put_status(self, words: str) -> None:
        """Say something in the line below the picture."""
        if self.is_attached:
            self.query_one("#picks-status", Static).update(f" {words}")

    def mode_words(self) -> str:
        """Return what the keys do now, when that is not what they usually do."""
        return ""

    def job_words(self) -> str:
        """Return what jobs started from here are doing."""
        return ""

    def update_status(self) -> None:
        """Say which candidate and which slice this is, and what the keys do."""
        source = self.slice_view.source
        if source is None or not self.is_attached:
            return
        facts = slice_facts(self.slice_view, source)
        seen = [facts[key] for key in ("where", "slab", "filter") if facts.get(key)]
        first = [words for words in (self.mode_words(), self.job_words()) if words]
        label = self.choice.label if self.choice is not None else ""
        words = [*first, status_words(self.review), label, *seen]
        self.put_status(fitting(words, self.size.width - 2))

    def show_facts(self) -> None:
        """Show what is known of the candidate, of the scores and of the audit."""
        if not self.is_attached or self.has_class("-narrow"):
            return
        review = self.review
        self.query_one("#picks-facts", Static).update(
            facts_of(review, self.tomotui.look, self.ascii_only)
        )
        self.when_at_rest(self.show_scores)

    def show_scores(self) -> None:
        """Show the scores, the threshold, and what the judgements say."""
        if not self.is_attached or self.has_class("-narrow"):
            return
        review = self.review
        lines, audit = panel_lines(review, self.ascii_only)
        self.query_one("#picks-audit", Static).update("\n".join(audit))
        histogram = self.query_one(ScoreHistogram)
        if review is None or not review.curation.has_scores:
            histogram.scores = None
            histogram.show(ScorePicture((), 0, 0.0, lines))
            return
        width = PANEL_COLUMNS - 2
        low, high = review.score_range
        scores = review.curation.table.scores
        if self._bars[0] is not scores:
            self._bars = (scores, bars_of(scores[np.isfinite(scores)], low, high, width))
        histogram.scores = scores[np.isfinite(scores)]
        cut = column_of(review.threshold, low, high, width)
        histogram.show(ScorePicture(self._bars[1], cut, review.threshold, lines))

    def texts_to_copy(self) -> dict[str, str]:
        """Return what can be copied of the candidate, by kind."""
        texts = super().texts_to_copy()
        review, at = self.review, self.cross or self.pick_position
        if review is not None and review.row is not None:
            texts["name"] = str(review.curation.table.uids[review.row])
            name = review.curation.particle_set.name
            texts["command"] = f"tomotui curate {name} --summary -p {self.project.folder}"
        if at is not None:
            texts["position"] = f"{self.series_name} {at[0]:.1f} {at[1]:.1f} {at[2]:.1f}"
        return texts

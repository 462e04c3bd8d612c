"""A landscape on the screen of variation: its plane, and the conformation under the cursor."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from textual import on
from textual.message import Message
from textual.timer import Timer

from tomotui.geometry.landscapes import LatentSpace
from tomotui.records import Landscape
from tomotui.tui.flip_book import FlipBook
from tomotui.tui.raster.conformations import Conformation, Sculptor, Wish, Workshop
from tomotui.tui.raster.plane import Place, span_of
from tomotui.tui.screens.variation_charts import (
    angles,
    degrees_of,
    histogram,
    histogram_words,
    known_angles,
)
from tomotui.tui.screens.variation_panels import VariationPanels
from tomotui.tui.screens.variation_words import landscape_verdict, motion_rows
from tomotui.tui.session import PlanePlace
from tomotui.tui.widgets.latent_plane import Label, LatentPlane, PlanePicture, PlaneState
from tomotui.tui.widgets.table import Table

Floats = NDArray[np.float64]

NEAR = 0.35
"""Deviations on the plane within which a particle counts as near the cursor."""
REST_SECONDS = 0.2
"""Stillness after which a conformation is made of more voxels."""


@dataclass
class LandscapeWork:
    """What somebody is doing with one landscape.

    Attributes
    ----------
    axes
        Directions across and up the plane.
    places
        Where particles stand along the axes; made once for each choice of axes.
    state
        How the plane is looked at; ``None`` before it was seen.
    selected, selection
        Particles that are selected, and words for how.
    cut
        Where they were parted along the axis across.
    path
        Points in the coordinates of the landscape.
    book, motion
        What is played or leafed through, and the number of the motion played last.
    angle
        Number of the angle of bodies whose histogram is seen; 0 for places along the axis.
    clusters, cluster
        The cluster of each particle, and which one is selected.
    centres
        Of the clusters, in the coordinates of the landscape.
    """

    axes: tuple[int, int] = (0, 1)
    places: dict[tuple[int, int], tuple[Floats, Floats]] = field(default_factory=dict)
    state: PlaneState | None = None
    selected: NDArray[np.bool_] | None = None
    selection: str = ""
    cut: float | None = None
    path: list[Floats] = field(default_factory=list)
    book: FlipBook | None = None
    motion: int = -1
    angle: int = 0
    clusters: NDArray[np.intp] | None = None
    cluster: int = 0
    centres: Floats = field(default_factory=lambda: np.zeros((0, 1)))


class LandscapeScreen(VariationPanels):
    """The part of the screen that shows a landscape."""

    class Made(Message, bubble=False):
        """A conformation was made."""

        def __init__(self, sculptor: Sculptor, wish: Wish, made: Conformation) -> None:
            super().__init__()
            self.sculptor, self.wish, self.made = sculptor, wish, made

    def __init__(self) -> None:
        super().__init__()
        self.works: dict[str, LandscapeWork] = {}
        self._shown_space: LatentSpace | None = None
        self.workshop = Workshop(lambda *made: self.post_message(self.Made(*made)))
        self.player: Timer | None = None
        self._rest_of_point: Timer | None = None

    # ---- what is looked at

    @property
    def landscape(self) -> Landscape | None:
        """The landscape that is looked at."""
        entry = self.entry
        record = entry.record if entry is not None else None
        return record if isinstance(record, Landscape) else None

    @property
    def space(self) -> LatentSpace | None:
        """Where its particles stand; ``None`` until its file was read."""
        entry, chosen = self.entry, self.snapshot.chosen
        return chosen.space if entry is not None and chosen.key == entry.key else None

    @property
    def work_here(self) -> LandscapeWork:
        """What is being done with the landscape."""
        key = self.entry.key if self.entry is not None else ""
        if key not in self.works:
            kept = self.kept_session.plane
            known = kept is not None and kept.key == key
            self.works[key] = LandscapeWork(kept.axes) if kept and known else LandscapeWork()
        return self.works[key]

    def keep_plane(self) -> None:
        """Keep where one is on the plane."""
        entry = self.entry
        if entry is not None and self.landscape is not None and self.work_here.state is not None:
            across, up = self.plane.state.cursor
            cursor = (float(across), float(up))
            self.kept_session.plane = PlanePlace(
                key=entry.key, axes=self.work_here.axes, cursor=cursor
            )

    def _begun_state(self, space: LatentSpace) -> PlaneState:
        """Return how the plane is looked at first: where one was when the program was left."""
        span, kept = span_of(*self.places(space)), self.kept_session.plane
        if kept is None or self.entry is None or kept.key != self.entry.key:
            return PlaneState(span=span)
        return PlaneState(kept.cursor, span.containing(kept.cursor))

    def show_landscape(self) -> None:
        """Draw everything of the landscape that is chosen."""
        space, chosen, landscape = self.space, self.snapshot.chosen, self.landscape
        sculptor = chosen.sculptor
        if space is None or sculptor is None or landscape is None:
            words = chosen.problem
            self.plane.show(None, words)
            self.shape.show((), words)
            self.show_chart("along", "along the plane", words)
            self.query_one("#motions-table", Table).set_rows([])
            self.show_verdict("warning" if words and landscape else "none", words)
            return
        work = self.work_here
        if space is not self._shown_space:
            # Read anew: what was selected among other particles means nothing any more.
            self._shown_space, work.places = space, {}
            if work.selected is not None and len(work.selected) != len(space):
                work.selected, work.clusters = None, None
        work.axes = _known(work.axes, space)
        if work.state is None:
            work.state = self._begun_state(space)
        self.plane.state = work.state
        self.show_verdict(*landscape_verdict(landscape, len(space)))
        rows = motion_rows(
            space, sculptor.mixture, landscape, self.tomotui.look, self.tomotui.ascii_only
        )
        self.query_one("#motions-table", Table).set_rows(rows)
        self.show_title("motions", "motions: enter plays")
        self.show_plane()
        self.want_shape()

    def show_plane(self) -> None:
        """Draw the plane with what lies over it, and the histogram along it."""
        space, work = self.space, self.work_here
        if space is None:
            return
        across, up = work.axes
        x, y = self.places(space)
        path = np.array([self.on_plane(space, one) for one in work.path]).reshape(-1, 2)
        labels = [
            Label(self.on_plane(space, centre), chr(ord("A") + number), f"class{number % 9 + 1}")
            for number, centre in enumerate(work.centres if work.clusters is not None else ())
        ]
        here = self.on_plane(space, work.book.point) if work.book is not None else None
        names = (space.names[across], space.names[up])
        picture = PlanePicture(x, y, names, work.selected, path, tuple(labels), here, work.cut)
        self.plane.show(picture)
        cursor = self.plane.state.cursor
        near = int((np.hypot(x - cursor[0], y - cursor[1]) < NEAR).sum())
        self.show_title("plane", f"{names[0]} and {names[1]}")
        said = f"{cursor[0]:+.2f} {cursor[1]:+.2f} · {near} near"
        if work.selected is not None:
            said = f"{int(work.selected.sum())} selected: {work.selection}"
        self.pane("plane").border_subtitle = said
        self._show_along(space, across, cursor[0])

    def _show_along(self, space: LatentSpace, across: int, cursor: float) -> None:
        sculptor, work = self.snapshot.chosen.sculptor, self.work_here
        assert sculptor is not None
        known = known_angles(self.snapshot.chosen.details)
        if 0 < work.angle <= len(known):
            drawn, words = angles(self.snapshot.chosen.details, *known[work.angle - 1])
            if self.tomotui.ascii_only:
                words = words.replace("±", "+-").replace("°", "")
            self.show_chart("along", words, drawn)
            return
        direction, deviation = space.directions[across], float(space.deviations[across])
        degrees = degrees_of(sculptor.mixture, direction, deviation)
        drawn = histogram(space, across, cursor, work.selected, degrees)
        words = histogram_words(space, across, degrees, self.tomotui.ascii_only)
        self.show_chart("along", words, drawn)

    def action_angle(self) -> None:
        """Show the histogram of the next angle of bodies, or of the axis across again."""
        n = len(known_angles(self.snapshot.chosen.details))
        if not n:
            self.say("angles of bodies to a normal: multibody tells of them with normals=membrane")
            return
        self.work_here.angle = (self.work_here.angle + 1) % (n + 1)
        self.show_plane()

    def places(self, space: LatentSpace) -> tuple[Floats, Floats]:
        """Return where particles stand on the plane; the same arrays as long as it is the same."""
        work = self.work_here
        across, up = work.axes
        if work.axes not in work.places:
            work.places = {work.axes: (space.along(across), space.along(up))}
        return work.places[work.axes]

    def on_plane(self, space: LatentSpace, point: Floats) -> Place:
        """Return where a point lies on the plane."""
        across, up = self.work_here.axes
        return space.place(point, across), space.place(point, up)

    # ---- conformations

    @property
    def point(self) -> Floats | None:
        """The point whose conformation is seen: of the open page, or of the cursor."""
        space, work = self.space, self.work_here
        if space is None:
            return None
        if work.book is not None:
            return work.book.point
        return space.point(work.axes, self.plane.state.cursor)

    def want_shape(self) -> None:
        """Ask for the conformation at the present point; a finer one follows when it rests."""
        space, sculptor, point = self.space, self.snapshot.chosen.sculptor, self.point
        if space is None or sculptor is None or point is None:
            return
        book = self.work_here.book
        places = [f"{self.on_plane(space, point)[axis]:+.2f}" for axis in (0, 1)]
        wish = Wish(tuple(point.tolist()), " ".join(places))
        self.workshop.request(sculptor, wish)
        state = book.words(self.tomotui.ascii_only) if book is not None else "at the cursor"
        self.show_title("shape", f"{book.title if book is not None else 'shape'}: {state}")
        if self._rest_of_point is not None:
            self._rest_of_point.stop()
            self._rest_of_point = None
        if book is None or not book.is_playing:
            self._rest_of_point = self.set_timer(
                REST_SECONDS, lambda: self.workshop.request(sculptor, wish.finer())
            )

    def on_landscape_screen_made(self, message: Made) -> None:
        """Draw a conformation of the landscape that is looked at."""
        if message.sculptor is self.snapshot.chosen.sculptor and self.landscape is not None:
            self.shape.show((message.made,))

    @on(LatentPlane.CursorMoved)
    def _cursor_moved(self) -> None:
        """Let the conformation follow; what is played ends."""
        work = self.work_here
        work.state = self.plane.state
        work.book = None
        self.stop_player()
        self.show_plane()
        self.want_shape()

    # ---- axes and the view

    def action_axis(self, which: int) -> None:
        """Put the next direction on an axis; a path and a selection stay what they are."""
        space, work = self.space, self.work_here
        if space is None:
            return
        other = work.axes[1 - which]
        n = len(space.directions)
        fresh = (work.axes[which] + 1) % n
        fresh = (fresh + 1) % n if fresh == other and n > 1 else fresh
        # The cursor keeps its point of the landscape, as far as the plane holds it.
        point = space.point(work.axes, self.plane.state.cursor)
        work.axes = (fresh, other) if which == 0 else (other, fresh)
        work.cut = None
        self._look_at_all(self.on_plane(space, point))

    def action_whole_plane(self) -> None:
        """Look as at the beginning."""
        if self.space is not None:
            self._look_at_all((0.0, 0.0))

    def _look_at_all(self, cursor: Place) -> None:
        space, work = self.space, self.work_here
        assert space is not None
        span = span_of(*self.places(space))
        work.state = PlaneState(cursor, span.containing(cursor))
        self.plane.state = work.state
        self.show_plane()
        self.want_shape()

    def stop_player(self) -> None:
        """Turn no more pages."""
        if self.player is not None:
            self.player.stop()
            self.player = None


def _known(axes: tuple[int, int], space: LatentSpace) -> tuple[int, int]:
    """Return axes that the landscape has."""
    last = len(space.directions) - 1
    return min(axes[0], last), min(axes[1], last)

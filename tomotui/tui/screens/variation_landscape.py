"""Landscapes on the screen of variation: the cursor, selections, paths and what is played."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from textual import on, work
from textual.message import Message
from textual.timer import Timer

from tomotui.geometry.landscapes import LatentSpace, k_means
from tomotui.jobs.submission import SAMPLE
from tomotui.project import Project
from tomotui.project.derived import Derived
from tomotui.project.selections import select_particles
from tomotui.records import JobRequest, Landscape, ParticleSet, Target
from tomotui.tui.flip_book import FlipBook, motion_book, path_book
from tomotui.tui.raster.conformations import Conformation, Sculptor, Wish, Workshop
from tomotui.tui.raster.plane import Place, are_inside, span_of
from tomotui.tui.screens.variation_charts import degrees_of, histogram, histogram_words
from tomotui.tui.screens.variation_panels import VariationPanels
from tomotui.tui.screens.variation_words import NO_MOTION, landscape_verdict, motion_rows
from tomotui.tui.widgets.latent_plane import Label, LatentPlane, PlanePicture, PlaneState
from tomotui.tui.widgets.status_bar import StatusBar
from tomotui.tui.widgets.table import Table
from tomotui.tui.wording import counted

Floats = NDArray[np.float64]

NEAR = 0.35
"""Deviations on the plane within which a particle counts as near the cursor."""
REST_SECONDS = 0.2
"""Stillness after which a conformation is made of more voxels."""
MOST_CLUSTERS = 20


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

    class Clustered(Message, bubble=False):
        """Particles were parted into clusters."""

        def __init__(self, key: str, labels: NDArray[np.intp], centres: Floats) -> None:
            super().__init__()
            self.key, self.labels, self.centres = key, labels, centres

    def __init__(self) -> None:
        super().__init__()
        self._works: dict[str, LandscapeWork] = {}
        self._shown_space: LatentSpace | None = None
        self.workshop = Workshop(lambda *made: self.post_message(self.Made(*made)))
        self._player: Timer | None = None
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
        return self._works.setdefault(key, LandscapeWork())

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
            work.state = PlaneState(span=span_of(*self._places(space)))
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
        x, y = self._places(space)
        path = np.array([self._on_plane(space, one) for one in work.path]).reshape(-1, 2)
        labels = [
            Label(self._on_plane(space, centre), chr(ord("A") + number), f"class{number % 9 + 1}")
            for number, centre in enumerate(work.centres if work.clusters is not None else ())
        ]
        here = self._on_plane(space, work.book.point) if work.book is not None else None
        names = (space.names[across], space.names[up])
        picture = PlanePicture(x, y, names, work.selected, path, tuple(labels), here, work.cut)
        self.plane.show(picture)
        cursor = self.plane.state.cursor
        near = int((np.hypot(x - cursor[0], y - cursor[1]) < NEAR).sum())
        self.show_title("plane", f"{names[0]} and {names[1]}")
        said = f"{cursor[0]:+.2f} {cursor[1]:+.2f} · {near} near"
        if work.selected is not None:
            said = f"{int(work.selected.sum())} selected: {work.selection} · {said}"
        self.pane("plane").border_subtitle = said
        self._show_along(space, across, cursor[0])

    def _show_along(self, space: LatentSpace, across: int, cursor: float) -> None:
        sculptor = self.snapshot.chosen.sculptor
        assert sculptor is not None
        direction, deviation = space.directions[across], float(space.deviations[across])
        degrees = degrees_of(sculptor.mixture, direction, deviation)
        drawn = histogram(space, across, cursor, self.work_here.selected, degrees)
        words = histogram_words(space, across, degrees, self.tomotui.ascii_only)
        self.show_chart("along", words, drawn)

    def _places(self, space: LatentSpace) -> tuple[Floats, Floats]:
        """Return where particles stand on the plane; the same arrays as long as it is the same."""
        work = self.work_here
        across, up = work.axes
        if work.axes not in work.places:
            work.places = {work.axes: (space.along(across), space.along(up))}
        return work.places[work.axes]

    def _on_plane(self, space: LatentSpace, point: Floats) -> Place:
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
        places = [f"{self._on_plane(space, point)[axis]:+.2f}" for axis in (0, 1)]
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
        self._stop_player()
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
        self._look_at_all(self._on_plane(space, point))

    def action_whole_plane(self) -> None:
        """Look as at the beginning."""
        if self.space is not None:
            self._look_at_all((0.0, 0.0))

    def _look_at_all(self, cursor: Place) -> None:
        space, work = self.space, self.work_here
        assert space is not None
        span = span_of(*self._places(space))
        work.state = PlaneState(cursor, span.containing(cursor))
        self.plane.state = work.state
        self.show_plane()
        self.want_shape()

    # ---- selections

    def _select(self, which: NDArray[np.bool_], words: str, cut: float | None = None) -> None:
        if not which.any():
            self.say(f"no particle is {words}", "warning")
            return
        work = self.work_here
        work.selected, work.selection, work.cut = which, words, cut
        self.show_plane()
        self.say(f"{counted(int(which.sum()), 'particle')} selected: w makes a set of them")

    @on(LatentPlane.Enclosed)
    def _enclosed(self, event: LatentPlane.Enclosed) -> None:
        space = self.space
        if space is None:
            return
        if len(event.corners) < 3:
            self.say("a line about particles needs three corners: a marks one", "warning")
            return
        self._select(are_inside(*self._places(space), event.corners), "enclosed")

    def action_threshold(self, is_above: bool) -> None:
        """Select the particles on one side of the cursor, along the axis across."""
        space, across = self.space, self.work_here.axes[0]
        if space is not None:
            at, places = self.plane.state.cursor[0], space.along(across)
            which = places >= at if is_above else places <= at
            word = "from" if is_above else "up to"
            self._select(which, f"{space.names[across]} {word} {at:.2f}", at)

    def action_clusters(self) -> None:
        """Ask into how many clusters the particles are to be parted."""
        if self.space is not None:
            n = self.work_here.centres.shape[0]
            self.status_bar.ask("clusters", "how many clusters: ", str(n or 2))

    @on(StatusBar.Answered)
    def _clusters_answered(self, event: StatusBar.Answered) -> None:
        space, entry = self.space, self.entry
        if event.purpose != "clusters" or event.live or event.text is None:
            return
        most = min(MOST_CLUSTERS, len(space) if space is not None else 0)
        words = event.text.strip()
        if not words.isdecimal() or not 1 <= int(words) <= most:
            self.say(f"{words or 'nothing'}: give a number from 1 to {most}", "warning")
        elif space is not None and entry is not None:
            self._cluster(entry.key, space.coordinates, int(words))

    @work(thread=True, exclusive=True, group="clusters", exit_on_error=False)
    def _cluster(self, key: str, coordinates: Floats, k: int) -> None:
        self.post_message(self.Clustered(key, *k_means(coordinates, k)))

    def on_landscape_screen_clustered(self, message: Clustered) -> None:
        """Show the clusters, and select the first."""
        work = self._works.setdefault(message.key, LandscapeWork())
        work.clusters, work.centres, work.cluster = message.labels, message.centres, 0
        if self.entry is not None and message.key == self.entry.key:
            self.action_cluster(0)

    def action_cluster(self, step: int) -> None:
        """Select another cluster."""
        work = self.work_here
        if work.clusters is None:
            self.say("c parts the particles into clusters first", "warning")
            return
        work.cluster = (work.cluster + step) % len(work.centres)
        letter = chr(ord("A") + work.cluster)
        self._select(work.clusters == work.cluster, f"cluster {letter}")

    def keep_selected(self, name: str) -> None:
        """Make a particle set of the particles selected."""
        space, work, landscape = self.space, self.work_here, self.landscape
        if space is None or landscape is None or work.selected is None:
            self.say("select particles first: a lasso, b box, t from here, c clusters", "warning")
            return
        uids, set_uid = space.uids[work.selected].tolist(), landscape.particle_set_uid

        def make(project: Project) -> Derived:
            source = project.record(set_uid)
            assert isinstance(source, ParticleSet)
            wanted = name or f"{source.name} {work.selection}"
            return select_particles(project, source, uids, wanted, because_of=[landscape.uid])

        self.tomotui.change(make, self.told_made)

    def told_made(self, made: Derived) -> None:
        """Say what was made."""
        self.say(f"made {made.particle_set.name}: {made.n_particles} of {made.n_before} particles")
        self.refresh_now()

    # ---- paths, and what is played

    def action_path_point(self) -> None:
        """Add the point that is seen to the path."""
        point, work = self.point, self.work_here
        if point is not None:
            work.path.append(point)
            n = len(work.path)
            rest = "p plays it, L makes real maps of it" if n > 1 else "i adds the next"
            self.show_plane()
            self.say(f"point {n} of the path: {rest}")

    def action_path_back(self) -> None:
        """Drop the last point of the path."""
        work = self.work_here
        if work.path:
            work.path.pop()
            self.end_book()
            self.show_plane()

    def end_book(self) -> bool:
        """Close the book; tells whether one was open."""
        work = self.work_here
        was, work.book = work.book is not None, None
        self._stop_player()
        if was:
            self.show_plane()
            self.want_shape()
        return was

    def action_motion(self) -> None:
        """Play the next motion that is evident."""
        landscape, work = self.landscape, self.work_here
        if landscape is None or self.space is None:
            return
        n = min(landscape.n_motions, self.space.n_principal)
        if not n:
            self.say(f"{NO_MOTION}: there is nothing to play", "warning")
            return
        self.play_motion((work.motion + 1) % n)

    def play_motion(self, number: int) -> None:
        """Play a principal motion."""
        space, work = self.space, self.work_here
        if space is None or number >= space.n_principal:
            return
        work.motion = number
        deviation = float(space.deviations[number])
        self._open(motion_book(space.directions[number], deviation, space.names[number]), True)

    @on(Table.Activated, "#motions-table")
    def _motion_opened(self, event: Table.Activated) -> None:
        self.play_motion(int(event.key))

    def action_play(self) -> None:
        """Play, or stop."""
        work = self.work_here
        if self.space is None:
            return
        if work.book is not None:
            self._open(work.book.played(not work.book.is_playing), work.book.is_playing is False)
        elif len(work.path) > 1:
            self._open(path_book(np.array(work.path), "path"), True)
        else:
            self.action_motion()

    def action_leaf(self, pages: int) -> None:
        """Turn pages by hand."""
        work = self.work_here
        if work.book is None and len(work.path) > 1:
            work.book = path_book(np.array(work.path), "path")
        if work.book is None:
            self.say("m opens a motion, i marks a path: then pages can be turned", "warning")
        else:
            self._open(work.book.leafed(pages), False)

    def action_faster(self, steps: int) -> None:
        """Play faster, or slower."""
        book = self.work_here.book
        if book is not None:
            self._open(book.faster(steps), book.is_playing)
            self.say(f"{counted(book.faster(steps).pages_a_second, 'page')} a second at most")

    def _open(self, book: FlipBook, is_playing: bool) -> None:
        self.work_here.book = book.played(is_playing)
        self._stop_player()
        if is_playing:
            self._player = self.set_interval(1 / book.pages_a_second, self._turn_page)
        self.show_plane()
        self.want_shape()

    def _stop_player(self) -> None:
        if self._player is not None:
            self._player.stop()
            self._player = None

    def _turn_page(self) -> None:
        """Turn the page, once the last one was made and the terminal has shown it."""
        work = self.work_here
        if work.book is None or not work.book.is_playing or self.landscape is None:
            self._stop_player()
        elif not self.workshop.is_busy and not self.shape.is_waiting:
            work.book = work.book.turned()
            self.plane.show(self._with_page())
            self.want_shape()

    def _with_page(self) -> PlanePicture | None:
        """Return the plane with the open page on it: all else is as before."""
        space, book, picture = self.space, self.work_here.book, self.plane.picture
        if space is None or book is None or picture is None:
            return picture
        return replace(picture, here=self._on_plane(space, book.point))

    def action_launch_maps(self) -> None:
        """Open the form of real maps along the path."""
        landscape, work, entry = self.landscape, self.work_here, self.entry
        if landscape is None or entry is None:
            self.say("real maps along a path are made of a landscape", "warning")
            return
        if len(work.path) < 2:
            self.say("mark the path first: i at two places or more", "warning")
            return
        words = [",".join(f"{value:.4g}" for value in point) for point in work.path]
        wanted = {"landscape": landscape.name, "particles": [entry.set_name], "path": words}
        request = JobRequest(
            stage="landscape-maps", parameters=wanted, targets=(Target(name=SAMPLE),)
        )
        self.tomotui.launch(request)


def _known(axes: tuple[int, int], space: LatentSpace) -> tuple[int, int]:
    """Return axes that the landscape has."""
    last = len(space.directions) - 1
    return min(axes[0], last), min(axes[1], last)

"""Particles of a landscape that are selected on its plane, and particle sets made of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from textual import on, work
from textual.message import Message

from tomotui.geometry.landscapes import k_means
from tomotui.project import Project
from tomotui.project.derived import Derived
from tomotui.project.selections import select_particles
from tomotui.records import ParticleSet
from tomotui.tui.raster.plane import are_inside
from tomotui.tui.screens.variation_landscape import LandscapeScreen, LandscapeWork
from tomotui.tui.widgets.latent_plane import LatentPlane
from tomotui.tui.widgets.status_bar import StatusBar
from tomotui.tui.wording import counted

Floats = NDArray[np.float64]

MOST_CLUSTERS = 20


class SelectingScreen(LandscapeScreen):
    """The part of the screen on which particles are selected."""

    class Clustered(Message, bubble=False):
        """Particles were parted into clusters."""

        def __init__(self, key: str, labels: NDArray[np.intp], centres: Floats) -> None:
            super().__init__()
            self.key, self.labels, self.centres = key, labels, centres

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
        self._select(are_inside(*self.places(space), event.corners), "enclosed")

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

    def on_selecting_screen_clustered(self, message: Clustered) -> None:
        """Show the clusters, and select the first."""
        work = self.works.setdefault(message.key, LandscapeWork())
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

"""Paths through a landscape and its motions: marked, played, and averaged as real maps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from textual import on

from tomotui.jobs.submission import SAMPLE
from tomotui.records import JobRequest, Target
from tomotui.tui.flip_book import FlipBook, motion_book, path_book
from tomotui.tui.screens.variation_selecting import SelectingScreen
from tomotui.tui.screens.variation_words import NO_MOTION
from tomotui.tui.widgets.latent_plane import PlanePicture
from tomotui.tui.widgets.table import Table
from tomotui.tui.wording import counted


class PlayingScreen(SelectingScreen):
    """The part of the screen that plays motions and paths."""

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
        self.stop_player()
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
        self.stop_player()
        if is_playing:
            self.player = self.set_interval(1 / book.pages_a_second, self._turn_page)
        self.show_plane()
        self.want_shape()

    def _turn_page(self) -> None:
        """Turn the page, once the last one was made and the terminal has shown it."""
        work = self.work_here
        if work.book is None or not work.book.is_playing or self.landscape is None:
            self.stop_player()
        elif not self.workshop.is_busy and not self.shape.is_waiting:
            work.book = work.book.turned()
            self.plane.show(self._with_page())
            self.want_shape()

    def _with_page(self) -> PlanePicture | None:
        """Return the plane with the open page on it: all else is as before."""
        space, book, picture = self.space, self.work_here.book, self.plane.picture
        if space is None or book is None or picture is None:
            return picture
        return replace(picture, here=self.on_plane(space, book.point))

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

"""Bodies painted on the sections of a map: points of each, from which they are refined."""

from __future__ import annotations

from collections import Counter

import numpy as np

from tomotui.jobs.submission import SAMPLE
from tomotui.records import JobRequest, Target
from tomotui.tui.maps_feed import Entry
from tomotui.tui.screens.maps_panels import MapsPanels
from tomotui.tui.widgets.map_slices import BodyPoint

MOST_BODIES = 9


class BodyPainting(MapsPanels):
    """The part of the screen of maps on which bodies are marked."""

    def __init__(self) -> None:
        super().__init__()
        self.body = 1
        self._points: dict[str, list[BodyPoint]] = {}

    @property
    def entry(self) -> Entry | None:
        """The map under the cursor."""
        raise NotImplementedError

    @property
    def body_points(self) -> list[BodyPoint]:
        """The points on the map under the cursor."""
        return self._points.setdefault(self.entry.key, []) if self.entry is not None else []

    def slices_words(self) -> str:
        """Return the title of the sections, with how many points each body has."""
        counts = Counter(one.body for one in self.body_points)
        if not counts and self.body == 1:
            return super().slices_words()
        each = ", ".join(f"{body}: {n}" for body, n in sorted(counts.items())) or "none"
        return f"{super().slices_words()} · body {self.body} · points of bodies {each}"

    def show_points(self) -> None:
        """Draw the points, and tell of them."""
        self.slices.show_points(self.body_points)
        self.pane("slices").border_title = self.slices_words()

    def action_mark_body(self) -> None:
        """Mark a point of the present body at the cursor of the sections."""
        if not self.slices.densities:
            self.say("there is no map to mark bodies on", "warning")
            return
        self.body_points.append(BodyPoint(self.body, self.slices.state.cursor_angstrom))
        self.show_points()

    def action_body(self, step: int) -> None:
        """Go to the next body; one without any point is not left behind."""
        most = max((one.body for one in self.body_points), default=0)
        self.body = min(max(self.body + step, 1), most + 1, MOST_BODIES)
        self.show_points()
        self.say(f"body {self.body}: a marks its points")

    def action_unmark(self) -> None:
        """Drop the point nearest to the cursor."""
        points = self.body_points
        if not points:
            self.say("no point of a body is marked here", "warning")
            return
        here = np.array(self.slices.state.cursor_angstrom)
        far = [float(np.linalg.norm(np.array(one.place_angstrom) - here)) for one in points]
        points.pop(int(np.argmin(far)))
        self.show_points()

    def action_launch_bodies(self) -> None:
        """Open the form that refines the bodies."""
        bodies = sorted({one.body for one in self.body_points})
        if len(bodies) < 2:
            self.say("mark points of two bodies at least: a marks one, n begins the next body",
                     "warning")  # fmt: skip
            return
        entry = self.entry
        assert entry is not None
        points = [
            [
                [round(value, 1) for value in one.place_angstrom]
                for one in self.body_points
                if one.body == body
            ]
            for body in bodies
        ]
        wanted: dict[str, object] = {"points": points}
        if entry.set_name:
            wanted["particles"] = [entry.set_name]
        request = JobRequest(stage="multibody", parameters=wanted, targets=(Target(name=SAMPLE),))
        self.tomotui.launch(request)

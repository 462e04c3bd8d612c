"""Drift of particles on the screen of maps: on the tilt images of one series after the other."""

from __future__ import annotations

import numpy as np
from textual import on

from tomotui.project import Project
from tomotui.tui.raster.drift import Drift, EmptyField, read_drift
from tomotui.tui.raster.loader import SliceError
from tomotui.tui.raster.tilt_stack import TiltStack
from tomotui.tui.screens.maps_charts import series_names
from tomotui.tui.screens.maps_panels import MapsPanels
from tomotui.tui.widgets.drift_view import DriftView

Subject = tuple[str, int, int]
"""File of details, when it was written, and number of the series."""


class DriftShowing(MapsPanels):
    """The part of the screen of maps that shows drift on tilt images."""

    def __init__(self) -> None:
        super().__init__()
        self._drift_of: Subject | None = None

    def show_tilts(self, cursor_deg: float | None = None) -> None:
        """Plot what is known of the tilts, and show the drift of the series on its images."""
        super().show_tilts(self._tilt_deg())
        details = self.snapshot.details
        subject = (details.path, details.modified_ns, self.series)
        if subject == self._drift_of:
            return
        self._drift_of, names = subject, series_names(details)
        drift = read_drift(details, self.series)
        if isinstance(drift, str):
            self.drift.say_instead(drift)
            self._tell_of_drift()
            return
        name = names[self.series] if names else ""
        if not drift.on_images:
            why = "this refinement did not keep where particles lie on them"
            self._show_drift(subject, drift, name, None, why)
            return
        self.tomotui.change(
            lambda project: _opened(project, name, drift),
            lambda found: self._show_drift(subject, drift, name, *found),
        )

    def forget_drift(self) -> None:
        """Draw it anew: in other colours."""
        self._drift_of = None

    def _show_drift(
        self, subject: Subject, drift: Drift, name: str, stack: TiltStack | None, why_none: str
    ) -> None:
        if not self.is_mounted or subject != self._drift_of:
            return
        self.drift.show_drift(drift, stack, name)
        self._tell_of_drift()
        if stack is None and self.drift.has_focus:
            self.say(f"drift is drawn without images: {why_none}", "warning")

    def _tilt_deg(self) -> float | None:
        row = self.drift.row
        return None if row is None or self.drift.drift is None else self.drift.drift.tilt_deg[row]

    @on(DriftView.TiltShown)
    def _tell_of_drift(self) -> None:
        """Say which tilt is seen, and mark it in the plot of tilts."""
        self.entitle("motion", self.drift_words())
        super().show_tilts(self._tilt_deg())

    def drift_words(self) -> str:
        """Return the title of the tilt image."""
        view, names = self.drift, series_names(self.snapshot.details)
        drift, row = view.drift, view.row
        if drift is None or row is None:
            return "motion"
        words = [f"drift × {view.factor:g}" if drift.is_any else "no drift"]
        words += [names[self.series]] if names else []
        if drift.score is not None:
            words += [f"score {drift.score[row]:.3g}"]
        x, y = np.round(drift.shift_angstrom[row], 1) + 0.0
        words += [f"image {x:+.1f} {y:+.1f} Å"]
        words += ["no images"] if isinstance(view.source, EmptyField) else []
        return " · ".join(words)


def _opened(project: Project, name: str, drift: Drift) -> tuple[TiltStack | None, str]:
    """Return the tilt images of a series, or why there are none."""
    series = project.series_named(name)
    if series is None:
        return None, f"the project has no series {name} any more"
    try:
        stack = TiltStack(series, project.folder / series.stack_path)
    except SliceError as problem:
        return None, str(problem)
    if drift.section.max(initial=0) >= stack.n_slices("z"):
        return None, f"{series.stack_path} has fewer images than were refined"
    return stack, ""

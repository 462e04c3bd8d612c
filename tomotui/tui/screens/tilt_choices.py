"""Leaving tilts out and running stages again, for the screens that show single tilts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tomotui.records import Alignment, JobRequest, Target, TiltSeries
from tomotui.tui.edits import Edit

if TYPE_CHECKING:
    from tomotui.tui.app import TomotuiApp


def toggle_tilt(app: TomotuiApp, series: TiltSeries, index: int, excluded: bool) -> None:
    """Leave a tilt out, or take it in again; ``u`` takes that back."""
    uid = series.uid
    verb = "left out" if excluded else "taken in"
    app.edit(
        Edit(
            f"tilt {index + 1} of {series.name} {verb}",
            lambda project: project.choose_tilt(uid, index, excluded),
            lambda project, choice: project.restore_tilt(choice),
        )
    )


def launch_again(app: TomotuiApp, series: TiltSeries, alignment: Alignment | None) -> None:
    """Open the form that reconstructs a series, or aligns one that is not aligned."""
    if app.refuse_when_read_only():
        return
    names = [stage.name for stage in app.launchable]
    wanted = "reconstruct" if alignment is not None else "align"
    stage = wanted if wanted in names else next(iter(names), "")
    app.launch(JobRequest(stage=stage, targets=(Target(name=series.name),)))

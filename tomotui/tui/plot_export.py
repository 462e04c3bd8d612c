"""Writing the chart one looks at into files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from textual.screen import Screen
from textual.widget import Widget

from tomotui.tui.printing.files import PrintError, write_all_kinds, write_chart
from tomotui.tui.printing.page import Printable, retitled
from tomotui.tui.wording import short_path

if TYPE_CHECKING:
    from tomotui.tui.navigation import Navigation

FOLDER = "exports"
_MARKUP = re.compile(r"\[[^\]]*\]")


@runtime_checkable
class Plotted(Protocol):
    """A widget with something to print."""

    def printable(self) -> Printable | None:
        """Return what is shown, for paper."""


def plot_in_view(screen: Screen[object]) -> Printable | None:
    """Return the chart nearest to the focus, of those seen; the first where none is near."""
    holders = screen.focused.ancestors_with_self if screen.focused is not None else []
    found: list[tuple[int, Printable]] = []
    for widget in screen.query("*").results(Widget):
        if not isinstance(widget, Plotted) or not widget.region.area:
            continue
        what = widget.printable()
        if what is None:
            continue
        distance = _steps_to(widget, holders)
        found.append((distance, what if what.title else retitled(what, _pane_title(widget))))
    return min(found, key=lambda one: one[0])[1] if found else None


def _steps_to(widget: Widget, holders: Sequence[object]) -> int:
    """Return how far up from the focus something is found that also holds a widget."""
    around = set(map(id, widget.ancestors_with_self))
    return next((at for at, one in enumerate(holders) if id(one) in around), len(holders))


def _pane_title(widget: Widget) -> str:
    for one in widget.ancestors:
        if isinstance(one, Widget) and one.has_class("pane"):
            return _MARKUP.sub("", str(one.border_title or "")).strip()
    return ""


def export_plot(app: Navigation, file: str = "") -> None:
    """Write the chart in view, as all kinds under its title, or as a file of a name."""
    what = plot_in_view(app.screen)
    if what is None:
        app.say("there is no chart on this screen to write", "warning")
        return
    # A project that is only read gets no files; the folder one stands in may.
    folder = Path.cwd() if app.read_only or app.folder is None else app.folder / FOLDER

    def write() -> None:
        try:
            if file:
                paths = [write_chart(what, Path.cwd() / Path(file).expanduser())]
            else:
                paths = write_all_kinds(what, folder, what.title)
        except PrintError as error:
            app.call_from_thread(app.say, str(error), "warning")
            return
        app.call_from_thread(app.say, written_words(paths, app.folder))

    app.run_worker(write, thread=True, group="plot", exit_on_error=False)


def written_words(paths: list[Path], project: Path | None) -> str:
    """Return which files were written; the path within the project, where it lies in it."""
    first, *others = paths
    kinds = "".join(f", {path.suffix}" for path in others)
    if project is not None and first.is_relative_to(project):
        return f"wrote {first.relative_to(project)}{kinds}, in the project"
    return f"wrote {short_path(first)}{kinds}"

"""Where one begins: tilt series found here, projects opened lately, the sample, another folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from rich.style import Style
from rich.table import Table as Grid
from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.message import Message
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option
from textual.worker import Worker, get_current_worker

from tomotui import __version__
from tomotui.project import Project, ProjectError
from tomotui.records import JobRequest
from tomotui.tui import scouting
from tomotui.tui.scouting import MOST_PLACES, Understood
from tomotui.tui.screens.base import Frame
from tomotui.tui.screens.import_stacks import ImportScreen, Preview, PreviewError, preview
from tomotui.tui.screens.welcome_words import found_words
from tomotui.tui.session import recent_projects
from tomotui.tui.widgets.choosing import Options
from tomotui.tui.wording import counted, short_path

if TYPE_CHECKING:
    from tomotui.formats.found_series import Scouted

SAMPLE_FOLDER = "first-light"


class WelcomeScreen(Frame):
    """Shown when there is no project in the folder.

    Parameters
    ----------
    here
        The folder that the program was started in, which is searched for tilt series.
    ask
        Tells what the import would make of files.
    """

    ABOUT = "welcome"
    PROSE = (
        "A project is a folder with one file, project.sqlite, and the folders of its jobs. Your "
        "images stay where they are. What was found below this folder is only looked at until "
        "you choose to import it; esc stops the search."
    )

    class LookedThrough(Message, bubble=False):
        """The folders have been looked through."""

        def __init__(self, found: Scouted) -> None:
            super().__init__()
            self.found = found

    def __init__(self, here: Path, ask: Preview = preview) -> None:
        super().__init__()
        self.here = here
        self.recent = recent_projects()
        self.understood: list[Understood] = []
        self._ask = ask
        self._search: Worker[None] | None = None

    @property
    def is_searching(self) -> bool:
        """True until all that was found is understood, or the search was stopped."""
        return self._search is not None and not self._search.is_finished

    def compose_body(self) -> ComposeResult:
        """Lay out title, what was found, choices and the line for another folder."""
        with Vertical(id="welcome-ground"), Vertical(id="welcome"):
            yield Static(self._title(), id="welcome-title")
            with VerticalScroll(id="welcome-found", can_focus=False):
                yield Static("", id="found", markup=False)
            yield Options(*self._options(), id="choices")
            yield Input(
                placeholder="another folder: type its path; enter opens or makes it",
                id="folder",
                compact=True,
                select_on_focus=False,
            )

    def _title(self) -> Text:
        look = self.tomotui.look
        title = Text()
        title.append("tomotui", Style(color=look.primary, bold=True))
        title.append(f"  {__version__}  ", look.dim)
        return title.append("cryo-electron tomography in the terminal", look.foreground)

    def _options(self) -> list[Option]:
        options = []
        n = sum(len(one.usable) for one in self.understood)
        if n:
            series = counted(n, "tilt series", "tilt series")
            options.append(Option(f"import {series}, into a project here", id="take"))
        if self.understood:
            options.append(Option("look at them first, and say what is missing", id="look"))
        if (self.here / "project.sqlite").exists():
            options.append(Option(f"open the project here   {short_path(self.here)}", id="open"))
        else:
            empty = "an empty project" if n else "a project"
            options.append(Option(f"make {empty} here   {short_path(self.here)}", id="here"))
        if not self.understood:
            options.append(Option("import tilt series from elsewhere", id="look"))
        options.append(Option(f"the tour, on a real cell   ./{SAMPLE_FOLDER}", id="tour"))
        if self.recent:
            options.append(Option("opened lately", id="recent-heading", disabled=True))
        for at, folder in enumerate(self.recent):
            options.append(Option(f"  {folder.name}   {short_path(folder)}", id=f"recent-{at}"))
        return options

    def on_mount(self) -> None:
        """Begin with the first choice, and look around."""
        self.query_one("#folder", Input).cursor_blink = False
        choices = self.query_one("#choices", OptionList)
        choices.highlighted = 0
        choices.focus()
        if (self.here / "project.sqlite").exists():
            return
        self._say_found(f"looking for tilt series below {short_path(self.here)}; esc stops")
        self._search = self._look_around()

    # ---- looking around

    @work(thread=True, exit_on_error=False, group="welcome-scout")
    def _look_around(self) -> None:
        # Imported in the thread: reading headers needs libraries that no screen does.
        from tomotui.formats.found_series import scout

        worker = get_current_worker()
        found = scout(self.here, lambda: not worker.is_cancelled)
        if not worker.is_cancelled:
            self.post_message(self.LookedThrough(found))

    def on_welcome_screen_looked_through(self, message: LookedThrough) -> None:
        """Ask the import what it would make of what was found."""
        self._search = self._understand(message.found)

    @work(exclusive=True, group="welcome-understand", exit_on_error=False)
    async def _understand(self, found: Scouted) -> None:
        understood: list[Understood] = []
        places = found.places[:MOST_PLACES]
        for number, place in enumerate(places, 1):
            series = counted(len(place.files), "tilt series", "tilt series")
            self._show_found(
                understood,
                found,
                f"{series} in {short_path(place.folder)}: reading what is said of them "
                f"({number} of {len(places)}); esc stops",
            )
            try:
                plans = await self._ask(scouting.arguments(place))
            except (PreviewError, OSError) as error:
                understood.append(Understood(place, error=str(error)))
            else:
                understood.append(Understood(place, tuple(plans)))
        understood = scouting.without_namesakes(understood)
        self.understood = sorted(understood, key=lambda one: not one.usable)
        self._show_found(self.understood, found)
        self._offer_found()

    def _show_found(self, understood: list[Understood], found: Scouted, going_on: str = "") -> None:
        """Show what is understood so far, and what is being read."""
        look, ascii_only = self.tomotui.look, self.tomotui.ascii_only
        self._say_found(found_words(understood, found, self.here, look, ascii_only, going_on))

    def _say_found(self, words: Grid | str) -> None:
        shown = Text(words, self.tomotui.look.dim) if isinstance(words, str) else words
        self.query_one("#found", Static).update(shown)

    def _offer_found(self) -> None:
        """Put what was found before the other choices; a choice already moved to stays."""
        choices = self.query_one("#choices", OptionList)
        at = choices.highlighted or 0
        kept = choices.get_option_at_index(at).id if at else None
        choices.clear_options()
        choices.add_options(self._options())
        ids = [option.id for option in choices.options]
        choices.highlighted = ids.index(kept) if kept in ids else 0

    def go_back(self) -> bool:
        """Stop the search; leave nothing behind."""
        if self._search is None or self._search.is_finished:
            return False
        self._search.cancel()
        self._search = None
        self._say_found("the search was stopped; nothing was changed")
        return True

    def on_unmount(self) -> None:
        """Search no longer."""
        if self._search is not None:
            self._search.cancel()

    # ---- choices

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        name = event.option.id or ""
        if name == "here":
            self.create(self.here)
        elif name == "take":
            self.import_all(self.here, scouting.import_requests(self.understood))
        elif name == "look":
            self.look_first()
        elif name == "tour":
            self.tomotui.begin_tour_in(self.here / SAMPLE_FOLDER)
        elif name == "open":
            self.tomotui.open_project(self.here)
        elif name.startswith("recent-"):
            self.tomotui.open_project(self.recent[int(name.removeprefix("recent-"))])

    def look_first(self) -> None:
        """Show what was found as a table; the project is made when something is imported."""
        if self.tomotui.refuse_when_read_only():
            return

        def begin(request: JobRequest) -> None:
            self.import_all(self.here, [request])

        words, gain = "", ""
        if self.understood:
            place = self.understood[0].place
            words, gain = str(place.folder), str(place.gain or "")
        self.app.push_screen(ImportScreen((), self._ask, words=words, gain=gain, begin=begin))

    def import_all(self, folder: Path, requests: list[JobRequest]) -> None:
        """Make a project and import into it."""

        def submit() -> None:
            for request in requests:
                self.tomotui.submit(request, lambda job: None)

        self.create(folder, submit)

    @on(Input.Submitted, "#folder")
    def _typed(self, event: Input.Submitted) -> None:
        event.stop()
        if not event.value.strip():
            return
        folder = Path(event.value.strip()).expanduser()
        folder = folder if folder.is_absolute() else self.here / folder
        if (folder / "project.sqlite").is_file():
            self.tomotui.open_project(folder)
            return

        def confirmed(yes: bool | None) -> None:
            if yes:
                self.create(folder)

        self.tomotui.confirm(
            f"Make a project in {short_path(folder)}?",
            "It holds none yet. The folder is made when it is not there.",
            confirmed,
        )

    def create(self, folder: Path, then: Callable[[], None] | None = None) -> None:
        """Make a project and open it."""
        if self.tomotui.refuse_when_read_only():
            return
        try:
            if not (folder / "project.sqlite").is_file():
                Project.create(folder).close()
        except ProjectError as error:
            self.tomotui.show_error(error.message, error.remedy)
            return
        if self.tomotui.open_project(folder) and then is not None:
            self.app.call_later(then)

"""Where one begins: projects opened lately, a new one here, another folder."""

from __future__ import annotations

from pathlib import Path

from rich.style import Style
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from tomotui import __version__
from tomotui.project import Project, ProjectError
from tomotui.tui.screens.base import Frame
from tomotui.tui.session import recent_projects
from tomotui.tui.wording import short_path


class WelcomeScreen(Frame):
    """Shown when there is no project in the folder.

    Parameters
    ----------
    here
        The folder that the program was started in.
    """

    ABOUT = "welcome"
    PROSE = (
        "A project is a folder with one file, project.sqlite, and the folders of its jobs. Your "
        "images stay where they are."
    )

    def __init__(self, here: Path) -> None:
        super().__init__()
        self.here = here
        self.recent = recent_projects()

    def compose_body(self) -> ComposeResult:
        """Lay out title, choices and the line for another folder."""
        with Vertical(id="welcome-ground"), Vertical(id="welcome"):
            yield Static(self._title(), id="welcome-title")
            yield OptionList(*self._options(), id="choices")
            yield Input(
                placeholder="another folder: type its path, enter opens it or makes a project",
                id="folder",
                compact=True,
                select_on_focus=False,
            )
            yield Static("", id="welcome-note", markup=False)

    def _title(self) -> Text:
        look = self.tomotui.look
        title = Text()
        title.append("tomotui", Style(color=look.primary, bold=True))
        title.append(f"  {__version__}\n", look.dim)
        return title.append("cryo-electron tomography in the terminal", look.foreground)

    def _options(self) -> list[Option]:
        options = [
            Option(f"make a project here   {short_path(self.here)}", id="here"),
            Option("make a project here and import tilt series", id="import"),
        ]
        if (self.here / "project.sqlite").exists():
            options = [Option(f"open the project here   {short_path(self.here)}", id="open")]
        if self.recent:
            options.append(Option("opened lately", id="recent-heading", disabled=True))
        for at, folder in enumerate(self.recent):
            options.append(Option(f"  {folder.name}   {short_path(folder)}", id=f"recent-{at}"))
        return options

    def on_mount(self) -> None:
        """Begin with the first choice."""
        self.query_one("#folder", Input).cursor_blink = False
        choices = self.query_one("#choices", OptionList)
        choices.highlighted = 0
        choices.focus()

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        name = event.option.id or ""
        if name in ("here", "import"):
            self.create(self.here, then_import=name == "import")
        elif name == "open":
            self.tomotui.open_project(self.here)
        elif name.startswith("recent-"):
            self.tomotui.open_project(self.recent[int(name.removeprefix("recent-"))])

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

    def create(self, folder: Path, then_import: bool = False) -> None:
        """Make a project and open it."""
        if self.tomotui.refuse_when_read_only():
            return
        try:
            Project.create(folder).close()
        except ProjectError as error:
            self.tomotui.show_error(error.message, error.remedy)
            return
        if self.tomotui.open_project(folder) and then_import:
            self.tomotui.import_stacks()

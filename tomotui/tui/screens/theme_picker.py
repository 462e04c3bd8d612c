"""Choosing a theme; the one under the cursor is shown at once."""

from __future__ import annotations

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from tomotui.records import Status
from tomotui.tui.screens.base import Modal
from tomotui.tui.status import SIGNS
from tomotui.tui.theme import user_themes_folder
from tomotui.tui.widgets.choosing import Options
from tomotui.tui.wording import short_path


class ThemePicker(Modal):
    """Lists the themes; gives the name chosen, or ``None`` and the theme from before."""

    ABOUT = "theme"
    PROSE = "The theme under the cursor is shown at once; enter keeps it, escape goes back."

    def __init__(self) -> None:
        super().__init__()
        self._before = ""

    def compose(self) -> ComposeResult:
        """Lay out the list and a sample."""
        looks = self.tomotui.shelf.looks
        with Vertical(classes="dialog medium") as dialog:
            dialog.border_title = "theme"
            dialog.border_subtitle = "enter keeps   esc goes back"
            yield Options(*[Option(look.title, id=name) for name, look in looks.items()])
            yield Static(id="theme-sample", markup=False)
            folder = short_path(user_themes_folder())
            yield Static(f"Your own: {folder}/*.toml, shown as soon as saved.", classes="prose")

    def on_mount(self) -> None:
        """Begin at the present theme."""
        self._before = self.app.theme
        options = self.query_one(OptionList)
        options.highlighted = options.get_option_index(self._before)
        options.focus()

    @on(OptionList.OptionHighlighted)
    def _preview(self, event: OptionList.OptionHighlighted) -> None:
        if event.option.id:
            self.tomotui.use_theme(event.option.id, keep=False)
            self.query_one("#theme-sample", Static).update(self._sample())

    def _sample(self) -> Text:
        look = self.tomotui.look
        words = Text()
        for status in Status:
            word, mood = SIGNS[status]
            words.append(
                f"{look.glyph(mood, self.tomotui.ascii_only)} {word}   ", look.colour(mood)
            )
        words.append("\n\n")
        for name in ("foreground", "dim", "primary", "secondary", "accent", "warning", "error"):
            words.append(f"{name}  ", look.colour(name))
        return words

    @on(OptionList.OptionSelected)
    def _keep(self, event: OptionList.OptionSelected) -> None:
        name = event.option.id or self._before
        self.tomotui.use_theme(name)
        self.dismiss(name)

    def action_close(self) -> None:
        """Go back to the theme from before."""
        self.tomotui.use_theme(self._before)
        self.dismiss(None)

"""How the program looks and listens: themes, keymaps, messages, the clipboard."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from textual.app import App
from textual.binding import Binding, BindingType
from textual.filter import Monochrome
from textual.notifications import SeverityLevel

from tomotui.tui import keymap, session
from tomotui.tui.actions import bindings
from tomotui.tui.ascii_filter import AsciiOnly
from tomotui.tui.colour_filters import FewerColours
from tomotui.tui.raster.capability import Capability
from tomotui.tui.screens.base import Frame, Modal
from tomotui.tui.screens.error import ErrorScreen
from tomotui.tui.sent_rows import SendsChanges
from tomotui.tui.theme import (
    COLOURLESS_THEME,
    DEFAULT_THEME,
    LIGHT_THEME,
    PROJECT_THEME_FILE,
    SIXTEEN_COLOUR_THEME,
    Look,
    ThemeError,
    ThemeShelf,
    theme_of_project,
)
from tomotui.tui.widgets.pacing import FrameAcknowledgements
from tomotui.tui.wording import one_line, shortened

THEME_POLL_SECONDS = 1.0
_KEY_WORDS = {
    "enter": "enter",
    "escape": "esc",
    "backspace": "bksp",
    "up": "up",
    "down": "down",
    "left": "left",
    "right": "right",
    "shift+up": "shift+up",
    "shift+down": "shift+down",
    "shift+left": "shift+left",
    "shift+right": "shift+right",
}


class Appearance(FrameAcknowledgements, SendsChanges, App[int], inherit_bindings=False):
    """The part of the app that knows no project."""

    BINDINGS: ClassVar[list[BindingType]] = bindings(
        "app", "mode", "history", "match", "file", "plot.export"
    )

    def __init__(
        self,
        *,
        theme: str | None = None,
        capability: Capability | None = None,
        shelf: ThemeShelf | None = None,
    ) -> None:
        super().__init__()
        self.capability = capability or Capability()
        self.animation_level = "none"
        self.shelf = shelf or ThemeShelf()
        self.preferences = session.load_preferences()
        self.keymap_name = keymap.DEFAULT_KEYMAP
        self._wanted_theme = theme
        wanted = self.shelf.named(self._theme_at_start())
        self.register_theme(wanted.to_textual())
        # Set without telling anybody: Textual would parse all style sheets again for each screen.
        self.set_reactive(App.theme, wanted.name)
        self.stylesheet.set_variables(self.get_css_variables())
        self._show_in_fewer_colours()
        self.show_in_characters()

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Return values of our own variables for themes that lack them."""
        return {"dim": "#8ba2b5", "cursor": "#1b3448"}

    @property
    def ascii_only(self) -> bool:
        """True when no character beyond ASCII is safe."""
        return self.capability.ascii_only

    # ---- themes

    @property
    def look(self) -> Look:
        """The theme in use."""
        return self.shelf.named(self.theme)

    def _theme_at_start(self) -> str:
        """Return what was asked for, else what the user kept, else what suits the terminal."""
        if self.capability.colours == "mono":
            return COLOURLESS_THEME
        chosen = self._wanted_theme or self.preferences.theme
        if chosen is not None and self.shelf.named(chosen).name == chosen:
            return chosen
        if self.capability.colours == "16":
            return SIXTEEN_COLOUR_THEME
        return LIGHT_THEME if self.capability.is_light else DEFAULT_THEME

    def use_theme_of_project(self, folder: Path, kept: str | None) -> None:
        """Put on the theme that a project names, else the one that the user kept for it."""
        try:
            named = theme_of_project(folder)
        except ThemeError as error:
            named = None
            self.call_after_refresh(self.say, str(error), "warning")
        if named is not None and named not in self.shelf.looks:
            names = ", ".join(self.shelf.looks)
            words = f"{folder / PROJECT_THEME_FILE}: there is no theme {named}; there are {names}"
            self.call_after_refresh(self.say, words, "warning")
            named = None
        wanted = self.shelf.named(self._wanted_theme or named or kept or self._theme_at_start())
        if wanted.name != self.theme:
            self.use_theme(wanted.name, keep=False)

    def _show_in_fewer_colours(self) -> None:
        """Let text have as many colours as theme and terminal allow; pictures see to theirs."""
        depth = self.capability.colours
        if self.look.colours != "full" and depth != "mono":
            depth = "16" if self.look.colours == "ansi" else "mono"
        # Greys, which is what Textual makes of NO_COLOR, are colours too, and hide what is meant.
        ours = (FewerColours, Monochrome)
        others = [each for each in self._filters if not isinstance(each, ours)]
        self._filters = [*others, FewerColours(self.look, depth)]
        self.set_class(depth == "mono", "-mono")

    def show_in_characters(self) -> None:
        """Let everything be drawn in ASCII, or no longer, as the terminal has characters."""
        others = [each for each in self._filters if not isinstance(each, AsciiOnly)]
        self._filters = [*others, AsciiOnly()] if self.ascii_only else others
        self.set_class(self.ascii_only, "-ascii")

    def use_theme(self, name: str, keep: bool = True) -> None:
        """Put on a theme; ``keep`` remembers it for the next time."""
        look = self.shelf.named(name)
        if self.capability.colours == "mono" and look.colours != "none":
            self.say(f"this terminal shows no colours, nor does it those of {name}", "warning")
            return
        self.register_theme(look.to_textual())
        if look.name == self.theme:
            # The same name with other colours: Textual only acts on another name.
            self.theme = "textual-dark" if look.dark else "textual-light"
        self.theme = look.name
        self._show_in_fewer_colours()
        if keep:
            self.preferences.theme = look.name
            session.save_preferences(self.preferences)

    def watch_theme_files(self) -> None:
        """Look for changed theme files, and show the present theme as it is now."""
        known = dict(self.shelf.problems)
        changed = self.shelf.refresh()
        for name in changed:
            self.register_theme(self.shelf.looks[name].to_textual())
        if self.theme in changed:
            self.use_theme(self.theme, keep=False)
            self.say(f"theme {self.theme} read again")
        for path, why in self.shelf.problems.items():
            if known.get(path) != why:
                self.say(why, "warning")

    # ---- keys

    def use_keymap(self, name: str, keep: bool = True) -> None:
        """Put on a keymap.

        Raises
        ------
        KeymapError
            When there is no such keymap, or its file is wrong.
        """
        chosen = keymap.load(name)
        self.set_keymap(chosen.overrides())
        self.keymap_name = name
        if keep:
            self.preferences.keymap = name
            session.save_preferences(self.preferences)
        clashes = keymap.conflicts_by_scope(chosen.keys)
        problems = [*chosen.problems, *(f"keys of {name}: {clash}" for clash in clashes)]
        if problems:
            more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
            self.call_after_refresh(self.say, problems[0] + more, "warning")
        elif keep:
            self.say(f"keys: {name}")

    def get_key_display(self, binding: Binding) -> str:
        """Return how a key is written: words where a glyph would be a riddle."""
        if binding.key.startswith("ctrl+"):
            return binding.key
        return _KEY_WORDS.get(binding.key) or super().get_key_display(binding)

    # ---- messages

    def say(self, words: str, severity: SeverityLevel = "information") -> None:
        """Show a message in the status bar, or at the bottom of a dialog; it covers no picture."""
        kinds = (Frame, Modal)
        screen = next((s for s in reversed(self.screen_stack) if isinstance(s, kinds)), None)
        if screen is not None and screen.is_mounted:
            screen.say(one_line(words), severity)

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
        markup: bool = True,
    ) -> None:
        """Show a message in the status bar instead of over the screen."""
        self.say(f"{title}: {message}" if title else message, severity)

    def show_error(self, message: str, remedy: str = "") -> None:
        """Show what went wrong; the program goes on."""
        if isinstance(self.screen, ErrorScreen):
            return
        self.push_screen(ErrorScreen(message, remedy))

    def copy(self, text: str) -> None:
        """Copy text to the clipboard of the user's own terminal, through SSH as well."""
        self.copy_to_clipboard(text)
        self.say(f"copied {shortened(one_line(text), 100)}")

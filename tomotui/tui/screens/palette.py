"""Everything that can be done, searched by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.command import (
    Command,
    CommandInput,
    CommandPalette,
    DiscoveryHit,
    Hit,
    Hits,
    Provider,
)
from textual.containers import Horizontal, Vertical
from textual.widgets import Input, LoadingIndicator, OptionList

from tomotui.tui.actions import ACTIONS
from tomotui.tui.screens.base import SHORT_LINES
from tomotui.tui.widgets.choosing import Commands

if TYPE_CHECKING:
    from tomotui.tui.app import TomotuiApp

_NOT_LISTED = frozenset({"list", "log", "dialog", "form", "line", "yank"})
_EVERYWHERE = ("app", "mode", "history", "match", "file")
_SELF_EVIDENT = frozenset(
    {"app.palette", "app.command", "app.back", "app.interrupt", "list.filter"}
)


class ActionProvider(Provider):
    """Offers the actions that work on the screen below, the commands, themes and keymaps."""

    @property
    def tomotui(self) -> TomotuiApp:
        """The app, by its own type."""
        return self.app  # type: ignore[return-value]

    async def discover(self) -> Hits:
        """Offer everything before anything is typed."""
        for title, help_text, command in self._offers():
            yield DiscoveryHit(title, command, help=help_text)

    async def search(self, query: str) -> Hits:
        """Offer what matches."""
        matcher = self.matcher(query)
        for title, help_text, command in self._offers():
            score = max(matcher.match(title), 0.6 * matcher.match(help_text))
            if score > 0:
                yield Hit(score, matcher.highlight(title), command, help=help_text)

    def _offers(self) -> Iterator[tuple[str, str, Callable[[], object]]]:
        app = self.tomotui
        live = {
            active.binding.id: app.get_key_display(active.binding)
            for active in reversed(self.screen.active_bindings.values())
            if active.enabled
        }
        local_first = sorted(ACTIONS.values(), key=lambda action: action.scope in _EVERYWHERE)
        for action in local_first:
            if action.scope in _NOT_LISTED or action.id in _SELF_EVIDENT:
                continue
            everywhere = action.scope in _EVERYWHERE
            if everywhere or action.id in live:
                yield (
                    _titled(action.title, live.get(action.id, "")),
                    action.help,
                    partial(app.run_registered, action.id),
                )
        for stage in app.launchable if app.folder is not None else ():
            title = f"run {stage.name}"
            yield title, stage.summary, partial(app.run_command_line, title)
        for look in app.shelf.looks.values():
            yield f"theme {look.name}", look.title, PutOn(app, look.name)


def _titled(title: str, key: str) -> str:
    return f"{title}  ({key})" if key else title


@dataclass(frozen=True)
class PutOn:
    """Puts on a theme; the palette shows it while the cursor is on it."""

    app: TomotuiApp
    theme: str

    def __call__(self) -> None:
        """Put it on."""
        self.app.use_theme(self.theme)


class Palette(CommandPalette):
    """The palette without blinking; a theme under its cursor is shown at once."""

    VERTICAL_BREAKPOINTS = [(0, "-short"), (SHORT_LINES, "-high")]

    def __init__(self) -> None:
        super().__init__(
            [ActionProvider], placeholder="What do you want to do?", id="--command-palette"
        )

    def compose(self) -> ComposeResult:
        """Lay out the line and the commands; the identities are those that Textual looks for."""
        with Vertical(id="--container"):
            with Horizontal(id="--input"):
                yield CommandInput(placeholder=self._placeholder, select_on_focus=False)
            with Vertical(id="--results"):
                yield Commands()
                yield LoadingIndicator()

    def on_mount(self) -> None:
        """Keep the cursor still: a blink is bytes over a slow line, for ever."""
        for line in self.query(Input):
            line.cursor_blink = False
        self._theme_before = self.app.theme

    @on(OptionList.OptionHighlighted)
    def _preview(self, event: OptionList.OptionHighlighted) -> None:
        app: TomotuiApp = self.app  # type: ignore[assignment]
        command = event.option.hit.command if isinstance(event.option, Command) else None
        wanted = command.theme if isinstance(command, PutOn) else self._theme_before
        if wanted != app.theme:
            app.use_theme(wanted, keep=False)

    def on_unmount(self) -> None:
        """Go back to the theme from before; one that was chosen is put on after this."""
        app: TomotuiApp = self.app  # type: ignore[assignment]
        if self._theme_before != app.theme:
            app.use_theme(self._theme_before, keep=False)

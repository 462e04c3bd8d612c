"""Everything that can be done, searched by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from textual.command import CommandPalette, DiscoveryHit, Hit, Hits, Provider
from textual.widgets import Input

from tomotui.tui.actions import ACTIONS

if TYPE_CHECKING:
    from tomotui.tui.app import TomotuiApp

_NOT_LISTED = frozenset({"list", "log", "dialog", "form", "line", "yank"})
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
        live = {active.binding.id for active in self.screen.active_bindings.values()}
        local_first = sorted(ACTIONS.values(), key=lambda action: action.scope in ("app", "mode"))
        for action in local_first:
            if action.scope in _NOT_LISTED or action.id in _SELF_EVIDENT:
                continue
            everywhere = action.scope in ("app", "mode")
            if everywhere or action.id in live:
                yield (
                    _titled(action.title, action.keys),
                    action.help,
                    partial(app.run_registered, action.id),
                )
        for stage in app.launchable if app.folder is not None else ():
            title = f"run {stage.name}"
            yield title, stage.summary, partial(app.run_command_line, title)
        for look in app.shelf.looks.values():
            yield (
                f"theme {look.name}",
                look.title,
                partial(app.run_command_line, f"theme {look.name}"),
            )


def _titled(title: str, keys: tuple[str, ...]) -> str:
    return f"{title}  ({keys[0]})" if keys else title


class Palette(CommandPalette):
    """The palette without blinking."""

    def __init__(self) -> None:
        super().__init__(
            [ActionProvider], placeholder="What do you want to do?", id="--command-palette"
        )

    def on_mount(self) -> None:
        """Keep the cursor still: a blink is bytes over a slow line, for ever."""
        for line in self.query(Input):
            line.cursor_blink = False

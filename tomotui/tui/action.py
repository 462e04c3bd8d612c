"""One thing that can be done, as the keys, the palette, the ``:`` line and the help see it."""

from __future__ import annotations

from dataclasses import dataclass

from tomotui.tui.keymap import default_keys


@dataclass(frozen=True)
class Action:
    """One thing that can be done.

    Attributes
    ----------
    id
        ``scope.name``; stable, for keymap files.
    title
        Two or three words for the hints at the bottom and the palette.
    help
        One sentence for the help screen.
    method
        Textual's action, looked up from the place that binds it.
    hint
        Shown in the line of hints.
    word
        Command of the ``:`` line; empty when there is none.
    """

    id: str
    title: str
    help: str
    method: str
    hint: bool = False
    word: str = ""

    @property
    def scope(self) -> str:
        """Where the action belongs: ``app``, ``list``, ``dataset``, ..."""
        return self.id.partition(".")[0]

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys of the default keymap; empty for what only palette and ``:`` line offer."""
        return default_keys().get(self.id, ())

"""Messages, which are cut into as many lines as they need: a refusal is read to its end."""

from __future__ import annotations

from textwrap import wrap
from typing import ClassVar, Literal

from rich.text import Text
from textual.widget import Widget

from tomotui.tui.theme import FALLBACK, Look

Severity = Literal["information", "warning", "error"]
MOST_LINES = 3

_SIGNS = {"information": "", "warning": "! ", "error": "✗ "}
_ASCII_SIGNS = _SIGNS | {"error": "x "}
_ROLES = {"information": "foreground", "warning": "warning", "error": "error"}


def message_lines(
    words: str, severity: Severity, width: int, ascii_only: bool = False
) -> list[str]:
    """Return a message with its sign, in lines of a width."""
    sign = (_ASCII_SIGNS if ascii_only else _SIGNS)[severity]
    room, more = max(width - 2 - len(sign), 8), " ..." if ascii_only else " …"
    # A path is copied more easily when it is not parted at its hyphens.
    lines = wrap(words, room, max_lines=MOST_LINES, placeholder=more, break_on_hyphens=False) or [
        ""
    ]
    indents = [sign, *[" " * len(sign)] * (len(lines) - 1)]
    return [f" {indent}{line}" for indent, line in zip(indents, lines, strict=True)]


def message_text(widget: Widget, words: str, severity: Severity, width: int) -> Text:
    """Return a message as a widget shows it."""
    look: Look = getattr(widget.app, "look", FALLBACK)
    lines = message_lines(words, severity, width, getattr(widget.app, "ascii_only", False))
    return Text("\n".join(lines), look.colour(_ROLES[severity]), no_wrap=True)


class MessageLine(Widget):
    """A message at the bottom of a dialog, until the next key."""

    ALLOW_SELECT = False
    DEFAULT_CSS: ClassVar[str] = """
    MessageLine { dock: bottom; height: auto; width: 1fr; background: $panel; display: none; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.message = ""
        self.severity: Severity = "information"

    def say(self, words: str, severity: Severity = "information") -> None:
        """Show a message; nothing takes the line away."""
        self.message, self.severity = words, severity
        self.display = bool(words)
        self.refresh(layout=True)

    def render(self) -> Text:
        """Draw the message."""
        return message_text(self, self.message, self.severity, self.size.width)

    def get_content_height(self, container: object, viewport: object, width: int) -> int:
        """Return as many lines as the message needs."""
        return len(message_lines(self.message, self.severity, width))

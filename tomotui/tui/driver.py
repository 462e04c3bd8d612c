"""How much of the mouse is asked of the terminal, and what becomes of words to one that is gone.

Private names of Textual's driver are used here.
"""

from __future__ import annotations

from typing import Any, cast

from textual.drivers.linux_driver import LinuxDriver

from tomotui.tui.hanging_up import Outlet
from tomotui.tui.mouse import DEFAULT_MOUSE, MouseMode

_ON: dict[MouseMode, str] = {
    "off": "",
    "click": "\x1b[?1000h\x1b[?1002h\x1b[?1006h",
    "full": "\x1b[?1000h\x1b[?1003h\x1b[?1006h",
}
_OFF = "\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l"


class TerminalDriver(LinuxDriver):
    """Asks for what the app's ``mouse_mode`` says.

    ``click`` has presses, the wheel and movements with a button held. ``full`` has every movement
    as well, which on a slow link is much traffic for little. With ``off`` the terminal selects
    text as it does elsewhere.
    """

    def __init__(self, *settings: Any, **more: Any) -> None:
        super().__init__(*settings, **more)
        self._file = cast(Any, Outlet(cast(Any, self._file), self._hung_up))

    def _hung_up(self) -> None:
        leave = getattr(self._app, "leave_when_hung_up", None)
        if leave is not None:
            self._app.call_later(leave)

    def start_application_mode(self) -> None:
        """Take the terminal, at the start and after another program had it."""
        forget = getattr(self._app, "forget_sent", None)
        if forget is not None:
            forget()
        super().start_application_mode()  # type: ignore[no-untyped-call]

    def _enable_mouse_support(self) -> None:
        mode: MouseMode = getattr(self._app, "mouse_mode", DEFAULT_MOUSE)
        if self._mouse and _ON[mode]:
            self.write(_ON[mode])
            self.flush()

    def _disable_mouse_support(self) -> None:
        if self._mouse:
            self.write(_OFF)
            self.flush()

    def mouse_changed(self) -> None:
        """Ask for what is wished now."""
        self._disable_mouse_support()
        self._enable_mouse_support()

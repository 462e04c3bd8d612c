"""Control sequences to the terminal, behind Textual's own output.

Private names of Textual are used here and in ``strip`` only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from textual.app import App


def write_to_terminal(app: App[object], text: str) -> bool:
    """Write a control sequence behind everything sent so far; tell whether a terminal got it."""
    driver = app._driver
    if driver is None or app.is_headless or app._exit:
        return False
    driver.write(text)
    return True

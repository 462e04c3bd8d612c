"""Strips whose terminal text is ready made, and whether those are wished for."""

from __future__ import annotations

import os

from textual.strip import Strip

SAFE_RENDER_VARIABLE = "TOMOTUI_SAFE_RENDER"


def safe_render(environ: dict[str, str] | None = None) -> bool:
    """Return whether the user asked to draw without shortcuts through Textual."""
    value = (os.environ if environ is None else environ).get(SAFE_RENDER_VARIABLE, "")
    return value not in ("", "0")


class ReadyStrip(Strip):
    """A strip that knows its text; as segments it is longer, and takes time to make."""

    __slots__ = ()

"""How much of the mouse may be asked of the terminal."""

from __future__ import annotations

from typing import Literal

MouseMode = Literal["off", "click", "full"]

MOUSE_MODES: tuple[MouseMode, ...] = ("click", "full", "off")
MOUSE_VARIABLE = "TOMOTUI_MOUSE"
DEFAULT_MOUSE: MouseMode = "click"

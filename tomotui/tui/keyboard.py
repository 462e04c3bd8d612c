"""What a terminal can tell about keys: their names, and which of them never arrive."""

from __future__ import annotations

import string

from textual.keys import Keys, _character_to_key

FORBIDDEN = frozenset(
    {"ctrl+h", "ctrl+i", "ctrl+j", "ctrl+m", "ctrl+left_square_bracket", "ctrl+[", "ctrl+enter"}
    | {"ctrl+s", "ctrl+q", "ctrl+a", "ctrl+b"}
)
"""Keys that terminals send as others, that stop the flow of output, or that multiplexers take."""

_NAMED = frozenset(key.value for key in Keys if not key.value.startswith("<")) - {"return"}
_SIGNS = frozenset(_character_to_key(sign) for sign in string.punctuation)
_FULL_ALT = frozenset({"left", "right", "up", "down", "enter", "backspace", "pageup", "pagedown"})


def name_of(key: str) -> str:
    """Return the name of a key as it arrives: ``[`` is ``left_square_bracket``."""
    return _character_to_key(key) if len(key) == 1 else key


def why_not(key: str) -> str:
    """Say why a key cannot be used and what to write instead; empty when it can."""
    if key in FORBIDDEN:
        return f"{key} does not arrive from all terminals; take another key"
    if len(key) == 1 and not key.isspace():
        return ""
    if key in _NAMED or key in _SIGNS:
        return ""
    modifier, _, rest = key.partition("+")
    if modifier == "shift" and len(rest) == 1:
        return f"terminals send {key} as {rest.upper()}; write that"
    if modifier == "alt" and (len(rest) == 1 or rest in _SIGNS or rest in _FULL_ALT):
        return ""
    return f"there is no key {key or 'without a name'}; see the names in the default keymap"

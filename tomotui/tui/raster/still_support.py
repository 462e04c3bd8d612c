"""Which protocol for pictures a terminal understands, from its answers at the start."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Protocol = Literal["", "kitty", "iterm2", "sixel"]

STILL_VARIABLE = "TOMOTUI_STILL"
KITTY_QUESTION = "\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\"
"""Asks for the graphics of kitty, with a picture of one pixel that is not kept."""
_LIKE_ITERM = ("iterm2", "wezterm", "mintty", "rio", "warp")
_NO_PROTOCOL = "this terminal shows no pictures; kitty, Ghostty, WezTerm, iTerm2, foot do"
_IN_TMUX = "no pictures in this tmux: version 3.4 with sixel has them, or go outside it"
_NOT_ASKED = f"the terminal tells of no pictures; {STILL_VARIABLE}=kitty, iterm2 or sixel does"


@dataclass(frozen=True)
class StillSupport:
    """What a terminal shows of pictures.

    Attributes
    ----------
    protocol
        How they are sent; empty when it shows none.
    refusal
        Why it shows none, and what helps.
    cell_pixels
        Height and width of a character cell.
    """

    protocol: Protocol = ""
    refusal: str = _NOT_ASKED
    cell_pixels: tuple[int, int] = (16, 8)


UNKNOWN_SUPPORT = StillSupport()
"""Of a terminal that was not asked."""


def still_support(reply: str, name: str, environ: Mapping[str, str] | None = None) -> StillSupport:
    """Tell from a terminal's answers how pictures are sent to it.

    ``TOMOTUI_STILL`` overrules everything: a protocol, or ``none``.

    Parameters
    ----------
    reply
        Its answers to the questions of ``probe_terminal``.
    name
        What it calls itself, in lower case.
    """
    env = os.environ if environ is None else environ
    size = re.search(r"\x1b\[6;(\d+);(\d+)t", reply)
    pixels = (int(size[1]), int(size[2])) if size and int(size[1]) and int(size[2]) else (16, 8)
    wish = env.get(STILL_VARIABLE, "").lower()
    protocols: tuple[Protocol, ...] = ("kitty", "iterm2", "sixel")
    for protocol in protocols:
        if wish == protocol:
            return StillSupport(protocol, "", pixels)
    if wish == "none":
        return StillSupport("", f"pictures are switched off by {STILL_VARIABLE}=none", pixels)
    attributes = re.search(r"\x1b\[\?([\d;]*)c", reply)
    has_sixel = attributes is not None and "4" in attributes[1].split(";")[1:]
    if env.get("TMUX") or name == "tmux":
        return StillSupport("sixel" if has_sixel else "", "" if has_sixel else _IN_TMUX, pixels)
    if "\x1b_Gi=31;OK" in reply:
        return StillSupport("kitty", "", pixels)
    if name in _LIKE_ITERM:
        return StillSupport("iterm2", "", pixels)
    if has_sixel:
        return StillSupport("sixel", "", pixels)
    return StillSupport("", _NO_PROTOCOL if reply else _NOT_ASKED, pixels)

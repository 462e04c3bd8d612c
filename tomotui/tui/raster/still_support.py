"""Which protocol for pictures a terminal understands, from its answers at the start."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

Protocol = Literal["", "kitty", "iterm2", "sixel"]

STILL_VARIABLE = "TOMOTUI_STILL"
KITTY_QUESTION = "\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\"
"""Asks for the graphics of kitty, with a picture of one pixel that is not kept."""
_LIKE_ITERM = ("iterm2", "wezterm", "mintty", "rio", "warp")
_NO_PROTOCOL = "this terminal shows no pictures; kitty, Ghostty, WezTerm, iTerm2, foot do"
_IN_TMUX = (
    "no pictures in this tmux: 3.4 with sixel has them; or tmux set -g allow-passthrough on, and "
    f"{STILL_VARIABLE}=kitty, iterm2 or sixel"
)
_KEPT_BY_TMUX = "tmux keeps pictures to itself: tmux set -g allow-passthrough on"
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
    through_tmux
        They are handed through tmux to its terminal, which the user has asked for.
    """

    protocol: Protocol = ""
    refusal: str = _NOT_ASKED
    cell_pixels: tuple[int, int] = (16, 8)
    through_tmux: bool = False


@dataclass(frozen=True)
class TmuxSays:
    """What a tmux does with pictures.

    Attributes
    ----------
    passes_on
        It hands sequences that it does not read to its terminal.
    draws_sixel
        Its terminal draws sixels, as far as it knows: where there are none it writes words.
    """

    passes_on: bool = False
    draws_sixel: bool = True


UNKNOWN_SUPPORT = StillSupport()
"""Of a terminal that was not asked."""


def still_support(
    reply: str,
    name: str,
    environ: Mapping[str, str] | None = None,
    ask_tmux: Callable[[], TmuxSays] = TmuxSays,
) -> StillSupport:
    """Tell from a terminal's answers how pictures are sent to it.

    ``TOMOTUI_STILL`` overrules everything: a protocol, or ``none``. Inside tmux it asks for
    pictures to be handed through, unless tmux itself draws that kind.

    Parameters
    ----------
    reply
        Its answers to the questions of ``probe_terminal``.
    name
        What it calls itself, in lower case.
    ask_tmux
        Asks tmux what it does with pictures; only where that matters.
    """
    env = os.environ if environ is None else environ
    size = re.search(r"\x1b\[6;(\d+);(\d+)t", reply)
    pixels = (int(size[1]), int(size[2])) if size and int(size[1]) and int(size[2]) else (16, 8)
    wish = env.get(STILL_VARIABLE, "").lower()
    attributes = re.search(r"\x1b\[\?([\d;]*)c", reply)
    has_sixel = attributes is not None and "4" in attributes[1].split(";")[1:]
    in_tmux = bool(env.get("TMUX")) or name == "tmux"
    protocols: tuple[Protocol, ...] = ("kitty", "iterm2", "sixel")
    for protocol in protocols:
        if wish != protocol:
            continue
        if not in_tmux:
            return StillSupport(protocol, "", pixels)
        says = ask_tmux()
        if protocol == "sixel" and has_sixel and says.draws_sixel:
            return StillSupport(protocol, "", pixels)
        if says.passes_on:
            return StillSupport(protocol, "", pixels, through_tmux=True)
        return StillSupport("", _KEPT_BY_TMUX, pixels)
    if wish == "none":
        return StillSupport("", f"pictures are switched off by {STILL_VARIABLE}=none", pixels)
    if in_tmux:
        if has_sixel and ask_tmux().draws_sixel:
            return StillSupport("sixel", "", pixels)
        return StillSupport("", _IN_TMUX, pixels)
    if "\x1b_Gi=31;OK" in reply:
        return StillSupport("kitty", "", pixels)
    if name in _LIKE_ITERM:
        return StillSupport("iterm2", "", pixels)
    if has_sixel:
        return StillSupport("sixel", "", pixels)
    return StillSupport("", _NO_PROTOCOL if reply else _NOT_ASKED, pixels)

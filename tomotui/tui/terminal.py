"""Which terminal this is, and what stands between it and us."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Multiplexer = Literal["", "tmux", "screen"]

PATIENCE_SECONDS = 1.0

_BY_VARIABLE = {
    "KITTY_WINDOW_ID": "kitty",
    "GHOSTTY_RESOURCES_DIR": "ghostty",
    "WEZTERM_PANE": "wezterm",
    "ITERM_SESSION_ID": "iterm2",
    "ALACRITTY_WINDOW_ID": "alacritty",
    "KONSOLE_VERSION": "konsole",
    "WT_SESSION": "windows-terminal",
    "VTE_VERSION": "vte",
}
"""Variables that terminals set; inside a multiplexer they are all that tells of the terminal."""
_BY_TERM = {
    "xterm-kitty": "kitty",
    "xterm-ghostty": "ghostty",
    "foot": "foot",
    "foot-extra": "foot",
    "alacritty": "alacritty",
    "wezterm": "wezterm",
    "contour": "contour",
    "rxvt-unicode": "urxvt",
    "rxvt-unicode-256color": "urxvt",
}
_SPELLINGS = {
    "iterm.app": "iterm2",
    "iterm": "iterm2",
    "apple_terminal": "apple-terminal",
    "rxvt": "urxvt",
    "warpterminal": "warp",
}

_SCREEN_LENGTH = 240
"""Of a string that every version of screen passes on whole."""


@dataclass(frozen=True)
class Terminal:
    """A terminal, as far as it is known.

    Attributes
    ----------
    name, version
        Of the terminal that the user looks at; empty when unknown.
    multiplexer, multiplexer_version
        What runs in it and shows us.
    term
        What ``TERM`` says, where the name is not known.
    """

    name: str = ""
    version: str = ""
    multiplexer: Multiplexer = ""
    multiplexer_version: str = ""
    term: str = ""

    @property
    def key(self) -> str:
        """One line that stands for everything that decides which characters are drawn rightly."""
        outer = f"{self.name or self.term or 'unknown'} {self.version}".rstrip()
        inner = f"{self.multiplexer} {self.multiplexer_version}".rstrip()
        return f"{outer} in {inner}" if inner else outer


def identify(
    env: Mapping[str, str],
    probed_name: str = "",
    probed_version: tuple[int, ...] = (),
    outer: str = "",
) -> Terminal:
    """Return the terminal that the environment and the terminal's own answer tell of.

    Parameters
    ----------
    env
        The environment.
    probed_name, probed_version
        What it answered when it was asked (XTVERSION); a multiplexer answers for itself.
    outer
        What the multiplexer knows of its own terminal, see `ask_tmux_of_its_terminal`.
    """
    said = ".".join(str(number) for number in probed_version)
    program = env.get("TERM_PROGRAM", "").lower()
    program_version = env.get("TERM_PROGRAM_VERSION", "")
    term = env.get("TERM", "")
    if env.get("TMUX") or probed_name == "tmux" or term.startswith("tmux"):
        version = said if probed_name == "tmux" else ""
        version = version or (program_version if program == "tmux" else "")
        name, number = _named(outer)
        return Terminal(name or _hinted(env), number, "tmux", version)
    if env.get("STY") or term.startswith("screen"):
        return Terminal(_hinted(env), "", "screen", "")
    if probed_name:
        return Terminal(_SPELLINGS.get(probed_name, probed_name), said)
    if program:
        return Terminal(_SPELLINGS.get(program, program), program_version)
    hinted = _hinted(env)
    return Terminal(hinted, term="" if hinted else term)


def ask_tmux_of_its_terminal(env: Mapping[str, str]) -> str:
    """Return what the tmux about us knows of the terminal it is shown by; empty where it is none.

    That is the terminal's own answer, such as ``kitty(0.36.4)``, or what its ``TERM`` says.
    """
    if not env.get("TMUX"):
        return ""
    try:
        done = subprocess.run(
            ["tmux", "display-message", "-p", "#{client_termtype}\n#{client_termname}"],
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return next((line.strip() for line in done.stdout.splitlines() if line.strip()), "")


def _named(outer: str) -> tuple[str, str]:
    """Return name and version of ``kitty(0.36.4)``, ``iTerm2 3.5.0`` or ``xterm-kitty``."""
    if outer in _BY_TERM:
        return _BY_TERM[outer], ""
    found = re.fullmatch(r"([A-Za-z][\w.-]*)[ (]([\d.]+)\S*", outer)
    if found is None:
        return "", ""
    name = found[1].lower()
    return _SPELLINGS.get(name, name), found[2]


def _hinted(env: Mapping[str, str]) -> str:
    """Return what the variables say that terminals leave and SSH may carry along."""
    # iTerm2 has this one carried through SSH by default.
    carried = env.get("LC_TERMINAL", "").lower()
    if carried:
        return _SPELLINGS.get(carried, carried)
    for variable, name in _BY_VARIABLE.items():
        if env.get(variable):
            return name
    return _BY_TERM.get(env.get("TERM", ""), "")


def passed_on(sequence: str, multiplexer: Multiplexer) -> str:
    """Return a control sequence so that a multiplexer hands it to its own terminal unread.

    tmux does so where ``allow-passthrough`` is on. screen cuts strings off that are long.
    """
    if multiplexer == "tmux":
        doubled = sequence.replace("\x1b", "\x1b\x1b")
        return f"\x1bPtmux;{doubled}\x1b\\"
    if multiplexer == "screen":
        pieces = [sequence[i : i + _SCREEN_LENGTH] for i in range(0, len(sequence), _SCREEN_LENGTH)]
        return "".join(f"\x1bP{piece}\x1b\\" for piece in pieces)
    return sequence


RESET = "".join(
    (
        "\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?1015l\x1b[?1016l",  # the mouse
        "\x1b[?1004l\x1b[?2004l\x1b[?2048l",  # reports of focus, pasting and size
        "\x1b[<u\x1b[>4;0m",  # keyboard protocols
        "\x1b[?2026l",  # updates held back
        "\x1b[?1049l\x1b[?7h\x1b[?25h\x1b[0m\x1b(B\x0f",  # screen, wrap, cursor, colours
        "\r\x1b[K",
    )
)
"""Undoes what the screens ask of a terminal, for when they could not do it themselves."""

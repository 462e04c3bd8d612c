"""Copying to the clipboard of the terminal that the user sits at, through SSH and multiplexers."""

from __future__ import annotations

import base64
import shutil
import subprocess

from tomotui.tui.terminal import Terminal, passed_on

MOST_BYTES = 74_994
"""Longer texts are dropped by many terminals: 100,000 characters once they are encoded."""
PATIENCE_SECONDS = 5.0


def why_too_long(text: str) -> str:
    """Return why a text cannot be copied; empty when it can."""
    n_bytes = len(text.encode())
    if n_bytes <= MOST_BYTES:
        return ""
    return (
        f"not copied: {n_bytes / 1000:.0f} kB are more than terminals take "
        f"({MOST_BYTES / 1000:.0f} kB); copy the path instead"
    )


def sequence_of(text: str, terminal: Terminal) -> str:
    """Return the control sequence that puts a text on the clipboard (OSC 52)."""
    encoded = base64.b64encode(text.encode()).decode()
    return passed_on(f"\x1b]52;c;{encoded}\a", terminal.multiplexer)


def can_ask_tmux(terminal: Terminal, socket: str) -> bool:
    """Return whether the tmux about us can be asked; the one of another host cannot."""
    return terminal.multiplexer == "tmux" and bool(socket) and shutil.which("tmux") is not None


def give_to_tmux(text: str) -> tuple[bool, str]:
    """Let tmux put a text on the clipboard of its own terminal.

    By default tmux heeds this and ignores the control sequence of programs in its panes.

    Returns
    -------
    Whether it has taken the text, and what has to be said to that.
    """
    if not _tmux("load-buffer", "-w", "-", given=text)[0]:
        return False, ""
    known, clipboard = _tmux("show-options", "-gv", "set-clipboard")
    if known and clipboard.strip() == "off":
        return True, (
            "copied within tmux only (prefix ] pastes): its set-clipboard is off; "
            "tmux set -g set-clipboard external"
        )
    return True, ""


def _tmux(*words: str, given: str = "") -> tuple[bool, str]:
    try:
        done = subprocess.run(
            ["tmux", *words],
            input=given,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return False, ""
    return True, done.stdout

"""The doctor's look at the terminal, and at what stands between it and the program."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping

from tomotui.checks import Check

Ask = Callable[[str, str], str]

_LEAST_COLUMNS, _LEAST_LINES = 60, 16
_SLOW_ESCAPE_MS = 50
_SAID_NOTHING = ""


def terminal_checks(
    environ: Mapping[str, str] | None = None, ask: Ask | None = None
) -> list[Check]:
    """Look at the terminal, its colours, the locale, tmux and the clipboard.

    Parameters
    ----------
    environ
        The environment; that of this process when not given.
    ask
        Gets an answer of tmux: a verb (``show`` or ``display``) and what it is about; empty when
        tmux does not say.
    """
    env = os.environ if environ is None else environ
    tmux = ask or ask_tmux
    checks = [terminal(env), colours(env, tmux), locale(env), multiplexer(env, tmux)]
    if env.get("TMUX"):
        checks += [*_escape_time(tmux), _images(env, tmux)]
    return [*checks, clipboard(env, tmux), session(env)]


def ask_tmux(verb: str, what: str) -> str:
    """Return what the tmux around this process says of an option or a format."""
    words = ["display-message", "-p", what] if verb == "display" else ["show-options", "-gv", what]
    if what == "escape-time":
        words = ["show-options", "-sv", what]
    try:
        done = subprocess.run(
            ["tmux", *words], capture_output=True, text=True, timeout=2, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return _SAID_NOTHING
    return done.stdout.strip()


def terminal(env: Mapping[str, str]) -> Check:
    """Tell which terminal this is, and whether it is large enough."""
    name = env.get("TERM", "")
    size = shutil.get_terminal_size()
    text = f"{name or 'unknown'}, {size.columns} x {size.lines}"
    program = env.get("TERM_PROGRAM")
    if program:
        text += f", {program} {env.get('TERM_PROGRAM_VERSION', '')}".rstrip()
    if name in ("", "dumb"):
        return Check("terminal", "warn", text, "Set TERM, for instance to xterm-256color.")
    if size.columns < _LEAST_COLUMNS or size.lines < _LEAST_LINES:
        return Check(
            "terminal",
            "warn",
            f"{text}: small",
            f"From {_LEAST_COLUMNS} x {_LEAST_LINES} on every screen fits; z gives a pane all.",
        )
    return Check("terminal", "ok", text)


def colours(env: Mapping[str, str], tmux: Ask = ask_tmux) -> Check:
    """Tell how many colours there are, and whether tmux lets them through."""
    if "NO_COLOR" in env:
        return Check("colours", "ok", "none, as NO_COLOR asks")
    if env.get("COLORTERM", "") in ("truecolor", "24bit"):
        features = tmux("display", "#{client_termfeatures}") if env.get("TMUX") else "RGB"
        if features and "RGB" not in features:
            return Check(
                "colours",
                "warn",
                "tmux turns true colour into 256 colours",
                "In ~/.tmux.conf: set -as terminal-features ',*:RGB'; then detach and attach.",
            )
        return Check("colours", "ok", "true colour")
    if "256" in env.get("TERM", ""):
        return Check("colours", "ok", "256 colours")
    return Check(
        "colours", "warn", "16 colours", "Set TERM=xterm-256color if your terminal can do more."
    )


def locale(env: Mapping[str, str]) -> Check:
    """Tell whether characters beyond ASCII arrive."""
    name = env.get("LC_ALL") or env.get("LC_CTYPE") or env.get("LANG", "")
    if "utf" not in name.lower():
        return Check(
            "locale",
            "warn",
            f"{name or 'not set'}: not UTF-8",
            "export LANG=C.UTF-8, to draw with fine characters.",
        )
    return Check("locale", "ok", name)


def multiplexer(env: Mapping[str, str], tmux: Ask = ask_tmux) -> Check:
    """Tell what keeps the terminal alive when the connection drops."""
    if env.get("STY"):
        return Check(
            "multiplexer",
            "warn",
            "screen: few colours, and copied text stays in it",
            "tmux 3.5 or newer lets both through.",
        )
    if not env.get("TMUX"):
        remedy = "" if not _is_remote(env) else "tmux would keep the screen; jobs go on without."
        text = "none: a dropped connection ends the screens, never the jobs"
        return Check("multiplexer", "warn" if remedy else "ok", text, remedy)
    said = tmux("display", "#{version}")
    numbers = re.match(r"\D*(\d+)\.(\d+)", said)
    text = f"tmux {said or 'of unknown version'}"
    if numbers and (int(numbers[1]), int(numbers[2])) < (3, 5):
        return Check(
            "multiplexer",
            "warn",
            f"{text} drops the finest characters: pictures are drawn with quadrants",
            "tmux 3.5 or newer passes them on; or leave tmux to look at slices.",
        )
    return Check("multiplexer", "ok", text)


def _escape_time(tmux: Ask) -> list[Check]:
    said = tmux("show", "escape-time")
    if not said.isdecimal():
        return []
    text = f"esc is told from other keys after {said} ms"
    if int(said) > _SLOW_ESCAPE_MS:
        remedy = "In ~/.tmux.conf: set -sg escape-time 10"
        return [Check("tmux esc", "warn", f"{text}: it feels slow", remedy)]
    return [Check("tmux esc", "ok", text)]


def _images(env: Mapping[str, str], tmux: Ask) -> Check:
    """Tell what becomes of pictures that are no characters; they pass tmux on request only."""
    wish = env.get("TOMOTUI_STILL", "").lower()
    if tmux("show", "allow-passthrough") in ("on", "all"):
        if wish in ("kitty", "iterm2", "sixel"):
            return Check("tmux images", "ok", f"H sends them through tmux, as {wish}")
        return Check(
            "tmux images",
            "ok",
            "allow-passthrough is on: H could send them through",
            "Ask for it with TOMOTUI_STILL=kitty, iterm2 or sixel, as your terminal has it.",
        )
    if "sixel" in tmux("display", "#{client_termfeatures}").split(","):
        return Check("tmux images", "ok", "H shows them as sixels, which tmux draws itself")
    return Check(
        "tmux images",
        "ok",
        "kept by tmux: pictures are drawn with characters, notices ring the bell",
        "In ~/.tmux.conf: set -g allow-passthrough on",
    )


def clipboard(env: Mapping[str, str], tmux: Ask = ask_tmux) -> Check:
    """Tell whether copied text reaches the clipboard of the user's own machine (OSC 52)."""
    if env.get("TMUX"):
        said = tmux("show", "set-clipboard")
        # The screens ask tmux itself, which heeds that unless it is off.
        if said in ("on", "external"):
            return Check("clipboard", "ok", "tmux passes copied text on")
        return Check(
            "clipboard",
            "warn",
            f"tmux keeps what y copies (set-clipboard is {said or 'not known'})",
            "In ~/.tmux.conf: set -g set-clipboard on",
        )
    deaf = "Terminal of macOS" if env.get("TERM_PROGRAM") == "Apple_Terminal" else ""
    deaf = "a terminal with VTE" if env.get("VTE_VERSION") else deaf
    if deaf:
        return Check(
            "clipboard",
            "warn",
            f"{deaf} does not take what y copies",
            "Select with shift and the mouse instead; kitty, foot, WezTerm, iTerm2 take it.",
        )
    return Check("clipboard", "ok", "y copies through the terminal (OSC 52), where it allows that")


def session(env: Mapping[str, str]) -> Check:
    """Tell whether this is a remote session."""
    if not _is_remote(env):
        return Check("session", "ok", "local")
    client = (env.get("SSH_CONNECTION") or env.get("SSH_CLIENT", "")).split(" ")[0]
    return Check("session", "ok", f"over ssh{f' from {client}' if client else ''}")


def _is_remote(env: Mapping[str, str]) -> bool:
    return any(env.get(name) for name in ("SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY"))

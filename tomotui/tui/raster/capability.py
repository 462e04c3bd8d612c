"""What a terminal can show: colours from its environment, characters by asking it."""

from __future__ import annotations

import os
import re
import select
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

from tomotui.tui.raster.still_support import (
    KITTY_QUESTION,
    UNKNOWN_SUPPORT,
    StillSupport,
    TmuxSays,
    still_support,
)
from tomotui.tui.raster.tiers import GLYPH_ORDER, ColourDepth, GlyphName

GLYPH_VARIABLE = "TOMOTUI_GLYPHS"
COLOUR_VARIABLE = "TOMOTUI_COLOURS"
PROBED: dict[GlyphName, str] = {
    "octant": "\U0001cd00",
    "sextant": "\U0001fb00",
    "quadrant": "▚",
}
"""A character that only the terminals that know the set advance by one column."""

# Terminals that paint octants themselves, whatever the font, and since which version.
_PAINTS_OCTANTS: dict[str, tuple[int, ...]] = {
    "kitty": (0, 40),
    "ghostty": (1, 2),
    "foot": (1, 21),
    "wezterm": (20250101,),
}
# Terminals that paint sextants themselves; VTE is the engine of GNOME Terminal and others.
_PAINTS_SEXTANTS: dict[str, tuple[int, ...]] = {
    "kitty": (0, 20),
    "ghostty": (1, 0),
    "foot": (1, 7),
    "wezterm": (20210814,),
    "vte": (0, 62),
    "alacritty": (0, 15),
    "contour": (0, 3),
}

NOT_ASKED = "characters: quadrants, the terminal was not asked or kept silent"
FONT_UNKNOWN = (
    "characters: quadrants; octants have the right width but the font is unknown, "
    f"R, :calibrate or {GLYPH_VARIABLE}=octant tries them"
)


@dataclass(frozen=True)
class Capability:
    """What the terminal can show, and why we think so.

    Attributes
    ----------
    colours
        Depth of colour.
    glyphs
        Finest glyph set that is safe to use.
    available
        Glyph sets the user may switch to; a set that the terminal was seen to misplace is left
        out.
    answers_cursor_report
        The terminal was seen to answer ``CSI 6n``; ``None`` when it was not asked.
    cell_aspect
        Height of a character cell over its width.
    is_light
        The terminal said that its own background is light; ``None`` when it kept silent.
    reasons
        One sentence for each thing that was decided, for ``doctor``.
    is_guess
        Nothing is known of the font: only the user can see which characters it has.
    still
        How it shows pictures by a protocol of its own.
    """

    colours: ColourDepth = "256"
    glyphs: GlyphName = "quadrant"
    available: tuple[GlyphName, ...] = GLYPH_ORDER
    answers_cursor_report: bool | None = None
    cell_aspect: float = 2.0
    is_light: bool | None = None
    reasons: tuple[str, ...] = ()
    is_guess: bool = False
    still: StillSupport = UNKNOWN_SUPPORT

    def with_reason(self, reason: str) -> Capability:
        """Return the same with another reason for its characters."""
        others = tuple(one for one in self.reasons if not one.startswith("characters:"))
        return replace(self, reasons=(*others, reason), is_guess=False)

    @property
    def ascii_only(self) -> bool:
        """True when no character beyond ASCII is safe, or none is wished."""
        return self.glyphs == "ascii" or self.available == ("ascii",)


@dataclass(frozen=True)
class ProbeReport:
    """What the terminal answered.

    Attributes
    ----------
    widths
        Columns by which each probed set's character moved the cursor.
    name, version
        What the terminal calls itself, in lower case, and its version; empty when it kept silent.
    cell_aspect
        From its report of the cell's size in pixels; ``None`` when it did not say.
    round_trip_seconds
        From the questions to the last answer; ``None`` when it kept silent.
    reply
        All that it answered.
    """

    widths: Mapping[GlyphName, int]
    name: str = ""
    version: tuple[int, ...] = ()
    cell_aspect: float | None = None
    is_light: bool | None = None
    round_trip_seconds: float | None = None
    reply: str = ""

    @property
    def answered(self) -> bool:
        """True when the terminal answers cursor reports."""
        return bool(self.widths)


def detect_capability(
    environ: Mapping[str, str] | None = None, probe: ProbeReport | None = None
) -> Capability:
    """Combine what the environment says with what the terminal answered.

    ``TOMOTUI_GLYPHS`` and ``TOMOTUI_COLOURS`` overrule everything but an unknown name. Without a
    probe that confirms more, quadrants are used: characters that every font has.
    """
    env = os.environ if environ is None else environ
    colours, colour_reason = _colours(env)
    glyphs, available, glyph_reason = _glyphs(env, probe)
    return Capability(
        colours=colours,
        glyphs=glyphs,
        available=available,
        answers_cursor_report=probe.answered if probe else None,
        cell_aspect=(probe.cell_aspect if probe and probe.cell_aspect else 2.0),
        is_light=probe.is_light if probe else None,
        reasons=(colour_reason, glyph_reason, *_link_reason(probe)),
        is_guess=glyph_reason in (NOT_ASKED, FONT_UNKNOWN),
        still=still_support(
            probe.reply if probe else "", probe.name if probe else "", env, _ask_tmux
        ),
    )


def _ask_tmux() -> TmuxSays:
    from tomotui.tui.raster.still_tmux import what_tmux_says

    return what_tmux_says()


def _link_reason(probe: ProbeReport | None) -> tuple[str, ...]:
    """Say how far the terminal is away; tmux answers in its stead, and at once."""
    if probe is None or probe.round_trip_seconds is None:
        return ()
    milliseconds = max(1000 * probe.round_trip_seconds, 1.0)
    slow = "; slow: while you move, pictures are drawn coarsely" if milliseconds > 150 else ""
    return (f"link: {milliseconds:.0f} ms to {probe.name or 'the terminal'} and back{slow}",)


def with_glyphs(capability: Capability, glyphs: GlyphName) -> Capability:
    """Return a capability in which the user chose the glyph set."""
    available = capability.available
    if glyphs not in available:
        available = tuple(g for g in GLYPH_ORDER if g in available or g == glyphs)
    return replace(capability, glyphs=glyphs, available=available)


def _colours(env: Mapping[str, str]) -> tuple[ColourDepth, str]:
    term = env.get("TERM", "")
    wish = env.get(COLOUR_VARIABLE, "").lower()
    for depth in ("truecolor", "256", "16", "mono"):
        if wish == depth:
            return depth, f"colours: {depth}, as {COLOUR_VARIABLE} says"
    if env.get("NO_COLOR"):
        return "mono", "colours: none, as NO_COLOR says"
    if term in ("", "dumb"):
        return "mono", f"colours: none, TERM is {term or 'not set'}"
    if env.get("COLORTERM", "").lower() in ("truecolor", "24bit") or term.endswith("-direct"):
        return "truecolor", "colours: true colour, as COLORTERM says"
    if "256" in term or term in ("xterm-kitty", "foot", "xterm-ghostty", "alacritty", "wezterm"):
        return "256", f"colours: 256, as TERM={term} says"
    return "16", f"colours: 16, TERM={term} promises no more"


def _glyphs(
    env: Mapping[str, str], probe: ProbeReport | None
) -> tuple[GlyphName, tuple[GlyphName, ...], str]:
    broken = {name for name, width in probe.widths.items() if width != 1} if probe else set()
    available = tuple(name for name in GLYPH_ORDER if name not in broken)
    wish = env.get(GLYPH_VARIABLE, "").lower()
    for name in GLYPH_ORDER:
        if wish == name:
            chosen = tuple(g for g in GLYPH_ORDER if g in available or g == name)
            return name, chosen, f"characters: {name}, as {GLYPH_VARIABLE} says"
    if not _is_utf8(env) or env.get("TERM", "") == "dumb":
        return "ascii", ("ascii",), "characters: ASCII, the locale is not UTF-8"
    if env.get("TERM", "") == "linux":
        few: tuple[GlyphName, ...] = ("half", "ascii")
        return "half", few, "characters: half blocks, the Linux console has few"
    name, reason = _finest(env, probe)
    if name in broken:
        name = next(g for g in GLYPH_ORDER if g not in broken and GLYPH_ORDER.index(g) >= 2)
    return name, available, reason


def _finest(env: Mapping[str, str], probe: ProbeReport | None) -> tuple[GlyphName, str]:
    """Return the finest set that the terminal is known to draw."""
    if probe is None or not probe.answered:
        return "quadrant", NOT_ASKED
    name, version = _terminal(env, probe)
    if name == "tmux" and version and version < (3, 5):
        return "quadrant", "characters: quadrants, tmux before 3.5 drops finer ones"
    sets: tuple[tuple[GlyphName, dict[str, tuple[int, ...]]], ...] = (
        ("octant", _PAINTS_OCTANTS),
        ("sextant", _PAINTS_SEXTANTS),
    )
    for glyphs, since in sets:
        right_width = probe.widths.get(glyphs) == 1
        if right_width and name in since and (not version or version >= since[name]):
            return glyphs, f"characters: {glyphs}s, {name} draws them itself"
    if probe.widths.get("octant") == 1:
        return "quadrant", FONT_UNKNOWN
    return "quadrant", "characters: quadrants, finer ones are not placed rightly"


def _terminal(env: Mapping[str, str], probe: ProbeReport) -> tuple[str, tuple[int, ...]]:
    """Return the terminal's name and version; its own word counts more than the environment."""
    if env.get("TMUX") or probe.name == "tmux":
        version = probe.version or parse_version(env.get("TERM_PROGRAM_VERSION", ""))
        if version and version < (3, 5):
            return "tmux", version
        # A recent tmux passes characters on; what matters is the terminal it runs in.
        return _hinted(env), ()
    if probe.name:
        return probe.name, probe.version
    program = env.get("TERM_PROGRAM", "").lower()
    if program:
        return program, parse_version(env.get("TERM_PROGRAM_VERSION", ""))
    return _hinted(env), ()


def _hinted(env: Mapping[str, str]) -> str:
    hints = {
        "KITTY_WINDOW_ID": "kitty",
        "GHOSTTY_RESOURCES_DIR": "ghostty",
        "WEZTERM_PANE": "wezterm",
        "VTE_VERSION": "vte",
        "ALACRITTY_WINDOW_ID": "alacritty",
    }
    for variable, name in hints.items():
        if env.get(variable):
            return name
    by_term = {"xterm-kitty": "kitty", "xterm-ghostty": "ghostty", "foot": "foot"}
    return by_term.get(env.get("TERM", ""), "")


def parse_version(text: str) -> tuple[int, ...]:
    """Return the leading numbers of a version: ``3.3a`` gives (3, 3)."""
    numbers = re.match(r"\D*(\d+(?:\.\d+)*)", text)
    return tuple(int(part) for part in numbers[1].split(".")) if numbers else ()


def _is_utf8(env: Mapping[str, str]) -> bool:
    locale = env.get("LC_ALL") or env.get("LC_CTYPE") or env.get("LANG") or ""
    # An empty locale is common in containers, whose terminals speak UTF-8 all the same.
    return not locale or "utf" in locale.lower() or locale in ("C", "POSIX")


def probe_terminal(stdin_fd: int, stdout_fd: int, timeout: float = 0.5) -> ProbeReport:
    """Ask the terminal how it places characters and who it is.

    Must run before Textual takes the terminal. Each candidate is printed at the left edge and the
    cursor's column asked for; the line is wiped afterwards. A last question that every terminal
    answers (its primary attributes) ends the wait, so that only a silent terminal costs the
    timeout.

    Parameters
    ----------
    stdin_fd, stdout_fd
        The terminal; when either is none, or the platform has no termios, nothing is asked.
    timeout
        Seconds to wait altogether.
    """
    try:
        import termios
        import tty
    except ImportError:
        return ProbeReport({})
    if not (os.isatty(stdin_fd) and os.isatty(stdout_fd)):
        return ProbeReport({})
    saved = termios.tcgetattr(stdin_fd)
    try:
        tty.setcbreak(stdin_fd, termios.TCSANOW)
        question = "".join(f"\r{character}\x1b[6n" for character in PROBED.values())
        began = time.monotonic()
        # The Linux console would show the question for the background as text.
        ground = "" if os.environ.get("TERM") == "linux" else "\x1b]11;?\x1b\\"
        ground += KITTY_QUESTION if ground else ""
        _write(stdout_fd, f"{ground}{question}\r\x1b[K\x1b[16t\x1b[>0q\x1b[c")
        reply = _read_reply(stdin_fd, timeout)
        took = time.monotonic() - began
    finally:
        # Late answers must not reach the program as keys.
        termios.tcsetattr(stdin_fd, termios.TCSAFLUSH, saved)
    report = parse_reply(reply)
    return replace(report, round_trip_seconds=took) if report.answered else report


def _write(fd: int, text: str) -> None:
    data = text.encode()
    while data:
        data = data[os.write(fd, data) :]


def _read_reply(fd: int, timeout: float) -> str:
    """Read until the primary attributes came, or time is up."""
    deadline = time.monotonic() + timeout
    received = b""
    while (left := deadline - time.monotonic()) > 0:
        ready, _, _ = select.select([fd], [], [], left)
        if not ready:
            break
        chunk = os.read(fd, 4096)
        if not chunk:
            break
        received += chunk
        if re.search(rb"\x1b\[\?[\d;]*c", received):
            break
    return received.decode("latin-1")


def parse_reply(reply: str) -> ProbeReport:
    """Read a terminal's answers to the questions of ``probe_terminal``."""
    columns = [int(column) for column in re.findall(r"\x1b\[\d+;(\d+)R", reply)]
    complete = len(columns) == len(PROBED)
    widths = (
        {name: column - 1 for name, column in zip(PROBED, columns, strict=True)} if complete else {}
    )
    named = re.search(r"\x1bP>\|([A-Za-z][\w.-]*?)[ (/]?(\d[\w.\-]*)?\)?\x1b\\", reply)
    size = re.search(r"\x1b\[6;(\d+);(\d+)t", reply)
    aspect = None
    if size and int(size[1]) and int(size[2]):
        ratio = int(size[1]) / int(size[2])
        # A terminal that reports nonsense must not distort the picture.
        aspect = ratio if 1.2 <= ratio <= 3.5 else None
    return ProbeReport(
        widths=widths,
        name=(named[1].lower() if named else ""),
        version=parse_version(named[2] or "") if named else (),
        cell_aspect=aspect,
        is_light=_is_light(reply),
        reply=reply,
    )


def _is_light(reply: str) -> bool | None:
    """Read the answer about the background: ``rgb:`` and three hexadecimal parts."""
    parts = re.search(r"\x1b\]11;rgba?:([0-9a-fA-F]+)/([0-9a-fA-F]+)/([0-9a-fA-F]+)", reply)
    if parts is None:
        return None
    red, green, blue = (int(part, 16) / (16 ** len(part) - 1) for part in parts.groups())
    return bool(0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.5)

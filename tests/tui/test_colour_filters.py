from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import sys
import termios
import time
from pathlib import Path

import pytest
from rich.segment import Segment
from rich.style import Style
from textual.color import Color

from tests.tui.conftest import AppMaker, until
from tomotui.resources import themes_folder
from tomotui.tui.colour_filters import FewerColours
from tomotui.tui.raster.capability import Capability, parse_reply
from tomotui.tui.raster.palette import make_palette
from tomotui.tui.theme import read_theme

COLOURS = re.compile(rb"\x1b\[(?:\d*[;:])*(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])(?:[;:][\d;:]*)?m")
"""SGR sequences that set a colour."""


def converted(theme: str, depth: str, style: Style) -> Style:
    look = read_theme(themes_folder() / f"{theme}.toml")
    line = FewerColours(look, depth).apply([Segment("x", style)], Color(0, 0, 0))  # type: ignore[arg-type]
    assert line[0].style is not None
    return line[0].style


def test_without_colours_weight_says_what_colours_did() -> None:
    look = read_theme(themes_folder() / "vitreous.toml")
    assert converted("vitreous", "mono", look.style("error")).bold
    assert converted("vitreous", "mono", look.style("dim")).dim
    cursor = converted("vitreous", "mono", Style(color=look.foreground, bgcolor=look.cursor))
    assert cursor.reverse
    for role in (*look.inks, "track"):
        plain = converted("vitreous", "mono", look.style(role) + Style(bgcolor=look.panel))
        assert plain.color is None
        assert plain.bgcolor is None


def test_the_sixteen_colours_of_the_ansi_theme_are_sent_by_number() -> None:
    look = read_theme(themes_folder() / "ansi16.toml")
    numbers = {role: converted("ansi16", "16", look.style(role)).color for role in look.inks}
    assert all(one is not None and (one.number or 0) < 16 for one in numbers.values())
    assert numbers["error"] == converted("ansi16", "16", Style(color="#ff0000")).color
    assert converted("ansi16", "16", Style(color="#ffffff", bgcolor=look.cursor)).reverse


@pytest.mark.parametrize(("table", "depth"), [("none", "mono"), ("ansi", "16"), ("grey", "256")])
def test_pictures_have_no_more_colours_than_their_theme(table: str, depth: str) -> None:
    assert make_palette("256", table).depth == depth
    assert make_palette("mono", table).is_mono


@pytest.mark.parametrize(
    ("colours", "is_light", "theme"),
    [
        ("truecolor", None, "vitreous"),
        ("truecolor", True, "lamella"),
        ("256", False, "vitreous"),
        ("16", None, "ansi16"),
        ("mono", True, "nocolor"),
    ],
)
async def test_the_terminal_chooses_the_theme_until_somebody_does(
    make_app: AppMaker, colours: str, is_light: bool | None, theme: str
) -> None:
    capability = Capability(colours=colours, is_light=is_light)  # type: ignore[arg-type]
    assert make_app(capability=capability).theme == theme
    told = make_app(capability=capability, theme="gold").theme
    assert told == ("nocolor" if colours == "mono" else "gold")


def test_the_background_is_read_from_the_terminals_answer() -> None:
    assert parse_reply("\x1b]11;rgb:ffff/fafa/e0e0\x1b\\\x1b[?1c").is_light is True
    assert parse_reply("\x1b]11;rgb:10/10/10\x07\x1b[?1c").is_light is False
    assert parse_reply("\x1b[?1c").is_light is None


async def test_a_project_shows_itself_in_the_theme_that_it_names(
    make_app: AppMaker, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "theme.toml").write_text('name = "gold"\n')
    app = make_app()
    async with app.run_test(size=(120, 32)) as pilot:
        await until(pilot, lambda: app.current_mode == "datasets")
        assert app.theme == "gold"
        assert app.preferences.theme is None
        (folder / "theme.toml").write_text('name = "lost"\n')
        said: list[str] = []
        monkeypatch.setattr(app, "say", lambda words, *_: said.append(words))
        app.open_project(folder)
        await until(pilot, lambda: "there is no theme lost" in "".join(said))


def test_no_color_in_the_environment_sends_no_colour(folder: Path) -> None:
    data = bytes_sent(folder, {"NO_COLOR": "1", "COLORTERM": "truecolor"})
    assert b"ts_006" in data, data[-3000:].decode(errors="replace")
    assert COLOURS.findall(data) == []
    # The row under the cursor is reversed, and what matters is bold.
    assert re.search(rb"\x1b\[[\d;]*7m[^\x1b]*ts_001", data)
    assert b"\x1b[1m" in data


def bytes_sent(folder: Path, variables: dict[str, str]) -> bytes:
    """Return what the program sends until the list of series is on the screen."""
    child, terminal = pty.fork()
    if child == 0:
        chosen = {"TERM": "xterm-256color", "TOMOTUI_GLYPHS": "quadrant"}
        os.environ.update({**chosen, **variables})
        os.execv(sys.executable, [sys.executable, "-m", "tomotui", str(folder), "--read-only"])
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 32, 100, 0, 0))
    data, deadline = b"", time.monotonic() + 30
    try:
        while b"ts_006" not in data and time.monotonic() < deadline:
            if select.select([terminal], [], [], 0.1)[0]:
                received = os.read(terminal, 1 << 16)
                data += received
                if b"\x1b[c" in received:
                    os.write(terminal, b"\x1b[?1c")
    finally:
        os.kill(child, 15)
        os.close(terminal)
        os.waitpid(child, 0)
    return data

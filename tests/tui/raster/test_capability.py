"""What a terminal is believed to show."""

from __future__ import annotations

import os
import pty
import re
import threading

import pytest

from tomotui.tui.raster.capability import (
    Capability,
    ProbeReport,
    detect_capability,
    parse_reply,
    parse_version,
    probe_terminal,
    with_glyphs,
)

GOOD = {"octant": 1, "sextant": 1, "quadrant": 1}


def env(**variables):
    return {"TERM": "xterm-256color", "LANG": "en_GB.UTF-8", **variables}


@pytest.mark.parametrize(
    ("variables", "depth"),
    [
        ({}, "256"),
        ({"COLORTERM": "truecolor"}, "truecolor"),
        ({"TERM": "xterm-direct"}, "truecolor"),
        ({"TERM": "xterm"}, "16"),
        ({"TERM": "dumb"}, "mono"),
        ({"NO_COLOR": "1", "COLORTERM": "truecolor"}, "mono"),
        ({"NO_COLOR": ""}, "256"),
        ({"TOMOTUI_COLOURS": "16", "COLORTERM": "truecolor"}, "16"),
        ({"TOMOTUI_COLOURS": "pink"}, "256"),
        ({"TERM": "tmux-256color"}, "256"),
    ],
)
def test_colours(variables, depth):
    assert detect_capability(env(**variables)).colours == depth


@pytest.mark.parametrize(
    ("variables", "report", "glyphs"),
    [
        ({}, None, "quadrant"),
        ({}, ProbeReport({}), "quadrant"),
        ({}, ProbeReport(GOOD, "kitty", (0, 42, 1)), "octant"),
        ({}, ProbeReport(GOOD, "kitty", (0, 30)), "sextant"),
        ({}, ProbeReport(GOOD, "xterm", (390,)), "quadrant"),
        ({}, ProbeReport(GOOD, "vte", (7600,)), "sextant"),
        ({}, ProbeReport({**GOOD, "octant": 2}, "ghostty", (1, 2)), "sextant"),
        ({}, ProbeReport({**GOOD, "quadrant": 2}), "half"),
        ({"TERM": "xterm-ghostty"}, ProbeReport(GOOD), "octant"),
        ({"TMUX": "x", "KITTY_WINDOW_ID": "1"}, ProbeReport(GOOD, "tmux", (3, 3)), "quadrant"),
        ({"TMUX": "x", "KITTY_WINDOW_ID": "1"}, ProbeReport(GOOD, "tmux", (3, 5)), "octant"),
        ({"TMUX": "x"}, ProbeReport(GOOD, "tmux", (3, 5)), "quadrant"),
        ({"TOMOTUI_GLYPHS": "octant"}, None, "octant"),
        ({"TOMOTUI_GLYPHS": "braille"}, ProbeReport(GOOD, "kitty", (0, 42)), "braille"),
        ({"TOMOTUI_GLYPHS": "hexant"}, None, "quadrant"),
        ({"TERM": "linux"}, None, "half"),
        ({"LANG": "en_GB.ISO-8859-1"}, ProbeReport(GOOD, "kitty", (0, 42)), "ascii"),
        ({"LANG": "", "LC_ALL": ""}, None, "quadrant"),
    ],
)
def test_glyphs(variables, report, glyphs):
    found = detect_capability(env(**variables), report)
    assert found.glyphs == glyphs
    assert glyphs in found.available
    assert len(found.reasons) == 2


def test_what_was_seen_to_be_wrong_is_not_offered():
    report = ProbeReport({"octant": 0, "sextant": 2, "quadrant": 1})
    available = detect_capability(env(), report).available
    assert available == ("quadrant", "half", "braille", "ascii")


def test_a_user_may_insist():
    limited = Capability(available=("half", "ascii"))
    assert with_glyphs(limited, "octant").available == ("octant", "half", "ascii")


@pytest.mark.parametrize(
    ("text", "version"),
    [("3.3a", (3, 3)), ("0.35.2", (0, 35, 2)), ("20240203-110809-5046fc22", (20240203,)), ("", ())],
)
def test_versions(text, version):
    assert parse_version(text) == version


@pytest.mark.parametrize(
    ("answer", "name", "version"),
    [
        ("\x1bP>|kitty(0.42.1)\x1b\\", "kitty", (0, 42, 1)),
        ("\x1bP>|tmux 3.5a\x1b\\", "tmux", (3, 5)),
        ("\x1bP>|WezTerm 20250203-110809-5046fc22\x1b\\", "wezterm", (20250203,)),
        ("\x1bP>|iTerm2 3.5.1\x1b\\", "iterm2", (3, 5, 1)),
        ("\x1bP>|foot(1.21.0)\x1b\\", "foot", (1, 21, 0)),
        ("", "", ()),
    ],
)
def test_replies(answer, name, version):
    cursors = "\x1b[3;2R\x1b[3;3R\x1b[3;2R"
    report = parse_reply(f"{cursors}\x1b[6;19;9t{answer}\x1b[?62;4c")
    assert report.widths == {"octant": 1, "sextant": 2, "quadrant": 1}
    assert (report.name, report.version) == (name, version)
    assert report.cell_aspect == pytest.approx(19 / 9)


def test_half_an_answer_is_none():
    report = parse_reply("\x1b[3;2R\x1b[3;2R")
    assert not report.answered
    assert parse_reply("\x1b[6;400;9t").cell_aspect is None


def terminal(master, replies):
    """Answer as a terminal would until the last question."""
    received = b""
    while b"\x1b[c" not in received:
        received += os.read(master, 4096)
    if replies:
        n_cursor = len(re.findall(rb"\x1b\[6n", received))
        os.write(master, b"\x1b[1;2R" * n_cursor + b"\x1bP>|foot(1.22.0)\x1b\\\x1b[?62c")


@pytest.mark.parametrize("replies", [True, False])
def test_the_probe_asks_and_tidies_up(replies):
    import termios

    master, slave = pty.openpty()
    before = termios.tcgetattr(slave)
    thread = threading.Thread(target=terminal, args=(master, replies), daemon=True)
    thread.start()
    try:
        report = probe_terminal(slave, slave, timeout=5.0 if replies else 0.1)
        thread.join(5)
        assert termios.tcgetattr(slave) == before
    finally:
        os.close(slave)
        os.close(master)
    assert report.answered == replies
    if replies:
        assert detect_capability(env(), report).glyphs == "octant"


def test_no_terminal_is_not_asked():
    reader, writer = os.pipe()
    try:
        assert probe_terminal(reader, writer) == ProbeReport({})
    finally:
        os.close(reader)
        os.close(writer)


def test_how_far_the_terminal_is_away_is_told() -> None:
    near = ProbeReport({"octant": 1}, name="kitty", round_trip_seconds=0.0301)
    assert "link: 30 ms to kitty and back" in detect_capability({}, near).reasons
    far = ProbeReport({"octant": 1}, round_trip_seconds=0.4)
    assert "coarsely" in detect_capability({}, far).reasons[-1]
    assert not any("link" in reason for reason in detect_capability({}, ProbeReport({})).reasons)

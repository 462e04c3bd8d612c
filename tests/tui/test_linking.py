"""Test card, mouse, clipboard and what is left when the program has to close."""

from __future__ import annotations

import base64
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from textual import events

from tests.tui.conftest import AppMaker, until
from tests.tui.test_start import Terminal as Pty
from tomotui.tui import clipboard, crash, linking, session
from tomotui.tui.kept_glyphs import with_kept_glyphs
from tomotui.tui.raster.capability import Capability, ProbeReport, detect_capability
from tomotui.tui.raster.glyphs import GLYPHS
from tomotui.tui.screens.calibrate import CalibrateScreen
from tomotui.tui.screens.datasets import DatasetsScreen
from tomotui.tui.screens.error import ErrorScreen
from tomotui.tui.terminal import Terminal, identify, passed_on
from tomotui.tui.widgets.table import Table
from tomotui.tui.widgets.test_card import TestCard, card_rows, frame_bytes, places_of, ring

UTF8 = {"TERM": "xterm-256color", "LANG": "C.UTF-8"}
SEEN = ProbeReport({"octant": 1, "sextant": 1, "quadrant": 1})


def message(app: Any) -> str:
    return str(app.screen.status_bar.query_one("Hints").message)


# ---- characters


def test_only_a_terminal_with_an_unknown_font_leaves_a_guess() -> None:
    assert detect_capability(UTF8, SEEN).is_guess
    assert detect_capability(UTF8, ProbeReport({})).is_guess
    kitty = ProbeReport(SEEN.widths, "kitty", (0, 42))
    assert not detect_capability(UTF8, kitty).is_guess
    assert not detect_capability({**UTF8, "TOMOTUI_GLYPHS": "half"}, SEEN).is_guess
    assert not detect_capability({"TERM": "linux", "LANG": "C.UTF-8"}, SEEN).is_guess
    assert not detect_capability({**UTF8, "LANG": "de_DE.ISO-8859-1"}, SEEN).is_guess


def test_the_choice_belongs_to_one_terminal_and_the_environment_goes_before() -> None:
    here, kept = Terminal("konsole", "24"), {"konsole 24": "octant"}
    capability = detect_capability(UTF8, SEEN)
    chosen = with_kept_glyphs(capability, kept, here, UTF8)
    assert chosen.glyphs == "octant"
    assert not chosen.is_guess
    assert any("chosen for konsole 24" in reason for reason in chosen.reasons)
    assert with_kept_glyphs(capability, kept, Terminal("foot"), UTF8) == capability
    env = {**UTF8, "TOMOTUI_GLYPHS": "half"}
    assert with_kept_glyphs(detect_capability(env, SEEN), kept, here, env).glyphs == "half"
    # What the terminal places wrongly by now is not taken, nor a name from elsewhere.
    broken = detect_capability(UTF8, ProbeReport({"octant": 2, "sextant": 1, "quadrant": 1}))
    assert with_kept_glyphs(broken, kept, here, UTF8) == broken
    assert with_kept_glyphs(capability, {"konsole 24": "lines"}, here, UTF8) == capability


def test_rings_are_round_in_every_set_and_fit_narrow_terminals() -> None:
    for name, kind in GLYPHS.items():
        shape = ring(name, (6, 12), 2.0).shape
        assert shape == (6 * kind.rows, 12 * kind.columns)
        assert ring(name, (6, 12), 2.0)[:, 0].max() < 0.9
    assert {place.row for place in places_of(100)} == {1}
    assert max(place.column for place in places_of(72)) + 12 <= 72
    assert card_rows(72) <= 18
    assert frame_bytes(Capability(), "ascii", (20, 60)) < frame_bytes(
        Capability(), "octant", (20, 60)
    )


async def test_a_number_on_the_card_chooses_and_everything_is_drawn_with_it(
    make_app: AppMaker,
) -> None:
    app = make_app(terminal=Terminal("konsole", "24"), capability=Capability(is_guess=True))
    async with app.run_test(size=(120, 32)) as pilot:
        # A guess shows the card by itself, but never where there is no terminal.
        await until(pilot, lambda: app.screen.query_one(Table).total == 6)
        await pilot.press("j", "j")
        app.run_command_line("calibrate")
        await until(pilot, lambda: isinstance(app.screen, CalibrateScreen))
        await until(pilot, lambda: set(app.screen.card.costs) == set(GLYPHS))
        assert "konsole 24" in str(app.screen.query_one("#card-link").render())
        await pilot.press("2")
        await until(pilot, lambda: isinstance(app.screen, DatasetsScreen))
        assert app.capability.glyphs == "sextant"
        assert session.load_preferences().glyphs == {"konsole 24": "sextant"}
        # The screens are made anew, where one was.
        await until(pilot, lambda: app.screen.query_one(Table).cursor_key == "ts_003")
        app.action_calibrate()
        await until(pilot, lambda: isinstance(app.screen, CalibrateScreen))
        assert app.screen.query_one(TestCard).chosen == "sextant"
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, DatasetsScreen))
        assert app.capability.glyphs == "sextant"


async def test_what_the_terminal_misplaces_cannot_be_chosen(make_app: AppMaker) -> None:
    async with make_app().run_test(size=(120, 32)):
        card = CalibrateScreen(Capability(available=("quadrant", "half", "ascii")), "foot 1.20")
        assert not card.check_action("choose", ("octant",))
        assert card.check_action("choose", ("half",))
        assert card.check_action("keep", ())


# ---- words that come in one piece


async def test_words_that_arrive_in_one_piece_are_a_line_and_no_keys(
    make_app: AppMaker,
) -> None:
    app = make_app()
    async with app.run_test(size=(120, 32)) as pilot:
        await until(pilot, lambda: app.screen.query_one(Table).total == 6)

        def send(text: str) -> None:
            for character in text:
                key = {"\r": "enter", ":": "colon", "/": "slash"}.get(character, character)
                app.post_message(events.Key(key, character))

        send(":calibrate\r")
        await until(pilot, lambda: isinstance(app.screen, CalibrateScreen))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, DatasetsScreen))
        # None of the letters has sorted, imported or moved.
        assert app.session.sorts == {}
        assert app.screen.query_one(Table).cursor_key == "ts_001"
        send("j/ts_004\r")
        await until(pilot, lambda: app.screen.query_one(Table).filter.text == "ts_004")
        await until(pilot, lambda: not app.screen.status_bar.is_asking)


# ---- the mouse and the clipboard


async def test_the_mouse_is_chosen_and_kept_and_what_is_too_long_is_not_copied(
    make_app: AppMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    monkeypatch.setattr(linking, "write_to_terminal", lambda _, text: written.append(text))
    app = make_app()
    async with app.run_test(size=(120, 32)) as pilot:
        await until(pilot, lambda: app.screen.query_one(Table).total == 6)
        assert app.mouse_mode == "click"
        app.run_command_line("mouse off")
        assert session.load_preferences().mouse == app.mouse_mode == "off"
        app.run_command_line("mouse cat")
        assert "mouse with one of click, full, off" in message(app)
        monkeypatch.setenv("TOMOTUI_MOUSE", "full")
        assert app.mouse_mode == "full"
        app.action_next_mouse()
        assert "TOMOTUI_MOUSE goes before it" in message(app)
        app.copy("ts_001")
        assert message(app) == "copied ts_001"
        app.copy("x" * 80_000)
        await until(pilot, lambda: "not copied: 80 kB" in message(app))
    assert written == [clipboard.sequence_of("ts_001", Terminal())]


def test_multiplexers_pass_copies_on() -> None:
    text = "ts_001 " * 60
    plain = clipboard.sequence_of(text, Terminal())
    assert plain == f"\x1b]52;c;{base64.b64encode(text.encode()).decode()}\a"
    assert clipboard.sequence_of(text, Terminal("", "", "tmux")) == (f"\x1bPtmux;\x1b{plain}\x1b\\")
    pieces = clipboard.sequence_of(text, Terminal("", "", "screen")).split("\x1b\\")
    assert "".join(piece.removeprefix("\x1bP") for piece in pieces) == plain
    assert max(map(len, pieces)) < 256
    assert passed_on(plain, "") == plain


def test_tmux_takes_the_text_itself_and_says_when_it_keeps_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake, got = tmp_path / "tmux", tmp_path / "got"
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    def tmux(set_clipboard: str, code: int = 0) -> None:
        fake.write_text(
            f"#!/bin/sh\n[ $1 = load-buffer ] && {{ cat > {got}; exit {code}; }}\n"
            f"echo {set_clipboard}\n"
        )
        fake.chmod(fake.stat().st_mode | stat.S_IXUSR)

    tmux("external")
    assert clipboard.can_ask_tmux(Terminal("", "", "tmux"), "/tmp/socket")
    assert not clipboard.can_ask_tmux(Terminal("", "", "tmux"), "")
    assert clipboard.give_to_tmux("ribosome Å") == (True, "")
    assert got.read_text() == "ribosome Å"
    tmux("off")
    taken, remark = clipboard.give_to_tmux("x")
    assert taken
    assert "set-clipboard is off" in remark
    tmux("on", code=1)
    assert clipboard.give_to_tmux("x") == (False, "")


# ---- mishaps


def test_a_report_tells_versions_and_trace_but_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "hunter2")
    monkeypatch.setenv("TMUX", "/tmp/tmux-1000/default,77,0")
    log = tmp_path / "agent.log"
    log.write_text("".join(f"line {number}\n" for number in range(100)))
    home = os.path.expanduser("~")
    try:
        raise ValueError(f"no such map in {home}/data")
    except ValueError as error:
        text = crash.report_of(error, {"mode": "maps"}, ["12:00:00 warning: slow"], log)
    assert "ValueError: no such map in ~/data" in text
    assert "textual " in text
    assert "TMUX=set" in text
    assert "mode: maps" in text
    assert "12:00:00 warning: slow" in text
    assert "line 99" in text
    assert "line 69" not in text
    assert "hunter2" not in text
    assert home not in text
    path = crash.save_report(text)
    assert path is not None
    assert path.read_text() == text


async def test_work_that_fails_in_the_background_is_shown_and_one_goes_on(
    make_app: AppMaker,
) -> None:
    app = make_app()
    async with app.run_test(size=(120, 32)) as pilot:
        await until(pilot, lambda: app.screen.query_one(Table).total == 6)

        def broken() -> None:
            raise RuntimeError("the disk has gone")

        app.screen.run_worker(broken, thread=True, exit_on_error=False)
        await until(pilot, lambda: isinstance(app.screen, ErrorScreen))
        assert "RuntimeError: the disk has gone" in app.screen.message
        assert "A report is in" in app.screen.remedy
        # Two keys in one breath close it once.
        dialog = app.screen
        dialog.action_close()
        dialog.action_close()
        await until(pilot, lambda: isinstance(app.screen, DatasetsScreen))
        await pilot.press("j")
        await until(pilot, lambda: app.screen.query_one(Table).cursor_key == "ts_002")
    (report,) = (session.state_folder() / "reports").iterdir()
    assert "the disk has gone" in report.read_text()


def test_an_error_nobody_thought_of_gives_the_terminal_back_and_keeps_the_place(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOMOTUI_MOUSE", "click")
    code = (
        "from tomotui.tui import navigation; "
        "navigation.Navigation.action_toggle_last = lambda self: 1 / 0; "
    )
    terminal = Pty(folder, code)
    try:
        terminal.read_until(b"ts_006")
        # Movements without a button are not asked for.
        assert b"\x1b[?1002h" in terminal.seen
        assert b"\x1b[?1003h" not in terminal.seen
        terminal.press("-")
        terminal.read_until(b"--reset-terminal")
        assert terminal.process.wait(timeout=30) == 1
        assert b"\x1b[?1049l" in terminal.seen
        assert b"\x1b[?1002l" in terminal.seen
        assert b"ZeroDivisionError" in terminal.seen
        assert b"Traceback" not in terminal.seen
        assert session.load_session(folder).series == "ts_001"
        (report,) = (session.state_folder() / "reports").iterdir()
        assert "ZeroDivisionError" in report.read_text()
    finally:
        terminal.close()


def test_identity_is_one_line() -> None:
    assert identify({"TERM_PROGRAM": "WezTerm", "TERM_PROGRAM_VERSION": "2024"}).key == (
        "wezterm 2024"
    )

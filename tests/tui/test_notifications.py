"""Being told in another window that jobs have ended."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.tui.conftest import AppMaker, finish, request, until
from tomotui.project import Project
from tomotui.records import Job, Status
from tomotui.tui import linking, session
from tomotui.tui.notifications import BELL, Ended, sequence_of, way_of
from tomotui.tui.terminal import Terminal, identify
from tomotui.tui.widgets.table import Table

NEWS = Ended("tomotui cells", "0002-align done")


@pytest.mark.parametrize(
    ("env", "terminal", "way"),
    [
        ({"TERM": "xterm-kitty", "KITTY_WINDOW_ID": "1"}, Terminal("kitty"), "osc99"),
        ({"TERM_PROGRAM": "iTerm.app", "TERM_PROGRAM_VERSION": "3.5"}, None, "osc9"),
        ({"TERM": "xterm-256color", "LC_TERMINAL": "iTerm2"}, Terminal("iterm2"), "osc9"),
        ({"TERM_PROGRAM": "WezTerm"}, Terminal("wezterm"), "osc777"),
        ({"TERM": "xterm-ghostty"}, Terminal("ghostty"), "osc777"),
        ({"TERM": "foot"}, Terminal("foot"), "osc777"),
        ({"TERM": "rxvt-unicode-256color"}, Terminal("urxvt"), "osc777"),
        ({"TERM_PROGRAM": "Apple_Terminal"}, Terminal("apple-terminal"), "bell"),
        ({"TERM_PROGRAM": "vscode", "TERM_PROGRAM_VERSION": "1.9"}, None, "bell"),
        ({"TERM": "xterm-256color"}, Terminal(term="xterm-256color"), "bell"),
        (
            {"TMUX": "/tmp/t,1,0", "TERM_PROGRAM": "tmux", "TERM_PROGRAM_VERSION": "3.4"}
            | {"TERM": "tmux-256color", "KITTY_WINDOW_ID": "2"},
            Terminal("kitty", "", "tmux", "3.4"),
            "osc99",
        ),
        ({"TERM": "screen-256color", "STY": "1.x"}, Terminal("", "", "screen"), "bell"),
    ],
)
def test_terminals_are_known_by_their_environment(
    env: dict[str, str], terminal: Terminal | None, way: str
) -> None:
    found = identify(env)
    if terminal is not None:
        assert found == terminal
    assert way_of(found) == way


def test_what_the_terminal_answers_goes_before_its_environment() -> None:
    assert identify({"TERM": "xterm-256color"}, "foot", (1, 20)).key == "foot 1.20"
    # The tmux of another host is known by its answer alone.
    inside = identify({"TERM": "screen-256color"}, "tmux", (3, 4))
    assert inside.key == "unknown in tmux 3.4"
    env = {"TMUX": "/tmp/t,1,0", "ITERM_SESSION_ID": "left by the terminal before"}
    for outer, key in (
        ("kitty(0.36.4)", "kitty 0.36.4 in tmux 3.4"),
        ("iTerm2 3.5.10", "iterm2 3.5.10 in tmux 3.4"),
        ("XTerm(380)", "xterm 380 in tmux 3.4"),
        ("xterm-ghostty", "ghostty in tmux 3.4"),
        ("xterm-256color", "iterm2 in tmux 3.4"),
    ):
        assert identify(env, "tmux", (3, 4), outer).key == key


def test_multiplexers_hand_words_on_and_see_the_bell_themselves() -> None:
    assert sequence_of(NEWS, Terminal("iterm2")) == (
        "\x1b]9;tomotui cells: 0002-align done\x1b\\\a"
    )
    inside = sequence_of(NEWS, Terminal("wezterm", "", "tmux"))
    assert inside == (
        "\x1bPtmux;\x1b\x1b]777;notify;tomotui cells;0002-align done\x1b\x1b\\\x1b\\\a"
    )
    assert sequence_of(NEWS, Terminal("foot", "", "screen")) == (
        "\x1bP\x1b]777;notify;tomotui cells;0002-align done\a\x1b\\\a"
    )
    assert sequence_of(NEWS, Terminal("kitty"), "bell") == BELL
    assert sequence_of(NEWS, Terminal("kitty"), "off") == ""
    assert sequence_of(NEWS, Terminal(), "osc9").endswith("done\x1b\\\a")


def test_no_text_can_end_the_sequence_it_is_in() -> None:
    nasty = Ended("a;b\x1b\\", "x\x07\x1b]0;owned\x07" + "y" * 500)
    found = sequence_of(nasty, Terminal("foot"))
    inner = found.removeprefix("\x1b]").removesuffix("\x1b\\\a")
    assert not set(inner) & {"\x1b", "\x07"}
    assert inner.startswith("777;notify;a,b")
    assert len(found) < 250


def told(app: Any, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collect what is written to the terminal."""
    written: list[str] = []
    monkeypatch.setattr(linking, "GATHER_SECONDS", 0.2)
    monkeypatch.setattr(linking, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(linking, "write_to_terminal", lambda _, text: written.append(text) or True)
    return written


def message(app: Any) -> str:
    return str(app.screen.status_bar.query_one("Hints").message)


async def test_jobs_that_end_together_are_told_of_once_and_the_hook_gets_the_facts(
    make_app: AppMaker, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = tmp_path / "facts.json"
    monkeypatch.setenv("TOMOTUI_HOOK", f'printf "%s" "$TOMOTUI_JOBS" > {facts}')
    app = make_app(terminal=Terminal("iterm2"))
    written = told(app, monkeypatch)
    async with app.run_test(size=(120, 32)) as pilot:
        await until(pilot, lambda: app.screen.query_one(Table).total == 6)
        await until(pilot, lambda: app.session.unfinished == [2])
        with Project.open(folder) as project:
            (quick,) = [submitted(project, "reconstruct", ["ts_002"])]
            finish(project, quick, "ts_002", Status.FAILED, error="no alignment.")
            align = project.job(2)
            finish(project, align, "ts_002", Status.DONE)
            finish(project, align, "ts_004", Status.DONE)
        await until(pilot, lambda: written)
        await until(pilot, lambda: facts.exists() and facts.read_text().endswith("]"))
    # The one that had begun has failed for one of its series.
    assert written == [
        "\x1b]9;tomotui EMPIAR-11830: 2 jobs ended, 2 failed: 0002-align, 0004-reconstruct\x1b\\\a"
    ]
    found = json.loads(facts.read_text())
    assert [(job["name"], job["status"]) for job in found] == [
        ("0002-align", "failed"),
        ("0004-reconstruct", "failed"),
    ]


def submitted(project: Project, stage: str, names: list[str]) -> Job:
    return project.submit(request(stage, names))


async def test_what_was_cancelled_is_no_news_and_a_failing_hook_is_told_of_once(
    make_app: AppMaker, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_app()
    written = told(app, monkeypatch)
    async with app.run_test(size=(120, 32)) as pilot:
        await until(pilot, lambda: app.screen.query_one(Table).total == 6)
        app.run_command_line("hook echo no such host >&2; exit 7")
        assert session.load_preferences().hook == "echo no such host >&2; exit 7"
        await until(pilot, lambda: app.session.unfinished == [2])
        with Project.open(folder) as project:
            job = submitted(project, "reconstruct", ["ts_002"])
            finish(project, job, "ts_002", Status.CANCELLED)
            other = submitted(project, "reconstruct", ["ts_003"])
            finish(project, other, "ts_003", Status.DONE)
        await until(pilot, lambda: "failed: no such host" in message(app))
        assert written == [BELL]
        with Project.open(folder) as project:
            third = submitted(project, "reconstruct", ["ts_001"])
            finish(project, third, "ts_001", Status.LOST)
        await until(pilot, lambda: "0006-reconstruct lost" in message(app))
        assert written == [BELL, BELL]


async def test_what_ended_meanwhile_is_said_and_notifications_can_be_switched_off(
    make_app: AppMaker, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session.save_session(folder, session.Session(unfinished=[1, 2, 99]))
    app = make_app(terminal=Terminal("kitty"))
    written = told(app, monkeypatch)
    async with app.run_test(size=(120, 32)) as pilot:
        # The import had not ended when the program was left.
        await until(pilot, lambda: message(app) == "1 job ended, 1 done while you were away")
        app.run_command_line("notify loud")
        assert "notify with one of" in message(app)
        app.run_command_line("notify off")
        assert session.load_preferences().notify == "off"
        await until(pilot, lambda: app.session.unfinished == [2])
        with Project.open(folder) as project:
            align = project.job(2)
            finish(project, align, "ts_002", Status.DONE)
            finish(project, align, "ts_004", Status.DONE)
        await until(pilot, lambda: "0002-align failed" in message(app))
        assert written == []
        monkeypatch.setenv("TOMOTUI_NOTIFY", "bell")
        app.action_try_notification()
        assert written == [BELL]

"""What the doctor sees of terminals, file systems and hosts, each with its remedy."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest

from tomotui import doctor, doctor_files
from tomotui.checks import Check
from tomotui.doctor_files import file_checks
from tomotui.doctor_terminal import terminal_checks

WELL = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "de_DE.UTF-8"}
TMUX = {**WELL, "TMUX": "/tmp/tmux,1,0"}
GOOD_TMUX = {
    "#{version}": "3.5a",
    "#{client_termfeatures}": "256,RGB,clipboard",
    "escape-time": "10",
    "allow-passthrough": "on",
    "set-clipboard": "on",
}


def looked_at(env: Mapping[str, str], said: Mapping[str, str] | None = None) -> dict[str, Check]:
    answers = GOOD_TMUX if said is None else {**GOOD_TMUX, **said}
    return {c.name: c for c in terminal_checks(env, lambda verb, what: answers.get(what, ""))}


@pytest.fixture(autouse=True)
def _a_large_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("LINES", "32")


@pytest.mark.parametrize("env", [WELL, TMUX])
def test_a_good_terminal_needs_nothing(env: dict[str, str]) -> None:
    assert {check.state for check in looked_at(env).values()} == {"ok"}


@pytest.mark.parametrize(
    ("env", "said", "name", "remedy"),
    [
        ({**WELL, "TERM": "dumb"}, {}, "terminal", "Set TERM"),
        ({"TERM": "xterm", "LANG": "C.UTF-8"}, {}, "colours", "xterm-256color"),
        ({**WELL, "LANG": "de_DE.ISO-8859-1"}, {}, "locale", "LANG=C.UTF-8"),
        ({**WELL, "STY": "1.pts"}, {}, "multiplexer", "tmux 3.5"),
        ({**WELL, "SSH_CONNECTION": "10.0.0.1 1 2 3"}, {}, "multiplexer", "jobs go on"),
        ({**WELL, "VTE_VERSION": "7600"}, {}, "clipboard", "with shift"),
        (TMUX, {"#{version}": "3.3a"}, "multiplexer", "tmux 3.5"),
        (TMUX, {"#{client_termfeatures}": "256"}, "colours", "terminal-features"),
        (TMUX, {"escape-time": "500"}, "tmux esc", "escape-time 10"),
        (TMUX, {"set-clipboard": "off"}, "clipboard", "set-clipboard on"),
    ],
)
def test_what_a_terminal_lacks_is_told_with_the_remedy(
    env: dict[str, str], said: dict[str, str], name: str, remedy: str
) -> None:
    check = looked_at(env, said)[name]
    assert check.state == "warn"
    assert remedy in check.remedy


@pytest.mark.parametrize(
    ("env", "said", "words"),
    [
        (TMUX, {}, "H could send them through"),
        ({**TMUX, "TOMOTUI_STILL": "kitty"}, {}, "through tmux, as kitty"),
        (TMUX, {"allow-passthrough": "off"}, "drawn with characters"),
        (
            TMUX,
            {"allow-passthrough": "off", "#{client_termfeatures}": "RGB,sixel"},
            "tmux draws itself",
        ),
    ],
)
def test_what_becomes_of_pictures_in_tmux_is_told(
    env: dict[str, str], said: dict[str, str], words: str
) -> None:
    assert words in looked_at(env, said)["tmux images"].text


def test_a_small_terminal_and_a_silent_tmux_are_no_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    checks = {c.name: c for c in terminal_checks(TMUX, lambda verb, what: "")}
    assert "50 x 32: small" in checks["terminal"].text
    assert "not known" in checks["clipboard"].text
    assert "tmux esc" not in checks


def test_slow_and_full_file_systems_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert {check.state for check in file_checks(tmp_path)} <= {"ok", "warn"}
    monkeypatch.setattr(doctor_files, "_answers_ms", lambda folder: [40.0])
    told = SimpleNamespace(f_files=10, f_favail=3, f_bavail=1, f_blocks=2, f_bfree=1, f_frsize=512)
    monkeypatch.setattr(os, "statvfs", lambda folder: told)
    monkeypatch.setattr("tomotui.project.filesystem.file_system_type", lambda folder: "nfs4")
    monkeypatch.setattr("tomotui.project.filesystem.is_shared", lambda folder: True)
    checks = {check.name: check for check in file_checks(tmp_path)}
    assert "free some" in checks["disk"].remedy
    assert "nearer disk" in checks["speed"].remedy
    assert "only 3 more files" in checks["files"].text
    assert checks["file system"].text.startswith("nfs4, shared between hosts")


@pytest.mark.parametrize(
    ("said", "lingers", "state"),
    [
        ("[Login]\n#KillUserProcesses=yes\n", False, "ok"),
        ("KillUserProcesses = yes\n", False, "warn"),
        ("KillUserProcesses=yes\nKillUserProcesses=no\n", False, "ok"),
        ("KillUserProcesses=yes\n", True, "ok"),
    ],
)
def test_a_system_that_ends_jobs_at_logout_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, lingers: bool, state: str
) -> None:
    (tmp_path / "50.conf").write_text(said)
    monkeypatch.setattr(doctor, "_LOGIND", (tmp_path,))
    monkeypatch.setattr(doctor, "_LINGER", tmp_path)
    monkeypatch.setattr("getpass.getuser", lambda: "ada")
    if lingers:
        (tmp_path / "ada").touch()
    assert doctor._logout().state == state


def test_limits_of_login_hosts_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    import resource

    monkeypatch.setattr(resource, "getrlimit", lambda kind: (600, 600))
    time, memory = doctor._limits()
    assert "after 10 minutes" in time.text
    assert memory.state == "warn"
    assert "scheduler" in time.remedy

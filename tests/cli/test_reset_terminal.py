"""``doctor --reset-terminal``: what a program that was killed has left is undone."""

from __future__ import annotations

import os
import pty
import termios

import pytest

from tomotui.cli import app as command_line
from tomotui.tui.terminal import RESET


def test_the_terminal_shows_the_shell_again_and_echoes(monkeypatch: pytest.MonkeyPatch) -> None:
    master, slave = pty.openpty()
    attributes = termios.tcgetattr(slave)
    attributes[3] &= ~(termios.ECHO | termios.ICANON)
    attributes[1] &= ~termios.OPOST
    termios.tcsetattr(slave, termios.TCSANOW, attributes)
    monkeypatch.setattr(os, "open", lambda *words, **settings: os.dup(slave))
    assert command_line.run(["doctor", "--reset-terminal"]) == 0
    monkeypatch.undo()
    assert termios.tcgetattr(slave)[3] & termios.ECHO
    seen = os.read(master, 4096).decode()
    assert seen == RESET
    for undone in ("\x1b[?1049l", "\x1b[?25h", "\x1b[?1002l", "\x1b[?1003l", "\x1b[?2004l"):
        assert undone in seen
    os.close(master)
    os.close(slave)


def test_without_a_terminal_it_says_where_to_run_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*words: object, **settings: object) -> int:
        raise OSError("no such device or address")

    monkeypatch.setattr(os, "open", refuse)
    code = command_line.run(["doctor", "--reset-terminal"])
    monkeypatch.undo()
    assert code == 1
    assert "run this in the one that looks odd" in capsys.readouterr().err

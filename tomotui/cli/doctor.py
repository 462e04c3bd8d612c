"""The ``doctor`` command."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tomotui.cli.errors import WorkFailed
from tomotui.cli.options import JsonOption, print_json

if TYPE_CHECKING:
    from tomotui.checks import Check

_SIGNS = {"ok": "ok      ", "warn": "warning ", "fail": "FAILED  "}


def doctor(
    folder: Path | None = None, /, *, json: JsonOption = False, reset_terminal: bool = False
) -> int:
    """Tell what works on this machine, what will not, and the remedy.

    Example: `tomotui doctor ~/data`

    Parameters
    ----------
    folder
        Where projects are meant to lie; the present folder by default.
    json
        Print JSON for scripts.
    reset_terminal
        Only undo what a program that was killed has left of the screens: no echo, a mouse that
        types, colours. Where enter does nothing, end the line with ctrl+j.
    """
    if reset_terminal:
        return _reset_terminal()
    from tomotui.doctor import collect

    checks = [*collect(folder), *_characters()]
    if json:
        print_json([check._asdict() for check in checks])
    else:
        for check in checks:
            print(f"{_SIGNS[check.state]}{check.name:<12} {check.text}")
            if check.remedy:
                print(f"{'':<21}{check.remedy}")
    return 1 if any(check.state == "fail" for check in checks) else 0


def _reset_terminal() -> int:
    """Put the terminal back into the state that a shell expects."""
    import contextlib
    import os
    import subprocess

    from tomotui.tui.terminal import RESET

    # Not the output: that may be a file while the terminal is the one that has to be reset.
    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    except OSError:
        raise WorkFailed(
            "there is no terminal to reset; run this in the one that looks odd"
        ) from None
    try:
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            subprocess.run(["stty", "sane"], stdin=terminal, check=True, timeout=5)
        os.write(terminal, RESET.encode())
    finally:
        os.close(terminal)
    return 0


def _characters() -> list[Check]:
    """Tell what the screens will draw with; the terminal is asked when there is one."""
    import os

    from tomotui.checks import Check
    from tomotui.tui.kept_glyphs import with_kept_glyphs
    from tomotui.tui.notifications import told_by
    from tomotui.tui.raster.capability import ProbeReport, detect_capability, probe_terminal
    from tomotui.tui.session import load_preferences
    from tomotui.tui.terminal import ask_tmux_of_its_terminal, identify

    probe = ProbeReport({})
    if sys.stdin.isatty() and sys.stdout.isatty():
        probe = probe_terminal(sys.stdin.fileno(), sys.stdout.fileno())
    outer = ask_tmux_of_its_terminal(os.environ)
    terminal = identify(os.environ, probe.name, probe.version, outer)
    kept = load_preferences()
    capability = with_kept_glyphs(detect_capability(probe=probe), kept.glyphs, terminal, os.environ)
    told = f"ends of jobs are told by {told_by(terminal, kept.notify)} ({terminal.key})"
    return [Check("screens", "ok", reason) for reason in (*capability.reasons, told)]

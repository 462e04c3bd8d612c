"""The ``doctor`` command."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tomotui.cli.options import JsonOption, print_json

if TYPE_CHECKING:
    from tomotui.doctor import Check

_SIGNS = {"ok": "ok      ", "warn": "warning ", "fail": "FAILED  "}


def doctor(folder: Path | None = None, /, *, json: JsonOption = False) -> int:
    """Tell what works on this machine, what will not, and the remedy.

    Example: `tomotui doctor ~/data`

    Parameters
    ----------
    folder
        Where projects are meant to lie; the present folder by default.
    json
        Print JSON for scripts.
    """
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


def _characters() -> list[Check]:
    """Tell what the screens will draw with; the terminal is asked when there is one."""
    from tomotui.doctor import Check
    from tomotui.tui.raster.capability import detect_capability, probe_terminal

    probe = None
    if sys.stdin.isatty() and sys.stdout.isatty():
        probe = probe_terminal(sys.stdin.fileno(), sys.stdout.fileno())
    reasons = detect_capability(probe=probe).reasons
    return [Check("screens", "ok", reason) for reason in reasons]

"""What one look of the doctor says."""

from __future__ import annotations

from typing import Literal, NamedTuple

State = Literal["ok", "warn", "fail"]


class Check(NamedTuple):
    """One thing that was looked at."""

    name: str
    state: State
    text: str
    remedy: str = ""

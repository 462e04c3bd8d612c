"""How a state looks: one glyph of one cell and one word, never a colour alone."""

from __future__ import annotations

from typing import Literal, NamedTuple

from tomotui.records import Status

Mood = Literal["running", "queued", "done", "failed", "warning", "none"]
"""The six states that the eye has to tell apart; themes give each a glyph and a colour."""

MOODS: tuple[Mood, ...] = ("running", "queued", "done", "failed", "warning", "none")

GLYPHS: dict[Mood, str] = {
    "running": "▶",
    "queued": "◌",
    "done": "✓",
    "failed": "✗",
    "warning": "!",
    "none": "·",
}
ASCII_GLYPHS: dict[Mood, str] = {
    "running": ">",
    "queued": "o",
    "done": "+",
    "failed": "x",
    "warning": "!",
    "none": ".",
}


class Sign(NamedTuple):
    """The word of a state and the mood it is drawn in."""

    word: str
    mood: Mood


SIGNS: dict[Status, Sign] = {
    Status.QUEUED: Sign("queued", "queued"),
    Status.STARTING: Sign("starting", "running"),
    Status.RUNNING: Sign("running", "running"),
    Status.DONE: Sign("done", "done"),
    Status.FAILED: Sign("failed", "failed"),
    Status.CANCELLED: Sign("cancelled", "none"),
    Status.SKIPPED: Sign("skipped", "none"),
    Status.LOST: Sign("lost", "warning"),
}

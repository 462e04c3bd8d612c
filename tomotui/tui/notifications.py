"""Telling the user in another window that jobs have ended: a bell, and words where they show."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from tomotui.records import Job, Status
from tomotui.tui.terminal import Terminal, passed_on
from tomotui.tui.wording import counted, listed

Way = Literal["osc9", "osc777", "osc99", "bell"]
Wish = Literal["on", "bell", "off", "osc9", "osc777", "osc99"]

WISHES: tuple[Wish, ...] = ("on", "bell", "off", "osc9", "osc777", "osc99")
VARIABLE = "TOMOTUI_NOTIFY"
HOOK_VARIABLE = "TOMOTUI_HOOK"
BELL = "\a"
LONGEST = 180
"""Characters of a text; some terminals drop longer sequences."""

_WAYS: dict[str, Way] = {
    "kitty": "osc99",
    "iterm2": "osc9",
    "warp": "osc9",
    "ghostty": "osc777",
    "wezterm": "osc777",
    "foot": "osc777",
    "contour": "osc777",
    "urxvt": "osc777",
    "vte": "osc777",
}
"""How terminals show words on the desktop; others ring a bell."""
_TOLD = (Status.DONE, Status.FAILED, Status.LOST)
"""Ends that are news: whoever cancels a job knows."""


class Ended(NamedTuple):
    """What is told of jobs that have ended."""

    title: str
    text: str


def way_of(terminal: Terminal, wish: Wish = "on") -> Way:
    """Return how a terminal is told, unless the user knows better."""
    if wish in ("bell", "osc9", "osc777", "osc99"):
        return wish
    return _WAYS.get(terminal.name, "bell")


def told_by(terminal: Terminal, wish: Wish) -> str:
    """Return in words how a terminal is told."""
    if wish == "off":
        return "nothing"
    way = way_of(terminal, wish)
    return "the bell" if way == "bell" else f"the bell and words ({way})"


def sequence_of(news: Ended, terminal: Terminal, wish: Wish = "on") -> str:
    """Return what is written to the terminal; nothing when that is switched off.

    The bell comes with every way: it marks windows of tmux and tabs of terminals.
    """
    if wish == "off":
        return ""
    way, title, text = way_of(terminal, wish), _plain(news.title), _plain(news.text)
    # The short end of a string: the long one would end the string that screen wraps it in.
    end = "\a" if terminal.multiplexer == "screen" else "\x1b\\"
    if way == "osc9":
        words = f"\x1b]9;{title}: {text}{end}"
    elif way == "osc777":
        words = f"\x1b]777;notify;{title.replace(';', ',')};{text}{end}"
    elif way == "osc99":
        words = f"\x1b]99;i=tomotui:d=0;{title}{end}\x1b]99;i=tomotui:d=1:p=body;{text}{end}"
    else:
        return BELL
    return passed_on(words, terminal.multiplexer) + BELL


def _plain(text: str) -> str:
    """Return text that cannot end a control sequence."""
    one_line = "".join(char if char.isprintable() else " " for char in text)
    return one_line if len(one_line) <= LONGEST else f"{one_line[: LONGEST - 3]}..."


def newly_ended(before: Mapping[int, Status], jobs: Sequence[Job]) -> list[Job]:
    """Return the jobs that have ended since they were looked at before.

    One that was begun and has ended in between counts; one that was cancelled does not.
    """

    def had_ended(job: Job) -> bool:
        known = before.get(job.id)
        return known is not None and known.is_finished

    return [job for job in jobs if job.status in _TOLD and not had_ended(job)]


def words_of(jobs: Sequence[Job], project: str) -> Ended:
    """Return what is said of jobs that have ended."""
    title = f"tomotui {project}"
    if len(jobs) == 1:
        job = jobs[0]
        reason = f": {job.error}" if job.error else ""
        return Ended(title, f"{job.name} {job.status}{reason}")
    bad = [job.name for job in jobs if job.status != Status.DONE]
    return Ended(title, f"{how_they_ended(jobs)}{f': {listed(bad)}' if bad else ''}")


def how_they_ended(jobs: Sequence[Job]) -> str:
    """Return ``3 jobs ended, 2 done, 1 failed``."""
    numbers = [(sum(job.status == status for job in jobs), status) for status in _TOLD]
    ends = ", ".join(f"{number} {status}" for number, status in numbers if number)
    return f"{counted(len(jobs), 'job')} ended, {ends}"


def facts_of(jobs: Sequence[Job], news: Ended, folder: str) -> dict[str, str]:
    """Return what a hook finds in its environment."""
    told = [
        {
            "id": job.id,
            "name": job.name,
            "stage": job.stage,
            "status": str(job.status),
            "targets": job.targets,
            "error": job.error,
        }
        for job in jobs
    ]
    worst = next((job for job in jobs if job.status != Status.DONE), jobs[-1])
    return {
        "TOMOTUI_PROJECT": folder,
        "TOMOTUI_TITLE": news.title,
        "TOMOTUI_TEXT": news.text,
        "TOMOTUI_JOB": worst.name,
        "TOMOTUI_STATUS": str(worst.status),
        "TOMOTUI_JOBS": json.dumps(told, ensure_ascii=False),
    }

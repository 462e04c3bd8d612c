from __future__ import annotations

import threading

import pytest

from tomotui.tui.feeds import Observation
from tomotui.tui.polling import Poll, steady


class Asked:
    """Answers from a list, one a time; an exception in it is raised."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)
        self.delivered: list[Observation[object]] = []
        self.was_asked = threading.Event()
        self.goes_on = threading.Event()
        self.closed = threading.Event()

    def read(self) -> object:
        answer = self.answers.pop(0)
        if not self.answers:
            self.was_asked.set()
        if answer == "hangs":
            self.goes_on.wait(20)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def poll(self) -> Poll[object]:
        return Poll(self.read, self.delivered.append, ends_at=(LookupError,), close=self.closed.set)


def go_through(asked: Asked) -> Poll[object]:
    poll = asked.poll()
    while asked.answers:
        poll._round()
    return poll


def test_only_what_differs_is_delivered() -> None:
    asked = Asked(1, 1, 2, OSError("no contact"), OSError("no contact"), 2)
    poll = go_through(asked)
    assert [(one.value, one.error) for one in asked.delivered] == [
        (1, ""),
        (2, ""),
        (2, "no contact"),
        (2, ""),
    ]
    assert not poll.is_old


def test_the_age_is_that_of_the_last_answer_not_of_the_last_change(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 100.0
    monkeypatch.setattr("tomotui.tui.polling.time.monotonic", lambda: now)
    asked = Asked(1, 1, OSError("gone"))
    poll = asked.poll()
    assert poll.age_seconds is None
    poll._round()
    now = 109.0
    poll._round()
    assert poll.age_seconds == 0
    now = 121.0
    poll._round()
    assert poll.age_seconds == 12
    assert poll.is_old


def test_who_hangs_holds_up_nobody_and_who_cannot_answer_is_not_asked_again() -> None:
    asked = Asked("hangs", LookupError("no driver"))
    poll = asked.poll()
    poll.start()
    poll.hurry()
    poll.pause()
    poll.resume()
    assert not asked.delivered
    asked.goes_on.set()
    assert asked.was_asked.wait(10)
    assert asked.closed.wait(10)
    assert [one.value for one in asked.delivered] == ["hangs"]


def test_a_value_that_trembles_stays() -> None:
    shown, seen = None, []
    for value in (0.0, 1.0, 3.0, 0.0, 52.0, 54.0, 49.0, 53.7, 60.0):
        shown = steady(shown, value, 5.0)
        seen.append(shown)
    assert seen == [0.0, 0.0, 0.0, 0.0, 50.0, 55.0, 50.0, 50.0, 60.0]
    assert steady(5.0, None, 5.0) is None

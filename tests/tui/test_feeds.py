from __future__ import annotations

import queue
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.tui.conftest import make_series
from tomotui.project import Project
from tomotui.tui.feeds import Feed, Observation

WAIT = 10.0
"""Seconds after which a feed that says nothing has failed."""


class Listener:
    def __init__(self, place: Path) -> None:
        self.heard: queue.Queue[Observation[Any]] = queue.Queue()
        self.reads = 0
        self.pulse = 0
        self.feed = Feed(
            place, self._read, self.heard.put, pulse=lambda: self.pulse, interval_seconds=0.01
        )

    def _read(self, project: Project, subject: object) -> tuple[object, int]:
        self.reads += 1
        return subject, len(project.tilt_series())

    def next(self) -> Observation[Any]:
        return self.heard.get(timeout=WAIT)

    def is_silent(self) -> bool:
        try:
            self.heard.get(timeout=0.15)
        except queue.Empty:
            return True
        return False


@pytest.fixture
def listener(folder: Path) -> Iterator[Listener]:
    made = Listener(folder)
    made.feed.start()
    yield made
    made.feed.stop()


def test_only_what_differs_is_told(listener: Listener, folder: Path) -> None:
    first = listener.next()
    assert first.value == (None, 6)
    assert first.observed_at > 0
    assert listener.is_silent()
    assert listener.reads == 1
    with Project.open(folder) as project:
        project.add_records([make_series("ts_100")])
    assert listener.next().value == (None, 7)
    with Project.open(folder) as project:
        # Another change, by which what this feed reads is as before.
        project.set_tilt_excluded(project.tilt_series()[0].uid, 0, True)
    assert listener.is_silent()
    listener.pulse += 1
    assert listener.is_silent()
    assert listener.reads >= 4


def test_another_subject_is_read_at_once(listener: Listener) -> None:
    listener.next()
    listener.feed.look_at("ts_001")
    assert listener.next().value == ("ts_001", 6)


def test_a_hidden_screen_reads_nothing(listener: Listener, folder: Path) -> None:
    listener.next()
    listener.feed.pause()
    with Project.open(folder) as project:
        project.add_records([make_series("ts_100")])
    reads = listener.reads
    assert listener.is_silent()
    assert listener.reads <= reads + 1
    listener.feed.resume()
    assert listener.next().value == (None, 7)


def test_a_project_that_vanishes_is_an_error_with_the_last_value(
    listener: Listener, folder: Path
) -> None:
    listener.next()
    (folder / "project.sqlite").rename(folder / "away")
    (folder / "project.sqlite").write_text("this is no database at all, but long enough to read")
    listener.pulse += 1
    listener.feed._read = lambda project, subject: Project.open(folder).name  # type: ignore[assignment,return-value]
    seen = listener.next()
    assert seen.error
    assert seen.value == (None, 6)

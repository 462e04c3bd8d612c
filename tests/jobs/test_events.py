from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from tomotui.jobs.events import EventWriter, read_events


def test_events_come_back_in_order_and_only_once(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    writer = EventWriter(path, attempt=2)
    writer.write("log", "one")
    events, offset = read_events(path)
    assert [(e.message, e.attempt) for e in events] == [("one", 2)]
    writer.write("metric", name="loss", value=0.5)
    events, offset = read_events(path, offset)
    assert [e.data for e in events] == [{"name": "loss", "value": 0.5}]
    assert read_events(path, offset) == ([], offset)


def test_a_line_without_its_end_waits_for_it(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    whole = b'{"kind": "log", "at": 1.0, "message": "all"}\n'
    path.write_bytes(whole + whole[:20])
    events, offset = read_events(path)
    assert (len(events), offset) == (1, len(whole))
    path.write_bytes(whole + whole)
    events, offset = read_events(path, offset)
    assert (len(events), offset) == (1, 2 * len(whole))


def test_a_line_that_is_no_event_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'{"kind": "log", "at"')
    EventWriter(path, attempt=1).write("log", "after the crash")
    events, _ = read_events(path)
    assert [event.message for event in events] == ["after the crash"]


def test_a_file_made_anew_is_read_from_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    EventWriter(path, attempt=1).write("log", "fresh")
    events, offset = read_events(path, offset=10_000)
    assert [event.message for event in events] == ["fresh"]
    assert offset == path.stat().st_size


def test_no_file_is_no_events(tmp_path: Path) -> None:
    assert read_events(tmp_path / "gone" / "events.jsonl", 7) == ([], 7)


@settings(max_examples=30, deadline=None)
@given(
    messages=st.lists(st.text(max_size=40), max_size=12),
    max_bytes=st.integers(min_value=1, max_value=400),
)
def test_reading_in_pieces_gives_the_same_as_at_once(
    tmp_path_factory: object, messages: list[str], max_bytes: int
) -> None:
    path = tmp_path_factory.mktemp("events") / "events.jsonl"  # type: ignore[attr-defined]
    writer = EventWriter(path, attempt=1)
    for message in messages:
        writer.write("log", message)
    writer.close()
    found, offset = [], 0
    while True:
        events, next_offset = read_events(path, offset, max_bytes)
        found += [event.message for event in events]
        if next_offset == offset:
            break
        offset = next_offset
    assert found == messages

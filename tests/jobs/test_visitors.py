from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from tomotui.jobs.files import write_model
from tomotui.jobs.liveness import ProcessIdentity, identity_of
from tomotui.jobs.visitors import (
    FRESH_SECONDS,
    VISITORS_FOLDER,
    Presence,
    Visitor,
    VisitorInfo,
    wants_read_only,
    words_of,
)


def visit(folder: Path, process: ProcessIdentity, seen_at: float, user: str = "ana") -> Path:
    path = folder / VISITORS_FOLDER / f"{process.host}-{process.pid}.json"
    path.parent.mkdir(exist_ok=True)
    info = VisitorInfo(
        process=process, user=user, started_at=seen_at - 60, seen_at=seen_at, read_only=True
    )
    write_model(path, info)
    return path


def elsewhere(pid: int = 7) -> ProcessIdentity:
    return ProcessIdentity(pid=pid, start_ticks=1, boot_id="other", host="node09")


def test_a_visit_begins_and_ends_with_a_file(tmp_path: Path) -> None:
    presence = Presence(tmp_path)
    assert presence.others() == ()
    (path,) = (tmp_path / VISITORS_FOLDER).iterdir()
    assert VisitorInfo.model_validate_json(path.read_bytes()).process.pid == os.getpid()
    presence.leave()
    assert list(tmp_path.iterdir()) == []
    presence.leave()


def test_others_are_told_while_they_live_or_are_heard_of(tmp_path: Path) -> None:
    process = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    identity = identity_of(process.pid)
    assert identity is not None
    now = time.time()
    here = visit(tmp_path, identity, now - 9000, user="ben")
    there = visit(tmp_path, elsewhere(), now - 5)
    stale = visit(tmp_path, elsewhere(8), now - 2 * FRESH_SECONDS)
    old = visit(tmp_path, elsewhere(9), now - 9e5)
    (tmp_path / VISITORS_FOLDER / "torn.json").write_text('{"user": "eve"')
    presence = Presence(tmp_path)
    others = presence.others()
    assert sorted(one.user for one in others) == ["ana", "ben"]
    assert Visitor("ana", "node09", 7, pytest.approx(now - 65), True) in others
    assert there.exists()
    assert stale.exists()
    assert not old.exists()
    process.communicate()
    assert [one.user for one in presence.others()] == ["ana"]
    Presence(tmp_path).others()
    assert not here.exists()


def test_a_folder_that_cannot_be_written_keeps_nobody_from_looking(tmp_path: Path) -> None:
    (tmp_path / VISITORS_FOLDER).write_text("a file")
    presence = Presence(tmp_path)
    assert presence.others() == ()
    presence.leave()
    assert (tmp_path / VISITORS_FOLDER).read_text() == "a file"


def test_words_name_everybody_once() -> None:
    def visitor(user: str, pid: int) -> Visitor:
        return Visitor(user, "node09", pid, 0.0, False)

    assert words_of([], "me", "you") == ""
    everybody = [visitor("me", 1), visitor("ana", 2), visitor("ana", 3), visitor("zoe", 4)]
    assert words_of(everybody, "me", "you") == "ana, zoe, you"


@pytest.mark.parametrize(
    ("value", "wanted"),
    [("1", True), ("yes", True), ("", False), ("0", False), (" False ", False), ("off", False)],
)
def test_the_environment_can_ask_for_looking_only(
    monkeypatch: pytest.MonkeyPatch, value: str, wanted: bool
) -> None:
    monkeypatch.setenv("TOMOTUI_READ_ONLY", value)
    assert wants_read_only() is wanted
    monkeypatch.delenv("TOMOTUI_READ_ONLY")
    assert not wants_read_only()

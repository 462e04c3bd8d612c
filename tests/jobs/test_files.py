from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from tomotui.jobs.files import Lock, UnreadableFile, is_locked, read_model, write_atomically
from tomotui.records import Metric


def test_a_file_appears_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "result.json"
    write_atomically(path, "old")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_reading_says_what_is_wrong_with_a_file(tmp_path: Path) -> None:
    path = tmp_path / "metric.json"
    assert read_model(path, Metric) is None
    path.write_text('{"name": "loss", "step": 1')
    with pytest.raises(UnreadableFile, match=r"metric\.json cannot be read: Invalid JSON"):
        read_model(path, Metric)
    path.write_text('{"name": "loss", "step": 1}')
    with pytest.raises(UnreadableFile, match="value: Field required"):
        read_model(path, Metric)


def test_a_lock_is_held_by_one_and_ends_with_it(tmp_path: Path) -> None:
    path = tmp_path / "task.lock"
    assert not is_locked(path)
    first, second = Lock(path), Lock(path)
    assert first.acquire()
    assert is_locked(path)
    assert not second.acquire(patience_seconds=0.06)
    first.release()
    assert not is_locked(path)
    assert second.acquire()

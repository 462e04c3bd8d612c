from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.jobs.microscope import age, cut, leave_mdoc, leave_series, leave_stack
from tomotui.formats.errors import FormatError
from tomotui.formats.stacks import open_stack
from tomotui.jobs.arrivals import Arrivals, Look


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


class Scope:
    """A folder, and what looks at it with a clock of its own."""

    def __init__(self, folder: Path, **settings: object) -> None:
        self.folder = folder
        self.clock = Clock()
        self.examined: list[str] = []
        self.arrivals = Arrivals(folder, self._examine, clock=self.clock, **settings)  # type: ignore[arg-type]
        self.counts: list[int] = []
        self.known: set[Path] = set()

    def _examine(self, path: Path) -> int:
        self.examined.append(path.name)
        with open_stack(path) as stack:
            return int(stack.shape[0])

    def look(self, after: float = 0.0) -> Look:
        self.clock.now += after
        return self.arrivals.look(self.known, self.counts)

    def names(self, after: float = 0.0) -> list[str]:
        return [arrival.name for arrival in self.look(after).arrivals]

    def reasons(self, after: float = 0.0) -> dict[str, str]:
        return {waiting.path.name: waiting.reason for waiting in self.look(after).waiting}


@pytest.fixture
def scope(tmp_path: Path) -> Scope:
    folder = tmp_path / "session"
    folder.mkdir()
    return Scope(folder, settle_seconds=100.0)


def test_a_series_is_complete_when_nothing_has_changed_for_the_time(scope: Scope) -> None:
    leave_series(scope.folder, "ts_1")
    assert scope.names() == []
    assert scope.reasons(99) == {"ts_1.mrc": "seen, waiting whether it grows"}
    assert scope.names(1) == ["ts_1"]


def test_a_growing_file_is_not_taken(scope: Scope) -> None:
    path = leave_series(scope.folder, "ts_1", 8)
    whole = path.read_bytes()
    for n_bytes in range(2000, len(whole), 1500):
        path.write_bytes(whole[:n_bytes])
        assert scope.names(60) == []
    path.write_bytes(whole)
    assert scope.reasons(60) == {"ts_1.mrc": "still growing"}
    assert scope.names(100) == ["ts_1"]


def test_a_growing_mdoc_counts_as_a_change(scope: Scope) -> None:
    leave_series(scope.folder, "ts_1")
    scope.look()
    leave_mdoc(scope.folder, "ts_1", 7)
    assert scope.names(100) == []
    assert scope.names(100) == ["ts_1"]


def test_half_a_file_is_not_taken_however_still_it_lies(scope: Scope) -> None:
    cut(leave_series(scope.folder, "ts_1"))
    scope.look()
    (reason,) = scope.reasons(1000).values()
    assert "ts_1.mrc" in reason
    assert "truncated" in reason or "ends" in reason or "promises" in reason
    leave_stack(scope.folder, "ts_1")
    scope.look()
    assert scope.names(100) == ["ts_1"]


def test_files_are_examined_once_until_they_change_or_time_has_passed(scope: Scope) -> None:
    cut(leave_series(scope.folder, "ts_1"))
    scope.look()
    for _ in range(5):
        scope.look(100 if not scope.examined else 1)
    assert scope.examined == ["ts_1.mrc"]
    scope.look(60)
    assert scope.examined == ["ts_1.mrc"] * 2


def test_an_mdoc_is_waited_for_where_the_others_have_one(scope: Scope) -> None:
    known = leave_series(scope.folder, "ts_1")
    scope.known.add(known)
    leave_stack(scope.folder, "ts_2")
    scope.look()
    assert scope.reasons(1000) == {"ts_2.mrc": "waits for its mdoc, which the others here have"}
    leave_mdoc(scope.folder, "ts_2")
    scope.look()
    assert scope.names(100) == ["ts_2"]


def test_where_no_stack_has_an_mdoc_none_is_waited_for(scope: Scope) -> None:
    leave_stack(scope.folder, "ts_1")
    leave_stack(scope.folder, "ts_2")
    scope.look()
    assert scope.names(100) == ["ts_1", "ts_2"]


def test_a_series_with_fewer_images_than_the_others_waits_longer(scope: Scope) -> None:
    scope.counts = [9, 9, 8]
    leave_series(scope.folder, "ts_4", 5)
    scope.look()
    assert scope.reasons(100) == {"ts_4.mrc": "5 images where others have 9: waits for more"}
    assert scope.names(800) == []
    assert scope.names(100) == ["ts_4"]


def test_files_of_yesterday_need_two_looks_only(scope: Scope) -> None:
    path = leave_series(scope.folder, "ts_1")
    age(path, 3600)
    age(scope.folder / "ts_1.mrc.mdoc", 3600)
    assert scope.names() == []
    assert scope.names(1) == ["ts_1"]


def test_single_images_derived_stacks_and_hidden_files_are_passed_over(scope: Scope) -> None:
    leave_stack(scope.folder, "gain", 1)
    for name in ("ts_1_rec", "ts_1_ali", ".ts_1.partial", "notes"):
        leave_stack(scope.folder, name, suffix=".txt" if name == "notes" else ".mrc")
    (scope.folder / "folder.mrc").mkdir()
    scope.look()
    look = scope.look(1000)
    assert (look.arrivals, look.waiting, look.trouble) == ((), (), "")


def test_what_is_known_is_not_looked_at(scope: Scope) -> None:
    scope.known.add(leave_series(scope.folder, "ts_1"))
    scope.look()
    assert scope.names(100) == []
    assert scope.examined == []


def test_patterns_choose_also_in_folders_below(tmp_path: Path) -> None:
    for place in ("a", "b", "project/jobs/0001"):
        (tmp_path / place).mkdir(parents=True)
        leave_series(tmp_path / place, f"ts_{place[0]}")
    leave_series(tmp_path, "top")
    scope = Scope(
        tmp_path, patterns=("**/ts*.mrc",), settle_seconds=0.0,
        leave_out=(tmp_path / "project" / "jobs",),
    )  # fmt: skip
    assert scope.names() == ["ts_a", "ts_b"]


def test_a_folder_that_vanishes_is_trouble_and_its_return_is_not(scope: Scope) -> None:
    leave_series(scope.folder, "ts_1")
    scope.look()
    away = scope.folder.with_name("away")
    scope.folder.rename(away)
    assert "session cannot be read: No such file" in scope.look(50).trouble
    away.rename(scope.folder)
    assert scope.names(50) == ["ts_1"]


def test_a_file_that_vanishes_during_the_look_is_nothing(
    scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_series(scope.folder, "ts_1")
    (scope.folder / "ts_2.mrc").symlink_to(scope.folder / "nowhere.mrc")
    scope.look()
    assert scope.names(100) == ["ts_1"]


def test_a_file_that_cannot_be_read_is_tried_again(scope: Scope) -> None:
    path = leave_series(scope.folder, "ts_1")
    refused = True

    def examine(stack: Path) -> int:
        if refused:
            raise FormatError(f"{stack} cannot be read: Permission denied")
        return 5

    scope.arrivals.examine = examine
    scope.look()
    assert "Permission denied" in scope.reasons(100)["ts_1.mrc"]
    refused = False
    assert scope.names(30) == []
    assert scope.names(30) == ["ts_1"]
    assert os.access(path, os.R_OK)

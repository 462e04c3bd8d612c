"""Logs are read where one looks, and nowhere else."""

from __future__ import annotations

import re
from pathlib import Path

from tomotui.tui.widgets.log_file import ERROR, LogFile, clean
from tomotui.tui.widgets.log_times import with_times

HUGE_LINES = 400_000


def opened(path: Path, **more: int) -> LogFile:
    file = LogFile(path, **more)
    file.look()
    return file


def always(done: float) -> bool:
    return True


def words(file: LogFile, place: int, before: int = 0, after: int = 0) -> list[str]:
    return [line.text for line in file.page(place, before, after).lines]


def write_huge(path: Path, hole_bytes: int = 300 << 20) -> None:
    """Write a log of hundreds of megabytes, of which the middle takes no room on the disk."""
    with path.open("wb") as file:
        file.write(b"".join(b"begin %06d\n" % i for i in range(2000)))
        file.seek(hole_bytes, 1)
        file.write(b"\n" + b"".join(b"end %06d\n" % i for i in range(2000)))


def test_a_file_of_hundreds_of_megabytes_opens_by_its_end_and_its_beginning(
    tmp_path: Path,
) -> None:
    path = tmp_path / "log.txt"
    write_huge(path)
    file = opened(path)
    assert file.size > 300 << 20
    assert words(file, file.size - 1, before=2) == ["end 001997", "end 001998", "end 001999"]
    assert words(file, 0, after=1) == ["begin 000000", "begin 000001"]
    # The line of 300 megabytes without an end is cut where nobody has to read it all.
    middle = file.page(file.size // 2, 2, 2)
    assert 1 <= len(middle.lines) <= 5
    assert file.bytes_read < 1 << 20


def test_what_is_found_is_found_without_going_on(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    write_huge(path)
    file = opened(path)
    place = file.find(re.compile("begin 000007"), 0, file.size, 1, always)
    assert place is not None
    assert words(file, place) == ["begin 000007"]
    place = file.find(re.compile(r"^end 00100\d$"), 0, file.size, -1, always)
    assert place is not None
    assert words(file, place) == ["end 001009"]
    assert file.bytes_read < 4 << 20


def test_a_search_can_be_given_up(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    write_huge(path)
    file, told = opened(path), []

    def tell(done: float) -> bool:
        told.append(done)
        return len(told) < 3

    assert file.find(re.compile("nowhere"), 0, file.size, 1, tell) is None
    assert len(told) == 3
    assert file.bytes_read < 8 << 20


def test_every_line_is_found_once_in_either_direction(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    lines = ["", "one", "x" * 200, "two", "", "y" * 63, "three"]
    path.write_text("\n".join(lines) + "\n")
    file = opened(path, block_bytes=64)
    page = file.page(0, 0, 100)
    assert "".join(line.text for line in page.lines) == "".join(lines)
    assert [line.start for line in page.lines[1:]] == [line.end for line in page.lines[:-1]]
    backwards = file.page(file.size - 1, 100, 0)
    assert backwards.lines == page.lines
    assert backwards.is_first
    assert page.is_last


def test_lines_are_counted_from_the_beginning(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_bytes(b"".join(b"line %06d of the log\n" % (i + 1) for i in range(HUGE_LINES)))
    file = opened(path)
    for number in (1, 2, 70_000, 350_123, HUGE_LINES):
        place = file.start_of_line(number, always)
        assert place is not None
        assert words(file, place) == [f"line {number:06d} of the log"]
    last = file.start_of_line(10 * HUGE_LINES, always)
    assert last is not None
    assert words(file, last) == [f"line {HUGE_LINES:06d} of the log"]
    before = file.bytes_read
    file.start_of_line(300_000, always)
    assert file.bytes_read - before < 3 << 20


def test_only_what_is_appended_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    file = LogFile(path)
    assert file.look() == "new"
    assert file.error == "no log yet"
    assert file.look() == ""
    path.write_text("one\ntw")
    assert file.look() == "new"
    assert words(file, 0, after=9) == ["one", "tw"]
    with path.open("a") as more:
        more.write("o\nthree\n")
    assert file.look() == "grown"
    assert words(file, 0, after=9) == ["one", "two", "three"]
    assert file.look() == ""


def test_a_file_that_became_shorter_or_another_is_read_afresh(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_text("first attempt\n" * 10)
    file = opened(path)
    assert len(words(file, 0, after=20)) == 10
    path.write_text("second attempt\n")
    assert file.look() == "new"
    assert words(file, 0, after=20) == ["second attempt"]
    path.rename(tmp_path / "log.txt.1")
    path.write_text("after rotation, and longer than before\n")
    assert file.look() == "new"
    assert words(file, 0) == ["after rotation, and longer than before"]


def test_escapes_bytes_that_are_no_text_and_overwritten_progress_do_no_harm(
    tmp_path: Path,
) -> None:
    assert clean("\x1b[31mred\x1b[0m text\r") == "red text"
    assert clean("10%\r20%\r30%") == "30%"
    assert clean("a\tb\x07") == "a   b"
    assert clean("\x1b]0;title\x07\x9bshown\u202e") == "shown"
    path = tmp_path / "log.txt"
    path.write_bytes(b"\xff\xfe\x1b[2J wiped\nE\x1b[1mrr\x1b[0mor here\n")
    file = opened(path)
    assert words(file, 0) == ["\ufffd\ufffd wiped"]
    place = file.find(ERROR, 0, file.size, 1, always)
    assert place is not None
    assert words(file, place) == ["Error here"]


def test_what_counts_as_an_error() -> None:
    assert ERROR.search("Traceback (most recent call last):")
    assert ERROR.search("CUDA out of memory")
    assert not ERROR.search("terrors of the deep")


def test_times_are_told_as_they_stand_or_since_the_line_before_or_not() -> None:
    lines = ["23:59:58 begin", "  more", "00:00:00 midnight", "2026-01-02 00:20:00.5 late"]
    assert with_times(lines, "clock") == lines
    assert with_times(lines, "none") == ["begin", "  more", "midnight", "late"]
    passed = with_times(lines, "passed")
    assert passed[0].endswith("0.0s begin")
    assert passed[1] == "  more"
    assert passed[2].endswith("2.0s midnight")
    assert passed[3].endswith("20.0m late")

from __future__ import annotations

from pathlib import Path

from tomotui.tui.widgets.log_tail import ERROR, LogTail, clean


def test_only_what_is_appended_is_added(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    tail = LogTail(path)
    assert tail.poll()
    assert tail.error == "no log yet"
    assert not tail.poll()
    path.write_text("one\ntw")
    assert tail.poll()
    assert tail.lines == ["one", "tw"]
    with path.open("a") as file:
        file.write("o\nthree\n")
    assert tail.poll()
    assert tail.lines == ["one", "two", "three"]
    assert not tail.poll()


def test_a_large_file_is_read_from_its_end_and_backwards_on_demand(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_text("".join(f"line {i:05d}\n" for i in range(5000)))
    tail = LogTail(path, block_bytes=1000)
    tail.poll()
    assert tail.lines[-1] == "line 04999"
    assert len(tail.lines) < 100
    first = int(tail.lines[0].split()[1])
    n_more = tail.earlier()
    assert n_more > 50
    assert [int(line.split()[1]) for line in tail.lines] == list(range(first - n_more, 5000))
    while tail.earlier():
        pass
    assert tail.lines[0] == "line 00000"
    assert len(tail.lines) == 5000


def test_a_file_that_became_shorter_is_read_afresh(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_text("first attempt\n" * 10)
    tail = LogTail(path)
    tail.poll()
    path.write_text("second attempt\n")
    assert tail.poll()
    assert tail.lines == ["second attempt"]


def test_escapes_and_overwritten_progress_are_removed() -> None:
    assert clean("\x1b[31mred\x1b[0m text\r") == "red text"
    assert clean("10%\r20%\r30%") == "30%"
    assert clean("a\tb\x07") == "a   b"


def test_what_counts_as_an_error() -> None:
    assert ERROR.search("Traceback (most recent call last):")
    assert ERROR.search("CUDA out of memory")
    assert not ERROR.search("terrors of the deep")

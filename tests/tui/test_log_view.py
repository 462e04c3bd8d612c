"""The view of a log: at the end of any file at once, and wherever one wants to go."""

from __future__ import annotations

from pathlib import Path

from textual.app import App, ComposeResult
from textual.pilot import Pilot

from tests.tui.conftest import until
from tests.tui.test_log_file import write_huge
from tomotui.tui.widgets.log_view import LogView


class LogApp(App[None]):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    def compose(self) -> ComposeResult:
        yield LogView()

    def on_mount(self) -> None:
        log = self.query_one(LogView)
        log.show(self.path)
        log.focus()


def rows(log: LogView) -> list[str]:
    return [log.render_line(y).text.strip(" │█") for y in range(log.size.height)]


async def at_end(pilot: Pilot[None], log: LogView, last: str) -> None:
    await until(pilot, lambda: rows(log)[-1] == last)


async def test_a_huge_log_is_seen_at_its_end_and_at_its_beginning_at_once(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    write_huge(path)
    app = LogApp(path)
    async with app.run_test(size=(80, 24)) as pilot:
        log = app.query_one(LogView)
        await at_end(pilot, log, "end 001999")
        await pilot.press("g")
        await until(pilot, lambda: rows(log)[0] == "begin 000000")
        assert log.state.startswith("paused at 0%")
        for _ in range(4):
            await pilot.press("pagedown")
        await until(pilot, lambda: rows(log)[0] == "begin 000092")
        await pilot.press("k")
        await until(pilot, lambda: rows(log)[0] == "begin 000091")
        log.go_to("1990")
        await until(pilot, lambda: "begin 001989" in rows(log))
        await pilot.press("G")
        await at_end(pilot, log, "end 001999")
        await pilot.press("pageup")
        await until(pilot, lambda: rows(log)[-1] == "end 001976")
        file = log._reader._file
        assert file is not None
        assert file.bytes_read < 4 << 20


async def test_pages_turn_on_through_the_whole_file_and_back(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_text("".join(f"line {i}\n" for i in range(3000)))
    app = LogApp(path)
    async with app.run_test(size=(60, 11)) as pilot:
        log = app.query_one(LogView)
        await at_end(pilot, log, "line 2999")
        for _ in range(150):
            log.action_page(-1)
        await until(pilot, lambda: rows(log)[0] == f"line {2989 - 1500}")
        for _ in range(40):
            log.action_page(1)
        await until(pilot, lambda: rows(log)[0] == f"line {2989 - 1100}")
        log.action_scroll(5000)
        log.action_scroll(1)
        await at_end(pilot, log, "line 2999")


async def test_what_is_appended_appears_only_where_one_follows(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_text("".join(f"line {i}\n" for i in range(50)))
    app = LogApp(path)
    async with app.run_test(size=(60, 10)) as pilot:
        log = app.query_one(LogView)
        await at_end(pilot, log, "line 49")
        await pilot.press("f", "k", "k")
        with path.open("a") as more:
            more.write("line 50\n")
        await until(pilot, lambda: "line 50" in log.lines)
        assert rows(log)[-1] == "line 47"
        await pilot.press("f")
        await at_end(pilot, log, "line 50")
        path.write_text("a new run\n")
        await at_end(pilot, log, "")
        await until(pilot, lambda: rows(log)[0] == "a new run")
        path.unlink()
        await until(pilot, lambda: rows(log)[0] == "no log yet")


async def test_errors_are_found_from_where_one_is_and_around_the_end(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    lines = [f"12:00:{i % 60:02d} line {i}" for i in range(2000)]
    lines[100] = "12:01:40 Error: the first"
    lines[1900] = "12:01:40 Traceback of the second"
    path.write_text("\n".join(lines))
    app = LogApp(path)
    async with app.run_test(size=(60, 10)) as pilot:
        log = app.query_one(LogView)
        await at_end(pilot, log, "12:00:19 line 1999")
        await pilot.press("[")
        await until(pilot, lambda: any("second" in row for row in rows(log)))
        await pilot.press("[")
        await until(pilot, lambda: any("first" in row for row in rows(log)))
        await pilot.press("t", "t")
        assert "Error: the first" in rows(log)
        assert "no times" in log.state
        await pilot.press("[")
        await until(pilot, lambda: any("second" in row for row in rows(log)))
        log.search("nothing such")
        await until(pilot, lambda: log._asked is None)
        assert not log.following
        assert any("second" in row for row in rows(log))


async def test_long_lines_are_wrapped_or_scrolled(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_text("a" * 100 + "\n" + "b" * 30 + "END\n")
    app = LogApp(path)
    async with app.run_test(size=(42, 10)) as pilot:
        log = app.query_one(LogView)
        await until(pilot, lambda: len(rows(log)[0]) == 40)
        await pilot.press("right")
        assert rows(log)[1] == "b" * 22 + "END"
        await pilot.press("w")
        assert rows(log)[:4] == ["a" * 40, "a" * 40, "a" * 20, "b" * 30 + "END"]


async def test_other_output_beside_the_log_is_shown_in_turn(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_text("the log\n")
    (tmp_path / "12_0.err").write_text("of the scheduler\n")
    app = LogApp(path)
    async with app.run_test(size=(60, 10)) as pilot:
        log = app.query_one(LogView)
        await until(pilot, lambda: rows(log)[0] == "the log")
        await pilot.press("o")
        await until(pilot, lambda: rows(log)[0] == "of the scheduler")
        assert log.state.startswith("12_0.err")
        await pilot.press("o")
        await until(pilot, lambda: rows(log)[0] == "the log")


async def test_a_log_that_was_held_is_held_there_again(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    write_huge(path)
    app = LogApp(path)
    async with app.run_test(size=(80, 24)) as pilot:
        log = app.query_one(LogView)
        await at_end(pilot, log, "end 001999")
        assert log.held_at is None
        await pilot.press("pageup", "pageup")
        held, top = log.held_at, log.top_line
        assert held
        log.show(None)
        log.hold_at(held)
        log.show(path)
        await until(pilot, lambda: log.held_at == held)
        assert log.top_line == top
        assert not log.following


async def test_of_an_empty_log_it_is_said_what_is_true(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.touch()
    app = LogApp(path)
    async with app.run_test(size=(80, 24)) as pilot:
        log = app.query_one(LogView)
        await until(pilot, lambda: rows(log)[0] == "nothing said yet")
        log.show(path, "done; nothing was written to the log")
        assert rows(log)[0] == "done; nothing was written to the log"
        log.show(tmp_path / "none.txt", "")
        await until(pilot, lambda: rows(log)[0] == "no log yet")
        log.show(tmp_path / "none.txt", "failed; nothing was written to the log")
        assert rows(log)[0] == "failed; nothing was written to the log"

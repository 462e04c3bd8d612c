from __future__ import annotations

from textual.app import App, ComposeResult

from tomotui.tui.widgets.cells import Column, Row, bar, ending, fitted, length, plain, text
from tomotui.tui.widgets.columns import layout, natural_widths
from tomotui.tui.widgets.plot import decimate
from tomotui.tui.widgets.selection import Selection
from tomotui.tui.widgets.table import Table

COLUMNS = (
    Column("name", "name", 4, 20),
    Column("rare", "rare", 6, 8, rank=2),
    Column("note", "note", 5, 100, grows=True, rank=1),
)


def rows(n: int) -> list[Row]:
    return [Row(str(i), (text(f"row {i:04d}"), text("x"), text(f"note {i}"))) for i in range(n)]


def test_columns_are_left_out_by_rank_when_there_is_no_room() -> None:
    natural = natural_widths(COLUMNS, rows(3))
    assert layout(COLUMNS, natural, 60) == [8, 6, 42]
    assert layout(COLUMNS, natural, 18) == [8, 0, 8]
    assert layout(COLUMNS, natural, 9) == [8, 0, 0]


def test_cells_are_padded_or_cut_to_their_width() -> None:
    assert plain(tuple(fitted(text("abc"), 5, "right"))) == "  abc"
    assert plain(tuple(fitted(text("abcdef"), 4))) == "abc…"
    assert plain(tuple(fitted(text("abc"), 0))) == ""


def test_bars_have_one_width_whatever_they_show() -> None:
    for fraction in (-1.0, 0.0, 0.05, 0.5, 0.999, 1.0, 2.0):
        for ascii_only in (False, True):
            assert length(bar(fraction, 14, ascii_only=ascii_only)) == 14
    assert plain(bar(0.5, 14, ascii_only=True)).isascii()


async def test_what_an_empty_list_says_is_wrapped_and_not_cut() -> None:
    class Empty(App[None]):
        def compose(self) -> ComposeResult:
            yield Table(COLUMNS, empty="nothing here yet: i takes some in")

    app = Empty()
    async with app.run_test(size=(24, 8)):
        table = app.query_one(Table)
        said = [table.render_line(y).text.rstrip() for y in range(2, 6)]
    assert said == ["  nothing here yet: i", "  takes some in", "", ""]


def test_marks_and_cursor_follow_their_rows() -> None:
    selection = Selection()
    selection.show(["a", "b", "c", "d"], set("abcd"))
    selection.move_to(2)
    selection.toggle()
    selection.show(["x", "a", "c"], set("xac"))
    assert selection.cursor_key == "c"
    assert selection.chosen() == ["c"]
    selection.show(["x", "a"], set("xac"))
    assert selection.marks == {"c"}
    assert selection.chosen() == ["c"]
    selection.show(["x", "a"], set("xa"))
    assert selection.chosen() == ["a"]


def test_a_range_is_meant_before_it_is_marked() -> None:
    selection = Selection()
    selection.show(list("abcde"), set("abcde"))
    selection.move_to(3)
    selection.begin_range()
    selection.move_to(1)
    assert selection.chosen() == ["b", "c", "d"]
    selection.drop_range()
    assert selection.chosen() == ["b"]
    selection.begin_range()
    selection.move_to(0)
    selection.end_range()
    assert selection.marks == {"a", "b"}


def test_thinning_keeps_the_ends_of_the_range() -> None:
    y = [float(i % 7) for i in range(10_000)]
    y[4321] = 99.0
    x, thin = decimate(list(range(10_000)), y, 200)
    assert len(thin) <= 200
    assert max(thin) == 99.0
    assert min(thin) == 0.0
    assert x == sorted(x)


class TableApp(App[None]):
    def __init__(self, n: int) -> None:
        super().__init__()
        self.n = n

    def compose(self) -> ComposeResult:
        yield Table(COLUMNS, empty="nothing here")


def line(table: Table, y: int) -> str:
    return "".join(segment.text for segment in table.render_line(y))


async def test_ten_thousand_rows_are_a_matter_of_those_in_sight() -> None:
    app = TableApp(0)
    async with app.run_test(size=(60, 20)) as pilot:
        table = app.query_one(Table)
        assert "nothing here" in line(table, 2)
        table.set_rows(rows(10_000))
        await pilot.press("end")
        await pilot.pause()
        assert table.cursor_key == "9999"
        assert "row 9999" in line(table, 19)
        assert "name" in line(table, 0)
        await pilot.press("home", "j", "j", "space", "v", "j", "v")
        assert table.selection.marks == {"2", "3", "4"}
        table.set_filter("note 99[0-9]$")
        assert [row.key for row in table.rows] == [str(i) for i in range(990, 1000)]
        assert table.total == 10_000


async def test_only_lines_that_look_different_are_drawn_again() -> None:
    app = TableApp(0)
    async with app.run_test(size=(60, 20)) as pilot:
        table = app.query_one(Table)
        table.set_rows(rows(10))
        await pilot.pause()
        drawn: list[int] = []
        original = table.render_line
        table.render_line = lambda y: drawn.append(y) or original(y)  # type: ignore[func-returns-value, method-assign]
        table.set_rows(rows(10))
        await pilot.pause()
        assert drawn == []
        changed = rows(10)
        changed[4] = Row("4", (text("row 0004"), text("y"), text("note 4")))
        table.set_rows(changed)
        await pilot.pause()
        assert set(drawn) == {5}


async def test_the_last_filter_is_looked_for_again_and_marks_are_dropped() -> None:
    table = Table(COLUMNS)

    class OneTable(App[None]):
        def compose(self) -> ComposeResult:
            yield table

    async with OneTable().run_test() as pilot:
        table.set_rows(rows(30))
        assert not table.go_to_match(1)
        table.set_filter("row 00[01]5")
        table.set_filter("")
        places = []
        for step in (1, 1, 1, -1):
            assert table.go_to_match(step)
            places.append(table.cursor_key)
        assert places == ["15", "5", "15", "5"]
        table.focus()
        await pilot.press("A", "v", "down", "ctrl+backslash")
        assert not table.selection.marks
        assert not table.selection.in_range


def test_of_a_bar_without_room_the_percentage_stays() -> None:
    columns = (
        Column("name", "name", 4, 20),
        Column("progress", "progress", 4, 14, ends_last=True),
        Column("note", "note", 8, 200, grows=True),
    )
    rows = [Row("1", (text("reconstruct"), bar(0.62, 14), text("every tilt is empty")))]
    natural = natural_widths(columns, rows)
    assert layout(columns, natural, 60) == [11, 14, 31]
    assert layout(columns, natural, 30) == [11, 7, 8]
    assert "".join(span.text for span in ending(bar(0.62, 14), 5)) == "  62%"
    assert "".join(span.text for span in ending(text("62%"), 5)) == "62%  "

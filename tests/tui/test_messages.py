"""Messages are read to their end, on narrow terminals and over dialogs."""

from __future__ import annotations

import pytest
from textual.widgets import OptionList

from tests.tui.conftest import AppMaker, until
from tomotui.tui.screens.confirm import ConfirmScreen
from tomotui.tui.screens.recipes import RecipePicker
from tomotui.tui.widgets.choosing import Press
from tomotui.tui.widgets.message_line import MOST_LINES, MessageLine, Severity, message_lines

LONG = "the first refusal " * 7 + "ends here"


@pytest.mark.parametrize("severity", ["information", "warning", "error"])
@pytest.mark.parametrize("width", [20, 60, 80, 200])
def test_lines_are_as_wide_as_the_terminal_at_most(width: int, severity: Severity) -> None:
    lines = message_lines(LONG, severity, width)
    assert max(map(len, lines)) <= width
    assert len(lines) <= MOST_LINES
    assert (" ".join(line.strip(" !✗") for line in lines) == LONG) is (width >= 60)
    assert message_lines(LONG, "error", width, ascii_only=True)[0].isascii()


def seen(app: object) -> list[str]:
    return [row.text for row in app.screen._compositor.render_strips()]  # type: ignore[attr-defined]


async def test_a_long_message_makes_room_for_itself_and_goes(make_app: AppMaker) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.screen.snapshot.rows)
        app.say(LONG, "warning")
        await until(pilot, lambda: "ends here" in seen(app)[-1])
        assert app.screen.status_bar.size.height == 2
        await pilot.press("j")
        await until(pilot, lambda: app.screen.status_bar.size.height == 1)
        assert "launch" in seen(app)[-1]
        # Over a dialog it stands at the bottom of that.
        app.run_command_line("recipe")
        await until(pilot, lambda: isinstance(app.screen, RecipePicker))
        await until(pilot, lambda: app.screen.query_one(OptionList).has_focus)
        await pilot.press("d")
        await until(pilot, lambda: "comes with the program and stays" in seen(app)[-1])
        await pilot.press("down")
        assert not app.screen.query_one(MessageLine).display


def signed(app: object) -> list[str]:
    """Return the letters behind the sign."""
    return [row.split("▌ ")[1][0] for row in seen(app) if "▌ " in row]


async def test_a_sign_tells_where_the_focus_is(make_app: AppMaker) -> None:
    app = make_app(theme="nocolor")
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.screen.snapshot.rows)
        app.confirm("Do it?", "", lambda yes: None)
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        await until(pilot, lambda: app.screen.query_one("#no", Press).has_focus)
        await until(pilot, lambda: signed(app) == ["n"])
        await pilot.press("shift+tab")
        await until(pilot, lambda: signed(app) == ["y"])

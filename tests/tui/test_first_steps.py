"""What somebody meets who has never seen the program: hints, empty screens, keys at a loss."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import Input

from tests.tui.conftest import AppMaker, until
from tests.tui.picks_project import make_project
from tomotui.tui.raster.capability import Capability
from tomotui.tui.screens.datasets import DatasetsScreen
from tomotui.tui.screens.help import HelpScreen
from tomotui.tui.screens.import_stacks import ImportScreen
from tomotui.tui.screens.job_detail import JobDetailScreen
from tomotui.tui.screens.jobs import JobsScreen
from tomotui.tui.screens.picks_mode import PicksMode
from tomotui.tui.widgets.log_view import LogView
from tomotui.tui.widgets.slice_view import SliceView
from tomotui.tui.widgets.status_bar import Hints, StatusBar, shown_bindings
from tomotui.tui.widgets.table import Table
from tomotui.tui.wording import fitting


def message(app: Any) -> str:
    return str(app.screen.query_one(Hints).message)


def hints(app: Any) -> str:
    return app.screen.query_one(Hints).render().plain


async def test_a_key_with_nothing_to_do_says_so_and_where_help_is(make_app: AppMaker) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.screen.query_one(Table).total == 6)
        await pilot.press("Z")
        assert message(app) == "Z does nothing here; ? shows the keys"
        await pilot.press("j")
        assert message(app) == ""


async def test_a_line_opened_before_anything_has_the_focus_gives_keys_back(
    make_app: AppMaker,
) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        table = app.screen.query_one(Table)
        await until(pilot, lambda: table.total == 6)
        for ending in ("escape", "enter"):
            app.screen.set_focus(None)
            await pilot.press("colon", *"z 3", ending)
            await until(pilot, lambda: not app.screen.query_one(StatusBar).is_asking)
            await until(pilot, lambda: app.screen.focused is table)


@pytest.mark.parametrize("columns", [60, 80, 200])
async def test_help_is_among_the_hints_however_few_fit(make_app: AppMaker, columns: int) -> None:
    app = make_app()
    async with app.run_test(size=(columns, 24)) as pilot:
        await until(pilot, lambda: app.screen.query_one(Table).total == 6)
        await until(pilot, lambda: "? help" in hints(app))
        for mode in ("slices", "jobs"):
            app.go_to_mode(mode)
            await until(pilot, lambda mode=mode: app.current_mode == mode)
            if mode == "slices" and columns < 200:
                # That there are no images is told below, until the next key.
                await until(pilot, lambda: "does not" in hints(app))
                await pilot.press("home")
            await until(pilot, lambda: "? help" in hints(app))
            assert hints(app).count("? help") == 1
            assert "…" not in hints(app)


@pytest.mark.parametrize(("size", "classes"), [((80, 24), "-narrow"), ((200, 60), "-wide")])
async def test_a_dialog_has_the_layout_of_its_size_before_it_is_shown(
    make_app: AppMaker, size: tuple[int, int], classes: str
) -> None:
    app = make_app()
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: app.screen.query_one(Table).total == 6)
        dialog = HelpScreen("", "", [])
        assert dialog.has_class(classes, "-low" if size[1] < 30 else "-high")
        assert not dialog.has_class("-normal")


async def test_without_particles_only_what_begins_some_is_offered(make_app: AppMaker) -> None:
    app = make_app()
    async with app.run_test(size=(120, 26)) as pilot:
        await until(pilot, lambda: app.screen.query_one(Table).total == 6)
        app.go_to_mode("picks")
        await until(pilot, lambda: isinstance(app.screen, PicksMode))
        titles = {binding.id for binding in shown_bindings(app.screen)}
        assert "pick.choose_set" in titles
        assert not titles & {"pick.accept", "pick.gallery", "pick.mark", "pick.retrain"}
        for key in ("a", "M", "e"):
            await pilot.press(key)
            assert message(app) == "no particle set yet: S begins one; ? shows the keys"
        # With nothing to give a class to, digits are what the header says they are.
        await pilot.press("4")
        await until(pilot, lambda: isinstance(app.screen, JobsScreen))


async def test_a_set_and_its_candidates_bring_their_keys(
    make_app: AppMaker, tmp_path: Path
) -> None:
    make_project(tmp_path / "cells")
    app = make_app(tmp_path / "cells", capability=Capability(glyphs="half"))
    async with app.run_test(size=(120, 26)) as pilot:
        await until(pilot, lambda: app.current_mode == "datasets")
        app.go_to_mode("picks")
        await until(pilot, lambda: isinstance(app.screen, PicksMode))
        await until(pilot, lambda: app.screen.query_one(SliceView).pictures)
        await until(pilot, lambda: "a accept" in hints(app))
        await pilot.press("4")
        assert message(app) == "class 4; 4 again takes it away, esc leaves the review"
        assert not any(app.screen.header_state().mode_keys)
        # A list with nothing in it says what to do about it.
        app.screen.review.look_at(("elsewhere",))
        app.screen.acted()
        await until(pilot, lambda: "a accept" not in hints(app))
        assert all(app.screen.header_state().mode_keys)
        await pilot.press("a")
        assert message(app).startswith("no candidate here: M marks some, v lists others")


async def test_the_key_of_a_mode_closes_what_is_open_above_it(make_app: AppMaker) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.screen.query_one(Table).total == 6)
        await pilot.press("4")
        await until(pilot, lambda: isinstance(app.screen, JobsScreen))
        await until(pilot, lambda: app.screen.query_one(Table).total > 0)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, JobDetailScreen))
        await pilot.press("4")
        await until(pilot, lambda: isinstance(app.screen, JobsScreen))


async def test_escape_leads_from_the_log_to_the_list_and_then_says_what_leaves(
    make_app: AppMaker,
) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.screen.query_one(Table).total == 6)
        await pilot.press("4")
        await until(pilot, lambda: isinstance(app.screen, JobsScreen))
        table = app.screen.query_one(Table)
        await until(pilot, lambda: table.total > 0)
        await pilot.press("f")
        await until(pilot, lambda: isinstance(app.screen.focused, LogView))
        await pilot.press("escape")
        await until(pilot, lambda: app.screen.focused is table)
        await pilot.press("escape")
        words = "nothing to go back from: - goes to the screen before, q leaves"
        await until(pilot, lambda: message(app) == words)


async def test_the_command_of_an_import_works_from_every_screen(make_app: AppMaker) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.screen.query_one(Table).total == 6)
        await pilot.press("4")
        await until(pilot, lambda: isinstance(app.screen, JobsScreen))
        await pilot.press("colon", *"import", "enter")
        await until(pilot, lambda: isinstance(app.screen, ImportScreen))


async def test_an_import_can_be_sent_off_from_wherever_one_is(make_app: AppMaker) -> None:
    begun: list[Any] = []

    async def ask(words: Sequence[str]) -> list[dict[str, Any]]:
        plan = {"name": "new", "stack": "/raw/new.mrc", "parameters": {"stack": "/raw/new.mrc"}}
        found = {"alignment": "/raw/new.edf", "tomogram": "/raw/new_rec.mrc"}
        return [{**plan, **found, "problems": [], "warnings": [], "n_tilts": 41}]

    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.screen.query_one(Table).total == 6)
        app.push_screen(ImportScreen((), ask, begin=begun.append))
        await until(pilot, lambda: isinstance(app.screen, ImportScreen))
        verdict = app.screen.query_one("#verdict")
        await pilot.press("ctrl+r")
        assert str(verdict.visual) == "enter looks at the files first"
        app.screen.query_one("#stacks", Input).value = "/raw"
        await pilot.press("enter")
        await until(pilot, lambda: app.screen.query_one(Table).total == 1)
        facts = app.screen.query_one("#plan-facts")
        await until(pilot, lambda: "new.edf  comes along" in str(facts.visual))
        assert "new_rec.mrc  comes along" in str(facts.visual)
        # On a list, where no text is typed, help has its usual key.
        await pilot.press("?")
        await until(pilot, lambda: isinstance(app.screen, HelpScreen))
        assert ["ctrl+r", "f2"] in [line.keys for line in app.screen.lines]
        await pilot.press("?")
        await until(pilot, lambda: isinstance(app.screen, ImportScreen))
        await pilot.press("ctrl+r")
        await until(pilot, lambda: isinstance(app.screen, DatasetsScreen))
    assert [wish.targets[0].name for wish in begun] == ["new"]


def test_of_a_line_that_is_too_long_whole_parts_are_left_out() -> None:
    parts = ["ts_1 sirt 20 Å", "z 92/182", "-0.0133..0.0129 auto", "256/quadrant 20 kB"]
    assert fitting(parts, 80) == "  ".join(parts)
    assert fitting(parts, 48) == "  ".join(parts[:3])
    assert fitting(parts, 30) == "  ".join(parts[:2])
    assert fitting(parts, 5) == parts[0]

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tui.conftest import AppMaker, until
from tomotui.tui import outside
from tomotui.tui.screens.error import ErrorScreen
from tomotui.tui.screens.palette import Palette
from tomotui.tui.trail import Place, Trail


def test_a_trail_goes_back_and_forward_and_forgets_what_was_ahead() -> None:
    trail = Trail()
    datasets, jobs, maps = Place("datasets"), Place("jobs"), Place("maps")
    first, second = Place("slices", "ts_001"), Place("slices", "ts_002")
    assert trail.step(datasets, -1) is None
    trail.go(datasets, first)
    # Another series was looked at without leaving.
    trail.go(second, jobs)
    assert trail.step(jobs, -1) == second
    assert trail.step(second, -1) == datasets
    assert trail.step(datasets, -1) is None
    assert trail.step(datasets, 1) == second
    trail.go(second, maps)
    assert trail.step(maps, 1) is None
    assert trail.step(maps, -1) == second


async def test_keys_go_back_to_the_mode_before_and_forward_again(make_app: AppMaker) -> None:
    app = make_app()
    async with app.run_test(size=(120, 32)) as pilot:
        await until(pilot, lambda: app.current_mode == "datasets")
        await pilot.press("4")
        await until(pilot, lambda: app.current_mode == "jobs")
        await pilot.press("ctrl+left")
        await until(pilot, lambda: app.current_mode == "datasets")
        await pilot.press("ctrl+right")
        await until(pilot, lambda: app.current_mode == "jobs")


async def test_the_editor_gets_the_log_under_the_cursor_and_nothing_when_there_is_none(
    make_app: AppMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[list[str]] = []
    monkeypatch.setattr(outside, "_run", lambda app, words, *_: opened.append(words))
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", "vim -n")
    app = make_app()
    log = tmp_path / "log.txt"
    log.write_text("words\n")
    async with app.run_test(size=(120, 32)) as pilot:
        await until(pilot, lambda: app.current_mode == "datasets")
        await pilot.press("e")
        assert opened.pop() == ["vim", "-n", str(app.folder)]
        outside.open_editor(app, log, read_only=True)
        assert opened.pop()[0] == "less"
        outside.open_editor(app, tmp_path, read_only=True)
        monkeypatch.delenv("EDITOR")
        assert not opened
        await pilot.press("e")
        await until(pilot, lambda: isinstance(app.screen, ErrorScreen))
        assert not opened
        assert "no editor is known" in str(app.screen.message)  # type: ignore[attr-defined]


async def test_the_palette_shows_the_theme_under_its_cursor_and_escape_goes_back(
    make_app: AppMaker,
) -> None:
    app = make_app()
    async with app.run_test(size=(120, 32)) as pilot:
        await until(pilot, lambda: app.current_mode == "datasets")
        await pilot.press("ctrl+p")
        await until(pilot, lambda: isinstance(app.screen, Palette))
        await pilot.press(*"gold")
        await until(pilot, lambda: app.theme == "gold", 5)
        await pilot.press("escape")
        await until(pilot, lambda: app.theme == "vitreous" and not isinstance(app.screen, Palette))
        assert app.preferences.theme is None

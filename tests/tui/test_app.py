"""Help, palette, themes, the command line, welcome and import, and coming and going."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from textual.command import CommandList
from textual.widgets import Input, OptionList

from tests.tui.conftest import AppMaker, until
from tomotui.project import Project
from tomotui.resources import themes_folder
from tomotui.tui import command_line, session
from tomotui.tui.screens.datasets import DatasetsScreen
from tomotui.tui.screens.doctor import DoctorScreen
from tomotui.tui.screens.error import ErrorScreen
from tomotui.tui.screens.help import HelpScreen
from tomotui.tui.screens.import_stacks import ImportScreen, matching
from tomotui.tui.screens.job_detail import JobDetailScreen
from tomotui.tui.screens.launch import LaunchScreen
from tomotui.tui.screens.slices_mode import SlicesMode
from tomotui.tui.screens.theme_picker import ThemePicker
from tomotui.tui.screens.welcome import WelcomeScreen
from tomotui.tui.theme import ThemeShelf, user_themes_folder
from tomotui.tui.widgets.status_bar import LineInput
from tomotui.tui.widgets.table import Table


def message(app: Any) -> str:
    return str(app.screen.status_bar.query_one("Hints").message)


async def test_help_lists_the_keys_that_work_here_and_now(make_app: AppMaker) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.screen.query_one(Table).total == 6)
        live = {active.binding.id for active in app.screen.active_bindings.values()}
        await pilot.press("?")
        await until(pilot, lambda: isinstance(app.screen, HelpScreen))
        by_words = {line.words: line.keys for line in app.screen.lines}
        assert by_words["Run a stage on the marked series, or the one under the cursor."] == ["L"]
        assert by_words["One row down."] == ["down", "j"]
        assert "Ask the job to stop." not in by_words
        assert app.screen.prose == DatasetsScreen.PROSE
        assert len(app.screen.lines) == len({name for name in live if name})
        await pilot.press("f1")
        await until(pilot, lambda: isinstance(app.screen, DatasetsScreen))
        # The help follows the keymap.
        app.use_keymap("emacs")
        await pilot.press("?")
        await until(pilot, lambda: isinstance(app.screen, HelpScreen))
        by_words = {line.words: line.keys for line in app.screen.lines}
        assert by_words["One row down."] == ["down", "ctrl+n"]
        await pilot.press("escape", "ctrl+n")
        await until(pilot, lambda: app.screen.query_one(Table).cursor_key == "ts_002")


async def test_the_palette_does_what_is_chosen(make_app: AppMaker) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.screen.query_one(Table).total == 6)
        await pilot.press("ctrl+p")
        await until(pilot, lambda: app.screen.query_one(CommandList).option_count > 8)
        assert not app.screen.query_one(Input).cursor_blink
        await pilot.press(*"theme lam")
        await until(pilot, lambda: app.screen.query_one(CommandList).option_count == 1)
        await pilot.press("enter")
        await until(pilot, lambda: app.theme == "lamella")
        await pilot.press("ctrl+p", *"run align")
        await until(pilot, lambda: app.screen.query_one(CommandList).option_count == 1)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, LaunchScreen))


async def test_the_theme_under_the_cursor_is_shown_and_escape_goes_back(
    make_app: AppMaker,
) -> None:
    app = make_app()
    async with app.run_test(size=(120, 32)) as pilot:
        await until(pilot, lambda: app.screen.query_one(Table).total == 6)
        assert app.theme == "vitreous"
        assert app.screen.styles.background.hex.lower() == app.look.background
        app.action_pick_theme()
        await until(pilot, lambda: isinstance(app.screen, ThemePicker))
        await pilot.press("home")
        await until(pilot, lambda: app.theme == "ansi16")
        await pilot.press("escape")
        await until(pilot, lambda: app.theme == "vitreous")
        app.action_pick_theme()
        await until(pilot, lambda: isinstance(app.screen, ThemePicker))
        await pilot.press("home", "enter")
        await until(pilot, lambda: isinstance(app.screen, DatasetsScreen))
        assert app.theme == session.load_preferences().theme == "ansi16"
        # Screens made before and after have the new colours.
        assert app.screen.styles.background.hex.lower() == app.look.background
        await pilot.press("4")
        await until(pilot, lambda: app.current_mode == "jobs")
        assert app.screen.styles.background.hex.lower() == app.look.background
        app.use_theme("lamella")
        await pilot.press("1")
        await until(pilot, lambda: isinstance(app.screen, DatasetsScreen))
        await until(pilot, lambda: app.screen.styles.background.hex.lower() == app.look.background)


async def test_a_saved_theme_file_is_shown_at_once(make_app: AppMaker) -> None:
    folder = user_themes_folder()
    folder.mkdir(parents=True)
    path = folder / "mine.toml"
    text = (themes_folder() / "vitreous.toml").read_text().replace("vitreous", "mine")
    path.write_text(text)
    app = make_app(theme="mine", shelf=ThemeShelf())
    async with app.run_test(size=(120, 32)) as pilot:
        await until(pilot, lambda: app.screen.query_one(Table).total == 6)
        assert app.theme == "mine"
        path.write_text(text.replace('background = "#0a1219"', 'background = "#101010"'))
        os.utime(path, ns=(1, 1))
        await until(pilot, lambda: app.look.background == "#101010")
        await until(pilot, lambda: app.screen.styles.background.hex == "#101010")
        path.write_text("nonsense")
        os.utime(path, ns=(2, 2))
        await until(pilot, lambda: "mine.toml cannot be read" in message(app))
        assert app.theme == "mine"


async def test_commands_do_what_keys_do(make_app: AppMaker) -> None:
    app = make_app()
    async with app.run_test(size=(120, 32)) as pilot:
        await until(pilot, lambda: app.screen.query_one(Table).total == 6)
        await pilot.press(":", *"jobs fai", "enter")
        await until(pilot, lambda: app.current_mode == "jobs")
        await until(pilot, lambda: [r.key for r in app.screen.query_one(Table).rows] == ["2"])
        await pilot.press(":", *"job 2", "enter")
        await until(pilot, lambda: isinstance(app.screen, JobDetailScreen))
        await pilot.press("1", ":", *"run align ts_00[56]", "enter")
        await until(pilot, lambda: isinstance(app.screen, LaunchScreen))
        assert [target.name for target in app.screen.request.targets] == ["ts_005", "ts_006"]
        await pilot.press("escape", ":", *"theme deuter", "enter")
        await until(pilot, lambda: app.theme == "deuter")
        await pilot.press(":", *"slices ts_003", "enter")
        await until(pilot, lambda: isinstance(app.screen, SlicesMode))
        await pilot.press(":", *"z 7", "enter")
        await until(pilot, lambda: not app.screen.status_bar.is_asking)
        await pilot.press(":", *"nonsense", "enter")
        await until(pilot, lambda: "no command nonsense" in message(app))
        await pilot.press(":", *"theme pink", "enter")
        await until(pilot, lambda: "there is no theme pink" in message(app))
        await pilot.press(":", "q", "enter")
    assert app.return_code == 0


async def test_tab_completes_commands_and_arrows_bring_them_back(make_app: AppMaker) -> None:
    app = make_app()
    async with app.run_test(size=(120, 32)) as pilot:
        await until(pilot, lambda: app.screen.query_one(Table).total == 6)
        assert command_line.complete(app, "th") == ["theme"]
        assert command_line.complete(app, "run ") == ["run align", "run reconstruct"]
        assert command_line.complete(app, "run align ts_00")[0] == "run align ts_001"
        assert command_line.complete(app, "slices ts_006") == ["slices ts_006"]
        await pilot.press(":", *"theme l", "tab")
        line = app.screen.query_one(LineInput)
        await until(pilot, lambda: line.value == "theme lamella")
        await pilot.press("enter")
        await until(pilot, lambda: app.theme == "lamella")
        await pilot.press(":", "up")
        await until(pilot, lambda: line.value == "theme lamella")
        await pilot.press("escape")
        await until(pilot, lambda: app.screen.query_one(Table).has_focus)


async def test_welcome_makes_a_project_and_remembers_it(
    make_app: AppMaker, tmp_path: Path, monkeypatch: Any
) -> None:
    here = tmp_path / "empty"
    here.mkdir()
    monkeypatch.chdir(here)
    app = make_app(None)
    async with app.run_test(size=(120, 32)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, WelcomeScreen))
        await until(pilot, lambda: app.screen.query_one(OptionList).has_focus)
        await pilot.press("4")
        await until(pilot, lambda: "open or make a project" in message(app))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, DatasetsScreen))
        assert app.project_name == "empty"
        assert app.screen.query_one(Table).total == 0
    assert (here / "project.sqlite").is_file()
    assert session.recent_projects() == [here]
    Project.open(here).close()


async def test_another_project_is_opened_from_within(
    make_app: AppMaker, folder: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    Project.create(other, "other one").close()
    app = make_app()
    async with app.run_test(size=(120, 32)) as pilot:
        await until(pilot, lambda: app.screen.query_one(Table).total == 6)
        app.run_command_line(f"open {other}")
        await until(pilot, lambda: app.project_name == "other one")
        await until(pilot, lambda: isinstance(app.screen, DatasetsScreen))
        await until(pilot, lambda: app.screen.header_state().project == "other one")
        app.run_command_line(f"open {tmp_path}")
        await until(pilot, lambda: isinstance(app.screen, ErrorScreen))
        assert "holds no project" in app.screen.message
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, DatasetsScreen))


def plan(name: str, **changes: Any) -> dict[str, Any]:
    return {
        "name": name,
        "stack": f"/raw/{name}.mrc",
        "n_tilts": 41,
        "tilt_range_deg": [-60.0, 60.0],
        "pixel_size_angstrom": 1.7,
        "tilt_axis_deg": None,
        "dose_e_per_a2": 3.0,
        "facts": {"pixel_size_angstrom": {"value": 1.7, "from": "mdoc"}},
        "warnings": [],
        "problems": [],
        "parameters": {"stack": f"/raw/{name}.mrc"},
        **changes,
    }


async def test_import_submits_what_can_be_used(make_app: AppMaker, folder: Path) -> None:
    asked: list[list[str]] = []

    async def ask(arguments: Sequence[str]) -> list[dict[str, Any]]:
        asked.append(list(arguments))
        return [plan("new_1"), plan("new_2", problems=["truncated"]), plan("ts_001"), plan("new_3")]

    app = make_app()
    async with app.run_test(size=(120, 32)) as pilot:
        await until(pilot, lambda: app.screen.query_one(Table).total == 6)
        app.push_screen(ImportScreen(app.series_names(), ask))
        await until(pilot, lambda: isinstance(app.screen, ImportScreen))
        await pilot.press(*"/no/such", "tab", "tab", *"1.7", "enter")
        await until(pilot, lambda: app.screen.query_one("#plans", Table).total == 4)
        assert asked == [["/no/such", "--pixel-size", "1.7"]]
        assert [plan["name"] for plan in app.screen.usable()] == ["new_1", "new_3"]
        await pilot.press("enter", "enter")
        await until(pilot, lambda: isinstance(app.screen, DatasetsScreen))
        await until(pilot, lambda: app.screen.query_one(Table).total == 8)
    with Project.open(folder) as project:
        job = project.jobs()[-1]
        assert (job.stage, job.targets) == ("import", ("new_1", "new_3"))
        assert project.task(job.id, "new_3").parameters["stack"] == "/raw/new_3.mrc"


def test_what_is_typed_as_a_path_may_be_a_pattern(tmp_path: Path) -> None:
    (tmp_path / "a b").mkdir()
    for name in ("a1.mrc", "a2.mrc", "b.mrc"):
        (tmp_path / name).touch()
    assert matching(f"{tmp_path}/a b") == [f"{tmp_path}/a b"]
    assert matching(f"{tmp_path}/a*.mrc {tmp_path}/b.mrc") == [
        f"{tmp_path}/{name}" for name in ("a1.mrc", "a2.mrc", "b.mrc")
    ]
    assert matching(f"{tmp_path}/none.mrc") == [f"{tmp_path}/none.mrc"]
    assert matching("") == []


async def test_the_doctor_lists_what_is_not_well_first(
    make_app: AppMaker, monkeypatch: Any
) -> None:
    from tomotui import doctor

    checks = [doctor.Check("disk", "ok", "fine"), doctor.Check("gpu", "warn", "none", "buy one")]
    monkeypatch.setattr(doctor, "collect", lambda: checks)
    app = make_app()
    async with app.run_test(size=(120, 32)) as pilot:
        await until(pilot, lambda: app.screen.query_one(Table).total == 6)
        app.action_doctor()
        await until(pilot, lambda: isinstance(app.screen, DoctorScreen))
        await until(pilot, lambda: "buy one" in screen_text(app))
        text = screen_text(app)
        assert text.index("buy one") < text.index("fine")


def screen_text(app: Any) -> str:
    return "\n".join(
        "".join(segment.text for segment in strip)
        for strip in app.screen._compositor.render_strips()
    )


async def test_quitting_says_that_jobs_go_on(make_app: AppMaker) -> None:
    app = make_app()
    async with app.run_test(size=(120, 32)) as pilot:
        await until(pilot, lambda: app.screen.counts.running == 1)
        await pilot.press("ctrl+c")
        await until(pilot, lambda: "q leaves" in message(app))
        await pilot.press("q")
    assert app.return_code == 0
    assert app.farewell.startswith("2 tasks in")
    assert "keep running" in app.farewell


async def test_losing_the_terminal_saves_where_one_was(make_app: AppMaker, folder: Path) -> None:
    app = make_app()
    async with app.run_test(size=(120, 32)) as pilot:
        await until(pilot, lambda: app.screen.query_one(Table).total == 6)
        await pilot.press("j", "4")
        await until(pilot, lambda: app.current_mode == "jobs")
        app.leave_on_signal(signal.SIGHUP)
    assert app.return_code == 128 + signal.SIGHUP
    assert session.load_session(folder).mode == "jobs"
    assert session.load_session(folder).series == "ts_002"


async def test_a_damaged_session_file_is_a_fresh_start(make_app: AppMaker, folder: Path) -> None:
    session.save_session(folder, session.Session(mode="jobs"))
    for path in (session.state_folder() / "sessions").iterdir():
        path.write_text("{")
    app = make_app()
    async with app.run_test(size=(120, 32)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, DatasetsScreen))

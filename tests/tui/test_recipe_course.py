"""A recipe in the screens: what it would do, how far it is, and going on with it."""

from __future__ import annotations

from pathlib import Path

from textual.pilot import Pilot
from textual.widgets import Static

from tests.tui.conftest import AppMaker, until
from tests.tui.test_plots import said
from tomotui.project import Project
from tomotui.records import Status
from tomotui.tui.app import TomotuiApp
from tomotui.tui.screens.job_detail import JobDetailScreen
from tomotui.tui.screens.recipe_progress import RecipeProgressScreen
from tomotui.tui.screens.recipe_run import AgainRow, RecipeRunScreen
from tomotui.tui.widgets.table import Table

RECIPE = """
about = "A trial."
[[step]]
stage = "align"
[[step]]
stage = "ctf"
optional = true
[[step]]
stage = "reconstruct"
when = "align.residual_angstrom < 2 nm"
where = "local"
"""


def save(folder: Path, text: str = RECIPE) -> None:
    (folder / "recipes").mkdir(exist_ok=True)
    (folder / "recipes" / "trial.toml").write_text(text)


async def preview(pilot: Pilot[None], app: TomotuiApp) -> RecipeRunScreen:
    app.run_command_line("recipe trial")
    await until(pilot, lambda: isinstance(app.screen, RecipeRunScreen))
    screen = app.screen
    assert isinstance(screen, RecipeRunScreen)
    return screen


def steps_of(screen: RecipeRunScreen) -> list[list[str]]:
    """Return the words of the lines that show steps and conditions."""
    shown = str(screen.query_one("#recipe-steps", Static).render())
    return [line.split() for line in shown.splitlines() if line.strip()]


async def test_a_recipe_is_shown_run_watched_and_gone_on_with(
    make_app: AppMaker, folder: Path
) -> None:
    save(folder)
    app = make_app()
    with Project.open(folder) as project:
        before = len(project.jobs())
        async with app.run_test(size=(80, 24)) as pilot:
            await until(pilot, lambda: app.screen.query_one(Table).total == 6)
            screen = await preview(pilot, app)
            lines = steps_of(screen)
            assert lines[1][:3] == ["align", "1", "-"]
            assert ["may", "fail"] in lines
            assert ["when", "align.residual_angstrom", "<", "2", "nm"] in lines
            assert not screen.query(AgainRow)
            await pilot.press("y")
            await until(pilot, lambda: len(project.jobs()) == before + 3)
            align, ctf, reconstruct = project.jobs()[before:]
            assert set(reconstruct.after) == {align.id, ctf.id}

            app.run_command_line("progress")
            await until(pilot, lambda: isinstance(app.screen, RecipeProgressScreen))
            progress = app.screen
            assert isinstance(progress, RecipeProgressScreen)
            await until(pilot, lambda: progress.table.total == 3)
            target = align.targets[0]
            project.finish_task(project.task(align.id, target), Status.DONE, summary="aligned")
            project.finish_task(project.task(ctf.id, target), Status.FAILED, error="no rings")
            await until(pilot, lambda: progress.course.steps[0].n_done == 1)
            await until(pilot, lambda: progress.course.steps[1].trouble.endswith("no rings"))
            assert progress.course.steps[2].status == Status.QUEUED
            await pilot.press("enter")
            await until(pilot, lambda: isinstance(app.screen, JobDetailScreen))

            await pilot.press("1")
            screen = await preview(pilot, app)
            assert screen.query(AgainRow)
            lines = steps_of(screen)
            assert [line[1:3] for line in lines if line[0] in ("align", "ctf", "reconstruct")] == [
                ["-", "1"], ["-", "1"], ["1", "-"],
            ]  # fmt: skip
            await pilot.press("tab", "right")
            await until(pilot, lambda: screen.again)
            await until(pilot, lambda: steps_of(screen)[1][1:3] == ["1", "-"])
            await pilot.press("left")
            await until(pilot, lambda: not screen.again)
            await pilot.press("y")
            await until(pilot, lambda: app.screen is not screen)
            assert len(project.jobs()) == before + 3


async def test_progress_without_a_run_says_what_to_do(make_app: AppMaker, folder: Path) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.screen.query_one(Table).total == 6)
        app.run_command_line("progress")
        await until(pilot, lambda: ":recipe" in said(app))
        assert not isinstance(app.screen, RecipeProgressScreen)

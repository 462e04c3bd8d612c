"""The tree of jobs: what each was made from, and what was made of it."""

from __future__ import annotations

from pathlib import Path

from tests.tui.conftest import AppMaker, make_alignment, make_series, request, until
from tomotui.project import Project
from tomotui.tui.job_graph import history_commands, history_of, read_graph, tree_of
from tomotui.tui.screens.job_detail import JobDetailScreen
from tomotui.tui.screens.job_tree import JobTreeScreen
from tomotui.tui.screens.yank import YankMenu
from tomotui.tui.widgets.table import Table


def more_jobs(folder: Path) -> tuple[int, int, int]:
    """Add jobs that wait for each other in the shape of a rhombus; returns their numbers."""
    with Project.open(folder) as project:
        left = project.submit(request("reconstruct", ["ts_004"]).replace(after=(2,)))
        right = project.submit(request("align", ["ts_004"]).replace(after=(2,)))
        last = project.submit(request("reconstruct", ["ts_004"]).replace(after=(left.id, right.id)))
    return left.id, right.id, last.id


def keys(branches: object) -> list[tuple[int, str, int, bool]]:
    return [(one.job_id, one.part, one.depth, one.is_again) for one in branches]  # type: ignore[attr-defined]


def test_a_tree_tells_what_is_reached_twice_only_once(folder: Path) -> None:
    left, right, last = more_jobs(folder)
    with Project.open(folder) as project:
        graph = read_graph(project)
        assert keys(tree_of(graph, last)) == [
            (right, "sources", 1, False),
            (2, "sources", 2, False),
            (left, "sources", 1, False),
            (2, "sources", 2, True),
            (last, "job", 0, False),
        ]
        assert keys(tree_of(graph, 2)) == [
            (2, "job", 0, False),
            (left, "uses", 1, False),
            (last, "uses", 2, False),
            (right, "uses", 1, False),
            (last, "uses", 2, True),
        ]
        folded = tree_of(graph, last, {f"sources/{right}"})
        assert keys(folded)[1:3] == [(left, "sources", 1, False), (2, "sources", 2, False)]
        history = history_of(graph, last)
        assert set(history[:-1]) == {2, left, right}
        assert (history[0], history[-1]) == (2, last)
        lines = history_commands(project, history, folder).split("\n")
        stages = [line.split()[2] for line in lines]
        assert stages[-1] == "reconstruct"
        assert sorted(stages) == sorted(graph.nodes[number].job.stage for number in history)
        assert all(line.endswith("--wait") for line in lines)
        assert not any("--after" in line for line in lines)


def test_jobs_are_linked_by_the_records_that_they_took(tmp_path: Path) -> None:
    with Project.create(tmp_path / "linked") as project:
        first = project.submit(request("import", ["ts_001"]))
        second = project.submit(request("align", ["ts_001"]))
        series = make_series("ts_001")
        project.add_records([series], job_id=first.id)
        project.add_records([make_alignment(series)], job_id=second.id, parents=[series.uid])
        third = project.submit(
            request("reconstruct", ["ts_001"]).replace(after=(first.id, second.id))
        )
        graph = read_graph(project)
        # What is reached through another is not named beside it.
        assert graph.sources[third.id] == (second.id,)
        assert graph.sources[second.id] == (first.id,)
        assert graph.uses[first.id] == (second.id,)
        assert dict(graph.nodes[second.id].made) == {"alignment": 1}


async def test_the_tree_is_folded_gone_through_and_copied(make_app: AppMaker, folder: Path) -> None:
    _left, right, last = more_jobs(folder)
    app = make_app()
    async with app.run_test(size=(120, 32)) as pilot:
        await pilot.press("4")
        await until(pilot, lambda: app.screen.query_one(Table).total == 6)
        await pilot.press("g", "D")
        await until(pilot, lambda: isinstance(app.screen, JobTreeScreen))
        screen = app.screen
        assert isinstance(screen, JobTreeScreen)
        await until(pilot, lambda: len(screen.branches) == 5)
        await until(pilot, lambda: screen.table.cursor_key == "job")
        assert screen.job_id == last
        await pilot.press("g", "left")
        await until(pilot, lambda: len(screen.branches) == 4)
        await pilot.press("right")
        await until(pilot, lambda: len(screen.branches) == 5)
        await pilot.press("o")
        await until(pilot, lambda: [one.depth for one in screen.branches] == [1, 1, 0])
        await pilot.press("o", "G", "y")
        await until(pilot, lambda: isinstance(app.screen, YankMenu))
        assert isinstance(app.screen, YankMenu)
        assert app.screen.texts["command"].count("tomotui run") >= 4
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is screen)
        await pilot.press("g", "D")
        await until(pilot, lambda: screen.job_id == right)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, JobDetailScreen))
        assert app.screen.job_id == right  # type: ignore[attr-defined]

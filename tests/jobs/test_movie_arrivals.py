"""Series that arrive as movies and mdoc, and what a watcher makes of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from tests.jobs.microscope import SIZE, leave_series
from tomotui.jobs.arrivals import Arrivals, Look
from tomotui.jobs.recipe import Recipe, RecipeError
from tomotui.jobs.recipe_reading import read_recipe
from tomotui.jobs.watch_presence import WatchOptions
from tomotui.jobs.watcher import Happening, Watcher
from tomotui.project import Project

RECIPE = """
[import]
dose_e_per_a2 = 2.5
[motion]
local = "off"
[[step]]
stage = "measure"
"""


@pytest.fixture
def session(tmp_path: Path) -> Path:
    folder = tmp_path / "session"
    (folder / "frames").mkdir(parents=True)
    return folder


@pytest.fixture
def recipe(tmp_path: Path, fake_stages: None) -> Recipe:
    path = tmp_path / "live.toml"
    path.write_text(RECIPE)
    return read_recipe(path)


class Watch:
    def __init__(self, project: Project, recipe: Recipe, folder: Path, **options: object) -> None:
        wish = WatchOptions(folder=folder, settle_seconds=0.0, **options)  # type: ignore[arg-type]
        self.told: list[Happening] = []
        self.watcher = Watcher(project, recipe, wish, self.told.append, start_agent=False)

    def step(self) -> list[tuple[str, str]]:
        before = len(self.told)
        self.watcher.step()
        return [(each.kind, each.name) for each in self.told[before:]]


def _leave_movie(folder: Path, name: str) -> Path:
    path = folder / name
    tifffile.imwrite(path, np.ones((4, SIZE, SIZE), np.uint8), photometric="minisblack")
    return path


def _leave_mdoc(folder: Path, name: str, n: int = 3) -> list[str]:
    """Write the mdoc of a series; returns the names of its movies."""
    movies = [f"{name}_{number:03d}.tif" for number in range(n)]
    lines = ["PixelSpacing = 10", f"ImageSize = {SIZE} {SIZE}"]
    for number, movie in enumerate(movies):
        lines += [
            f"[ZValue = {number}]",
            f"TiltAngle = {3 * number}",
            f"SubFramePath = X:\\s\\{movie}",
        ]
    (folder / f"{name}.mdoc").write_text("\n".join(lines))
    return movies


def test_a_series_is_taken_when_all_its_movies_are_there(
    project: Project, recipe: Recipe, session: Path
) -> None:
    watch = Watch(project, recipe, session)
    movies = _leave_mdoc(session, "ts_1")
    for movie in movies[:-1]:
        _leave_movie(session / "frames", movie)
    assert ("taken", "ts_1") not in watch.step() + watch.step()
    (waiting,) = watch.watcher.waiting
    assert "1 of the 3 movies" in waiting.reason
    assert "ts_1_002.tif" in waiting.reason
    _leave_movie(session / "frames", movies[-1])
    assert watch.step() + watch.step() == [("taken", "ts_1")]
    assert [(job.stage, job.after) for job in project.jobs()] == [("motion", ()), ("measure", (1,))]
    assert project.task(1, "ts_1").parameters == {
        "dose_e_per_a2": 2.5,
        "local": "off",
        "movies": str(session / "ts_1.mdoc"),
    }
    assert watch.step() == []


def test_movies_are_waited_for_as_long_as_more_of_them_come(session: Path) -> None:
    time = [1000.0]
    arrivals = Arrivals(
        session, lambda _: 3, settle_seconds=10, clock=lambda: time[0], wall_clock=lambda: 0.0
    )

    def look(seconds: float) -> Look:
        time[0] += seconds
        return arrivals.look(())

    # The mdoc comes first, as from a microscope that writes it from its plan.
    movies = _leave_mdoc(session, "ts_1")
    reasons = []
    for movie in movies[:-1]:
        reasons.append(look(8).waiting[0])
        _leave_movie(session / "frames", movie)
    reasons.append(look(8).waiting[0])
    assert [waiting.reason[:6] for waiting in reasons] == ["0 of 3", "1 of 3", "2 of 3"]
    assert all(waiting.settling for waiting in reasons)
    # The last one is copied slowly.
    last = session / "frames" / movies[-1]
    _leave_movie(session / "frames", movies[-1])
    content = last.read_bytes()
    last.write_bytes(content[:100])
    assert look(8).waiting[0].reason == "still growing"
    last.write_bytes(content)
    assert not look(8).arrivals
    (arrival,) = look(11).arrivals
    assert (arrival.name, arrival.n_images) == ("ts_1", 3)


def test_movies_beside_their_mdoc_are_no_stacks(
    project: Project, recipe: Recipe, session: Path
) -> None:
    watch = Watch(project, recipe, session, motion_parameters={"local": "auto"})
    for movie in _leave_mdoc(session, "ts_1"):
        _leave_movie(session, movie)
    leave_series(session, "ts_2")
    told = watch.step() + watch.step()
    assert sorted(told) == [("taken", "ts_1"), ("taken", "ts_2")]
    stages = {job.stage: job.targets for job in project.jobs() if job.stage != "measure"}
    assert stages == {"import": ("ts_2",), "motion": ("ts_1",)}
    motion = next(job for job in project.jobs() if job.stage == "motion")
    assert project.task(motion.id, "ts_1").parameters["local"] == "auto"


def test_what_was_taken_by_hand_is_not_taken_again(
    project: Project, recipe: Recipe, session: Path
) -> None:
    for movie in _leave_mdoc(session, "ts_1"):
        _leave_movie(session, movie)
    first = Watch(project, recipe, session)
    assert first.step() + first.step() == [("taken", "ts_1")]
    again = Watch(project, recipe, session)
    assert again.step() + again.step() == []


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('movies = "a.mdoc"', "motion: movies: belongs to a single series"),
        ("patches = 1", "motion: patches: "),
        ("glain = 1", "motion: glain: no such parameter"),
    ],
)
def test_a_recipe_is_checked_for_what_it_says_of_movies(
    tmp_path: Path, fake_stages: None, line: str, words: str
) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(f'[motion]\n{line}\n[[step]]\nstage = "measure"\n')
    with pytest.raises(RecipeError, match=words):
        read_recipe(path)


def test_motion_is_no_step_of_a_recipe(tmp_path: Path) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text('[[step]]\nstage = "motion"\n')
    with pytest.raises(RecipeError, match=r"its parameters stand in \[motion\]"):
        read_recipe(path)

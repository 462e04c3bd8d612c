"""Recipes of what was done: raw data, several refinements, and what people did by hand."""

from __future__ import annotations

from pathlib import Path

from tomotui.jobs.recipe_files import recipe_text
from tomotui.jobs.recipe_history import recipe_of_history
from tomotui.jobs.recipe_reading import read_recipe
from tomotui.project import Project
from tomotui.records import (
    AnyRecord,
    JobRequest,
    Particle,
    ParticleSet,
    RecipeStep,
    Status,
    Target,
    Tilt,
    TiltSeries,
    Tomogram,
    new_uid,
)


def did(
    project: Project, request: JobRequest, *made: AnyRecord, parents: tuple[str, ...] = ()
) -> None:
    """Note a job as done, without doing it."""
    job = project.submit(request)
    for number, task in enumerate(project.tasks(job.id)):
        project.mark_starting(task, "cpu", "here")
        mine = made[number : number + 1] if len(job.targets) > 1 else made
        project.finish_task(task, Status.DONE, records=mine, parents=parents)


def series(name: str) -> TiltSeries:
    tilts = tuple(Tilt(index=i, nominal_tilt_deg=3.0 * i, excluded=i == 1) for i in range(3))
    return TiltSeries(
        name=name, stack_path="a.mrc", width_px=9, height_px=9, pixel_size_angstrom=8.0, tilts=tilts
    )


def request(stage: str, *targets: Target, **parameters: object) -> JobRequest:
    return JobRequest(stage=stage, targets=targets, parameters=parameters)


def filled(project: Project) -> None:
    """Two series, picks that were judged, and two refinements, the second of the first's result."""
    one, other = series("ts_1"), series("ts_2")
    files = [
        Target(name="ts_1", parameters={"stack": "/raw/ts_1.mrc"}),
        Target(name="ts_2", parameters={"stack": "/raw/ts_2.mrc", "pixel_size_angstrom": 9.0}),
    ]
    did(project, request("import", *files, dose_e_per_a2=3.0), one, other)
    picks = ParticleSet(name="ribosome", diameter_angstrom=250.0)
    tomogram = Tomogram(
        series_uid=one.uid, alignment_uid=new_uid(), path="t.mrc", size_xyz=(9, 9, 9),
        pixel_size_angstrom=8.0, window_low=0.0, window_high=1.0,
    )  # fmt: skip
    project.add_records([picks, tomogram])
    judged = [
        Particle(
            uid=new_uid(), tomogram_uid=tomogram.uid, x_angstrom=9.0 * i, y_angstrom=0.0,
            z_angstrom=0.0, source="find", decision="accepted" if i else "undecided",
        )
        for i in range(3)
    ]  # fmt: skip
    project.add_particles(picks.uid, judged)
    sample = Target(name="sample")
    first = ParticleSet(name="first", parent_uid=picks.uid, made_by="refine")
    again = ParticleSet(name="again", parent_uid=first.uid, made_by="refine")
    coarse = {"particles": ["ribosome"], "reference": "/maps/start.mrc", "series": ["ts_1", "ts_2"]}
    did(project, request("refine", sample, **coarse), first)
    fine = request("refine", sample, particles=["first"])
    step = RecipeStep(recipe="r", run="1", name="fine", when="", optional=False)
    did(project, fine.replace(step=step), again, parents=(first.uid,))


def test_raw_series_and_every_refinement_are_in_it(project: Project, tmp_path: Path) -> None:
    filled(project)
    recipe = recipe_of_history(project, "mine", with_raw=True)
    assert recipe.series == {
        "ts_1": {"stack": "/raw/ts_1.mrc"},
        "ts_2": {"stack": "/raw/ts_2.mrc", "pixel_size_angstrom": 9.0},
    }
    assert recipe.import_parameters == {"dose_e_per_a2": 3.0}
    assert [(step.name, step.stage, step.target) for step in recipe.steps] == [
        ("refine", "refine", ""), ("fine", "refine", ""),
    ]  # fmt: skip
    # All series: a project that has others works on these.
    assert "series" not in recipe.steps[0].parameters
    path = tmp_path / "mine.toml"
    path.write_text(recipe_text(recipe))
    again = read_recipe(path)
    assert (again.series, again.steps) == (recipe.series, recipe.steps)
    assert recipe_of_history(project, "mine").series == {}


def test_what_no_recipe_does_again_is_said(project: Project) -> None:
    filled(project)
    recipe = recipe_of_history(project, "mine")
    picks, tilts, file = recipe.by_hand
    assert "particles of ribosome (2 judged)" in picks
    assert "tomotui import-particles" in picks
    assert tilts.endswith("ts_1 (1), ts_2 (1)")
    assert file.endswith("/maps/start.mrc")
    head = recipe_text(recipe).splitlines()[:3]
    assert head == [f"# {words}" for words in recipe.by_hand]

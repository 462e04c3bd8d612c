"""Recipes: checking one, running one, and writing one from a project's history."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from tomotui.cli.errors import WorkFailed, WrongWords
from tomotui.cli.options import (
    JsonOption,
    OnOption,
    ProjectOption,
    WaitOption,
    matching,
    open_project,
    print_json,
    print_table,
)
from tomotui.cli.where import place_said

if TYPE_CHECKING:
    from tomotui.jobs.recipe import Recipe
    from tomotui.jobs.recipe_planning import Plan
    from tomotui.project import Project


def list_recipes(*, project: ProjectOption = None, json: JsonOption = False) -> int:
    """List the recipes of the project, of your own and of the program.

    Example: `tomotui recipe list`

    Parameters
    ----------
    project
        Project folder; the present one by default.
    json
        Print JSON for scripts.
    """
    from tomotui.jobs.recipe import RecipeError
    from tomotui.jobs.recipe_files import known_recipes
    from tomotui.jobs.recipe_reading import read_recipe

    rows = []
    for name, path in known_recipes(project or Path.cwd()).items():
        try:
            found = read_recipe(path)
            about, steps = found.about, ", ".join(step.name for step in found.steps)
        except RecipeError as error:
            about, steps = f"cannot be used: {error.problems[0]}", "-"
        rows.append([name, steps, str(path), about])
    if json:
        keys = ("name", "steps", "file", "about")
        print_json([dict(zip(keys, row, strict=True)) for row in rows])
    else:
        print_table(["recipe", "steps", "file", "about"], rows)
    return 0


def check(file: str, /, *, project: ProjectOption = None, json: JsonOption = False) -> int:
    """Check a recipe against the stages, without running anything.

    Example: `tomotui recipe check lamella.toml`

    Parameters
    ----------
    file
        File or name of the recipe.
    project
        Project folder, whose recipes can be named; the present one by default.
    json
        Print JSON for scripts.
    """
    from tomotui.jobs.recipe import RecipeError
    from tomotui.jobs.recipe_files import find_recipe

    try:
        found = find_recipe(file, project or Path.cwd())
    except RecipeError as error:
        if json:
            print_json({"problems": error.problems, "warnings": []})
            return 2
        raise WrongWords("\n".join(error.problems)) from error
    if json:
        print_json({"problems": [], "warnings": found.warnings})
        return 0
    for warning in found.warnings:
        print(f"warning: {warning}")
    steps = [
        [
            f"{step.name} (optional)" if step.optional else step.name,
            step.stage,
            ", ".join(f"{key}={value}" for key, value in step.parameters.items()) or "-",
            ", ".join(step.after) or "-",
            " ".join(filter(None, (step.where, step.profile))) or "-",
            step.when.text if step.when else "-",
        ]
        for step in found.steps
    ]
    print_table(["step", "stage", "parameters", "after", "where", "when"], steps)
    if found.series:
        print(f"takes in where they lack: {', '.join(found.series)}")
    print(f"{found.path} is in order")
    return 0


def run_recipe(
    file: str,
    /,
    *,
    project: ProjectOption = None,
    on: OnOption = None,
    where: Annotated[str | None, Parameter(name=["--where", "--executor"])] = None,
    profile: str | None = None,
    again: bool = False,
    dry_run: bool = False,
    wait: WaitOption = False,
    json: JsonOption = False,
) -> int:
    """Put every step of a recipe into the queue that is not done yet.

    Each series goes through the steps by itself: one that fails holds up no other. Said again, it
    goes on: what an earlier run of the recipe has done stays, what failed or was killed is tried
    again from its last checkpoint, and a recipe that was changed goes on from the first step that
    is another. Raw series that it names are imported where the project lacks them.

    Example: `tomotui recipe run standard --on ts_01 ts_02 --wait`

    Parameters
    ----------
    file
        File or name of the recipe.
    project
        Project folder; the present one by default.
    on
        Tilt series by name or pattern (quote it: 'ts_*'); by default those whose raw data the
        recipe names, or all.
    where
        Where steps run that do not say it: local or slurm; on this machine by default.
    profile
        What to ask of SLURM; `tomotui cluster profiles` lists them.
    again
        Do every step again, also what is done.
    dry_run
        Show what would be done, and do nothing.
    wait
        Wait until everything has ended; the exit code tells whether all was done.
    json
        Print the jobs as JSON, after the waiting when there is any.
    """
    from tomotui.cli.waiting import job_json, wait_for_job
    from tomotui.jobs import ensure_agent
    from tomotui.jobs.recipe_files import find_recipe
    from tomotui.jobs.recipe_planning import plan_recipe
    from tomotui.jobs.recipe_running import notice_deaths, queue_plan

    place = place_said(where, profile)
    with open_project(project, read_only=dry_run) as opened:
        found = find_recipe(file, opened.folder)
        if not dry_run:
            notice_deaths(opened)
        plan = plan_recipe(opened, found, _names(opened, found, on or []), resume=not again)
        if dry_run:
            return _show_plan(plan, json)
        jobs = queue_plan(opened, plan, place=place)
        ensure_agent(opened.folder)
        if not json:
            for job in jobs:
                when = f", when {job.step.when}" if job.step and job.step.when else ""
                kept = ", from an earlier run" if job.status.is_finished else ""
                words = f"{job.stage} on {len(job.targets)} targets{when}{kept}"
                print(f"job {job.id}: {words}", flush=True)
            if all(job.status.is_finished for job in jobs):
                print("everything is done already; --again does it all again")
        codes = [wait_for_job(opened, job.id, quiet=json) for job in jobs] if wait else [0]
        if json:
            print_json([job_json(opened, opened.job(job.id)) for job in jobs])
        return max(codes)


def _names(project: Project, recipe: Recipe, patterns: list[str]) -> list[str]:
    """Return the tilt series that a run is for.

    Raises
    ------
    WrongWords
        When there are none.
    """
    from tomotui.jobs.recipe_planning import series_meant

    if patterns:
        known = [series.name for series in project.tilt_series()]
        return list(matching(dict.fromkeys([*known, *recipe.series]), patterns, "tilt series"))
    names = series_meant(project, recipe)
    if not names:
        raise WrongWords("the project has no tilt series yet; import some: tomotui import STACK...")
    return names


def _show_plan(plan: Plan, json: bool) -> int:
    keys = ("step", "stage", "to do", "done", "where", "when")
    rows = [
        [
            planned.step.name,
            planned.step.stage,
            str(planned.n_to_do),
            str(planned.n_done),
            planned.step.where or "-",
            planned.step.when.text if planned.step.when else "-",
        ]
        for planned in plan.steps
    ]
    if json:
        print_json([dict(zip(keys, row, strict=True)) for row in rows])
    else:
        print_table(list(keys), rows)
        print(f"{len(plan.names)} tilt series; nothing was queued")
    return 0


def save(
    name: str,
    /,
    *,
    project: ProjectOption = None,
    jobs: Annotated[list[int] | None, Parameter(consume_multiple=True)] = None,
    full: bool = False,
    raw: bool = False,
    force: bool = False,
) -> int:
    """Write the recipe that repeats what was done in a project.

    With --raw it names the files of the raw series too: run in a new project, it makes the same
    again. What people did by hand is told, and stands at the head of the file.

    Example: `tomotui recipe save lamella --raw -p ~/data/cells`

    Parameters
    ----------
    name
        Name of the recipe, kept in the project's folder recipes; or a file that ends with .toml.
    project
        Project folder; the present one by default.
    jobs
        Numbers of the jobs to repeat, in order; by default the newest of each stage.
    full
        Write every parameter, also those that had their default.
    raw
        Name the files of the raw series and how they were imported.
    force
        Replace a recipe of that name.
    """
    from tomotui.jobs.recipe_files import recipe_text
    from tomotui.jobs.recipe_history import recipe_of_history

    as_file = name.endswith(".toml")
    if not as_file and (not name.strip() or "/" in name):
        raise WrongWords(f"{name!r}: give a name without slashes, or a file that ends with .toml")
    with open_project(project, read_only=True) as opened:
        path = Path(name).expanduser() if as_file else opened.folder / "recipes" / f"{name}.toml"
        if path.exists() and not force:
            raise WorkFailed(f"{path} is there already; choose another name, or say --force")
        made = recipe_of_history(opened, path.stem, jobs or [], full, raw)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(recipe_text(made), encoding="utf-8")
    os.replace(partial, path)
    steps = ", ".join(step.name for step in made.steps)
    print(f"wrote {path}: {steps}")
    for words in made.by_hand:
        print(f"note: {words}")
    return 0

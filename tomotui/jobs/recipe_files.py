"""Where recipes lie, and writing one from what was done in a project."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import platformdirs

from tomotui.jobs.condition import parse_condition
from tomotui.jobs.recipe import FORMAT, OF_ONE_SERIES, Recipe, RecipeError, Step, read_recipe
from tomotui.project import Project, ProjectError
from tomotui.records import Job, Status
from tomotui.stages import ENTRANCES, UnknownStage, all_stages, get

SHIPPED = Path(__file__).with_name("recipes")
STANDARD = "standard"
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def recipe_folders(project_folder: Path | None = None) -> list[Path]:
    """Return where recipes are looked for: the project's, the user's, the program's own."""
    own = [project_folder / "recipes"] if project_folder is not None else []
    return [*own, platformdirs.user_config_path("tomotui") / "recipes", SHIPPED]


def known_recipes(project_folder: Path | None = None) -> dict[str, Path]:
    """Return the recipes by name; the project's go before the user's and the program's."""
    found: dict[str, Path] = {}
    for folder in recipe_folders(project_folder):
        for path in sorted(folder.glob("*.toml")):
            found.setdefault(path.stem, path)
    return found


def find_recipe(wanted: Path | str, project_folder: Path | None = None) -> Recipe:
    """Read the recipe of a file, or of a name.

    Raises
    ------
    RecipeError
        When there is no such recipe, or it is wrong.
    """
    path = Path(wanted).expanduser()
    if path.is_file():
        return read_recipe(path.absolute())
    known = known_recipes(project_folder)
    if str(wanted) not in known:
        raise RecipeError([f"there is no recipe {wanted}; there are {', '.join(known)}, or a file"])
    return read_recipe(known[str(wanted)])


def recipe_of_history(
    project: Project, name: str, jobs: Sequence[int] = (), full: bool = False
) -> Recipe:
    """Return the recipe that repeats what was done in a project.

    Without a choice the newest job of each stage that succeeded on anything, in the order of the
    pipeline; conditions of a recipe that ran before are kept.

    Parameters
    ----------
    jobs
        Numbers of the jobs to repeat, in this order.
    full
        Keep every parameter, also those that had their default: a later version of the program
        may have other defaults.

    Raises
    ------
    ProjectError
        When there is no such job, or nothing was done yet.
    """
    known = {job.id: job for job in project.jobs()}
    missing = [number for number in jobs if number not in known]
    if missing:
        raise ProjectError(f"there is no job {missing[0]}.", "See: tomotui jobs")
    entrances = {stage: _newest_parameters(project, known, stage) for stage in ENTRANCES}
    chosen = [known[number] for number in jobs] or _newest_of_each_stage(project, known)
    chosen = [job for job in chosen if job.stage not in ENTRANCES and not _is_of_sample(job)]
    if not chosen:
        raise ProjectError(
            f"{project.folder} has no job that a recipe could repeat.", "Run a stage first."
        )
    series = {one.name for one in project.tilt_series()}
    steps: list[Step] = []
    for job in chosen:
        steps.append(_step_of(project, job, steps, series, full))
    return Recipe(
        name,
        tuple(steps),
        about=f"As it was done in the project {project.name}.",
        import_parameters=entrances["import"],
        motion_parameters=entrances["motion"],
    )


def _is_of_sample(job: Job) -> bool:
    """Tell whether a job works on several series together, which no step of a recipe does."""
    try:
        return get(job.stage).scope == "sample"
    except UnknownStage:
        return False


def _newest_parameters(project: Project, jobs: Mapping[int, Job], stage: str) -> dict[str, Any]:
    """Return what the newest import of a kind that succeeded was told of all its series."""
    found = [job for job in jobs.values() if job.stage == stage and _succeeded(project, job)]
    parameters = found[-1].parameters if found else {}
    return {k: v for k, v in parameters.items() if k not in OF_ONE_SERIES[stage]}


def _newest_of_each_stage(project: Project, jobs: Mapping[int, Job]) -> list[Job]:
    """Return the newest job of each stage, in the order in which they wait for each other."""
    newest: dict[str, Job] = {}
    for job in jobs.values():
        if job.stage not in ENTRANCES and _succeeded(project, job):
            newest[job.stage] = job
    order = [stage.name for stage in all_stages()]
    left = sorted(newest.values(), key=lambda job: (order.index(job.stage), job.id))
    before = {job.stage: _stages_before(job, jobs) - {job.stage} for job in left}
    found: list[Job] = []
    while left:
        # Stages that were run in both orders wait for each other: then the pipeline's decides.
        free = [j for j in left if not before[j.stage] & {other.stage for other in left}]
        found.append((free or left)[0])
        left.remove(found[-1])
    return found


def _stages_before(job: Job, jobs: Mapping[int, Job]) -> set[str]:
    """Return the stages of the jobs that a job has waited for, directly or not."""
    found: set[str] = set()
    queue, seen = list(job.after), set(job.after)
    while queue:
        earlier = jobs[queue.pop()]
        found.add(earlier.stage)
        new = set(earlier.after) - seen
        seen |= new
        queue += new
    return found


def _succeeded(project: Project, job: Job) -> bool:
    try:
        get(job.stage)
    except UnknownStage:
        return False
    return job.status == Status.DONE or any(
        task.status == Status.DONE for task in project.tasks(job.id)
    )


def _step_of(
    project: Project, job: Job, before: Sequence[Step], series: set[str], full: bool
) -> Step:
    taken = {step.name for step in before}
    wanted = job.step.name if job.step else job.stage
    name, number = wanted, 2
    while name in taken:
        name, number = f"{wanted}_{number}", number + 1
    parameters = job.parameters
    if full:
        parameters = get(job.stage).validate(parameters).model_dump(mode="json")
    when = parse_condition(job.step.when) if job.step and job.step.when else None
    if when is not None and not {n.step for n in when.names} <= taken | {"series"}:
        when = None
    whole = len(job.targets) == 1 and job.targets[0] not in series
    return Step(
        name=name,
        stage=job.stage,
        parameters=parameters,
        overrides=project.overrides(job.id),
        after=(before[-1].name,) if before else (),
        when=when,
        optional=job.step is not None and job.step.optional,
        target=job.targets[0] if whole else "",
    )


def recipe_text(recipe: Recipe) -> str:
    """Return a recipe as the text of its TOML file."""
    lines = [f"format = {FORMAT}", f"name = {_value(recipe.name)}"]
    if recipe.about:
        lines.append(f"about = {_value(recipe.about)}")
    if recipe.import_parameters:
        lines += ["", "[import]", *_pairs(recipe.import_parameters)]
    if recipe.motion_parameters:
        lines += ["", "[motion]", *_pairs(recipe.motion_parameters)]
    previous = ""
    for step in recipe.steps:
        lines += ["", "[[step]]", f"stage = {_value(step.stage)}"]
        if step.name != step.stage:
            lines.append(f"name = {_value(step.name)}")
        if step.after != ((previous,) if previous else ()):
            lines.append(f"after = {_value(list(step.after))}")
        if step.optional:
            lines.append("optional = true")
        if step.target:
            lines.append(f"target = {_value(step.target)}")
        if step.when is not None:
            lines.append(f"when = {_value(step.when.text)}")
        if step.parameters:
            lines += ["[step.parameters]", *_pairs(step.parameters)]
        for target, values in step.overrides.items():
            if values:
                lines += [f"[step.overrides.{_key(target)}]", *_pairs(values)]
        previous = step.name
    return "\n".join(lines) + "\n"


def _pairs(values: Mapping[str, Any]) -> list[str]:
    return [f"{_key(key)} = {_value(value)}" for key, value in values.items()]


def _key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else _value(key)


def _value(value: Any) -> str:
    """Return a value as TOML writes it; no value is the word ``none``."""
    if value is None:
        return '"none"'
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return repr(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, Mapping):
        return f"{{ {', '.join(_pairs(value))} }}"
    # The escapes of JSON are those of TOML, but for one character that JSON leaves as it is.
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")

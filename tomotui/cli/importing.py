"""Taking tilt series into a project."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from tomotui.cli.errors import WorkFailed, WrongWords
from tomotui.cli.movies import MovieWords
from tomotui.cli.options import (
    JsonOption,
    ProjectOption,
    SetOption,
    open_project,
    print_json,
    print_table,
)
from tomotui.cli.where import place_said
from tomotui.records import JobRequest, Target
from tomotui.stages import ENTRANCES

if TYPE_CHECKING:
    from tomotui.formats.import_plan import ImportPlan

Scheme = Literal["dose-symmetric", "bidirectional", "continuous", "stack-order"]


def import_(
    stacks: list[Path],
    /,
    *,
    project: ProjectOption = None,
    mdoc: Path | None = None,
    tilts: Path | None = None,
    alignment: Path | None = None,
    ctf: Path | None = None,
    tomogram: Path | None = None,
    dataset: str = "default",
    name: str | None = None,
    pixel_size: float | None = None,
    tilt_axis: float | None = None,
    dose: float | None = None,
    acquisition: Scheme | None = None,
    first_tilt: float | None = None,
    tilt_step: float | None = None,
    voltage: float | None = None,
    spherical_aberration: float | None = None,
    amplitude_contrast: float | None = None,
    copy: bool = False,
    frames: Path | None = None,
    gain: Path | None = None,
    set_: SetOption = None,
    dry_run: bool = False,
    where: Annotated[str | None, Parameter(name=["--where", "--executor"])] = None,
    profile: str | None = None,
    wait: Annotated[bool, Parameter(name="--wait", negative="--no-wait")] = True,
    json: JsonOption = False,
) -> int:
    """Take tilt series into the project; metadata beside the stacks are found by name.

    Series of movies are given by their mdocs (or a table of movies and tilts): the motion of
    the specimen is found and undone, and the frames become a stack with two halves.

    Example: `tomotui import raw/*.mrc --dose 3 -p ~/data/cells`

    Example: `tomotui import session/*.mdoc --frames session/frames --gain gain.mrc`

    Example: `tomotui import etomo/TS_01 aretomo3_out portal/10301 --dry-run`

    Parameters
    ----------
    stacks
        Image stacks, mdocs of movies, or folders that hold them: also those of etomo and AreTomo,
        and data sets of the CryoET data portal, with all that they tell.
    project
        Project folder; the present one by default.
    mdoc
        SerialEM mdoc of a single stack.
    tilts
        Tilt angles of a single stack, one a line, or a .tomostar of Warp.
    alignment
        Alignment of another program: .xf (IMOD), .edf (a folder of etomo), .aln (AreTomo), .star
        (RELION 5), .xml (Warp), alignment_metadata.json (CryoET data portal).
    ctf
        CTF of another program: .defocus (IMOD), .txt (AreTomo, CTFFIND), .star (RELION 5), .xml
        (Warp), tiltseries_metadata.json (CryoET data portal).
    tomogram
        Tomogram (MRC) that was made with the alignment; it is linked to.
    dataset
        Data set that the series belong to.
    name
        Name of a single series; that of its file by default.
    pixel_size
        Angstrom per pixel.
    tilt_axis
        Tilt axis in degrees, as far as known.
    dose
        Exposure of each image in e/A^2.
    acquisition
        Order of the tilts: dose-symmetric, bidirectional, continuous or stack-order.
    first_tilt
        First angle in degrees, where no file gives the angles.
    tilt_step
        Degrees from one tilt to the next, where no file gives the angles.
    voltage
        Acceleration voltage in kV.
    spherical_aberration
        Spherical aberration in mm.
    amplitude_contrast
        Share of amplitude contrast, 0 to 1.
    copy
        Copy the stacks into the project instead of linking to them.
    frames
        Folder of the movies that mdocs or tables name; looked for near them by default.
    gain
        Gain reference of the movies.
    set_
        Any other parameter of movies as key=value; `tomotui stages motion` lists them.
    dry_run
        Only tell what would be understood; needs no project and writes nothing.
    where
        Where to run: local or slurm; on this machine by default.
    profile
        What to ask of SLURM; `tomotui cluster profiles` lists them.
    wait
        Wait until the import has ended (the default), or leave it to run.
    json
        Print JSON for scripts.
    """
    place = place_said(where, profile)
    if not dry_run:
        # Before anything is read: the first thing that a new user lacks is a project.
        open_project(project).close()
    files = (("mdoc", mdoc), ("tilts", tilts), ("alignment", alignment), ("ctf", ctf))
    given = dict([*files, ("tomogram", tomogram)])
    common = {
        "dataset": dataset,
        "pixel_size_angstrom": pixel_size,
        "tilt_axis_deg": tilt_axis,
        "dose_e_per_a2": dose,
        "acquisition": acquisition,
        "first_tilt_deg": first_tilt,
        "tilt_step_deg": tilt_step,
        "voltage_kv": voltage,
        "spherical_aberration_mm": spherical_aberration,
        "amplitude_contrast": amplitude_contrast,
        "copy_stack": copy,
    }
    # By identity: a tilt axis of 0 degrees was said, although 0 equals False.
    said = {key: value for key, value in common.items() if value is not None and value is not False}
    of_movies = MovieWords(frames, gain, set_ or ())
    if of_movies.are_meant([stack.expanduser() for stack in stacks]):
        request = of_movies.request([stack.expanduser() for stack in stacks], said, given, name)
    else:
        of_movies.refuse()
        request = JobRequest(stage="import", parameters=said, targets=_targets(stacks, given, name))
    taken = _taken(project) if project is not None or not dry_run else set()
    if dry_run:
        return _preview(request, taken, json)
    for target in request.targets:
        if target.name in taken:
            raise WorkFailed(_already(target.name))
    request = request.replace(executor=place.executor, profile=place.profile)
    return _submit(request, project, wait, json)


def _targets(
    stacks: Sequence[Path], given: Mapping[str, Path | None], name: str | None
) -> tuple[Target, ...]:
    """Return one target for each stack, with the files that were given for it."""
    from tomotui.formats.pairing import find_stacks, pair_files

    found = find_stacks([stack.expanduser() for stack in stacks])
    if len(found) > 1:
        alone = {key: path for key, path in given.items() if path and path.suffix != ".star"}
        words = [f"--{key}" for key in alone] + (["--name"] if name else [])
        if words:
            raise WrongWords(f"{', '.join(words)}: for a single stack, here are {len(found)}")
    if name is not None and (not name.strip() or "/" in name):
        raise WrongWords(f"--name {name!r}: give a name without slashes")
    targets = []
    for pair in pair_files(found, **given):
        files = {"stack": pair.stack, **given}
        own = {key: str(path.expanduser().absolute()) for key, path in files.items() if path}
        targets.append(Target(name=name or pair.name, parameters=own))
    return tuple(targets)


def _taken(folder: Path | None) -> set[str]:
    """Return the names of the series that are there, or that a job is about to make."""
    with open_project(folder, read_only=True) as opened:
        return {
            row.name
            for row in opened.matrix()
            if row.series is not None
            or any(
                not row.cells[stage].status.is_finished for stage in ENTRANCES if stage in row.cells
            )
        }


def _already(name: str) -> str:
    return (
        f"the project has a tilt series {name} already. Give this one another name with --name, "
        "or leave its stack out."
    )


def _submit(request: JobRequest, folder: Path | None, wait: bool, json: bool) -> int:
    from tomotui.cli.waiting import follow_submission
    from tomotui.jobs import submit

    with open_project(folder) as opened:
        job = submit(opened, request)
        words = f"importing {len(request.targets)} tilt series"
        return follow_submission(opened, job, words, wait, json)


def _preview(request: JobRequest, taken: set[str], json: bool) -> int:
    """Tell what an import would understand, without writing anything."""
    from tomotui.stages import get
    from tomotui.stages.import_ import ImportParameters, plan_import
    from tomotui.stages.motion import MotionParameters, plan_motion

    stage = get(request.stage)
    plans = []
    for target in request.targets:
        parameters = stage.validate({**request.parameters, **target.parameters})
        if isinstance(parameters, MotionParameters):
            plan = plan_motion(parameters).plan
        else:
            assert isinstance(parameters, ImportParameters)
            plan = plan_import(parameters)
        if target.name in taken:
            plan = replace(plan, problems=(*plan.problems, _already(target.name)))
        plans.append((target, plan))
    if json:
        print_json({"plans": [_plan_json(target, plan, request) for target, plan in plans]})
    else:
        print_table(["tilt series", "fact", "value", "from"], _plan_rows(plans))
        for target, plan in plans:
            for text in plan.warnings:
                print(f"{target.name}: warning: {text}")
            for text in plan.problems:
                print(f"{target.name}: problem: {text}", file=sys.stderr)
    return 0 if all(plan.is_usable for _, plan in plans) else 1


def _plan_rows(plans: list[tuple[Target, ImportPlan]]) -> list[list[str]]:
    rows = []
    for target, plan in plans:
        for name, fact in plan.facts.items():
            rows.append([target.name, name, _brief(fact.value), fact.source])
        files = {
            "alignment": plan.alignment_file if plan.alignment else None,
            "CTF": plan.ctf_file if plan.ctf else None,
            "tomogram": plan.tomogram_file if plan.tomogram else None,
        }
        rows += [[target.name, what, path.name, "file"] for what, path in files.items() if path]
    return rows


def _brief(value: Any) -> str:
    if isinstance(value, tuple) and value:
        return f"{value[0]} .. {value[-1]} ({len(value)})"
    return str(value)


def _plan_json(target: Target, plan: ImportPlan, request: JobRequest) -> dict[str, Any]:
    angles = plan.facts["tilts_deg"].value if "tilts_deg" in plan.facts else ()
    fact = {name: fact.value for name, fact in plan.facts.items()}
    dose = fact.get("dose_e_per_a2")
    return {
        "name": target.name,
        "stage": request.stage,
        "stack": str(plan.stack),
        "mdoc": str(plan.mdoc) if plan.mdoc else None,
        "tilts_file": str(plan.tilts_file) if plan.tilts_file else None,
        "n_tilts": len(plan.tilts),
        "tilt_range_deg": [min(angles), max(angles)] if angles else None,
        "pixel_size_angstrom": fact.get("pixel_size_angstrom"),
        "tilt_axis_deg": fact.get("nominal_tilt_axis_deg"),
        "dose_e_per_a2": dose[0] if dose else None,
        "alignment": str(plan.alignment_file) if plan.alignment else None,
        "ctf": str(plan.ctf_file) if plan.ctf else None,
        "tomogram": str(plan.tomogram_file) if plan.tomogram else None,
        "facts": {
            name: {"value": fact.value, "from": fact.source} for name, fact in plan.facts.items()
        },
        "warnings": list(plan.warnings),
        "problems": list(plan.problems),
        "parameters": {**request.parameters, **target.parameters},
    }

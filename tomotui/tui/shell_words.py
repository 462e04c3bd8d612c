"""The command line that does the same as a screen."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tomotui.jobs.processes import processes_in
from tomotui.jobs.submission import SAMPLE
from tomotui.records import JobRequest
from tomotui.stages import get

_IMPORT_OPTIONS = {
    "mdoc": "--mdoc",
    "tilts": "--tilts",
    "alignment": "--alignment",
    "dataset": "--dataset",
    "pixel_size_angstrom": "--pixel-size",
    "tilt_axis_deg": "--tilt-axis",
    "dose_e_per_a2": "--dose",
    "acquisition": "--acquisition",
    "first_tilt_deg": "--first-tilt",
    "tilt_step_deg": "--tilt-step",
    "voltage_kv": "--voltage",
    "spherical_aberration_mm": "--spherical-aberration",
    "amplitude_contrast": "--amplitude-contrast",
    "copy_stack": "--copy",
    "frames": "--frames",
    "gain": "--gain",
}
_FILE_OF = {"import": "stack", "motion": "movies"}
"""The parameter that names the file of a series, of the stages that bring one in."""


def run_command(request: JobRequest, project_folder: Path) -> str:
    """Return the command that submits the same job.

    Targets with parameters of their own cannot share a command: there is a line for each
    distinct set.
    """
    groups: dict[str, tuple[list[str], list[str], dict[str, Any]]] = {}
    for target in request.targets:
        values = {**request.parameters, **target.parameters}
        stack = str(values.pop(_FILE_OF[request.stage], "")) if request.stage in _FILE_OF else ""
        key = repr(sorted(values.items()))
        names, stacks, _ = groups.setdefault(key, ([], [], values))
        names.append(target.name)
        stacks.append(stack)
    make = _import_words if request.stage in _FILE_OF else _run_words
    return "\n".join(
        shlex.join([*make(request, *group), "-p", str(project_folder)]) for group in groups.values()
    )


def _run_words(
    request: JobRequest, names: list[str], stacks: list[str], values: Mapping[str, Any]
) -> list[str]:
    words = ["tomotui", "run", request.stage]
    if get(request.stage).scope == "sample":
        # What a stage of the whole sample works on is one of its parameters, once it is submitted.
        whole = names == [request.label or SAMPLE]
        names = list(values.get("series") or (() if whole else names))
        values = {key: value for key, value in values.items() if key != "series"}
    if names:
        words += ["--on", *names]
    if values:
        words += ["--set", *(f"{key}={spoken(value)}" for key, value in values.items())]
    if request.after:
        words += ["--after", *(str(each) for each in request.after)]
    if request.executor != "local":
        words += ["--where", request.executor]
    if request.executor == "local" and request.profile:
        words += ["--processes", str(processes_in(request.profile))]
    elif request.profile:
        words += ["--profile", request.profile]
    if request.label:
        words += ["--label", request.label]
    return words


def _import_words(
    request: JobRequest, names: list[str], stacks: list[str], values: Mapping[str, Any]
) -> list[str]:
    words = ["tomotui", "import", *stacks]
    rest = []
    for key, value in values.items():
        option = _IMPORT_OPTIONS.get(key, f"--{key}")
        if key not in _IMPORT_OPTIONS and request.stage == "motion":
            rest.append(f"{key}={spoken(value)}")
            continue
        if value is True:
            words.append(option)
        elif value is not None and value is not False:
            words += [option, spoken(value)]
    if len(names) == 1 and not Path(stacks[0]).name.startswith(names[0]):
        words += ["--name", names[0]]
    return [*words, "--set", *rest] if rest else words


def spoken(value: Any) -> str:
    """Return a value as ``--set key=value`` takes it."""
    if value is None:
        return "none"
    return value if isinstance(value, str) else json.dumps(value)

"""The files of an array of tasks: what its elements are, and how the scheduler calls them."""

from __future__ import annotations

import os
import secrets
import shlex
import sys
from pathlib import Path

from tomotui.jobs.cluster.profiles import Profile
from tomotui.jobs.files import UnreadableFile, read_model, write_atomically, write_model
from tomotui.jobs.specification import JobFile

FOLDER = ".slurm"
"""Inside a job's folder, beside the folders of its tasks, whose names begin with no dot."""
SLURM_FILE = "slurm.json"
DEVICE = "slurm"
"""First word of the device of a task that runs through SLURM."""


class ArrayFile(JobFile):
    """``.slurm/TOKEN.json``: the tasks of one array.

    Attributes
    ----------
    job_id
        Number that the scheduler gave; empty until it has answered.
    profile
        Name of the profile, for messages.
    folders
        The folders of the tasks, relative to that of their job, by the index of the element.
    wants_gpu
        Whether the tasks use the GPUs that they are granted.
    is_shared
        Whether several processes may work on a task together: one for each of ``nodes`` and its
        GPUs, or ``processes`` on each node.
    """

    token: str
    job_id: str = ""
    profile: str = ""
    folders: tuple[str, ...]
    wants_gpu: bool = False
    is_shared: bool = False
    nodes: int = 1
    processes: int = 0


class ElementFile(JobFile):
    """``slurm.json`` of a task: its place in an array.

    Attributes
    ----------
    kills, interruptions
        How often it was started again, by itself, because it was killed, or because the cluster
        has taken its host away.
    """

    attempt: int
    token: str
    index: int
    kills: int = 0
    interruptions: int = 0


def new_token(job_id: int) -> str:
    """Return a name for an array that no other has, in words that people recognise in squeue."""
    return f"tomotui-{job_id}-{secrets.token_hex(4)}"


def array_path(job_folder: Path, token: str) -> Path:
    """Return the file of an array."""
    return job_folder / FOLDER / f"{token}.json"


def output_path(job_folder: Path, token: str, index: int) -> Path:
    """Return where an element prints before its worker begins."""
    return job_folder / FOLDER / f"{token}-{index}.txt"


def write_array(job_folder: Path, array: ArrayFile, profile: Profile) -> Path:
    """Write the file of an array and the script that each of its elements runs.

    Raises
    ------
    OSError
        When the folder cannot be written.
    """
    path = array_path(job_folder, array.token)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_model(path, array)
    script = path.with_suffix(".sh")
    write_atomically(script, script_text(path, profile))
    return script


def script_text(array: Path, profile: Profile) -> str:
    """Return the script of an array: the profile's own lines, and the worker in their place."""
    package_root = str(Path(__file__).resolve().parents[3])
    inherited = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    paths = os.pathsep.join(dict.fromkeys([package_root, *map(os.path.abspath, inherited)]))
    python = profile.python or sys.executable
    output = f"{shlex.quote(str(array.with_suffix('')))}-$SLURM_ARRAY_TASK_ID.txt"
    lines = [
        "#!/bin/bash",
        f"cd {shlex.quote(str(array.parent))} && exec >>{output} 2>&1 || exit 1",
        *profile.setup,
        f"export PYTHONUNBUFFERED=1 PYTHONPATH={shlex.quote(paths)}",
        # -P: a stray file in the working folder must not shadow a module.
        f"exec {shlex.quote(python)} -P -m tomotui.jobs.cluster.element {shlex.quote(str(array))}",
    ]
    return "\n".join(lines) + "\n"


def read_array(job_folder: Path, token: str) -> ArrayFile | None:
    """Return an array with the number that the scheduler gave, as far as that is written down.

    Elements that have begun write the number too: the answer to whoever submitted may be lost.
    """
    path = array_path(job_folder, token)
    try:
        array = read_model(path, ArrayFile)
    except UnreadableFile:
        return None
    if array is None or array.job_id:
        return array
    try:
        number = path.with_suffix(".job").read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return array
    return array.model_copy(update={"job_id": number if number.isdecimal() else ""})


def read_element(task_folder: Path) -> ElementFile | None:
    """Return the place of a task in an array, or ``None`` when it is not known."""
    try:
        return read_model(task_folder / SLURM_FILE, ElementFile)
    except UnreadableFile:
        return None

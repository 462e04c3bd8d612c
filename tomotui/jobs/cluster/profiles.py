"""What jobs ask of the cluster, under names: ``cluster.toml`` of the user and of the project.

default = "cpu"

[profiles.gpu]
partition = "gpu"
time = "1-00:00:00"
gpus = 1
cpus = 8
memory = "64G"
array_limit = 20
extra = ["--constraint=a100"]
setup = ["module load cuda"]

[profiles.many]
nodes = 2
gpus = 4
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from tomotui.project import ProjectError

FILE_NAME = "cluster.toml"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_TIME = re.compile(r"\d+|\d+:\d\d(:\d\d)?|\d+-\d+(:\d\d){0,2}")
_MEMORY = re.compile(r"\d+[KMGT]?")
_GPUS = re.compile(r"[1-9]\d*|[A-Za-z0-9._-]+:[1-9]\d*")
_OURS = ("array", "output", "error", "chdir", "job-name", "parsable", "wrap", "wait", "requeue",
         "no-requeue", "open-mode", "test-only", "ntasks", "nodes", "export")  # fmt: skip
_OUR_LETTERS = ("-a", "-o", "-e", "-D", "-J", "-W", "-n", "-N")


class ProfileError(ProjectError):
    """A profile is not there or is wrong."""


class Profile(BaseModel):
    """What one task asks for; what is left out is left to the cluster.

    Attributes
    ----------
    time
        As SLURM writes it: ``90`` minutes, ``12:00:00``, ``2-00:00:00``.
    gpus
        Number, or kind and number as in ``a100:1``; asked for by stages that need a GPU only. Of
        several, on each node, every one has a process of the task where its stage can be shared.
    nodes
        That share a task where its stage can be shared; others get one.
    processes
        On each node, where that is not as many as there are GPUs.
    memory
        Of the node, such as ``64G``.
    array_limit
        How many tasks of one array run at once; 0 for as many as the cluster grants.
    extra
        More options of sbatch.
    setup
        Lines of bash that run before the worker on the node.
    python
        The interpreter on the nodes, where it is not the one that runs here.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    name: str = ""
    source: Path | None = None
    partition: str = ""
    account: str = ""
    qos: str = ""
    time: str = ""
    gpus: str = ""
    nodes: int = Field(default=1, ge=1)
    processes: int = Field(default=0, ge=0)
    cpus: int = Field(default=0, ge=0)
    memory: str = ""
    array_limit: int = Field(default=0, ge=0)
    extra: tuple[str, ...] = ()
    setup: tuple[str, ...] = ()
    python: str = ""

    @field_validator("time", "gpus", "memory", mode="before")
    @classmethod
    def _as_words(cls, value: Any) -> Any:
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value) if value else ""
        return value

    @field_validator("partition", "account", "qos", "python")
    @classmethod
    def _one_line(cls, value: str) -> str:
        if not value.isprintable():
            raise ValueError("holds characters that cannot be printed")
        return value

    @field_validator("time")
    @classmethod
    def _is_time(cls, value: str) -> str:
        return _matching(_TIME, value, "write minutes, 12:00:00 or 2-00:00:00")

    @field_validator("memory")
    @classmethod
    def _is_memory(cls, value: str) -> str:
        return _matching(_MEMORY, value, "write 64G, or a number of MB")

    @field_validator("gpus")
    @classmethod
    def _is_gpus(cls, value: str) -> str:
        return _matching(_GPUS, value, "write a number, or a kind and a number as in a100:1")

    @field_validator("extra")
    @classmethod
    def _are_options(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for option in value:
            if not option.startswith("-") or not option.isprintable():
                raise ValueError(f"{option!r} is no option of sbatch; write --name=value")
            if option.lstrip("-").split("=")[0] in _OURS or option[:2] in _OUR_LETTERS:
                raise ValueError(f"{option} is set by tomotui itself; leave it out")
        return value

    @field_validator("setup")
    @classmethod
    def _are_lines(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if any("\0" in line for line in value):
            raise ValueError("holds a character that no shell takes")
        return value

    @property
    def words(self) -> str:
        """What it asks for, in one line."""
        parts = [
            f"{label} {value}"
            for label, value in (
                ("partition", self.partition), ("account", self.account), ("qos", self.qos),
                ("time", self.time), ("nodes", self.nodes if self.nodes > 1 else 0),
                ("gpus", self.gpus), ("processes", self.processes), ("cpus", self.cpus),
                ("memory", self.memory), ("at once", self.array_limit),
            )
            if value
        ]  # fmt: skip
        return ", ".join([*parts, *self.extra]) or "what the cluster gives by default"


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", defer_build=True)

    default: str = ""
    profiles: dict[str, dict[str, Any]] = Field(default_factory=dict)


class Profiles(BaseModel):
    """All profiles by name, and which one is taken when none is named."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    by_name: dict[str, Profile] = Field(default_factory=dict)
    default: str = ""

    def find(self, name: str) -> Profile:
        """Return the profile of a name; the default where the name is empty.

        Raises
        ------
        ProfileError
            When there is no such profile, or none is named and none is the default.
        """
        if not name and not self.by_name:
            return Profile()
        known = ", ".join(self.by_name) or "none"
        if not name:
            name = self.default or (next(iter(self.by_name)) if len(self.by_name) == 1 else "")
            if not name:
                raise ProfileError(
                    f"several cluster profiles are there and none is the default ({known}).",
                    f'Name one: --profile NAME, or write default = "NAME" into {FILE_NAME}.',
                )
        if name not in self.by_name:
            raise ProfileError(
                f"there is no cluster profile {name}; there are: {known}.",
                f"Write [profiles.{name}] into {user_file()}, or see: tomotui cluster profiles",
            )
        return self.by_name[name]


def user_file() -> Path:
    """Return where the user's own profiles are."""
    return platformdirs.user_config_path("tomotui") / FILE_NAME


def profile_files(project_folder: Path | None = None) -> list[Path]:
    """Return the files to read, the project's last: its profiles go before the user's."""
    own = [project_folder / FILE_NAME] if project_folder is not None else []
    return [user_file(), *own]


def read_profiles(project_folder: Path | None = None) -> Profiles:
    """Read the profiles of the user and of a project.

    Raises
    ------
    ProfileError
        When a file cannot be read or is wrong; names the file and the place.
    """
    found: dict[str, Profile] = {}
    default = ""
    for path in profile_files(project_folder):
        read = _read(path)
        if read is None:
            continue
        found.update({name: _profile(name, values, path) for name, values in read.profiles.items()})
        default = read.default or default
    if default and default not in found:
        raise ProfileError(
            f"the default cluster profile {default} is not there.",
            f"There are: {', '.join(found) or 'none'}; see {user_file()}.",
        )
    return Profiles(by_name=found, default=default)


def _read(path: Path) -> _File | None:
    try:
        return _File.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise ProfileError(f"{path}: {_first_of(error)}.", "Correct the file.") from error
    except (OSError, ValueError, RecursionError) as error:
        raise ProfileError(f"{path} cannot be read: {error}.", "Correct the file.") from error


def _profile(name: str, values: dict[str, Any], path: Path) -> Profile:
    if not _NAME.fullmatch(name):
        raise ProfileError(
            f"{path}: a profile is called {name!r}.", "Use letters, digits, dots and dashes."
        )
    own = {key: value for key, value in values.items() if key not in ("name", "source")}
    try:
        if len(own) < len(values):
            raise ProfileError(f"{path}: profiles.{name}: it has its name already.", "")
        return Profile(**own, name=name, source=path)
    except ValidationError as error:
        raise ProfileError(
            f"{path}: profiles.{name}.{_first_of(error)}.", "Correct the file."
        ) from error


def _first_of(error: ValidationError) -> str:
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        known: Sequence[str] = list(Profile.model_fields)[2:]
        return f"{place}: there is no such entry; there are {', '.join(known)}"
    return f"{place}: {first['msg'].removeprefix('Value error, ')}"


def _matching(pattern: re.Pattern[str], value: str, remedy: str) -> str:
    if value and not pattern.fullmatch(value):
        raise ValueError(f"{value!r} is not understood; {remedy}")
    return value

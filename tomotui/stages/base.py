"""What a pipeline stage is: its parameters, what it takes, what it gives, and how it runs.

Importing a stage must stay cheap, because the faces do it for every form and help text: a
stage's ``run`` imports its algorithm when it is called, in the worker.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Protocol, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from tomotui.records import AnyRecord

if TYPE_CHECKING:
    from tomotui.records.particle_table import Candidates, ParticleTable

Group = Literal["basic", "advanced"]
Needs = Literal["cpu", "gpu"]
Scope = Literal["series", "sample"]
RecordT = TypeVar("RecordT")


class StageError(Exception):
    """A stage cannot do its work; says what was wrong, where, and what to do about it.

    Parameters
    ----------
    message
        What was wrong, naming the file or the tilt series.
    remedy
        What the user can do.
    """

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(f"{message} {remedy}".strip())
        self.message = message
        self.remedy = remedy


class Cancelled(Exception):
    """The user asked the task to stop."""


def parameter(
    default: Any,
    help: str,
    *,
    unit: str = "",
    group: Group = "basic",
    **limits: Any,
) -> Any:
    """Declare one parameter of a stage.

    Parameters
    ----------
    default
        Value used when nothing is said; ``...`` makes the parameter required.
    help
        One or two sentences for the form, the command line and the documentation.
    unit
        Unit of the value, such as ``angstrom``; empty for pure numbers.
    group
        ``basic`` is shown at once, ``advanced`` behind a heading.
    limits
        Range and further constraints as pydantic's ``Field`` takes them (``ge``, ``le``, ...).
    """
    extra: dict[str, JsonValue] = {"unit": unit, "group": group}
    return Field(default, description=help, json_schema_extra=extra, **limits)


class Parameters(BaseModel):
    """The parameters of a stage: typed, with unit, default, range and help for each."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, defer_build=True, allow_inf_nan=False
    )


class SampleParameters(Parameters):
    """The parameters of a stage that works on several tilt series together."""

    series: tuple[str, ...] = parameter((), "Tilt series to work on; all when none is named.")


class ParameterInfo(NamedTuple):
    """One parameter as the faces show it."""

    name: str
    type: Any
    default: Any
    required: bool
    help: str
    unit: str
    group: Group
    limits: str
    choices: tuple[str, ...]


class Task(Protocol):
    """What a running stage may ask of the worker that runs it."""

    target: str
    folder: Path
    project_folder: Path
    device: str
    threads: int
    attempt: int

    def progress(self, fraction: float, message: str = "") -> None:
        """Report the fraction done (0..1); raises `Cancelled` when the user asked to stop."""

    def metric(self, name: str, value: float, step: float = 0.0, unit: str = "") -> None:
        """Report a measured value, for plots."""

    def log(self, message: str) -> None:
        """Write a line into the task's log."""

    def warn(self, message: str) -> None:
        """Report something that the user should know, and go on."""

    def artifact(self, name: str, path: Path) -> None:
        """Name a file that the task has made."""

    def raise_if_cancelled(self) -> None:
        """Raise `Cancelled` when the user asked to stop."""

    def resolve(self, path: str) -> Path:
        """Return the absolute path of a record's path (which may be relative to the project)."""

    def relative(self, path: Path) -> str:
        """Return the path to store in a record: relative when it lies inside the project."""


@dataclass(frozen=True)
class Inputs:
    """The records that a task works on, resolved when it started.

    Attributes
    ----------
    records
        By kind.
    particles
        The particles of the sets among them, for stages that take particles.
    """

    records: Mapping[str, Sequence[AnyRecord]] = field(default_factory=dict)
    particles: ParticleTable | None = None

    def one(self, record_type: Callable[..., RecordT]) -> RecordT:
        """Return the single record of a type.

        Raises
        ------
        StageError
            When there is none, or more than one.
        """
        found = self.all(record_type)
        kind = _kind_of(record_type)
        if len(found) != 1:
            raise StageError(
                f"expected one {kind.replace('_', ' ')}, found {len(found)}.",
                f"Run the stage that makes a {kind.replace('_', ' ')} first.",
            )
        return found[0]

    def maybe(self, record_type: Callable[..., RecordT]) -> RecordT | None:
        """Return the first record of a type, or ``None``."""
        found = self.all(record_type)
        return found[0] if found else None

    def measured(self, record_type: Callable[..., RecordT]) -> RecordT:
        """Return the single record of a type, which must not have been changed by a network.

        Raises
        ------
        StageError
            When there is not exactly one, or a network has changed it.
        """
        found = self.one(record_type)
        if getattr(found, "restored", False):
            raise StageError(
                f"{getattr(found, 'path', 'the tomogram')} was changed by a network: what it "
                "shows in the missing wedge was never measured.",
                "Use the tomogram that it was made from.",
            )
        return found

    def all(self, record_type: Callable[..., RecordT]) -> list[RecordT]:
        """Return all records of a type."""
        return list(self.records.get(_kind_of(record_type), ()))  # type: ignore[arg-type]


def _kind_of(record_type: Any) -> str:
    kind: str = record_type.model_fields["kind"].default
    return kind


@dataclass(frozen=True)
class StageResult:
    """What a task made.

    Attributes
    ----------
    records
        New records; they enter the project file together or not at all.
    metrics
        Final figures, shown beside the task.
    particles
        Rows of new particle sets that are among the records, each telling its set; they enter
        the project file with the records. A set whose name is taken gets a free one, as
        ``ribosome-refined-2``.
    candidates
        Particles that were found; they enter the project file with the records.
    summary
        One line for the table of jobs.
    """

    records: tuple[AnyRecord, ...] = ()
    particles: tuple[ParticleTable, ...] = ()
    candidates: tuple[Candidates, ...] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)
    summary: str = ""


class Stage(ABC):
    """One step of the pipeline.

    Attributes
    ----------
    name, title, summary
        Key on the command line, heading, and one sentence of what it does.
    parameters_type
        The declaration of its parameters.
    takes, optional, gives
        Kinds of records it needs, uses when they exist, and makes. A stage with ``map`` among
        them gets the maps that its parameter ``reference`` names (a name, an identity, or several);
        where that is empty the newest map of the particles it takes. Files named there are the
        stage's own matter: ``map`` is optional then.
    reports
        Names of the figures that it may give as metrics, of those that are one word: what
        conditions of recipes may ask about beside the records. ``None`` when not declared.
    needs
        ``gpu`` when it should have a GPU where one is free; every stage also runs on a CPU.
    scope
        ``series`` when each tilt series is a task of its own; ``sample`` when one task works on
        several together: its parameters are a `SampleParameters`.
    shares_work
        Whether several processes may work on one of its tasks together, each on a GPU of its own.
    takes_restored
        Whether it may work on tomograms that a network has changed. By default stages get the
        newest tomogram as it was measured, also where a restored one is newer.
    uses_network
        Purpose of the networks it takes; empty for none.
    makes_network
        What the networks are for that it trains.
    takes_particles
        Whether it works on particles: those of the sets that its parameter ``particles`` names,
        of all sets of picks when it names none. Sets that were made from others, by refinement
        for instance, are worked on only when they are named.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    summary: ClassVar[str]
    parameters_type: ClassVar[type[Parameters]]
    takes: ClassVar[tuple[str, ...]] = ()
    optional: ClassVar[tuple[str, ...]] = ()
    gives: ClassVar[tuple[str, ...]] = ()
    reports: ClassVar[tuple[str, ...] | None] = None
    needs: ClassVar[Needs] = "cpu"
    scope: ClassVar[Scope] = "series"
    shares_work: ClassVar[bool] = False
    takes_restored: ClassVar[bool] = False
    uses_network: ClassVar[str] = ""
    makes_network: ClassVar[str] = ""
    takes_particles: ClassVar[bool] = False

    @abstractmethod
    def run(self, task: Task, inputs: Inputs, parameters: Any) -> StageResult:
        """Do the work of one task and return what it made.

        Raises
        ------
        StageError
            When the input cannot be worked on.
        Cancelled
            When the user asked to stop.
        """

    def validate(self, values: Mapping[str, Any]) -> Parameters:
        """Check values and return the full set of parameters.

        Raises
        ------
        ParameterError
            Naming each parameter that is wrong and what is allowed.
        """
        try:
            return self.parameters_type.model_validate(dict(values))
        except ValidationError as error:
            raise ParameterError(self, error) from error

    def smaller(self, parameters: Any, device: str) -> Any:
        """Return parameters that need less memory, for another try where it did not suffice.

        By default half as much is worked on at once, where there is a parameter ``batch``. Stages
        that plan by the free memory plan again.
        """
        batch = self.batch_of(parameters, device)
        if batch is None or batch < 2:
            return parameters
        return parameters.model_copy(update={"batch": batch // 2})

    def batch_of(self, parameters: Any, device: str) -> int | None:
        """Return how much is worked on at once; ``None`` where that is not chosen by a number."""
        return getattr(parameters, "batch", None)

    def outlook(self, parameters: Any) -> str:
        """Say before it starts how long the work will take and what it needs; may be empty."""
        return ""

    def describe(self) -> list[ParameterInfo]:
        """List the parameters as the faces show them."""
        return [describe_field(name, f) for name, f in self.parameters_type.model_fields.items()]


class ParameterError(ValueError):
    """Values that a stage does not accept; ``problems`` maps parameter names to reasons."""

    def __init__(self, stage: Stage, error: ValidationError) -> None:
        self.problems: dict[str, str] = {}
        for problem in error.errors():
            name = ".".join(str(part) for part in problem["loc"]) or "parameters"
            self.problems[name] = _plain(problem, stage)
        listed = "; ".join(f"{name}: {reason}" for name, reason in self.problems.items())
        super().__init__(f"{stage.name}: {listed}")


def _plain(problem: Any, stage: Stage) -> str:
    """Turn pydantic's wording into one for users."""
    if problem["type"] == "extra_forbidden":
        known = ", ".join(stage.parameters_type.model_fields)
        return f"no such parameter; there are {known}"
    message = str(problem["msg"])
    prefix = "Value error, "
    message = message.removeprefix(prefix)
    if problem["type"] == "missing":
        return "is required"
    shown = problem.get("input")
    return f"{message[0].lower()}{message[1:]} (got {shown!r})"


def _words(annotation: Any) -> list[str]:
    """Return the words that a type allows, also where it may be ``None``."""
    found: list[str] = []
    for member in get_args(annotation):
        found += [member] if isinstance(member, str) else _words(member)
    return found


def describe_field(name: str, field_info: Any) -> ParameterInfo:
    """Return what the faces show of one declared parameter."""
    extra = field_info.json_schema_extra or {}
    limits = [
        f"{symbol} {getattr(constraint, attribute)}"
        for constraint in field_info.metadata
        for attribute, symbol in (("ge", ">="), ("gt", ">"), ("le", "<="), ("lt", "<"))
        if getattr(constraint, attribute, None) is not None
    ]
    required = field_info.is_required()
    choices = tuple(_words(field_info.annotation))
    return ParameterInfo(
        name=name,
        type=field_info.annotation,
        default=None if required else field_info.get_default(call_default_factory=True),
        required=required,
        help=field_info.description or "",
        unit=extra.get("unit", ""),
        group=extra.get("group", "basic"),
        limits=", ".join(limits),
        choices=choices,
    )

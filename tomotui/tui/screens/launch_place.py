"""The row of a form that says where the job shall run; there only where one may choose."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NamedTuple

from textual.app import ComposeResult
from textual.message import Message
from textual.widgets import Static

from tomotui.jobs.cluster.profiles import ProfileError, read_profiles
from tomotui.jobs.devices import gpus
from tomotui.jobs.processes import profile_of
from tomotui.jobs.slurm import has_slurm
from tomotui.project import Project
from tomotui.project.jobs import Place
from tomotui.stages import get
from tomotui.tui.widgets.fields import Choice
from tomotui.tui.widgets.marked_row import MarkedRow, RowMark

if TYPE_CHECKING:
    from tomotui.tui.app import TomotuiApp

HERE = Place()


class Places(NamedTuple):
    """Where a job may run, and where the stage has run last."""

    choices: tuple[Place, ...] = (HERE,)
    last: Place = HERE


def read_places(project: Project, stage: str) -> Places:
    """Return where a job of a stage may run; a wrong file of profiles offers none of them.

    Without a stage it is about several of them.
    """
    last = project.last_place(stage) if stage else HERE
    together = _together(stage, last) if stage else []
    choices = [HERE, *together, *(_through(project) if has_slurm() else ())]
    return Places(tuple(choices), last if last in choices else HERE)


def _together(stage: str, last: Place) -> list[Place]:
    """Return the numbers of processes that may share a task here: as many as there are GPUs."""
    if not get(stage).shares_work:
        return []
    most = len(gpus())
    numbers = {n for n in (2, 4, 8, most) if 1 < n <= most}
    places = [Place("local", profile_of(n)) for n in sorted(numbers)]
    is_other = last.executor == "local" and last not in (HERE, *places)
    return [*places, last] if is_other else places


def _through(project: Project) -> list[Place]:
    try:
        names = list(read_profiles(project.folder).by_name)
    except ProfileError:
        names = []
    return [Place("slurm", name) for name in names or [""]]


def place_words(place: Place) -> str:
    """Return how a place is called."""
    if place.executor == "local":
        return f"this machine: {place.profile}" if place.profile else "this machine"
    return f"{place.executor}: {place.profile}" if place.profile else place.executor


class PlaceRow(MarkedRow):
    """Chooses between this machine, several of its GPUs and the cluster; kept for each stage."""

    DEFAULT_CSS: ClassVar[str] = """
    PlaceRow { height: 1; display: none; }
    PlaceRow:focus-within { background: $cursor; }
    PlaceRow:focus-within Choice { background: $cursor; }
    """

    class Known(Message):
        """It is known where the job may run, or another place was chosen."""

    def __init__(self, given: Place = HERE, is_given: bool = False) -> None:
        super().__init__(id="place-row")
        self._given = given
        self._is_given = is_given or given != HERE
        self._places = Places()
        self._asked_for = ""
        self._shown = HERE

    @property
    def place(self) -> Place:
        """Where the job shall run."""
        if len(self._places.choices) < 2:
            return self._given
        return self._places.choices[self.query_one(Choice).index]

    def compose(self) -> ComposeResult:
        """Lay out the label and the choice."""
        yield RowMark()
        yield Static("where", classes="field-label")
        yield Choice([place_words(HERE)], 0, id="place")

    def ask(self, app: TomotuiApp, stage: str) -> None:
        """Ask where a job of a stage may run."""
        self._asked_for = stage

        def found(places: Places) -> None:
            if self.is_attached and self._asked_for == stage:
                self._show(places)

        app.change(lambda project: read_places(project, stage), found)

    def _show(self, places: Places) -> None:
        if len(places.choices) < 2:
            return
        wanted = self._given if self._is_given else places.last
        choices = places.choices if wanted in places.choices else (*places.choices, wanted)
        self._places = Places(choices, places.last)
        self._shown = wanted
        choice = self.query_one(Choice)
        choice.labels = [place_words(place) for place in choices]
        choice.index = choices.index(wanted)
        choice.refresh()
        self.display = True
        self.post_message(self.Known())

    def on_choice_changed(self, event: Choice.Changed) -> None:
        """Tell that another place was chosen."""
        event.stop()
        if self.place != self._shown:
            self._is_given, self._given, self._shown = True, self.place, self.place
            self.post_message(self.Known())

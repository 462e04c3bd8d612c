"""Where the user was: kept per project, so that a dropped connection costs nothing."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, TypeVar

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, ValidationError

ModelT = TypeVar("ModelT", bound=BaseModel)
OneOf = TypeVar("OneOf", bound=str)

MOST_RECENT = 12
MOST_PLACES = 40
"""Volumes whose place and contrast are kept."""
MOST_REPAIRS = 8

Finite = Annotated[float, Field(allow_inf_nan=False)]
Row3 = tuple[Finite, Finite, Finite]
Voxel = tuple[int, int, int]
"""Along (z, y, x)."""


class Bookmark(BaseModel):
    """A place in the slices of a series.

    Attributes
    ----------
    uid
        Of the volume, or of the tilt images with their alignment.
    axis, index, centre, zoom
        See `SliceViewState`.
    """

    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)

    series: str
    uid: str
    axis: Literal["x", "y", "z"] = "z"
    index: int = 0
    centre: tuple[float, float] | None = None
    zoom: float | None = None


class SlicePlace(BaseModel):
    """What was seen of a volume, or of tilt images; see `SliceViewState`.

    The glyph set is no part of it: that belongs to the terminal, not to what is looked at.

    Attributes
    ----------
    window
        Values shown black and white; ``None`` when the contrast was automatic.
    """

    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)

    axis: Literal["x", "y", "z"] = "z"
    index: int = Field(0, ge=0)
    slab: int = Field(0, ge=0)
    zoom: float | None = Field(None, gt=0, allow_inf_nan=False)
    centre: tuple[Finite, Finite] | None = None
    window: tuple[Finite, Finite] | None = None
    window_inverted: bool = False
    inverted: bool = False
    filter_name: str = "none"
    aligned: bool = False


class MapPlace(BaseModel):
    """How maps were looked at; see `SurfaceState` and `SlicesState`.

    Attributes
    ----------
    turn
        Rows of the rotation from the map's axes to the screen's.
    share
        Contour over the level of each map.
    cursor_angstrom
        Of the sections, (x, y, z) from the middle.
    part
        Which part of a map was shown; that of the beginning when ``None``.
    """

    model_config = ConfigDict(extra="ignore", defer_build=True)

    turn: tuple[Row3, Row3, Row3] | None = None
    zoom: float = Field(1.0, gt=0, allow_inf_nan=False)
    share: float = Field(1.0, gt=0, allow_inf_nan=False)
    cursor_angstrom: Row3 = (0.0, 0.0, 0.0)
    sections_zoom: float = Field(1.0, gt=0, allow_inf_nan=False)
    sections_contrast: float = Field(1.0, gt=0, allow_inf_nan=False)
    part: str | None = None
    panel: int = Field(0, ge=0)
    in_list: bool = True
    is_zoomed: bool = False
    quantity: int = Field(0, ge=0)


class PlanePlace(BaseModel):
    """Where one was on the plane of a landscape.

    Attributes
    ----------
    key
        Of the landscape; places on one mean nothing on another.
    axes
        Directions across and up.
    """

    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)

    key: str
    axes: tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)]] = (0, 1)
    cursor: tuple[Finite, Finite] = (0.0, 0.0)


class SliceSight(BaseModel):
    """What was shown with a slice.

    Attributes
    ----------
    cross
        Voxel (z, y, x) of the crosshair; ``None`` when it was not shown.
    beside, couple
        What stood beside it, and the identities of the two volumes.
    """

    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)

    cross: Voxel | None = None
    beside: Literal["", "spectrum", "volume"] = ""
    couple: tuple[str, str] | None = None


class OpenScreen(BaseModel):
    """A screen that was open above a mode.

    Attributes
    ----------
    kind, name
        One job, by its number, or the quality of a series, or the planes of a volume of one.
    target, metric, log_at
        Of the job: the task under the cursor, what was plotted, and where the line began at which
        the log was held; ``None`` when it was followed.
    voxel
        Of the planes: where they met.
    panel, image, is_zoomed
        Of the quality: the panel with the focus, whether it was enlarged, and the tilt image
        under the cursor.
    """

    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)

    kind: Literal["job", "quality", "planes"]
    name: str
    target: str | None = None
    metric: str = ""
    log_at: int | None = Field(None, ge=0)
    voxel: Voxel | None = None
    panel: int = Field(0, ge=0)
    image: int | None = None
    is_zoomed: bool = False


class PickPlace(BaseModel):
    """Where the user was in a review.

    Attributes
    ----------
    particle_set
        Name of the set.
    particle
        Identity of the candidate.
    order, show
        Order of the list, and what it is of.
    scope
        Only candidates of these series.
    series
        The series that was shown.
    volume, view
        Which volume of it, and how.
    as_tiles
        The candidates were seen as a sheet of tiles.
    """

    model_config = ConfigDict(extra="ignore", defer_build=True)

    particle_set: str | None = None
    particle: str | None = None
    order: str = "priority"
    show: str = "all"
    scope: tuple[str, ...] = ()
    threshold: float | None = None
    in_audit: bool = False
    series: str | None = None
    volume: str | None = None
    view: SlicePlace | None = None
    as_tiles: bool = False


class PicksWish(NamedTuple):
    """What is to be reviewed.

    Attributes
    ----------
    series
        Candidates of these series; of all when empty.
    particle_set
        Name of the set; the one before when ``None``.
    narrow
        List nothing but those series; otherwise go to the first of them.
    as_tiles
        Begin with the gallery.
    """

    series: tuple[str, ...]
    particle_set: str | None = None
    narrow: bool = True
    as_tiles: bool = False


class Session(BaseModel):
    """Where the user was in a project.

    Attributes
    ----------
    filters, sorts
        By screen; a column to sort by, with ``-`` before it from the largest to the smallest.
    bookmarks
        By letter.
    volume, places
        What was seen in the slices, and how each volume was looked at, the last one last.
    maps, shapes
        How maps were looked at, and how conformations.
    sight, plane
        What was shown with a slice, and the place in a landscape.
    opened
        What was open above the mode.
    unfinished
        Numbers of the jobs that had not ended.
    """

    model_config = ConfigDict(extra="ignore", defer_build=True)

    version: int = 1
    mode: str = "datasets"
    series: str | None = None
    job: int | None = None
    map: str | None = None
    variation: str | None = None
    filters: dict[str, str] = Field(default_factory=dict)
    sorts: dict[str, str] = Field(default_factory=dict)
    theme: str | None = None
    bookmarks: dict[str, Bookmark] = Field(default_factory=dict)
    picks: PickPlace = Field(default_factory=PickPlace)
    volume: str | None = None
    places: dict[str, SlicePlace] = Field(default_factory=dict)
    maps: MapPlace = Field(default_factory=MapPlace)
    shapes: MapPlace = Field(default_factory=MapPlace)
    sight: SliceSight | None = None
    plane: PlanePlace | None = None
    opened: OpenScreen | None = None
    unfinished: list[int] = Field(default_factory=list)

    def keep_places(self, places: Mapping[str, SlicePlace]) -> None:
        """Keep how volumes were looked at, by their identity; the oldest are forgotten."""
        others = {uid: place for uid, place in self.places.items() if uid not in places}
        self.places = dict([*others.items(), *places.items()][-MOST_PLACES:])


class Preferences(BaseModel):
    """What the user has chosen for all projects, and which projects were open.

    Attributes
    ----------
    tour_step, tour_is_on
        Where the user is in the tour, and whether it is shown.
    notify, hook
        How ends of jobs are told, and a command that is run then.
    mouse
        How much of the mouse the terminal is asked for.
    glyphs
        What draws pictures, by terminal.
    """

    model_config = ConfigDict(extra="ignore", defer_build=True)

    theme: str | None = None
    keymap: str = "default"
    recent: list[str] = Field(default_factory=list)
    tour_step: int = Field(0, ge=0)
    tour_is_on: bool = False
    notify: Literal["on", "bell", "off", "osc9", "osc777", "osc99"] = "on"
    hook: str = ""
    mouse: Literal["off", "click", "full"] | None = None
    glyphs: dict[str, str] = Field(default_factory=dict)


def one_of(known: tuple[OneOf, ...], wish: str) -> OneOf | None:
    """Return a wish when it is one of those that are known."""
    return next((one for one in known if one == wish), None)


def state_folder() -> Path:
    """Return where the state of the program is kept."""
    return platformdirs.user_state_path("tomotui")


def _session_path(project_folder: Path) -> Path:
    digest = hashlib.sha256(str(project_folder.absolute()).encode()).hexdigest()[:16]
    return state_folder() / "sessions" / f"{digest}.json"


def load_session(project_folder: Path) -> Session:
    """Return where the user was; the beginning when nothing is known."""
    return _load(_session_path(project_folder), Session)


def save_session(project_folder: Path, session: Session) -> None:
    """Remember where the user is."""
    _save(_session_path(project_folder), session)


def load_preferences() -> Preferences:
    """Return what the user has chosen."""
    return _load(state_folder() / "preferences.json", Preferences)


def save_preferences(preferences: Preferences) -> None:
    """Remember what the user has chosen."""
    _save(state_folder() / "preferences.json", preferences)


def remember_project(project_folder: Path) -> None:
    """Put a project at the head of those opened lately."""
    preferences = load_preferences()
    here = str(project_folder.absolute())
    others = [folder for folder in preferences.recent if folder != here]
    preferences.recent = [here, *others][:MOST_RECENT]
    save_preferences(preferences)


def recent_projects() -> list[Path]:
    """Return the projects opened lately that are still there, the last first."""
    folders = [Path(folder) for folder in load_preferences().recent]
    return [folder for folder in folders if (folder / "project.sqlite").is_file()]


def _load(path: Path, model: type[ModelT]) -> ModelT:
    """Read a file; what cannot be understood in it is left out, and the rest holds."""
    try:
        values = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return model()
    for _ in range(MOST_REPAIRS):
        try:
            return model.model_validate(values)
        except ValidationError as error:
            for problem in error.errors():
                _leave_out(values, problem["loc"])
    return model()


def _leave_out(values: Any, place: tuple[int | str, ...]) -> None:
    """Take the innermost entry out that lies on the way to a place."""
    holder, key = None, None
    for step in place:
        if not isinstance(values, dict) or step not in values:
            break
        holder, key, values = values, step, values[step]
    if holder is not None:
        del holder[key]


def _save(path: Path, model: BaseModel) -> None:
    # A home folder that is full or read-only must not keep anybody from working.
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(f".{os.getpid()}.tmp")
        temporary.write_text(model.model_dump_json(indent=1) + "\n", encoding="utf-8")
        os.replace(temporary, path)

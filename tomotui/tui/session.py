"""Where the user was: kept per project, so that a dropped connection costs nothing."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from pathlib import Path
from typing import Literal, NamedTuple, TypeVar

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, ValidationError

ModelT = TypeVar("ModelT", bound=BaseModel)

MOST_RECENT = 12


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
    """

    model_config = ConfigDict(extra="ignore", defer_build=True)

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


class Preferences(BaseModel):
    """What the user has chosen for all projects, and which projects were open.

    Attributes
    ----------
    tour_step, tour_is_on
        Where the user is in the tour, and whether it is shown.
    """

    model_config = ConfigDict(extra="ignore", defer_build=True)

    theme: str | None = None
    keymap: str = "default"
    recent: list[str] = Field(default_factory=list)
    tour_step: int = Field(0, ge=0)
    tour_is_on: bool = False


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
    try:
        return model.model_validate_json(path.read_bytes())
    except (OSError, ValidationError, json.JSONDecodeError):
        return model()


def _save(path: Path, model: BaseModel) -> None:
    # A home folder that is full or read-only must not keep anybody from working.
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(f".{os.getpid()}.tmp")
        temporary.write_text(model.model_dump_json(indent=1) + "\n", encoding="utf-8")
        os.replace(temporary, path)

"""Themes as files: colours of the program, of the pictures, of the states and of the plots."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from rich.style import Style
from textual.theme import Theme

from tomotui.resources import themes_folder
from tomotui.tui.status import ASCII_GLYPHS, GLYPHS, MOODS, Mood

DEFAULT_THEME = "vitreous"
LIGHT_THEME = "lamella"
SIXTEEN_COLOUR_THEME = "ansi16"
PROJECT_THEME_FILE = "theme.toml"
"""In the folder of a project: the theme that everybody sees it in."""
COLOURLESS_THEME = "nocolor"
Colour = Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")]


class ThemeError(ValueError):
    """A theme file cannot be used; says which file and why."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class ImageLook(_Part):
    """How pictures of data are coloured."""

    lut: str = "grey"


class PickLook(_Part):
    """Colours of decisions about particles, and of classes."""

    accept: Colour
    reject: Colour
    unsure: Colour
    classes: tuple[Colour, ...] = ()


class StatusLook(_Part):
    """Glyph and colour of a state."""

    glyph: Annotated[str, Field(min_length=1, max_length=1)]
    colour: Colour


class PlotLook(_Part):
    """Colours of the curves of a plot, in order."""

    series: tuple[Colour, ...] = Field(min_length=1)


class Look(_Part):
    """A theme file.

    Attributes
    ----------
    cursor
        Ground of the row under the cursor.
    dim
        Text of less weight; it must still be readable on every ground.
    colours
        What is sent: these colours (``full``), the terminal's own sixteen that are nearest
        (``ansi``), or bold, dim and reverse video instead (``none``).
    status
        By mood: ``running``, ``queued``, ``done``, ``failed``, ``warning``, ``none``.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9_-]+$")]
    title: str
    dark: bool
    colours: Literal["full", "ansi", "none"] = "full"
    background: Colour
    surface: Colour
    panel: Colour
    cursor: Colour
    border: Colour
    foreground: Colour
    dim: Colour
    primary: Colour
    secondary: Colour
    accent: Colour
    warning: Colour
    error: Colour
    success: Colour
    image: ImageLook = ImageLook()
    pick: PickLook
    status: dict[Mood, StatusLook]
    plot: PlotLook

    @property
    def grounds(self) -> dict[str, str]:
        """The colours that text stands on."""
        return {name: getattr(self, name) for name in ("background", "surface", "panel", "cursor")}

    @property
    def inks(self) -> dict[str, str]:
        """The colours that text is written in, by role."""
        named = ("foreground", "dim", "primary", "secondary", "accent")
        inks = {name: getattr(self, name) for name in (*named, "warning", "error", "success")}
        return inks | {f"status.{mood}": look.colour for mood, look in self.status.items()}

    @property
    def marks(self) -> dict[str, str]:
        """The colours of decisions, classes and curves, by role."""
        pick = self.pick
        marks = {"accept": pick.accept, "reject": pick.reject, "unsure": pick.unsure}
        marks |= {f"class{n}": colour for n, colour in enumerate(pick.classes, 1)}
        return marks | {f"series{n}": colour for n, colour in enumerate(self.plot.series, 1)}

    def style(self, role: str) -> Style:
        """Return the Rich style of a role; an unknown role is plain text."""
        return Style(color=self.colour(role), bold=role == "heading" or None)

    def colour(self, role: str) -> str:
        """Return the colour of a role.

        One of ``inks``, a mood, a decision, ``class1`` to ``class9``, ``track`` or ``heading``.
        """
        if role in self.status:
            return self.status[role].colour
        if role == "track":
            return self.border
        if role in ("accepted", "rejected", "unsure"):
            return {
                "accepted": self.pick.accept,
                "rejected": self.pick.reject,
                "unsure": self.pick.unsure,
            }[role]
        if role.startswith("class") and 1 <= int(role[5:]) <= len(self.pick.classes):
            return self.pick.classes[int(role[5:]) - 1]
        if role == "heading":
            return self.dim
        return self.inks.get(role, self.foreground)

    def glyph(self, mood: Mood, ascii_only: bool = False) -> str:
        """Return the glyph of a mood."""
        return ASCII_GLYPHS[mood] if ascii_only else self.status[mood].glyph

    def to_textual(self) -> Theme:
        """Return the theme as Textual knows it.

        Every text colour is given outright: Textual's own mixing with transparency would make
        colours whose contrast nobody has checked.
        """
        return Theme(
            name=self.name,
            dark=self.dark,
            primary=self.primary,
            secondary=self.secondary,
            accent=self.accent,
            warning=self.warning,
            error=self.error,
            success=self.success,
            foreground=self.foreground,
            background=self.background,
            surface=self.surface,
            panel=self.panel,
            variables=self._variables(),
        )

    def _variables(self) -> dict[str, str]:
        flat = {
            "text": self.foreground,
            "text-muted": self.dim,
            "text-disabled": self.dim,
            "foreground-muted": self.dim,
            "text-primary": self.primary,
            "text-accent": self.accent,
            "text-error": self.error,
            "text-warning": self.warning,
            "text-success": self.success,
            "dim": self.dim,
            "cursor": self.cursor,
            "border": self.primary,
            "border-blurred": self.border,
            "boost": self.panel,
            "scrollbar": self.border,
            "scrollbar-hover": self.dim,
            "scrollbar-active": self.primary,
            "scrollbar-corner-color": self.background,
            "block-cursor-foreground": self.foreground,
            "block-cursor-background": self.cursor,
            "block-cursor-text-style": "bold",
            "block-cursor-blurred-foreground": self.foreground,
            "block-cursor-blurred-background": self.panel,
            "block-hover-background": self.panel,
            "input-cursor-background": self.foreground,
            "input-cursor-foreground": self.background,
            "input-selection-background": self.cursor,
            "footer-key-foreground": self.primary,
            "button-foreground": self.foreground,
            "button-color-foreground": self.background,
            "button-focus-text-style": "bold",
        }
        for state in ("", "-hover", "-active"):
            flat[f"scrollbar-background{state}"] = self.background
        return flat


_FALLBACK_STATUS = {mood: StatusLook(glyph=GLYPHS[mood], colour="#d3e0ea") for mood in MOODS}
FALLBACK = Look(
    name=DEFAULT_THEME,
    title="plain",
    dark=True,
    background="#0a1219",
    surface="#0e1822",
    panel="#142331",
    cursor="#1b3448",
    border="#2b4254",
    foreground="#d3e0ea",
    dim="#8ba2b5",
    primary="#7fc4ea",
    secondary="#aebcff",
    accent="#9be4ee",
    warning="#ecc677",
    error="#ff9a8c",
    success="#90d7a5",
    pick=PickLook(accept="#90d7a5", reject="#ff9a8c", unsure="#ecc677"),
    status=_FALLBACK_STATUS,
    plot=PlotLook(series=("#7fc4ea",)),
)
"""Used when no theme file can be read: the program starts in any case."""


def theme_of_project(folder: Path) -> str | None:
    """Return the theme that a project names in its ``theme.toml``; ``None`` when it names none.

    Raises
    ------
    ThemeError
        When there is such a file, but no ``name`` in it.
    """
    path = folder / PROJECT_THEME_FILE
    if not path.is_file():
        return None
    try:
        name = tomllib.loads(path.read_text(encoding="utf-8")).get("name")
    except (OSError, ValueError, RecursionError) as error:
        raise ThemeError(f"{path} cannot be read: {error}") from error
    if not isinstance(name, str):
        raise ThemeError(f'{path} names no theme; write  name = "{DEFAULT_THEME}"  into it')
    return name


def user_themes_folder() -> Path:
    """Return where users keep themes of their own."""
    return platformdirs.user_config_path("tomotui") / "themes"


def read_theme(path: Path) -> Look:
    """Read a theme file.

    Raises
    ------
    ThemeError
        When the file cannot be read, or a colour is missing or wrong.
    """
    try:
        values: Mapping[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        look = Look.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ThemeError(f"{path}: {place}: {first['msg']}") from error
    except (OSError, ValueError, RecursionError) as error:
        raise ThemeError(f"{path} cannot be read: {error}") from error
    missing = [mood for mood in MOODS if mood not in look.status]
    if missing:
        raise ThemeError(f"{path}: [status] says nothing of {', '.join(missing)}")
    return look


class ThemeShelf:
    """The themes there are, each with its file, kept up to date by looking at the folders.

    A start needs one theme: the files of the others are read when somebody asks for them.

    Parameters
    ----------
    folders
        Searched in order; a later theme of the same name wins.
    """

    def __init__(self, folders: Iterable[Path] | None = None) -> None:
        if folders is None:
            folders = (themes_folder(), user_themes_folder())
        self.folders = tuple(folders)
        self._looks: dict[str, Look] = {}
        self._has_all = False
        self.problems: dict[Path, str] = {}
        self._times: dict[Path, int] = {}
        self._names: dict[Path, str] = {}

    @property
    def looks(self) -> dict[str, Look]:
        """All themes, by name."""
        if not self._has_all:
            self.refresh()
        return self._looks

    def refresh(self) -> list[str]:
        """Look for new and changed files; returns the names of themes that have changed.

        A file that is broken leaves the theme as it was and is named in ``problems``.
        """
        changed: list[str] = []
        paths = [path for folder in self.folders for path in sorted(folder.glob("*.toml"))]
        for path in paths:
            is_told = self._has_all or path in self._times
            name = self._read_changed(path)
            if name is not None and is_told:
                changed.append(name)
        self._has_all = True
        # In the order of the files, whichever was read first.
        names = dict.fromkeys(self._names[path] for path in paths if path in self._names)
        self._looks = {name: self._looks[name] for name in [*names, *self._looks]}
        if not self._looks:
            self._looks[FALLBACK.name] = FALLBACK
        return changed

    def _read_changed(self, path: Path) -> str | None:
        """Read a file that is new or has changed; return the name of its theme."""
        try:
            time_ns = path.stat().st_mtime_ns
        except OSError:
            return None
        if self._times.get(path) == time_ns:
            return None
        self._times[path] = time_ns
        try:
            look = read_theme(path)
        except ThemeError as error:
            self.problems[path] = str(error)
            return None
        self.problems.pop(path, None)
        self._names[path] = look.name
        self._looks[look.name] = look
        return look.name

    def named(self, name: str) -> Look:
        """Return a theme, or the default one when there is none of that name."""
        if not self._has_all and name not in self._looks:
            self._read_alone(name)
        if name in self._looks:
            return self._looks[name]
        return (
            self.looks.get(name) or self.looks.get(DEFAULT_THEME) or next(iter(self.looks.values()))
        )

    def _read_alone(self, name: str) -> None:
        """Read the file that is called like a theme, unless another may hold that theme too."""
        first, *others = self.folders
        if any(path for folder in others for path in folder.glob("*.toml")):
            return
        for path in first.glob("*.toml"):
            if path.stem == name:
                self._read_changed(path)


def contrast(first: str, second: str) -> float:
    """Return the contrast of two colours as WCAG 2 defines it, 1..21."""
    lighter, darker = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    channels = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    red, green, blue = (
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue

"""A walk through every screen and dialog, by the keys that a user presses.

Each sight is reached from where the one before it has left the program. The two walks do not
depend on each other. What is not on them cannot be reached by keys alone: the picture by the
terminal's own protocol, and the dialog that waits for the work on thousands of candidates.
"""

from __future__ import annotations

from typing import NamedTuple


class Sight(NamedTuple):
    """One screen or dialog.

    Attributes
    ----------
    name
        Also that of its snapshot.
    keys
        Lead there, as Textual names them.
    screen
        Name of the class of the screen.
    leaves
        Keys that lead back to where the next sight begins.
    is_dialog
        It lies over a screen, and must be cheap to send. The form that runs a stage and the
        letters of jumping are drawn more than once, and are no such dialogs.
    """

    name: str
    keys: tuple[str, ...]
    screen: str
    leaves: tuple[str, ...] = ()
    is_dialog: bool = False


def line(words: str) -> tuple[str, ...]:
    """Return the keys of words typed on the ``:`` line."""
    return (":", *("space" if letter == " " else letter for letter in words), "enter")


def dialog(name: str, keys: tuple[str, ...], screen: str, *leaves: str) -> Sight:
    """Return a sight that lies over another, and is left by escape when nothing is said."""
    return Sight(name, keys, screen, leaves or ("escape",), True)


AT_THE_LISTS = (
    Sight("datasets", (), "DatasetsScreen"),
    dialog("help", ("?",), "HelpScreen"),
    dialog("palette", ("ctrl+p",), "Palette"),
    dialog("yank", ("y",), "YankMenu"),
    Sight("jump", ("ctrl+o",), "DatasetsScreen", ("escape",)),
    dialog("command-line", (":", "t", "h", "tab"), "DatasetsScreen"),
    Sight("filter", ("/", "3"), "DatasetsScreen", ("escape", "escape")),
    Sight("launch", ("L",), "LaunchScreen", ("f4",)),
    dialog("recipe-save", (), "RecipeNameScreen", "escape", "escape"),
    dialog("recipes", line("recipe"), "RecipePicker"),
    dialog("import", ("i",), "ImportScreen"),
    dialog("theme-picker", line("theme"), "ThemePicker"),
    dialog("doctor", line("doctor"), "DoctorScreen", "t"),
    dialog("calibrate", (), "CalibrateScreen"),
    dialog("error", line("open /nowhere"), "ErrorScreen"),
    Sight("tour", line("tour"), "DatasetsScreen", ("ctrl+x",)),
    Sight("welcome", line("open"), "WelcomeScreen", ("escape",)),
    Sight("quality", ("G", "Q"), "QualityScreen", ("z",)),
    Sight("quality-zoomed", (), "QualityScreen", ("escape", "escape")),
    Sight("jobs", ("4",), "JobsScreen"),
    dialog("job-signal", ("C",), "SignalScreen"),
    dialog("confirm", ("c",), "ConfirmScreen", "n"),
    Sight("job-tree", ("D",), "JobTreeScreen", ("escape",)),
    Sight("job", ("j", "enter"), "JobDetailScreen", ("escape",)),
    Sight("cluster", ("5",), "ClusterScreen"),
    Sight("live", ("7",), "LiveScreen"),
)
"""Lists, charts, forms and dialogs."""

AT_THE_PICTURES = (
    Sight("slices", line("slices ts_1"), "SlicesMode"),
    Sight("slices-spectrum", ("F",), "SlicesMode", ("F",)),
    Sight("slices-beside", ("d",), "SlicesMode", ("d",)),
    Sight("ortho", ("O",), "OrthoScreen", ("escape",)),
    Sight("picks", ("3",), "PicksMode"),
    dialog("set-picker", ("S",), "SetPicker"),
    Sight("gallery", ("g",), "GalleryScreen", ("escape",)),
    Sight("maps", line("maps"), "MapsScreen", ("tab",)),
    Sight("maps-surface", (), "MapsScreen", ("z",)),
    Sight("maps-zoomed", (), "MapsScreen", ("z",)),
    Sight("variation", line("variation"), "VariationScreen", ("tab",)),
    Sight("variation-panel", (), "VariationScreen"),
)
"""Screens with pictures."""

IN_FEW_LINES = (
    *("datasets", "help", "palette", "yank", "launch", "import", "quality", "jobs", "job-signal"),
    *("confirm", "job-tree", "job", "cluster", "live", "welcome"),
    *(sight.name for sight in AT_THE_PICTURES),
)
"""Sights that are also looked at in the smallest terminal that everything fits into."""

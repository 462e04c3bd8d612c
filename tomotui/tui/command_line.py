"""The ``:`` line: words that do what keys do, with completion."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from tomotui.tui import keymap
from tomotui.tui.actions import ACTIONS, words
from tomotui.tui.mouse import MOUSE_MODES
from tomotui.tui.notifications import WISHES
from tomotui.tui.session import OneOf, one_of

if TYPE_CHECKING:
    from tomotui.tui.linking import Linking
    from tomotui.tui.navigation import Navigation

Run = Callable[["Navigation", str], None]
Offer = Callable[["Navigation"], Sequence[str]]


class CommandError(ValueError):
    """The words were wrong; says what would be right."""


@dataclass(frozen=True)
class Command:
    """A word of the ``:`` line.

    Attributes
    ----------
    usage
        The word and what may follow it.
    help
        What it does.
    run
        Does it; gets all that follows the word.
    offers
        What may follow, for completion.
    """

    word: str
    usage: str
    help: str
    run: Run
    offers: Offer = lambda app: ()


def _mode_with_filter(mode: str) -> Run:
    def run(app: Navigation, rest: str) -> None:
        app.go_to_mode(mode)
        app.call_after_refresh(app.filter_here, rest)

    return run


def _theme(app: Navigation, rest: str) -> None:
    if not rest:
        app.action_pick_theme()
    elif rest in app.shelf.looks:
        app.use_theme(rest)
    else:
        raise CommandError(f"there is no theme {rest}; there are {', '.join(app.shelf.looks)}")


def _keymap(app: Navigation, rest: str) -> None:
    try:
        app.use_keymap(rest or keymap.DEFAULT_KEYMAP)
    except keymap.KeymapError as error:
        raise CommandError(str(error)) from error


def _run(app: Navigation, rest: str) -> None:
    stage, *patterns = shlex.split(rest) if rest else [""]
    known = [each.name for each in app.launchable]
    if stage and stage not in known:
        raise CommandError(f"there is no stage {stage} to run; there are {', '.join(known)}")
    app.launch_on(stage, patterns[0] if patterns else "")


def _slices(app: Navigation, rest: str) -> None:
    if rest:
        app.show_slices(rest)
    else:
        app.go_to_mode("slices")


def _quality(app: Navigation, rest: str) -> None:
    if rest and rest not in app.series_names():
        raise CommandError(f"there is no tilt series {rest}; tab shows what there is")
    if rest:
        app.show_quality(rest)
    else:
        app.action_quality()


def _sort(app: Navigation, rest: str) -> None:
    from tomotui.tui.screens.datasets import DatasetsScreen
    from tomotui.tui.screens.series_words import SORTS

    if rest.removeprefix("-") not in SORTS:
        raise CommandError(f"sort by {', '.join(SORTS)}; - before it turns the order round")
    app.go_to_mode("datasets")
    if isinstance(app.screen, DatasetsScreen):
        app.screen.sort_by(rest)


def _sorts(app: Navigation) -> Sequence[str]:
    from tomotui.tui.screens.series_words import SORTS

    return SORTS


def _z(app: Navigation, rest: str) -> None:
    if not rest.isdecimal():
        raise CommandError("say which slice, such as  z 120")
    app.go_to_slice(int(rest))


def _job(app: Navigation, rest: str) -> None:
    number = rest.partition("-")[0]
    if not number.isdecimal():
        raise CommandError("say which job, such as  job 7")
    app.show_job(int(number))


def _open(app: Navigation, rest: str) -> None:
    if rest:
        app.open_project(Path(rest).expanduser())
    else:
        app.action_welcome()


def _tour(app: Navigation, rest: str) -> None:
    if rest not in _TOUR:
        raise CommandError(f"tour, or tour with one of {', '.join(_TOUR[1:])}")
    if rest == "off":
        app.action_tour_leave()
    else:
        app.begin_tour(again=rest == "again")


def _notify(app: Navigation, rest: str) -> None:
    linked = cast("Linking", app)
    _use("notify", WISHES, rest, linked.use_notify, linked.action_next_notify)


def _hook(app: Navigation, rest: str) -> None:
    if not rest:
        raise CommandError(f"hook COMMAND or hook off; now: {app.preferences.hook or 'none'}")
    cast("Linking", app).use_hook("" if rest == "off" else rest)


def _mouse(app: Navigation, rest: str) -> None:
    linked = cast("Linking", app)
    _use("mouse", MOUSE_MODES, rest, linked.use_mouse, linked.action_next_mouse)


def _use(
    name: str,
    choices: tuple[OneOf, ...],
    rest: str,
    use: Callable[[OneOf], object],
    use_next: Callable[[], object],
) -> None:
    """Use one of a few choices; without a word the next one."""
    wish = one_of(choices, rest)
    if rest and wish is None:
        raise CommandError(f"{name} with one of {', '.join(choices)}")
    if wish:
        use(wish)
    else:
        use_next()


def _series(app: Navigation) -> Sequence[str]:
    return app.series_names()


def _run_offers(app: Navigation) -> Sequence[str]:
    return [stage.name for stage in app.launchable]


def _themes(app: Navigation) -> Sequence[str]:
    return list(app.shelf.looks)


def _keymaps(app: Navigation) -> Sequence[str]:
    return list(keymap.available())


def _states(app: Navigation) -> Sequence[str]:
    return ("running", "queued", "failed", "done", "cancelled")


def _board_states(app: Navigation) -> Sequence[str]:
    return ("running", "queued", "failed", "held", "done", "odd")


def _recipe(app: Navigation, rest: str) -> None:
    if rest and rest not in _recipes(app):
        raise CommandError(f"there is no recipe {rest}; there are {', '.join(_recipes(app))}")
    app.show_recipes(rest)


def _progress(app: Navigation, rest: str) -> None:
    from tomotui.tui.recipe_choice import show_progress

    show_progress(app, rest)


def _recipes(app: Navigation) -> Sequence[str]:
    from tomotui.jobs.recipe_files import known_recipes

    return list(known_recipes(app.folder))


def _export(app: Navigation, rest: str) -> None:
    what, _, file = rest.partition(" ")
    if what != "plot":
        raise CommandError(
            "export plot [FILE.svg|FILE.png|FILE.csv] writes the chart in view; "
            "tomotui export writes data"
        )
    app.export_plot(file.strip())


_TOUR = ("", "again", "off")
_SPECIAL = (
    Command(
        "datasets", "datasets [FILTER]", "Tilt series.", _mode_with_filter("datasets"), _series
    ),
    Command("jobs", "jobs [FILTER]", "Jobs.", _mode_with_filter("jobs"), _states),
    Command("job", "job NUMBER", "One job.", _job),
    Command("live", "live [FILTER]", "The live board.", _mode_with_filter("live"), _board_states),
    Command("slices", "slices [SERIES]", "Look at a series.", _slices, _series),
    Command("tomo", "tomo SERIES", "Look at a series.", _slices, _series),
    Command("quality", "quality [SERIES]", "Figures of a series as charts.", _quality, _series),
    Command("sort", "sort COLUMN", "Sort the tilt series.", _sort, _sorts),
    Command("z", "z NUMBER", "Go to a slice.", _z),
    Command("run", "run STAGE [PATTERN]", "Run a stage on series.", _run, _run_offers),
    Command("theme", "theme [NAME]", "Choose the colours.", _theme, _themes),
    Command("keymap", "keymap [NAME]", "Choose the keys.", _keymap, _keymaps),
    Command("recipe", "recipe [NAME]", "Run a recipe on series.", _recipe, _recipes),
    Command("progress", "progress [RECIPE]", "How far a recipe is.", _progress, _recipes),
    Command("export", "export plot [FILE]", "Write the chart.", _export, lambda app: ("plot",)),
    Command("tour", "tour [again|off]", "Learn by doing.", _tour, lambda app: _TOUR[1:]),
    Command(
        "notify",
        "notify [on|bell|off|osc9|osc777|osc99]",
        "How ends of jobs are told.",
        _notify,
        lambda app: WISHES,
    ),
    Command("hook", "hook [COMMAND|off]", "A command that is run when jobs have ended.", _hook),
    Command(
        "mouse",
        "mouse [click|full|off]",
        "How much of the mouse is used.",
        _mouse,
        lambda app: MOUSE_MODES,
    ),
    Command("open", "open [FOLDER]", "Open a project.", _open),
)


def _registered(action_id: str) -> Run:
    def run(app: Navigation, rest: str) -> None:
        app.run_registered(action_id)

    return run


def commands() -> dict[str, Command]:
    """Return all commands by their word: the special ones and one for each action with a word."""
    found = {
        word: Command(word, word, action.help, _registered(action.id))
        for word, action in words().items()
    }
    return dict(sorted({**found, **{each.word: each for each in _SPECIAL}}.items()))


def run_line(app: Navigation, line: str) -> None:
    """Do what a line says.

    Raises
    ------
    CommandError
        When its words are wrong.
    """
    word, _, rest = line.strip().removeprefix(":").partition(" ")
    if word in ACTIONS:
        app.run_registered(word)
        return
    command = commands().get(word)
    if command is None:
        near = [each for each in commands() if each.startswith(word)]
        if len(near) != 1:
            hint = f"did you mean {', '.join(near)}?" if near else "tab shows what there is"
            raise CommandError(f"there is no command {word}; {hint}")
        command = commands()[near[0]]
    command.run(app, rest.strip())


def complete(app: Navigation, line: str) -> list[str]:
    """Return the whole lines that a line may become."""
    word, space, rest = line.partition(" ")
    if not space:
        fitting = [each for each in commands() if each.startswith(word)]
        # Whatever has a key can be typed as well, by its id: slice.invert, list.mark_all.
        return fitting + ([each for each in ACTIONS if each.startswith(word)] if word else [])
    command = commands().get(word)
    if command is None:
        return []
    if command.word == "run" and " " in rest:
        stage, _, pattern = rest.partition(" ")
        return [f"run {stage} {name}" for name in app.series_names() if name.startswith(pattern)]
    return [f"{word} {offer}" for offer in command.offers(app) if offer.startswith(rest)]

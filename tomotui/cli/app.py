"""The commands of ``tomotui`` and how they are called."""

from __future__ import annotations

import os
import sys
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, CycloptsError, Parameter

from tomotui import __version__
from tomotui.cli.errors import WrongWords, report

_COMMANDS = {
    "init": "project:init",
    "import": "importing:import_",
    "run": "jobs:run",
    "recipe": "recipe",
    "watch": "watch:watch",
    "status": "project:status",
    "jobs": "jobs:list_jobs",
    "logs": "jobs:logs",
    "cancel": "jobs:cancel",
    "retry": "jobs:retry",
    "agent": "jobs:agent",
    "cluster": "cluster",
    "curate": "curate:curate",
    "import-particles": "import_particles:import_particles",
    "particles": "particles",
    "import-map": "import_map:import_map",
    "maps": "maps:list_maps",
    "import-network": "import_network:import_network",
    "export": "export:export",
    "stages": "project:stages",
    "simulate": "simulate:simulate",
    "rebuild": "rebuild:rebuild",
    "conventions": "conventions:conventions",
    "doctor": "doctor:doctor",
    "bench": "bench:bench",
    "demo": "demo:demo",
    "tour": "demo:tour",
}
"""Module and function of each command, in the order of work; imported when they are asked for.

A module alone has a group of commands, which `_GROUPS` lists.
"""

_GROUPS = {
    "recipe": (
        "Run a pipeline from a file, or write one from a project's history.\n\n"
        "Example: `tomotui recipe run standard -p ~/data/cells --on 'ts_*'`",
        {"list": "list_recipes", "check": "check", "run": "run_recipe", "save": "save"},
    ),
    "cluster": (
        "What jobs ask of SLURM.\n\nExample: `tomotui cluster profiles`",
        {"profiles": "profiles"},
    ),
    "particles": (
        "List, make, change, clean, trace, select and expand particle sets.\n\n"
        "Example: `tomotui particles new ribosome --diameter 290 -p ~/data/cells`",
        {
            "list": "list_sets",
            "new": "new",
            "change": "change",
            "clean": "clean_particles:clean_particles",
            "curve": "trace_particles:trace_particles",
            "expand": "derive_particles:expand",
            "recentre": "derive_particles:recentre",
            "subparticles": "derive_particles:subparticles",
            "split-halves": "derive_particles:split_halves",
            "select": "select_particles:select_particles",
            "follow": "follow_particles:follow_particles",
        },
    ),
}
"""For each group its help, and its commands with their functions (of other modules, with these)."""


def _shown_default(value: Any) -> str | None:
    """Leave out defaults that say nothing."""
    return None if value is None or value is False or value == "" else str(value)


app = App(
    name="tomotui",
    help="Cryo-electron tomography in the terminal: from raw tilt series to structures.",
    help_epilogue="Exit codes: 0 done, 1 the work failed, 2 the words were wrong. "
    "With --debug anywhere, errors come with their traceback.",
    version=__version__,
    result_action="return_value",
    help_format="markdown",
    default_parameter=Parameter(negative=(), show_default=_shown_default),
)

for _number, (_name, _place) in enumerate(_COMMANDS.items()):
    if _name in _GROUPS:
        _help, _functions = _GROUPS[_name]
        _group = App(name=_name, help=_help, help_epilogue="", sort_key=_number)
        for _order, (_word, _function) in enumerate(_functions.items()):
            _where = _function if ":" in _function else f"{_place}:{_function}"
            _group.command(f"tomotui.cli.{_where}", name=_word, sort_key=_order, help_epilogue="")
        app.command(_group)
    else:
        app.command(f"tomotui.cli.{_place}", name=_name, sort_key=_number, help_epilogue="")


@app.default
def open_screens(
    folder: Path | None = None,
    /,
    *,
    project: Annotated[Path | None, Parameter(name=["--project", "-p"])] = None,
    read_only: bool = False,
    theme: str | None = None,
) -> int:
    """Open the project of this folder, or the welcome screen where there is none.

    Example: `tomotui ~/data/cells --theme lamella`

    Parameters
    ----------
    folder
        Project folder; the present one by default.
    project
        The same, as an option.
    read_only
        Look, but change nothing; TOMOTUI_READ_ONLY=1 does the same.
    theme
        Name of a theme.
    """
    if folder is not None and not folder.expanduser().exists():
        raise WrongWords(_no_such_command(str(folder)))
    from tomotui.cli.screens import open_project

    return open_project(folder or project, read_only=read_only, theme=theme)


def _no_such_command(word: str) -> str:
    near = get_close_matches(word, _COMMANDS, n=1)
    hint = f"did you mean tomotui {near[0]}?" if near else "see tomotui --help"
    return f"there is neither a command nor a folder {word}; {hint}"


def run(arguments: list[str]) -> int:
    """Call the command that the arguments name and return the exit code.

    ``--debug`` anywhere (or ``TOMOTUI_DEBUG=1``) lets errors through with their traceback.
    """
    debug = "--debug" in arguments or bool(os.environ.get("TOMOTUI_DEBUG"))
    arguments = [argument for argument in arguments if argument != "--debug"]
    # What is read aloud has no use for boxes.
    app.help_formatter = "plain" if os.environ.get("TERM") == "dumb" else "default"
    try:
        if arguments[:1] in (["--help"], ["-h"]):
            for name in _COMMANDS:
                app[name]  # Only those that were imported tell what they do.
        if arguments[:1] and arguments[0] in _GROUPS and arguments[1:] in ([], ["--help"], ["-h"]):
            for name in _GROUPS[arguments[0]][1]:
                app[arguments[0]][name]
        code = app(arguments, exit_on_error=False, print_error=False)
        sys.stdout.flush()
    except CycloptsError as error:
        return _report_words(error)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read the output has had enough, as in `tomotui jobs | head -3`.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:  # the edge to the user: no traceback passes it unasked
        if debug:
            raise
        return report(error)
    return code if isinstance(code, int) else 0


def _report_words(error: CycloptsError) -> int:
    """Print what was wrong with the words, and where the right ones are explained."""
    words = " ".join(str(error).split()).rstrip(".")
    command = " ".join(["tomotui", *(error.command_chain or ())])
    return report(WrongWords(f"{words}; see {command} --help"))

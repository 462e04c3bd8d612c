"""Everything that can be done, once: behind the keys, the palette, the ``:`` line and the help."""

from __future__ import annotations

from textual.binding import Binding, BindingType

from tomotui.tui.action import Action
from tomotui.tui.link_actions import LINK_ACTIONS
from tomotui.tui.map_actions import MAP_ACTIONS
from tomotui.tui.pick_actions import PICK_ACTIONS
from tomotui.tui.plot_actions import PLOT_ACTIONS
from tomotui.tui.slice_actions import SLICE_ACTIONS
from tomotui.tui.tree_actions import TREE_ACTIONS
from tomotui.tui.variation_actions import VARIATION_ACTIONS

_DECLARED = (
    # Everywhere.
    Action("app.help", "help", "Show the keys that work right now.", "app.help", True, "help"),
    Action(
        "app.command",
        "command",
        "Type a command; tab completes it.",
        "app.command_line",
        True,
    ),
    Action("app.palette", "palette", "Search everything that can be done.", "app.command_palette"),
    Action("app.back", "back", "Go back: close, clear the filter, drop marks.", "app.go_back"),
    Action("app.toggle_last", "last screen", "Go to the screen before this.", "app.toggle_last"),
    Action(
        "app.quit",
        "quit",
        "Leave; jobs keep running and are shown next time.",
        "app.leave",
        word="q",
    ),
    Action("app.interrupt", "interrupt", "Say how to leave.", "app.interrupt"),
    Action("app.redraw", "redraw", "Draw the whole screen again.", "app.redraw", word="redraw"),
    Action("app.undo", "undo", "Take the last change back.", "app.undo", word="undo"),
    Action("app.redo", "redo", "Make again what was taken back.", "app.redo", word="redo"),
    Action(
        "app.quality",
        "quality",
        "Show residuals, shifts, spectra and thickness of the series under the cursor.",
        "app.quality",
        word="quality",
    ),
    Action(
        "app.shell",
        "shell",
        "Open a shell in the folder of what the cursor is on; exit comes back.",
        "app.shell",
        word="shell",
    ),
    Action(
        "app.theme", "theme", "Choose the colours, with preview.", "app.pick_theme", word="theme"
    ),
    Action(
        "app.doctor",
        "doctor",
        "Check this machine: GPU, terminal, file system.",
        "app.doctor",
        word="doctor",
    ),
    Action(
        "app.tour",
        "tour",
        "Learn the screens by doing, step by step; taken up where it was left.",
        "app.tour",
        word="tour",
    ),
    Action("app.tour_skip", "skip step", "Go on to the next step of the tour.", "app.tour_skip"),
    Action("app.tour_leave", "leave tour", "Leave the tour; :tour takes it up.", "app.tour_leave"),
    Action(
        "app.open",
        "open project",
        "Open another project, or make one.",
        "app.welcome",
        word="open",
    ),
    Action(
        "history.back", "go back", "Back to the place before, as in a browser.", "app.history(-1)"
    ),
    Action("history.forward", "go forward", "Forward again.", "app.history(1)"),
    Action(
        "match.next", "next match", "To the next row that the last filter matches.", "app.match(1)"
    ),
    Action(
        "match.previous",
        "match before",
        "To the row before that the last filter matches.",
        "app.match(-1)",
    ),
    Action(
        "file.edit",
        "edit",
        "Open the log of the job under the cursor, or the project's folder, in $EDITOR.",
        "app.edit",
        word="edit",
    ),
    Action(
        "mode.datasets",
        "datasets",
        "Tilt series and what each stage made of them.",
        "app.mode('datasets')",
        word="datasets",
    ),
    Action(
        "mode.slices",
        "slices",
        "Look at tilt images and tomograms.",
        "app.mode('slices')",
        word="slices",
    ),
    Action(
        "mode.picks",
        "picks",
        "Mark particles, and review candidates.",
        "app.mode('picks')",
        word="picks",
    ),
    Action(
        "mode.jobs", "jobs", "What runs, waits and has failed.", "app.mode('jobs')", word="jobs"
    ),
    Action(
        "mode.cluster",
        "cluster",
        "Devices and whose work is on them, hosts at work, partitions, room on the disk.",
        "app.mode('cluster')",
        word="cluster",
    ),
    Action(
        "mode.maps",
        "maps",
        "Averaged maps: surfaces, sections, resolution, and the particles in them.",
        "app.mode('maps')",
        word="maps",
    ),
    Action(
        "mode.live",
        "live",
        "The board of series as they arrive: figures, trends, what is out of the ordinary.",
        "app.mode('live')",
        word="live",
    ),
    Action(
        "mode.variation",
        "variation",
        "How particles differ: classes, and landscapes of conformations.",
        "app.mode('variation')",
        word="variation",
    ),
    Action(
        "pane.jump",
        "jump",
        "Show letters over tabs and panes; a letter goes there.",
        "jump",
        word="jump",
    ),
    Action("pane.zoom", "zoom pane", "Give the focused pane the whole screen.", "zoom_pane"),
    # Lists.
    Action("list.up", "up", "One row up.", "move(-1)"),
    Action("list.down", "down", "One row down.", "move(1)"),
    Action("list.page_up", "page up", "One page up.", "page(-1)"),
    Action("list.page_down", "page down", "One page down.", "page(1)"),
    Action("list.first", "first", "To the first row.", "first"),
    Action("list.last", "last", "To the last row.", "last"),
    Action("list.extend_up", "extend up", "Extend the range upwards.", "extend(-1)"),
    Action("list.extend_down", "extend down", "Extend the range downwards.", "extend(1)"),
    Action("list.open", "open", "Open the row under the cursor.", "activate", True),
    Action("list.mark", "mark", "Mark the row and go on.", "mark", True),
    Action("list.range", "range", "Begin a range; again: mark it.", "range"),
    Action("list.mark_all", "mark all", "Mark all rows shown, or none.", "mark_all"),
    Action("list.unmark", "unmark", "Drop all marks and the range.", "unmark"),
    Action(
        "list.filter",
        "filter",
        "Show only rows that match: text or regular expression, ! inverts, -f is fuzzy.",
        "screen.filter",
        True,
        "filter",
    ),
    # Tilt series.
    Action(
        "dataset.launch",
        "launch",
        "Run a stage on the marked series, or the one under the cursor.",
        "launch",
        True,
        "run",
    ),
    Action("dataset.import", "import", "Import tilt series.", "app.import_stacks", True, "import"),
    Action("dataset.yank", "copy", "Copy path, name or command of the series.", "yank"),
    Action("dataset.sort", "sort", "Sort by the next column of figures.", "sort", True),
    Action("dataset.reverse", "reverse", "Turn the order round.", "reverse"),
    # The quality of one series.
    Action("quality.previous", "tilt", "To the tilt before.", "move(-1)"),
    Action("quality.next", "tilt", "To the next tilt.", "move(1)", True),
    Action("quality.previous_5", "5 tilts back", "Five tilts back.", "move(-5)"),
    Action("quality.next_5", "5 tilts on", "Five tilts on.", "move(5)"),
    Action("quality.first", "first", "To the lowest angle.", "end(False)"),
    Action("quality.last", "last", "To the highest angle.", "end(True)"),
    Action("quality.panel", "panel", "To the next panel.", "panel(1)", True),
    Action("quality.panel_back", "panel back", "To the panel before.", "panel(-1)"),
    Action("quality.series", "next series", "To the next series.", "series(1)"),
    Action("quality.series_back", "series before", "To the series before.", "series(-1)"),
    Action("quality.slices", "slices", "Look at the images.", "slices", True),
    # Single tilts.
    Action(
        "tilt.exclude",
        "leave out",
        "Leave the tilt out, or take it in again; u takes that back.",
        "exclude",
        True,
    ),
    Action("tilt.tracks", "tracks", "Draw the tracks of patches over the images.", "tracks"),
    Action(
        "tilt.launch",
        "run again",
        "Reconstruct the series again, or align it.",
        "launch_again",
        True,
    ),
    # Jobs.
    Action("job.cancel", "cancel", "Ask the job to stop.", "cancel", True),
    Action("job.signal", "stop how", "Choose how to stop: TERM with grace, or KILL.", "signal"),
    Action("job.retry", "retry", "Run again what did not succeed.", "retry", True),
    Action("job.clone", "clone", "Start a job like this one, with changes.", "clone", True),
    Action(
        "job.dependencies",
        "made from",
        "Show what the job was made from and waits for, and what was made of it.",
        "dependencies",
    ),
    Action("job.follow", "follow log", "Show the log as it grows.", "follow"),
    Action("job.yank", "copy", "Copy path, name or command line of the job.", "yank", True),
    Action("job.pager", "log in pager", "Open the log in $PAGER.", "pager"),
    Action("job.metric", "next metric", "Plot the next metric.", "next_metric"),
    Action(
        "job.pictures",
        "pictures",
        "Give the pictures of a training the whole screen, or share it again.",
        "pictures",
        True,
    ),
    # The live board.
    Action("live.next", "next to look at", "To the next series to look at.", "next_odd", True),
    Action("live.trend", "next trend", "Plot the next quantity over arrival.", "next_trend", True),
    Action("live.retry", "retry", "Run again what failed of the series.", "retry", True),
    Action("live.yank", "copy", "Copy path, name or command of the series.", "yank"),
    *LINK_ACTIONS,
    *SLICE_ACTIONS,
    *PICK_ACTIONS,
    *MAP_ACTIONS,
    *VARIATION_ACTIONS,
    *PLOT_ACTIONS,
    *TREE_ACTIONS,
    # What can be copied.
    Action("yank.path", "path", "Copy the path.", "take('path')"),
    Action("yank.name", "name", "Copy the name.", "take('name')"),
    Action("yank.command", "command", "Copy the command line.", "take('command')"),
    Action("yank.position", "position", "Copy the position.", "take('position')"),
    # Logs.
    Action("log.follow", "follow", "Stay at the end as the log grows.", "follow", True),
    Action("log.wrap", "wrap", "Wrap long lines.", "wrap", True),
    Action("log.next_error", "next error", "To the next error.", "error(1)", True),
    Action("log.previous_error", "previous error", "To the previous error.", "error(-1)"),
    Action("log.search", "search", "Find text in the log.", "screen.search_log"),
    Action("log.go", "go to", "Go to a line by number, or to a percentage.", "screen.go_in_log"),
    Action("log.times", "times", "Times as written, since the line before, or none.", "times"),
    Action("log.output", "other output", "Show the next file beside the log.", "beside"),
    Action("log.next_match", "next match", "To the next match.", "match(1)"),
    Action("log.previous_match", "previous match", "To the previous match.", "match(-1)"),
    Action("log.up", "up", "One line up.", "scroll(-1)"),
    Action("log.down", "down", "One line down.", "scroll(1)"),
    Action("log.page_up", "page up", "One page up.", "page(-1)"),
    Action("log.page_down", "page down", "One page down.", "page(1)"),
    Action("log.first", "first", "To the beginning.", "first"),
    Action("log.last", "last", "To the end, and follow.", "last"),
    Action("log.left", "left", "Scroll to the left.", "sideways(-8)"),
    Action("log.right", "right", "Scroll to the right.", "sideways(8)"),
    # Forms and dialogs.
    Action("form.submit", "run", "Submit the job.", "submit", True),
    Action("form.default", "default", "Put the field back to its default.", "default", True),
    Action("form.recipes", "recipes", "Take the values of a recipe.", "recipes", True),
    Action("form.save_recipe", "save", "Save the values as a recipe.", "save_recipe", True),
    Action("recipe.delete", "delete", "Delete the recipe under the cursor.", "delete", True),
    Action("form.next", "next field", "To the next field.", "app.focus_next"),
    Action("form.previous", "previous field", "To the previous field.", "app.focus_previous"),
    Action("form.choice_before", "before", "To the value before.", "step(-1)"),
    Action("form.choice_after", "after", "To the next value.", "step(1)"),
    Action(
        "form.choice_done", "next field", "Keep the value; to the next field.", "app.focus_next"
    ),
    # The line at the bottom.
    Action("line.cancel", "cancel", "Leave the line without doing anything.", "cancel"),
    Action("line.complete", "complete", "Put in the next word that fits.", "complete(1)"),
    Action("line.complete_back", "complete back", "Put in the word before.", "complete(-1)"),
    Action("line.before", "before", "Bring back the line typed before.", "recall(-1)"),
    Action("line.after", "after", "Bring back the line typed after.", "recall(1)"),
    Action("dialog.close", "close", "Close without doing anything.", "close", True),
    Action("dialog.yes", "yes", "Do it.", "answer(True)", True),
    Action("dialog.no", "no", "Do not do it.", "answer(False)", True),
    Action("dialog.copy", "copy", "Copy the text.", "copy", True),
    Action("dialog.help", "help", "Show the keys that work right now.", "app.help"),
)

ACTIONS: dict[str, Action] = {action.id: action for action in _DECLARED}
"""Every action by its id."""


def bindings(*wanted: str) -> list[BindingType]:
    """Return Textual bindings of whole scopes (``list``) or single actions (``pane.zoom``)."""
    chosen = [action for name in wanted for action in _matching(name)]
    return [
        Binding(
            ",".join(action.keys),
            action.method,
            action.title,
            show=action.hint,
            tooltip=action.help,
            id=action.id,
        )
        for action in chosen
        if action.keys
    ]


def _matching(name: str) -> list[Action]:
    if name in ACTIONS:
        return [ACTIONS[name]]
    found = [action for action in ACTIONS.values() if action.scope == name]
    if not found:
        raise LookupError(f"no action or scope {name}")
    return found


def words() -> dict[str, Action]:
    """Return the actions that have a word for the ``:`` line."""
    return {action.word: action for action in ACTIONS.values() if action.word}

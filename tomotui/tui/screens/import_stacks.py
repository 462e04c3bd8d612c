"""Importing tilt series: which files, what they say, and what is wrong with them."""

from __future__ import annotations

import asyncio
import glob
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from rich.style import Style
from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widgets import Button, Input, Static

from tomotui.records import Job, JobRequest, Target
from tomotui.tui.actions import bindings
from tomotui.tui.screens.base import Modal
from tomotui.tui.theme import Look
from tomotui.tui.widgets.cells import Column, Row, sign, text
from tomotui.tui.widgets.choosing import Press
from tomotui.tui.widgets.table import Table
from tomotui.tui.wording import counted, one_line, short_path

if TYPE_CHECKING:
    from tomotui.tui.screens.launch_place import PlaceRow

Plan = dict[str, Any]
Preview = Callable[[Sequence[str]], Awaitable[list[Plan]]]

_COLUMNS = (
    Column("name", "series", 8, 28),
    Column("state", "", 2, 9),
    Column("tilts", "tilts", 5, 6, "right"),
    Column("range", "range deg", 9, 16, "right"),
    Column("pixel", "pixel Å", 7, 8, "right"),
    Column("axis", "axis deg", 8, 8, "right", rank=2),
    Column("dose", "dose e/Å²", 9, 9, "right", rank=3),
    Column("note", "note", 10, 200, grows=True, rank=1),
)
_OPTIONS = (
    ("dataset", "--dataset", "default"),
    ("pixel size Å", "--pixel-size", "from files"),
    ("tilt axis deg", "--tilt-axis", "from files"),
    ("dose e/Å²", "--dose", "from files"),
    ("gain of movies", "--gain", "none"),
)


class PreviewError(Exception):
    """The files cannot be understood at all; says why."""


def matching(words: str) -> list[str]:
    """Return the paths that what was typed means: with ``~``, patterns, several by spaces."""
    words = words.strip()
    whole = Path(words).expanduser()
    if words and whole.exists():
        return [str(whole.absolute())]
    found: list[str] = []
    for part in words.split():
        expanded = str(Path(part).expanduser())
        hits = sorted(glob.glob(expanded, recursive=True))
        found += [str(Path(hit).absolute()) for hit in hits or [expanded]]
    return list(dict.fromkeys(found))


async def preview(arguments: Sequence[str]) -> list[Plan]:
    """Ask the program itself what it would import, in a process of its own.

    Reading metadata needs libraries that would make this process slow and large.

    Raises
    ------
    PreviewError
        When it cannot say.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tomotui", "import", "--dry-run", "--json", *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        out, errors = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    try:
        plans: list[Plan] = json.loads(out)["plans"]
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        words = one_line(errors.decode(errors="replace")) or "no answer"
        raise PreviewError(words) from error
    return plans


def plan_row(plan: Plan, taken: set[str], look: Look, ascii_only: bool) -> Row:
    """Return the row of a stack."""
    problems, warnings = list(plan["problems"]), list(plan["warnings"])
    if plan["name"] in taken:
        problems.append("the project has a series of this name already")
    mood, word = ("failed", "no") if problems else ("done", "ok")
    if warnings and not problems:
        mood, word = "warning", "check"
    span = plan.get("tilt_range_deg")
    note = one_line("; ".join([*problems, *warnings]))
    cells = (
        text(plan["name"]),
        sign(mood, look, ascii_only, word),  # type: ignore[arg-type]
        text(_number(plan.get("n_tilts"))),
        text(f"{span[0]:+.0f} .. {span[1]:+.0f}" if span else "?"),
        text(_number(plan.get("pixel_size_angstrom"))),
        text(_number(plan.get("tilt_axis_deg"))),
        text(_number(plan.get("dose_e_per_a2"))),
        text(note, "error" if problems else "dim"),
    )
    return Row(plan["stack"], cells)


def _number(value: float | None) -> str:
    return "?" if value is None else f"{value:.4g}"


class ImportScreen(Modal):
    """Finds stacks, shows what they say, and imports those that can be.

    Parameters
    ----------
    taken
        Names that series of the project have.
    ask
        Tells what the import would make of files.
    words, gain
        Files to look at as soon as it is shown, and their gain reference.
    begin
        Imports in another way than as a job of the present project.
    """

    ABOUT = "import"
    PROSE = (
        "Type a folder or a pattern such as  raw/*.mrc  (or  raw/*.mdoc  for movies) "
        "and press enter. Folders of etomo and AreTomo and data sets of the CryoET data portal "
        "bring alignment, CTF and tomogram along. Nothing is copied or "
        "changed: the table shows what the files say, and where something is missing you can "
        "say it above. Stacks with problems are left out; mark some to import only those."
    )
    BINDINGS: ClassVar[list[BindingType]] = bindings("form.submit")

    def __init__(
        self,
        taken: Sequence[str] = (),
        ask: Preview = preview,
        *,
        words: str = "",
        gain: str = "",
        begin: Callable[[JobRequest], None] | None = None,
    ) -> None:
        super().__init__()
        self._words, self._gain, self._begin = words, gain, begin
        self.taken = set(taken)
        self.plans: list[Plan] = []
        self._ask = ask

    def compose(self) -> ComposeResult:
        """Lay out path, options, table, facts and buttons."""
        from tomotui.tui.screens.launch_place import PlaceRow

        with Vertical(classes="dialog full", id="import") as dialog:
            dialog.border_title = "import tilt series"
            dialog.border_subtitle = "enter looks at the files   f1 help"
            with Horizontal(classes="field-row"):
                yield Static("stacks", classes="field-label")
                yield self._line("stacks", "folder or pattern, such as ~/data/raw/*.mrc")
            with Horizontal(id="import-options"):
                for label, option, hint in _OPTIONS:
                    with Vertical(classes="import-option"):
                        yield Static(label, classes="field-unit")
                        yield self._line(option.removeprefix("--"), hint)
            yield PlaceRow()
            yield Table(_COLUMNS, empty="enter looks at the files", id="plans")
            with VerticalScroll(id="facts-pane"):
                yield Static(id="plan-facts", markup=False)
            with Horizontal(classes="buttons"):
                yield Press("import  ctrl+r", id="run", disabled=True)
                yield Press("cancel  esc", id="cancel")
                yield Static("", id="verdict", markup=False)

    @staticmethod
    def _line(name: str, hint: str) -> Input:
        line = Input(placeholder=hint, compact=True, id=name, select_on_focus=False)
        line.cursor_blink = False
        return line

    def on_mount(self) -> None:
        """Begin with the path."""
        self.query_one("#stacks").focus()
        self.place_row.ask(self.tomotui, "import")
        if self._words:
            self.query_one("#stacks", Input).value = self._words
            self.query_one("#gain", Input).value = self._gain
            self.look()

    @property
    def place_row(self) -> PlaceRow:
        """Where the import shall run."""
        from tomotui.tui.screens.launch_place import PlaceRow

        return self.query_one(PlaceRow)

    # ---- looking

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        event.stop()
        self.look()

    def arguments(self) -> list[str]:
        """Return what the preview is asked for."""
        words = matching(self.query_one("#stacks", Input).value)
        if not words:
            return []
        for _, option, _ in _OPTIONS:
            value = self.query_one(f"#{option.removeprefix('--')}", Input).value.strip()
            if value:
                words += [option, value]
        return words

    @work(exclusive=True, group="import-preview", exit_on_error=False)
    async def look(self) -> None:
        """Show what the files say."""
        arguments = self.arguments()
        if not arguments:
            self._say("say which files first", "warning")
            return
        self._say("looking at the files …")
        try:
            self.plans = await self._ask(arguments)
        except (PreviewError, OSError) as error:
            self.plans = []
            self._say(str(error), "error")
        else:
            self._say(self._verdict(), "foreground")
        look, ascii_only = self.tomotui.look, self.tomotui.ascii_only
        table = self.query_one(Table)
        table.set_rows([plan_row(plan, self.taken, look, ascii_only) for plan in self.plans])
        self.query_one("#run", Button).disabled = not self.usable()
        if self.plans:
            table.focus()

    def _verdict(self) -> str:
        bad = len(self.plans) - len(self.usable())
        words = f"{counted(len(self.usable()), 'series', 'series')} can be imported"
        return f"{words}, {bad} cannot" if bad else words

    def _say(self, words: str, role: str = "dim") -> None:
        look = self.tomotui.look
        self.query_one("#verdict", Static).update(Text(words, look.colour(role)))

    @on(Table.CursorMoved)
    def _show_facts(self, event: Table.CursorMoved) -> None:
        plan = next((plan for plan in self.plans if plan["stack"] == event.key), None)
        look, words = self.tomotui.look, Text()
        if plan is not None:
            words.append(f"{short_path(plan['stack'])}\n", Style(color=look.primary))
            for problem in plan["problems"]:
                words.append(f"{problem}\n", look.error)
            for warning in plan["warnings"]:
                words.append(f"{warning}\n", look.warning)
            for name in ("alignment", "ctf", "tomogram"):
                if plan.get(name):
                    words.append(f"{name:26} ", look.dim)
                    words.append(f"{Path(plan[name]).name}  ", look.foreground)
                    words.append("comes along\n", look.dim)
            for name, fact in plan.get("facts", {}).items():
                words.append(f"{name:26} ", look.dim)
                words.append(f"{_brief(fact.get('value'))}  ", look.foreground)
                words.append(f"{fact.get('from', '')}\n", look.dim)
        self.query_one("#plan-facts", Static).update(words)

    # ---- importing

    def usable(self) -> list[Plan]:
        """Return the plans without problems; of marked ones only those."""
        marks = self.query_one(Table).selection.marks
        return [
            plan
            for plan in self.plans
            if not plan["problems"]
            and plan["name"] not in self.taken
            and (not marks or plan["stack"] in marks)
        ]

    @on(Table.SelectionChanged)
    def _marks_changed(self) -> None:
        if self.plans:
            self._say(self._verdict(), "foreground")

    @on(Table.Activated)
    def _to_button(self) -> None:
        self.query_one("#run").focus()

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "run":
            self.action_submit()
        else:
            self.action_close()

    def action_submit(self) -> None:
        """Import what can be imported, or say what is missing."""
        button = self.query_one("#run", Button)
        if not self.usable():
            words = (
                "nothing here can be imported" if self.plans else "enter looks at the files first"
            )
            self._say(words, "warning")
        elif self._begin is not None:
            wish = self.wish()
            self.dismiss(None)
            self._begin(wish)
        elif not button.disabled:
            button.disabled = True
            self.tomotui.submit(self.wish(), self._submitted, self._refused)

    def wish(self) -> JobRequest:
        """Return the import of all that can be imported, one task a stack."""
        return JobRequest(
            stage=self.usable()[0].get("stage", "import"),
            targets=tuple(
                Target(name=plan["name"], parameters=dict(plan["parameters"]))
                for plan in self.usable()
            ),
            **self.place_row.place._asdict(),
        )

    def _submitted(self, job: Job) -> None:
        self.dismiss(job)

    def _refused(self) -> None:
        self.query_one("#run", Button).disabled = False


def _brief(value: Any) -> str:
    if isinstance(value, list) and len(value) > 3:
        return f"{value[0]} .. {value[-1]} ({len(value)})"
    return str(value)

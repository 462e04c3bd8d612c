"""The rows of a form, one for each parameter of a stage."""

from __future__ import annotations

import contextlib
import json
import types
from collections.abc import Sequence
from typing import Any, ClassVar, Union, get_args, get_origin

from rich.style import Style
from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget
from textual.widgets import Input, Static

from tomotui.stages.base import ParameterInfo
from tomotui.tui.actions import bindings
from tomotui.tui.theme import FALLBACK, Look
from tomotui.tui.widgets.marked_row import MarkedRow, RowMark
from tomotui.tui.wording import plain_value

UNITS = {"angstrom": "Å", "degree": "deg", "e/angstrom^2": "e/Å²"}
"""Short forms of units for the form."""


def members(annotation: Any) -> tuple[Any, ...]:
    """Return the members of a union, or the type alone."""
    if get_origin(annotation) in (Union, types.UnionType):
        return get_args(annotation)
    return (annotation,)


def is_optional(info: ParameterInfo) -> bool:
    """Return whether a parameter may have no value."""
    return type(None) in members(info.type)


def choices_of(info: ParameterInfo) -> tuple[tuple[str, Any], ...]:
    """Return labels and values of a parameter with few values; empty for any other."""
    kinds = [kind for kind in members(info.type) if kind is not type(None)]
    values: list[Any] = []
    for kind in kinds:
        if kind is bool:
            values += [True, False]
        elif (literal := [v for v in get_args(kind) if isinstance(v, str | int)]) and (
            get_origin(kind) not in (list, tuple, dict)
        ):
            values += literal
        else:
            return ()
    labels = [(plain_value(value), value) for value in values]
    return (*labels, ("auto", None)) if is_optional(info) else tuple(labels)


def parsed(info: ParameterInfo, words: str) -> Any:
    """Return what was typed as the stage's validation takes it; ``None`` for nothing."""
    words = words.strip()
    if not words or (words.lower() in ("none", "auto") and is_optional(info)):
        return None
    if any(get_origin(kind) in (list, tuple) for kind in members(info.type)):
        if words.startswith("[["):
            with contextlib.suppress(json.JSONDecodeError):
                return json.loads(words)
        mark = ";" if ";" in words else ","
        return [part.strip() for part in words.strip("[]()").split(mark) if part.strip()]
    return words


class Choice(Widget, can_focus=True):
    """One of a few values, changed by left, right or space."""

    BINDINGS: ClassVar[list[BindingType]] = bindings(
        "form.choice_before", "form.choice_after", "form.choice_done"
    )
    DEFAULT_CSS = """
    Choice { height: 1; width: 1fr; }
    """

    index: reactive[int] = reactive(0)

    class Changed(Message):
        """Another value was chosen."""

        def __init__(self, choice: Choice) -> None:
            super().__init__()
            self.choice = choice

        @property
        def control(self) -> Choice:
            """Where it was chosen."""
            return self.choice

    def __init__(self, labels: Sequence[str], index: int, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.labels = list(labels)
        self.set_reactive(Choice.index, index)

    def render(self) -> Text:
        """Draw the value between arrows."""
        look: Look = getattr(self.app, "look", FALLBACK)
        ascii_only = getattr(self.app, "ascii_only", False)
        left, right = ("<", ">") if ascii_only else ("‹", "›")
        arrow = Style(color=look.primary if self.has_focus else look.dim)
        words = Text(no_wrap=True)
        words.append(f"{left} ", arrow)
        words.append(self.labels[self.index] if self.labels else "", look.foreground)
        return words.append(f" {right}", arrow)

    def action_step(self, step: int) -> None:
        """Choose the next value."""
        if self.labels:
            self.index = (self.index + step) % len(self.labels)

    def watch_index(self) -> None:
        """Tell the form."""
        self.post_message(self.Changed(self))

    def on_click(self, event: events.Click) -> None:
        """Choose the next value."""
        self.focus()
        self.action_step(1)


class Field(Vertical):
    """A row of a form: label, value, unit, default and whether it differs; below it the problem.

    Parameters
    ----------
    info
        The parameter.
    value
        What it has now.
    before
        What it had in the job that is cloned; the default otherwise.
    """

    class Edited(Message):
        """The value may be another."""

    class Focused(Message):
        """The user is at this field."""

        def __init__(self, field: Field) -> None:
            super().__init__()
            self.field = field

    def __init__(self, info: ParameterInfo, value: Any, before: Any) -> None:
        super().__init__(classes="field")
        self.info = info
        self.before = before
        self.problem = ""
        self._start = value
        self._choices = choices_of(info)

    def compose(self) -> ComposeResult:
        """Lay out the row and the line for a problem."""
        info = self.info
        label = info.name.replace("_", " ")
        for unit in ("angstrom", "deg", "e per a2", "px", "kv", "mm"):
            label = label.removesuffix(f" {unit}") if info.unit else label
        default = "required" if info.required else plain_value(info.default) or "auto"
        with MarkedRow(classes="field-row"):
            yield RowMark()
            yield Static(label, classes="field-label", markup=False)
            yield self._editor()
            yield Static(UNITS.get(info.unit, info.unit), classes="field-unit", markup=False)
            yield Static(default, classes="field-default", markup=False)
        yield Static("", classes="field-problem", markup=False)

    def _editor(self) -> Widget:
        if self._choices:
            values = [value for _, value in self._choices]
            index = values.index(self._start) if self._start in values else 0
            return Choice(
                [label for label, _ in self._choices], index, id=f"value-{self.info.name}"
            )
        auto = "" if self.info.required else "auto"
        line = Input(
            plain_value(self._start),
            placeholder=auto,
            compact=True,
            id=f"value-{self.info.name}",
            select_on_focus=False,
        )
        line.cursor_blink = False
        return line

    @property
    def editor(self) -> Input | Choice:
        """The widget that holds the value."""
        found = self.query_one(f"#value-{self.info.name}")
        assert isinstance(found, Input | Choice)
        return found

    @property
    def value(self) -> Any:
        """What was typed or chosen."""
        editor = self.editor
        if isinstance(editor, Choice):
            return self._choices[editor.index][1]
        return parsed(self.info, editor.value)

    def set_value(self, value: Any) -> None:
        """Put a value into the field."""
        editor = self.editor
        if isinstance(editor, Choice):
            values = [each for _, each in self._choices]
            editor.index = values.index(value) if value in values else 0
        else:
            editor.value = plain_value(value)

    def set_default(self) -> None:
        """Put the default into the field."""
        self.set_value(None if self.info.required else self.info.default)

    @property
    def is_changed(self) -> bool:
        """True when the value differs from the one before (of the cloned job, or the default)."""
        return plain_value(self.value) != plain_value(self.before)

    def show_problem(self, words: str) -> None:
        """Say below the row what is wrong; empty when nothing is."""
        self.problem = words
        below = self.query_one(".field-problem", Static)
        below.update(words)
        below.display = bool(words)
        self.set_class(bool(words), "-wrong")
        self._show_mark()

    def _show_mark(self) -> None:
        look: Look = getattr(self.app, "look", FALLBACK)
        ascii_only = getattr(self.app, "ascii_only", False)
        if self.problem:
            mark = Text(look.glyph("failed", ascii_only), look.error)
        else:
            mark = Text(("*" if ascii_only else "●") if self.is_changed else " ", look.accent)
        self.query_one(MarkedRow).show_mark(mark)

    def on_mount(self) -> None:
        """Begin without a problem."""
        self.show_problem("")

    @on(Input.Changed)
    @on(Choice.Changed)
    def _changed(self, event: Message) -> None:
        event.stop()
        if self.is_mounted:
            self._show_mark()
            self.post_message(self.Edited())

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        event.stop()
        self.screen.focus_next()

    def on_descendant_focus(self) -> None:
        """Tell the form which field is edited."""
        self.post_message(self.Focused(self))

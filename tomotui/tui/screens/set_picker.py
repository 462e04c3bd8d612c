"""Choosing the particle set that is reviewed, or beginning one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widgets import Input, Label, OptionList, Static
from textual.widgets.option_list import Option

from tomotui.records import ParticleSet
from tomotui.tui.actions import bindings
from tomotui.tui.screens.base import Modal
from tomotui.tui.widgets.choosing import Options
from tomotui.tui.widgets.marked_row import MarkedRow, RowMark
from tomotui.tui.wording import counted


class SetPicker(Modal):
    """Offers the sets there are; gives the name of one, or a new `ParticleSet`.

    Parameters
    ----------
    sets
        Those there are, each with how many candidates it has.
    present
        Name of the set that is reviewed now.
    may_begin
        Whether a new set can be begun.
    """

    ABOUT = "particle sets"
    PROSE = (
        "One set holds the particles of one species in all tomograms. Enter opens the set under "
        "the cursor. A new one needs a name, such as ribosome, and how large the particles are: "
        "two cannot be nearer than half of that."
    )
    BINDINGS: ClassVar[list[BindingType]] = bindings("form.next", "form.previous")

    def __init__(
        self, sets: Sequence[tuple[ParticleSet, int]], present: str, may_begin: bool = True
    ) -> None:
        super().__init__()
        self.sets = sets
        self.present = present
        self.may_begin = may_begin

    def compose(self) -> ComposeResult:
        """Lay out the sets and the form of a new one."""
        with Vertical(classes="dialog small") as dialog:
            dialog.border_title = "particle sets"
            dialog.border_subtitle = self._keys()
            if self.sets:
                yield Options(*[self._option(one, n) for one, n in self.sets], id="sets")
            if self.may_begin:
                yield Label("a new set", classes="group")
                yield from self._row("name", "such as ribosome", "set-name")
                yield from self._row("diameter Å", "such as 250", "set-diameter")
                yield Static("", id="set-problem", markup=False)

    def _keys(self) -> str:
        if not self.sets:
            return "enter goes on, then begins it   esc closes"
        return f"enter opens{'   tab to a new set' if self.may_begin else ''}   esc closes"

    @staticmethod
    def _row(label: str, hint: str, name: str) -> ComposeResult:
        with MarkedRow(classes="field-row"):
            yield RowMark()
            yield Static(label, classes="field-label")
            yield Input(placeholder=hint, id=name, compact=True)

    def _option(self, one: ParticleSet, n: int) -> Option:
        size = f"{one.diameter_angstrom:.0f} Å" if one.diameter_angstrom else "size unknown"
        kind = "candidate" if one.is_picks else "particle"
        by = "" if one.is_picks else f" ({one.made_by})"
        return Option(f"{one.name:24} {size:>12}  {counted(n, kind)}{by}", id=one.name)

    def on_mount(self) -> None:
        """Begin at the set that is reviewed, or at the new one."""
        if self.sets:
            names = [one.name for one, _ in self.sets]
            options = self.query_one("#sets", OptionList)
            options.highlighted = names.index(self.present) if self.present in names else 0
            options.focus()
        elif self.may_begin:
            self.query_one("#set-name", Input).focus()
        for line in self.query(Input):
            line.cursor_blink = False

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option.id)

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        """Go to the next line, or begin the set."""
        event.stop()
        name = self.query_one("#set-name", Input).value.strip()
        diameter = self.query_one("#set-diameter", Input)
        if event.input.id == "set-name":
            diameter.focus()
            return
        problem = self._problem(name, diameter.value)
        if problem:
            look = self.tomotui.look
            sign = look.glyph("failed", self.tomotui.ascii_only)
            words = Text(f"{sign} {problem}", look.error)
            self.query_one("#set-problem", Static).update(words)
            return
        size = float(diameter.value)
        self.dismiss(ParticleSet(name=name, species=name, diameter_angstrom=size))

    def _problem(self, name: str, diameter: str) -> str:
        """Return what keeps the set from being begun; empty when nothing does."""
        if not name:
            return "the set needs a name"
        if any(name == one.name for one, _ in self.sets):
            return f"there is a set {name} already: choose it above"
        try:
            size = float(diameter)
        except ValueError:
            return "the diameter is a number of Ångström, such as 250"
        return "" if size > 0 else "the diameter must be more than 0"

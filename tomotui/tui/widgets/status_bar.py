"""The line at the bottom: hints, messages, and where commands and filters are typed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input, Static

from tomotui.tui.actions import ACTIONS, bindings
from tomotui.tui.theme import FALLBACK, Look
from tomotui.tui.widgets.message_line import Severity, message_lines, message_text

Complete = Callable[[str], Sequence[str]]

_FIRST = (
    *("list.open", "dataset.launch", "dataset.import", "list.mark", "list.filter"),
    *("pick.accept", "pick.reject", "pick.unsure", "pick.next", "pick.undo", "pick.gallery"),
    *("pick.mark", "pick.insert", "pick.audit", "pick.retrain", "pick.choose_set"),
)
"""Hints shown first; the others follow as they come, those of every screen last."""


_HELP = "app.help"
"""The hint that is always there: it tells all the others."""

_GAP = 3
"""Cells between hints."""


class Hints(Widget):
    """The keys that matter here, as far as there is room; or the last message."""

    ALLOW_SELECT = False
    DEFAULT_CSS = """
    Hints { width: 1fr; height: 1; background: $panel; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.message = ""
        self.severity: Severity = "information"
        self.right = ""
        self._drawn: Text | None = None
        self._places: list[tuple[int, int, str]] = []

    async def on_click(self, event: events.Click) -> None:
        """Do what the hint that was clicked says."""
        for start, end, name in self._places:
            if start <= event.x < end and name and not self.message:
                await self.run_action(f"screen.run_binding('{name}')")

    def render(self) -> Text:
        """Draw the line."""
        look: Look = getattr(self.app, "look", FALLBACK)
        right = Text(f" {self.right} " if self.right else "", look.accent, no_wrap=True)
        room = max(self.size.width - right.cell_len, 1)
        if self.message:
            left = message_text(self, self.message, self.severity, self.size.width)
            if self.n_lines > 1 or left.cell_len > room:
                return left
        else:
            left = self._hints(look, room)
        left.truncate(room, overflow="ellipsis", pad=True)
        return left.append_text(right)

    @property
    def n_lines(self) -> int:
        """How many lines the message needs; one where there is none."""
        if not self.message or not self.size.width:
            return 1
        return len(message_lines(self.message, self.severity, self.size.width))

    def _hints(self, look: Look, room: int) -> Text:
        line = Text(" ", no_wrap=True)
        self._places = []
        for key, binding in self._fitting(room - line.cell_len):
            start = line.cell_len
            line.append(key, look.primary)
            line.append(f" {binding.description}", look.dim)
            self._places.append((start, line.cell_len, binding.id or ""))
            line.append(" " * _GAP)
        line.rstrip()
        return line

    def _fitting(self, room: int) -> list[tuple[str, Binding]]:
        """Return the hints that there is room for, with their keys; help is never left out."""
        offered = [(self.app.get_key_display(one), one) for one in shown_bindings(self.screen)]
        left = room + _GAP - sum(_cells(*each) for each in offered if each[1].id == _HELP)
        chosen = []
        for key, binding in offered:
            if binding.id != _HELP:
                left -= _cells(key, binding)
                if left < 0:
                    break
            chosen.append((key, binding))
        rest = offered[len(chosen) :]
        return chosen + [each for each in rest if each[1].id == _HELP]

    def redraw_if_changed(self) -> None:
        """Repaint when the hints are others than those on the screen."""
        if not self.is_attached or not self.size.area:
            return
        drawn = self.render()
        if drawn != self._drawn or (self._drawn and drawn.spans != self._drawn.spans):
            self._drawn = drawn
            self.refresh()


def _cells(key: str, binding: Binding) -> int:
    """Return the cells that a hint takes, with the gap behind it."""
    return len(key) + 1 + len(binding.description) + _GAP


def shown_bindings(screen: Any) -> list[Binding]:
    """Return the bindings worth a hint: one a title, the local ones first."""
    seen: dict[str, Binding] = {}
    for active in screen.active_bindings.values():
        binding = active.binding
        if binding.show and active.enabled and binding.description:
            seen.setdefault(binding.id or binding.description, binding)
    # As declared, scope by scope: a keymap changes keys, not the order of hints.
    scopes = list(dict.fromkeys(name.partition(".")[0] for name in seen))
    declared = {name: place for place, name in enumerate(ACTIONS)}

    def rank(name: str) -> tuple[int, int, int]:
        if name in _FIRST:
            return 0, 0, _FIRST.index(name)
        scope = name.partition(".")[0]
        group = 2 if scope == "app" and name in ACTIONS else 1
        return group, scopes.index(scope), declared.get(name, -1)

    return [seen[name] for name in sorted(seen, key=rank)]


class LineInput(Input):
    """One line of text with completion by tab."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("line")

    class Cancelled(Message):
        """The user thought better of it."""

    def __init__(self) -> None:
        super().__init__(id="line-input", compact=True, select_on_focus=False)
        self.cursor_blink = False
        self.complete: Complete = lambda text: ()
        self.history: list[str] = []
        self._recalled = 0
        self._choices: list[str] = []
        self._choice = -1

    def begin(self, text: str, complete: Complete, history: list[str]) -> None:
        """Take a new line."""
        self.complete, self.history, self._recalled = complete, history, len(history)
        self._choices, self._choice = [], -1
        self.value = text
        self.cursor_position = len(text)

    async def _on_key(self, event: events.Key) -> None:
        """Take keys in their order, also those that a slow line brings in one burst.

        The binding of backspace would be run after the letters behind it.
        """
        if event.key == "backspace":
            event.stop()
            event.prevent_default()
            self.action_delete_left()
        else:
            await super()._on_key(event)

    def action_cancel(self) -> None:
        """Give up."""
        self.post_message(self.Cancelled())

    def action_complete(self, step: int) -> None:
        """Put the next completion into the line."""
        if self._choice < 0 or self.value not in self._choices:
            self._choices = list(self.complete(self.value))
            self._choice = -1 if step > 0 else 0
        if self._choices:
            self._choice = (self._choice + step) % len(self._choices)
            self.value = self._choices[self._choice]
            self.cursor_position = len(self.value)

    def action_recall(self, step: int) -> None:
        """Bring back what was typed before."""
        at = min(max(self._recalled + step, 0), len(self.history))
        self._recalled = at
        self.value = self.history[at] if at < len(self.history) else ""
        self.cursor_position = len(self.value)


class StatusBar(Horizontal):
    """Hints and messages; with ``ask`` a line of input takes their place."""

    DEFAULT_CSS = """
    StatusBar {
        height: 1; dock: bottom; background: $panel;
        & #line-prompt { width: auto; color: $primary; text-style: bold; display: none; }
        & #line-input { width: 1fr; height: 1; background: $panel; display: none; border: none; }
        & #line-input:focus { border: none; background-tint: transparent 0%; }
        & #line-offer { width: auto; max-width: 50%; color: $dim; display: none; }
        &.-asking #line-prompt, &.-asking #line-input, &.-asking #line-offer { display: block; }
        &.-asking Hints { display: none; }
    }
    """

    class Answered(Message):
        """The line was entered (``text``), is being typed (``live``), or given up (``None``)."""

        def __init__(self, purpose: str, text: str | None, live: bool = False) -> None:
            super().__init__()
            self.purpose, self.text, self.live = purpose, text, live

    def __init__(self) -> None:
        super().__init__()
        self._purpose = ""
        self._before: Widget | None = None
        self._message_id = 0

    def compose(self) -> ComposeResult:
        """Lay out hints and line."""
        yield Hints()
        yield Static("", id="line-prompt", markup=False)
        yield LineInput()
        yield Static("", id="line-offer", markup=False)

    def on_mount(self) -> None:
        """Follow the bindings and the theme."""
        hints = self.query_one(Hints)
        self.screen.bindings_updated_signal.subscribe(self, lambda _: hints.redraw_if_changed())

    @property
    def is_asking(self) -> bool:
        """True while a line is being typed."""
        return self.has_class("-asking")

    def say(self, words: str, severity: Severity = "information") -> None:
        """Show a message until the next key, or for a while."""
        hints = self.query_one(Hints)
        hints.message, hints.severity = words, severity
        self._message_id += 1
        number = self._message_id
        self.set_timer(12 if severity == "error" else 6, lambda: self._expire(number))
        self._fit(hints)

    def _expire(self, number: int) -> None:
        if number == self._message_id:
            self.clear_message()

    def clear_message(self) -> None:
        """Show the hints again."""
        hints = self.query_one(Hints)
        if hints.message:
            hints.message = ""
            self._fit(hints)

    def _fit(self, hints: Hints) -> None:
        """Be as high as the message needs: one line, unless it is longer than that."""
        n_lines = hints.n_lines
        if self.styles.height is None or self.styles.height.value != n_lines:
            self.styles.height = hints.styles.height = n_lines
        hints.refresh()

    def show_right(self, words: str) -> None:
        """Say something at the right end: the filter, how many are marked."""
        hints = self.query_one(Hints)
        if hints.right != words:
            hints.right = words
            hints.refresh()

    def ask(
        self,
        purpose: str,
        prompt: str,
        text: str = "",
        complete: Complete = lambda text: (),
        history: list[str] | None = None,
    ) -> None:
        """Let the user type a line; the answer comes as messages."""
        self._purpose = purpose
        self._before = self.screen.focused
        self.query_one("#line-prompt", Static).update(f" {prompt}")
        self.query_one("#line-offer", Static).update("")
        self.add_class("-asking")
        line = self.query_one(LineInput)
        line.begin(text, complete, history if history is not None else [])
        line.focus()

    def _end(self) -> None:
        self.remove_class("-asking")
        before, self._before = self._before, None
        if before is not None and before.is_attached:
            self.screen.set_focus(before)
        else:
            # Nothing had the focus yet: a line that is not seen must not keep it.
            others = (one for one in self.screen.focus_chain if not isinstance(one, LineInput))
            self.screen.set_focus(next(others, None))

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        if self.is_asking:
            offers = self.query_one(LineInput).complete(event.value)
            rest = [offer for offer in offers if offer != event.value][:6]
            words = "  ".join(offer.rpartition(" ")[2] for offer in rest)
            self.query_one("#line-offer", Static).update(f"{words} " if words else "")
            self.post_message(self.Answered(self._purpose, event.value, live=True))

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        event.stop()
        line = self.query_one(LineInput)
        if event.value.strip() and event.value not in line.history[-1:]:
            line.history.append(event.value)
        self._end()
        self.post_message(self.Answered(self._purpose, event.value))

    @on(LineInput.Cancelled)
    def _given_up(self, event: LineInput.Cancelled) -> None:
        event.stop()
        self._end()
        self.post_message(self.Answered(self._purpose, None))

    def on_descendant_blur(self, event: events.DescendantBlur) -> None:
        """Give up when the line loses the focus to something else."""
        if self.is_asking and isinstance(event.widget, LineInput) and self._before is not None:
            self._before = None
            self.remove_class("-asking")

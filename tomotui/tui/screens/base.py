"""What the screens of all modes share: header, status bar, feeds, filter and command line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.await_complete import AwaitComplete
from textual.binding import BindingType
from textual.geometry import Size
from textual.screen import ModalScreen, Screen
from textual.timer import Timer
from textual.worker import Worker

from tomotui.tui.actions import bindings
from tomotui.tui.feeds import Rounds
from tomotui.tui.screens.next_key import NextKeyScreen
from tomotui.tui.session import OpenScreen, PicksWish, Session
from tomotui.tui.snapshots import Counts
from tomotui.tui.widgets.header import MODES, HeaderLine, HeaderState
from tomotui.tui.widgets.log_view import LogView
from tomotui.tui.widgets.message_line import MessageLine, Severity
from tomotui.tui.widgets.status_bar import StatusBar
from tomotui.tui.widgets.table import Table

if TYPE_CHECKING:
    from tomotui.tui.app import TomotuiApp

BREAKPOINTS = [(0, "-narrow"), (100, "-normal"), (170, "-wide")]
NO_BREAKPOINTS: list[tuple[int, str]] = []
LOW_BREAKPOINTS = [(0, "-low"), (30, "-high")]
SHORT_LINES = 20
"""With fewer lines than this, one pane at a time has the room; of the others there is the title."""


REST_SECONDS = 0.05
"""Stillness of the cursor after which its details are shown."""


def fit_at_once(screen: Screen[Any], size: Size) -> None:
    """Give a new screen the classes of its size, so that its first picture is laid out for it.

    Textual gives them with the first resize, after a picture that nobody is meant to see.
    """
    across, along = screen.HORIZONTAL_BREAKPOINTS, screen.VERTICAL_BREAKPOINTS
    for cells, breakpoints in ((size.width, across), (size.height, along)):
        reached = [name for least, name in sorted(breakpoints or ()) if cells >= least]
        screen.add_class(*reached[-1:])
    screen.set_class(size.height < SHORT_LINES, "-short")


class Frame(NextKeyScreen):
    """A screen with a header above and a status bar below.

    Attributes
    ----------
    mode
        Which tab of the header it belongs to.
    ABOUT, PROSE
        What the screen is, and what it is for in a sentence or two, for the help.
    kept_session
        Where the user was in the project that the screen was made for.
    """

    mode: ClassVar[str] = ""
    ABOUT: ClassVar[str] = ""
    PROSE: ClassVar[str] = ""
    HORIZONTAL_BREAKPOINTS = BREAKPOINTS
    VERTICAL_BREAKPOINTS = LOW_BREAKPOINTS
    BINDINGS: ClassVar[list[BindingType]] = bindings("pane")

    def __init__(self) -> None:
        super().__init__()
        # A new screen gets its styles when it is mounted; without this Textual would parse all
        # style sheets anew, twice, whenever a mode is shown for the first time.
        self._css_update_count = self.app._css_update_count
        fit_at_once(self, self.app.size)
        self.feeds: list[Rounds] = []
        self.counts = Counts()
        self.kept_session: Session = self.tomotui.session
        self._alarm = ""
        self._rest: Timer | None = None

    @property
    def tomotui(self) -> TomotuiApp:
        """The app, by its own type."""
        return self.app  # type: ignore[return-value]

    def compose(self) -> ComposeResult:
        """Lay out header, body and status bar."""
        yield HeaderLine(self.header_state())
        yield from self.compose_body()
        yield StatusBar()

    def compose_body(self) -> ComposeResult:
        """Lay out what is between header and status bar."""
        yield from ()

    # ---- panes

    def on_resize(self, event: events.Resize) -> None:
        """Show one pane at a time where there are few lines."""
        self.set_class(event.size.height < SHORT_LINES, "-short")

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Open the pane that has got the focus; it stays open while a line is typed."""
        holders = event.widget.ancestors_with_self
        if not any(one.has_class("pane") for one in holders):
            return
        for pane in self.query(".pane"):
            for one in pane.ancestors_with_self:
                if one is self:
                    break
                one.set_class(one in holders, "-open")

    # ---- header and status bar

    def crumbs(self) -> tuple[str, ...]:
        """Return where the user is within the mode."""
        return ()

    def picks_wish(self) -> PicksWish | None:
        """Return which candidates are meant when one goes from here to review some."""
        return None

    def header_state(self) -> HeaderState:
        """Return what the header says now."""
        return HeaderState(
            project=self.tomotui.project_name,
            mode=self.mode,
            crumbs=self.crumbs(),
            counts=self.counts,
            read_only=self.tomotui.read_only,
            alarm=self._alarm,
            glance=self.tomotui.surroundings.glance,
            mode_keys=tuple(self.tomotui.key_of(f"mode.{name}") for name, *_ in MODES),
        )

    def update_header(self) -> None:
        """Let the header follow."""
        if self.is_mounted:
            self.query_one(HeaderLine).show(self.header_state())

    def surroundings_changed(self) -> None:
        """Let the header tell what is new about the machine and other people."""
        self.update_header()

    def set_alarm(self, words: str) -> None:
        """Show in the header that the project cannot be read; empty when it can."""
        self._alarm = words
        self.update_header()

    @property
    def status_bar(self) -> StatusBar:
        """The line at the bottom."""
        return self.query_one(StatusBar)

    def say(self, words: str, severity: Severity = "information") -> None:
        """Show a message in the status bar."""
        self.status_bar.say(words, severity)

    def on_key(self, event: events.Key) -> None:
        """Take the last message away: it was seen. Say so when a key has nothing to do here."""
        if not self.is_mounted:
            return
        self.status_bar.clear_message()
        if self.wants_key:
            return
        bound = self.active_bindings.get(event.key)
        if bound is not None and bound.enabled:
            return
        key = event.character if event.is_printable else event.key
        why = self.why_idle() if bound is not None else f"{key} does nothing here"
        self.say(f"{why}; {self.tomotui.key_of('app.help')} shows the keys")
        if bound is not None:
            # What the key does elsewhere is not meant here.
            event.stop()

    def why_idle(self) -> str:
        """Return why keys of this screen, whose actions are disabled, have nothing to do now."""
        return "there is nothing to do that with"

    # ---- coming back

    def keep_place(self) -> None:
        """Put into ``kept_session`` what is seen here, so that the next start shows it again."""

    def as_opened(self) -> OpenScreen | None:
        """Return what opens this screen again above its mode; ``None`` for the modes themselves."""
        return None

    # ---- life

    def watch_feed(self, feed: Rounds) -> None:
        """Start a feed that lives as long as the screen and rests while it is hidden."""
        self.feeds.append(feed)
        feed.start()

    def on_screen_suspend(self) -> None:
        """Rest while nobody looks."""
        self.tomotui.surroundings.hidden_by(self)
        self.keep_place()
        for feed in self.feeds:
            feed.pause()
        for log in self.query(LogView):
            log.hide(True)

    def on_screen_resume(self) -> None:
        """Go on."""
        self.tomotui.tour_arrives(self)
        self.tomotui.surroundings.shown_by(self)
        self.update_header()
        for feed in self.feeds:
            feed.resume()
        for log in self.query(LogView):
            log.hide(False)

    def on_unmount(self) -> None:
        """Stop the feeds."""
        for feed in self.feeds:
            feed.stop()

    def when_at_rest(self, do: Callable[[], object]) -> None:
        """Do something once the cursor rests; a later wish replaces this one.

        Details that follow every step of a held key would hold up the cursor.
        """
        if self._rest is not None:
            self._rest.stop()
        self._rest = self.set_timer(REST_SECONDS, do)

    def refresh_now(self) -> None:
        """Look at the project at once: something was changed here."""
        for feed in self.feeds:
            feed.hurry()

    # ---- keys

    def action_jump(self) -> None:
        """Show letters over tabs and panes."""
        from tomotui.tui.screens.jump import start_jump

        start_jump(self)

    def offer_copies(self, texts: Mapping[str, str]) -> None:
        """Show the menu of what can be copied; keys are the kinds of `YankMenu`."""
        from tomotui.tui.screens.yank import YankMenu

        def copy(text: str | None) -> None:
            if text:
                self.tomotui.copy(text)

        self.app.push_screen(YankMenu(texts), copy)

    def action_zoom_pane(self) -> None:
        """Give the focused pane the whole body, or share again."""
        panes = list(self.query(".pane"))
        focused = self.focused
        if focused is None or not panes:
            return
        zoomed = not self.has_class("-zoomed")
        self.set_class(zoomed, "-zoomed")
        for pane in panes:
            mine = pane is focused or pane in focused.ancestors
            pane.set_class(zoomed and mine, "-zoom")

    async def action_run_binding(self, name: str) -> None:
        """Do what a key would do, for clicks on hints."""
        self.tomotui.run_registered(name)

    def action_filter(self) -> None:
        """Type a filter for the list that has the focus."""
        table = self.filtered_table()
        if table is not None:
            self.status_bar.ask("filter", "/", table.filter.text)

    def action_search_log(self) -> None:
        """Type what to find in the log."""
        self.status_bar.ask("search", "/")

    def filtered_table(self) -> Table | None:
        """Return the list that a filter applies to."""
        if isinstance(self.focused, Table):
            return self.focused
        return next(iter(self.query(Table)), None)

    def go_back(self) -> bool:
        """Undo what narrows the view, one thing at a time; false when there is nothing."""
        if self.has_class("-zoomed"):
            self.action_zoom_pane()
            return True
        table = self.filtered_table()
        if table is None:
            return False
        if isinstance(self.focused, LogView):
            table.focus()
            return True
        if table.clear_marks():
            return True
        if not table.filter.is_empty:
            table.set_filter("")
            return True
        return False

    @on(Worker.StateChanged)
    def _worker_changed(self, event: Worker.StateChanged) -> None:
        self.tomotui.worker_changed(event)

    @on(StatusBar.Answered)
    def _line_answered(self, event: StatusBar.Answered) -> None:
        event.stop()
        if event.purpose == "command" and not event.live and event.text:
            self.tomotui.run_command_line(event.text)
        elif event.purpose == "filter":
            table = self.filtered_table()
            if table is not None:
                table.set_filter(event.text or "")
        elif event.purpose == "search" and not event.live and event.text is not None:
            self.query_one(LogView).search(event.text)

    @on(Table.SelectionChanged)
    def _selection_changed(self) -> None:
        self.update_right()

    def update_right(self) -> None:
        """Say at the right of the status bar what is filtered and marked."""
        table = self.filtered_table()
        if table is None or not self.is_mounted:
            return
        words = []
        marked = len(table.selection.marks)
        if table.selection.in_range:
            words.append("range: v marks it")
        if marked:
            words.append(f"{marked} marked")
        if not table.filter.is_empty:
            words.append(f"/{table.filter.text}  {len(table.rows)} of {table.total}  esc clears")
        self.status_bar.show_right("   ".join(words))


class Modal(ModalScreen[Any]):
    """A dialog on an opaque ground: nothing behind it has to be painted or mixed."""

    ABOUT: ClassVar[str] = ""
    PROSE: ClassVar[str] = ""
    HORIZONTAL_BREAKPOINTS = BREAKPOINTS
    VERTICAL_BREAKPOINTS = LOW_BREAKPOINTS
    BINDINGS: ClassVar[list[BindingType]] = bindings("dialog.close", "dialog.help")

    _has_answered = False

    def __init__(self) -> None:
        super().__init__()
        fit_at_once(self, self.app.size)

    @property
    def tomotui(self) -> TomotuiApp:
        """The app, by its own type."""
        return self.app  # type: ignore[return-value]

    def on_resize(self, event: events.Resize) -> None:
        """Leave out what is not needed where there are few lines."""
        self.set_class(event.size.height < SHORT_LINES, "-short")

    @on(Worker.StateChanged)
    def _worker_changed(self, event: Worker.StateChanged) -> None:
        self.tomotui.worker_changed(event)

    def say(self, words: str, severity: Severity = "information") -> None:
        """Show a message at the bottom, until the next key."""
        if not self.query(MessageLine):
            self.mount(MessageLine())
        self.query_one(MessageLine).say(words, severity)

    def on_key(self) -> None:
        """Take the last message away: it was seen."""
        for line in self.query(MessageLine):
            line.say("")

    def dismiss(self, result: Any = None) -> AwaitComplete:
        """Close with a result; of two keys in one breath the first one counts."""
        if not self._has_answered:
            self._has_answered = True
            return super().dismiss(result)
        return self.app.pop_screen() if self.is_current else AwaitComplete()

    def action_close(self) -> None:
        """Close without doing anything."""
        self.dismiss(None)

    def on_click(self, event: events.Click) -> None:
        """Close when the ground beside the dialog is clicked."""
        if event.widget is self:
            self.action_close()

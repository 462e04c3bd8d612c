"""The link to the user: telling that jobs have ended, clipboard, mouse, characters."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from textual import on, work
from textual.driver import Driver
from textual.message import Message

from tomotui.records import Job, Status
from tomotui.tui import clipboard, notifications, session
from tomotui.tui.driver import TerminalDriver
from tomotui.tui.feeds import Feed, Observation
from tomotui.tui.hook import run_hook
from tomotui.tui.job_ends import JobEnds, JobEndsReader
from tomotui.tui.mouse import DEFAULT_MOUSE, MOUSE_MODES, MOUSE_VARIABLE, MouseMode
from tomotui.tui.raster.capability import GLYPH_VARIABLE, with_glyphs
from tomotui.tui.raster.control import write_to_terminal
from tomotui.tui.raster.tiers import GlyphName
from tomotui.tui.session import one_of
from tomotui.tui.terminal import Terminal
from tomotui.tui.type_ahead import TypeAhead
from tomotui.tui.wording import one_line, shortened

GATHER_SECONDS = 1.5
"""Jobs that end within this time are told of together."""
LOOK_SECONDS = 1.0


class JobEndsSeen(Message, bubble=False):
    """It was looked which jobs have ended."""

    def __init__(self, folder: Path, observation: Observation[JobEnds]) -> None:
        super().__init__()
        self.folder, self.observation = folder, observation


class Linking(TypeAhead):
    """The part of the app that knows the terminal it is shown by.

    Parameters
    ----------
    terminal
        Which one that is; nothing is known of it when not given.
    """

    def __init__(self, *, terminal: Terminal | None = None, **settings: Any) -> None:
        self.terminal = terminal or Terminal()
        super().__init__(**settings)
        self._ends: Feed[JobEnds] | None = None
        self._ended: list[Job] = []
        self._hook_has_failed = False

    # ---- jobs that end

    def watch_job_ends(self) -> None:
        """Look from now on which jobs of the project end."""
        self.ignore_job_ends()
        folder = self.folder
        if folder is None:
            return
        self._ends = Feed(
            folder,
            JobEndsReader(self.session.unfinished),
            lambda seen: self.post_message(JobEndsSeen(folder, seen)),
            interval_seconds=LOOK_SECONDS,
        )
        self._ends.start()

    def ignore_job_ends(self) -> None:
        """Look no more."""
        if self._ends is not None:
            self._ends.stop()
            self._ends = None

    @on(JobEndsSeen)
    def _job_ends_seen(self, message: JobEndsSeen) -> None:
        seen = message.observation.value
        if seen is None or message.folder != self.folder:
            return
        self.session.unfinished = list(seen.unfinished)
        if seen.away:
            self.say(f"{notifications.how_they_ended(seen.away)} while you were away")
        if seen.ended:
            if not self._ended:
                self.set_timer(GATHER_SECONDS, self._tell_of_ends)
            self._ended += seen.ended

    def _tell_of_ends(self) -> None:
        jobs, self._ended = sorted(self._ended, key=lambda job: job.id), []
        news = notifications.words_of(jobs, self.project_name)
        all_well = all(job.status == Status.DONE for job in jobs)
        self.say(news.text, "information" if all_well else "warning")
        self._write_news(news)
        command = os.environ.get(notifications.HOOK_VARIABLE) or self.preferences.hook
        if command and self.notify_wish != "off":
            facts = notifications.facts_of(jobs, news, str(self.folder or ""))
            run_hook(command, facts, lambda problem: self.call_later(self._hook_failed, problem))

    def _write_news(self, news: notifications.Ended) -> None:
        sequence = notifications.sequence_of(news, self.terminal, self.notify_wish)
        if sequence:
            write_to_terminal(self, sequence)

    def _hook_failed(self, problem: str) -> None:
        """Say once that the hook does not work: it will fail the next time as well."""
        if not self._hook_has_failed:
            self._hook_has_failed = True
            self.say(problem, "warning")

    @property
    def notify_wish(self) -> notifications.Wish:
        """How the user wants to be told; the environment goes before what was chosen here."""
        wish = os.environ.get(notifications.VARIABLE, "").lower()
        return one_of(notifications.WISHES, wish) or self.preferences.notify

    def use_notify(self, wish: notifications.Wish) -> None:
        """Be told like this from now on."""
        self.preferences.notify = wish
        session.save_preferences(self.preferences)
        by = notifications.told_by(self.terminal, wish)
        self._say_setting(f"ends of jobs are told by {by}", notifications.VARIABLE)

    def action_next_notify(self) -> None:
        """Be told by words and bell, by the bell alone, or not at all."""
        wishes: tuple[notifications.Wish, ...] = ("on", "bell", "off")
        now = self.preferences.notify
        at = wishes.index(now) if now in wishes else 0
        self.use_notify(wishes[(at + 1) % len(wishes)])

    def action_try_notification(self) -> None:
        """Tell of a job that has not ended."""
        name = self.project_name or "without a project"
        self._write_news(notifications.Ended(f"tomotui {name}", "this is a try: no job has ended"))
        way = notifications.way_of(self.terminal, self.notify_wish)
        self.say(
            "notifications are off: :notify on"
            if self.notify_wish == "off"
            else f"told {self.terminal.key} by {way}; nothing seen or heard? :doctor"
        )

    def use_hook(self, command: str) -> None:
        """Run a command when jobs have ended; none when it is empty."""
        self.preferences.hook, self._hook_has_failed = command, False
        session.save_preferences(self.preferences)
        words = f"when jobs end: {shortened(command, 60)}" if command else "no hook when jobs end"
        self._say_setting(words, notifications.HOOK_VARIABLE)

    def _say_setting(self, words: str, variable: str) -> None:
        if os.environ.get(variable):
            self.say(f"kept, but {variable} goes before it while it is set", "warning")
        else:
            self.say(words)

    # ---- the mouse

    def get_driver_class(self) -> type[Driver]:
        """Return the driver of this platform; that of terminals knows how much mouse is wished."""
        usual = super().get_driver_class()
        return TerminalDriver if usual is TerminalDriver.__base__ else usual

    @property
    def mouse_mode(self) -> MouseMode:
        """How much of the mouse the terminal is asked for."""
        wish = os.environ.get(MOUSE_VARIABLE, "").lower()
        return one_of(MOUSE_MODES, wish) or self.preferences.mouse or DEFAULT_MOUSE

    def use_mouse(self, mode: MouseMode) -> None:
        """Ask for so much of the mouse from now on."""
        self.preferences.mouse = mode
        session.save_preferences(self.preferences)
        if isinstance(self._driver, TerminalDriver):
            self._driver.mouse_changed()
        words = {
            "off": "mouse off: the terminal selects text as elsewhere",
            "click": "mouse: clicks and wheel; shift selects text in most terminals",
            "full": "mouse: every movement",
        }
        self._say_setting(words[mode], MOUSE_VARIABLE)

    def action_next_mouse(self) -> None:
        """Ask for more or less of the mouse."""
        at = MOUSE_MODES.index(self.preferences.mouse or DEFAULT_MOUSE)
        self.use_mouse(MOUSE_MODES[(at + 1) % len(MOUSE_MODES)])

    # ---- the clipboard

    def copy(self, text: str) -> None:
        """Copy text to the clipboard of the user's own terminal, through SSH as well."""
        self.copy_to_clipboard(text)
        if not clipboard.why_too_long(text):
            self.say(f"copied {shortened(one_line(text), 100)}")

    def copy_to_clipboard(self, text: str) -> None:
        """Copy text; says so when that is not possible."""
        self._clipboard = text
        if problem := clipboard.why_too_long(text):
            self.call_later(self.say, problem, "warning")
        elif not self.is_headless and clipboard.can_ask_tmux(
            self.terminal, os.environ.get("TMUX", "")
        ):
            self._copy_by_tmux(text)
        else:
            write_to_terminal(self, clipboard.sequence_of(text, self.terminal))

    @work(thread=True, exit_on_error=False, group="clipboard")
    def _copy_by_tmux(self, text: str) -> None:
        taken, remark = clipboard.give_to_tmux(text)
        if not taken:
            sequence = clipboard.sequence_of(text, self.terminal)
            self.call_later(write_to_terminal, self, sequence)
        elif remark:
            self.call_later(self.say, remark, "warning")

    # ---- characters

    def action_calibrate(self) -> None:
        """Show the test card."""
        from tomotui.tui.screens.calibrate import CalibrateScreen

        if not isinstance(self.screen, CalibrateScreen):
            card = CalibrateScreen(self.capability, self.terminal.key)
            self.push_screen(card, self._calibrated)

    def ask_for_characters(self) -> None:
        """Show the test card once in a terminal whose font nothing is known of."""
        if (
            not self.is_headless
            and self.capability.is_guess
            and self.terminal.key not in self.preferences.glyphs
        ):
            self.action_calibrate()

    def _calibrated(self, name: GlyphName | None) -> None:
        """Draw everything with what was chosen; whoever chose nothing is not asked again."""
        now = self.capability.glyphs
        self.keep_glyphs(name or now)
        if os.environ.get(GLYPH_VARIABLE):
            self.say(f"kept, but {GLYPH_VARIABLE} goes before it while it is set", "warning")
        if name is not None and name != now:
            self.draw_anew()

    def keep_glyphs(self, name: GlyphName) -> None:
        """Draw with these from now on, in this terminal and at the next start as well."""
        self.capability = with_glyphs(self.capability, name)
        self.show_in_characters()
        if self.preferences.glyphs.get(self.terminal.key) != name:
            self.preferences.glyphs[self.terminal.key] = name
            session.save_preferences(self.preferences)

    def draw_anew(self) -> None:
        """Make all screens anew."""
        raise NotImplementedError

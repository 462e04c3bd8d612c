"""The terminal application: its life, and coming back to where the user was."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from textual.screen import Screen

from tomotui.project import Project, ProjectError
from tomotui.tui import garbage, hanging_up, keymap, session
from tomotui.tui.appearance import THEME_POLL_SECONDS
from tomotui.tui.kept_glyphs import with_kept_glyphs
from tomotui.tui.mishaps import Mishaps
from tomotui.tui.navigation import MODES
from tomotui.tui.raster.capability import detect_capability, probe_terminal
from tomotui.tui.screens.base import Frame
from tomotui.tui.surroundings import AGES_SECONDS
from tomotui.tui.terminal import ask_tmux_of_its_terminal, identify

SAVE_SECONDS = 2.0


# Screens are imported when they are first shown: starting must stay fast.


def _welcome() -> Screen[Any]:
    from tomotui.tui.screens.welcome import WelcomeScreen

    return WelcomeScreen(Path.cwd())


def _jobs() -> Screen[Any]:
    from tomotui.tui.screens.jobs import JobsScreen

    return JobsScreen()


def _live() -> Screen[Any]:
    from tomotui.tui.screens.live import LiveScreen

    return LiveScreen()


def _cluster() -> Screen[Any]:
    from tomotui.tui.screens.cluster import ClusterScreen

    return ClusterScreen()


def _maps() -> Screen[Any]:
    from tomotui.tui.screens.maps import MapsScreen

    return MapsScreen()


def _variation() -> Screen[Any]:
    from tomotui.tui.screens.variation import VariationScreen

    return VariationScreen()


class TomotuiApp(Mishaps):
    """Tilt series, slices and jobs of a project, in a terminal.

    Parameters
    ----------
    project_folder
        The project to open; without one the welcome screen is shown.
    settings
        See the classes this one is made of.
    """

    TITLE = "tomotui"
    CSS_PATH = "app.tcss"
    ENABLE_COMMAND_PALETTE = True

    def __init__(self, project_folder: Path | None = None, **settings: Any) -> None:
        super().__init__(**settings)
        self._folder_at_start = project_folder
        self._saved = ""
        self.add_mode("welcome", _welcome)

    # ---- life

    def on_mount(self) -> None:
        """Open the project, or welcome; watch themes and signals."""
        self.set_interval(THEME_POLL_SECONDS, self.watch_theme_files)
        self.set_interval(SAVE_SECONDS, self.save_session)
        self.set_interval(AGES_SECONDS, self.surroundings_changed)
        if not self.is_headless:
            hanging_up.on_hangup(self.leave_on_signal)
            self.set_interval(SAVE_SECONDS, self.leave_when_hung_up)
        try:
            self.use_keymap(self.preferences.keymap, keep=False)
        except keymap.KeymapError as error:
            self.call_after_refresh(self.say, str(error), "warning")
        if self._folder_at_start is None or not self.open_project(self._folder_at_start):
            self.switch_mode("welcome")
            self.call_after_refresh(garbage.resume)
            self.call_after_refresh(self.ask_for_characters)

    def open_project(self, folder: Path) -> bool:
        """Open a project, as it was left; tells whether that was possible."""
        try:
            project, read_only = self._opened(folder)
        except ProjectError as error:
            self.call_later(self.show_error, error.message, error.remedy)
            return False
        self.save_session()
        if self.project is not None:
            self.project.close()
        self.project, self.read_only = project, read_only
        self.history.forget()
        self.trail.forget()
        self.surroundings.open_project(project.folder, read_only)
        self.session = session.load_session(project.folder)
        session.remember_project(project.folder)
        self.preferences = session.load_preferences()
        self.use_theme_of_project(project.folder, self.session.theme)
        self.await_screen()
        self.call_later(self._enter)
        return True

    def _opened(self, folder: Path) -> tuple[Project, bool]:
        """Open a project; read-only when it cannot be written."""
        if not self.read_only:
            try:
                return Project.open(folder), False
            except ProjectError as refused:
                try:
                    return Project.open(folder, read_only=True), True
                except ProjectError:
                    raise refused from None
        return Project.open(folder, read_only=True), True

    async def _enter(self) -> None:
        """Make the modes anew and go where the user was."""
        if self.current_mode in MODES:
            await self.switch_mode("welcome")
        for mode in MODES:
            if mode in self._modes:
                await self.remove_mode(mode)
        opened = self.session.opened
        self.add_mode("datasets", self._datasets)
        self.add_mode("slices", self._slices)
        self.add_mode("picks", self._picks)
        self.add_mode("jobs", _jobs)
        self.add_mode("cluster", _cluster)
        self.add_mode("maps", _maps)
        self.add_mode("live", _live)
        self.add_mode("variation", _variation)
        self.last_mode = ""
        await self.switch_mode(self.session.mode if self.session.mode in MODES else "datasets")
        self.open_again(opened)
        self.screen_has_come()
        self.watch_job_ends()
        self.call_after_refresh(garbage.resume)
        self.ask_for_characters()
        if not self.read_only:
            self.wake_agent()

    def _datasets(self) -> Screen[Any]:
        from tomotui.tui.screens.datasets import DatasetsScreen

        return DatasetsScreen(self.series_stages)

    def _slices(self) -> Screen[Any]:
        from tomotui.tui.screens.slices_mode import SlicesMode

        assert self.project is not None
        series = self.take_wanted_series() or self.session.series
        return SlicesMode(self.project, self.capability, series)

    def _picks(self) -> Screen[Any]:
        from tomotui.tui.screens.picks_mode import PicksMode

        assert self.project is not None
        return PicksMode(self.project, self.capability, self.session.picks)

    def save_session(self) -> None:
        """Remember where the user is, when that has changed."""
        if self.project is None:
            return
        if self.current_mode in MODES:
            self.session.mode = self.current_mode
            self._keep_screens()
        self.session.theme = self.theme
        now = self.session.model_dump_json()
        if now != self._saved:
            self._saved = now
            session.save_session(self.project.folder, self.session)

    def draw_anew(self) -> None:
        """Make all screens anew, as they are."""
        if self.project is not None:
            self.save_session()
            self.await_screen()
            self.call_later(self._enter)

    def _keep_screens(self) -> None:
        """Keep what the screens of the mode show; those of other modes did so when they were left.

        A screen of the project before this one has nothing to say here.
        """
        frames = [screen for screen in self.screen_stack if isinstance(screen, Frame)]
        # One that is only about to be shown has nothing to ask yet.
        ready = [screen for screen in frames if screen.is_running and screen.is_mounted]
        mine = [screen for screen in ready if screen.kept_session is self.session]
        for screen in mine:
            screen.keep_place()
        if mine:
            opened = [screen.as_opened() for screen in mine]
            self.session.opened = next((one for one in reversed(opened) if one), None)

    def exit(self, *words: Any, **settings: Any) -> None:
        """Remember where the user is while the screens are still there, and end."""
        self.save_session()
        super().exit(*words, **settings)

    def leave_on_signal(self, number: int) -> None:
        """Leave: the terminal is gone or somebody wants us to end. Jobs go on."""
        self.exit(return_code=128 + number)

    def leave_when_hung_up(self) -> None:
        """Leave when the terminal went without a word."""
        if hanging_up.is_gone():
            hanging_up.leave_for_certain(signal.SIGHUP)
            self.leave_on_signal(signal.SIGHUP)

    def on_unmount(self) -> None:
        """Let go of the project."""
        self.surroundings.leave()
        self.save_session()
        self.ignore_job_ends()
        if self.project is not None:
            self.project.close()


def run(project_folder: Path | None, *, read_only: bool = False, theme: str | None = None) -> int:
    """Open the screens and return the exit code when the user leaves them."""
    report = probe_terminal(sys.__stdin__.fileno(), sys.__stdout__.fileno())  # type: ignore[union-attr]
    outer = ask_tmux_of_its_terminal(os.environ)
    terminal = identify(os.environ, report.name, report.version, outer)
    kept = session.load_preferences().glyphs
    app = TomotuiApp(
        project_folder,
        read_only=read_only,
        theme=theme,
        capability=with_kept_glyphs(detect_capability(probe=report), kept, terminal, os.environ),
        terminal=terminal,
    )
    app.run()
    if app.farewell:
        sys.stdout.write(f"{app.farewell}\n")
    return app.return_code or 0

"""The tour within the app: it listens to what is done, and is shown on every screen."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import platformdirs
from textual import work
from textual.binding import Binding
from textual.dom import DOMNode
from textual.screen import Screen

from tomotui.project import ProjectError
from tomotui.tui import keymap, session
from tomotui.tui.actions import ACTIONS
from tomotui.tui.project_work import ProjectWork
from tomotui.tui.screens.base import Frame
from tomotui.tui.tour import STEPS, Tour, with_keys
from tomotui.tui.widgets.status_bar import StatusBar
from tomotui.tui.widgets.tour_panel import TourPanel, TourState


def tour_folder() -> Path:
    """Return where the tour's project lies when nothing else is said."""
    return platformdirs.user_data_path("tomotui") / "tour"


class Touring(ProjectWork):
    """The part of the app that guides.

    Attributes
    ----------
    tour
        Where the user is in it; kept with the preferences, so that it can be taken up.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.tour = Tour(self.preferences.tour_step, self.preferences.tour_is_on)
        self._changed_keys: dict[str, str] = {}

    def open_project(self, folder: Path) -> bool:
        """Open a project, as it was left; tells whether that was possible."""
        raise NotImplementedError

    def set_keymap(self, keymap: Mapping[str, str]) -> None:
        """Put on other keys, and name them from now on."""
        super().set_keymap(dict(keymap))
        self._changed_keys = dict(keymap)
        if self.is_running:
            self.show_tour(self.screen)

    # ---- beginning and leaving

    def begin_tour(self, again: bool = False) -> None:
        """Begin or take up the tour, in the project that is open or in the sample's."""
        if self.project is None:
            self.begin_tour_in(tour_folder(), again)
            return
        self.tour.begin(again)
        self._tour_moved()

    def begin_tour_in(self, folder: Path, again: bool = False) -> None:
        """Make the project of the sample data, or open it, and begin."""
        if not self.refuse_when_read_only():
            self.say("making the project of the sample …")
            self._make_sample(folder, again)

    @work(thread=True, exit_on_error=False, group="tour")
    def _make_sample(self, folder: Path, again: bool) -> None:
        from tomotui.jobs.sample import begin_sample

        try:
            begin_sample(folder, start_agent=self.start_agents)
        except ProjectError as error:
            self.call_later(self.show_error, error.message, error.remedy)
        else:
            self.call_later(self._begin_in, folder, again)

    def _begin_in(self, folder: Path, again: bool) -> None:
        if self.open_project(folder):
            self.tour.begin(again)
            self.call_later(self._tour_moved)

    def action_tour(self) -> None:
        """Begin the tour, or take it up."""
        self.begin_tour()

    def action_tour_skip(self) -> None:
        """Go on to the next step."""
        self.tour.skip()
        self._tour_moved()

    def action_tour_leave(self) -> None:
        """Leave the tour; it can be taken up."""
        is_over = self.tour.at >= len(STEPS)
        self.tour.is_on = False
        self._tour_moved()
        self.say("that was the tour" if is_over else ":tour takes it up again")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer the keys of the tour only while it is on."""
        if action in ("tour_skip", "tour_leave"):
            return self.tour.is_on
        return super().check_action(action, parameters)

    # ---- listening

    async def run_action(
        self, action: Any, default_namespace: DOMNode | None = None, namespaces: Any = None
    ) -> bool:
        """Do an action, and tell the tour which it was."""
        heard = self._ids(action, default_namespace) if self.tour.is_on else set()
        done = await super().run_action(action, default_namespace, namespaces)
        if done and self.tour.hear(heard, self.current_mode):
            self._tour_moved()
        return done

    def _ids(self, action: Any, namespace: DOMNode | None) -> set[str]:
        """Return the registered actions that a call may be."""
        if not isinstance(action, str):
            return set()
        found = {
            active.binding.id
            for active in self.screen.active_bindings.values()
            if active.binding.action == action
            and namespace in (None, active.node)
            and active.binding.id
        }
        return found or {each.id for each in ACTIONS.values() if each.method == action}

    def tour_arrives(self, screen: Screen[Any]) -> None:
        """Show the tour on a screen; go on when its mode is the one asked for."""
        if self.tour.hear((), self.current_mode):
            self._tour_moved()
        self.show_tour(screen)

    # ---- showing

    def _tour_moved(self) -> None:
        kept = (self.preferences.tour_step, self.preferences.tour_is_on)
        if kept != (self.tour.at, self.tour.is_on):
            self.preferences.tour_step = self.tour.at
            self.preferences.tour_is_on = self.tour.is_on
            session.save_preferences(self.preferences)
        for screen in self.screen_stack:
            self.show_tour(screen)
        self.screen.refresh_bindings()

    def show_tour(self, screen: Screen[Any]) -> None:
        """Show the tour on a screen, or no longer."""
        if not (isinstance(screen, Frame) and screen.is_mounted):
            return
        panels = screen.query(TourPanel)
        if not self.tour.is_on or self.project is None:
            panels.remove()
            return
        if not panels:
            screen.mount(TourPanel(), before=screen.query_one(StatusBar))
        screen.query_one(TourPanel).show(self._tour_state())

    def _tour_state(self) -> TourState:
        step, n = self.tour.step, len(STEPS)
        way = f"{min(self.tour.at + 1, n)} of {n}"
        if self.tour.at < n:
            skip, leave = self.key_of("app.tour_skip"), self.key_of("app.tour_leave")
            way += f"   {skip} skips, {leave} leaves"
        words, ask = with_keys(step.words, self.key_of), with_keys(step.ask, self.key_of)
        return TourState(step.title, words, ask, way)

    def key_of(self, action: str) -> str:
        """Return how the key of an action is written under the present keymap."""
        changed = self._changed_keys.get(action)
        default = keymap.default_keys().get(action, ())
        keys = default if changed is None else tuple(changed.split(","))
        if not keys or not keys[0]:
            known = ACTIONS.get(action)
            return f":{known.word}" if known is not None and known.word else "the palette"
        return self.get_key_display(Binding(keys[0], ""))

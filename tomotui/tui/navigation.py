"""Going from screen to screen, and what keys, palette and ``:`` line ask of the app."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tomotui.records import Job, JobRequest
from tomotui.stages import ENTRANCES, all_stages, stage_names
from tomotui.stages.base import Stage
from tomotui.tui import command_line, outside
from tomotui.tui.actions import ACTIONS
from tomotui.tui.screens.base import Frame
from tomotui.tui.screens.datasets import DatasetsScreen
from tomotui.tui.session import OpenScreen, PicksWish, Session
from tomotui.tui.touring import Touring
from tomotui.tui.trail import Place, Trail
from tomotui.tui.wording import counted, short_path

MODES = ("datasets", "slices", "picks", "jobs", "cluster", "maps", "live", "variation")


class Navigation(Touring):
    """The part of the app that knows its screens.

    Parameters
    ----------
    stages
        The stages of the pipeline; those that are installed when not given.

    Attributes
    ----------
    farewell
        What to say when the terminal is the shell's again.
    """

    def __init__(self, *, stages: Sequence[Stage] | None = None, **settings: Any) -> None:
        super().__init__(**settings)
        self._stages: list[Stage] | None = None if stages is None else list(stages)
        self.session = Session()
        self.last_mode = ""
        self._wanted_series: str | None = None
        self._wanted_picks: PicksWish | None = None
        self._history: list[str] = []
        self.trail = Trail()
        self.farewell = ""

    # ---- going places

    @property
    def stages(self) -> list[Stage]:
        """The stages of the pipeline; they are imported when somebody first asks for them."""
        if self._stages is None:
            self._stages = all_stages()
        return self._stages

    @property
    def series_stages(self) -> list[str]:
        """The names of the stages that work on one tilt series at a time."""
        if self._stages is None:
            return stage_names("series")
        return [stage.name for stage in self._stages if stage.scope == "series"]

    @property
    def launchable(self) -> list[Stage]:
        """The stages that a form can run; importing has a screen of its own."""
        return [stage for stage in self.stages if stage.name not in ENTRANCES]

    def series_names(self) -> list[str]:
        """Return the names of the tilt series, for completion."""
        return sorted(one.name for one in self.project.tilt_series()) if self.project else []

    def go_to_mode(self, mode: str) -> None:
        """Show another mode."""
        if self.project is None:
            self.say("open or make a project first", "warning")
        elif mode == self.current_mode:
            self._back_to_the_mode()
        else:
            if mode == "picks" and isinstance(self.screen, Frame):
                self._wanted_picks = self._wanted_picks or self.screen.picks_wish()
            self.trail.go(self._place(), Place(mode, self._wanted_series))
            self._switch_mode(mode)

    def _back_to_the_mode(self) -> None:
        """Close what was opened above the mode: its key leads to the mode itself."""
        while len(self.screen_stack) > 1 and isinstance(self.screen, Frame):
            self.screen.dismiss(None)

    def _place(self) -> Place:
        """Return where the user is."""
        mode = self.current_mode
        return Place(mode, self.session.series if mode == "slices" else None)

    def _switch_mode(self, mode: str) -> None:
        self.last_mode = self.current_mode
        self.switch_mode(mode)

    def show_slices(self, series: str) -> None:
        """Look at a series."""
        from tomotui.tui.screens.slices_mode import SlicesMode

        self._wanted_series = series
        if isinstance(self.screen, SlicesMode):
            self.screen.on_screen_resume()
        self.go_to_mode("slices")

    def show_picks(self, wish: PicksWish) -> None:
        """Review candidates."""
        from tomotui.tui.screens.picks_mode import PicksMode

        self._wanted_picks = wish
        if isinstance(self.screen, PicksMode):
            self.screen.on_screen_resume()
        self.go_to_mode("picks")

    def show_map(self, uid: str) -> None:
        """Look at a map."""
        from tomotui.tui.screens.maps import MapsScreen

        self.session.map = uid
        if isinstance(self.screen, MapsScreen):
            self.screen.on_screen_resume()
        self.go_to_mode("maps")

    def take_wanted_picks(self) -> PicksWish | None:
        """Return what is to be reviewed, once."""
        wanted, self._wanted_picks = self._wanted_picks, None
        return wanted

    def show_quality(self, series: str) -> None:
        """Look at the quality of a series."""
        from tomotui.tui.screens.quality import QualityScreen

        if isinstance(self.screen, QualityScreen):
            self.screen.show_series(series)
            return
        if self.current_mode not in MODES:
            self.say("open or make a project first", "warning")
            return
        self.push_screen(QualityScreen(series, self.current_mode))

    def take_wanted_series(self) -> str | None:
        """Return the series that was asked for last, once."""
        wanted, self._wanted_series = self._wanted_series, None
        return wanted

    def go_to_slice(self, number: int) -> None:
        """Go to a slice, counted from 1."""
        from tomotui.tui.screens.slice_keys import SliceKeysScreen

        if isinstance(self.screen, SliceKeysScreen):
            self.screen.action_go_to(number)
        else:
            self.say("2 shows slices; then  z NUMBER  goes to one", "warning")

    def show_job(self, job_id: int) -> None:
        """Look at a job."""
        from tomotui.tui.screens.job_detail import JobDetailScreen

        def found(job: Job) -> None:
            self.go_to_mode("jobs")
            self.push_screen(JobDetailScreen(job.id))

        self.change(lambda project: project.job(job_id), found, opens=True)

    def open_again(self, opened: OpenScreen | None) -> None:
        """Open above the mode what was open when the program was left, if it is still there."""
        if opened is None:
            return
        if opened.kind == "quality" and opened.name in self.series_names():
            from tomotui.tui.screens.quality import QualityScreen

            charts = QualityScreen(opened.name, self.current_mode)
            charts.panel, charts.first_image = opened.panel, opened.image
            charts.set_class(opened.is_zoomed, "-zoomed")
            self.push_screen(charts)
        elif opened.kind == "job" and opened.name.isdecimal():
            from tomotui.tui.screens.job_detail import JobDetailScreen

            number = int(opened.name)

            def found(jobs: Sequence[Job]) -> None:
                # Whoever has gone elsewhere meanwhile is not called back.
                if len(self.screen_stack) == 1 and any(job.id == number for job in jobs):
                    self.push_screen(
                        JobDetailScreen(number, opened.target, opened.metric, opened.log_at)
                    )

            self.change(lambda project: project.jobs(), found, opens=True)

    def filter_here(self, words: str) -> None:
        """Filter the list of the screen."""
        screen = self.screen
        if isinstance(screen, Frame) and (table := screen.filtered_table()) is not None:
            table.set_filter(words)

    def launch(self, request: JobRequest, cloned_from: Job | None = None) -> None:
        """Open the form that runs a stage."""
        from tomotui.tui.screens.launch import LaunchScreen

        stages = self.stages if request.stage in ENTRANCES else self.launchable
        if not any(stage.name == request.stage for stage in stages):
            self.show_error(f"there is no stage {request.stage} here.", "Is a plug-in missing?")
            return
        self.push_screen(LaunchScreen(stages, request, cloned_from))

    def show_recipes(self, name: str = "") -> None:
        """Choose a recipe, or take the one of a name, and run it on the series marked."""
        from tomotui.tui.recipe_choice import choose_recipe

        choose_recipe(self, name)

    def launch_on(self, stage: str, pattern: str) -> None:
        """Open the form for series that match a pattern, or those that are meant."""
        if not isinstance(self.screen, DatasetsScreen):
            self.go_to_mode("datasets")
        screen = self.screen
        if not isinstance(screen, DatasetsScreen):
            return

        def launch() -> None:
            screen.action_launch(stage, pattern)
            self.screen_has_come()

        # By the screen itself, when it is there; what is typed meanwhile is for the form.
        self.await_screen()
        screen.call_later(launch)

    def action_import_stacks(self) -> None:
        """Import tilt series."""
        from tomotui.tui.screens.import_stacks import ImportScreen

        if self.project is None:
            self.say("open or make a project first", "warning")
        elif not self.refuse_when_read_only():
            self.call_later(self.push_screen, ImportScreen(self.series_names()))

    # ---- actions

    def action_mode(self, mode: str) -> None:
        """Show another mode."""
        self.go_to_mode(mode)

    def action_go_back(self) -> None:
        """Undo what narrows the view, or close the screen, or go to the mode before."""
        screen = self.screen
        if isinstance(screen, Frame) and screen.go_back():
            return
        if len(self.screen_stack) > 1:
            self.pop_screen()
        elif self.current_mode in ("slices", "picks"):
            self.action_toggle_last()
        elif isinstance(screen, Frame) and self.project is not None:
            last, leave = self.key_of("app.toggle_last"), self.key_of("app.quit")
            self.say(f"nothing to go back from: {last} goes to the screen before, {leave} leaves")

    def action_toggle_last(self) -> None:
        """Go to the mode before this."""
        if self.project is not None:
            self.go_to_mode(self.last_mode if self.last_mode in MODES else "datasets")

    def action_history(self, step: int) -> None:
        """Go to the place before this one, or on again."""
        there = self.trail.step(self._place(), step)
        if there is None:
            self.say("there is nothing before this" if step < 0 else "there is nothing after this")
            return
        self._wanted_series = there.series
        if there.mode != self.current_mode:
            self._switch_mode(there.mode)
        elif there.series is not None:
            self.show_slices(there.series)

    def action_match(self, step: int) -> None:
        """Go to the next row, or the one before, that the last filter matches."""
        screen = self.screen
        table = screen.filtered_table() if isinstance(screen, Frame) else None
        if table is not None and not table.go_to_match(step):
            self.say("nothing to look for: / takes words first", "warning")

    def action_edit(self) -> None:
        """Open the log of the job under the cursor, or the folder of the project."""
        screen = self.screen
        log = screen.log_path() if isinstance(screen, outside.LogOwner) else None
        place = log if log is not None and log.is_file() else self.folder
        outside.open_editor(self, place or Path.cwd(), read_only=self.read_only)

    def action_help(self) -> None:
        """Show the keys that work right now."""
        from tomotui.tui.screens.help import HelpScreen, live_keys

        screen = self.screen
        if isinstance(screen, HelpScreen):
            screen.dismiss(None)
            return
        title = getattr(screen, "ABOUT", "")
        self.push_screen(HelpScreen(title, getattr(screen, "PROSE", ""), live_keys(screen)))

    def action_command_line(self) -> None:
        """Let the user type a command."""
        if isinstance(self.screen, Frame):
            self.screen.status_bar.ask(
                "command",
                ":",
                complete=lambda line: command_line.complete(self, line),
                history=self._history,
            )

    def run_command_line(self, line: str) -> None:
        """Do what a line says."""
        try:
            command_line.run_line(self, line)
        except command_line.CommandError as error:
            self.say(str(error), "warning")

    def run_registered(self, action_id: str) -> None:
        """Do an action as its key would, from the palette or the ``:`` line."""
        for active in self.screen.active_bindings.values():
            if active.binding.id == action_id and active.enabled:
                self.call_later(self.run_action, active.binding.action, active.node)
                return
        action = ACTIONS[action_id]
        if action.method.startswith("app."):
            self.call_later(self.run_action, action.method)
        else:
            self.say(f"{action.title} does not work on this screen", "warning")

    def action_quality(self) -> None:
        """Show the quality of the series that the cursor was on last."""
        names = self.series_names()
        series = self.session.series if self.session.series in names else None
        if series is None and not names:
            self.say("no tilt series yet: import one first", "warning")
        else:
            self.show_quality(series or names[0])

    def action_command_palette(self) -> None:
        """Search everything that can be done."""
        from tomotui.tui.screens.palette import Palette

        self.push_screen(Palette())

    def action_pick_theme(self) -> None:
        """Choose the colours."""
        from tomotui.tui.screens.theme_picker import ThemePicker

        self.push_screen(ThemePicker())

    def action_export_plot(self) -> None:
        """Write the chart in view into files."""
        self.export_plot()

    def export_plot(self, file: str = "") -> None:
        """Write the chart in view, as all kinds or as a file of a name."""
        from tomotui.tui.plot_export import export_plot

        export_plot(self, file)

    def action_doctor(self) -> None:
        """Check this machine."""
        from tomotui.tui.screens.doctor import DoctorScreen

        self.push_screen(DoctorScreen())

    def action_welcome(self) -> None:
        """Open another project, or make one."""
        from tomotui.tui.screens.welcome import WelcomeScreen

        self.push_screen(WelcomeScreen(Path.cwd()))

    def action_redraw(self) -> None:
        """Draw everything again: something else has written to the terminal."""
        self.forget_sent()
        self.screen.refresh(layout=True)

    def action_shell(self) -> None:
        """Open a shell where the cursor is."""
        from tomotui.tui.screens.job_detail import JobDetailScreen
        from tomotui.tui.screens.jobs import JobsScreen

        screen = self.screen
        log = screen.log_path() if isinstance(screen, JobsScreen | JobDetailScreen) else None
        folder = log.parent if log is not None and log.parent.is_dir() else self.folder
        outside.open_shell(self, folder or Path.cwd())

    def open_pager(self, path: Path) -> None:
        """Open a file in the pager."""
        outside.open_pager(self, path)

    def action_interrupt(self) -> None:
        """Say how to leave: an accident must not end the program."""
        self.say("q leaves; jobs keep running")

    def action_leave(self) -> None:
        """Leave, and say what goes on."""
        counts = self.screen.counts if isinstance(self.screen, Frame) else None
        unfinished = counts.running + counts.queued if counts else 0
        if unfinished and self.folder is not None:
            place = short_path(self.folder)
            verb = "keeps" if unfinished == 1 else "keep"
            self.farewell = (
                f"{counted(unfinished, 'task')} in {place} {verb} running; "
                f"come back with: tomotui {place}"
            )
        self.exit(0)

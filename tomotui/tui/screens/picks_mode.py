"""The mode of picks: reviewing candidates, and marking particles from nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from textual import on
from textual.binding import BindingType

from tomotui.project import Project
from tomotui.project.curation import ORDERS
from tomotui.project.traced import curve_particles
from tomotui.records import ParticleSet
from tomotui.records.particle_table import ParticleTable
from tomotui.tui.actions import bindings
from tomotui.tui.memory import place_of, view_of
from tomotui.tui.raster.volume import SliceSource
from tomotui.tui.review import SHOWS
from tomotui.tui.screens.picks_filter import PicksFilter
from tomotui.tui.screens.places import looking_at
from tomotui.tui.screens.slice_choices import Choice
from tomotui.tui.session import PicksWish
from tomotui.tui.widgets.header import HeaderState
from tomotui.tui.widgets.slice_view import SliceView
from tomotui.tui.widgets.status_bar import StatusBar

_ON_SETS = frozenset({"insert", "mark", "curve", "audit", "retrain", "wanted_precision"})
_ON_SETS |= {"gallery", "sort", "show", "scope", "filter_list"}
_ON_SETS |= {"undo_act", "redo_act", "apply_threshold"}
_ON_CANDIDATES = frozenset({"decide", "step", "step_open", "drop"})
_ON_CANDIDATES |= {"threshold_here", "nudge_threshold"}


class PicksMode(PicksFilter):
    """Reviews the candidates of a set."""

    PROSE = (
        "Candidates are judged one by one, the most informative first: a accepts, x rejects, s is "
        "unsure; the picture follows. Digits give classes; esc leaves the review. The keys of "
        "slices work as everywhere; / lists those of a series, a decision or a class. To begin "
        "from nothing: S begins a set, M steers a crosshair, i marks. ctrl+r trains the network on "
        "what was decided and searches all tomograms meanwhile. e asks about a random sample and "
        "tells the precision with its interval; % finds the threshold for a precision, T applies "
        "it. While one steers, hjkl move and , . go through the slices."
    )
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("pick")]

    _wish: PicksWish | None = None
    _offered = (False, False, False)

    # ---- life

    def on_mount(self) -> None:
        """Read the set that was reviewed last, or that is asked for."""
        self.slice_view.focus()
        view = self.query_one(SliceView)
        view.mark_over(self.marks)
        view.draw_over(self.trails)
        self._wish = self.tomotui.take_wanted_picks()
        self.begin_to_watch()
        if self.kept.series and self.kept.volume:
            self.wish_volume(self.kept.series, self.kept.volume)
        self.load((self._wish and self._wish.particle_set) or self.kept.particle_set)

    def on_screen_resume(self) -> None:
        """Show what was asked for meanwhile."""
        wish = self.tomotui.take_wanted_picks()
        if wish is None:
            return
        self._wish, review = wish, self.review
        held = review.curation.particle_set.name if review is not None else None
        if review is None or (wish.particle_set and wish.particle_set != held):
            self.load(wish.particle_set)
        elif self._granted():
            self.acted()

    def _granted(self) -> bool:
        """Go to what was asked for; false when one is there already."""
        wish, review = self._wish, self.review
        self._wish = None
        if wish is None or review is None:
            return False
        if wish.as_tiles:
            self.call_later(self.action_gallery)
        if wish.narrow or review.scope:
            review.look_at(wish.series if wish.narrow else ())
        row = review.row
        if row is not None and (not wish.series or review.series_at(row) in wish.series):
            return True
        if not review.go_to_series(wish.series):
            self.series_name = wish.series[0] if wish.series else self.series_name
            self.kept.series = self.series_name
            review.place = len(review)
        return True

    def begun(self) -> None:
        """Bring back order, threshold and place of the last time."""
        review, kept = self.review, self.kept
        assert review is not None
        held = review.curation.particle_set.name
        review.scope = tuple(name for name in kept.scope if name in self.tomotui.series_names())
        if kept.particle_set == held:
            if kept.order in ORDERS:
                review.order = kept.order
            if kept.show in SHOWS:
                review.show = kept.show
            if kept.threshold is not None:
                low, high = review.score_range
                review.threshold = min(max(kept.threshold, low), high)
            review.in_audit = kept.in_audit and review.curation.audit is not None
        review.narrow(self.tomotui.session.filters.get("picks", ""))
        review.arrange(keep=False)
        row = review.curation.row(kept.particle or "")
        if kept.particle_set == held and row is not None:
            review.go_to_row(row)
        self._granted()
        self.look_elsewhere()
        super().begun()
        self.update_right()
        self._offer_keys()
        if kept.as_tiles and kept.particle_set == held:
            self.call_later(self.action_gallery)
        if not len(review) and review.scope and len(review.curation.table):
            self.say(f"no candidates in {', '.join(review.scope[:3])}: F shows all")

    def _show_source(self, choice: Choice, source: SliceSource) -> None:
        is_first, kept = not self.has_volume, self.kept
        super()._show_source(choice, source)
        if is_first and kept.view is not None and kept.volume == choice.uid:
            # From as near and in the contrast of the last time, at the candidate of now.
            view = view_of(kept.view, self.slice_view.view.glyphs)
            self.set_view(looking_at(source, self.target(source), view))

    def keep_place(self) -> None:
        """Keep which volume is seen, and how."""
        if self.has_volume and self.choice is not None:
            self.kept.volume, self.kept.view = self.choice.uid, place_of(self.slice_view.view)

    def update_status(self) -> None:
        """Say where one is, and remember it."""
        super().update_status()
        self._offer_keys()
        review, kept = self.review, self.kept
        if review is None:
            return
        kept.particle_set = review.curation.particle_set.name
        kept.particle = None if review.row is None else str(review.curation.table.uids[review.row])
        kept.order, kept.show, kept.in_audit = review.order, review.show, review.in_audit
        kept.scope, kept.threshold, kept.series = review.scope, review.threshold, self.series_name

    # ---- what there is something to do with

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer what needs a set, or a candidate, only where there is one."""
        if action == "classify" and not self._has_candidate:
            return False  # digits go to the modes
        if self.review is None and action in _ON_SETS | _ON_CANDIDATES:
            return None
        if action in _ON_CANDIDATES and not self._has_candidate and not self.steering:
            return None
        return super().check_action(action, parameters)

    @property
    def _has_candidate(self) -> bool:
        return self.review is not None and self.review.row is not None

    def _offer_keys(self) -> None:
        """Let the hints follow when there is something to judge now, or nothing any more."""
        now = (self.review is not None, self._has_candidate, bool(self.steering))
        if now != self._offered:
            self._offered = now
            self.refresh_bindings()
            self.update_header()

    def header_state(self) -> HeaderState:
        """Promise no way to other modes by keys that give classes here."""
        state = super().header_state()
        if not self._has_candidate:
            return state
        classes = {self.tomotui.key_of(f"pick.class_{number}") for number in range(1, 10)}
        keys = tuple("" if key in classes else key for key in state.mode_keys)
        return replace(state, mode_keys=keys)

    def why_idle(self) -> str:
        """Say what there has to be first."""
        if self.review is None:
            return f"no particle set yet: {self.tomotui.key_of('pick.choose_set')} begins one"
        if not self._has_candidate:
            mark, show = (self.tomotui.key_of(f"pick.{name}") for name in ("mark", "show"))
            return f"no candidate here: {mark} marks some, {show} lists others"
        return super().why_idle()

    # ---- which candidates

    def action_sort(self) -> None:
        """Take the next order, and begin at its head."""
        if self.review is not None:
            self.review.next_order()
            self.acted()
            self.say(f"sorted by {self.review.order}")

    def action_show(self) -> None:
        """List those of another decision."""
        if self.review is not None:
            self.review.next_show()
            self.acted()
            self.say(f"listed: {self.review.show}")

    def action_scope(self) -> None:
        """List the candidates of this series only, or of all."""
        review = self.review
        if review is None:
            return
        self._look_at(() if review.scope else (self.series_name,))
        self.say(f"only in {self.series_name}" if review.scope else "in all tomograms")

    def _look_at(self, series: Sequence[str]) -> None:
        if self.review is not None:
            self.review.look_at(series)
            self.acted()

    def action_volume(self) -> None:
        """Show another volume of the series: restored or measured."""
        self.next_volume()

    def action_gallery(self) -> None:
        """Show the candidates as a sheet of tiles."""
        if self.review is None or not len(self.review):
            self.say("there are no candidates to show as tiles")
            return
        from tomotui.tui.screens.gallery import GalleryScreen

        def closed(_: object) -> None:
            self.kept.as_tiles = False
            self.acted()

        self.kept.as_tiles = True
        self.app.push_screen(GalleryScreen(self), closed)

    # ---- sets

    def action_choose_set(self) -> None:
        """Choose the set that is reviewed, or begin one."""

        def read(project: Project) -> list[tuple[ParticleSet, int]]:
            return [(one, project.n_particles(one.uid)) for one in project.particle_sets()]

        self.tomotui.change(read, self._offer_sets, opens=True)

    def _offer_sets(self, sets: list[tuple[ParticleSet, int]]) -> None:
        from tomotui.tui.screens.set_picker import SetPicker

        held = self.review.curation.particle_set.name if self.review is not None else ""
        if not sets and self.tomotui.refuse_when_read_only():
            return
        picker = SetPicker(sets, held, may_begin=not self.tomotui.read_only)
        self.app.push_screen(picker, self._set_chosen)

    def _set_chosen(self, chosen: str | ParticleSet | None) -> None:
        if isinstance(chosen, str):
            self.load(chosen)
        elif chosen is not None:

            def begin(project: Project) -> None:
                project.add_records([chosen])

            def begun(_: object) -> None:
                self.load(chosen.name)
                self.say(f"{chosen.name} begun: M steers a crosshair, i marks a particle")

            self.tomotui.change(begin, begun)

    # ---- ends of steering

    def action_end_or_insert(self) -> None:
        """Mark a particle; enter ends a curve."""
        if self.steering == "curve":
            self.end_curve()
        else:
            self.action_insert()

    def action_curve(self) -> None:
        """Mark points that follow each other along a filament or a membrane."""
        if self.tomotui.refuse_when_read_only() or self.review is None:
            return
        if self.steering == "curve":
            self.end_curve()
        else:
            self.curve_points = []
            self.steer("curve")

    def end_curve(self) -> None:
        """Ask how far apart the particles along the curve are."""
        if len(self.curve_points) < 2:
            self.say("a curve needs two points at least; escape gives it up", "warning")
            return
        spacing = self.review.curation.radius_angstrom if self.review is not None else 0.0
        self.status_bar.ask("spacing", "particles along the curve, every Å: ", f"{spacing:.0f}")

    @on(StatusBar.Answered)
    def _spacing_answered(self, event: StatusBar.Answered) -> None:
        if event.purpose != "spacing" or event.live or event.text is None:
            return
        try:
            spacing = float(event.text)
        except ValueError:
            spacing = 0.0
        if not spacing > 0:
            self.say(f"{event.text} is no distance in Å", "warning")
            return
        points, review = list(self.curve_points), self.review
        series = self.project.series_named(self.series_name)
        home = review.curation.home_of(series.uid) if review and series is not None else None
        if review is None or home is None:
            return
        review.series_of.setdefault(home, self.series_name)

        def computed(along: ParticleTable) -> None:
            if self.review is review:
                n = review.insert_curve(home, along)
                self.curve_points = []
                self.steer("")
                self.acted()
                self.say(f"{n} particles along the curve; u takes them back")

        self.tomotui.change(lambda _: curve_particles(points, spacing), computed)

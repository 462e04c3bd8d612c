"""The mode of maps: averages as surfaces and sections, with what they are worth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on, work
from textual.binding import BindingType
from textual.message import Message

from tomotui.tui.actions import bindings
from tomotui.tui.feeds import Feed, Observation
from tomotui.tui.maps_feed import PARTS, Entry, MapsReader, MapsSnapshot, Part
from tomotui.tui.memory import keep_sections, keep_surface, sections_of, surface_of
from tomotui.tui.raster.density import Density, read_density
from tomotui.tui.raster.loader import SliceError
from tomotui.tui.screens.maps_bodies import BodyPainting
from tomotui.tui.screens.maps_charts import QUANTITIES
from tomotui.tui.screens.maps_course import CourseShowing, View
from tomotui.tui.screens.maps_drift import DriftShowing
from tomotui.tui.screens.maps_layout import PANELS
from tomotui.tui.screens.maps_words import map_row
from tomotui.tui.session import PicksWish
from tomotui.tui.widgets.table import Table
from tomotui.tui.wording import counted

MOST_KEPT = 12
"""Maps that stay in memory."""
MOST_BESIDE = 9
"""Maps that are seen at once."""
SECTIONS_ONLY = "local resolution"
"""A part without a surface: that of the map is shown with it."""


class MapsScreen(BodyPainting, CourseShowing, DriftShowing):
    """Shows the maps of a project, and the averages that jobs are making."""

    mode = "maps"
    ABOUT = "maps"
    PROSE = (
        "Averages and what they are worth: the surface, sections, the FSC of the half maps with "
        "that of random phases, what each iteration changed, from where particles were seen, what "
        "was found of single tilts, and how particles drifted on the images. tab goes from panel "
        "to panel, z enlarges one. In the list of iterations the cursor shows the map of each "
        "beside the last one; b shows both in turn. Arrows turn the surface or move the cursor "
        "of the sections, where a marks "
        "points of bodies, n goes to the next body and L refines them. w shows half maps and "
        "mask; space marks other maps, b shows two in turn, d all side by side. P reviews "
        "the particles in the map. An average under way is shown as it grows."
    )
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("map")]

    class News(Message, bubble=False):
        """The feed has something new."""

        def __init__(self, observation: Observation[MapsSnapshot]) -> None:
            super().__init__()
            self.observation = observation

    class Loaded(Message, bubble=False):
        """Maps were read, or could not be."""

        def __init__(
            self, wanted: tuple[View, ...], found: dict[Part, Density], error: str
        ) -> None:
            super().__init__()
            self.wanted, self.found, self.error = wanted, found, error

    def __init__(self) -> None:
        super().__init__()
        self.part = PARTS[0]
        self.is_beside = False
        self._blinked: str | None = None
        self._before: str | None = None
        self._last: str | None = None
        self._wanted: tuple[View, ...] = ()
        self._densities: dict[Part, Density] = {}
        self._feed: Feed[MapsSnapshot] | None = None

    # ---- life

    def on_mount(self) -> None:
        """Begin to watch the project."""
        self.table.focus()
        self._as_it_was()
        folder = self.tomotui.folder
        assert folder is not None
        makers = {stage.name for stage in self.tomotui.stages if "map" in stage.gives}
        reader = MapsReader(makers)
        self._feed = Feed(
            folder,
            reader,
            lambda seen: self.post_message(self.News(seen)),
            subject=self.tomotui.session.map,
            pulse=reader.pulse,
        )
        self.watch_feed(self._feed)
        self.app.theme_changed_signal.subscribe(self, lambda _: self._theme_changed())

    def _as_it_was(self) -> None:
        """Look from where one looked when the program was left."""
        session, place = self.kept_session, self.kept_session.maps
        self.surface.state, self.slices.state = surface_of(place), sections_of(place)
        self.part = place.part or PARTS[0]
        self.quantity = min(place.quantity, len(QUANTITIES) - 1)
        self.panel = min(place.panel, len(PANELS) - 1)
        self.set_class(place.is_zoomed, "-zoomed")
        if not place.in_list or place.is_zoomed:
            self.focus_panel()
        if session.filters.get("maps"):
            self.table.set_filter(session.filters["maps"])

    def keep_place(self) -> None:
        """Keep from where one looks, and at what."""
        if not self.is_mounted:
            return
        session, place = self.kept_session, self.kept_session.maps
        session.filters["maps"] = self.table.filter.text
        keep_surface(place, self.surface.state)
        keep_sections(place, self.slices.state)
        place.part, place.panel, place.quantity = self.part, self.panel, self.quantity
        place.in_list, place.is_zoomed = self.in_list, self.has_class("-zoomed")

    def on_screen_resume(self) -> None:
        """Go on, at the map that was asked for meanwhile."""
        super().on_screen_resume()
        wanted = self.tomotui.session.map
        if self.is_mounted and wanted is not None and self.snapshot.entry(wanted) is not None:
            self.table.go_to_key(wanted)

    def crumbs(self) -> tuple[str, ...]:
        """Return the map."""
        return (self.entry.name,) if self.entry is not None else ()

    @property
    def entry(self) -> Entry | None:
        """The map under the cursor."""
        key = self.table.cursor_key if self.is_mounted else None
        return self.snapshot.entry(key or self.snapshot.chosen)

    def _theme_changed(self) -> None:
        self._show_rows()
        self.forget_drift()
        self.show_panels()

    # ---- the list

    def on_maps_screen_news(self, message: News) -> None:
        """Show the maps as they are now."""
        seen = message.observation
        self.set_alarm(seen.error)
        if seen.value is None:
            return
        first = not self.snapshot.entries
        self.snapshot, self.counts = seen.value, seen.value.counts
        self._show_rows()
        if first and self.snapshot.chosen is not None:
            self.table.go_to_key(self.snapshot.chosen)
        self.show_panels()
        self.show_maps()
        self.update_header()

    def _show_rows(self) -> None:
        look, ascii_only = self.tomotui.look, self.tomotui.ascii_only
        entries = self.snapshot.entries
        self.table.set_rows([map_row(one, look, ascii_only) for one in entries])
        self.query_one("#maps-list").border_subtitle = counted(len(entries), "map")

    @on(Table.CursorMoved, "#maps-table")
    def _cursor_moved(self, event: Table.CursorMoved) -> None:
        if event.key is None or event.key == self._last:
            return
        self._before, self._last = self._last, event.key
        self.tomotui.session.map = event.key
        self.when_at_rest(self._cursor_rests)

    def _cursor_rests(self) -> None:
        """Show the map under the cursor; what is told of it follows."""
        if self._feed is not None and self.entry is not None:
            self._feed.look_at(self.entry.key)
        self.show_maps()
        self.update_header()

    @on(Table.SelectionChanged, "#maps-table")
    def _marks_changed(self) -> None:
        """Let the maps side by side be those that are marked."""
        if self.is_beside and self.is_mounted and not self.course_views():
            self.show_maps()

    @on(Table.Activated, "#maps-table")
    def _opened(self) -> None:
        self.panel = 0
        self.lay_out()
        self.focus_panel()

    # ---- maps

    def _partner(self) -> Entry | None:
        """Return what the map is compared with: the one marked, or the one seen before."""
        here = self.entry.key if self.entry is not None else None
        marked = [key for key in self.table.selection.marks if key != here]
        before = self._before if self._before != here else None
        return self.snapshot.entry(marked[0] if marked else before)

    def _shown(self) -> list[Entry]:
        """Return the maps that are to be seen, from left to right."""
        here, partner = self.entry, self._partner()
        if here is None:
            return []
        if partner is None:
            return [here]
        if self.is_beside:
            marked = [self.snapshot.entry(key) for key in self.table.selection.marks]
            others = [one for one in marked if one is not None and one.key != here.key]
            return [here, *(others or [partner])][:MOST_BESIDE]
        return [partner if self._blinked == here.key else here]

    def _views(self) -> tuple[list[View], list[View]]:
        """Return what is drawn as surfaces, and as sections."""
        course = self.course_views()
        if course:
            return course, course
        entries = self._shown()
        of_surface = PARTS[0] if self.part == SECTIONS_ONLY else self.part
        surfaces, sections = (
            [view for one in entries if (view := view_of(one, name)) is not None]
            for name in (of_surface, self.part)
        )
        return surfaces, sections

    def show_maps(self) -> None:
        """Draw what is to be seen; what is not in memory is read first."""
        surfaces, sections = self._views()
        wanted = tuple(dict.fromkeys(one for one in (*sections, *surfaces) if one.part.modified_ns))
        self._wanted = wanted
        if any(one.part not in self._densities for one in wanted):
            self._read(wanted)
            return
        self._draw("")

    def _draw(self, error: str) -> None:
        """Draw the maps that are in memory."""
        surfaces, sections = (
            [self._densities[one.part] for one in views if one.part in self._densities]
            for views in self._views()
        )
        self.show_points()
        message = error or self._why_nothing(self._shown())
        self.show_densities((surfaces, sections), "" if surfaces else message)
        if error and surfaces:
            self.say(error, "warning")

    def _why_nothing(self, entries: Sequence[Entry]) -> str:
        if not entries:
            return ""
        entry = entries[0]
        if entry.task is not None:
            return "no map yet: the first iteration is under way"
        path = entry.parts[0].path if entry.parts else ""
        return f"{path} is not there any more"

    @work(thread=True, exclusive=True, group="maps", exit_on_error=False)
    def _read(self, wanted: tuple[View, ...]) -> None:
        found, error = {}, ""
        for view in wanted:
            known = self._densities.get(view.part)
            try:
                density = known or read_density(
                    view.part.path, view.pixel_size_angstrom, view.label
                )
                # Found out here, where nobody waits for it.
                _ = density.level, density.window
                found[view.part] = density
            except SliceError as problem:
                error = str(problem)
        self.post_message(self.Loaded(wanted, found, error))

    def on_maps_screen_loaded(self, message: Loaded) -> None:
        """Draw what was read, unless something else is wanted by now."""
        kept = {part: one for part, one in self._densities.items() if part not in message.found}
        self._densities = dict([*kept.items(), *message.found.items()][-MOST_KEPT:])
        if message.wanted == self._wanted:
            self._draw(message.error)

    # ---- keys

    def action_part(self) -> None:
        """Show another part of the map: a half map, the mask, ..."""
        if self.course_views():
            self.say("iterations keep nothing but their maps", "warning")
            return
        entry = self.entry
        names = [part.name for part in entry.parts if part.modified_ns] if entry else []
        if len(names) < 2:
            self.say("this map has no half maps or mask to show")
            return
        at = names.index(self.part) if self.part in names else 0
        self.part = names[(at + 1) % len(names)]
        self.show_maps()
        self.say(f"shown: {self.part}")

    def action_blink(self) -> None:
        """Show the other of two maps."""
        if self.blink_iteration():
            return
        if self.entry is not None and self._has_partner():
            here = self.entry.key
            self._blinked, self.is_beside = None if self._blinked == here else here, False
            self.show_maps()

    def action_beside(self) -> None:
        """Show the map and those marked side by side, or one alone."""
        if not self.set_iteration_beside() and self._has_partner():
            self.is_beside, self._blinked = not self.is_beside, None
            self.show_maps()

    def _has_partner(self) -> bool:
        if self._partner() is None:
            self.say("mark another map with space to compare this one with", "warning")
            return False
        return True

    def action_particles(self) -> None:
        """Review the particles of the map."""
        self._review(as_tiles=False)

    def action_gallery(self) -> None:
        """Show the particles of the map as tiles."""
        self._review(as_tiles=True)

    def _review(self, as_tiles: bool) -> None:
        particles = self.snapshot.particles
        if not particles.set_uid:
            self.say("nothing is known of the particles in this map", "warning")
        else:
            wish = PicksWish((), particles.set_name, narrow=False, as_tiles=as_tiles)
            self.tomotui.show_picks(wish)

    def action_yank(self) -> None:
        """Offer to copy the path of what is seen, its name, or the command that exports it."""
        entry, course = self.entry, self.course_views()
        part = part_of(entry, self.part) if entry is not None else None
        part = course[0].part if course else part
        if entry is None or part is None:
            return
        command = f"tomotui export map {entry.name} -o {entry.name}.mrc -p {self.tomotui.folder}"
        texts = {"path": str(part.path), "name": entry.name}
        self.offer_copies({**texts, "command": command} if entry.record is not None else texts)


def part_of(entry: Entry, name: str) -> Part | None:
    """Return a part of a map; the map itself where it has no such part."""
    named = {part.name: part for part in entry.parts}
    return named.get(name) or named.get(PARTS[0])


def view_of(entry: Entry, name: str) -> View | None:
    """Return what is drawn of a map."""
    part = part_of(entry, name)
    if part is None:
        return None
    label = entry.name if part.name == PARTS[0] else f"{entry.name}: {part.name}"
    return View(part, label, entry.pixel_size_angstrom)

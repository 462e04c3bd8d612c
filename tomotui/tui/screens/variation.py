"""The mode of variation: how particles differ, as classes and as landscapes of conformations."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.binding import BindingType
from textual.message import Message

from tomotui.project import Project
from tomotui.project.derived import Derived
from tomotui.project.selections import select_classes
from tomotui.records import Classification, ParticleSet
from tomotui.tui.actions import bindings
from tomotui.tui.feeds import Feed, Observation
from tomotui.tui.memory import keep_surface, surface_of
from tomotui.tui.raster.density import Density, binned, read_density
from tomotui.tui.raster.loader import SliceError
from tomotui.tui.screens.variation_charts import agreements, class_role, populations, sureness
from tomotui.tui.screens.variation_playing import PlayingScreen
from tomotui.tui.screens.variation_words import class_figures, classes_verdict, entry_row
from tomotui.tui.session import PicksWish
from tomotui.tui.variation_feed import ClassEntry, VariationReader, VariationSnapshot
from tomotui.tui.widgets.agreement_view import AgreementView
from tomotui.tui.widgets.class_gallery import ClassGallery, ClassTile
from tomotui.tui.widgets.status_bar import StatusBar
from tomotui.tui.widgets.table import Table
from tomotui.tui.wording import counted

TILE_VOXELS = 64
"""Longest edge of the maps of classes in the gallery."""

OF_LANDSCAPES = frozenset({"motion", "play", "leaf", "faster", "launch_maps", "angle"})
"""Actions that classes have no use for."""

Source = tuple[Path, int]
"""File of a map, and when it was written."""


class VariationScreen(PlayingScreen):
    """Shows landscapes and classes, makes particle sets of parts of them, and plays motions."""

    mode = "variation"
    ABOUT = "variation"
    PROSE = (
        "How particles differ. A landscape shows how densely particles stand on a plane of it, and "
        "beside it the conformation under the cursor. a marks corners of a lasso (enter closes "
        "it; the mouse draws one), b a box, t and T part along the axis across, c makes clusters; "
        "w makes a particle set of what is selected. i marks a path: p plays it, L averages the "
        "real particles along it. m plays the motions, e shows angles of bodies. Classes are "
        "marked with space, and w makes one set of those marked; enter opens the map of one. "
        "tab goes from panel to panel, z enlarges one, esc takes back what is drawn, played or "
        "selected, one thing at a time."
    )
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("vary")]

    class News(Message, bubble=False):
        """The feed has something new."""

        def __init__(self, observation: Observation[VariationSnapshot]) -> None:
            super().__init__()
            self.observation = observation

    class Loaded(Message, bubble=False):
        """Maps of classes were read, or could not be."""

        def __init__(self, found: dict[Source, Density], error: str) -> None:
            super().__init__()
            self.found, self.error = found, error

    def __init__(self) -> None:
        super().__init__()
        self._feed: Feed[VariationSnapshot] | None = None
        self._densities: dict[Source, Density] = {}
        self._marks: dict[str, set[int]] = {}
        self._last: str | None = None

    # ---- life

    def on_mount(self) -> None:
        """Begin to watch the project."""
        self.table.focus()
        folder = self.tomotui.folder
        assert folder is not None
        wanted = {"landscape", "classification"}
        makers = {stage.name for stage in self.tomotui.stages if wanted & set(stage.gives)}
        self._feed = Feed(
            folder,
            VariationReader(makers),
            lambda seen: self.post_message(self.News(seen)),
            subject=self.tomotui.session.variation,
        )
        self.shape.state = surface_of(self.kept_session.shapes)
        if self.kept_session.filters.get("variation"):
            self.table.set_filter(self.kept_session.filters["variation"])
        self.watch_feed(self._feed)
        self.app.theme_changed_signal.subscribe(self, lambda _: self._show_all())

    def on_unmount(self) -> None:
        """Stop what works in threads."""
        super().on_unmount()
        self.workshop.close()

    def on_screen_suspend(self) -> None:
        """Rest while nobody looks."""
        super().on_screen_suspend()
        book = self.work_here.book
        if book is not None and book.is_playing:
            self.action_play()

    def keep_place(self) -> None:
        """Keep the filter of the list, and from where conformations are seen."""
        if self.is_mounted:
            self.kept_session.filters["variation"] = self.table.filter.text
            place = self.kept_session.shapes
            keep_surface(place, self.shape.state)
            place.panel, place.in_list = self.panel, self.in_list
            place.is_zoomed = self.has_class("-zoomed")
            self.keep_plane()

    def crumbs(self) -> tuple[str, ...]:
        """Return the landscape or the classes."""
        return (self.entry.name,) if self.entry is not None else ()

    # ---- the list

    def on_variation_screen_news(self, message: News) -> None:
        """Show what there is now."""
        seen = message.observation
        self.set_alarm(seen.error)
        if seen.value is None:
            return
        first = not self.snapshot.entries
        before, self.snapshot = self.snapshot, seen.value
        self.counts = seen.value.counts
        self._show_rows()
        if first and self.snapshot.chosen.key:
            self._last = self.snapshot.chosen.key
            self.table.go_to_key(self._last)
        if before.chosen != self.snapshot.chosen or first:
            self._show_chosen()
        if first:
            self._panel_as_it_was()
        self.update_header()

    def _panel_as_it_was(self) -> None:
        """Go to the panel that had the focus when the program was left."""
        place = self.kept_session.shapes
        if self.entry is None or (place.in_list and not place.is_zoomed):
            return
        self.panel = min(place.panel, len(self.panel_names) - 1)
        self.in_list = False
        self.set_class(place.is_zoomed, "-zoomed")
        self.lay_out()
        self.focus_panel()

    def _show_rows(self) -> None:
        look, ascii_only = self.tomotui.look, self.tomotui.ascii_only
        self.table.set_rows([entry_row(one, look, ascii_only) for one in self.snapshot.entries])

    def _show_all(self) -> None:
        self._show_rows()
        self._show_chosen()

    @on(Table.CursorMoved, "#variation-table")
    def _row_changed(self, event: Table.CursorMoved) -> None:
        if event.key is None or event.key == self._last:
            return
        before = self.works.get(self._last or "")
        if before is not None and before.book is not None:
            before.book = before.book.played(False)
        self.stop_player()
        self._last = event.key
        self.tomotui.session.variation = event.key
        self.panel = 0
        self.when_at_rest(self._row_rests)

    def _row_rests(self) -> None:
        if self._feed is not None and self.entry is not None:
            self._feed.look_at(self.entry.key)
        self._show_chosen()
        self.update_header()

    @on(Table.Activated, "#variation-table")
    def _opened(self) -> None:
        self.panel, self.in_list = 0, False
        self.lay_out()
        self.focus_panel()

    # ---- what is chosen

    @property
    def classification(self) -> Classification | None:
        """The classification that is looked at."""
        entry = self.entry
        record = entry.record if entry is not None else None
        return record if isinstance(record, Classification) else None

    @property
    def class_entries(self) -> tuple[ClassEntry, ...]:
        """Its classes."""
        entry, chosen = self.entry, self.snapshot.chosen
        return chosen.classes if entry is not None and chosen.key == entry.key else ()

    def _show_chosen(self) -> None:
        """Draw the panels of what is chosen, once it was read."""
        if not self.is_mounted:
            return
        self.lay_out()
        self.refresh_bindings()
        entry, chosen = self.entry, self.snapshot.chosen
        if entry is None or chosen.key != entry.key:
            self.show_verdict("none", "")
        elif isinstance(entry.record, Classification):
            self._show_classes(entry.record)
        else:
            self.show_landscape()

    def _show_classes(self, record: Classification) -> None:
        chosen = self.snapshot.chosen
        self.show_verdict(*classes_verdict(record, self.class_entries, chosen.details))
        self._show_gallery()
        legend = " ".join(
            f"[{class_role(number)}]{one.name}[/]" for number, one in enumerate(self.class_entries)
        )
        details = chosen.details
        self.show_chart("populations", f"shares {legend} [dim]changed[/]", populations(details))
        self.show_chart("sureness", f"how sure {legend}", sureness(details))
        view = self.pane("agreement").query_one(AgreementView)
        view.show(agreements(details), chosen.problem or "a single run: there is none to agree")
        self.show_title("agreement", "agreement of runs (adjusted Rand)")
        sources = [source for one in self.class_entries if (source := _source(one)) is not None]
        if any(source not in self._densities for source in sources):
            self._read(tuple(self.class_entries))

    def _show_gallery(self) -> None:
        record = self.classification
        marks = self._marks.get(record.uid, set()) if record is not None else set()
        tiles = [
            ClassTile(
                one.number,
                one.name,
                one.share,
                class_figures(one),
                self._densities.get(_source(one) or (Path(), 0)),
                one.number in marks,
            )
            for one in self.class_entries
        ]
        self.gallery.show_classes(tiles, self.snapshot.chosen.problem)
        words = f" · {counted(len(marks), 'class', 'classes')} marked" if marks else ""
        self.show_title("gallery", f"classes{words}")

    @work(thread=True, exclusive=True, group="classes", exit_on_error=False)
    def _read(self, classes: tuple[ClassEntry, ...]) -> None:
        found, error = {}, ""
        for one in classes:
            source = _source(one)
            if source is None or one.map is None or source in self._densities:
                continue
            try:
                density = read_density(source[0], one.map.pixel_size_angstrom)
                found[source] = binned(density, TILE_VOXELS)
                # Found out here, where nobody waits for it.
                _ = found[source].level
            except SliceError as problem:
                error = str(problem)
        self.post_message(self.Loaded(found, error))

    def on_variation_screen_loaded(self, message: Loaded) -> None:
        """Draw the maps that were read."""
        self._densities |= message.found
        if self.classification is not None:
            self._show_gallery()
        if message.error:
            self.say(message.error, "warning")

    # ---- classes

    @on(ClassGallery.Marked)
    def _class_marked(self) -> None:
        record, tile = self.classification, self.gallery.chosen
        if record is not None and tile is not None:
            self._marks.setdefault(record.uid, set()).symmetric_difference_update({tile.number})
            self._show_gallery()

    @on(ClassGallery.Opened)
    def _class_opened(self) -> None:
        tile = self.gallery.chosen
        found = [one.map for one in self.class_entries if tile and one.number == tile.number]
        if found and found[0] is not None:
            self.tomotui.show_map(found[0].uid)
        else:
            self.say("this class has no map", "warning")

    def _keep_classes(self, name: str) -> None:
        """Make one particle set of the classes marked, or of the one under the cursor."""
        record, tile = self.classification, self.gallery.chosen
        if record is None or tile is None:
            return
        numbers = sorted(self._marks.get(record.uid) or {tile.number})

        def make(project: Project) -> Derived:
            source = project.record(record.particle_set_uid)
            assert isinstance(source, ParticleSet)
            wanted = name or f"{source.name} {'+'.join(str(one) for one in numbers)}"
            return select_classes(project, source, numbers, wanted)

        self.tomotui.change(make, self.told_made)

    # ---- keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Leave out what only a landscape can do where there is none."""
        if action in OF_LANDSCAPES and self.classification is not None:
            return False
        return super().check_action(action, parameters)

    def action_keep(self, name: str = "") -> None:
        """Make a particle set of what is selected or marked."""
        if self.tomotui.refuse_when_read_only():
            return
        if self.classification is not None:
            self._keep_classes(name)
        else:
            self.keep_selected(name)

    def action_keep_as(self) -> None:
        """Ask for the name of the set."""
        if not self.tomotui.refuse_when_read_only():
            self.status_bar.ask("set-name", "name of the new set: ")

    @on(StatusBar.Answered)
    def _name_answered(self, event: StatusBar.Answered) -> None:
        if event.purpose == "set-name" and not event.live and event.text is not None:
            name = event.text.strip()
            if not name or "/" in name:
                self.say("a set needs a name without slashes", "warning")
            else:
                self.action_keep(name)

    def action_particles(self) -> None:
        """Review the particles."""
        entry = self.entry
        if entry is None or not entry.set_name:
            self.say("nothing is known of the particles in this", "warning")
        else:
            self.tomotui.show_picks(PicksWish((), entry.set_name, narrow=False))

    def action_yank(self) -> None:
        """Offer to copy path, name, or the command that makes a set of a part."""
        entry = self.entry
        if entry is None or entry.record is None:
            return
        path = str((self.tomotui.folder or Path()) / entry.record.path)
        if isinstance(entry.record, Classification):
            what = "--classes 1"
        else:
            what = f"--landscape '{entry.name}' --axis 1 --from 0"
        command = f"tomotui particles select '{entry.set_name}' {what} -p '{self.tomotui.folder}'"
        self.offer_copies({"path": path, "name": entry.name, "command": command})

    def go_back(self) -> bool:
        """Take back what is drawn, played, selected or marked, one thing at a time."""
        record, work = self.classification, self.work_here
        if record is not None and self._marks.pop(record.uid, set()):
            self._show_gallery()
            return True
        if self.landscape is not None:
            if self.plane.drop_line() or self.end_book():
                return True
            if work.selected is not None:
                work.selected, work.cut, work.selection = None, None, ""
                self.show_plane()
                return True
            if work.path or work.clusters is not None:
                work.path, work.clusters = [], None
                self.show_plane()
                return True
        return super().go_back()


def _source(one: ClassEntry) -> Source | None:
    """Return the file of the map of a class, as it is now."""
    return (one.path, one.modified_ns) if one.path is not None and one.modified_ns else None

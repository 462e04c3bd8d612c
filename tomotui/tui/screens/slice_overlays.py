"""What is drawn over slices: the particles of chosen sets, and maps of where they may be."""

from __future__ import annotations

from collections.abc import Hashable
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from textual import work
from textual.message import Message

from tomotui.project import Project, ProjectError
from tomotui.records import ParticleSet
from tomotui.tui.raster.linked import linked_view, other_grid
from tomotui.tui.raster.loader import Image, SliceError, SliceLoader
from tomotui.tui.raster.particle_rings import cut_by, ring_trails, sign_trails
from tomotui.tui.raster.picture import Stain, Trail
from tomotui.tui.raster.resample import Grid
from tomotui.tui.raster.view import SliceViewState
from tomotui.tui.raster.volume import AXES, VolumeReader
from tomotui.tui.screens.places import DEFAULT_RADIUS_ANGSTROM, voxels_of
from tomotui.tui.screens.slice_openings import SliceOpening
from tomotui.tui.slice_layers import MapLayer, SliceLayers, read_layers
from tomotui.tui.widgets.candidate_list import verdict_glyph
from tomotui.tui.wording import counted, listed

Overlaid = Literal["", "picks", "classes", "maps"]
CYCLE: tuple[Overlaid, ...] = ("", "picks", "classes", "maps")
SIGMAS = 4.0
"""How far above the noise of a map its values are shown."""
_SAMPLED_SLICES = 5


class SliceOverlays(SliceOpening):
    """Draws particles and maps over tomograms.

    Attributes
    ----------
    overlaid
        What is drawn over the slices; empty for nothing.
    overlays
        What there is for the series shown; ``None`` before it was read.
    chosen_sets
        Names of the sets whose particles are drawn; ``None`` for all sets of picks.
    """

    overlaid: Overlaid = ""
    overlays: SliceLayers | None = None
    chosen_sets: frozenset[str] | None = None
    _map: tuple[MapLayer, VolumeReader, float] | None = None
    _map_loader: SliceLoader | None = None

    class LayersRead(Message, bubble=False):
        """What can be drawn over the slices was read, or could not be."""

        def __init__(self, layers: SliceLayers | None, error: str, opened: object = None) -> None:
            super().__init__()
            self.layers, self.error, self.opened = layers, error, opened

    class MapSliceLoaded(Message, bubble=False):
        """A slice of the map was read."""

    def on_unmount(self) -> None:
        """Stop loading slices of maps."""
        if self._map_loader is not None:
            self._map_loader.close()

    # ---- what there is

    def read_layers_again(self) -> None:
        """Read what can be drawn over the series that is shown."""
        if self._shown is not None:
            series = self._shown.series
            self._read_layers(self.project.folder, series.uid, series.name)

    @work(thread=True, exclusive=True, group="slices-layers", exit_on_error=False)
    def _read_layers(self, folder: Path, series_uid: str, series_name: str) -> None:
        layers, error, opened = None, "", None
        try:
            with Project.open(folder, read_only=True) as project:
                layers = read_layers(project, series_uid, series_name)
            if layers.maps:
                opened = _open_map(layers.maps[-1])
        except (ProjectError, SliceError) as problem:
            error = str(problem)
        self.post_message(self.LayersRead(layers, error, opened))

    def on_slice_overlays_layers_read(self, message: LayersRead) -> None:
        """Draw what was read."""
        if message.error:
            self._say(message.error)
        if message.layers is None or self._shown is None:
            return
        if message.layers.series_uid != self._shown.series.uid:
            return
        self.overlays, self._map = message.layers, message.opened  # type: ignore[assignment]
        if self._map_loader is not None:
            self._map_loader.close()
            self._map_loader = None
        self._draw_over()

    def subject_changed(self) -> None:
        """Take note that another volume or series is shown."""
        super().subject_changed()
        if self.overlays is None or (
            self._shown is not None and self.overlays.series_uid != self._shown.series.uid
        ):
            self.overlays = self._map = None
            self.read_layers_again()
        self._draw_over()

    def particle_diameters(self) -> tuple[float, ...]:
        """Return the sizes of the species of the series, where they are known."""
        known = [one.diameter_angstrom for one in self.overlays.sets] if self.overlays else []
        sizes = sorted({round(one) for one in known if one})
        return tuple(float(one) for one in sizes) or super().particle_diameters()

    def sets_drawn(self) -> list[str]:
        """Return the names of the sets that are drawn."""
        there = self.overlays.sets if self.overlays is not None else ()
        if self.overlaid == "classes":
            sorted_ones = [one.name for one in there if one.is_sorted]
            chosen = self.chosen_sets or frozenset()
            return [name for name in sorted_ones if name in chosen] or sorted_ones[-1:]
        if self.chosen_sets is None:
            return [one.name for one in there if one.is_picks]
        return [one.name for one in there if one.name in self.chosen_sets]

    # ---- keys

    def action_overlay(self) -> None:
        """Draw the next over the slices: particles, those of classes, maps, nothing."""
        source = self.slice_view.source
        if source is None or self._shown is None:
            return
        if source.is_stack:
            self._say("these are tilt images: b shows a tomogram")
            return
        sets = self.overlays.sets if self.overlays is not None else ()
        has_classes = any(one.is_sorted for one in sets)
        cycle = [one for one in CYCLE if one != "classes" or has_classes]
        place = cycle.index(self.overlaid) if self.overlaid in cycle else 0
        self.overlaid = cycle[(place + 1) % len(cycle)]
        self.read_layers_again()
        self._draw_over()

    def action_overlay_set(self) -> None:
        """Choose a set of particles to be drawn, or not to be drawn any more."""
        from tomotui.tui.screens.set_picker import SetPicker

        sets = self.overlays.sets if self.overlays is not None else ()
        if not sets:
            self._say("no particles in this series yet: 3 marks some, L runs pick or match")
            return
        drawn = self.sets_drawn()
        offered = [
            (
                ParticleSet(
                    name=one.name,
                    diameter_angstrom=one.diameter_angstrom,
                    made_by="picks" if one.is_picks else "average",
                ),
                len(one.verdicts),
            )
            for one in sets
        ]
        present = drawn[0] if drawn else ""
        self.app.push_screen(SetPicker(offered, present, may_begin=False), self._choose_set)

    def _choose_set(self, name: str | None) -> None:
        if name:
            now = frozenset(self.sets_drawn())
            self.chosen_sets = now - {name} if name in now and len(now) > 1 else now | {name}
            self.overlaid = "picks" if self.overlaid != "classes" else "classes"
            self._draw_over()

    # ---- drawing

    def _draw_over(self) -> None:
        source = self.slice_view.source
        over = self.overlaid if source is not None and not source.is_stack else ""
        has_rings = over in ("picks", "classes")
        self.slice_view.lay_over("picks", self._rings if has_rings else None)
        stains = over == "maps" and self._map is not None
        if stains or self.slice_view.stainer is not None:
            self.slice_view.stain_with(self._stains if stains else None)
        self._update_status()

    def _rings(self, view: SliceViewState) -> list[Trail]:
        source, layers = self.slice_view.source, self.overlays
        if source is None or layers is None:
            return []
        across = AXES.index(view.axis)
        down, right = (i for i in range(3) if i != across)
        drawn, trails, signs = self.sets_drawn(), [], []
        ascii_only = self.capability.ascii_only
        for one in layers.sets:
            if one.name not in drawn:
                continue
            diameter = one.diameter_angstrom or 2 * DEFAULT_RADIUS_ANGSTROM
            radius = diameter / 2 / source.pixel_size_angstrom
            voxels = voxels_of(source, one.positions_angstrom)
            away = np.abs(voxels[:, across] - view.index)
            if self.overlaid == "classes":
                away = np.where(one.classes > 0, away, np.inf)
            near = cut_by(away, radius, view.slab)
            rows, columns = voxels[near, down], voxels[near, right]
            verdicts, classes = one.verdicts[near].tolist(), one.classes[near].tolist()
            pairs = list(zip(verdicts, classes, strict=True))
            roles = [f"class{n}" if 0 < n < 10 else verdict for verdict, n in pairs]
            words = [
                ("" if v == "undecided" else verdict_glyph(v, ascii_only))
                + (f"{n}" if n > 0 else "")
                for v, n in pairs
            ]
            trails += ring_trails(rows, columns, away[near], radius, roles)
            signs += sign_trails(rows, columns, radius, words, roles)
        return [*trails, *signs]

    def _stains(self, view: SliceViewState, grid: Grid) -> list[Stain]:
        """Return where the map is above its noise; its slices are read in a thread."""
        source = self.slice_view.source
        if source is None or self._map is None:
            return []
        _, volume, threshold = self._map
        there = linked_view(view, source, volume, self.slice_view.voxels_per_cell())
        key: Hashable = (there.axis, there.index)
        if self._map_loader is None:
            self._map_loader = SliceLoader(self._map_slice_in_thread)
        image = self._map_loader.get(key)
        if image is None:
            load = partial(volume.read, there.axis, there.index, 0)
            self._map_loader.request(key, load)
            return []
        return [Stain(other_grid(image, grid, view, source, volume), threshold, "accent")]

    def _map_slice_in_thread(self, key: Hashable, image: Image | None, error: str) -> None:
        self.post_message(self.MapSliceLoaded())

    def on_slice_overlays_map_slice_loaded(self) -> None:
        """Draw again, with the slice of the map."""
        self.slice_view.redraw()

    def overlay_words(self) -> str:
        """Say what is drawn over the slice, and how much there is of it."""
        if not self.overlaid or self.overlays is None:
            return ""
        if self.overlaid == "maps":
            name = self._map[0].name if self._map is not None else ""
            return f"over it: {name}" if name else "over it: no scores or maps put back yet"
        drawn = self.sets_drawn()
        if not drawn:
            return "over it: no particles yet"
        if self.overlaid == "classes":
            there = [one.classes for one in self.overlays.sets if one.name in drawn]
            kinds, numbers = np.unique(np.concatenate(there), return_counts=True)
            counts = (f"{kind}: {n}" for kind, n in zip(kinds, numbers, strict=True) if kind > 0)
            return f"over it: classes of {listed(drawn)}  {'  '.join(counts)}"
        n = sum(len(one.verdicts) for one in self.overlays.sets if one.name in drawn)
        return f"over it: {listed(drawn)}, {counted(n, 'particle')}"


def _open_map(layer: MapLayer) -> tuple[MapLayer, VolumeReader, float]:
    """Open a map, and find above which value it says something."""
    volume = VolumeReader(layer.path, name=layer.name)
    n = volume.n_slices("z")
    at = sorted({round(i) for i in np.linspace(0, n - 1, _SAMPLED_SLICES + 2)[1:-1]})
    values = np.concatenate([volume.read("z", i).ravel() for i in at])
    return layer, volume, noise_level(values)


def noise_level(values: Image) -> float:
    """Return the value above which a map says something.

    That is some standard deviations above the median, robustly; half of the largest value of a
    map that is flat almost everywhere, such as a segmentation.
    """
    known = values[np.isfinite(values)]
    if not known.size:
        return float("inf")
    median = float(np.median(known))
    sigma = 1.4826 * float(np.median(np.abs(known - median)))
    if sigma > 0:
        return median + SIGMAS * sigma
    top = float(known.max())
    return (median + top) / 2 if top > median else float("inf")

"""Three planes of a tomogram through one point, as large as the terminal allows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.widgets import Static

from tomotui.tui.actions import bindings
from tomotui.tui.raster.filters import band_preset
from tomotui.tui.raster.volume import SliceSource
from tomotui.tui.screens.base import NO_BREAKPOINTS, Frame
from tomotui.tui.screens.places import from_voxel
from tomotui.tui.session import OpenScreen
from tomotui.tui.widgets.ortho_triple import OrthoTriple, TripleState
from tomotui.tui.wording import fitting


class OrthoScreen(Frame):
    """Shows XY, XZ and YZ with one cursor; gives the voxel it was left at.

    Parameters
    ----------
    source
        The volume.
    label
        What it is called.
    state
        Where the planes meet to begin with, and how they are seen.
    crumbs
        Where the user is within the mode.
    diameters_angstrom
        Sizes of particles that the filter can bring out.
    """

    mode = "slices"
    ABOUT = "three planes"
    PROSE = (
        "The three planes of a tomogram that meet in one point, at one scale. Arrows move the "
        "point along x and y, J and K along z; shift makes ten of one. A click puts it where the "
        "mouse points, the wheel goes through the plane under the mouse. Enter goes on to the "
        "slices at that point, escape goes back to where they were."
    )
    HORIZONTAL_BREAKPOINTS = NO_BREAKPOINTS
    CSS = """
    OrthoScreen {
        & #triple { height: 1fr; }
        & #triple-status { height: 1; background: $panel; color: $text-muted; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = bindings(
        "slice.slab_thicker",
        "slice.slab_thinner",
        "slice.filter",
        "slice.invert",
        "slice.renderer",
        "slice.contrast_auto",
        "slice.yank",
    )

    def __init__(
        self,
        source: SliceSource,
        label: str,
        state: TripleState,
        crumbs: Sequence[str] = (),
        diameters_angstrom: Sequence[float] = (),
    ) -> None:
        super().__init__()
        self.source = source
        self.label = label
        self._state = state
        self._crumbs = tuple(crumbs)
        self._bands = [band_preset(one) for one in diameters_angstrom]

    def compose_body(self) -> ComposeResult:
        """Lay out the planes, and one line of state below."""
        yield OrthoTriple(self.source, self._state, self.tomotui.capability, id="triple")
        yield Static(id="triple-status", markup=False)

    def on_mount(self) -> None:
        """Give the keys to the picture."""
        self.triple.focus()
        self._say_where()

    def crumbs(self) -> tuple[str, ...]:
        """Return the series and what is seen of it."""
        return (*self._crumbs, "three planes")

    def as_opened(self) -> OpenScreen:
        """Return what opens the planes again: the slices do that, once they have the volume."""
        z, y, x = self.triple.state.cursor
        return OpenScreen(kind="planes", name="/".join(self._crumbs), voxel=(z, y, x))

    @property
    def triple(self) -> OrthoTriple:
        """The picture."""
        return self.query_one(OrthoTriple)

    @on(OrthoTriple.Moved)
    def _say_where(self) -> None:
        """Say where the cursor is, and what is under it."""
        triple = self.triple
        z, y, x = triple.state.cursor
        look = triple.state.look
        parts = [self.label, f"voxel {x + 1} {y + 1} {z + 1}", self.position_text()]
        if triple.value is not None and not triple.is_waiting:
            parts.append(f"value {triple.value:.4g}")
        if look.slab:
            parts.append(f"slab {2 * look.slab + 1}")
        if look.filter_name != "none":
            parts.append(look.filter_name)
        parts.append("fit" if look.zoom is None else f"{triple.voxels_per_cell():.3g} voxel/cell")
        self.query_one("#triple-status", Static).update(f" {fitting(parts, self.size.width - 2)}")

    def position_text(self) -> str:
        """Return the cursor in Angstrom from the volume's centre."""
        x, y, z = from_voxel(self.source, self.triple.state.cursor)
        return f"x={x:.1f} y={y:.1f} z={z:.1f} Å"

    # ---- keys

    def _look_so(self, **changes: object) -> None:
        triple = self.triple
        look = replace(triple.state.look, **changes)  # type: ignore[arg-type]
        triple.look(replace(triple.state, look=look))

    def action_slab(self, step: int) -> None:
        """Average more or fewer slices."""
        self.triple.action_slab(step)

    def action_filter(self) -> None:
        """Take the next filter preset."""
        self._look_so(filter_name=self.triple.state.look.next_filter(self._bands).filter_name)

    def action_invert(self) -> None:
        """Show dark as bright."""
        self.triple.action_invert()

    def action_auto_contrast(self) -> None:
        """Take the contrast from what is seen."""
        self.triple.action_auto_contrast()

    def action_renderer(self) -> None:
        """Draw with the next glyph set that this terminal may be able to show."""
        names = self.tomotui.capability.available
        now = self.triple.state.look.glyphs
        at = names.index(now) if now in names else -1
        self._look_so(glyphs=names[(at + 1) % len(names)])

    def action_yank(self) -> None:
        """Offer to copy the path of the volume, its name, or where the cursor is."""
        path = str(getattr(self.source, "path", ""))
        texts = {"path": path, "name": self.label, "position": self.position_text()}
        self.offer_copies(texts)

    def action_go(self) -> None:
        """Go on to the slices, at the cursor."""
        self.dismiss(self.triple.state)

    def go_back(self) -> bool:
        """Go back to the slices, where they were."""
        self.dismiss(None)
        return True

"""Coming back to the slices: the crosshair, what stood beside them, and the three planes."""

from __future__ import annotations

from tomotui.project import Project
from tomotui.tui.raster.capability import Capability
from tomotui.tui.screens.slice_overlays import SliceOverlays
from tomotui.tui.screens.slices import SlicesScreen
from tomotui.tui.session import Session, SliceSight, Voxel


class SlicesAgain(SliceOverlays):
    """Keeps what is shown with a slice, and shows it again at the next start."""

    kept_session: Session

    def __init__(self, project: Project, capability: Capability, series_name: str | None) -> None:
        super().__init__(project, capability, series_name)
        kept = self.kept_session
        self._sight: SliceSight | None = kept.sight
        opened = kept.opened
        self._planes_at = opened.voxel if opened is not None and opened.kind == "planes" else None

    def keep_sight(self) -> None:
        """Keep crosshair and companion."""
        if self._sight is not None:
            return  # what was kept is still to be shown
        cross = self.cross
        voxel = (cross.z, cross.y, cross.x) if cross is not None else None
        couple = self._couple if self.beside == "volume" else None
        self.kept_session.sight = SliceSight(cross=voxel, beside=self.beside, couple=couple)

    def on_slices_screen_source_opened(self, message: SlicesScreen.SourceOpened) -> None:
        """Show with the first volume what was shown when the program was left."""
        sight, self._sight = self._sight, None
        planes, self._planes_at = self._planes_at, None
        if message.source is None or message.choice.uid != self.kept_session.volume:
            return
        # What shows the volume itself follows on this message.
        self.call_later(self._show_again, sight or SliceSight(), planes)

    def _show_again(self, sight: SliceSight, planes: Voxel | None) -> None:
        source = self.slice_view.source
        if source is None:
            return
        if sight.cross is not None:
            self.put_cross(*_inside(sight.cross, source.shape))
        if sight.beside == "spectrum":
            self.action_spectrum()
        elif sight.beside == "volume":
            self._couple = sight.couple
            self.action_beside()
        if planes is not None and not source.is_stack:
            self.open_planes(_inside(planes, source.shape))


def _inside(voxel: Voxel, shape: tuple[int, ...]) -> Voxel:
    """Return a voxel, or the nearest one that a volume has."""
    z, y, x = (min(max(at, 0), n - 1) for at, n in zip(voxel, shape, strict=True))
    return z, y, x

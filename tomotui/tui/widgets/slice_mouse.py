"""The mouse on a picture of slices: the wheel goes through them, a drag pans, a click points."""

from __future__ import annotations

from textual import events
from textual.geometry import Offset

from tomotui.tui.widgets.pacing import PacedPicture


class SliceMouse(PacedPicture):
    """A picture that is moved by the mouse, and pointed at."""

    _held: Offset | None = None
    _dragged = False

    @property
    def can_be_held(self) -> bool:
        """Whether there is anything to take hold of."""
        raise NotImplementedError

    def move_slice(self, step: int) -> None:
        """Go ``step`` slices on."""
        raise NotImplementedError

    def drag(self, rows: int, columns: int) -> None:
        """Move the picture by so many cells, down and to the right."""
        raise NotImplementedError

    def point_at(self, x: int, y: int) -> None:
        """Take notice of a cell that was clicked."""
        raise NotImplementedError

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Go one slice on."""
        event.stop()
        self.move_slice(1)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Go one slice back."""
        event.stop()
        self.move_slice(-1)

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Take hold of the picture."""
        if event.button == 1 and self.can_be_held:
            self._held = event.screen_offset
            self._dragged = False
            self.capture_mouse()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Let the picture follow the mouse that holds it."""
        if self._held is not None and self.can_be_held:
            moved = event.screen_offset - self._held
            if moved == Offset(0, 0):
                return
            self._held, self._dragged = event.screen_offset, True
            self.drag(moved.y, moved.x)

    def on_mouse_up(self, event: events.MouseUp) -> None:
        """Let go; without any movement in between the place was pointed at."""
        if self._held is not None:
            self._held = None
            self.release_mouse()
            if not self._dragged:
                self.point_at(event.x, event.y)

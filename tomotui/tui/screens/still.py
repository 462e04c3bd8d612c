"""One picture at the full resolution of the screen, until a key is pressed."""

from __future__ import annotations

from collections.abc import Callable

from textual import events, work
from textual.app import ComposeResult
from textual.message import Message
from textual.screen import ModalScreen
from textual.widgets import Static

from tomotui.tui.raster import still_tmux
from tomotui.tui.raster.control import write_to_terminal
from tomotui.tui.raster.still_support import StillSupport
from tomotui.tui.raster.stills import Grey, encoded, erasure, pixels_of
from tomotui.tui.wording import fitting

Draw = Callable[[tuple[int, int], tuple[int, int]], tuple[Grey, str]]
"""Makes a picture and says what is in it, given the height and width in cells and in pixels.

Runs in a thread.
"""


class StillScreen(ModalScreen[None]):
    """Shows a picture by the terminal's own protocol; it is sent once.

    Parameters
    ----------
    support
        How pictures are sent.
    draw
        Makes the picture.
    words
        What stands below it.
    """

    CSS = """
    StillScreen {
        background: $background;
        & #still-place { height: 1fr; background: $background; }
        & #still-words { height: 1; background: $panel; color: $text-muted; }
    }
    """

    class Ready(Message, bubble=False):
        """The picture can be sent."""

        def __init__(self, text: str, words: str) -> None:
            super().__init__()
            self.text, self.words = text, words

    def __init__(self, support: StillSupport, draw: Draw, words: str) -> None:
        super().__init__()
        self.support = support
        self.words = words
        self.sent_bytes = 0
        self._draw = draw
        self._begun = False

    def compose(self) -> ComposeResult:
        """Leave the picture its place; a line below says what it is."""
        yield Static(id="still-place")
        yield Static(f" {self.words}  drawing", id="still-words", markup=False)

    def on_mount(self) -> None:
        """Make the picture once the ground is there to be drawn on."""
        self.call_after_refresh(self._begin)

    def _begin(self) -> None:
        size = self.query_one("#still-place").size
        self._begun = True
        self._make((max(size.height, 1), max(size.width, 1)))

    @work(thread=True, exclusive=True, group="still", exit_on_error=False)
    def _make(self, cells: tuple[int, int]) -> None:
        support, protocol = self.support, self.support.protocol
        if not support.through_tmux:
            pixels = pixels_of(protocol, cells, support.cell_pixels)
            picture, words = self._draw(cells, pixels)
            self.post_message(self.Ready(encoded(protocol, picture, cells), words))
            return
        pane = still_tmux.pane_place()
        if pane is None:
            self.post_message(self.Ready("", "tmux does not say where this pane is"))
            return
        pixels = pixels_of(protocol, cells, support.cell_pixels, still_tmux.MOST_PIXELS)
        picture, words = self._draw(cells, pixels)
        text = still_tmux.through_tmux(protocol, picture, cells, (0, 0), pane)
        self.post_message(self.Ready(text, words))

    def on_still_screen_ready(self, message: Ready) -> None:
        """Say what it took, and send the picture when that is on the screen."""
        sent = f"{self.support.protocol} {len(message.text) / 1000:.0f} kB"
        parts = (self.words, "any key goes back", message.words, sent)
        words = fitting(parts, self.size.width - 2)
        self.query_one("#still-words", Static).update(f" {words}")
        self.call_after_refresh(self._send, message.text)

    def _send(self, text: str) -> None:
        if self.is_current:
            place = self.query_one("#still-place").region
            at = f"\x1b[{place.y + 1};{place.x + 1}H"
            self.sent_bytes = len(text)
            through = self.support.through_tmux
            write_to_terminal(self.app, text if through else f"\x1b7{at}{text}\x1b8")

    def on_key(self, event: events.Key) -> None:
        """Go back, whatever key it is."""
        event.stop()
        event.prevent_default()
        self._close()

    def on_click(self) -> None:
        """Go back."""
        self._close()

    def on_resize(self) -> None:
        """Go back when the terminal has another size: the picture is out of place."""
        if self._begun:
            self._close()

    def _close(self) -> None:
        if not self.is_current:
            return
        through, protocol = self.support.through_tmux, self.support.protocol
        gone = still_tmux.taken_away(protocol) if through else erasure(protocol)
        write_to_terminal(self.app, gone)
        if through and protocol != "kitty":
            self.app.run_worker(still_tmux.draw_again, thread=True, exit_on_error=False)
        self.dismiss(None)
        # Characters have to be drawn over what a picture has left.
        forget = getattr(self.app, "forget_sent", None)
        if forget is not None:
            forget()
        self.app.call_later(self.app.refresh, repaint=True, layout=True)

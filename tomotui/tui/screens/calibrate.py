"""The test card: which characters the font draws rightly, and what the link takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.message import Message
from textual.widgets import Static

from tomotui.tui.actions import bindings
from tomotui.tui.raster.capability import Capability
from tomotui.tui.raster.tiers import GLYPH_ORDER, GlyphName
from tomotui.tui.screens.base import Modal
from tomotui.tui.widgets.test_card import TestCard, card_rows, frame_bytes

QUESTION = "Which is a smooth, closed ring? Press its number; the lower the finer."


class CalibrateScreen(Modal):
    """Shows the card; gives the glyph set that was chosen, ``None`` when nothing was.

    Parameters
    ----------
    terminal_words
        What the terminal is called, for which the choice is kept.
    """

    ABOUT = "test card"
    PROSE = (
        "Pictures are drawn with characters that divide a cell into 1 to 8 parts. Whether your "
        "font has them, only you can see. The choice is kept for this terminal; R tries others "
        "on a picture, and TOMOTUI_GLYPHS overrules all. Below: the greys there are, and the "
        "bytes that a picture of the size of this terminal takes."
    )
    CSS: ClassVar[str] = """
    CalibrateScreen {
        & #card-dialog { height: auto; padding: 0 2; }
        & TestCard { width: 1fr; }
        & #card-scroll { height: auto; max-height: 100%; }
        & #card-question { height: auto; margin-bottom: 1; text-style: bold; }
        & #card-link { height: auto; color: $dim; margin-top: 1; }
        &.-low #card-question { margin-bottom: 0; }
        &.-low #card-link { margin-top: 0; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = bindings("card")

    class Costs(Message, bubble=False):
        """It is known what pictures cost."""

        def __init__(self, costs: Mapping[GlyphName, int]) -> None:
            super().__init__()
            self.costs = dict(costs)

    def __init__(self, capability: Capability, terminal_words: str) -> None:
        super().__init__()
        self.capability, self.terminal_words = capability, terminal_words

    def compose(self) -> ComposeResult:
        """Lay out the question, the card, and what is known of the link."""
        with Vertical(id="card-dialog", classes="dialog large") as dialog:
            dialog.border_title = "test card"
            dialog.border_subtitle = f"1-6 choose   enter keeps {self.capability.glyphs}"
            with VerticalScroll(id="card-scroll"):
                yield Static(QUESTION, id="card-question", markup=False)
                yield TestCard(self.capability)
                yield Static(self._link_words(), id="card-link", markup=False)

    @property
    def card(self) -> TestCard:
        """The card."""
        return self.query_one(TestCard)

    def on_mount(self) -> None:
        """Find out what pictures cost."""
        self._fit()
        self.card.focus()
        self._weigh(self.app.size.height, self.app.size.width)

    def on_resize(self, event: events.Resize) -> None:
        """Give the card the rows that it needs at this width."""
        self.call_after_refresh(self._fit)

    def _fit(self) -> None:
        width = self.query_one("#card-scroll").size.width or self.app.size.width - 6
        self.card.styles.height = card_rows(width)

    @work(thread=True, exclusive=True, exit_on_error=False)
    def _weigh(self, height: int, width: int) -> None:
        available = self.capability.available
        costs = {name: frame_bytes(self.capability, name, (height, width)) for name in available}
        self.post_message(self.Costs(costs))

    def on_calibrate_screen_costs(self, message: Costs) -> None:
        """Write the costs below the rings."""
        self.card.know_costs(message.costs)

    @on(TestCard.Measured)
    def _measured(self) -> None:
        self.query_one("#card-link", Static).update(self._link_words())

    def _link_words(self) -> str:
        size, colours = self.app.size, self.capability.colours
        lines = [
            f"kB are those of a picture of {size.width} x {size.height} in {_COLOURS[colours]}. "
            f"Kept for {self.terminal_words}."
        ]
        trip = self.card.pacer.round_trip if self.is_mounted else None
        if trip is not None:
            lines.append(f"The terminal answers after {1000 * trip:.0f} ms.")
        elif self.capability.answers_cursor_report is False:
            lines.append("The terminal does not answer: pictures follow a clock.")
        return "\n".join(lines)

    # ---- keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer only what the terminal places rightly."""
        if action == "choose":
            return parameters[0] in self.capability.available
        return super().check_action(action, parameters)

    def action_choose(self, name: str) -> None:
        """Draw with these from now on."""
        self.dismiss(next(one for one in GLYPH_ORDER if one == name))

    def action_keep(self) -> None:
        """Keep what is in use."""
        self.dismiss(self.capability.glyphs)


_COLOURS = {
    "truecolor": "true colour",
    "256": "256 colours",
    "16": "16 colours",
    "mono": "no colours",
}

"""What can be done about the terminal itself: its characters, its mouse, its bell."""

from __future__ import annotations

from tomotui.tui.action import Action
from tomotui.tui.raster.tiers import GLYPH_ORDER

LINK_ACTIONS = (
    Action(
        "app.calibrate",
        "test card",
        "Choose the characters that draw by a test card; measures the link as well.",
        "app.calibrate",
        word="calibrate",
    ),
    Action(
        "app.notify",
        "notifications",
        "What tells that jobs have ended: words and a bell, the bell alone, or nothing.",
        "app.next_notify",
        word="notify",
    ),
    Action(
        "app.notify_test",
        "try notification",
        "Tell of a job that has not ended, to see what the terminal makes of it.",
        "app.try_notification",
    ),
    Action(
        "app.mouse",
        "mouse",
        "Clicks and wheel, every movement, or off: then the terminal selects text.",
        "app.next_mouse",
        word="mouse",
    ),
    *(
        Action(f"card.{name}", f"{name}", f"Draw with {name} characters.", f"choose('{name}')")
        for name in GLYPH_ORDER
    ),
    Action("dialog.card", "test card", "Show the test card.", "card", True),
    Action("card.keep", "keep", "Keep what is in use.", "keep", True),
)

"""The theme's colours for what is drawn over a picture."""

from __future__ import annotations

from textual.color import Color
from textual.widget import Widget

from tomotui.tui.raster.palette import DEFAULT_ROLES, Rgb
from tomotui.tui.theme import Look


def roles_of(widget: Widget, component: str) -> dict[str, Rgb]:
    """Return the colours that the style sheet has for the roles of a widget's components."""
    roles: dict[str, Rgb] = {"outside": widget.background_colors[1].rgb}
    for role in DEFAULT_ROLES:
        if role == "outside" or role.startswith("class"):
            continue
        styles = widget.get_component_styles(f"{component}--{role}")
        is_ground = role in ("shade", "cursor")
        roles[role] = styles.background.rgb if is_ground else styles.color.rgb
    return roles


def roles_of_picks(look: Look) -> dict[str, Rgb]:
    """Return the colours of decisions and classes."""
    pick = {"accepted": look.pick.accept, "rejected": look.pick.reject, "unsure": look.pick.unsure}
    pick |= {f"class{n}": one for n, one in enumerate(look.pick.classes, start=1)}
    return {role: Color.parse(colour).rgb for role, colour in pick.items()}

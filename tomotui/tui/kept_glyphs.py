"""The characters that the user has chosen for a terminal."""

from __future__ import annotations

from collections.abc import Mapping

from tomotui.tui.raster.capability import GLYPH_VARIABLE, Capability, with_glyphs
from tomotui.tui.raster.tiers import GLYPH_ORDER
from tomotui.tui.session import one_of
from tomotui.tui.terminal import Terminal


def with_kept_glyphs(
    capability: Capability, kept: Mapping[str, str], terminal: Terminal, env: Mapping[str, str]
) -> Capability:
    """Return a capability with the characters that were chosen for a terminal.

    The environment goes before, and what the terminal misplaces by now is not taken.
    """
    name = one_of(GLYPH_ORDER, kept.get(terminal.key, ""))
    if name is None or name not in capability.available or env.get(GLYPH_VARIABLE):
        return capability
    chosen = with_glyphs(capability, name)
    return chosen.with_reason(f"characters: {name}, chosen for {terminal.key}; :calibrate changes")

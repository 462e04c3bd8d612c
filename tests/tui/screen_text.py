"""A screen as text that can be read in a diff: its characters, and below them their styles.

Styles are told by the roles of the theme, row by row: ``9 primary/panel bold`` are nine cells in
the primary colour on the panel's. A blank takes part in what is before it, for nobody sees its
ink. Cells of pictures are replaced by a flat tone: their values are the business of the tests of
drawing, and differ in the last bit from machine to machine.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from typing import Any, NamedTuple

from rich.color import Color
from rich.style import Style
from textual.geometry import Region

from tomotui.tui.theme import Look
from tomotui.tui.widgets.class_gallery import ClassGallery
from tomotui.tui.widgets.density_picture import DensityPicture
from tomotui.tui.widgets.heat_view import HeatView
from tomotui.tui.widgets.latent_plane import LatentPlane
from tomotui.tui.widgets.ortho_triple import OrthoTriple
from tomotui.tui.widgets.ortho_views import OrthoViews
from tomotui.tui.widgets.rings_view import RingsView
from tomotui.tui.widgets.slice_view import SliceView
from tomotui.tui.widgets.test_card import TestCard
from tomotui.tui.widgets.thumbnail import Thumbnail
from tomotui.tui.widgets.tile_sheet import TileSheet
from tomotui.tui.widgets.training_view import TrainingView

PICTURES = (
    *(ClassGallery, DensityPicture, HeatView, LatentPlane, OrthoTriple, OrthoViews, RingsView),
    *(SliceView, TestCard, Thumbnail, TileSheet, TrainingView),
)
TONE = "░"
PATH_LETTERS = "ɐɑɒɓɔɕɖɗɘɚɛɜɝɞɟ"
"""Of folders whose names differ from run to run; told as ``x``, also where a name is broken."""
_GLYPHS = (
    *((0x2580, 0x259F), (0x2800, 0x28FF)),  # blocks, braille
    *((0x1CC00, 0x1CEBF), (0x1FB00, 0x1FBFF)),  # octants, sextants
)
_PICTURE = ("picture", "picture", "")
_BYTES = re.compile(r"(\d+) kB")
"""How much a picture has sent; that follows its values."""
_ROLES = (
    *("background", "surface", "panel", "cursor", "border", "foreground", "dim", "primary"),
    *("secondary", "accent", "warning", "error", "success"),
)
_ATTRIBUTES = ("bold", "dim", "italic", "underline", "reverse", "strike")


class Cell(NamedTuple):
    """One character and how it is drawn."""

    character: str
    ink: str
    ground: str
    attributes: str

    @property
    def style(self) -> str:
        """Return it in words."""
        return f"{self.ink}/{self.ground}{self.attributes}"


def is_glyph(character: str) -> bool:
    """Return whether a character is one that pictures are drawn with."""
    return character == " " or any(low <= ord(character) <= high for low, high in _GLYPHS)


def screen_text(app: Any, *, colours: bool = False) -> str:
    """Return what a screen shows, and how; with ``colours`` what the roles stand for, as well."""
    rows = [list(cells(row, app.look)) for row in app.screen._compositor.render_strips()]
    for region in picture_regions(app.screen):
        for row in rows[region.y : region.bottom]:
            row[region.x : region.right] = [
                Cell(TONE if is_glyph(cell.character) else cell.character, *_PICTURE)
                for cell in row[region.x : region.right]
            ]
    text = "\n".join("".join(cell.character for cell in row).rstrip() for row in rows)
    text = re.sub(f"[{PATH_LETTERS}]", "x", text)
    parts = [_BYTES.sub(lambda found: "#" * len(found[1]) + " kB", text)]
    parts.append("\n".join(style_lines(rows)))
    if colours:
        parts.append("\n".join(f"{role} {getattr(app.look, role)}" for role in _ROLES))
    return "\n----\n".join(parts) + "\n"


def picture_regions(screen: Any) -> list[Region]:
    """Return where pictures are seen."""
    seen = screen._compositor.visible_widgets.items()
    return [
        region.intersection(clip) for widget, (region, clip) in seen if isinstance(widget, PICTURES)
    ]


def cells(strip: Any, look: Look) -> Iterator[Cell]:
    """Go through the cells of a row; a wide character is followed by an empty one."""
    roles = {getattr(look, role).lower(): role for role in reversed(_ROLES)}
    for text, style, _ in strip:
        style = style or Style.null()
        flags = "".join(f" {name}" for name in _ATTRIBUTES if getattr(style, name))
        ink, ground = told(style.color, roles), told(style.bgcolor, roles)
        for character in text:
            yield Cell(character, ink, ground, flags)


def told(colour: Color | None, roles: dict[str, str]) -> str:
    """Return the role of a colour; the colour itself when it has none."""
    if colour is None or colour.is_default:
        return "default"
    if colour.triplet is None:
        return f"ansi-{colour.number}"
    return roles.get(colour.triplet.hex, colour.triplet.hex)


def style_lines(rows: list[list[Cell]]) -> Iterator[str]:
    """Tell the styles of rows; neighbours that are alike share a line."""
    told_rows = [", ".join(runs(row)) for row in rows]
    for words, group in groupby(enumerate(told_rows, 1), key=lambda each: each[1]):
        numbers = [number for number, _ in group]
        first, last = numbers[0], numbers[-1]
        yield f"{first if first == last else f'{first}-{last}'}: {words}"


def runs(row: list[Cell]) -> Iterator[str]:
    """Tell how many cells of a row are drawn alike, one after another."""
    seen: list[Cell] = []
    for cell in row:
        before = seen[-1] if seen else None
        bare = cell.character == " " and " underline" not in cell.attributes
        if before and bare and before.ground == cell.ground:
            cell = cell._replace(ink=before.ink, attributes=before.attributes)
        seen.append(cell)
    for words, group in groupby(seen, key=lambda cell: cell.style):
        yield f"{len(list(group))} {'picture' if words == 'picture/picture' else words}"

"""Draw what a terminal shows as a picture: text by a font, block glyphs exactly.

Fonts that hold octants are rare on servers; blocks are therefore painted by their definition.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyte
from PIL import Image, ImageDraw, ImageFont

from tomotui.tui.raster.glyphs import GLYPHS

CELL_WIDTH, CELL_HEIGHT = 10, 20
FOREGROUND, BACKGROUND = (211, 224, 234), (12, 12, 12)
FONTS = (
    "/usr/share/fonts/truetype/dejavu/DejaVuSansMono.ttf",
    "/usr/share/fonts/truetype/dejavu/DejaVuSansMono-Bold.ttf",
)


def _patterns() -> dict[str, np.ndarray]:
    """Return for every block glyph which of its sub-pixels are filled, ``[rows, columns]``."""
    found: dict[str, np.ndarray] = {}
    for name in ("octant", "sextant", "quadrant", "half"):
        glyphs = GLYPHS[name]
        rows, columns = glyphs.rows, glyphs.columns
        for code, character in enumerate(glyphs.table.tolist()):
            bits = np.array([(code >> bit) & 1 for bit in range(rows * columns)], dtype=bool)
            found.setdefault(character, bits.reshape(rows, columns))
    return found


def _dots() -> dict[str, np.ndarray]:
    """Return the raised dots of every braille character, ``[4, 2]``."""
    glyphs = GLYPHS["braille"]
    return {
        character: np.array([(code >> bit) & 1 for bit in range(8)], dtype=bool).reshape(4, 2)
        for code, character in enumerate(glyphs.table.tolist())
    }


def _colour(value: str, default: tuple[int, int, int]) -> tuple[int, int, int]:
    if value == "default":
        return default
    if len(value) == 6:
        return int(value[:2], 16), int(value[2:4], 16), int(value[4:], 16)
    return default


def paint_screen(screen: pyte.Screen, path: Path) -> None:
    """Write a PNG of a pyte screen."""
    image = picture_of(screen)
    image.quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)


def picture_of(screen: pyte.Screen) -> Image.Image:
    """Return a picture of a pyte screen, in full colour."""
    regular, bold = (ImageFont.truetype(name, 16) for name in FONTS)
    blocks, dots = _patterns(), _dots()
    size = (screen.columns * CELL_WIDTH, screen.lines * CELL_HEIGHT)
    image = Image.new("RGB", size, BACKGROUND)
    draw = ImageDraw.Draw(image)
    for row in range(screen.lines):
        for column in range(screen.columns):
            cell = screen.buffer[row][column]
            fore = _colour(cell.fg, FOREGROUND)
            back = _colour(cell.bg, BACKGROUND)
            if cell.reverse:
                fore, back = back, fore
            x, y = column * CELL_WIDTH, row * CELL_HEIGHT
            draw.rectangle((x, y, x + CELL_WIDTH - 1, y + CELL_HEIGHT - 1), fill=back)
            character = cell.data
            if character in blocks and character != " ":
                _paint_block(draw, blocks[character], x, y, fore)
            elif character in dots and character != " ":
                _paint_dots(draw, dots[character], x, y, fore)
            elif character.strip():
                font = bold if cell.bold else regular
                draw.text((x, y), character, font=font, fill=fore)
            if cell.underscore:
                line = y + CELL_HEIGHT - 2
                draw.line((x, line, x + CELL_WIDTH - 1, line), fill=fore)
    return image


def _paint_block(
    draw: ImageDraw.ImageDraw, bits: np.ndarray, x: int, y: int, colour: tuple[int, int, int]
) -> None:
    rows, columns = bits.shape
    for r, c in zip(*np.nonzero(bits), strict=True):
        left, right = x + CELL_WIDTH * c // columns, x + CELL_WIDTH * (c + 1) // columns - 1
        top, bottom = y + CELL_HEIGHT * r // rows, y + CELL_HEIGHT * (r + 1) // rows - 1
        draw.rectangle((left, top, right, bottom), fill=colour)


def _paint_dots(
    draw: ImageDraw.ImageDraw, bits: np.ndarray, x: int, y: int, colour: tuple[int, int, int]
) -> None:
    for r, c in zip(*np.nonzero(bits), strict=True):
        left, top = x + 2 + 5 * c, y + 2 + 5 * r
        draw.rectangle((left, top, left + 1, top + 1), fill=colour)

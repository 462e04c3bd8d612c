"""A drawing as PNG, for slides and for those who have no use for vectors."""

from __future__ import annotations

import contextlib
import io
import math
from collections.abc import Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING

from tomotui.tui.printing.drawing import Area, Drawing, Point, Shape, Stroke, Words

if TYPE_CHECKING:
    from PIL import Image, ImageDraw, ImageFont

PIXELS_PER_POINT = 2
_SMOOTHING = 2
"""Drawn so many times larger, and made smaller: edges become smooth."""
_SCALE = PIXELS_PER_POINT * _SMOOTHING
_ANCHORS = {"start": "ls", "middle": "ms", "end": "rs"}
FONTS = ("DejaVuSans.ttf", "LiberationSans-Regular.ttf", "Arial.ttf", "Helvetica.ttc")
"""Files looked for where the system keeps fonts; the first that is there is taken."""
_PLAIN = str.maketrans({"Å": "A", "µ": "u", "σ": "s", "²": "2", "±": "~", "→": ">"})
"""For the font that comes with Pillow, which has no letters but the English."""
_PNG_DPI = 72 * PIXELS_PER_POINT


def png_bytes(drawing: Drawing) -> bytes:
    """Return a drawing as the bytes of a PNG file."""
    from PIL import Image

    size = (round(drawing.width * _SCALE), round(drawing.height * _SCALE))
    paper = Image.new("RGB", size, "#ffffff")
    window = Image.new("RGB", size, "#ffffff")
    _draw(window, drawing.inside)
    left, top, right, bottom = (round(edge * _SCALE) for edge in drawing.window)
    paper.paste(window.crop((left, top, right, bottom)), (left, top))
    _draw(paper, drawing.shapes)
    small = paper.resize((size[0] // _SMOOTHING, size[1] // _SMOOTHING), Image.Resampling.BOX)
    file = io.BytesIO()
    small.save(file, "PNG", optimize=True, dpi=(_PNG_DPI, _PNG_DPI))
    return file.getvalue()


@cache
def _system_font(size: int) -> ImageFont.FreeTypeFont | None:
    from PIL import ImageFont

    for name in FONTS:
        with contextlib.suppress(OSError):
            return ImageFont.truetype(name, size)
    return None


def font_of(words: Words) -> tuple[ImageFont.FreeTypeFont, str]:
    """Return the font for words, and the words as it can write them."""
    from PIL import ImageFont

    size = round(words.size * _SCALE)
    found = _system_font(size)
    if found is not None:
        return found, words.text
    default = ImageFont.load_default(size)
    assert isinstance(default, ImageFont.FreeTypeFont)
    return default, words.text.translate(_PLAIN)


def _draw(image: Image.Image, shapes: Sequence[Shape]) -> None:
    from PIL import ImageDraw

    pen = ImageDraw.Draw(image, "RGBA")
    for shape in shapes:
        if isinstance(shape, Stroke):
            _stroke(pen, shape)
        elif isinstance(shape, Area):
            opacity = round(255 * shape.opacity)
            pen.polygon(_scaled(shape.points), fill=f"{shape.colour}{opacity:02x}")
        elif shape.is_upright:
            _write_upright(image, shape)
        else:
            font, text = font_of(shape)
            pen.text(_scaled([shape.at])[0], text, shape.colour, font, _ANCHORS[shape.anchor])


def _stroke(pen: ImageDraw.ImageDraw, stroke: Stroke) -> None:
    width = max(round(stroke.width * _SCALE), 1)
    for part in _dashes(stroke) if stroke.dash else [stroke.points]:
        pen.line(_scaled(part), fill=stroke.colour, width=width, joint="curve")


def _dashes(stroke: Stroke) -> Iterator[tuple[Point, Point]]:
    for (x0, y0), (x1, y1) in zip(stroke.points, stroke.points[1:], strict=False):
        length = math.hypot(x1 - x0, y1 - y0)
        for number in range(0, math.ceil(length / stroke.dash), 2):
            begin = number * stroke.dash / length
            end = min((number + 1) * stroke.dash / length, 1.0)
            yield (
                (x0 + (x1 - x0) * begin, y0 + (y1 - y0) * begin),
                (x0 + (x1 - x0) * end, y0 + (y1 - y0) * end),
            )


def _write_upright(image: Image.Image, words: Words) -> None:
    from PIL import Image, ImageDraw

    font, text = font_of(words)
    left, top, right, bottom = font.getbbox(text, anchor="ls")
    size = (max(math.ceil(right - left), 1), max(math.ceil(bottom - top), 1))
    ink = Image.new("L", size, 0)
    ImageDraw.Draw(ink).text((-left, -top), text, 255, font, "ls")
    turned = ink.rotate(90, expand=True)
    x, y = _scaled([words.at])[0]
    place = (round(x + top), round(y - turned.height / 2))
    image.paste(Image.new("RGB", turned.size, words.colour), place, turned)


def _scaled(points: Sequence[Point]) -> list[Point]:
    return [(x * _SCALE, y * _SCALE) for x, y in points]

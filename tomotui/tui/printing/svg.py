"""A drawing as SVG: every curve stays a curve, every word a word."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape, quoteattr

from tomotui.tui.printing.drawing import Area, Drawing, Point, Shape, Stroke

FONTS = "Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif"


def svg_text(drawing: Drawing) -> str:
    """Return a drawing as the text of an SVG file."""
    left, top, right, bottom = drawing.window
    size = f'width="{drawing.width:g}" height="{drawing.height:g}"'
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} '
        f'viewBox="0 0 {drawing.width:g} {drawing.height:g}" font-family="{FONTS}">',
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        f'<clipPath id="window"><rect x="{left:g}" y="{top:g}" width="{right - left:g}" '
        f'height="{bottom - top:g}"/></clipPath>',
        '<g clip-path="url(#window)">',
        *(_element(shape) for shape in drawing.inside),
        "</g>",
        *(_element(shape) for shape in drawing.shapes),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _element(shape: Shape) -> str:
    if isinstance(shape, Stroke):
        dash = f' stroke-dasharray="{shape.dash:g}"' if shape.dash else ""
        return (
            f'<polyline points="{_points(shape.points)}" fill="none" stroke="{shape.colour}" '
            f'stroke-width="{shape.width:g}" stroke-linejoin="round"{dash}/>'
        )
    if isinstance(shape, Area):
        opacity = f' fill-opacity="{shape.opacity:g}"' if shape.opacity < 1 else ""
        return f'<polygon points="{_points(shape.points)}" fill="{shape.colour}"{opacity}/>'
    x, y = shape.at
    turned = f' transform="rotate(-90 {x:g} {y:g})"' if shape.is_upright else ""
    return (
        f'<text x="{x:.2f}" y="{y:.2f}" font-size="{shape.size:g}" fill={quoteattr(shape.colour)} '
        f'text-anchor="{shape.anchor}"{turned}>{escape(shape.text)}</text>'
    )


def _points(points: Sequence[Point]) -> str:
    return " ".join(f"{x:.2f},{y:.2f}" for x, y in points)

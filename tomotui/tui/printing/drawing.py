"""What is on a page, before any format: strokes, areas and words, in points from the top left."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Point = tuple[float, float]
Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""
Anchor = Literal["start", "middle", "end"]


@dataclass(frozen=True)
class Stroke:
    """A line through points; ``dash`` is the length of its dashes and gaps, 0 for none."""

    points: tuple[Point, ...]
    colour: str
    width: float = 1.0
    dash: float = 0.0


@dataclass(frozen=True)
class Area:
    """A filled shape."""

    points: tuple[Point, ...]
    colour: str
    opacity: float = 1.0


@dataclass(frozen=True)
class Words:
    """A line of text; ``at`` is where its baseline begins, has its middle, or ends."""

    at: Point
    text: str
    size: float = 11.0
    anchor: Anchor = "start"
    colour: str = "#222222"
    is_upright: bool = False


Shape = Stroke | Area | Words


@dataclass
class Drawing:
    """A page.

    Attributes
    ----------
    shapes
        In the order in which they are drawn.
    inside
        Shapes that are cut at the rims of ``window``; drawn before the others.
    """

    width: float
    height: float
    window: Box
    inside: list[Shape] = field(default_factory=list)
    shapes: list[Shape] = field(default_factory=list)

"""What stands in the cells of a table: spans of text in roles of the theme."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from tomotui.records import Status
from tomotui.tui.status import SIGNS, Mood
from tomotui.tui.theme import Look
from tomotui.tui.wording import percent


class Span(NamedTuple):
    """Text in a role of the theme, such as ``dim`` or ``failed``."""

    text: str
    role: str = "foreground"


Content = tuple[Span, ...]
EMPTY: Content = ()


def text(words: str, role: str = "foreground") -> Content:
    """Return the content of plain words."""
    return (Span(words, role),) if words else EMPTY


def sign(mood: Mood, look: Look, ascii_only: bool, words: str = "", role: str = "") -> Content:
    """Return the glyph of a mood, and words beside it."""
    glyph = Span(look.glyph(mood, ascii_only), mood)
    return (glyph, Span(f" {words}", role or mood)) if words else (glyph,)


def status_sign(status: Status, look: Look, ascii_only: bool) -> Content:
    """Return glyph and word of a state."""
    word, mood = SIGNS[status]
    return sign(mood, look, ascii_only, word)


def bar(fraction: float, width: int, role: str = "running", ascii_only: bool = False) -> Content:
    """Return a bar of a width with the percentage behind it."""
    fraction = min(max(fraction, 0.0), 1.0)
    cells = max(width - 5, 1)
    if ascii_only:
        full = round(fraction * cells)
        filled, track = "#" * full, "." * (cells - full)
    else:
        full, half = divmod(round(fraction * cells * 2), 2)
        filled = "━" * full + "╸" * half
        track = "━" * (cells - len(filled))
    return Span(filled, role), Span(track, "track"), Span(f" {percent(fraction):>4}", "dim")


def length(content: Content) -> int:
    """Return the width of content in cells; tables hold characters of one cell."""
    return sum(len(span.text) for span in content)


def plain(content: Content) -> str:
    """Return the text of content."""
    return "".join(span.text for span in content)


def fitted(content: Content, width: int, align: Literal["left", "right"] = "left") -> list[Span]:
    """Return content of exactly a width: padded, or cut with an ellipsis."""
    missing = width - length(content)
    if missing >= 0:
        pad = [Span(" " * missing)] if missing else []
        return [*pad, *content] if align == "right" else [*content, *pad]
    spans, left = [], width - 1
    for span in content:
        if left <= 0:
            break
        spans.append(Span(span.text[:left], span.role))
        left -= len(span.text)
    return [*spans, Span("…", "dim")] if width > 0 else []


def ending(content: Content, width: int) -> list[Span]:
    """Return content of exactly a width: padded, or without its beginning."""
    surplus = length(content) - width
    if surplus <= 0:
        return fitted(content, width)
    spans = []
    for span in content:
        spans.append(Span(span.text[surplus:], span.role))
        surplus = max(surplus - len(span.text), 0)
    return spans


def strip_of(spans: list[Span], width: int, look: Look, ground: str | None = None) -> Strip:
    """Return spans as a strip of a width on a ground."""
    base = Style(bgcolor=ground or look.background)
    segments = [Segment(span.text, look.style(span.role) + base) for span in spans if span.text]
    return Strip(segments).adjust_cell_length(width, base)


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes
    ----------
    min_width, max_width
        Limits of the width, which otherwise follows what is in the column.
    grows
        Takes what is left of the table's width.
    rank
        Columns of a higher rank are left out first when the table is narrow; 0 always stays.
    ends_last
        What is at the end matters most, as the percentage behind a bar: cut at the beginning, and
        down to the least width, where all other columns would not fit.
    """

    key: str
    title: str
    min_width: int = 3
    max_width: int = 24
    align: Literal["left", "right"] = "left"
    grows: bool = False
    rank: int = 0
    ends_last: bool = False


@dataclass(frozen=True)
class Row:
    """A row of a table; ``search`` is what a filter looks at."""

    key: str
    cells: tuple[Content, ...]
    search: str = field(default="", compare=False)

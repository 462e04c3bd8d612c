"""The scores of the candidates as bars, with the threshold."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from tomotui.tui.raster.chart import Axis, Chart, layer
from tomotui.tui.theme import FALLBACK, Look
from tomotui.tui.widgets.candidate_list import score_words
from tomotui.tui.widgets.cells import Content, Span, fitted, strip_of

BAR_ROWS = 4
_PRINTED_BINS = 60
_EIGHTHS = " ▁▂▃▄▅▆▇█"


class ScorePicture(NamedTuple):
    """What a histogram shows.

    Attributes
    ----------
    bars
        ``[width]``, heights from 0 to 1.
    cut
        Column of the threshold.
    lines
        Words below the bars.
    """

    bars: tuple[float, ...]
    cut: int
    threshold: float
    lines: tuple[Content, ...]


def bars_of(scores: NDArray[np.float64], low: float, high: float, width: int) -> tuple[float, ...]:
    """Return how many scores fall into each column, as square roots over the largest.

    Few good ones among very many candidates would not be seen otherwise.
    """
    if not len(scores) or not high > low:
        return (0.0,) * width
    counts = np.histogram(scores, bins=width, range=(low, high))[0]
    heights = np.sqrt(counts / max(int(counts.max()), 1))
    return tuple(heights.round(3).tolist())


def column_of(threshold: float, low: float, high: float, width: int) -> int:
    """Return the column of a threshold."""
    if not high > low:
        return 0
    return min(max(int((threshold - low) / (high - low) * width), 0), width - 1)


class ScoreHistogram(Widget):
    """Draws a `ScorePicture`; lines that look as before are not painted again."""

    ALLOW_SELECT = False
    DEFAULT_CSS = """
    ScoreHistogram { height: auto; background: $background; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.picture = ScorePicture((), 0, 0.0, ())
        self.scores: NDArray[np.float64] | None = None
        """All of them, for paper."""

    def printable(self) -> Chart | None:
        """Return the histogram with counts as they are, for paper."""
        scores = self.scores
        if scores is None or not len(scores):
            return None
        counts, edges = np.histogram(scores, bins=_PRINTED_BINS)
        cut = self.picture.threshold
        return Chart(
            (layer((edges[1:] + edges[:-1]) / 2, counts, "series.0", "fill", name="candidates"),),
            uprights=((cut, "accent", f"cut {score_words(cut)}"),),
            title="scores of the candidates",
            x_axis=Axis("score"),
            y_axis=Axis("candidates"),
        )

    def get_content_height(self, container: object, viewport: object, width: int) -> int:
        """Return the height: bars, the mark of the threshold, and words."""
        return BAR_ROWS + 1 + len(self.picture.lines)

    def show(self, picture: ScorePicture) -> None:
        """Show other scores, or another threshold."""
        before, self.picture = self.picture, picture
        if len(before.lines) != len(picture.lines):
            self.refresh(layout=True)
        elif before[:3] != picture[:3]:
            self.refresh()
        else:
            for number, (old, new) in enumerate(zip(before.lines, picture.lines, strict=True)):
                if old != new:
                    self.refresh(Region(0, BAR_ROWS + 1 + number, self.size.width, 1))

    def render_line(self, y: int) -> Strip:
        """Draw one line."""
        look: Look = getattr(self.app, "look", FALLBACK)
        width = self.size.width
        picture = self.picture
        if y < BAR_ROWS:
            return strip_of(self._bars(y), width, look)
        if y == BAR_ROWS:
            return strip_of(self._mark(width), width, look)
        number = y - BAR_ROWS - 1
        content = picture.lines[number] if number < len(picture.lines) else ()
        return strip_of(fitted(content, width), width, look)

    def _bars(self, y: int) -> list[Span]:
        ascii_only = getattr(self.app, "ascii_only", False)
        spans = []
        for column, height in enumerate(self.picture.bars):
            filled = height * BAR_ROWS - (BAR_ROWS - 1 - y)
            eighths = min(max(round(filled * 8), 0), 8)
            if height > 0 and y == BAR_ROWS - 1:
                eighths = max(eighths, 1)
            glyph = ("#" if eighths >= 4 else " ") if ascii_only else _EIGHTHS[eighths]
            spans.append(Span(glyph, "primary" if column >= self.picture.cut else "dim"))
        return spans

    def _mark(self, width: int) -> list[Span]:
        ascii_only = getattr(self.app, "ascii_only", False)
        words = score_words(self.picture.threshold)
        cut = self.picture.cut
        label = f" cut {words}"
        mark = "^" if ascii_only else "▲"
        if cut + 1 + len(label) <= width:
            return [Span(" " * cut), Span(mark, "accent"), Span(label, "accent")]
        label = f"cut {words} "
        return [Span(" " * max(cut - len(label), 0)), Span(label, "accent"), Span(mark, "accent")]

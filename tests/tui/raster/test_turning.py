from __future__ import annotations

import numpy as np
import pytest

from tomotui.tui.raster.emit import byte_count, emit
from tomotui.tui.raster.glyphs import GLYPHS
from tomotui.tui.raster.paint import paint
from tomotui.tui.raster.palette import make_palette
from tomotui.tui.raster.picture import compose
from tomotui.tui.raster.tiers import GlyphName
from tomotui.tui.raster.turning import turned
from tomotui.tui.raster.window import Window


@pytest.mark.parametrize("name", ["octant", "sextant", "quadrant", "half"])
@pytest.mark.parametrize("width", [1, 2, 3, 40, 41])
def test_a_turned_frame_looks_the_same_and_takes_no_more_bytes(name: GlyphName, width: int) -> None:
    glyphs = GLYPHS[name]
    shape = (12 * glyphs.rows, width * glyphs.columns)
    values = np.random.default_rng(3).normal(0, 1, shape).astype(np.float32)
    inside = np.ones((12, width), bool)
    frame = compose(values, inside, Window(-3.0, 3.0), glyphs, make_palette("256"))
    frame.write(4, 0, "▂█ text▄", ground=None)
    before, after = emit(frame), emit(turned(frame))
    np.testing.assert_array_equal(paint(turned(frame)), paint(frame))
    assert byte_count(after) <= byte_count(before)
    if name != "half" and width > 3:
        assert after != before


def test_text_and_dots_are_left_as_they_are() -> None:
    glyphs = GLYPHS["braille"]
    values = np.random.default_rng(3).normal(0, 1, (40, 40)).astype(np.float32)
    inside = np.ones((10, 20), bool)
    frame = compose(values, inside, Window(-3.0, 3.0), glyphs, make_palette("256"))
    frame.write(2, 2, "ts_014 ●")
    assert turned(frame).characters.tolist() == frame.characters.tolist()

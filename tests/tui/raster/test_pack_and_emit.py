"""Cells, colours and the text that a terminal emulator must show as those cells."""

from __future__ import annotations

import numpy as np
import pyte
import pytest

from tomotui.tui.raster.emit import byte_count, emit, to_frame
from tomotui.tui.raster.glyphs import GLYPHS
from tomotui.tui.raster.pack import dither, equalise, line_art, pack
from tomotui.tui.raster.palette import XTERM_256, make_palette

ANSI_NAMES = {(0, 0, 0): "black", (127, 127, 127): "brightblack"}


def noise(rows, columns, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (rows, columns)).astype(np.uint8)


def on_screen(rows, height, width):
    screen = pyte.Screen(width + 1, height)
    stream = pyte.Stream(screen)
    for number, row in enumerate(rows):
        stream.feed(f"\x1b[{number + 1};1H{row}")
    return screen


def hexadecimal(rgb):
    return "{:02x}{:02x}{:02x}".format(*rgb)


@pytest.mark.parametrize("name", ["octant", "sextant", "quadrant"])
def test_pattern_says_which_sub_pixels_are_bright(name):
    glyphs = GLYPHS[name]
    rng = np.random.default_rng(3)
    patterns = rng.integers(0, 2**glyphs.bits, (5, 7))
    bits = patterns[..., None] >> np.arange(glyphs.bits) & 1
    grid = bits.reshape(5, 7, glyphs.rows, glyphs.columns).transpose(0, 2, 1, 3)
    grid = grid.reshape(5 * glyphs.rows, 7 * glyphs.columns)
    cells = pack((40 + 160 * grid).astype(np.uint8), glyphs)
    mixed = (patterns > 0) & (patterns < 2**glyphs.bits - 1)
    np.testing.assert_array_equal(cells.codes[mixed], patterns[mixed])
    assert (cells.foreground[mixed] == 200).all()
    assert (cells.background[mixed] == 40).all()
    assert (cells.background[~mixed] == cells.foreground[~mixed]).all()


def test_two_tones_are_nearly_the_best_two():
    glyphs = GLYPHS["octant"]
    grid = noise(40, 40)
    cells = pack(grid, glyphs)
    blocks = grid.reshape(10, 4, 20, 2).transpose(0, 2, 1, 3).reshape(10, 20, 8).astype(float)
    on = (cells.codes[..., None] >> np.arange(8) & 1).astype(bool)
    shown = np.where(on, cells.foreground[..., None], cells.background[..., None])
    error = ((blocks - shown) ** 2).mean()
    ordered = np.sort(blocks, axis=2)
    best = np.min(
        [
            ordered[..., :k].var(axis=2) * k + ordered[..., k:].var(axis=2) * (8 - k)
            for k in range(1, 8)
        ],
        axis=0,
    )
    assert error < 1.1 * best.mean() / 8


def test_half_blocks_keep_both_greys():
    grid = noise(8, 5)
    cells = pack(grid, GLYPHS["half"])
    np.testing.assert_array_equal(cells.foreground, grid[0::2])
    np.testing.assert_array_equal(cells.background, grid[1::2])


def test_a_grid_must_be_whole_cells():
    with pytest.raises(ValueError, match="whole number of cells"):
        pack(noise(7, 8), GLYPHS["octant"])


@pytest.mark.parametrize("depth", ["256", "truecolor", "16"])
@pytest.mark.parametrize("name", ["octant", "sextant", "quadrant", "half"])
@pytest.mark.parametrize("table", ["grey", "ice"])
def test_a_terminal_shows_the_cells(name, depth, table):
    glyphs, palette = GLYPHS[name], make_palette(depth, table)
    frame = to_frame(pack(noise(6 * glyphs.rows, 9 * glyphs.columns), glyphs), glyphs, palette)
    frame.write(5, 2, "50 nm", "accent")
    screen = on_screen(emit(frame), 6, 9)
    for y in range(6):
        for x in range(9):
            cell = screen.buffer[y][x]
            assert cell.data == frame.characters[y, x]
            if depth == "16":
                assert cell.bg in pyte_names(palette.numbers[frame.background[y, x]])
                continue
            assert cell.bg == hexadecimal(palette.rgb[frame.background[y, x]])
            if cell.data != " ":
                assert cell.fg == hexadecimal(palette.rgb[frame.foreground[y, x]])
    assert screen.buffer[0][9].bg == "default"


def pyte_names(number):
    names = ("black", "red", "green", "brown", "blue", "magenta", "cyan", "white")
    # pyte has spelled the bright magenta both ways.
    return {names[number]} if number < 8 else {f"bright{names[number - 8]}", "bfightmagenta"}


@pytest.mark.parametrize("name", list(GLYPHS))
def test_mono_sends_no_colours(name):
    glyphs, palette = GLYPHS[name], make_palette("mono")
    cells = pack(noise(4 * glyphs.rows, 8 * glyphs.columns), glyphs, two_tone=False)
    rows = emit(to_frame(cells, glyphs, palette))
    assert all("\x1b" not in row and len(row) == 8 for row in rows)
    assert len(set("".join(rows))) > 1


def test_outside_the_image_is_empty():
    glyphs, palette = GLYPHS["octant"], make_palette("256")
    inside = np.zeros((3, 4), bool)
    inside[1, 1:3] = True
    frame = to_frame(pack(noise(12, 8), glyphs), glyphs, palette, inside)
    assert (frame.characters[~inside] == " ").all()
    assert (frame.background[~inside] == palette.role("outside")).all()


def test_equal_neighbours_cost_one_sequence():
    glyphs, palette = GLYPHS["octant"], make_palette("256")
    frame = to_frame(pack(np.full((4, 400), 128, np.uint8), glyphs), glyphs, palette)
    (row,) = emit(frame)
    assert row.count("\x1b[") == 2
    assert byte_count([row]) < 200 + 30


def test_merging_costs_fewer_bytes_and_stays_within_its_tolerance():
    glyphs, palette = GLYPHS["octant"], make_palette("256")
    cells = pack(noise(80, 80) // 8 + 100, glyphs)
    exact, merged = (to_frame(cells, glyphs, palette, None, t) for t in (0, 2))
    assert byte_count(emit(merged)) < 0.9 * byte_count(emit(exact))
    assert abs(merged.background - exact.background).max() <= 2


def test_256_greys_are_nearest_and_neutral():
    palette = make_palette("256")
    assert palette.levels() == 26
    for level in range(256):
        r, g, b = palette.rgb[palette.quantise[level]]
        assert r == g == b
        assert abs(r - level) <= 9
    numbers = palette.numbers[:26]
    assert {tuple(XTERM_256[n]) for n in numbers} == set(palette.rgb[:26])


def test_few_levels_stay_in_order():
    palette = make_palette("256", max_levels=4)
    assert palette.levels() == 4
    assert (np.diff(palette.quantise) >= 0).all()


def test_unknown_colour_table_is_refused():
    with pytest.raises(ValueError, match="no colour table 'plasma'"):
        make_palette("256", "plasma")


def test_exact_roles_are_sent_in_true_colour():
    palette = make_palette("256", roles={"outside": (1, 2, 3)}, exact_roles=True)
    assert palette.background[palette.role("outside")] == "48;2;1;2;3"
    assert palette.background[0] == "48;5;16"


def test_dither_keeps_the_mean():
    for level in (32, 128, 200):
        lit = dither(np.full((64, 64), level, np.uint8)).mean()
        assert lit == pytest.approx(level / 256, abs=0.02)


def test_equalise_spreads_greys():
    crowded = (noise(64, 64) // 16 + 120).astype(np.uint8)
    spread = equalise(crowded)
    assert spread.min() < 20
    assert spread.max() > 235
    flat = np.full((4, 4), 9, np.uint8)
    np.testing.assert_array_equal(equalise(flat), flat)


def test_line_art_draws_what_is_dark():
    grid = np.full((60, 60), 150, np.uint8)
    grid[28:32, 10:50] = 60
    drawn = line_art(grid)
    assert drawn[28:32, 12:48].all()
    assert not drawn[:15].any()
    assert not line_art(np.full((20, 20), 77, np.uint8)).any()

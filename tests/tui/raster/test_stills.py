"""Pictures in the terminal's own protocol."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from tomotui.tui.raster import still_tmux
from tomotui.tui.raster.capability import detect_capability, parse_reply
from tomotui.tui.raster.sharp import sharp_picture
from tomotui.tui.raster.still_support import TmuxSays, still_support
from tomotui.tui.raster.still_tmux import PanePlace, row_marks, taken_away, through_tmux
from tomotui.tui.raster.stills import encoded, erasure, pixels_of
from tomotui.tui.raster.view import SliceViewState
from tomotui.tui.raster.volume import ArraySource
from tomotui.tui.raster.window import Window

SIZE = "\x1b[6;20;10t"
SIXEL, PLAIN = "\x1b[?62;4;22c", "\x1b[?62;22c"
KITTY = "\x1b_Gi=31;OK\x1b\\"


@pytest.mark.parametrize(
    ("reply", "name", "env", "protocol"),
    [
        (KITTY + SIZE + PLAIN, "kitty", {}, "kitty"),
        (SIZE + SIXEL, "foot", {}, "sixel"),
        (PLAIN, "iterm2", {}, "iterm2"),
        (PLAIN, "xterm", {}, ""),
        ("\x1b[?4c", "vt", {}, ""),
        (SIXEL, "tmux", {"TMUX": "x"}, "sixel"),
        (PLAIN, "tmux", {"TMUX": "x", "KITTY_WINDOW_ID": "1"}, ""),
        (KITTY + PLAIN, "kitty", {"TOMOTUI_STILL": "none"}, ""),
        ("", "", {"TOMOTUI_STILL": "Sixel"}, "sixel"),
        ("", "", {}, ""),
    ],
)
def test_the_answers_of_the_terminal_say_how(
    reply: str, name: str, env: dict[str, str], protocol: str
) -> None:
    found = still_support(reply, name, env)
    assert found.protocol == protocol
    assert bool(found.refusal) is not bool(protocol)
    if SIZE in reply:
        assert found.cell_pixels == (20, 10)


def test_a_refusal_says_what_helps() -> None:
    assert "tmux" in still_support(PLAIN, "tmux", {"TMUX": "x"}).refusal
    assert "kitty" in still_support(PLAIN, "xterm", {}).refusal
    assert "TOMOTUI_STILL=kitty" in still_support("", "", {}).refusal


def test_the_capability_of_a_terminal_knows_its_pictures() -> None:
    report = parse_reply(KITTY + SIZE + PLAIN)
    found = detect_capability({"TERM": "xterm-kitty"}, report).still
    assert (found.protocol, found.cell_pixels) == ("kitty", (20, 10))


def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (37, 50)).astype(np.uint8)


def test_kitty_gets_the_file_in_pieces() -> None:
    big = np.random.default_rng(0).integers(0, 256, (200, 300)).astype(np.uint8)
    text = encoded("kitty", big, (10, 30))
    pieces = re.findall(r"\x1b_G([^;]*);([^\x1b]*)\x1b\\", text)
    assert "c=30,r=10" in pieces[0][0]
    assert all(len(data) <= 4096 and "m=1" in head for head, data in pieces[:-1])
    assert "m=0" in pieces[-1][0]
    file = base64.b64decode("".join(data for _, data in pieces))
    assert (np.asarray(Image.open(io.BytesIO(file))) == big).all()
    assert "a=d" in erasure("kitty")
    assert erasure("sixel") == ""


def test_iterm_gets_one_file_of_so_many_cells() -> None:
    text = encoded("iterm2", picture(), (4, 9))
    found = re.fullmatch(r"\x1b\]1337;File=inline=1;([^:]*):([^\x07]*)\x07", text)
    assert found is not None
    assert "width=9;height=4" in found[1]
    file = Image.open(io.BytesIO(base64.b64decode(found[2])))
    assert file.size == (50, 37)


def read_sixel(text: str) -> np.ndarray:
    """Draw sixels as a terminal does."""
    head = re.match(r'\x1bP0;1;0q"1;1;(\d+);(\d+)', text)
    assert head is not None
    width, height = int(head[1]), int(head[2])
    shown = np.full((height + 6, width), -1)
    colours: dict[int, int] = {}
    row = column = colour = 0
    for token in re.findall(r"#\d+;2;\d+;\d+;\d+|#\d+|!\d+.|[$-]|[?-~]", text[head.end() : -2]):
        if ";" in token:
            number, _, grey, *_ = token[1:].split(";")
            colours[int(number)] = round(int(grey) * 2.55)
        elif token[0] == "#":
            colour = int(token[1:])
        elif token == "$":
            column = 0
        elif token == "-":
            row, column = row + 6, 0
        else:
            count, code = (int(token[1:-1]), token[-1]) if token[0] == "!" else (1, token)
            for bit in range(6):
                if ord(code) - 63 >> bit & 1:
                    shown[row + bit, column : column + count] = colours[colour]
            column += count
    return shown[:height]


def test_sixels_give_the_greys_back() -> None:
    flat = picture()
    flat[10:20] = 90
    shown = read_sixel(encoded("sixel", flat, (3, 5)))
    assert shown.shape == flat.shape
    assert np.abs(shown - flat).max() <= 10


def test_only_sixels_are_pixels_of_the_screen() -> None:
    assert pixels_of("sixel", (100, 300), (40, 20)) == (4000, 6000)
    rows, columns = pixels_of("kitty", (100, 300), (40, 20))
    assert rows * columns <= 1_500_000
    assert rows / columns == pytest.approx(4000 / 6000, rel=0.01)
    assert pixels_of("kitty", (20, 40), (16, 8)) == (320, 320)


def test_a_sharp_picture_is_the_slice_with_a_bar() -> None:
    data = np.zeros((1, 40, 80), np.float32)
    data[0, 10:30, 20:60] = 1
    source = ArraySource(data, pixel_size_angstrom=10.0)
    view = SliceViewState(window=Window(0.0, 1.0))
    grey, words = sharp_picture(
        source, view, data[0], Window(0.0, 1.0), (10, 40), (160, 320), (2.0, 2.0)
    )
    assert grey.shape == (160, 320)
    assert grey[80, 160] == 255
    assert grey[20, 20] == 0
    assert words == "bar 10 nm"
    rim = np.flatnonzero(grey[152] == 255)
    assert len(rim) == 40


IN_TMUX = {"TMUX": "x"}
PASSES, KEEPS = TmuxSays(passes_on=True, draws_sixel=False), TmuxSays(False, False)


def test_pictures_pass_tmux_only_when_asked_for_and_let_through() -> None:
    asked = still_support(PLAIN, "tmux", {**IN_TMUX, "TOMOTUI_STILL": "kitty"}, lambda: PASSES)
    assert (asked.protocol, asked.through_tmux) == ("kitty", True)
    kept = still_support(PLAIN, "tmux", {**IN_TMUX, "TOMOTUI_STILL": "kitty"}, lambda: KEEPS)
    assert not kept.protocol
    assert "tmux set -g allow-passthrough on" in kept.refusal
    unasked = still_support(PLAIN, "tmux", IN_TMUX, lambda: PASSES)
    assert not unasked.protocol
    assert "TOMOTUI_STILL=kitty" in unasked.refusal


def test_tmux_draws_sixels_itself_where_its_terminal_does() -> None:
    says = TmuxSays(passes_on=True, draws_sixel=True)
    for env in (IN_TMUX, {**IN_TMUX, "TOMOTUI_STILL": "sixel"}):
        found = still_support(SIXEL, "tmux", env, lambda: says)
        assert (found.protocol, found.through_tmux) == ("sixel", False)
    # Otherwise it would write words where the picture should be.
    assert not still_support(SIXEL, "tmux", IN_TMUX, lambda: PASSES).protocol


def test_the_option_of_the_pane_counts_before_that_of_all() -> None:
    assert still_tmux.passes_on(lambda words: "on" if "-gqv" in words else "")
    assert still_tmux.passes_on(lambda words: "all" if "-pqv" in words else "off")
    assert not still_tmux.passes_on(lambda words: "off" if "-pqv" in words else "on")
    assert not still_tmux.passes_on(lambda words: "")
    says = still_tmux.what_tmux_says(lambda words: "256,sixel" if "-p" in words else "")
    assert says == TmuxSays(passes_on=False, draws_sixel=True)


@pytest.mark.parametrize(
    ("said", "place"),
    [
        ("0 0 on bottom", (0, 0)),
        ("12 41 on bottom", (12, 41)),
        ("0 41 on top", (1, 41)),
        ("3 0 2 top", (5, 0)),
        ("3 0 off top", (3, 0)),
        ("", None),
        ("no server running on", None),
    ],
)
def test_the_place_of_the_pane_counts_the_status_line(said: str, place: object) -> None:
    assert still_tmux.pane_place(lambda words: said) == place


def handed_on(text: str) -> tuple[list[str], str]:
    """Return what tmux hands to its terminal, and what it reads itself."""
    pieces = re.findall(r"\x1bPtmux;((?:[^\x1b]|\x1b\x1b)*)\x1b\\", text)
    rest = re.sub(r"\x1bPtmux;(?:[^\x1b]|\x1b\x1b)*\x1b\\", "", text)
    return [piece.replace("\x1b\x1b", "\x1b") for piece in pieces], rest


def test_kitty_gets_the_file_through_tmux_and_characters_in_the_pane() -> None:
    text = through_tmux("kitty", picture(), (3, 5), (1, 2), PanePlace(7, 30))
    pieces, rest = handed_on(text)
    head = re.match(r"\x1b_G([^;]*);", pieces[0])
    assert head is not None
    keys = dict(each.split("=") for each in head[1].split(","))
    assert (keys["U"], keys["r"], keys["c"], keys["q"]) == ("1", "3", "5", "2")
    data = "".join(re.sub(r"^\x1b_G[^;]*;|\x1b\\$", "", piece) for piece in pieces)
    assert (np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))) == picture()).all()
    # The colour of the characters is the number of the picture, their marks are its rows.
    assert f"\x1b[38;5;{keys['i']}m" in rest
    lines = re.findall(r"\x1b\[(\d+);3H\U0010eeee(.)\U0010eeee{4}", rest)
    assert [(int(row), mark) for row, mark in lines] == [(2, "̅"), (3, "̍"), (4, "̎")]
    gone, rest = handed_on(taken_away("kitty"))
    assert gone == [f"\x1b_Ga=d,d=I,i={keys['i']},q=2\x1b\\"]
    assert not rest


def test_marks_of_rows_are_those_of_the_protocol() -> None:
    marks = row_marks()
    assert [f"{ord(mark):04X}" for mark in marks[:9]] == (
        ["0305", "030D", "030E", "0310", "0312", "033D", "033E", "033F", "0346"]
    )
    assert (len(marks), ord(marks[-1])) == (129, 0x082D)


def test_iterm_draws_where_the_pane_is_in_the_terminal() -> None:
    (sent,), rest = handed_on(through_tmux("iterm2", picture(), (4, 9), (0, 0), PanePlace(7, 30)))
    assert sent.startswith("\x1b7\x1b[8;31H\x1b]1337;File=inline=1;width=9;height=4")
    assert sent.endswith("\x07\x1b8")
    assert not rest
    assert taken_away("iterm2") == ""


def test_sixels_pass_tmux_in_bands_that_make_up_the_picture() -> None:
    whole = np.repeat(picture(), 8, axis=0)[:200]
    pieces, _ = handed_on(through_tmux("sixel", whole, (10, 5), (0, 0), PanePlace(2, 0)))
    shown = []
    for number, piece in enumerate(pieces):
        found = re.fullmatch(r"\x1b7\x1b\[(\d+);1H(.*)\x1b8", piece, re.S)
        assert found is not None
        assert int(found[1]) == 3 + 4 * number
        shown.append(read_sixel(found[2]))
    assert [len(band) for band in shown] == [80, 80, 40]
    assert np.abs(np.concatenate(shown) - whole).max() <= 10

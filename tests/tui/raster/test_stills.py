"""Pictures in the terminal's own protocol."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from tomotui.tui.raster.capability import detect_capability, parse_reply
from tomotui.tui.raster.sharp import sharp_picture
from tomotui.tui.raster.still_support import still_support
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

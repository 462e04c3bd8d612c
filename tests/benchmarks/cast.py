"""Make the moving picture of the README: the real program, driven through its first ten minutes.

    python tests/benchmarks/cast.py [PROJECT]

Runs the demo first when no project is given. Needs Pillow, pyte and the DejaVu fonts.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pictures import PICTURES, Terminal, environment
from PIL import Image, ImageDraw, ImageFont
from terminal_picture import FONTS, picture_of

from tomotui.resources import sample_data_folder

COLUMNS, LINES = 104, 30
CAPTION_HEIGHT = 30
GROUND, KEY_INK, WORD_INK = (19, 35, 49), (124, 199, 236), (211, 224, 234)
COLOURS = 48
MOST_BYTES = 1_500_000


@dataclass(frozen=True)
class Shot:
    """Keys, and the picture after them.

    Attributes
    ----------
    shown
        How the keys are written in the caption.
    seconds
        What the program gets for its answer, once ``awaited`` is on the screen.
    hold_ms
        How long the picture stays.
    awaited
        Words that are waited for.
    """

    keys: str
    shown: str
    words: str
    seconds: float = 1.5
    hold_ms: int = 1600
    awaited: str = ""


def _scroll(n: int) -> list[Shot]:
    return [Shot("jjjj", "j", "through the slices", 1.2, 260) for _ in range(n)]


BEGINNING = (
    Shot("", "tomotui", "in a folder with data: what was found", 1.0, 3000, "import 1 tilt series"),
)
WALK = (
    Shot("", "tomotui", "the project: series and stages", 1.5, 2200, "1 tilt series"),
    Shot("\r", "enter", "a whole cell, its tomogram", 2.0, 1500, "z 92/182"),
    Shot("))ff", ") f", "a thicker slab and a filter against the noise", 2.5, 1200, "LP40"),
    *_scroll(5),
    Shot("X", "X", "from the side", 2.5, 1800, "y 159/316"),
    Shot("Q", "Q", "how good is the alignment?", 2.0, 2600, "residual"),
    Shot("\x1b", "esc", "and back", 1.5, 400, "y 159/316"),
    Shot("4", "4", "jobs outlive the terminal", 2.0, 1800, "3 jobs"),
    Shot("j\r", "j enter", "figures, facts and the log of one", 2.5, 2600, "following"),
    Shot("\x10", "ctrl+p", "everything that can be done ...", 1.5, 1600, "What do you want"),
    Shot("dark", "", "... by a few letters", 2.0, 1600),
    Shot("\x1b", "esc", "", 1.0, 300),
    Shot("?", "?", "the keys that work right now", 1.5, 2600, "help ·"),
)
LONGEST_WAIT_SECONDS = 60.0


def captioned(picture: Image.Image, shot: Shot) -> Image.Image:
    """Return the picture with a line below that says which keys were pressed."""
    taller = Image.new("RGB", (picture.width, picture.height + CAPTION_HEIGHT), GROUND)
    taller.paste(picture, (0, 0))
    draw = ImageDraw.Draw(taller)
    regular, bold = (ImageFont.truetype(name, 17) for name in FONTS)
    y = picture.height + 5
    draw.text((12, y), shot.shown, font=bold, fill=KEY_INK)
    draw.text((100, y), shot.words, font=regular, fill=WORD_INK)
    return taller


def taken(terminal: Terminal, shots: Iterable[Shot]) -> list[tuple[Image.Image, int]]:
    """Press the keys and take the pictures, each with how long it stays."""
    frames = []
    for shot in shots:
        terminal.press(shot.keys, 0.3)
        deadline = time.monotonic() + LONGEST_WAIT_SECONDS
        while shot.awaited not in "\n".join(terminal.screen.display):
            assert time.monotonic() < deadline, f"{shot.awaited!r} never came"
            terminal.wait(0.3)
        terminal.wait(shot.seconds)
        frames.append((captioned(picture_of(terminal.screen), shot), shot.hold_ms))
    return frames


def beginning() -> list[tuple[Image.Image, int]]:
    """Start beside the sample's stack, where there is no project."""
    with tempfile.TemporaryDirectory() as name:
        raw = Path(name) / "session" / "raw"
        shutil.copytree(sample_data_folder(), raw, ignore=shutil.ignore_patterns("*.md", "*.txt"))
        os.chdir(raw.parent)
        command = [sys.executable, "-m", "tomotui"]
        terminal = Terminal(command, environment(home=name), COLUMNS, LINES)
        frames = taken(terminal, BEGINNING)
        terminal.close()
        os.chdir("/")
    return frames


def walk(folder: Path) -> list[tuple[Image.Image, int]]:
    """Go through the screens of a project."""
    command = [sys.executable, "-m", "tomotui", str(folder)]
    terminal = Terminal(command, environment(), COLUMNS, LINES)
    frames = taken(terminal, WALK)
    terminal.close()
    return frames


def write_gif(frames: list[tuple[Image.Image, int]], path: Path) -> None:
    """Write the frames with one palette for all, so that colours do not flicker."""
    sheet = Image.new("RGB", (frames[0][0].width, sum(frame.height for frame, _ in frames)))
    top = 0
    for frame, _ in frames:
        sheet.paste(frame, (0, top))
        top += frame.height
    palette = sheet.quantize(COLOURS, dither=Image.Dither.NONE)
    drawn = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame, _ in frames]
    durations = [hold_ms for _, hold_ms in frames]
    drawn[0].save(
        path, save_all=True, append_images=drawn[1:], duration=durations, loop=0, optimize=True
    )
    size = path.stat().st_size
    print(f"wrote {path}: {len(frames)} frames, {size / 1000:.0f} kB")
    assert size < MOST_BYTES, "leave out some shots of slices: their noise is what takes room"


def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    if len(sys.argv) > 1:
        folder = Path(sys.argv[1]).absolute()
    else:
        folder = Path(tempfile.mkdtemp()) / "first-light"
        command = [sys.executable, "-m", "tomotui", "demo", str(folder), "--headless"]
        subprocess.run(command, check=True)
    write_gif([*beginning(), *walk(folder)], PICTURES / "first-minutes.gif")


if __name__ == "__main__":
    main()

"""Measure drawing in the terminal: cost, bytes, fidelity, silence, flow control.

Prints lines of ``name value unit target``; run it as ``python tests/benchmarks/drawing.py``.
"""

from __future__ import annotations

import argparse
import os
import pty
import select
import struct
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomotui.tui.raster.emit import Frame, byte_count, emit
from tomotui.tui.raster.filters import low_pass
from tomotui.tui.raster.glyphs import GLYPHS
from tomotui.tui.raster.paint import paint
from tomotui.tui.raster.palette import make_palette
from tomotui.tui.raster.picture import compose, inside_cells
from tomotui.tui.raster.resample import Grid, cell_grid, fit_voxels_per_cell, resample
from tomotui.tui.raster.strip import strips_of
from tomotui.tui.raster.tiers import GlyphName
from tomotui.tui.raster.volume import VolumeReader
from tomotui.tui.raster.window import Window, auto_window

REPOSITORY = Path(__file__).resolve().parents[2]
STACK = REPOSITORY.parent / "shared/data/empiar10499_00254/00254.mrc"
SSIM_TARGETS: dict[GlyphName, float] = {
    "octant": 0.50,
    "sextant": 0.45,
    "quadrant": 0.38,
    "half": 0.27,
}
EAGER_WINDOW = 2_000_000
"""Bytes that an SSH connection takes in before it slows the program down."""
Image = NDArray[np.float32]


def tomogram_slice(size: int = 512, seed: int = 7) -> Image:
    """Return a slice like one of a tomogram: membranes, ring proteins, beads, coloured noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:size, 0:size].astype(np.float32)
    image = np.zeros((size, size), np.float32)
    for cy, cx, radius in ((0.32, 0.35, 0.2), (0.7, 0.68, 0.16), (0.75, 0.2, 0.09)):
        wobble = 1 + 0.06 * np.sin(5 * np.arctan2(y - cy * size, x - cx * size))
        distance = np.hypot(y - cy * size, x - cx * size) - radius * size * wobble
        for leaflet in (-3.0, 3.0):
            image -= 1.6 * np.exp(-(((distance - leaflet) / 1.5) ** 2))
    for _ in range(90):
        cy, cx = rng.uniform(12, size - 12, 2)
        distance = np.hypot(y - cy, x - cx)
        image -= 1.4 * np.exp(-(((distance - 6.0) / 2.0) ** 2))
    for _ in range(6):
        cy, cx = rng.uniform(10, size - 10, 2)
        image -= 9.0 * (np.hypot(y - cy, x - cx) < 5)
    noise = rng.standard_normal((size, size)).astype(np.float32)
    noise = low_pass(noise, 10.0, 45.0)
    return image + noise * np.float32(0.55 / noise.std())


def ssim(first: Image, second: Image, size: int = 7) -> float:
    """Return the structural similarity (Wang et al. 2004) of 8-bit images, uniform windows."""

    def mean(values: NDArray[Any]) -> NDArray[Any]:
        total = np.pad(values.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
        box = total[size:, size:] - total[:-size, size:] - total[size:, :-size]
        return (box + total[:-size, :-size]) / size**2

    a, b = first.astype(np.float64), second.astype(np.float64)
    mean_a, mean_b = mean(a), mean(b)
    var_a, var_b = mean(a * a) - mean_a**2, mean(b * b) - mean_b**2
    covariance = mean(a * b) - mean_a * mean_b
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    top = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    return float((top / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))).mean())


def draw(
    image: Image, name: GlyphName, cells: tuple[int, int] = (60, 200), depth: Any = "256"
) -> tuple[Frame, Window]:
    """Return a frame of an image that fits the cells, with its automatic window."""
    glyphs = GLYPHS[name]
    centre = (image.shape[0] / 2, image.shape[1] / 2)
    per_cell = fit_voxels_per_cell(image.shape, cells)
    grid = cell_grid(glyphs, cells, centre, per_cell)
    values = resample(image, grid)
    window = auto_window(values) or Window(0.0, 1.0)
    inside = inside_cells(grid, image.shape, glyphs, None)
    return compose(values, inside, window, glyphs, make_palette(depth)), window


def fidelity(image: Image, name: GlyphName) -> float:
    """Return the SSIM of the painted cells against the image resampled to the same pixels."""
    cells = (60, 120)
    per_cell = fit_voxels_per_cell(image.shape, cells)
    frame, window = draw(image, name, cells)
    painted = paint(frame)[..., 0].astype(np.float32)
    rows, columns = cells[0] * 16, cells[1] * 8
    step = per_cell / 8
    top = image.shape[0] / 2 - rows * step / 2
    left = image.shape[1] / 2 - columns * step / 2
    reference = window.apply(resample(image, Grid(rows, columns, top, left, step, step)))
    return ssim(painted, reference.astype(np.float32))


def cpu_ms(work: Callable[[], object], repeats: int = 30) -> float:
    """Return the median CPU time of a call in this thread."""
    times = []
    for _ in range(repeats):
        begin = time.thread_time()
        work()
        times.append(time.thread_time() - begin)
    return 1000 * float(np.median(times))


def say(name: str, value: float, unit: str, target: str) -> None:
    """Print one line of the report."""
    print(f"{name:44s} {value:10.3f} {unit:6s} {target}")


def full_width(image: Image) -> Image:
    """Return an image repeated sideways until it fills a 200 x 60 terminal."""
    times = int(np.ceil(image.shape[0] * 5 / 3 / image.shape[1]))
    return np.tile(image, (1, times))[:, : int(image.shape[0] * 5 / 3)]


def measure_frames(images: dict[str, Image]) -> None:
    """Report the cost and the bytes of frames that fill 200 x 60 cells."""
    for label, image in images.items():
        wide = full_width(image)
        for name in GLYPHS:
            frame = draw(wide, name)[0]
            target = "<= 25" if name == "octant" else "-"
            cost = cpu_ms(lambda name=name, wide=wide: strips_of(draw(wide, name)[0]))
            say(f"frame_cpu_{name}_256_{label}", cost, "ms", target)
            target = "<= 280" if name == "octant" else "-"
            say(f"frame_bytes_{name}_256_{label}", byte_count(emit(frame)) / 1000, "kB", target)
        for depth in ("truecolor", "16", "mono"):
            rows = emit(draw(wide, "octant", depth=depth)[0])
            say(f"frame_bytes_octant_{depth}_{label}", byte_count(rows) / 1000, "kB", "-")


def measure_fidelity(images: dict[str, Image]) -> None:
    """Report how alike painted cells and the image are."""
    for label, image in images.items():
        for name, target in SSIM_TARGETS.items():
            wanted = f">= {target:.2f}" if label == "tomogram" else "-"
            say(f"ssim_{name}_{label}", fidelity(image, name), "-", wanted)


APP = """
import sys
import numpy as np
from textual.app import App
from tomotui.tui.raster.capability import Capability
from tomotui.tui.raster.volume import ArraySource
from tomotui.tui.widgets.pacing import FrameAcknowledgements
from tomotui.tui.widgets.slice_view import SliceView

class Minimal(FrameAcknowledgements, App):
    CSS = "SliceView { width: 1fr; height: 1fr; }"
    BINDINGS = [("j", "next", "")]

    def compose(self):
        rng = np.random.default_rng(1)
        noise = rng.normal(0, 25, (160, 400, 660)).astype(np.int8)
        view = SliceView(ArraySource(noise), Capability(glyphs="octant"))
        view.move_slice(-1000)
        yield view

    def action_next(self):
        self.query_one(SliceView).move_slice(1)

Minimal().run()
"""


class Terminal:
    """A pseudo terminal of 200 x 60 that counts bytes and answers cursor reports."""

    def __init__(self, code: str, rate: float | None = None, answers: bool = True) -> None:
        self.rate, self.answers = rate, answers
        self.received, self.window, self.tail = bytearray(), bytearray(), b""
        self.passed_at = time.monotonic()
        self.master, slave = pty.openpty()
        import fcntl
        import termios

        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 60, 200, 0, 0))
        env = dict(os.environ, TERM="xterm-256color", COLUMNS="200", LINES="60")
        env["TEXTUAL_ANIMATIONS"] = "none"
        env["PYTHONPATH"] = str(REPOSITORY)
        env.pop("NO_COLOR", None)
        self.process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code)],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=env,
            start_new_session=True,
        )
        os.close(slave)

    def run(self, seconds: float, until: Callable[[], bool] | None = None) -> int:
        """Read for some time, or until something is true; return the bytes that came through.

        What is read first lies in the window of the connection; it comes through at the rate of
        the link, and only then does the terminal answer what it was asked.
        """
        begin = len(self.received)
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and not (until and until()):
            room = len(self.window) < EAGER_WINDOW
            wait = min(left, 0.005 if self.window else 0.05)
            if room and select.select([self.master], [], [], wait)[0]:
                try:
                    self.window += os.read(self.master, 65536)
                except OSError:
                    break
            elif not room:
                time.sleep(wait)
            self._pass()
        return len(self.received) - begin

    def _pass(self) -> None:
        """Let through what the link has carried by now."""
        now = time.monotonic()
        if self.rate is None:
            n = len(self.window)
        else:
            n = int((now - self.passed_at) * self.rate)
            if n == 0 and self.window:
                return
        self.passed_at = now
        chunk, self.window = self.window[:n], self.window[n:]
        self.received += chunk
        if self.answers:
            asked = (self.tail + chunk).count(b"\x1b[6n")
            self.tail = bytes(chunk[-3:]) if chunk else self.tail
            if asked:
                os.write(self.master, b"\x1b[1;1R" * asked)

    def settle(self, quiet: float = 0.6, longest: float = 20.0) -> float:
        """Read until nothing came for a while; return the seconds until the last byte."""
        begin = last = time.monotonic()
        while time.monotonic() - last < quiet and time.monotonic() - begin < longest:
            if self.run(0.05):
                last = time.monotonic()
        return last - begin

    def paints(self) -> float:
        """Return how many times the image was sent, in whole pictures."""
        text = self.received.decode("utf-8", "ignore")
        shown = sum("\U0001cd00" <= character <= "\U0001cde5" for character in text)
        return shown / (60 * 200)

    def close(self) -> None:
        """End the program that was started here."""
        self.process.kill()
        self.process.wait()
        os.close(self.master)


def measure_silence() -> None:
    """Report paints at the start and bytes of an idle screen."""
    terminal = Terminal(APP)
    try:
        terminal.run(20, until=lambda: terminal.paints() > 0.3)
        terminal.settle(quiet=1.5)
        # Some patterns share characters with other blocks: a picture counts a little below one.
        say("startup_image_paints", round(terminal.paints() + 0.1), "-", "<= 2")
        say("idle_bytes_in_2_s", terminal.run(2.0), "B", "= 0")
    finally:
        terminal.close()


def measure_flow(rates: tuple[float, ...] = (12e6, 1.5e6, 0.4e6)) -> None:
    """Report how soon the picture rests after a key was held for 3 s at 30 Hz."""
    for rate in rates:
        terminal = Terminal(APP, rate)
        try:
            terminal.run(20, until=lambda t=terminal: t.paints() > 0.3)
            terminal.settle()
            before = len(terminal.received)
            for _ in range(90):
                os.write(terminal.master, b"j")
                terminal.run(1 / 30)
            settled = terminal.settle()
            total = (len(terminal.received) - before) / 1e6
        finally:
            terminal.close()
        target = "<= 1" if rate == min(rates) else "-"
        say(f"settle_after_hold_at_{rate / 1e6:g}_MB_per_s", settled, "s", target)
        say(f"sent_in_hold_at_{rate / 1e6:g}_MB_per_s", total, "MB", "-")


def main() -> None:
    """Run all measurements."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stack", nargs="?", type=Path, default=STACK)
    path = parser.parse_args().stack
    images = {"tomogram": tomogram_slice()}
    if path.is_file():
        stack = VolumeReader(path, is_stack=True)
        images["stack"] = stack.read("z", stack.shape[0] // 2)
    measure_frames(images)
    if "stack" in images:
        images["stack_lp40"] = low_pass(images["stack"], 10.0, 40.0)
    measure_fidelity(images)
    measure_silence()
    measure_flow()


if __name__ == "__main__":
    main()

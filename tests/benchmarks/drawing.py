"""Drawing slices in the terminal: cost, bytes and fidelity, without a terminal.

    python tests/benchmarks/drawing.py [STACK]

What goes over the line is measured by ``terminal_traffic.py``, lists by ``terminal_lists.py``,
large volumes by ``terminal_volume.py``, and the start by ``start_up.py``.
"""

from __future__ import annotations

import argparse
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from report import figure

from tomotui.tui.raster.emit import Frame, emit
from tomotui.tui.raster.filters import low_pass
from tomotui.tui.raster.glyphs import GLYPHS
from tomotui.tui.raster.paint import paint
from tomotui.tui.raster.palette import make_palette
from tomotui.tui.raster.picture import compose, inside_cells
from tomotui.tui.raster.resample import Grid, cell_grid, fit_voxels_per_cell, resample
from tomotui.tui.raster.strip import strips_of
from tomotui.tui.raster.tiers import GlyphName
from tomotui.tui.raster.turning import turned
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
Image = NDArray[np.float32]


def tomogram_slice(size: int = 512, width: int | None = None, seed: int = 7) -> Image:
    """Return a slice like one of a tomogram: membranes, ring proteins, beads, coloured noise.

    With a width the scene is repeated sideways, and the noise goes on without a seam.
    """
    width = size if width is None else width
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
    image = np.tile(image, (1, -(-width // size)))[:, :width]
    noise = rng.standard_normal((size, width)).astype(np.float32)
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


def filling(image: Image) -> Image:
    """Return an image repeated sideways until it fills a 200 x 60 terminal."""
    width = image.shape[0] * 5 // 3
    return np.tile(image, (1, -(-width // image.shape[1])))[:, :width]


def sent(frame: Frame) -> bytes:
    """Return what a frame is to the terminal."""
    return "".join(emit(turned(frame))).encode()


def measure_frames(images: dict[str, Image]) -> None:
    """Report the cost and the bytes of frames that fill 200 x 60 cells."""
    for label, image in images.items():
        for name in GLYPHS:
            is_octant = name == "octant"
            cost = cpu_ms(lambda name=name, image=image: strips_of(draw(image, name)[0]))
            figure(f"{label}: {name}, CPU time", cost, "ms", "<= 20" if is_octant else "-")
            data = sent(draw(image, name)[0])
            figure(f"{label}: {name}", len(data) / 1000, "kB", "<= 260" if is_octant else "-")
            packed = len(zlib.compress(data, 6)) / 1000
            figure(f"{label}: {name}, zlib", packed, "kB", "<= 45" if is_octant else "-")
        for depth in ("truecolor", "16", "mono"):
            data = sent(draw(image, "octant", depth=depth)[0])
            figure(f"{label}: octant, {depth}", len(data) / 1000, "kB")


def measure_fidelity(images: dict[str, Image]) -> None:
    """Report how alike painted cells and the image are."""
    for label, image in images.items():
        for name, target in SSIM_TARGETS.items():
            wanted = f">= {target:.2f}" if label == "tomogram" else "-"
            figure(f"{label}: {name}, SSIM", fidelity(image, name), "", wanted)


def main() -> None:
    """Run all measurements."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stack", nargs="?", type=Path, default=STACK)
    path = parser.parse_args().stack
    images = {"tomogram": tomogram_slice()}
    if path.is_file():
        stack = VolumeReader(path, is_stack=True)
        images["stack"] = stack.read("z", stack.shape[0] // 2)
    wide = {"tomogram": tomogram_slice(width=853)}
    if "stack" in images:
        wide["stack"] = filling(images["stack"])
        images["stack, 40 A"] = low_pass(images["stack"], 10.0, 40.0)
    measure_frames(wide)
    measure_fidelity(images)


if __name__ == "__main__":
    main()

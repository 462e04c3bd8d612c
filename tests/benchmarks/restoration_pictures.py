"""Make the README's pictures of restoration from a project with a restored tomogram.

    python tests/benchmarks/restoration_pictures.py PROJECT

Side views and their power spectra before and after, and the screens.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pictures import PICTURES, Terminal, environment
from PIL import Image

from tomotui.formats.mrc import read_volume
from tomotui.project import Project
from tomotui.records import Tomogram

SLAB = 3
Grey = NDArray[np.uint8]


def figure(folder: Path) -> None:
    """Draw an xz slice and its power spectrum, before on the left and after on the right."""
    with Project.open(folder, read_only=True) as project:
        found = [r for r in project.records("tomogram") if isinstance(r, Tomogram)]
    after = next(one for one in reversed(found) if one.restored)
    before = next(
        one
        for one in reversed(found)
        if not one.restored and (one.series_uid, one.size_xyz) == (after.series_uid, after.size_xyz)
    )
    volumes = [read_volume(folder / one.path)[0] for one in (before, after)]
    row = volumes[0].shape[1] // 2
    columns = []
    for volume in volumes:
        view = volume[:, row - SLAB // 2 : row + SLAB // 2 + 1].mean(axis=1)
        columns.append(np.concatenate([_shown(view), _spectrum(volume)], axis=0))
    gap = np.full((columns[0].shape[0], 4), 255, dtype=np.uint8)
    whole = np.concatenate([columns[0], gap, columns[1]], axis=1)
    image = Image.fromarray(whole).resize(
        (2 * whole.shape[1], 2 * whole.shape[0]), Image.Resampling.BICUBIC
    )
    image.quantize(64).save(PICTURES / "restored.png", optimize=True)
    print(f"wrote {PICTURES / 'restored.png'}")


def _shown(view: NDArray[np.float32]) -> Grey:
    inner = view[8:-8, 20:-20]
    scaled = (view - np.median(inner)) / (7 * inner.std()) + 0.55
    return (np.clip(scaled, 0, 1) * 255).astype(np.uint8)


def _spectrum(volume: NDArray[np.float32]) -> Grey:
    """Return the logarithm of the power at ky = 0 and near by, as wide as a side view."""
    n_z, _, n_x = volume.shape
    window = np.hanning(n_z)[:, None, None] * np.hanning(n_x)
    spectrum = np.abs(np.fft.fft2((volume - volume.mean()) * window, axes=(0, 2))) ** 2
    power = np.log(np.fft.fftshift(spectrum.mean(axis=1)))
    low, high = np.percentile(power, (5, 99.8))
    return (np.clip((power - low) / (high - low), 0, 1) * 255).astype(np.uint8)


def screens(folder: Path) -> None:
    """Walk through what the screens show of it; restore-train was the job before the last."""
    terminal = Terminal([sys.executable, "-m", "tomotui", str(folder)], environment())
    terminal.wait(5)
    terminal.press("\r", 5)
    terminal.press("X", 3)
    terminal.press(")", 3)
    terminal.picture("restored-xz")
    terminal.press(" ", 3)
    terminal.picture("restored-blink")
    terminal.press("4", 3)
    terminal.press("j\r", 4)
    terminal.picture("training")
    terminal.close()


def main() -> None:
    folder = Path(sys.argv[1])
    figure(folder)
    screens(folder)


if __name__ == "__main__":
    main()

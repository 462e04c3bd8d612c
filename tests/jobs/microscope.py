"""Files as a microscope leaves them, whole or half-written."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from tomotui.formats.mdoc_writing import write_mdoc
from tomotui.formats.mrc import write_stack
from tomotui.records import Tilt, TiltSeries

SIZE = 16


def leave_stack(folder: Path, name: str, n_images: int = 5, suffix: str = ".mrc") -> Path:
    """Write a stack of small random images."""
    path = folder / f"{name}{suffix}"
    images = np.random.default_rng(len(name)).normal(100, 10, (n_images, SIZE, SIZE))
    write_stack(path, images.astype(np.float32), 10.0)
    return path


def leave_mdoc(folder: Path, name: str, n_images: int = 5) -> Path:
    """Write the mdoc of a stack."""
    path = folder / f"{name}.mrc.mdoc"
    series = TiltSeries(
        name=name,
        stack_path=f"{name}.mrc",
        width_px=SIZE,
        height_px=SIZE,
        pixel_size_angstrom=10.0,
        nominal_tilt_axis_deg=85.0,
        tilts=tuple(
            Tilt(index=i, nominal_tilt_deg=-6.0 + 3 * i, dose_e_per_a2=3.0) for i in range(n_images)
        ),
    )
    write_mdoc(path, series)
    return path


def leave_series(folder: Path, name: str, n_images: int = 5) -> Path:
    """Write a stack and its mdoc."""
    leave_mdoc(folder, name, n_images)
    return leave_stack(folder, name, n_images)


def cut(path: Path, share: float = 0.6) -> None:
    """Leave only the beginning of a file, as of one that is being copied."""
    os.truncate(path, int(path.stat().st_size * share))


def age(path: Path, seconds: float) -> None:
    """Make a file look as if it had been written earlier."""
    status = path.stat()
    os.utime(path, (status.st_atime - seconds, status.st_mtime - seconds))

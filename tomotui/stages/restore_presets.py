"""What the presets of a training are, and what they cost."""

from __future__ import annotations

from typing import NamedTuple

CPU_OPERATIONS_PER_SECOND = 1.6e10
"""Of one core, in convolutions; what estimates of time are made with."""
GPU_OPERATIONS_PER_SECOND = 4e13


TILE_GIB = 2.3
"""For the largest tile of a tomogram, when wedges are filled on the way."""


class Preset(NamedTuple):
    """Sizes and times that belong together.

    Attributes
    ----------
    width
        Channels of the network at half the sampling.
    side
        Voxels along the sides of cubes or patches.
    steps, batch
        Updates of the weights, and cubes for each.
    free_share
        Share of the cubes that are turned by any angle.
    learning_rate
        Greatest step size.
    """

    width: int
    side: int
    steps: int
    batch: int
    free_share: float
    learning_rate: float


PRESETS: dict[str, dict[str, Preset]] = {
    "3d": {
        "preview": Preset(24, 64, 300, 1, 0.0, 2e-3),
        "standard": Preset(48, 96, 6000, 4, 0.2, 6e-4),
        "best": Preset(64, 96, 30000, 4, 0.2, 5e-4),
    },
    "2d": {
        "preview": Preset(24, 64, 800, 8, 0.0, 1e-3),
        "standard": Preset(48, 96, 6000, 16, 0.0, 1e-3),
        "best": Preset(64, 128, 20000, 16, 0.0, 6e-4),
    },
}


def expected_seconds(preset: Preset, method: str, on_gpu: bool, threads: int) -> float:
    """Return about how long training takes; a third goes into looks at what has been learnt."""
    n_dims = 3 if method == "3d" else 2
    operations = preset.steps * preset.batch * _operations(preset, n_dims)
    speed = GPU_OPERATIONS_PER_SECOND if on_gpu else threads * CPU_OPERATIONS_PER_SECOND
    return 1.35 * operations / speed + 20.0


def _operations(preset: Preset, n_dims: int) -> float:
    """Return the operations of one training step on one cube."""
    voxels, taps = float(preset.side**n_dims), float(3**n_dims)
    fine, width = 8, preset.width
    finest = voxels * taps * (fine + (2 * fine + 1) * fine + fine)
    coarse = 0.0
    for level in range(3):
        channels = width * 2**level
        kernels = 2 if level == 2 else 2 + 3
        coarse += voxels / 2 ** (n_dims * (level + 1)) * taps * kernels * channels**2
    return 6.0 * (finest + coarse)


def memory_gib(preset: Preset, method: str) -> float:
    """Return about how much memory training needs beside the tomograms."""
    n_dims = 3 if method == "3d" else 2
    kept_per_voxel = 8 * 6 + preset.width * 14 / 2**n_dims
    voxels = float(preset.side**n_dims) * preset.batch
    return float(TILE_GIB + 4 * voxels * kept_per_voxel / 2**30)


def duration_in_words(seconds: float) -> str:
    """Return seconds, minutes or hours, whichever reads best."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"

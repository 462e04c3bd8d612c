"""What the presets of training a picking network are, and what they cost."""

from __future__ import annotations

from typing import NamedTuple

CPU_STEP_SECONDS = 0.9
"""Of one step of the quick preset on one core, for estimates."""


class Preset(NamedTuple):
    """Sizes and times that belong together.

    Attributes
    ----------
    width
        Channels of the network at half the sampling.
    side
        Voxels along the sides of crops; a particle has about 13.
    pretraining_steps, steps
        Updates from the tomograms alone, and from what was judged.
    batch
        Crops of an update.
    """

    width: int
    side: int
    pretraining_steps: int
    steps: int
    batch: int


PRESETS = {
    "quick": Preset(24, 32, 40, 150, 8),
    "standard": Preset(32, 40, 200, 1000, 24),
    "thorough": Preset(48, 48, 500, 6000, 32),
}


def expected_minutes(preset: Preset, threads: int) -> float:
    """Return about how long training takes on a CPU."""
    quick = PRESETS["quick"]
    scale = preset.batch / quick.batch * (preset.width / quick.width) ** 2
    scale *= (preset.side / quick.side) ** 3
    return CPU_STEP_SECONDS / threads * scale * (preset.steps + preset.pretraining_steps) / 60

"""How a volume is cut so that it fits into memory, however large it is."""

from __future__ import annotations

from dataclasses import dataclass

import torch

CPU_BYTES = 3 * 2**30
"""Working memory on a CPU, where asking for what is free would starve the other tasks."""

SHARE_OF_FREE = 0.8
LEAST_ROWS = 16


@dataclass(frozen=True)
class Plan:
    """The cuts.

    Attributes
    ----------
    sections
        Of the volume that are made at a time.
    rows
        Along the tilt axis that are made at a time.
    images_stay
        Whether all images stay where they are worked on; otherwise their rows are brought
        there block by block.
    """

    sections: int
    rows: int
    images_stay: bool


def working_bytes(device: torch.device | str) -> int:
    """Return how much memory may be used on a device."""
    if torch.device(device).type == "cuda":
        free, _ = torch.cuda.mem_get_info(torch.device(device))
        return int(free * SHARE_OF_FREE)
    return CPU_BYTES


def plan_slabs(
    image_shape: tuple[int, int, int],
    n_x: int,
    n_z: int,
    n_volumes: int,
    padding: float,
    budget_bytes: int,
) -> Plan:
    """Choose how many sections and rows are made at a time.

    Parameters
    ----------
    image_shape
        Of the images in the common frame: tilts, columns, rows; those of all volumes together.
    n_x, n_z
        Of the volume.
    n_volumes
        Made at the same time.
    padding
        Bytes at work for one byte of a volume's section and of an image's row.
    budget_bytes
        That may be used at once.

    Notes
    -----
    Rows of images are rows of the volume, and sections do not know of each other, so that any
    cut gives the same volume. Images stay when they take at most half the room.
    """
    tilts, columns, rows = image_shape
    image_bytes = 4 * tilts * columns * rows
    stay = 2 * image_bytes <= budget_bytes
    left = budget_bytes - image_bytes if stay else budget_bytes
    per_row_images = int(4 * tilts * columns * padding)
    per_row_section = int(4 * n_x * n_volumes * padding)
    # Half the room for the images of some rows, half for their sections.
    at_once = min(rows, max(LEAST_ROWS, left // 2 // per_row_images))
    sections = left // 2 // (per_row_section * rows)
    return Plan(int(max(1, min(n_z, sections))), int(min(rows, at_once)), stay)

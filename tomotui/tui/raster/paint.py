"""A frame as pixels, the way a terminal that draws block characters exactly would show it.

For looking at pictures where no terminal is at hand, and for measuring how faithful they are.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tomotui.tui.raster.emit import Frame
from tomotui.tui.raster.glyphs import ASCII_RAMP, GLYPHS


def paint(frame: Frame, cell_height: int = 16, cell_width: int = 8) -> NDArray[np.uint8]:
    """Paint a frame.

    Characters that are neither blocks, dots nor of the ASCII ramp are painted half filled.

    Parameters
    ----------
    cell_height, cell_width
        Pixels of a character cell.

    Returns
    -------
    RGB image of shape ``[height * cell_height, width * cell_width, 3]``.
    """
    height, width = frame.shape
    colours = np.array(frame.palette.rgb, dtype=np.float32)
    front, ground = colours[frame.foreground], colours[frame.background]
    if frame.palette.is_mono:
        ground = np.zeros_like(front)
    masks = _masks(cell_height, cell_width)
    unknown = np.full((cell_height, cell_width), 0.5, np.float32)
    picture = np.empty((height, cell_height, width, cell_width, 3), np.float32)
    for row in range(height):
        cells = [masks.get(c, unknown) for c in frame.characters[row].tolist()]
        mask = np.stack(cells, axis=1)[..., None]
        picture[row] = ground[row][:, None] + (front[row] - ground[row])[:, None] * mask
    flat = picture.reshape(height * cell_height, width * cell_width, 3)
    return np.clip(np.rint(flat), 0, 255).astype(np.uint8)


def _masks(cell_height: int, cell_width: int) -> dict[str, NDArray[np.float32]]:
    """Return how much of each pixel each character covers, shape ``[cell_height, cell_width]``."""
    masks: dict[str, NDArray[np.float32]] = {}
    for weight, character in enumerate(ASCII_RAMP):
        share = 0.6 * weight / (len(ASCII_RAMP) - 1)
        masks[character] = np.full((cell_height, cell_width), share, np.float32)
    y, x = np.mgrid[0:cell_height, 0:cell_width]
    for glyphs in GLYPHS.values():
        if glyphs.kind == "ramp":
            continue
        bit = y * glyphs.rows // cell_height * glyphs.columns + x * glyphs.columns // cell_width
        shape = np.ones((cell_height, cell_width), np.float32)
        if glyphs.kind == "dots":
            off_y = ((y + 0.5) * glyphs.rows / cell_height) % 1 - 0.5
            off_x = ((x + 0.5) * glyphs.columns / cell_width) % 1 - 0.5
            shape = (np.hypot(off_y, off_x) < 0.38).astype(np.float32)
        for pattern, character in enumerate(glyphs.table.tolist()):
            masks[character] = (pattern >> bit & 1).astype(np.float32) * shape
    return masks

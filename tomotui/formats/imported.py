"""What every alignment import returns, and where image centres lie in other programs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomotui.records import Alignment, TiltAlignment

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ImportedAlignment:
    """An alignment from another program.

    Attributes
    ----------
    warnings
        What was understood only in part, one sentence each.
    local_shifts
        Local alignment as other programs keep it, one row for a patch and tilt: section
        (from 0), patch, centre x, centre y, shift x, shift y (pixels), reliable (0 or 1);
        ``None`` when there is none.
    """

    alignment: Alignment
    warnings: tuple[str, ...] = ()
    local_shifts: Array | None = None


def left_out_tilt(index: int, tilt_deg: float, axis_deg: float, note: str) -> TiltAlignment:
    """Return the record of an image that the other program did not align; ``note`` says so."""
    return TiltAlignment(
        index=index,
        tilt_deg=tilt_deg,
        axis_deg=axis_deg,
        shift_x_angstrom=0.0,
        shift_y_angstrom=0.0,
        excluded=True,
        verdict="bad",
        note=note,
    )


def edge_centre_offset_px(size_px: tuple[int, int]) -> Array:
    """Return where the middle of the image lies, in pixels from pixel ``n // 2``.

    IMOD and AreTomo put the origin at ``n / 2`` measured from the left edge of the first pixel,
    which is the pixel index ``(n - 1) / 2``: half a pixel before ``n // 2`` for even sizes, the
    same pixel for odd ones.

    Parameters
    ----------
    size_px
        Width and height.
    """
    size = np.asarray(size_px)
    offset: Array = (size - 1) / 2.0 - size // 2
    return offset

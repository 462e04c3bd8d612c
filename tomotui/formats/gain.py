"""Gain references: what each pixel has to be multiplied by, and which pixels are of no use.

Cameras and programs disagree whether one multiplies or divides by the reference. As found in the
sources of the programs:

- References in MRC and TIFF for counted TIFF and MRC movies multiply (MotionCor3, RELION, Warp).
- The ``.gain`` file that comes with EER movies multiplies, too: RELION's ``renderEER.h`` takes it
  as ``is_multiplicative``, and Warp's ``WarpWorker.cs`` has the same.
- A reference of another ending for EER movies is the average of raw exposures, by which counts
  are divided: RELION takes its inverse. Zero means a defect everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tomotui.formats.errors import FormatError
from tomotui.formats.movies import EER_SUFFIXES
from tomotui.formats.mrc import MrcStack
from tomotui.formats.stacks import TIFF_SUFFIXES

Image = NDArray[np.float32]
Mask = NDArray[np.bool_]
GainUse = Literal["auto", "multiply", "divide"]
GainFlip = Literal["none", "up-down", "left-right"]

_PLAUSIBLE = (0.1, 10.0)
"""Outside these multiples of the median a pixel counts as defect."""


@dataclass(frozen=True)
class Gain:
    """A reference, ready for frames of one size.

    Attributes
    ----------
    factor
        Multiplies a frame, ``[y, x]``; 1 on average, 0 at defects.
    defects
        Pixels to be replaced, ``[y, x]``.
    """

    factor: Image
    defects: Mask


def read_gain(
    path: Path | str,
    frame_shape: tuple[int, int],
    *,
    use: GainUse = "auto",
    turns: int = 0,
    flip: GainFlip = "none",
    for_eer: bool = False,
) -> Gain:
    """Read a gain reference and bring it to the orientation and size of the frames.

    A reference of half or twice the frames' size (counting and super-resolution) is repeated or
    averaged.

    Parameters
    ----------
    frame_shape
        Rows and columns of the frames.
    use
        ``auto`` divides for EER movies with a reference that is no ``.gain`` file.
    turns
        Quarter turns counter-clockwise (first row at the bottom) before the flip, as MotionCor's
        ``-RotGain`` and RELION's ``--gain_rot``.
    flip
        ``up-down`` or ``left-right`` after the turns: 1 and 2 of MotionCor's ``-FlipGain``.

    Raises
    ------
    FormatError
        The file cannot be read, holds no numbers, or does not fit the frames.
    """
    path = Path(path)
    values = _oriented(_read(path), turns, flip)
    finite = np.isfinite(values)
    usable = finite & (values > 0)
    if np.count_nonzero(usable) < 0.5 * values.size:
        raise FormatError(
            f"the gain reference {path} has {np.count_nonzero(usable)} of {values.size} pixels "
            "above zero",
            "give the reference of this camera",
        )
    divides = use == "divide" or (use == "auto" and for_eer and path.suffix.lower() != ".gain")
    factor = np.zeros(values.shape, dtype=np.float32)
    if divides:
        np.divide(1.0, values, out=factor, where=usable)
    else:
        factor[usable] = values[usable]
    middle = float(np.median(factor[usable]))
    usable &= (factor > _PLAUSIBLE[0] * middle) & (factor < _PLAUSIBLE[1] * middle)
    factor, usable = _fitted(factor, usable, frame_shape, path)
    # Counts stay electrons, whatever the scale of the reference.
    factor = np.where(usable, factor / factor[usable].mean(dtype=np.float64), 0)
    return Gain(factor.astype(np.float32), ~usable)


def is_eer(path: Path | str) -> bool:
    """Return whether a movie is an EER movie, by its name."""
    return Path(path).suffix.lower() in EER_SUFFIXES


def _read(path: Path) -> NDArray[Any]:
    """Return the numbers of a reference, first row at the bottom but for ``.gain`` files."""
    suffix = path.suffix.lower()
    if not path.is_file():
        raise FormatError(f"the gain reference {path} does not exist", "check the path")
    if suffix in (".dm4", ".dm3"):
        raise FormatError(
            f"the gain reference {path} is a DigitalMicrograph file",
            "turn it into MRC with: dm2mrc (IMOD)",
        )
    if suffix in (*TIFF_SUFFIXES, ".gain"):
        from tomotui.formats.tiff import TiffStack

        with TiffStack(path) as pages:
            return pages.read_page(0) if suffix == ".gain" else pages.read(0)
    with MrcStack(path) as stack:
        return stack.read(0)


def _oriented(values: NDArray[Any], turns: int, flip: GainFlip) -> NDArray[Any]:
    # numpy's own turn is counter-clockwise for a first row at the top.
    turned = np.rot90(values, -turns)
    if flip == "up-down":
        turned = turned[::-1]
    elif flip == "left-right":
        turned = turned[:, ::-1]
    return np.ascontiguousarray(turned)


def _fitted(
    factor: Image, usable: Mask, frame_shape: tuple[int, int], path: Path
) -> tuple[Image, Mask]:
    """Return factor and mask in the size of the frames."""
    height, width = frame_shape
    if factor.shape == frame_shape:
        return factor, usable
    if factor.shape == (2 * height, 2 * width):
        blocks = factor.reshape(height, 2, width, 2)
        good = usable.reshape(height, 2, width, 2)
        number = good.sum(axis=(1, 3))
        mean = (blocks * good).sum(axis=(1, 3)) / np.maximum(number, 1)
        # A defect takes its counts away from the sum: half a pixel is no pixel.
        return mean.astype(np.float32), number == 4
    if (2 * factor.shape[0], 2 * factor.shape[1]) == frame_shape:
        return factor.repeat(2, 0).repeat(2, 1), usable.repeat(2, 0).repeat(2, 1)
    n_y, n_x = factor.shape
    turned = (n_x, n_y) in (frame_shape, (2 * height, 2 * width))
    remedy = "turn it with gain_turns" if turned else "give the reference of this camera"
    raise FormatError(
        f"the gain reference {path} has {n_x} x {n_y} pixels, the frames {width} x {height}", remedy
    )

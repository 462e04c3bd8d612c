"""Reading a tilt series into tensors, binned as it comes, so that full frames never pile up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tomotui.records import TiltSeries
from tomotui.stages.base import StageError, Task

if TYPE_CHECKING:
    from torch import Tensor


def working_binning(series: TiltSeries, finest_pixel_angstrom: float, largest_frame_px: int) -> int:
    """Return the whole binning that reaches a pixel size and does not exceed a frame."""
    by_pixel = int(finest_pixel_angstrom / series.pixel_size_angstrom + 1e-6)
    by_frame = -(-max(series.width_px, series.height_px) // largest_frame_px)
    return max(1, by_pixel, by_frame)


def load_binned(
    task: Task,
    series: TiltSeries,
    indices: Sequence[int],
    binning: float,
    start: float,
    stop: float,
    *,
    stack_path: str | None = None,
    keep_on: str | None = None,
) -> Tensor:
    """Read images of a series, bin them one by one, and put them on the task's device.

    Parameters
    ----------
    task
        Told of the progress, between the fractions ``start`` and ``stop``.
    series
        The series; its stack must be where the record says.
    indices
        Sections to read.
    binning
        Factor >= 1.
    stack_path
        Another stack of the same images, such as that of every other frame.
    keep_on
        Device to keep the binned images on, when it is not the task's.

    Returns
    -------
    Physical values, ``[len(indices), height, width]``.

    Raises
    ------
    StageError
        The stack is missing, truncated, or has another size than the record.
    """
    import torch

    from tomotui.formats.errors import FormatError
    from tomotui.formats.stacks import open_stack
    from tomotui.imaging.resample import bin_images

    path = task.resolve(stack_path or series.stack_path)
    images = []
    try:
        with open_stack(path) as stack:
            if stack.shape != (series.n_tilts, series.height_px, series.width_px):
                raise StageError(
                    f"{path} now holds {stack.shape[0]} images of {stack.shape[2]} x "
                    f"{stack.shape[1]} px, but {series.n_tilts} of {series.width_px} x "
                    f"{series.height_px} px were imported.",
                    "Put the imported file back, or import this one as a new series.",
                )
            for number, index in enumerate(indices):
                image = torch.from_numpy(stack.read(index)).to(task.device)
                image = image * series.intensity_scale + series.intensity_offset
                binned = bin_images(_mended(image), binning)
                images.append(binned if keep_on is None else binned.to(keep_on))
                task.progress(start + (stop - start) * (number + 1) / len(indices))
    except FormatError as error:
        raise StageError(str(error)) from error
    return torch.stack(images)


def _mended(image: Tensor) -> Tensor:
    """Replace pixels that are no numbers by the median of the others; by 0 where none is one."""
    finite = image.isfinite()
    if bool(finite.all()):
        return image
    values = image[finite]
    return image.where(finite, values.median() if values.numel() else image.new_zeros(()))

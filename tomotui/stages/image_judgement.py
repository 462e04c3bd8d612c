"""Which images of a series that comes in cannot be used."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tomotui.stages.base import StageError, Task

if TYPE_CHECKING:
    from tomotui.formats.stacks import ImageStatistics

LEAST_IMAGES = 3


def unusable_images(
    task: Task, statistics: Sequence[ImageStatistics], n_pixels: int, source: Path
) -> list[int]:
    """Return the numbers of the images that cannot be used, and warn of all that are faulty.

    Parameters
    ----------
    statistics
        Of all images.
    n_pixels
        Of one image.
    source
        What the images come from, for messages.

    Raises
    ------
    StageError
        Fewer than three images are left.
    """
    from tomotui.formats.stacks import image_warnings, judge_images

    judged = judge_images(statistics)
    bad = [image.index for image in judged if image.verdict in ("empty", "dark")]
    bad += [
        image.index
        for image in judged
        if image.verdict == "not finite" and image.n_not_finite > 0.5 * n_pixels
    ]
    for warning in image_warnings(judged, {image.index for image in judged} - set(bad)):
        task.warn(warning)
    if len(judged) - len(bad) < LEAST_IMAGES:
        raise StageError(
            f"{source}: only {len(judged) - len(bad)} of {len(judged)} images hold a picture.",
            "Check the stack in another viewer; it may not have been copied whole.",
        )
    return bad

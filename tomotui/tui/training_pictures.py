"""The pictures that a training leaves beside its log, as far as they can be read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tomotui.tui.details import Details, read_details

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Image = NDArray[np.float32]

TRAINING_FILE = "training.npz"
"""In the folder of the task; written anew now and then while the network learns."""

VIEWS = ("before", "after")
SPECTRA = ("spectrum_before", "spectrum_after")


@dataclass(frozen=True)
class TrainingPictures:
    """A side view and its spectrum, before and as the network has made it by a step.

    Attributes
    ----------
    path, modified_ns
        The file and when it was written; pictures of the same unchanged file are equal.
    step
        Updates of the weights so far.
    voxel_size_angstrom
        Of the side views; 0 when it is not known.
    images
        ``before`` and ``after`` are side views ``[z, x]``; ``spectrum_before`` and
        ``spectrum_after`` the logarithms of their power, with frequency 0 in the middle.
    """

    path: str
    modified_ns: int
    step: int
    voxel_size_angstrom: float
    images: Mapping[str, Image] = field(compare=False, repr=False)


def pictures_of(details: Details) -> TrainingPictures | None:
    """Return the pictures in a file of details; ``None`` when they are not all there."""
    images: dict[str, Image] = {}
    for name in (*VIEWS, *SPECTRA):
        found = details.get(name, 2)
        if found is None or found.dtype.kind not in "fiu":
            return None
        images[name] = found.astype("float32")
    step, voxel = (_number(details, name) for name in ("step", "voxel_size_angstrom"))
    return TrainingPictures(details.path, details.modified_ns, int(step), voxel, images)


def _number(details: Details, name: str) -> float:
    found = details.arrays.get(name)
    if found is None or found.size != 1 or found.dtype.kind not in "fiu":
        return 0.0
    value = float(found.reshape(-1)[0])
    return value if math.isfinite(value) else 0.0


class PicturesReader:
    """Reads the pictures of a task, and remembers the last that could be read.

    A file that is torn, or away for a moment, changes nothing: the next one will come.
    """

    def __init__(self) -> None:
        self._place: Path | None = None
        self._modified_ns = 0
        self._kept: TrainingPictures | None = None

    def read(self, folder: Path, task_folder: str) -> TrainingPictures | None:
        """Return the newest pictures of a task; ``None`` when it has none."""
        path = f"{task_folder}/{TRAINING_FILE}"
        if self._kept is not None and self._kept.path != path:
            self._kept = None
        self._place = folder / path
        now = self.modified_ns()
        if now and (self._kept is None or now != self._modified_ns):
            found = pictures_of(read_details(folder, path))
            self._kept = found or self._kept
        self._modified_ns = now
        return self._kept

    def modified_ns(self) -> int:
        """Return when the file that was looked at last was written; 0 when there is none."""
        try:
            return self._place.stat().st_mtime_ns if self._place is not None else 0
        except OSError:
            return 0

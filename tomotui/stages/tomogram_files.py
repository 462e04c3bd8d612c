"""Writing the volumes of a reconstruction: all at once or none, with an instant preview."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from tomotui.stages.base import StageError, Task

if TYPE_CHECKING:
    from tomotui.algorithms.reconstruct.slabs import Slab

THUMBNAIL_PX = 160
THUMBNAIL_SLAB_ANGSTROM = 100.0
HEADERS_BYTES = 2**20
SCRATCH_BYTES = 3 * 2**30
"""Arrays beyond this are kept in files."""

ZARR_SHARE = 8 / 7
"""A pyramid of halved sides over its finest level."""


@dataclass(frozen=True)
class VolumeSet:
    """The volumes of one sampling: the whole and its halves.

    Attributes
    ----------
    stem
        Beginning of the file names.
    size_xyz
        Voxels of each.
    voxel_size_angstrom
        Angstrom per voxel.
    with_halves
        Whether there are halves.
    data_type
        Number format.
    labels
        Words for the headers.
    noun
        End of the first one's file name.
    """

    stem: str
    size_xyz: tuple[int, int, int]
    voxel_size_angstrom: float
    with_halves: bool
    data_type: Literal["float32", "float16"]
    labels: tuple[str, ...] = ()
    noun: str = "tomogram"

    @property
    def names(self) -> tuple[str, ...]:
        """File names, the whole first."""
        halves = ("half_even", "half_odd") if self.with_halves else ()
        return tuple(f"{self.stem}_{name}.mrc" for name in (self.noun, *halves))

    @property
    def n_bytes(self) -> int:
        """Room that the files take."""
        n_x, n_y, n_z = self.size_xyz
        voxel_bytes = np.dtype(self.data_type).itemsize
        return len(self.names) * n_x * n_y * n_z * voxel_bytes + HEADERS_BYTES


@dataclass
class Written:
    """Files of one set, and how they are best shown."""

    paths: list[Path]
    thumbnail: Path
    window: tuple[float, float]


@dataclass
class _Preview:
    """What is gathered while slabs pass by: voxels for the contrast, sections for the picture."""

    sample: list[np.ndarray] = field(default_factory=list)
    middle: np.ndarray | None = None
    sections: int = 0

    def look(self, first: int, whole: np.ndarray, volume_set: VolumeSet) -> None:
        """Take what a slab has of both."""
        n_y, n_x = whole.shape[1:]
        n_z = volume_set.size_xyz[2]
        margin_y, margin_x = n_y // 8, n_x // 8
        reach = max(0, round(THUMBNAIL_SLAB_ANGSTROM / volume_set.voxel_size_angstrom / 2))
        for offset, section in enumerate(whole):
            from_middle = abs(first + offset - n_z // 2)
            if from_middle <= n_z // 4:
                inner = section[margin_y : n_y - margin_y : 3, margin_x : n_x - margin_x : 3]
                self.sample.append(inner.ravel()[::2].copy())
            if from_middle <= reach:
                self.middle = section.copy() if self.middle is None else self.middle + section
                self.sections += 1


def check_room(folder: Path, sets: Sequence[VolumeSet], ome_zarr: bool, scratch_bytes: int) -> None:
    """Refuse before any work when the files of all sets together do not fit on the disk.

    Raises
    ------
    StageError
        Naming the folder, what is needed and what is free.
    """
    needed = sum(each.n_bytes for each in sets) + scratch_bytes
    if ome_zarr:
        volumes = ((each.n_bytes - HEADERS_BYTES) / len(each.names) for each in sets)
        needed += int(ZARR_SHARE * sum(volumes))
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise StageError(
            f"no room on the disk for the tomograms in {folder}: they need "
            f"{needed / 2**30:.2f} GiB, {free / 2**30:.2f} GiB are free.",
            "Free some room, choose a larger voxel size or float16, or leave out the halves.",
        )


def write_volumes(task: Task, volume_set: VolumeSet, slabs: Iterable[Slab]) -> Written:
    """Stream the volumes of a set to disk; on any error none of them appears.

    Parameters
    ----------
    task
        Whose folder they go to.
    volume_set
        What they are.
    slabs
        Their sections in order, the whole first in each.
    """
    from tomotui.algorithms.reconstruct.contrast import contrast_window
    from tomotui.formats.mrc_writing import VolumeWriter

    paths = [task.folder / name for name in volume_set.names]
    preview = _Preview()
    kinds = ("all tilts", "first half", "second half")
    with contextlib.ExitStack() as stack:
        writers = [
            stack.enter_context(
                VolumeWriter(
                    path,
                    volume_set.size_xyz[::-1],
                    volume_set.voxel_size_angstrom,
                    volume_set.data_type,
                    labels=(*volume_set.labels, kind),
                    origin_at_centre=True,
                )
            )
            for path, kind in zip(paths, kinds, strict=False)
        ]
        for slab in slabs:
            volumes = [part.cpu().numpy() for part in slab.parts]
            for writer, volume in zip(writers, volumes, strict=True):
                writer.write(slab.first, volume)
            preview.look(slab.first, volumes[0], volume_set)
    thumbnail = _thumbnail(task, volume_set, preview)
    return Written(paths, thumbnail, contrast_window(np.concatenate(preview.sample)))


def preview_of(
    task: Task, volume_set: VolumeSet, slabs: Iterable[tuple[int, np.ndarray]]
) -> tuple[Path, tuple[float, float]]:
    """Write the preview of a volume that is there; returns it and the window of its contrast.

    Parameters
    ----------
    slabs
        The volume's sections in order: the number of the first of each, and ``[n, y, x]``.
    """
    from tomotui.algorithms.reconstruct.contrast import contrast_window

    preview = _Preview()
    for first, slab in slabs:
        preview.look(first, slab, volume_set)
    return _thumbnail(task, volume_set, preview), contrast_window(np.concatenate(preview.sample))


def _thumbnail(task: Task, volume_set: VolumeSet, preview: _Preview) -> Path:
    """Write the mean of the middle sections, small, as an 8-bit image."""
    import torch

    from tomotui.algorithms.reconstruct.contrast import contrast_window
    from tomotui.formats.mrc_writing import VolumeWriter
    from tomotui.imaging.resample import bin_images

    assert preview.middle is not None
    image = torch.from_numpy(np.ascontiguousarray(preview.middle / preview.sections))
    factor = max(1.0, max(image.shape) / THUMBNAIL_PX)
    small = bin_images(image, factor).numpy()
    path = task.folder / f"{volume_set.stem}_thumbnail.mrc"
    with VolumeWriter(
        path,
        (1, *small.shape),
        volume_set.voxel_size_angstrom * factor,
        "int8",
        value_range=contrast_window(small),
        is_stack=True,
    ) as writer:
        writer.write(0, small[None])
    return path


def write_pyramid(task: Task, written: Written) -> Path:
    """Write the whole volume of a set as OME-Zarr beside it."""
    from tomotui.formats.ome_zarr import write_ome_zarr

    source = written.paths[0]
    return write_ome_zarr(source.with_suffix(".ome.zarr"), source)


class Scratch:
    """Arrays to gather volumes in: in memory, or in files that go away when all is done."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.paths: list[Path] = []

    def array(self, shape: tuple[int, int, int]) -> np.ndarray:
        """Return an array of float32."""
        if 4 * int(np.prod(shape)) <= SCRATCH_BYTES:
            return np.empty(shape, dtype=np.float32)
        self.paths.append(self.folder / f".scratch-{len(self.paths)}.partial")
        return np.memmap(self.paths[-1], np.float32, "w+", shape=shape)

    def __enter__(self) -> Scratch:
        return self

    def __exit__(self, *_: object) -> None:
        for path in self.paths:
            path.unlink(missing_ok=True)

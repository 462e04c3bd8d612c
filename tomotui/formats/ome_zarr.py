"""Volumes as OME-Zarr: a pyramid of chunked arrays that viewers open piece by piece.

Version 0.4 of the format on Zarr version 2, which every reader knows, is written. The package
``zarr`` is asked for when it is used.
"""

from __future__ import annotations

import shutil
from importlib import import_module
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomotui.formats.errors import FormatError
from tomotui.formats.mrc import MrcStack

CHUNK = 64
LEAST_SIDE = 64
MOST_LEVELS = 6
MOST_VOXELS = 2**33
_DAMAGE = (
    ArithmeticError, AttributeError, LookupError, OSError, RuntimeError, TypeError, ValueError
)  # fmt: skip


def zarr_is_there() -> bool:
    """Return whether the package ``zarr`` can be imported."""
    return find_spec("zarr") is not None


def write_ome_zarr(path: Path, volume: Path) -> Path:
    """Write an MRC volume as OME-Zarr; the folder appears when it is whole.

    Parameters
    ----------
    path
        Folder to write, ending in ``.ome.zarr``; one that is there is replaced.
    volume
        MRC file.

    Returns
    -------
    The folder. Voxel ``n // 2`` of the finest level is the origin of coordinates; a coarser
    voxel is the mean of 2 x 2 x 2 and lies in their middle.

    Raises
    ------
    FormatError
        When ``zarr`` is missing, or the folder cannot be written.
    """
    if not zarr_is_there():
        raise FormatError(
            f"{path} cannot be written: the Python package zarr is not installed",
            'install it with: pip install "zarr>=3"',
        )
    temporary = path.with_name(f".{path.name}.partial")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        with MrcStack(volume) as stack:
            _write(temporary, stack, path.name)
        shutil.rmtree(path, ignore_errors=True)
        temporary.replace(path)
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        raise FormatError(
            f"{path} cannot be written: {error.strerror or error}",
            "free some room or check the folder's permissions",
        ) from error
    return path


def read_ome_zarr(path: Path) -> tuple[NDArray[Any], float]:
    """Read the finest level of an OME-Zarr; returns ``[z, y, x]`` as stored, and Angstrom a voxel.

    Raises
    ------
    FormatError
        ``zarr`` is missing, or the folder is no OME-Zarr of a volume.
    """
    if not zarr_is_there():
        raise FormatError(
            f"{path} cannot be read: the Python package zarr is not installed",
            'install it with: pip install "zarr>=3"',
        )
    zarr: Any = import_module("zarr")
    remedy = "give an OME-Zarr of a volume, or the same as .mrc"
    try:
        group = zarr.open_group(store=str(path), mode="r")
        scales = dict(group.attrs).get("multiscales") or [{}]
        level = (scales[0].get("datasets") or [{"path": "0"}])[0]
        array = group[str(level["path"])]
        shape = tuple(int(side) for side in array.shape)
        if len(shape) != 3 or not 0 < np.prod(shape, dtype=np.float64) <= MOST_VOXELS:
            raise FormatError(f"{path} has the shape {shape}", remedy)
        volume: NDArray[Any] = np.asarray(array[:])
        steps = [step["scale"] for step in level.get("coordinateTransformations", ())
                 if step.get("type") == "scale"]  # fmt: skip
        voxel = float(steps[0][-1]) if steps else 0.0
    except FormatError:
        raise
    except _DAMAGE as error:
        raise FormatError(f"{path} cannot be read as OME-Zarr: {error}", remedy) from error
    return volume, voxel if 0 < voxel < 1e4 else 0.0


def _write(folder: Path, stack: MrcStack, name: str) -> None:
    zarr: Any = import_module("zarr")
    group = zarr.open_group(store=str(folder), mode="w", zarr_format=2)
    shapes = [stack.shape]
    while max(shapes[-1]) > LEAST_SIDE and len(shapes) < MOST_LEVELS:
        z, y, x = shapes[-1]
        shapes.append((max(1, z // 2), max(1, y // 2), max(1, x // 2)))
    dtype = np.float16 if stack.header.mode == 12 else np.float32
    arrays = [
        group.create_array(
            str(level),
            shape=shape,
            chunks=tuple(min(CHUNK, side) for side in shape),
            dtype=dtype,
            chunk_key_encoding={"name": "v2", "separator": "/"},
        )
        for level, shape in enumerate(shapes)
    ]
    for first in range(0, stack.shape[0], CHUNK):
        last = min(stack.shape[0], first + CHUNK)
        arrays[0][first:last] = stack.read_all(range(first, last))
    for finer, coarser in pairwise(arrays):
        for first in range(0, coarser.shape[0], CHUNK):
            last = min(coarser.shape[0], first + CHUNK)
            coarser[first:last] = _halved(
                np.asarray(finer[2 * first : 2 * last], np.float32), coarser.shape, last - first
            )
    group.attrs["multiscales"] = [_multiscale(name, stack.pixel_size_angstrom, shapes)]


def _halved(block: NDArray[np.float32], shape: tuple[int, ...], n_z: int) -> NDArray[np.float32]:
    """Return the means of 2 x 2 x 2 voxels; a side of one voxel stays."""
    wanted = (n_z, *shape[1:])
    for axis, side in enumerate(wanted):
        if block.shape[axis] >= 2 * side:
            pairs = np.take(block, range(2 * side), axis=axis)
            split = (*pairs.shape[:axis], side, 2, *pairs.shape[axis + 1 :])
            block = pairs.reshape(split).mean(axis=axis + 1)
    return block


def _multiscale(
    name: str, voxel_angstrom: float, shapes: list[tuple[int, int, int]]
) -> dict[str, Any]:
    """Return the metadata: axes, and scale and place of every level in Angstrom."""
    datasets = []
    for level in range(len(shapes)):
        scales, places = [], []
        for axis, side in enumerate(shapes[0]):
            factor = 1
            for finer, coarser in pairwise(shapes[: level + 1]):
                factor *= 2 if finer[axis] >= 2 * coarser[axis] else 1
            scales.append(voxel_angstrom * factor)
            places.append(voxel_angstrom * ((factor - 1) / 2 - side // 2))
        datasets.append(
            {
                "path": str(level),
                "coordinateTransformations": [
                    {"type": "scale", "scale": scales},
                    {"type": "translation", "translation": places},
                ],
            }
        )
    axes = [{"name": axis, "type": "space", "unit": "angstrom"} for axis in "zyx"]
    return {"version": "0.4", "name": name, "axes": axes, "datasets": datasets, "type": "mean"}

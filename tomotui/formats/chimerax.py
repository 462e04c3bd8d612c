"""Scenes for ChimeraX: command scripts that show maps where particles lie in a tomogram.

Only commands that plain ChimeraX knows are used: ``open``, ``volume``, ``view matrix`` and
``view``. Coordinates of the scene are Angstrom from the tomogram's centre, voxel ``n // 2``.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tomotui.formats.errors import FormatError

Array = NDArray[np.float64]

PLACES_PER_COMMAND = 50
"""Poses in one ``view matrix``, so that no line grows beyond reading."""


@dataclass(frozen=True)
class SceneVolume:
    """A volume of a scene.

    Attributes
    ----------
    path
        MRC file.
    size_xyz
        Voxels along x, y and z.
    voxel_size_angstrom
        Whatever the header says.
    """

    path: Path
    size_xyz: tuple[int, int, int]
    voxel_size_angstrom: float

    @property
    def centre_xyz(self) -> tuple[int, int, int]:
        """Voxel at which its coordinates begin."""
        x, y, z = (n // 2 for n in self.size_xyz)
        return x, y, z


@dataclass(frozen=True)
class SceneCopies:
    """A map that is shown many times.

    Attributes
    ----------
    volume
        The map; protein bright.
    positions_angstrom
        Of its centre in the tomogram, (x, y, z), ``[n, 3]``.
    rotations
        From the map to the tomogram, ``[n, 3, 3]``.
    """

    volume: SceneVolume
    positions_angstrom: Array
    rotations: Array


def write_scene(
    path: Path,
    tomogram: SceneVolume,
    shown: SceneCopies | SceneVolume,
    level: float,
    color: str = "#5a9bd4",
    title: str = "",
) -> None:
    """Write a ``.cxc`` script; it appears whole or not at all.

    Parameters
    ----------
    tomogram
        Shown as three crossing sections.
    shown
        A map at its poses, or a volume that holds all copies.
    level
        Of the surfaces.
    color
        Of the surfaces, as ChimeraX knows colours.
    title
        What the first line, a comment, says.

    Raises
    ------
    FormatError
        When a file's name cannot stand in a script, or the script cannot be written.
    """
    words = " ".join(title.split()) or "A tomogram and its particles"
    lines = [f"# {words}", "close session"]
    lines += _opened(tomogram)
    centre = ",".join(map(str, tomogram.centre_xyz))
    lines += [*_placed("#1", tomogram), f"volume #1 orthoplanes xyz positionPlanes {centre}"]
    if isinstance(shown, SceneVolume):
        lines += [*_opened(shown), *_placed("#2", shown)]
        models = "#2"
    else:
        count = len(shown.positions_angstrom)
        lines += [line for _ in range(count) for line in _opened(shown.volume)]
        models = "#2" if count == 1 else f"#2-{count + 1}"
        lines += [*_placed(models, shown.volume), *_poses(shown)]
    lines += [f"volume {models} style surface level {level:.6g} color {color}", "view"]
    _write(path, "\n".join(lines) + "\n")


def _opened(volume: SceneVolume) -> list[str]:
    name = str(volume.path)
    if '"' in name or "\n" in name or ";" in name:
        raise FormatError(
            f"{name}: ChimeraX scripts cannot hold quotation marks, semicolons or line breaks",
            "rename the folder",
        )
    return [f'open "{name}"']


def _placed(models: str, volume: SceneVolume) -> list[str]:
    """Return the commands that make coordinates begin at the centre."""
    centre = ",".join(map(str, volume.centre_xyz))
    return [
        f"volume {models} voxelSize {volume.voxel_size_angstrom:.6g}",
        f"volume {models} originIndex {centre}",
    ]


def _poses(copies: SceneCopies) -> list[str]:
    """Return the commands that bring copies, models 2 and on, to their poses."""
    matrices = np.concatenate([copies.rotations, copies.positions_angstrom[:, :, None]], axis=2)
    places = [
        f"#{number}," + ",".join(f"{value:.6g}" for value in matrix.ravel())
        for number, matrix in enumerate(matrices, start=2)
    ]
    return [
        "view matrix models " + ",".join(places[first : first + PLACES_PER_COMMAND])
        for first in range(0, len(places), PLACES_PER_COMMAND)
    ]


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise FormatError(
            f"{path} cannot be written: {error.strerror or error}", "make room or check the folder"
        ) from error

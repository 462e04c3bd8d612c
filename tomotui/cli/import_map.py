"""Maps from files into the project: references, and what others have averaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tomotui.cli.errors import WorkFailed, WrongWords
from tomotui.cli.options import JsonOption, ProjectOption, open_project, print_json
from tomotui.records import Map

FOLDER = "maps"


def import_map(
    file: Path,
    /,
    *,
    name: str = "",
    invert: bool = False,
    pixel_size: float | None = None,
    symmetry: str = "C1",
    project: ProjectOption = None,
    json: JsonOption = False,
) -> int:
    """Take a map over from a file: as a reference, or to be compared with.

    Example: `tomotui import-map emd_3228.map --name ribosome -p ~/data/cells`

    The file is copied. Protein is bright in maps; one that shows it dark is turned with --invert.
    A map that is no cube is put into one.

    Parameters
    ----------
    file
        MRC or CCP4 map.
    name
        Name in this project; that of the file by default.
    invert
        Protein is dark in the file.
    pixel_size
        Angstrom per voxel, where the file does not tell or tells wrongly.
    symmetry
        Its symmetry, such as C2 or O.
    project
        Project folder; the present one by default.
    json
        Print JSON for scripts.
    """
    from tomotui.formats.mrc import write_volume

    file = file.expanduser()
    name = name or file.stem
    _check_words(name, symmetry, pixel_size)
    volume, pixel = _volume(file, pixel_size)
    cube = in_cube(-volume if invert else volume)
    with open_project(project) as opened:
        n = cube.shape[0]
        made = Map(
            name=name,
            path="",
            size_xyz=(n, n, n),
            pixel_size_angstrom=pixel,
            symmetry=symmetry.upper(),
            made_by="import",
        )
        place = Path(FOLDER) / f"{made.uid}.mrc"
        (opened.folder / FOLDER).mkdir(exist_ok=True)
        write_volume(opened.folder / place, cube, pixel)
        opened.add_records([made.replace(path=str(place))])
    if json:
        print_json({"uid": made.uid, "name": name, "box": n, "pixel_size_angstrom": pixel})
    else:
        print(f"took over the map {name}: {n} voxels of {pixel:.3g} A")
    return 0


def in_cube(volume: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a volume ``[z, y, x]`` in a cube; voxel ``n // 2`` of each axis stays the middle.

    What is put around it has the median of the volume's faces.
    """
    n = max(volume.shape)
    if volume.shape == (n, n, n):
        return volume
    faces = [np.take(volume, at, axis).ravel() for axis in range(3) for at in (0, -1)]
    cube = np.full((n, n, n), np.median(np.concatenate(faces)), dtype=np.float32)
    starts = [n // 2 - size // 2 for size in volume.shape]
    where = tuple(slice(at, at + size) for at, size in zip(starts, volume.shape, strict=True))
    cube[where] = volume
    return cube


def _volume(file: Path, pixel_size: float | None) -> tuple[NDArray[np.float32], float]:
    """Return voxels and their size in Angstrom."""
    from tomotui.formats.mrc import read_volume

    volume, pixel = read_volume(file)
    if volume.ndim != 3 or min(volume.shape) < 4:
        shape = " x ".join(map(str, volume.shape[::-1]))
        raise WorkFailed(f"{file} holds {shape} voxels: that is no map; give a volume")
    if not np.isfinite(volume).all() or not volume.std() > 0:
        raise WorkFailed(f"{file} holds no map: its voxels are not numbers, or all the same")
    pixel = pixel_size or pixel
    if not pixel > 0:
        raise WorkFailed(f"{file} does not tell its pixel size; give it with --pixel-size")
    return volume, pixel


def _check_words(name: str, symmetry: str, pixel_size: float | None) -> None:
    from tomotui.geometry.symmetry import symmetry_rotations

    if not name.strip() or "/" in name:
        raise WrongWords(f"--name {name!r}: give a name without slashes")
    if pixel_size is not None and not pixel_size > 0:
        raise WrongWords(f"--pixel-size {pixel_size:g}: give Angstrom above zero")
    try:
        symmetry_rotations(symmetry)
    except ValueError as error:
        raise WrongWords(f"--symmetry {symmetry}: {error}") from error

"""Picks of copick: JSON files below ``ExperimentRuns/RUN/Picks``, named USER_SESSION_OBJECT.json.

Locations are Angstrom from the corner, where the first voxel's index is 0. ``transformation_`` is
the pose, reference to tomogram, as a 4 x 4 matrix whose translation adds to the location. The unit
matrix is what copick writes where the orientation is unknown.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomotui.formats.eman import read_json
from tomotui.formats.errors import FormatError
from tomotui.formats.known_tomograms import (
    KnownTomogram,
    angles_of,
    only_tomogram,
    positions_of,
)
from tomotui.formats.picks import picks
from tomotui.geometry.poses import angles_of_matrices, matrices_of_angles
from tomotui.records import Particle

Floats = NDArray[np.float64]

USER, SESSION = "tomotui", "0"
_RUNS, _PICKS = "ExperimentRuns", "Picks"
_ORTHONORMAL = 1e-2


def find_copick(folder: Path, only: str | None = None) -> list[Path]:
    """Return the files of picks below a copick folder, of one object when that is named.

    Raises
    ------
    FormatError
        There are none, or they are of several objects and none is named.
    """
    root = folder if folder.name == _RUNS else folder / _RUNS
    files = sorted(root.glob(f"*/{_PICKS}/*.json"))
    if not files:
        raise FormatError(
            f"{folder} has no {_RUNS}/RUN/{_PICKS}/*.json", "give the root of a copick project"
        )
    objects = {path: path.stem.split("_", 2)[-1] for path in files}
    if only is not None:
        files = [path for path in files if objects[path] == only]
    there = sorted(set(objects.values()))
    if not files or (only is None and len(there) > 1):
        raise FormatError(
            f"{folder} has picks of {', '.join(there)}", "name one of them with --object"
        )
    return files


def read_copick(
    path: Path | str,
    tomograms: Mapping[str, KnownTomogram],
    *,
    tomogram: str | None = None,
    is_said: bool = False,
) -> list[Particle]:
    """Read a file of picks.

    Parameters
    ----------
    tomograms
        The project's, by name.
    tomogram
        The one that the picks lie in; by the run of the file otherwise.
    is_said
        Whether size and pixel size of the tomogram were given for this file, against its own.

    Raises
    ------
    FormatError
        The file is malformed, or its run is not in the project.
    """
    path = Path(path)
    found = read_json(path)
    points = found.get("points") if isinstance(found, dict) else None
    if not isinstance(found, dict) or not isinstance(points, (list, type(None))):
        raise FormatError(f"{path} is no file of picks of copick", "give USER_SESSION_OBJECT.json")
    if str(found.get("unit", "angstrom")).lower() != "angstrom":
        raise FormatError(f"{path}: its unit is {found['unit']!r}", "only Angstrom is known")
    said = [str(found.get("run_name") or ""), path.absolute().parent.parent.name]
    name = only_tomogram(path, said, tomogram, tomograms)
    rows = [_point(path, number, point) for number, point in enumerate(points or [], start=1)]
    places = np.array([row[0] for row in rows], dtype=np.float64).reshape(-1, 3)
    poses = np.array([row[1] for row in rows], dtype=np.float64).reshape(-1, 4, 4)
    known = tomograms[name]
    if not is_said:
        known = _sampled(known, found.get("voxel_spacing"))
    corner = places + poses[:, :3, 3]
    return picks(
        path,
        [known.uid] * len(rows),
        known.positions(corner / known.pixel_size_angstrom),
        angles_deg=_angles(path, poses[:, :3, :3], found.get("trust_orientation", True)),
        scores=[row[2] for row in rows],
    )


def copick_path(root: Path, run: str, name: str) -> Path:
    """Return where the picks of an object lie; copick wants no underscores in its name."""
    object_name = re.sub(r"[^A-Za-z0-9.-]+", "-", name)
    return root / _RUNS / run / _PICKS / f"{USER}_{SESSION}_{object_name}.json"


def write_copick(
    path: Path | str,
    particles: Sequence[Particle],
    known: KnownTomogram,
    *,
    run: str,
    name: str,
) -> None:
    """Write the particles of one tomogram as picks.

    Parameters
    ----------
    run
        copick's name of the tomogram's run.
    name
        Name of the object.
    """
    places = known.voxels(positions_of(particles)) * known.pixel_size_angstrom
    angles = angles_of(particles)
    rotations = matrices_of_angles(np.nan_to_num(angles))
    points = []
    for number, (particle, place, rotation) in enumerate(
        zip(particles, places, rotations, strict=True), start=1
    ):
        is_posed = np.isfinite(angles[number - 1]).all()
        pose = np.eye(4)
        pose[:3, :3] = rotation if is_posed else np.eye(3)
        x, y, z = place.round(4).tolist()
        points.append(
            {
                "location": {"x": x, "y": y, "z": z},
                "transformation_": pose.round(8).tolist(),
                "instance_id": number,
                "score": particle.score,
            }
        )
    file = {
        "pickable_object_name": re.sub(r"[^A-Za-z0-9.-]+", "-", name),
        "user_id": USER,
        "session_id": SESSION,
        "run_name": run,
        "voxel_spacing": known.pixel_size_angstrom,
        "unit": "angstrom",
        "points": points,
        "trust_orientation": bool(np.isfinite(angles).all()),
    }
    Path(path).write_text(json.dumps(file, indent=1), encoding="utf-8")


def _sampled(known: KnownTomogram, spacing: Any) -> KnownTomogram:
    """Return the tomogram with the voxels of the file, where it tells them."""
    if isinstance(spacing, (int, float)) and 0.01 < spacing < 1000:
        same = abs(spacing - known.pixel_size_angstrom) < 1e-3 * known.pixel_size_angstrom
        return known if same else known.sampled(float(spacing))
    return known


def _point(path: Path, number: int, point: Any) -> tuple[list[float], Any, float]:
    try:
        place = [float(point["location"][axis]) for axis in "xyz"]
        pose = np.array(point.get("transformation_", np.eye(4)), dtype=np.float64)
        if pose.shape != (4, 4):
            raise ValueError
        score = point.get("score")
        return place, pose, float("nan") if score is None else float(score)
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError) as error:
        raise FormatError(
            f"{path}: point {number} is no location with a 4 x 4 transformation", "check the file"
        ) from error


def _angles(path: Path, rotations: Floats, are_known: Any) -> Floats:
    """Return the poses' angles; unknown for all where all are the unit matrix."""
    if not are_known or (np.abs(rotations - np.eye(3)) <= 1e-6).all():
        return np.full((len(rotations), 3), np.nan)
    off = np.abs(rotations @ rotations.transpose(0, 2, 1) - np.eye(3)).max(axis=(1, 2))
    bad = ~(off < _ORTHONORMAL) | ~(np.linalg.det(rotations) > 0)
    if bad.any():
        raise FormatError(
            f"{path}: the transformation of point {int(np.flatnonzero(bad)[0]) + 1} is no rotation",
            "poses without scale and mirroring are needed",
        )
    return angles_of_matrices(rotations)

"""Points of the CryoET data portal: ``.ndjson``, one object to a line.

A ``point``, ``orientedPoint`` or ``instancePoint`` has a ``location`` in voxels of the tomograms
beside it, whose first has the number 0, and an oriented one the pose, reference to tomogram, as
``xyz_rotation_matrix``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomotui.formats.errors import FormatError
from tomotui.formats.known_tomograms import (
    KnownTomogram,
    angles_of,
    meant_name,
    only_tomogram,
    positions_of,
)
from tomotui.formats.picks import picks
from tomotui.formats.portal_folder import (
    ANNOTATIONS,
    RECONSTRUCTIONS,
    PortalTomogram,
    portal_runs,
    run_of,
    spacing_name,
)
from tomotui.formats.tilts import read_lines
from tomotui.geometry.poses import angles_of_matrices, matrices_of_angles
from tomotui.records import Particle

Floats = NDArray[np.float64]
ANNOTATION, VERSION = "100", "1.0"
_ORTHONORMAL = 1e-2
_MALFORMED = (
    ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError
)  # fmt: skip
_OBJECT = re.compile(r"^(?:\d+-)?(.+?)-\d+\.\d+_(?:oriented|instance)?point$")


def read_portal_points(
    path: Path,
    tomograms: Mapping[str, KnownTomogram],
    *,
    tomogram: str | None = None,
    is_said: bool = False,
    only: str | None = None,
) -> list[Particle]:
    """Read the points of a file, a run or a data set.

    Parameters
    ----------
    tomograms
        The project's, by name; runs of others are passed over.
    tomogram
        The one that the points of a file lie in; by its run otherwise.
    is_said
        Whether size and pixel size of the tomogram were given, against what the folder says.
    only
        Name of the object to take.

    Raises
    ------
    FormatError
        A file is malformed, there are several objects and none is named, or no run is known.
    """
    if not path.is_dir():
        run = run_of(path)
        there = run.points() if run else []
        counted = next((t for file, t in there if path.exists() and file.samefile(path)), None)
        name = only_tomogram(path, [run.name] if run else [], tomogram, tomograms)
        return _read(path, _counted(tomograms[name], counted, is_said))
    runs = {run: meant_name(run.name, tomograms) for run in portal_runs(path)}
    files = [(file, t, name) for run, name in runs.items() for file, t in run.points()]
    if not files:
        raise FormatError(f"{path} has no points of the portal", "give a data set, run or .ndjson")
    objects = sorted({_object(file) for file, *_ in files})
    if only is None and len(objects) > 1:
        raise FormatError(
            f"{path} has points of {', '.join(objects[:8])}", "name one of them with --object"
        )
    wanted = [one for one in files if only is None or _object(one[0]) == only.replace(" ", "_")]
    known = [(file, t, name) for file, t, name in wanted if name is not None]
    if not wanted:
        raise FormatError(f"{path} has no points of {only}", f"there are {', '.join(objects[:8])}")
    if not known:
        raise FormatError(
            f"{path} has points of runs such as {run_name(wanted[0][0])}, none of which is in the "
            "project",
            "reconstruct or import these tomograms first, under the names of the runs",
        )
    return [
        particle
        for file, counted, name in known
        for particle in _read(file, _counted(tomograms[name], counted, is_said))
    ]


def run_name(path: Path) -> str:
    """Return the name of the run that a file lies in; its own where it lies in none."""
    run = run_of(path)
    return run.name if run else path.stem


def portal_points_path(
    root: Path, run: str, name: str, known: KnownTomogram, is_posed: bool, number: str = ANNOTATION
) -> Path:
    """Return where the points of an object lie below a data set."""
    shape = "orientedpoint" if is_posed else "point"
    folder = root / run / RECONSTRUCTIONS / spacing_name(known.pixel_size_angstrom) / ANNOTATIONS
    return folder / number / f"{_written_name(name)}-{VERSION}_{shape}.ndjson"


def are_posed(particles: Sequence[Particle]) -> bool:
    """Return whether all particles have orientations; only then they are oriented points."""
    return bool(particles) and bool(np.isfinite(angles_of(particles)).all())


def write_portal_points(
    path: Path | str, particles: Sequence[Particle], known: KnownTomogram
) -> None:
    """Write the particles of one tomogram."""
    voxels = known.voxels(positions_of(particles)).round(5).tolist()
    rows: list[dict[str, Any]] = [
        {"type": "point", "location": dict(zip("xyz", place, strict=True))} for place in voxels
    ]
    if are_posed(particles):
        poses = matrices_of_angles(angles_of(particles)).round(8).tolist()
        for row, pose in zip(rows, poses, strict=True):
            row |= {"type": "orientedPoint", "xyz_rotation_matrix": pose}
    Path(path).write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")


def write_points_metadata(
    path: Path | str, points: Path, name: str, n_points: int, root: Path
) -> None:
    """Write the metadata of an annotation beside its points.

    Parameters
    ----------
    root
        The folder of the data set, which paths start from.
    """
    is_posed = points.name.endswith("_orientedpoint.ndjson")
    whole = {
        "annotation_object": {"name": name, "description": None, "state": None},
        "annotation_method": "tomotui",
        "method_type": "hybrid",
        "object_count": n_points,
        "is_curator_recommended": False,
        "ground_truth_status": False,
        "version": VERSION,
        "files": [
            {
                "format": "ndjson",
                "path": str(Path(root.name) / points.relative_to(root)),
                "shape": "OrientedPoint" if is_posed else "Point",
                "is_visualization_default": True,
            }
        ],
    }
    Path(path).write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")


def _written_name(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9.-]+", "_", name).strip("._") or "object"


def _object(path: Path) -> str:
    match = _OBJECT.match(path.stem)
    return match.group(1) if match else path.stem


def _counted(known: KnownTomogram, said: PortalTomogram | None, is_said: bool) -> KnownTomogram:
    """Return the tomogram with the voxels that the file counts in."""
    if is_said or said is None:
        return known
    pixel = said.voxel_size_angstrom
    if said.size_xyz is not None:
        return replace(known, size_xyz=said.size_xyz, pixel_size_angstrom=pixel)
    same = abs(pixel - known.pixel_size_angstrom) < 1e-3 * known.pixel_size_angstrom
    return known if same else known.sampled(pixel)


def _read(path: Path, known: KnownTomogram) -> list[Particle]:
    places: list[list[float]] = []
    poses: list[Any] = []
    for number, line in enumerate(read_lines(path), start=1):
        if line.strip():
            place, pose = _point(path, number, line)
            places.append(place)
            poses.append(pose)
    voxels = np.array(places, dtype=np.float64).reshape(-1, 3)
    angles = np.full((len(places), 3), np.nan)
    posed = [i for i, pose in enumerate(poses) if pose is not None]
    if posed:
        angles[posed] = _angles(path, np.array([poses[i] for i in posed]))
    return picks(path, [known.uid] * len(places), known.positions(voxels), angles_deg=angles)


def _point(path: Path, number: int, line: str) -> tuple[list[float], Any]:
    try:
        point = json.loads(line)
        place = [float(point["location"][axis]) for axis in "xyz"]
        pose = point.get("xyz_rotation_matrix")
        if pose is not None:
            pose = np.array(pose, dtype=np.float64)
            if pose.shape != (3, 3) or not np.isfinite(pose).all():
                raise ValueError
        if not np.isfinite(place).all():
            raise ValueError
        return place, pose
    except _MALFORMED as error:
        raise FormatError(
            f"{path}, line {number}: no point with a location", "give an .ndjson of the portal"
        ) from error


def _angles(path: Path, rotations: Floats) -> Floats:
    with np.errstate(all="ignore"):
        off = np.abs(rotations @ rotations.transpose(0, 2, 1) - np.eye(3)).max(axis=(1, 2))
        bad = ~(off < _ORTHONORMAL) | ~(np.linalg.det(rotations) > 0)
    if bad.any():
        raise FormatError(
            f"{path}: the matrix of point {int(np.flatnonzero(bad)[0]) + 1} is no rotation",
            "poses without scale and mirroring are needed",
        )
    return angles_of_matrices(rotations)

"""IMOD alignments: ``.xf`` transforms with ``.tlt`` and ``.xtilt`` angles.

A row A11 A12 A21 A22 DX DY maps raw to aligned pixels, ``X' = A X + D``, both counted from the
middles of their images. Undoing ``image = Rz2(axis) q_xy + shift`` gives ``q_xy =
Rz2(-axis) (X - shift)``, so ``A = Rz2(-axis)`` and the specimen's centre, which IMOD puts on
the middle of the aligned image (whatever its size), falls at ``X = -A^-1 D`` of the raw one.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tomotui.formats.errors import FormatError
from tomotui.formats.imported import ImportedAlignment, edge_centre_offset_px
from tomotui.formats.tilts import read_angles, read_lines, write_angles
from tomotui.geometry.tilt import TiltGeometry
from tomotui.records import Alignment

Array = NDArray[np.float64]
_DISTORTION_WARNING = 0.005
_MOST = 1e6
"""Beyond this a number of a transform is none."""


def read_xf(path: Path | str, n_images: int | None = None) -> Array:
    """Read transforms, shape ``[n, 6]``: A11 A12 A21 A22 DX DY.

    Raises
    ------
    FormatError
        The file is missing, has a line that is no transform, or not one line for each image.
    """
    path = Path(path)
    rows = []
    for number, line in enumerate(read_lines(path), start=1):
        words = line.split()
        if not words:
            continue
        try:
            row = [float(word) for word in words]
        except ValueError:
            row = []
        if len(row) != 6 or not all(abs(value) < _MOST for value in row):
            raise FormatError(
                f"{path}, line {number}: not the six numbers of a transform", "check the file"
            )
        rows.append(row)
    if n_images is not None and len(rows) != n_images:
        raise FormatError(
            f"{path} has {len(rows)} transforms, the stack has {n_images} images",
            "give the .xf that belongs to this stack, with one line for each image",
        )
    return np.array(rows, dtype=np.float64).reshape(-1, 6)


def read_imod(
    xf_path: Path | str,
    *,
    series_uid: str,
    image_size_px: tuple[int, int],
    pixel_size_angstrom: float,
    nominal_tilts_deg: Sequence[float],
    tlt_path: Path | str | None = None,
    xtilt_path: Path | str | None = None,
) -> ImportedAlignment:
    """Read an IMOD alignment.

    Parameters
    ----------
    image_size_px
        Width and height of the raw images.
    nominal_tilts_deg
        One for each image; used as tilts where there is no ``.tlt``.
    tlt_path, xtilt_path
        Refined tilts and tilts about x.

    Raises
    ------
    FormatError
        A file does not fit the stack, or a transform mirrors or collapses the image.
    """
    n = len(nominal_tilts_deg)
    imported = read_imod_rows(
        Path(xf_path),
        read_xf(xf_path, n),
        series_uid=series_uid,
        image_size_px=image_size_px,
        pixel_size_angstrom=pixel_size_angstrom,
        tilts_deg=read_angles(tlt_path, n) if tlt_path else tuple(nominal_tilts_deg),
        x_tilts_deg=read_angles(xtilt_path, n) if xtilt_path else (0.0,) * n,
    )
    if tlt_path:
        return imported
    missing = f"no .tlt beside {Path(xf_path).name}: the nominal tilts are used"
    return ImportedAlignment(imported.alignment, (*imported.warnings, missing))


def read_imod_rows(
    path: Path,
    rows: Array,
    *,
    series_uid: str,
    image_size_px: tuple[int, int],
    pixel_size_angstrom: float,
    tilts_deg: Sequence[float],
    x_tilts_deg: Sequence[float],
) -> ImportedAlignment:
    """Return the alignment that transforms and angles are.

    Parameters
    ----------
    path
        What messages name.
    rows
        A11 A12 A21 A22 DX DY of each image.
    tilts_deg, x_tilts_deg
        One for each image.

    Raises
    ------
    FormatError
        A transform mirrors or collapses the image, or an angle is no number.
    """
    matrices = rows[:, :4].reshape(-1, 2, 2)
    determinants = np.linalg.det(matrices)
    if (determinants <= 0.01).any():
        bad = int(np.flatnonzero(determinants <= 0.01)[0])
        raise FormatError(
            f"{path}, line {bad + 1}: the transform mirrors or collapses the image",
            "remove mirroring from the transforms",
        )
    angles = np.abs([tilts_deg, x_tilts_deg])
    if not (angles <= 180).all():
        raise FormatError(
            f"the tilts that go with {path} reach {angles.max():g} degrees",
            "correct the .tlt or .xtilt",
        )
    warnings = list(_distortion_warnings(path, matrices))
    centre = -np.linalg.solve(matrices, rows[:, 4:, None])[..., 0]
    shift_px = centre + edge_centre_offset_px(image_size_px)
    # The rotation nearest to A (its polar factor) turns by this angle.
    turn = np.arctan2(matrices[:, 1, 0] - matrices[:, 0, 1], matrices[:, 0, 0] + matrices[:, 1, 1])
    geometry = TiltGeometry.of(
        tilts_deg, -np.rad2deg(turn), x_tilts_deg, shift_px * pixel_size_angstrom
    )
    left_out = _left_out(rows)
    if left_out.any():
        listed = ", ".join(str(i) for i in np.flatnonzero(left_out))
        warnings.append(f"tilts {listed} have no transform in {path.name}: excluded")
    records = tuple(
        tilt.replace(excluded=True, verdict="bad", note="left out of the imported alignment")
        if left_out[tilt.index]
        else tilt
        for tilt in geometry.to_tilt_alignments()
    )
    alignment = Alignment(series_uid=series_uid, source="imod", tilts=records)
    return ImportedAlignment(alignment, tuple(warnings))


def write_imod(
    alignment: Alignment,
    base_path: Path | str,
    *,
    image_size_px: tuple[int, int],
    pixel_size_angstrom: float,
) -> tuple[Path, Path, Path]:
    """Write ``BASE.xf``, ``BASE.tlt`` and ``BASE.xtilt``, one line for each image.

    Excluded tilts keep their transform; IMOD takes them from an exclude list.

    Returns
    -------
    The three paths.
    """
    base = Path(base_path)
    geometry = TiltGeometry.from_alignment(alignment)
    turn = np.deg2rad(-geometry.axis_deg)
    cos, sin = np.cos(turn), np.sin(turn)
    matrices = np.stack([cos, -sin, sin, cos], axis=1).reshape(-1, 2, 2)
    centre = geometry.shift_angstrom / pixel_size_angstrom - edge_centre_offset_px(image_size_px)
    moved = -np.einsum("tij,tj->ti", matrices, centre)
    rows = np.concatenate([matrices.reshape(-1, 4), moved], axis=1)
    xf, tlt, xtilt = (base.with_name(base.name + end) for end in (".xf", ".tlt", ".xtilt"))
    xf.write_text("".join(_xf_line(row) for row in rows), encoding="ascii")
    write_angles(tlt, [float(tilt) for tilt in geometry.tilt_deg])
    write_angles(xtilt, [float(tilt) for tilt in geometry.x_tilt_deg])
    return xf, tlt, xtilt


def _xf_line(row: Array) -> str:
    matrix = "".join(f"{value:12.7f}" for value in row[:4])
    return matrix + "".join(f"{value:12.3f}" for value in row[4:]) + "\n"


def _distortion_warnings(path: Path | str, matrices: Array) -> Sequence[str]:
    """Say how far transforms are from rotations: their stretches differ from 1."""
    stretch = np.abs(np.linalg.svd(matrices, compute_uv=False) - 1).max(axis=1)
    worst = int(np.argmax(stretch))
    if stretch[worst] <= _DISTORTION_WARNING:
        return ()
    return (
        f"{Path(path).name} stretches the images by up to {100 * stretch[worst]:.1f} % (tilt "
        f"{worst}): only rotation and shift are kept",
    )


def _left_out(rows: Array) -> NDArray[np.bool_]:
    """Views left out of an alignment have unit transforms among rotated ones."""
    turned = np.abs(rows[:, 1]) > np.sin(np.deg2rad(1.0))
    if turned.sum() < len(rows) / 2:
        return np.zeros(len(rows), dtype=bool)
    return np.asarray(np.abs(rows - [1, 0, 0, 1, 0, 0]).max(axis=1) < 1e-6)

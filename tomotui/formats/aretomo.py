"""AreTomo alignments: ``.aln``.

AreTomo corrects an image by ``X' = Rz2(-ROT) (X - T)``, which is the projection equation with
``axis = ROT`` and ``shift = T``: its own ``.xf`` files, RELION's import and this module agree.
Like IMOD it counts T from the middle of the image. The tilts of the table already contain
AlphaOffset; BetaOffset is only recorded, AreTomo itself exports zero x-tilts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tomotui.formats.errors import FormatError
from tomotui.formats.imported import ImportedAlignment, edge_centre_offset_px, left_out_tilt
from tomotui.formats.tilts import read_lines
from tomotui.records import Alignment, TiltAlignment

Array = NDArray[np.float64]
_HEADER = re.compile(r"^#\s*(\w+)\s*=\s*(.+?)\s*$")
_COLUMNS = (
    "# SEC     ROT         GMAG       TX          TY      SMEAN     SFIT    SCALE     BASE     TILT"
)
_ROT, _TX, _TY, _TILT = 1, 3, 4, 9
_TILT_SCATTER_DEG = 0.25


@dataclass(frozen=True)
class AlnFile:
    """An ``.aln`` as it stands in the file.

    Attributes
    ----------
    raw_size
        Width, height and number of images of the raw stack.
    dark_frames
        Rank by tilt angle, section and tilt of each image that AreTomo left out, ``[n, 3]``.
    rows
        SEC ROT GMAG TX TY SMEAN SFIT SCALE BASE TILT, shape ``[n, 10]``.
    local
        Row (from 0), patch, centre x, centre y, shift x, shift y, reliable; ``[m, 7]``.
    alpha_offset_deg, beta_offset_deg
        ``None`` where the header has no such line (AreTomo 1 and 2).
    """

    path: Path
    raw_size: tuple[int, int, int]
    dark_frames: Array
    rows: Array
    local: Array
    alpha_offset_deg: float | None
    beta_offset_deg: float | None


def read_aln_file(path: Path | str) -> AlnFile:
    """Read the header and the tables of an ``.aln``.

    Raises
    ------
    FormatError
        The file is missing, is no ``.aln``, or has a row of the wrong length.
    """
    path = Path(path)
    header: dict[str, list[str]] = {}
    rows: list[list[float]] = []
    local: list[list[float]] = []
    in_local = False
    for number, line in enumerate(read_lines(path), start=1):
        if line.startswith("#"):
            in_local = in_local or "Local Alignment" in line
            if match := _HEADER.match(line):
                header.setdefault(match.group(1), []).append(match.group(2))
        elif line.strip():
            table, width = (local, 7) if in_local else (rows, 10)
            table.append(_numbers(line, width, f"{path}, line {number}"))
    if "RawSize" not in header or not rows:
        raise FormatError(
            f"{path} is no AreTomo alignment: it lacks RawSize or the table", "check the file"
        )
    size = [int(n) for n in _numbers(header["RawSize"][0], 3, f"{path}, RawSize")]
    dark = [_numbers(text, 3, f"{path}, DarkFrame") for text in header.get("DarkFrame", [])]
    return AlnFile(
        path=path,
        raw_size=(size[0], size[1], size[2]),
        dark_frames=np.array(dark, dtype=np.float64).reshape(-1, 3),
        rows=np.array(rows, dtype=np.float64).reshape(-1, 10),
        local=np.array(local, dtype=np.float64).reshape(-1, 7),
        alpha_offset_deg=_offset(header, "AlphaOffset", path),
        beta_offset_deg=_offset(header, "BetaOffset", path),
    )


def read_aretomo(
    path: Path | str,
    *,
    series_uid: str,
    image_size_px: tuple[int, int],
    pixel_size_angstrom: float,
    nominal_tilts_deg: Sequence[float],
) -> ImportedAlignment:
    """Read an AreTomo alignment; the images it left out become excluded tilts.

    Parameters
    ----------
    image_size_px
        Width and height of the raw images.
    nominal_tilts_deg
        One for each image; tells which section a row means where versions number differently.

    Raises
    ------
    FormatError
        The ``.aln`` belongs to another stack.
    """
    aln = read_aln_file(path)
    n = len(nominal_tilts_deg)
    width, height = image_size_px
    if aln.raw_size != (width, height, n):
        had = " x ".join(str(size) for size in aln.raw_size)
        raise FormatError(
            f"{path} was made for a stack of {had}, this one has {width} x {height} x {n}",
            "give the .aln of this stack",
        )
    sections = sections_of(aln, np.asarray(nominal_tilts_deg, dtype=np.float64))
    rows = aln.rows
    shift = (rows[:, [_TX, _TY]] + edge_centre_offset_px(image_size_px)) * pixel_size_angstrom
    by_section = {
        int(section): TiltAlignment(
            index=int(section),
            tilt_deg=float(row[_TILT]),
            axis_deg=float(row[_ROT]),
            shift_x_angstrom=float(shift[i, 0]),
            shift_y_angstrom=float(shift[i, 1]),
        )
        for i, (section, row) in enumerate(zip(sections, rows, strict=True))
    }
    axis = float(np.median(rows[:, _ROT]))
    alpha = aln.alpha_offset_deg or 0.0
    tilts = tuple(
        by_section.get(i)
        or left_out_tilt(i, nominal_tilts_deg[i] + alpha, axis, "left out by AreTomo")
        for i in range(n)
    )
    alignment = Alignment(series_uid=series_uid, source="aretomo", tilts=tilts)
    return ImportedAlignment(alignment, tuple(_warnings(aln, sections, n)), _local(aln, sections))


def write_aln(
    alignment: Alignment,
    path: Path | str,
    *,
    image_size_px: tuple[int, int],
    pixel_size_angstrom: float,
    local_shifts: Array | None = None,
) -> None:
    """Write an alignment as AreTomo 3 does; excluded tilts become dark frames.

    X-tilts have no place in the format and are left out.
    """
    width, height = image_size_px
    tilts = alignment.tilts
    n_patches = 0 if local_shifts is None else int(local_shifts[:, 1].max()) + 1
    rank = {t.index: i for i, t in enumerate(sorted(tilts, key=lambda t: t.tilt_deg))}
    lines = [
        "# AreTomo Alignment / Priims bprmMn",
        f"# RawSize = {width} {height} {len(tilts)}",
        f"# NumPatches = {n_patches}",
    ]
    dark = sorted((t for t in tilts if t.excluded), key=lambda t: rank[t.index])
    used = sorted(alignment.included, key=lambda t: rank[t.index])
    lines += [f"# DarkFrame =  {rank[t.index]:4d} {t.index + 1:4d} {t.tilt_deg:8.2f}" for t in dark]
    lines += ["# AlphaOffset =     0.00", "# BetaOffset =     0.00", _COLUMNS]
    middle = edge_centre_offset_px(image_size_px)
    for tilt in used:
        x = tilt.shift_x_angstrom / pixel_size_angstrom - middle[0]
        y = tilt.shift_y_angstrom / pixel_size_angstrom - middle[1]
        lines.append(
            f"{tilt.index + 1:5d}  {tilt.axis_deg:9.4f}  {1:9.5f}  {x:9.3f}  {y:9.3f}  "
            f"{1:7.2f}  {1:7.2f}  {1:7.2f}  {0:7.2f}  {tilt.tilt_deg:9.4f}"
        )
    if local_shifts is not None:
        row_of = {t.index: i for i, t in enumerate(used)}
        lines.append("# Local Alignment")
        lines += [
            f"{row_of[int(r[0])]:4d} {int(r[1]):3d} {r[2]:8.2f}  {r[3]:8.2f}  {r[4]:8.2f}  "
            f"{r[5]:8.2f}  {r[6]:4.1f}"
            for r in local_shifts
            if int(r[0]) in row_of
        ]
    Path(path).write_text("\n".join(lines) + "\n", encoding="ascii")


def sections_of(aln: AlnFile, nominal_deg: Array) -> NDArray[np.intp]:
    """Return the section of the raw stack (from 0) that each row of the table means.

    AreTomo 3 numbers sections from 1, AreTomo 2 from 0, and some files count only the images
    that were kept. Where rows and dark frames together number all images, they tell; otherwise
    all readings that are possible at all are compared with the nominal tilts.
    """
    n = aln.raw_size[2]
    numbers = aln.rows[:, 0].astype(np.intp)
    together = np.sort(np.concatenate([numbers, aln.dark_frames[:, 1].astype(np.intp)]))
    for first in (0, 1):
        if np.array_equal(together, np.arange(first, n + first)):
            return np.asarray(numbers - first, dtype=np.intp)
    rank = aln.dark_frames[:, 0].astype(np.intp)
    by_tilt = np.argsort(nominal_deg, kind="stable")
    kept = np.sort(np.setdiff1d(by_tilt, by_tilt[rank[(rank >= 0) & (rank < n)]]))
    readings = [numbers - 1, numbers]
    readings += [kept[r] for r in readings if len(r) and r.min() >= 0 and r.max() < len(kept)]
    possible = [r for r in readings if r.min() >= 0 and r.max() < n and len(np.unique(r)) == len(r)]
    if not possible:
        raise FormatError(
            f"{aln.path} names sections {numbers.min()} to {numbers.max()} of a stack with {n} "
            "images",
            "give the .aln of this stack",
        )
    alpha = aln.alpha_offset_deg or 0.0
    return min(possible, key=lambda r: _misfit(aln.rows[:, _TILT] - nominal_deg[r] - alpha))


def _misfit(differences: Array) -> tuple[int, float]:
    """Return how badly tilts fit: first by their scatter, then by an offset common to all."""
    common = float(np.median(differences))
    scatter = float(np.abs(differences - common).max())
    return int(scatter / _TILT_SCATTER_DEG), abs(common)


def _warnings(aln: AlnFile, sections: NDArray[np.intp], n: int) -> Iterable[str]:
    missing = np.setdiff1d(np.arange(n), sections)
    if missing.size:
        listed = ", ".join(str(i) for i in missing)
        yield f"tilts {listed} were left out by AreTomo: excluded"
    if np.abs(aln.rows[:, 2] - 1).max() > 0.005:
        yield f"{aln.path.name} has magnification changes, which are not kept"
    if aln.beta_offset_deg:
        yield (
            f"{aln.path.name} has BetaOffset = {aln.beta_offset_deg:g} degrees (a tilt of the "
            "specimen about x), which AreTomo does not apply and which is not kept"
        )


def _local(aln: AlnFile, sections: NDArray[np.intp]) -> Array | None:
    rows = aln.local[aln.local[:, 0] < len(sections)]
    if not rows.size:
        return None
    local = rows.copy()
    local[:, 0] = sections[rows[:, 0].astype(np.intp)]
    return local


def _numbers(text: str, count: int, where: str) -> list[float]:
    try:
        values = [float(word) for word in text.split()]
    except ValueError:
        values = []
    if len(values) < count or not np.isfinite(values).all():
        raise FormatError(f"{where}: expected {count} numbers, found {text!r}", "check the file")
    return values[:count]


def _offset(header: dict[str, list[str]], name: str, path: Path) -> float | None:
    return _numbers(header[name][0], 1, f"{path}, {name}")[0] if name in header else None

"""AreTomo's ``_CTF.txt``, in the manner of CTFFIND: one line of seven numbers for each image.

Number (from 1), defocus along the azimuth and across it in Angstrom, azimuth in degrees, phase
shift in radians, correlation, and the spacing up to which rings were fitted.
"""

from __future__ import annotations

import math
from pathlib import Path

from tomotui.formats.errors import FormatError
from tomotui.formats.tilts import read_lines
from tomotui.records import Ctf, TiltCtf

_HEADER = (
    "# Columns: #1 micrograph number; #2 - defocus 1 [A]; #3 - defocus 2; #4 - azimuth of "
    "astigmatism; #5 - additional phase shift [radian]; #6 - cross correlation; #7 - spacing "
    "(in Angstroms) up to which CTF rings were fit successfully"
)
_N_COLUMNS = 7


def write_ctf_text(ctf: Ctf, path: Path | str) -> Path:
    """Write one line for each image; 0 where score or resolution is not known."""
    path = Path(path)
    lines = [_HEADER]
    for tilt in ctf.tilts:
        lines.append(
            f"{tilt.index + 1:4d} {tilt.defocus_u_angstrom:10.2f} {tilt.defocus_v_angstrom:9.2f} "
            f"{tilt.astigmatism_angle_deg:9.2f} {math.radians(tilt.phase_shift_deg):9.4f} "
            f"{tilt.score or 0.0:9.4f} {tilt.fit_resolution_angstrom or 0.0:9.4f}"
        )
    path.write_text("\n".join(lines) + "\n")
    return path


def read_ctf_text(path: Path | str, *, series_uid: str, n_images: int | None = None) -> Ctf:
    """Read a file of AreTomo, or of CTFFIND, whose columns are the same.

    Parameters
    ----------
    n_images
        Images of the stack, where it is known.

    Raises
    ------
    FormatError
        The file is missing, a line cannot be read, or there is not one line for each image.
    """
    path = Path(path)
    tilts: list[TiltCtf] = []
    source = "aretomo"
    for number, line in enumerate(read_lines(path), start=1):
        if line.startswith("#") and "ctffind" in line.lower():
            source = "ctffind"
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            values = [float(word) for word in line.split()]
        except ValueError:
            values = []
        if len(values) < _N_COLUMNS:
            raise FormatError(
                f"{path}, line {number}: not the {_N_COLUMNS} numbers of an image",
                "give the text that AreTomo or CTFFIND writes of a series",
            )
        _, u, v, azimuth, phase, score, resolution = values[:_N_COLUMNS]
        found = math.isfinite(resolution) and resolution > 0
        tilts.append(
            TiltCtf(
                index=len(tilts),
                defocus_u_angstrom=u,
                defocus_v_angstrom=v,
                astigmatism_angle_deg=azimuth,
                phase_shift_deg=math.degrees(phase),
                fit_resolution_angstrom=resolution if found else None,
                score=score,
            )
        )
    if not tilts or (n_images is not None and len(tilts) != n_images):
        wanted = "some" if n_images is None else str(n_images)
        raise FormatError(
            f"{path} has {len(tilts)} lines, {wanted} images were expected",
            "give the file that belongs to this stack, with one line for each image",
        )
    return Ctf(series_uid=series_uid, source=source, tilts=tuple(tilts))

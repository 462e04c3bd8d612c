"""Folders of AreTomo 2 and 3: stack, ``.aln``, ``_TLT.txt``, ``_CTF.txt``, ``_Imod``, session.

``NAME_TLT.txt`` has a line for each image of the stack: the stage's tilt, the number in order of
acquisition from 1, and the exposure of that image. ``AreTomo3_Session.json`` holds the words that
the program was started with, some of them as lists that are no JSON.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tomotui.formats.aretomo import read_aln_file, write_aln
from tomotui.formats.aretomo_ctf import write_ctf_text
from tomotui.formats.errors import FormatError
from tomotui.formats.etomo_writing import write_commands
from tomotui.formats.imod import write_imod
from tomotui.formats.linked import put_file
from tomotui.formats.mdoc_writing import write_mdoc
from tomotui.formats.names import file_name
from tomotui.formats.said import Said
from tomotui.formats.tilts import read_lines, write_angles
from tomotui.records import Alignment, Ctf, TiltSeries

TILTS_ENDING, CTF_ENDING = "_TLT.txt", "_CTF.txt"
SESSION = "AreTomo3_Session.json"
_SAID = re.compile(r'"(PixSize|kV|Cs|AmpContrast|McBin)"\s*:\s*"?(-?[\d.]+(?:[eE][-+]?\d+)?)')
_MOST_BYTES = 1 << 20


def read_tilt_table(
    path: Path | str,
) -> tuple[tuple[float, ...], tuple[int, ...] | None, tuple[float, ...] | None]:
    """Read a ``_TLT.txt``: tilts, order of acquisition from 0, and exposure of each image.

    Order and exposure are ``None`` where a line lacks them.

    Raises
    ------
    FormatError
        The file is missing or holds something else than numbers.
    """
    path = Path(path)
    rows: list[list[float]] = []
    for number, line in enumerate(read_lines(path), start=1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        try:
            row = [float(word) for word in words[:3]]
        except ValueError:
            row = [math.nan]
        if not all(map(math.isfinite, row)):
            raise FormatError(
                f"{path}, line {number}: not tilt, number and exposure of an image",
                "give the _TLT.txt that AreTomo has written",
            )
        rows.append(row)
    if not rows:
        raise FormatError(f"{path} has no rows", "give the _TLT.txt that AreTomo has written")
    tilts = tuple(row[0] for row in rows)
    width = min(map(len, rows))
    order = _order(path, [row[1] for row in rows]) if width > 1 else None
    dose = tuple(row[2] for row in rows) if width > 2 and _is_dose(rows) else None
    return tilts, order, dose


def _order(path: Path, numbers: Sequence[float]) -> tuple[int, ...]:
    first = min(numbers)
    order = [number - first for number in numbers]
    if first not in (0, 1) or sorted(order) != list(range(len(order))):
        raise FormatError(
            f"{path}: the second column does not number {len(order)} images", "correct the file"
        )
    return tuple(int(number) for number in order)


def _is_dose(rows: Sequence[Sequence[float]]) -> bool:
    """Return whether the third column holds exposures; AreTomo writes zeros where it has none."""
    doses = [row[2] for row in rows]
    return min(doses) >= 0 and max(doses) > 0


def said_by_aretomo(tilts: Path, stack: Path) -> Said:
    """Return what AreTomo's table of tilts, its session and the halves beside them say.

    Raises
    ------
    FormatError
        The table is malformed.
    """
    _, order, dose = read_tilt_table(tilts)
    values = read_session(tilts.with_name(SESSION))
    pixel = values.get("PixSize")
    base = tilts.name.removesuffix(TILTS_ENDING)
    even, odd = (tilts.with_name(f"{base}_{half}{stack.suffix}") for half in ("EVN", "ODD"))
    both = even.is_file() and odd.is_file()
    return Said(
        "AreTomo",
        pixel_size_angstrom=pixel * values.get("McBin", 1.0) if pixel else None,
        voltage_kv=values.get("kV"),
        spherical_aberration_mm=values.get("Cs"),
        amplitude_contrast=values.get("AmpContrast"),
        dose_e_per_a2=dose,
        acquisition_order=order,
        even_stack=even if both else None,
        odd_stack=odd if both else None,
    )


def read_session(path: Path) -> dict[str, float]:
    """Return the numbers of a session that are used here; none where there is no file."""
    try:
        with path.open("rb") as file:
            text = file.read(_MOST_BYTES).decode("utf-8", errors="replace")
    except OSError:
        return {}
    found: dict[str, float] = {}
    for name, number in _SAID.findall(text):
        try:
            value = float(number)
        except ValueError:
            continue
        if 0 < value < 1e4:
            found.setdefault(str(name), value)
    return found


def kept_sections(aln: Path, nominal_tilts_deg: Sequence[float]) -> list[int]:
    """Return the images of the stack, from 0, that an ``.aln`` has a row for, in its order.

    Raises
    ------
    FormatError
        The ``.aln`` is malformed or of another stack.
    """
    from tomotui.formats.aretomo import sections_of

    return [int(one) for one in sections_of(read_aln_file(aln), np.asarray(nominal_tilts_deg))]


def write_aretomo_folder(
    folder: Path | str,
    series: TiltSeries,
    alignment: Alignment,
    ctf: Ctf | None = None,
    *,
    stack: Path,
    thickness_px: int,
) -> list[Path]:
    """Write what AreTomo 3 leaves of a series, so that it and its readers go on from there.

    The stack is linked to. AreTomo takes no tilts about x.

    Parameters
    ----------
    stack
        The image stack.
    thickness_px
        Of the tomogram, in pixels of the images.

    Returns
    -------
    The files.
    """
    folder, name = Path(folder), file_name(series.name)
    imod = folder / f"{name}_Imod"
    imod.mkdir(parents=True, exist_ok=True)
    size = (series.width_px, series.height_px)
    pixel = series.pixel_size_angstrom
    linked = put_file(stack, folder / f"{name}{stack.suffix}")
    aln, tilts = folder / f"{name}.aln", folder / f"{name}{TILTS_ENDING}"
    write_aln(alignment, aln, image_size_px=size, pixel_size_angstrom=pixel)
    tilts.write_text(_tilt_table(series), encoding="ascii")
    mdoc = folder / f"{name}.mdoc"
    write_mdoc(mdoc, series.replace(stack_path=linked.name))
    written = [linked, aln, tilts, mdoc]
    if ctf is not None:
        written.append(write_ctf_text(ctf, folder / f"{name}{CTF_ENDING}"))
    base = imod / f"{name}_st"
    nominal = [tilt.nominal_tilt_deg for tilt in series.tilts]
    written += write_imod(alignment, base, image_size_px=size, pixel_size_angstrom=pixel)
    raw = base.with_name(f"{base.name}.rawtlt")
    write_angles(raw, nominal)
    written.append(raw)
    written.append(put_file(stack, base.with_name(base.name + stack.suffix)))
    written += write_commands(
        imod, base.name, stack.suffix, series, alignment, thickness_px=thickness_px
    )
    written.append(_write_session(folder / SESSION, series, thickness_px))
    return written


def _tilt_table(series: TiltSeries) -> str:
    lines = []
    for tilt in series.tilts:
        words = [f"{tilt.nominal_tilt_deg:8.2f}"]
        if tilt.acquisition_order is not None:
            words.append(f"{tilt.acquisition_order + 1:4d}")
            if tilt.dose_e_per_a2 is not None:
                words.append(f"{tilt.dose_e_per_a2:8.2f}")
        lines.append("  ".join(words))
    return "\n".join(lines) + "\n"


def _write_session(path: Path, series: TiltSeries, thickness_px: int) -> Path:
    session = {
        "Name": "AreTomo3",
        "PixSize": series.pixel_size_angstrom,
        "kV": round(series.voltage_kv),
        "Cs": series.spherical_aberration_mm,
        "McBin": 1.0,
        "VolZ": thickness_px,
        "AmpContrast": series.amplitude_contrast,
    }
    path.write_text(json.dumps(session, indent=5) + "\n", encoding="ascii")
    return path

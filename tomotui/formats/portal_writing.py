"""Writing a run as the CryoET data portal keeps it; see `tomotui.formats.portal_folder`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tomotui.formats.imod import write_imod
from tomotui.formats.known_tomograms import KnownTomogram
from tomotui.formats.linked import put_file
from tomotui.formats.names import file_name
from tomotui.formats.portal import write_portal_alignment
from tomotui.formats.portal_folder import (
    ALIGNMENT_FILE,
    ALIGNMENTS,
    RECONSTRUCTIONS,
    SERIES,
    TOMOGRAM_FILE,
    TOMOGRAMS,
    spacing_name,
)
from tomotui.formats.portal_series import METADATA, write_series_metadata
from tomotui.formats.tilts import write_angles
from tomotui.records import Alignment, Ctf, TiltSeries

NUMBER = "100"
"""The portal's first of several things of one kind."""


@dataclass(frozen=True)
class WrittenRun:
    """What is written of a run.

    Attributes
    ----------
    stack
        The image stack.
    tomogram
        With its path; ``None`` where there is none.
    method
        How the tomogram was reconstructed, in the portal's words.
    is_ctf_corrected
        Whether its CTF was corrected.
    """

    series: TiltSeries
    stack: Path
    alignment: Alignment | None = None
    ctf: Ctf | None = None
    tomogram: KnownTomogram | None = None
    method: str = "WBP"
    is_ctf_corrected: bool = False


def write_portal_run(root: Path | str, run: WrittenRun) -> list[Path]:
    """Write a run into the folder of a data set; stack and tomogram are linked to.

    Returns
    -------
    The files.
    """
    root, series = Path(root), run.series
    name = file_name(series.name)
    folder = root / name
    place = folder / SERIES / NUMBER
    place.mkdir(parents=True, exist_ok=True)
    stack = put_file(run.stack, place / f"{name}{run.stack.suffix}")
    metadata, raw = place / METADATA, place / f"{name}.rawtlt"
    files = {"mrc_file": _named(root, stack), "raw_tlt_path": _named(root, raw)}
    write_series_metadata(metadata, series, run.alignment, run.ctf, files)
    write_angles(raw, [tilt.nominal_tilt_deg for tilt in series.tilts])
    about = _json(folder / "run_metadata.json", {"run_name": series.name})
    written = [about, stack, metadata, raw]
    if run.alignment is not None:
        written += _alignment(root, folder / ALIGNMENTS / NUMBER, run, metadata)
    if run.tomogram is not None:
        written += _tomogram(root, folder, run, run.tomogram)
    return written


def _alignment(root: Path, place: Path, run: WrittenRun, metadata: Path) -> list[Path]:
    assert run.alignment is not None
    place.mkdir(parents=True, exist_ok=True)
    path, series, known = place / ALIGNMENT_FILE, run.series, run.tomogram
    size = (series.width_px, series.height_px)
    volume = (0.0, 0.0, 0.0)
    if known is not None:
        x, y, z = (n * known.pixel_size_angstrom for n in known.size_xyz)
        volume = (x, y, z)
    write_portal_alignment(
        run.alignment,
        path,
        image_size_px=size,
        pixel_size_angstrom=series.pixel_size_angstrom,
        volume_size_angstrom=volume,
    )
    tables = write_imod(
        run.alignment,
        place / file_name(series.name),
        image_size_px=size,
        pixel_size_angstrom=series.pixel_size_angstrom,
    )
    whole = json.loads(path.read_text(encoding="utf-8"))
    whole["tiltseries_path"] = _named(root, metadata)
    return [_json(path, whole), *tables]


def _tomogram(root: Path, folder: Path, run: WrittenRun, known: KnownTomogram) -> list[Path]:
    name, voxel = folder.name, known.pixel_size_angstrom
    place = folder / RECONSTRUCTIONS / spacing_name(voxel) / TOMOGRAMS / NUMBER
    place.mkdir(parents=True, exist_ok=True)
    volume = put_file(Path(known.path), place / f"{name}.mrc")
    whole = {
        "run_name": run.series.name,
        "voxel_spacing": voxel,
        "size": dict(zip("xyz", known.size_xyz, strict=True)),
        "offset": dict.fromkeys("xyz", 0),
        "mrc_file": _named(root, volume),
        "reconstruction_method": run.method,
        "reconstruction_software": "tomotui",
        "processing": "raw",
        "ctf_corrected": run.is_ctf_corrected,
        "fiducial_alignment_status": "NON_FIDUCIAL",
        "is_visualization_default": True,
        "alignment_metadata_path": _named(root, folder / ALIGNMENTS / NUMBER / ALIGNMENT_FILE),
    }
    return [volume, _json(place / TOMOGRAM_FILE, whole)]


def _named(root: Path, path: Path) -> str:
    """Return a path as the metadata name it: from the folder that holds the data set."""
    return str(Path(root.absolute().name) / path.relative_to(root))


def _json(path: Path, whole: dict[str, Any]) -> Path:
    path.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
    return path

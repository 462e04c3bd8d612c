"""Reading an alignment of any known program."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tomotui.formats.aretomo import read_aretomo
from tomotui.formats.errors import FormatError
from tomotui.formats.etomo import read_etomo
from tomotui.formats.imod import read_imod
from tomotui.formats.imported import ImportedAlignment
from tomotui.formats.portal import read_portal_alignment
from tomotui.formats.relion import read_relion
from tomotui.formats.warp import read_warp


def read_alignment(
    path: Path | str,
    *,
    series_uid: str,
    series_name: str,
    image_size_px: tuple[int, int],
    pixel_size_angstrom: float,
    nominal_tilts_deg: Sequence[float],
) -> ImportedAlignment:
    """Read an alignment of IMOD, AreTomo, RELION 5, Warp or the CryoET data portal, by its ending.

    An ``.edf`` stands for the whole folder of etomo. Beside an ``.xf``, the ``.tlt`` and
    ``.xtilt`` of the same name are used. A ``.star`` with several series gives the one called
    ``series_name``.

    Parameters
    ----------
    image_size_px
        Width and height of the raw images.
    nominal_tilts_deg
        One for each image of the stack.

    Raises
    ------
    FormatError
        The file is of another kind, or does not fit the stack.
    """
    path = Path(path)
    if path.suffix == ".star":
        series = read_relion(path)
        mine = [s for s in series if s.name == series_name]
        if len(series) > 1 and not mine:
            raise FormatError(
                f"{path} has no tilt series called {series_name}",
                "name the series as RELION does",
            )
        return (mine or series)[0].alignment(series_uid, nominal_tilts_deg)
    if path.suffix == ".aln":
        return read_aretomo(
            path,
            series_uid=series_uid,
            image_size_px=image_size_px,
            pixel_size_angstrom=pixel_size_angstrom,
            nominal_tilts_deg=nominal_tilts_deg,
        )
    if path.suffix == ".xml":
        return read_warp(path).alignment(
            series_uid,
            image_size_px=image_size_px,
            pixel_size_angstrom=pixel_size_angstrom,
            nominal_tilts_deg=nominal_tilts_deg,
        )
    if path.suffix == ".json":
        return read_portal_alignment(
            path,
            series_uid=series_uid,
            image_size_px=image_size_px,
            pixel_size_angstrom=pixel_size_angstrom,
            nominal_tilts_deg=nominal_tilts_deg,
        )
    if path.suffix == ".edf":
        return read_etomo(
            path,
            series_uid=series_uid,
            series_name=series_name,
            image_size_px=image_size_px,
            pixel_size_angstrom=pixel_size_angstrom,
            nominal_tilts_deg=nominal_tilts_deg,
        )
    if path.suffix != ".xf":
        raise FormatError(
            f"{path} is no alignment known here", "give .xf, .edf, .aln, .star, .xml or .json"
        )
    tlt, xtilt = path.with_suffix(".tlt"), path.with_suffix(".xtilt")
    return read_imod(
        path,
        series_uid=series_uid,
        image_size_px=image_size_px,
        pixel_size_angstrom=pixel_size_angstrom,
        nominal_tilts_deg=nominal_tilts_deg,
        tlt_path=tlt if tlt.is_file() else None,
        xtilt_path=xtilt if xtilt.is_file() else None,
    )

"""Reading a CTF of any known program."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tomotui.formats.aretomo_ctf import read_ctf_text
from tomotui.formats.aretomo_folder import CTF_ENDING, kept_sections
from tomotui.formats.errors import FormatError
from tomotui.formats.imod_defocus import read_imod_defocus
from tomotui.formats.portal_series import read_portal_ctf
from tomotui.formats.relion import read_relion
from tomotui.formats.warp import read_warp
from tomotui.records import Ctf, TiltCtf

_MOST_DEFOCUS_ANGSTROM = 5e5


def read_ctf(
    path: Path | str, *, series_uid: str, series_name: str, nominal_tilts_deg: Sequence[float]
) -> Ctf:
    """Read the CTF of IMOD, AreTomo, CTFFIND, RELION 5, Warp or the portal, by their endings.

    A ``.star`` with several series gives the one called ``series_name``. What the file says
    nothing of is told in the note of the record.

    Parameters
    ----------
    nominal_tilts_deg
        One for each image of the stack.

    Raises
    ------
    FormatError
        The file is of another kind, does not fit the stack, or holds impossible values.
    """
    path = Path(path)
    if not path.is_file():
        raise FormatError(f"{path} does not exist", "check the path")
    n_images, suffix = len(nominal_tilts_deg), path.suffix.lower()
    if suffix == ".defocus":
        found = read_imod_defocus(
            path, series_uid=series_uid, n_images=n_images, tilts_deg=nominal_tilts_deg
        )
    elif suffix == ".txt":
        found = _of_aretomo(path, series_uid, nominal_tilts_deg)
    elif suffix == ".json":
        of_portal = read_portal_ctf(path, series_uid=series_uid, n_images=n_images)
        found = _completed(of_portal, n_images, "the portal's metadata")
    elif suffix == ".star":
        found = _of_relion(path, series_uid, series_name, nominal_tilts_deg)
    elif suffix == ".xml":
        of_warp = read_warp(path).ctf(series_uid, nominal_tilts_deg)
        found = _completed(of_warp, len(nominal_tilts_deg), "Warp's file")
    else:
        raise FormatError(
            f"{path} is no CTF known here",
            "give .defocus (IMOD), .txt (AreTomo, CTFFIND), .star (RELION 5), .xml (Warp) or "
            "tiltseries_metadata.json (CryoET data portal)",
        )
    _refuse_impossible(path, found)
    return found


def _of_aretomo(path: Path, series_uid: str, nominal_deg: Sequence[float]) -> Ctf:
    """Read a text of CTFs; one of the images that AreTomo kept goes by the ``.aln`` beside it."""
    aln = path.with_name(path.name.removesuffix(CTF_ENDING) + ".aln")
    found = read_ctf_text(path, series_uid=series_uid)
    if len(found.tilts) == len(nominal_deg) or not aln.is_file():
        return read_ctf_text(path, series_uid=series_uid, n_images=len(nominal_deg))
    sections = sorted(kept_sections(aln, nominal_deg))
    if len(sections) != len(found.tilts) or max(sections, default=0) >= len(nominal_deg):
        return read_ctf_text(path, series_uid=series_uid, n_images=len(nominal_deg))
    kept = [tilt.replace(index=i) for tilt, i in zip(found.tilts, sections, strict=True)]
    return _completed(found.replace(tilts=tuple(kept)), len(nominal_deg), aln.name)


def _of_relion(path: Path, series_uid: str, name: str, nominal_deg: Sequence[float]) -> Ctf:
    every = read_relion(path)
    mine = [series for series in every if series.name == name]
    if len(every) > 1 and not mine:
        raise FormatError(
            f"{path} has no tilt series called {name}", "name the series as RELION does"
        )
    found = (mine or every)[0].ctf(series_uid, nominal_deg)
    if found is None:
        raise FormatError(
            f"{path} has no rlnDefocusU", "give a STAR file of RELION's CTF estimation or later"
        )
    return _completed(found, len(nominal_deg), "the RELION project").replace(source="relion")


def _completed(ctf: Ctf, n_images: int, where: str) -> Ctf:
    """Give images without a row the values of the nearest one that has them."""
    known = np.array([tilt.index for tilt in ctf.tilts])
    nearest = np.abs(np.arange(n_images)[:, None] - known).argmin(axis=1)
    tilts: list[TiltCtf] = []
    for index, row in enumerate(nearest):
        near = ctf.tilts[row]
        own = near.index == index
        unknown = {} if own else {"fit_resolution_angstrom": None, "score": None}
        tilts.append(near.replace(index=index, **unknown))
    listed = ", ".join(str(i) for i in range(n_images) if i not in set(known.tolist()))
    note = f"tilts {listed} are not in {where}: they take the nearest defocus"
    return ctf.replace(tilts=tuple(tilts), note=note if listed else "")


def _refuse_impossible(path: Path, ctf: Ctf) -> None:
    for tilt in ctf.tilts:
        values = (tilt.defocus_u_angstrom, tilt.defocus_v_angstrom)
        numbers = (*values, tilt.astigmatism_angle_deg, tilt.phase_shift_deg)
        if not all(map(math.isfinite, numbers)) or max(map(abs, values)) > _MOST_DEFOCUS_ANGSTROM:
            raise FormatError(
                f"{path} gives image {tilt.index + 1} a defocus of {values[0]:g} and "
                f"{values[1]:g} A",
                "check that it holds the CTF of this series",
            )

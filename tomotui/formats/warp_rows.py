"""Which image of a stack a row of Warp means, and its ``.tomostar`` lists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tomotui.formats.errors import FormatError
from tomotui.formats.star import Columns, only_block, read_star, write_star

Array = NDArray[np.float64]
_SCATTER_DEG = 1.0
_TILTS_APART_DEG = 0.5


@dataclass(frozen=True)
class Tomostar:
    """The list of a series' images.

    Attributes
    ----------
    movies
        As they are named in the file, relative to its folder.
    tilts_deg
        As this program counts them: the negative of Warp's.
    axis_deg, prior_dose_e_per_a2
        ``None`` where the file does not tell.
    """

    path: Path
    movies: tuple[str, ...]
    tilts_deg: tuple[float, ...]
    axis_deg: float | None
    prior_dose_e_per_a2: tuple[float, ...] | None


def warp_middle_px(size_px: tuple[int, int]) -> Array:
    """Return where Warp's middle of the image, ``n / 2``, lies from pixel ``n // 2``.

    Parameters
    ----------
    size_px
        Width and height.
    """
    size = np.asarray(size_px)
    middle: Array = size / 2.0 - size // 2
    return middle


def read_tomostar(path: Path | str) -> Tomostar:
    """Read a ``.tomostar``.

    Raises
    ------
    FormatError
        The file is missing, lacks the tilts, or holds words where numbers should be.
    """
    path = Path(path)
    table = only_block(path, read_star(path), "", "wrpAngleTilt")
    tilts = _floats(path, table, "wrpAngleTilt")
    axis = _floats(path, table, "wrpAxisAngle") if "wrpAxisAngle" in table else None
    dose = _floats(path, table, "wrpDose") if "wrpDose" in table else None
    return Tomostar(
        path=path,
        movies=tuple(str(name) for name in table.get("wrpMovieName", [])),
        tilts_deg=tuple(-tilt for tilt in tilts),
        axis_deg=float(np.median(axis)) if axis else None,
        prior_dose_e_per_a2=tuple(dose) if dose else None,
    )


def write_tomostar(
    path: Path | str,
    movies: Sequence[str],
    tilts_deg: Sequence[float],
    axis_deg: float,
    prior_dose_e_per_a2: Sequence[float | None] | None = None,
) -> None:
    """Write a ``.tomostar``; tilts as this program counts them."""
    dose = prior_dose_e_per_a2 or [0.0] * len(tilts_deg)
    columns: Columns = {
        "wrpMovieName": list(movies),
        "wrpAngleTilt": [-float(tilt) for tilt in tilts_deg],
        "wrpAxisAngle": [float(axis_deg)] * len(tilts_deg),
        "wrpDose": [value or 0.0 for value in dose],
    }
    write_star(path, {"": columns})


def matched_sections(
    path: Path,
    angles_deg: Array,
    is_used: NDArray[np.bool_],
    nominal_tilts_deg: Sequence[float],
) -> tuple[dict[int, int], int]:
    """Find the row of Warp that each image of a stack is.

    The stack may hold all images or those that Warp uses, in Warp's order or sorted, with tilts
    of either sign and with an offset between both. What is in order already goes first: where
    tilts are alike on both sides of zero, their values alone would not tell the sign.

    Parameters
    ----------
    angles_deg
        The rows' tilts, as Warp counts them.
    nominal_tilts_deg
        One for each image of the stack.

    Returns
    -------
    The row of each section that has one, and +1 where the stack's tilts have the sign of Warp's,
    -1 where they have the other one.

    Raises
    ------
    FormatError
        The tilts are not those of the stack.
    """
    nominal = np.asarray(nominal_tilts_deg, dtype=np.float64)
    every, used = np.arange(len(angles_deg)), np.flatnonzero(is_used)
    candidates = []
    for rows in (every, used) if len(used) < len(every) else (every,):
        if len(rows) != len(nominal):
            continue
        for sign in (-1, 1):
            theirs = sign * angles_deg[rows]
            pairings = {True: np.arange(len(nominal)), False: _by_rank(theirs, nominal)}
            for is_in_order, order in pairings.items():
                apart = theirs[order] - nominal
                scatter = float(np.abs(apart - np.median(apart)).max())
                if scatter <= _SCATTER_DEG:
                    offset = round(abs(float(np.median(apart))), 1)
                    candidates.append(((not is_in_order, offset, scatter), rows[order], sign))
    if candidates:
        _, rows, sign = min(candidates, key=lambda one: one[0])
        return {section: int(row) for section, row in enumerate(rows)}, sign
    return _by_tilt(path, angles_deg, nominal)


def _by_rank(theirs: Array, nominal: Array) -> NDArray[np.intp]:
    """Return for each image the row with the same rank by tilt."""
    order = np.empty(len(nominal), dtype=np.intp)
    order[np.argsort(nominal, kind="stable")] = np.argsort(theirs, kind="stable")
    return order


def _by_tilt(path: Path, angles_deg: Array, nominal: Array) -> tuple[dict[int, int], int]:
    """Pair every row with the image of its own tilt; stacks may have more images than rows."""
    for sign in (-1, 1):
        apart = np.abs(sign * angles_deg[:, None] - nominal)
        sections = apart.argmin(axis=1)
        if apart.min(axis=1).max() <= _TILTS_APART_DEG and len(set(sections)) == len(sections):
            return {int(section): row for row, section in enumerate(sections)}, sign
    raise FormatError(
        f"{path} does not fit the stack: it has {len(angles_deg)} tilts from "
        f"{angles_deg.min():.1f} to {angles_deg.max():.1f} degrees, the stack {len(nominal)} from "
        f"{nominal.min():.1f} to {nominal.max():.1f}",
        "give the file and the stack of the same series",
    )


def _floats(path: Path, table: Columns, name: str) -> list[float]:
    try:
        return [float(value) for value in table[name]]
    except (TypeError, ValueError) as error:
        raise FormatError(f"{path}: {name} holds no numbers", "check the file") from error

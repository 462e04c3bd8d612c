"""Three planes through one point of a volume at one scale: where each lies in a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tomotui.tui.raster.volume import Axis

Shape = tuple[int, int, int]


class Plane(NamedTuple):
    """A plane as it is shown: which axes of the volume run down and across.

    Attributes
    ----------
    axis
        The axis that it is cut across.
    down, across
        The axes along its rows and columns.
    """

    axis: Axis
    down: Axis
    across: Axis


XY = Plane("z", "y", "x")
XZ = Plane("y", "z", "x")
YZ = Plane("x", "z", "y")
ZY = Plane("x", "y", "z")
"""The plane across x on its side, to stand beside XY with y along the same rows."""


class Panel(NamedTuple):
    """A plane's place in the picture, in cells."""

    plane: Plane
    row: int
    column: int
    height: int
    width: int


class _Form(NamedTuple):
    """A way to lay out planes: columns of lines; planes of a column lie below each other."""

    columns: tuple[tuple[Plane, ...], ...]


_FORMS = (
    _Form(((XY, XZ), (ZY,))),
    _Form(((XY,), (XZ, YZ))),
    _Form(((XY, XZ, YZ),)),
    _Form(((XY,), (ZY,), (XZ,))),
)


def panels_of(cells: tuple[int, int], shape: Shape, aspect: float) -> tuple[list[Panel], float]:
    """Return the panels of the form that shows the volume largest, and voxels per cell width.

    Parameters
    ----------
    cells
        Height and width of the picture.
    shape
        Voxels along z, y and x.
    aspect
        Height of a cell over its width.
    """
    sizes: dict[str, int] = dict(zip("zyx", shape, strict=True))
    fits = [(_fit(form, cells, sizes, aspect), at) for at, form in enumerate(_FORMS)]
    per_cell, at = min(fits)
    return _placed(_FORMS[at], cells, sizes, per_cell, aspect), per_cell


def _fit(form: _Form, cells: tuple[int, int], sizes: dict[str, int], aspect: float) -> float:
    """Return the voxels per cell width at which all planes of a form are just seen."""
    across = sum(max(sizes[plane.across] for plane in column) for column in form.columns)
    room = max(cells[1] - len(form.columns) + 1, 1)
    found = across / room
    for column in form.columns:
        down = sum(sizes[plane.down] for plane in column)
        found = max(found, down / (max(cells[0] - len(column) + 1, 1) * aspect))
    return max(found, 1e-3)


def _placed(
    form: _Form, cells: tuple[int, int], sizes: dict[str, int], per_cell: float, aspect: float
) -> list[Panel]:
    """Deal out all cells in the ratio of the planes' sizes, with one cell between panels."""
    widths = _dealt(
        cells[1], [max(sizes[plane.across] for plane in column) for column in form.columns]
    )
    heights = _dealt(cells[0], [sizes[plane.down] for plane in form.columns[0]])
    panels, left = [], 0
    for column, width in zip(form.columns, widths, strict=True):
        own = _dealt(cells[0], [sizes[plane.down] for plane in column])
        top = 0
        # A plane alone beside others keeps to the rows of the first, which it shares an axis with.
        rows = heights[:1] if len(column) == 1 and column[0].down == "y" else own
        for plane, height in zip(column, rows, strict=True):
            panels.append(Panel(plane, top, left, height, width))
            top += height + 1
        left += width + 1
    return panels


def _dealt(cells: int, sizes: Sequence[int]) -> list[int]:
    """Divide cells, less one between two, in the ratio of sizes; each gets one at least."""
    room, total = max(cells - len(sizes) + 1, len(sizes)), sum(sizes)
    ends = [round(room * sum(sizes[: at + 1]) / total) for at in range(len(sizes))]
    return [max(end - start, 1) for start, end in zip([0, *ends[:-1]], ends, strict=True)]

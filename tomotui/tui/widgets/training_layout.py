"""Where the pictures of a training go: as large as a pane allows, all four where there is room."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tomotui.tui.training_pictures import SPECTRA, VIEWS

GAP = 1
"""Empty columns between two pictures."""
ROOM_FOR_GAP = 16
"""Rows of a pane that spares one between pictures above each other."""
LEAST_HEIGHT, LEAST_WIDTH = 5, 10
"""Cells of a picture in which something can be seen."""


@dataclass(frozen=True)
class Place:
    """The cells of one picture.

    Attributes
    ----------
    name
        Which picture.
    row, column
        Its upper left cell.
    height, width
        Its size in cells.
    """

    name: str
    row: int
    column: int
    height: int
    width: int


@dataclass(frozen=True)
class Shapes:
    """How wide pictures are for their height, in cells."""

    view: float
    spectrum: float

    def of(self, name: str) -> float:
        """Return the width over the height of a picture."""
        return self.view if name in VIEWS else self.spectrum

    def seen(self, place: Place) -> tuple[float, float]:
        """Return height and width that the picture itself fills."""
        width = min(float(place.width), place.height * self.of(place.name))
        return width / self.of(place.name), width


def arrange(height: int, width: int, shapes: Shapes) -> tuple[Place, ...]:
    """Return the best places of the pictures in so many cells.

    All four where each of them can be seen, otherwise the two side views; nothing where there is
    no room for these either.
    """
    if height < LEAST_HEIGHT or width < LEAST_WIDTH:
        return ()
    four = [
        _two_rows(height, width, shapes),
        _in_line(height, width, shapes, (*VIEWS, *SPECTRA)),
        _two_stacks(height, width, shapes),
    ]
    two = [_in_line(height, width, shapes, VIEWS), _stack(0, 0, height, width, VIEWS)]
    for candidates in (four, two):
        fit = [(_area(places, shapes), places) for places in candidates if _seen(places, shapes)]
        if fit:
            return tuple(max(fit, key=lambda one: one[0])[1])
    return ()


def _seen(places: Sequence[Place], shapes: Shapes) -> bool:
    sizes = [shapes.seen(place) for place in places]
    return all(rows >= LEAST_HEIGHT and columns >= LEAST_WIDTH for rows, columns in sizes)


def _area(places: Sequence[Place], shapes: Shapes) -> float:
    return sum(rows * columns for rows, columns in (shapes.seen(place) for place in places))


def _two_rows(height: int, width: int, shapes: Shapes) -> list[Place]:
    """Return side views above, spectra below."""
    half = (width - GAP) // 2
    wanted = round(half / shapes.view)
    upper = min(max(wanted, LEAST_HEIGHT), max(height - LEAST_HEIGHT, 1))
    # What the spectra cannot fill is better given to the views.
    upper = max(upper, min(wanted, height - round(half / shapes.spectrum)))
    gap = int(height >= ROOM_FOR_GAP)
    lower = max(height - upper - gap, 0)
    return [
        *_side_by_side(0, 0, upper, (half, half), VIEWS),
        *_side_by_side(upper + gap, 0, lower, (half, half), SPECTRA),
    ]


def _in_line(height: int, width: int, shapes: Shapes, names: Sequence[str]) -> list[Place]:
    room = width - GAP * (len(names) - 1)
    natural = [height * shapes.of(name) for name in names]
    share = min(1.0, room / sum(natural))
    widths = [int(each * share) for each in natural]
    rest = max(width - sum(widths) - GAP * (len(names) - 1), 0)
    return _side_by_side(0, rest // 2, height, widths, names)


def _two_stacks(height: int, width: int, shapes: Shapes) -> list[Place]:
    """Return side views on the left, spectra on the right, each after below its before."""
    half = height / 2
    share = min(1.0, (width - GAP) / (half * (shapes.view + shapes.spectrum)))
    left, right = int(half * shapes.view * share), int(half * shapes.spectrum * share)
    first = max(width - left - right - GAP, 0) // 2
    return [
        *_stack(0, first, height, left, VIEWS),
        *_stack(0, first + left + GAP, height, right, SPECTRA),
    ]


def _side_by_side(
    row: int, column: int, height: int, widths: Sequence[int], names: Sequence[str]
) -> list[Place]:
    places = []
    for name, width in zip(names, widths, strict=True):
        places.append(Place(name, row, column, height, width))
        column += width + GAP
    return places


def _stack(row: int, column: int, height: int, width: int, names: Sequence[str]) -> list[Place]:
    gap = int(height >= ROOM_FOR_GAP)
    # Both are of one size: what is to be compared needs one scale.
    each = (height - gap) // 2
    return [
        Place(names[0], row, column, each, width),
        Place(names[1], row + each + gap, column, each, width),
    ]

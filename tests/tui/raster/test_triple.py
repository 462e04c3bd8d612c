"""Where three planes lie in a picture."""

from __future__ import annotations

import pytest

from tomotui.tui.raster.triple import panels_of

SHAPES = [(200, 480, 464), (1000, 300, 300), (60, 900, 100), (60, 100, 900), (64, 64, 64)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("cells", [(20, 80), (29, 120), (57, 200), (60, 30), (6, 12)])
def test_all_planes_are_there_and_none_covers_another(
    shape: tuple[int, int, int], cells: tuple[int, int]
) -> None:
    panels, per_cell = panels_of(cells, shape, 2.0)
    assert sorted(one.plane.axis for one in panels) == ["x", "y", "z"]
    taken: set[tuple[int, int]] = set()
    for one in panels:
        mine = {
            (row, column)
            for row in range(one.row, one.row + one.height)
            for column in range(one.column, one.column + one.width)
        }
        assert not taken & mine
        taken |= mine
        assert one.row + one.height <= cells[0]
        assert one.column + one.width <= cells[1]
    assert per_cell > 0


@pytest.mark.parametrize("shape", SHAPES)
def test_the_whole_of_each_plane_fits(shape: tuple[int, int, int]) -> None:
    sizes = dict(zip("zyx", shape, strict=True))
    panels, per_cell = panels_of((57, 200), shape, 2.0)
    for one in panels:
        # Cells are whole: half a cell at either rim may be missing.
        assert one.height + 1 >= sizes[one.plane.down] / (per_cell * 2.0)
        assert one.width + 1 >= sizes[one.plane.across] / per_cell

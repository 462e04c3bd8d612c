from __future__ import annotations

import numpy as np
import torch

from tomotui.algorithms.restore.cubes import Place, Places, cube_rotations, cut, turn_cube


def test_the_rotations_of_a_cube_are_24_proper_ones() -> None:
    rotations = cube_rotations()
    assert len({tuple(r.ravel()) for r in rotations}) == 24
    for rotation in rotations:
        assert np.linalg.det(rotation) == 1


def test_a_cube_turns_as_points_do() -> None:
    n = 9
    cube = torch.zeros(n, n, n)
    x, y, z = 3, -2, 1
    cube[z + n // 2, y + n // 2, x + n // 2] = 1.0
    for rotation in cube_rotations():
        moved = rotation @ np.array([x, y, z])
        turned = turn_cube(cube, rotation)
        at = tuple(round(v) + n // 2 for v in moved[::-1])
        assert float(turned[at]) == 1.0
        assert float(turned.sum()) == 1.0


def test_what_lies_beyond_a_volume_is_mirrored_and_nothing_is_shifted() -> None:
    volume = torch.arange(6.0 * 7 * 8).reshape(6, 7, 8)
    inside = cut(volume, Place(1, 2, 3), (3, 3, 3))
    assert torch.equal(inside, volume[1:4, 2:5, 3:6])
    beyond = cut(volume, Place(-2, 0, 4), (10, 7, 6))
    assert torch.equal(beyond[2:8, :, :4], volume[:, :, 4:])
    assert torch.equal(beyond[1, :, :4], volume[1, :, 4:])
    assert torch.equal(beyond[8, :, :4], volume[4, :, 4:])
    assert torch.equal(beyond[2:8, :, 4], volume[:, :, 6])


def test_places_are_drawn_where_there_is_something_and_not_from_held_out_rows() -> None:
    content = 0.05 * torch.randn(40, 80, 80, generator=torch.Generator().manual_seed(0))
    content[10:30, 8:24, 50:70] += 3.0
    places = Places(content, (24, 24, 24), last_y=64)
    chance = np.random.default_rng(0)
    drawn = [places.draw(chance) for _ in range(300)]
    near = [p for p in drawn if p.y < 24 and p.x + 24 > 50]
    assert len(near) > 200
    assert all(0 <= p.z <= 16 and p.y + 24 <= 64 and p.x + 24 <= 80 for p in drawn)
    assert len({(p.z, p.y, p.x) for p in drawn}) > 100

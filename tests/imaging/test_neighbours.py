from __future__ import annotations

import torch

from tomotui.imaging.neighbours import highest_around


def test_the_highest_of_a_cube_is_found_up_to_the_faces() -> None:
    volume = torch.randn((9, 8, 11), generator=torch.Generator().manual_seed(1))
    volume[0, 7, 5] = 9.0
    found = highest_around(volume, 2)
    assert bool((found[:3, 5:, 3:8] == 9.0).all())
    assert float(found[3, 7, 5]) < 9.0
    assert float(found[5, 4, 8]) == float(volume[3:8, 2:7, 6:11].max())
    along = highest_around(volume, (0, 0, 3))
    assert bool((along[0, 7, 2:9] == 9.0).all())
    assert float(along[1, 7, 5]) < 9.0

"""What lies about each voxel of a volume."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch.nn.functional import max_pool3d


def highest_around(volume: Tensor, reach: int | Sequence[int]) -> Tensor:
    """Return the highest value of the cube about each voxel, ``[z, y, x]``.

    Axis after axis: a cube at once would cost as many comparisons as it has voxels.

    Parameters
    ----------
    reach
        Voxels from the middle of the cube to its faces, or for each axis.
    """
    reaches = (reach,) * 3 if isinstance(reach, int) else reach
    highest = volume[None, None]
    for axis, most in enumerate(reaches):
        window, room = [1, 1, 1], [0, 0, 0]
        window[axis], room[axis] = 2 * most + 1, most
        highest = max_pool3d(highest, window, stride=1, padding=room)
    return highest[0, 0]

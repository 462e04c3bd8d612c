"""Cubes for training: from where there is something to see, turned at random."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations, product

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tomotui.algorithms.restore.material import Material

Array = NDArray[np.float64]
HELD_OUT_SHARE = 0.125
"""Share of the rows (y) that no training cube reaches into."""


def cube_rotations() -> list[Array]:
    """Return the 24 rotations of a cube, on column vectors (x, y, z)."""
    found = []
    for order in permutations(range(3)):
        for signs in product((1, -1), repeat=3):
            matrix = np.zeros((3, 3))
            matrix[range(3), order] = signs
            if np.linalg.det(matrix) > 0:
                found.append(matrix)
    return found


def turn_cube(cube: Tensor, rotation: Array) -> Tensor:
    """Turn a cube ``[..., z, y, x]`` by one of the 24 rotations; exact."""
    # New axis a of (x, y, z) is the old axis order[a], with a sign.
    order = [int(np.argmax(np.abs(row))) for row in rotation]
    signs = [int(rotation[a, order[a]]) for a in range(3)]
    lead = cube.ndim - 3
    as_zyx = [lead + 2 - order[2 - a] for a in range(3)]
    turned = cube.permute(*range(lead), *as_zyx)
    flips = [lead + a for a in range(3) if signs[2 - a] < 0]
    return torch.flip(turned, flips) if flips else turned


def random_rotation(chance: np.random.Generator) -> Array:
    """Return a rotation, evenly distributed (Shoemake 1992)."""
    from scipy.spatial.transform import Rotation

    return np.asarray(Rotation.random(random_state=chance).as_matrix())


@dataclass(frozen=True)
class Place:
    """Where a cube begins, in voxels (z, y, x)."""

    z: int
    y: int
    x: int


class Places:
    """Chooses places in a volume by how much there is to see.

    Parameters
    ----------
    content
        Volume in which structure shows, ``[z, y, x]``.
    size
        Voxels along the sides of a cube, (z, y, x).
    last_y
        Rows from here on are not reached into.
    """

    def __init__(self, content: Tensor, size: tuple[int, int, int], last_y: int) -> None:
        shape = content.shape
        self.size = size
        steps = [max(1, s // 4) for s in size]
        ends = (shape[0], min(last_y, shape[1]), shape[2])
        self.starts = [
            np.unique(np.r_[np.arange(0, max(1, end - side + 1), step), max(0, end - side)])
            for end, side, step in zip(ends, size, steps, strict=True)
        ]
        power = torch.nn.functional.avg_pool3d(
            content.square()[None, None], kernel_size=steps, stride=steps, ceil_mode=True
        )[0, 0]
        sums = power.cumsum(0).cumsum(1).cumsum(2)
        padded = torch.nn.functional.pad(sums, (1, 0, 1, 0, 1, 0)).cpu().numpy()
        self.weights = self._weights(padded, steps)

    def _weights(self, sums: NDArray[np.float32], steps: list[int]) -> NDArray[np.float64]:
        edges = []
        for axis in range(3):
            first = self.starts[axis] // steps[axis]
            last = np.minimum(
                (self.starts[axis] + self.size[axis]) // steps[axis], sums.shape[axis] - 1
            )
            edges.append((first, np.maximum(last, first + 1)))
        total = np.zeros([len(s) for s in self.starts])
        for corner in product((0, 1), repeat=3):
            sign = (-1) ** (3 - sum(corner))
            total += sign * sums[np.ix_(*(edges[a][corner[a]] for a in range(3)))]
        total = np.maximum(total, 0)
        # Empty ice is seen now and then, so that the network learns to leave it empty.
        weights = total - 0.9 * total.min() + 1e-6 * total.max() + 1e-12
        return np.asarray(weights / weights.sum())

    def draw(self, chance: np.random.Generator) -> Place:
        """Return a place: near one of the grid's, which are drawn by their content."""
        chosen = np.unravel_index(
            chance.choice(self.weights.size, p=self.weights.ravel()), self.weights.shape
        )
        found = []
        for axis, number in enumerate(chosen):
            starts = self.starts[axis]
            middle = int(starts[number])
            reach = self.size[axis] // 8
            low, high = max(0, middle - reach), min(int(starts[-1]), middle + reach)
            found.append(int(chance.integers(low, high + 1)))
        return Place(*found)


def cut(volume: Tensor, place: Place, size: tuple[int, int, int]) -> Tensor:
    """Return a box of a volume, which may begin before it; what lies beyond is mirrored."""
    slices, padding = [], []
    for start, side, length in zip(
        (place.z, place.y, place.x), size, volume.shape[-3:], strict=True
    ):
        low, high = max(0, start), min(length, start + side)
        slices.append(slice(low, high))
        padding.append((low - start, start + side - high))
    part = volume[tuple(slices)]
    if not any(any(gaps) for gaps in padding):
        return part
    flat = [gap for gaps in reversed(padding) for gap in gaps]
    fits = all(max(gaps) < have for gaps, have in zip(padding, part.shape, strict=True))
    mode = "reflect" if fits else "constant"
    return torch.nn.functional.pad(part[None, None], flat, mode=mode)[0, 0]


def last_training_row(material: Material, size: int) -> int:
    """Return the first row (y) that is held out; all rows are trained on where there are few."""
    n_y = material.shape[1]
    held = round(HELD_OUT_SHARE * n_y)
    return n_y - held if n_y - held >= size else n_y


def held_out_places(material: Material, size: int) -> Sequence[Place]:
    """Return places of cubes whose last rows are held out."""
    n_z, n_y, n_x = material.shape
    if last_training_row(material, size) == n_y:
        return ()
    z = max(0, (n_z - size) // 2)
    spread = np.unique(np.linspace(0, max(0, n_x - size), 2).astype(int))
    return [Place(z, n_y - size, int(x)) for x in spread]

"""EMAN2's picking network made again, to be measured on the same judgements.

As the boxer of EMAN2 has it in 2026: three convolutions of 9 x 9 with 202,273 weights see slabs of
96 x 96 pixels and nine sections, taken in threes; about 500 copies of the references, turned about
the beam; an answer at every fourth pixel and section; one species at a time. Candidates near the
faces, which EMAN2 leaves out, are kept.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, maximum_filter
from scipy.spatial import cKDTree
from torch import Tensor, nn
from torch.nn.functional import affine_grid, grid_sample

Array = NDArray[np.float64]
SIDE, THICK, STRIDE = 96, 9, 4
COPIES, BATCH = 500, 32
RATE, ROUNDS = 1e-5, 20
"""As it ships: the rate that one may choose, `SHOWN_RATE` to begin with, is not used."""

SHOWN_RATE = 1e-4


def network() -> nn.Sequential:
    """Return the network with its small normal weights."""
    layers = [
        nn.Conv2d(THICK // 3, 48, 9, padding="same"),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(48, 48, 9, padding="same"),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(48, 1, 9, padding="same"),
        nn.ReLU(),
    ]
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            nn.init.trunc_normal_(layer.weight, std=0.01, a=-0.02, b=0.02)
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)
    return nn.Sequential(*layers)


def slabs_of(volume: Tensor) -> Tensor:
    """Return three means of three sections about every fourth one, ``[n, 3, y, x]``."""
    n_z = volume.shape[0]
    padded = nn.functional.pad(volume, (0, 0, 0, 0, THICK // 2, THICK // 2))
    found = [
        padded[z : z + THICK].reshape(3, 3, *volume.shape[1:]).mean(dim=1)
        for z in range(0, n_z, STRIDE)
    ]
    return torch.stack(found).clamp(-4, 4)


def train(
    volumes: list[Tensor],
    numbers: NDArray[np.int64],
    voxels: Array,
    accepted: NDArray[np.bool_],
    rate: float = RATE,
    rounds: int = ROUNDS,
) -> nn.Sequential:
    """Train on judged places, (z, y, x) voxels, for so many rounds through all copies."""
    torch.manual_seed(0)
    chance = np.random.default_rng(0)
    images, labels = [], []
    share = float(accepted.mean())
    for number, voxel, good in zip(numbers, voxels, accepted, strict=True):
        count = round(COPIES / len(voxels) / (share if good else 1 - share) + 1)
        images.append(_turned(_box(volumes[int(number)], voxel), count, chance))
        labels += [float(good)] * count
    data, truth = torch.cat(images), torch.tensor(labels)
    model = network()
    middle = (SIDE // STRIDE - 1) / 2
    line = torch.arange(SIDE // STRIDE) - middle
    blob = torch.exp(-(line[:, None] ** 2 + line**2) / 4)
    blob = blob / blob.max()
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    for _ in range(rounds):
        for some in torch.randperm(len(data)).split(BATCH):
            wanted = truth[some, None, None] * blob
            cost = (model(data[some])[:, 0] - wanted).square().sum(dim=(1, 2)) / 2
            optimizer.zero_grad()
            cost.mean().backward()
            optimizer.step()
    return model.eval()


def search(model: nn.Sequential, volume: Tensor, radius_voxel: float) -> tuple[Array, Array]:
    """Return places (z, y, x) and scores, the best first, none within a radius of a better."""
    with torch.inference_mode():
        slabs = slabs_of(volume)
        answer = torch.cat([model(some)[:, 0] for some in slabs.split(4)]).numpy()
    smooth = gaussian_filter(answer, 0.6)
    peaks = np.argwhere((smooth == maximum_filter(smooth, 3)) & (smooth > 0))
    scores = smooth[tuple(peaks.T)]
    order = np.argsort(-scores)[:3000]
    places = peaks[order].astype(np.float64) * STRIDE + np.array([0.0, 1.5, 1.5])
    alive = np.ones(len(places), dtype=bool)
    if len(places):
        for number, near in enumerate(cKDTree(places).query_ball_point(places, radius_voxel)):
            if alive[number]:
                alive[[other for other in near if other > number]] = False
    return places[alive], scores[order][alive]


def _box(volume: Tensor, voxel: Array) -> Tensor:
    inside = np.clip(np.round(voxel), 0, np.array(volume.shape) - 1)
    z, y, x = (int(v) for v in inside)
    reach = SIDE // 2
    padded = nn.functional.pad(volume, (reach, reach, reach, reach, THICK // 2, THICK // 2))
    cut = padded[z : z + THICK, y : y + SIDE, x : x + SIDE]
    return cut.reshape(3, 3, SIDE, SIDE).mean(dim=1).clamp(-4, 4)


def _turned(image: Tensor, count: int, chance: np.random.Generator) -> Tensor:
    angle = torch.as_tensor(chance.uniform(0, 2 * np.pi, count), dtype=torch.float32)
    zero = torch.zeros(count)
    rows = [torch.stack([angle.cos(), -angle.sin(), zero], 1)]
    rows.append(torch.stack([angle.sin(), angle.cos(), zero], 1))
    grid = affine_grid(torch.stack(rows, 1), [count, 3, SIDE, SIDE], False)
    line = torch.linspace(-1, 1, SIDE)
    soft = 1 - ((line[:, None] ** 2 + line**2).sqrt() - 0.85).clamp(0, 0.1) / 0.1
    return grid_sample((image * soft)[None].expand(count, -1, -1, -1), grid, align_corners=False)

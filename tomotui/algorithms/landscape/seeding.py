"""Gaussians that stand for a map: where to put them, how many, and how strong they are."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor

Floats = NDArray[np.float32]

WIDTH_PER_SPACING = 0.55
"""Standard deviation over the distance of neighbours: enough for their sum to be smooth."""

ROUNDS, STEPS = 8, 150
"""Of k-means, and of the fit."""

PER_ELEMENT = 3.0
"""Gaussians for each cube of the finest detail."""

LEAST, MOST = 50, 2000
"""Gaussians, when their number is found from the map."""


def automatic_number(volume: Tensor, pixel_size_angstrom: float, resolution_angstrom: float) -> int:
    """Return how many Gaussians a map of a resolution needs: one for what it can tell apart.

    Parameters
    ----------
    volume
        Bright protein, ``[n, n, n]``.
    """
    inside = float((volume > threshold_of(volume)).sum()) * pixel_size_angstrom**3
    return int(np.clip(PER_ELEMENT * inside / resolution_angstrom**3, LEAST, MOST))


def threshold_of(volume: Tensor) -> float:
    """Return the density above which voxels belong to the particle (after Otsu)."""
    values = volume.flatten().float().cpu().numpy()
    counts, edges = np.histogram(values, bins=256)
    middles = 0.5 * (edges[:-1] + edges[1:])
    below = np.cumsum(counts)
    above = below[-1] - below
    sums = np.cumsum(counts * middles)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (sums / below - (sums[-1] - sums) / above) ** 2
    return float(middles[np.nanargmax(between)])


def gaussians_of_map(
    volume: Tensor,
    pixel_size_angstrom: float,
    n: int,
    mask: Tensor | None = None,
    seed: int = 0,
) -> tuple[Floats, Floats, Floats]:
    """Place Gaussians on a map, and fit them to it.

    They are put where its density is (k-means over voxels, weighed by density), and then places,
    strengths and their common width are fitted by least squares.

    Parameters
    ----------
    volume
        Bright protein, ``[n, n, n]`` as (z, y, x).
    n
        Gaussians; fewer where the particle has fewer voxels.
    mask
        0 to 1: only what lies within is described.

    Returns
    -------
    Centres (x, y, z) from voxel ``n // 2`` in Angstrom ``[g, 3]``, amplitudes ``[g]`` and
    standard deviations in Angstrom ``[g]``.

    Raises
    ------
    ValueError
        When nothing stands out of the map.
    """
    shown = volume.float() if mask is None else volume.float() * mask
    if not float(shown.max()) > float(shown.min()):
        raise ValueError("nothing stands out of the map")
    threshold = threshold_of(shown)
    inside = shown > threshold
    if mask is not None:
        inside &= mask > 0.5
    places = inside.nonzero().flip(-1).cpu().numpy().astype(np.float64) - volume.shape[-1] // 2
    if len(places) < 2:
        raise ValueError("nothing stands out of the map")
    weights = (shown[inside] - min(0.0, threshold)).clamp_min(1e-12).cpu().numpy()
    centres = _spread_out(places, weights, min(n, len(places)), seed)
    spacing = (len(places) / len(centres)) ** (1 / 3)
    width = max(0.7, WIDTH_PER_SPACING * spacing * (1 if spacing > 1.3 else 1.3))
    fitted = _Fit(shown, centres, width)
    fitted.run()
    return (
        (fitted.centres * pixel_size_angstrom).astype(np.float32),
        fitted.amplitudes.astype(np.float32),
        np.full(len(centres), fitted.width * pixel_size_angstrom, dtype=np.float32),
    )


def _spread_out(
    places: NDArray[np.float64], weights: NDArray[np.float64], n: int, seed: int
) -> NDArray[np.float64]:
    """Return centres of n groups of voxels (k-means), denser where there is more."""
    chance = np.random.default_rng([seed, 11])
    centres = places[chance.choice(len(places), n, replace=False, p=weights / weights.sum())]
    for _ in range(ROUNDS):
        _, group = cKDTree(centres).query(places)
        total = np.bincount(group, weights, minlength=n)
        sums = [np.bincount(group, weights * along, minlength=n) for along in places.T]
        found = total > 0
        centres[found] = np.stack(sums, axis=1)[found] / total[found, None]
    return centres


class _Fit:
    """Least squares of places, strengths and one width."""

    def __init__(self, volume: Tensor, centres: NDArray[np.float64], width: float) -> None:
        self._target = volume
        device = volume.device
        self._centres = torch.as_tensor(centres, dtype=torch.float32, device=device)
        self._began = self._centres.clone()
        self._log_width = torch.tensor(float(np.log(width)), device=device)
        self._spacing = width / WIDTH_PER_SPACING
        n = volume.shape[-1]
        self._side = torch.arange(n, device=device, dtype=torch.float32) - n // 2
        self._amplitudes = torch.ones(len(centres), device=device)
        drawn = self._drawn()
        scale = float((drawn * volume).sum() / drawn.square().sum().clamp_min(1e-12))
        self._scale = max(scale, 1e-12)

    def _drawn(self) -> Tensor:
        apart = self._side[:, None, None] - self._centres
        along = torch.exp(-0.5 * apart.square() * torch.exp(-2 * self._log_width))
        x, y, z = along.unbind(-1)
        n = len(self._side)
        plane = (z[:, None] * y[None] * self._amplitudes).reshape(n * n, -1)
        return (plane @ x.T).reshape(n, n, n)

    def run(self) -> None:
        """Fit; what is found is in ``centres``, ``amplitudes`` and ``width``, in voxels."""
        target = self._target / self._scale
        with torch.inference_mode(False), torch.enable_grad():
            # Tensors made where no gradient is kept have none, whatever is asked of them later.
            target = target.clone()
            self._centres, self._amplitudes, self._log_width = (
                one.clone().requires_grad_()
                for one in (self._centres, self._amplitudes, self._log_width)
            )
            self._side, self._began = self._side.clone(), self._began.clone()
            optimiser = torch.optim.Adam(
                [
                    {"params": [self._centres], "lr": 0.05 * self._spacing},
                    {"params": [self._amplitudes], "lr": 0.03},
                    {"params": [self._log_width], "lr": 0.01},
                ]
            )
            for _ in range(STEPS):
                optimiser.zero_grad()
                strayed = (self._centres - self._began).square().mean() / self._spacing**2
                loss = (self._drawn() - target).square().mean() / target.square().mean()
                (loss + 1e-3 * strayed).backward()
                optimiser.step()
                with torch.no_grad():
                    self._amplitudes.clamp_(min=0.0)
        self.centres = self._centres.detach().cpu().numpy()
        self.amplitudes = self._amplitudes.detach().cpu().numpy() * self._scale
        self.width = float(self._log_width.detach().exp())

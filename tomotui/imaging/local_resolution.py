"""How well each place of a map is resolved, and a map that shows no more than that."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import scipy.ndimage
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import grid_sample

from tomotui.imaging.fourier import radial_frequency
from tomotui.imaging.fsc import (
    MARGIN_SHELLS,
    Fsc,
    crossing_angstrom,
    fourier_shell_correlation,
    randomised_beyond,
    spectrum_correlation,
)
from tomotui.imaging.masks import raised_cosine
from tomotui.imaging.shells import Shells

Array = NDArray[np.float64]

WINDOW_PER_RESOLUTION = 7.0
"""Extent of a window over the resolution of the whole: narrower ones know it less well."""

SMALLEST_WINDOW = 16
WINDOW_PER_STEP = 6
CHANCE_DEVIATIONS = 1.645
"""One in twenty correlations of noise alone is above."""

COARSE_SHELLS = 3
"""First shells of a window, of too few terms to tell them from chance: they need the threshold."""

MOST_CHANCE_WINDOWS = 400
WINDOWS_AT_ONCE = 32
MOST_LEVELS = 24
FALL_OFF_SHELLS = 3.0
"""Width over which a local filter falls, in Fourier pixels of the map."""


@dataclass(frozen=True)
class LocalResolution:
    """Resolution of each voxel of a map.

    Attributes
    ----------
    resolution_angstrom
        ``[n, n, n]``; beyond the mask that of the nearest place inside.
    places_zyx
        Centres of the windows, voxels, ``[n_windows, 3]``.
    at_places_angstrom
        What was found in them, ``[n_windows]``.
    window_angstrom
        Extent of the windows; they weigh half at half of it.
    level
        Correlation that had to be reached in each shell of the windows, ``[n_shells]``.
    """

    resolution_angstrom: Tensor
    places_zyx: NDArray[np.int64]
    at_places_angstrom: Array
    window_angstrom: float
    level: Array

    def quantiles(self, *shares: float) -> list[float]:
        """Return resolutions below which shares of the windows lie, Angstrom."""
        return [float(one) for one in np.quantile(self.at_places_angstrom, shares)]


def local_resolution(
    first: Tensor,
    second: Tensor,
    voxel_size_angstrom: float,
    mask: Tensor,
    *,
    overall: Fsc | None = None,
    window_angstrom: float | None = None,
    step_voxels: int | None = None,
    threshold: float = 0.143,
    seed: int = 0,
    told: Callable[[float], None] = lambda share: None,
) -> LocalResolution:
    """Correlate half maps in soft windows that move through a mask.

    Parameters
    ----------
    first, second
        Half maps, ``[n, n, n]``.
    mask
        Between 0 and 1; windows lie about places where it is above one half.
    overall
        Correlation of the whole, where it is known already.
    window_angstrom
        Extent of the windows; seven times the resolution of the whole by default.
    step_voxels
        Between windows; a sixth of their extent by default.
    threshold
        Correlation that counts as resolved; 0.5 is the more careful choice, as windows hold few
        Fourier terms (Cardone and others 2013, J. Struct. Biol. 184:226).
    told
        Is told the share done.

    Raises
    ------
    ValueError
        When the maps cannot be compared, or the mask is empty.

    Notes
    -----
    The same windows in halves of random phases tell what chance reaches: their mean is taken off
    as `tomotui.imaging.fsc` does for masks, and a shell must exceed both the threshold and what
    19 of 20 windows of noise stay below. What is found is smoothed by a median over neighbours.
    """
    if overall is None:
        overall = fourier_shell_correlation(first, second, voxel_size_angstrom, mask, seed=seed)
    n = first.shape[0]
    side = _window_side(window_angstrom, overall, voxel_size_angstrom, n)
    step = step_voxels or max(1, side // WINDOW_PER_STEP)
    places, numbers = _places(mask, step)
    if not len(places):
        raise ValueError("the mask is empty")
    windows = _Windows(side, n, first.device)
    chance, spread = _chance(windows, first, second, places, overall, seed)
    frequency = windows.shells.frequency.cpu().numpy() / voxel_size_angstrom
    start = math.ceil(overall.randomised_from_shell * side / n) + MARGIN_SHELLS
    level = np.maximum(threshold, CHANCE_DEVIATIONS * spread)
    level[:COARSE_SHELLS] = threshold
    found = np.empty(len(places))
    for rows, curves in windows.correlations(first, second, places):
        curves[:, start:] = (curves[:, start:] - chance[start:]) / (1 - chance[start:])
        for row, curve in zip(range(rows.start, rows.stop), curves, strict=True):
            spacing = crossing_angstrom(frequency, curve - level, 0.0)
            found[row] = min(spacing, side * voxel_size_angstrom)
        told(rows.stop / len(places))
    grid = _on_grid(numbers, places, found)
    dense = _dense(1 / grid, step, n)
    smoothed = grid[numbers >= 0]
    return LocalResolution(
        (1 / dense).to(first.device), places, smoothed, side * voxel_size_angstrom, level
    )


def _window_side(
    window_angstrom: float | None, overall: Fsc, voxel_size_angstrom: float, n: int
) -> int:
    """Return an even number of voxels; no more than half the box, unless more was asked for."""
    if window_angstrom is None:
        extent = min(WINDOW_PER_RESOLUTION * overall.resolution(), n * voxel_size_angstrom / 2)
    else:
        extent = window_angstrom
    side = max(2 * math.ceil(extent / voxel_size_angstrom / 2), SMALLEST_WINDOW)
    return min(side, n - n % 2)


def _places(mask: Tensor, step: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return centres of windows ``[k, 3]``, and their numbers on the grid of steps, -1 for none."""
    coarse = (mask[::step, ::step, ::step] > 0.5).cpu().numpy()
    if not coarse.any() and float(mask.max()) > 0:
        nearest = np.array(np.unravel_index(int(mask.argmax()), tuple(mask.shape))) // step
        coarse[tuple(nearest)] = True
    numbers = np.full(coarse.shape, -1, dtype=np.int64)
    numbers[coarse] = np.arange(int(coarse.sum()))
    return np.argwhere(coarse) * step, numbers


class _Windows:
    """Soft windows of one size, cut out of maps."""

    def __init__(self, side: int, n: int, device: torch.device) -> None:
        self.side, self.n = side, n
        self.shells = Shells(side, device)
        line = torch.arange(side, dtype=torch.float32, device=device) - side // 2
        z, y, x = torch.meshgrid(line, line, line, indexing="ij")
        self.weight = raised_cosine((z.square() + y.square() + x.square()).sqrt(), side / 2)

    def correlations(
        self, first: Tensor, second: Tensor, places: NDArray[np.int64]
    ) -> Iterator[tuple[slice, Array]]:
        """Yield rows of places and the curves there, ``[n_rows, n_shells]``."""
        before = self.side // 2
        padded = [torch.nn.functional.pad(one, (before, before) * 3) for one in (first, second)]
        for begin in range(0, len(places), WINDOWS_AT_ONCE):
            rows = slice(begin, min(begin + WINDOWS_AT_ONCE, len(places)))
            one, other = (self._spectra(values, places[rows]) for values in padded)
            yield rows, spectrum_correlation(one, other, self.shells).cpu().numpy()

    def _spectra(self, padded: Tensor, places: NDArray[np.int64]) -> Tensor:
        cubes = torch.stack(
            [
                padded[z : z + self.side, y : y + self.side, x : x + self.side]
                for z, y, x in places.tolist()
            ]
        )
        # A constant would leak out of the window's first shells.
        mean = (cubes * self.weight).sum(dim=(1, 2, 3), keepdim=True) / self.weight.sum()
        return torch.fft.rfftn((cubes - mean) * self.weight, dim=(1, 2, 3))


def _chance(
    windows: _Windows,
    first: Tensor,
    second: Tensor,
    places: NDArray[np.int64],
    overall: Fsc,
    seed: int,
) -> tuple[Array, Array]:
    """Return mean and spread of the correlation in windows of random phases, ``[n_shells]``."""
    generator = torch.Generator().manual_seed(seed)
    begin = min(overall.randomised_from_shell, windows.n // 4)
    shells = Shells(windows.n, first.device)
    one, other = (randomised_beyond(half, begin, generator, shells) for half in (first, second))
    some = places[:: max(1, len(places) // MOST_CHANCE_WINDOWS)]
    curves = np.concatenate([found for _, found in windows.correlations(one, other, some)])
    n_terms = windows.shells.n_terms.cpu().numpy()
    start = min(
        math.ceil(begin * windows.side / windows.n) + MARGIN_SHELLS, windows.shells.n_shells - 2
    )
    mean = curves.mean(axis=0)
    # Shells whose phases were left alone show no chance: the others tell, by their terms.
    beyond = (curves - mean)[:, start:] * np.sqrt(n_terms[start:])
    return np.clip(mean, 0, 0.9), float(np.std(beyond)) / np.sqrt(n_terms)


def _on_grid(numbers: NDArray[np.int64], places: NDArray[np.int64], found: Array) -> Array:
    """Return what was found, on the whole grid of steps: the nearest, smoothed by a median."""
    known = numbers >= 0
    grid = np.zeros(numbers.shape)
    grid[known] = found[numbers[known]]
    nearest = scipy.ndimage.distance_transform_edt(
        ~known, return_distances=False, return_indices=True
    )
    filled = grid[tuple(nearest)]
    smooth: Array = scipy.ndimage.median_filter(filled, size=3, mode="nearest")
    return smooth[tuple(nearest)]


def _dense(grid: Array, step: int, n: int) -> Tensor:
    """Return values on all voxels, linear between the places of a grid."""
    if len(grid) == 1:
        return torch.full((n, n, n), float(grid[0, 0, 0]))
    line = torch.arange(n, dtype=torch.float32) / step * (2 / (len(grid) - 1)) - 1
    z, y, x = torch.meshgrid(line, line, line, indexing="ij")
    places = torch.stack([x, y, z], dim=-1)[None]
    values = torch.from_numpy(grid).float()[None, None]
    return grid_sample(values, places, padding_mode="border", align_corners=True)[0, 0]


def locally_filtered(
    values: Tensor, resolution_angstrom: Tensor, voxel_size_angstrom: float
) -> Tensor:
    """Return a map in which each place shows detail to its own resolution and no finer.

    Parameters
    ----------
    values
        Map, ``[n, n, n]``.
    resolution_angstrom
        Of each voxel, ``[n, n, n]``.

    Notes
    -----
    Of a bank of low-passed maps, evenly apart in frequency, each voxel takes the two nearest.
    """
    n = values.shape[0]
    cut = (voxel_size_angstrom / resolution_angstrom).clamp(1 / n, 0.5)
    low, high = float(cut.min()), float(cut.max())
    count = min(MOST_LEVELS, max(2, math.ceil((high - low) * n) + 1))
    level = (cut - low) / max(high - low, 1e-9) * (count - 1)
    spectrum = torch.fft.rfftn(values)
    frequency = radial_frequency(tuple(values.shape), values.device)
    result = torch.zeros_like(values)
    for number in range(count):
        share = (1 - (level - number).abs()).clamp_min(0)
        if not bool((share > 0).any()):
            continue
        at = low + (high - low) * number / (count - 1)
        passed = raised_cosine(frequency - at, FALL_OFF_SHELLS / n)
        result += share * torch.fft.irfftn(spectrum * passed, s=values.shape)
    return result

"""Soft masks of maps, found from the map itself."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy.ndimage
import torch
from numpy.typing import NDArray
from torch import Tensor

from tomotui.imaging.fourier import radial_frequency
from tomotui.imaging.masks import raised_cosine, soft_ball

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

DEVIATIONS = 4.0
"""Of the solvent above its level: what stands out further is not solvent."""

DENSITY_SHARE = 0.35
"""Of the way from solvent to protein: where a blurred edge is counted in, weak parts too."""

CLEAR = 8.0
"""Deviations by which protein must stand out; a map that is noisier is smoothed further."""

SMOOTHER = 1.25
COARSEST_SHARE = 0.5
"""Of the radius, how far it is smoothed at most."""

LEAST_PART = 0.1
"""Of the largest connected part: smaller ones are left out."""

HISTOGRAM_BINS = 512
FEWEST_SOLVENT_VOXELS = 500


@dataclass(frozen=True)
class MapMask:
    """A soft mask and how it was found.

    Attributes
    ----------
    values
        Between 0 and 1, ``[n, n, n]``.
    threshold
        Of the low-passed map, above which there is protein.
    low_pass_angstrom
        To which the map was smoothed.
    solvent, deviation
        Level of the solvent in the low-passed map, and its spread.
    volume_a3
        Of what lies above the threshold, before it was widened, A^3.
    """

    values: Tensor
    threshold: float
    low_pass_angstrom: float
    solvent: float
    deviation: float
    volume_a3: float


def map_mask(
    values: Tensor,
    voxel_size_angstrom: float,
    *,
    low_pass_angstrom: float = 15.0,
    radius_angstrom: float | None = None,
    widen_angstrom: float = 6.0,
    edge_angstrom: float = 12.0,
    threshold: float | None = None,
) -> MapMask:
    """Make a soft mask of a map.

    Parameters
    ----------
    values
        Protein bright, ``[n, n, n]``.
    low_pass_angstrom
        Spacing to which the map is smoothed before it is judged; further where protein does not
        stand out clearly, but by no more than half the radius.
    radius_angstrom
        Of the ball about the centre that the particle lies in; what fits into the box by default.
    widen_angstrom
        How far the mask reaches beyond the protein.
    edge_angstrom
        Width of the soft edge beyond that.
    threshold
        Of the low-passed map; found when none is given.

    Raises
    ------
    ValueError
        When the map is no cube, empty, holds values that are not numbers, shows no protein above
        the solvent, or shows it dark.

    Notes
    -----
    Solvent is what lies outside the ball, or where there is too little of that the darker of two
    classes (Otsu 1979, IEEE Trans. SMC 9:62). The threshold stands `DEVIATIONS` of its spread
    above its level, and at least at `DENSITY_SHARE` of the way to the mean protein. Of what is
    above, connected parts much smaller than the largest are left out; cavities stay open.
    """
    _check(values)
    n = values.shape[0]
    half = n * voxel_size_angstrom / 2
    # The soft edge must end inside the box.
    most = half - min(edge_angstrom, half / 4)
    radius = most if radius_angstrom is None else min(radius_angstrom, most)
    squared = _squared_distance(n)
    ball = squared <= (radius / voxel_size_angstrom) ** 2
    around = ~ball & (squared <= (n / 2) ** 2)
    low_pass, coarsest = low_pass_angstrom, max(low_pass_angstrom, COARSEST_SHARE * radius)
    while True:
        smooth = _low_passed(values, voxel_size_angstrom, low_pass).cpu().numpy()
        inside, (solvent, deviation) = smooth[ball], _solvent(smooth[ball], smooth[around])
        clear = _protein_level(inside, solvent, deviation) - solvent >= CLEAR * deviation
        if clear or threshold is not None or low_pass >= coarsest:
            break
        low_pass = min(low_pass * SMOOTHER, coarsest)
    if threshold is None:
        threshold = _threshold(inside, solvent, deviation)
    protein = _largest_parts(ball & (smooth > threshold))
    volume = float(protein.sum()) * voxel_size_angstrom**3
    if not clear and volume < math.pi / 6 * (low_pass / 2) ** 3:
        raise ValueError("no protein stands out from the solvent")
    edge = edge_angstrom / voxel_size_angstrom
    soft = _widened(protein, widen_angstrom / voxel_size_angstrom, edge)
    limit = soft_ball(n, radius / voxel_size_angstrom, min(edge, n / 8))
    return MapMask(
        (torch.from_numpy(soft) * limit).to(values.device),
        float(threshold),
        low_pass,
        solvent,
        deviation,
        volume,
    )


def _check(values: Tensor) -> None:
    if values.ndim != 3 or len(set(values.shape)) != 1:
        raise ValueError(f"a map must be a cube, got {tuple(values.shape)}")
    if not bool(torch.isfinite(values).all()):
        raise ValueError("the map holds values that are not numbers")
    if float(values.max()) == float(values.min()):
        raise ValueError("the map is the same everywhere")


def _low_passed(values: Tensor, voxel_size_angstrom: float, spacing_angstrom: float) -> Tensor:
    """Return the map without finer detail; a Gaussian of half power at the spacing, no ringing."""
    cut = voxel_size_angstrom / spacing_angstrom
    frequency = radial_frequency(tuple(values.shape), values.device)
    weight = torch.exp(-(math.log(2) / 2) * (frequency / cut).square())
    return torch.fft.irfftn(torch.fft.rfftn(values) * weight, s=values.shape)


def _squared_distance(n: int) -> NDArray[np.int64]:
    """Return the squared distance from voxel ``n // 2``, ``[n, n, n]``."""
    line = (np.arange(n) - n // 2) ** 2
    return line[:, None, None] + line[None, :, None] + line[None, None, :]


def _solvent(inside: Array, around: Array) -> tuple[float, float]:
    """Return level and spread of the solvent."""
    spread = float(np.std(inside))
    if len(around) >= FEWEST_SOLVENT_VOXELS and np.std(around) > 1e-3 * spread:
        level = float(np.median(around))
        return level, _deviation(np.abs(around - level))
    dark = inside[inside < _otsu(inside)]
    level = _mode(dark)
    # Above its level weak protein is mixed in, below it is solvent alone.
    return level, _deviation(level - dark[dark <= level])


def _deviation(distances: Array) -> float:
    return 1.4826 * float(np.median(distances)) if len(distances) else 0.0


def _mode(values: Array) -> float:
    """Return the middle of the narrowest interval that holds a quarter of the values."""
    ordered = np.sort(values)
    count = max(1, len(ordered) // 4)
    widths = ordered[count:] - ordered[: len(ordered) - count]
    if not len(widths):
        return float(np.median(ordered))
    first = int(widths.argmin())
    return float(ordered[first : first + count + 1].mean())


def _otsu(values: Array) -> float:
    """Return the level that parts values into the two classes that differ most."""
    counts, edges = np.histogram(values, HISTOGRAM_BINS)
    centres = (edges[:-1] + edges[1:]) / 2
    below = counts.cumsum()[:-1].astype(np.float64)
    above = counts.sum() - below
    sums = (counts * centres).cumsum()
    means = sums[:-1] / np.maximum(below, 1), (sums[-1] - sums[:-1]) / np.maximum(above, 1)
    return float(edges[1:-1][int((below * above * (means[0] - means[1]) ** 2).argmax())])


def _protein_level(inside: Array, solvent: float, deviation: float) -> float:
    """Return the middle of what is bright; the solvent's level where nothing is."""
    bright = inside[inside > max(solvent + 2 * deviation, _otsu(inside))]
    return float(np.median(bright)) if len(bright) else solvent


def _threshold(inside: Array, solvent: float, deviation: float) -> float:
    """Return the level above which there is protein."""
    least = solvent + DEVIATIONS * deviation
    bright, dark = float(inside.max()) - solvent, solvent - float(inside.min())
    if dark > max(1.5 * bright, DEVIATIONS * deviation):
        raise ValueError("its protein is dark")
    level = _protein_level(inside, solvent, deviation)
    above = inside[inside > max(least, solvent + DENSITY_SHARE * (level - solvent))]
    if not len(above):
        raise ValueError("no protein stands out from the solvent")
    # The mean of all that is above takes weak parts into account.
    return max(least, solvent + DENSITY_SHARE * (float(above.mean()) - solvent))


def _largest_parts(protein: Mask) -> Mask:
    """Leave connected parts out that are much smaller than the largest."""
    labels, count = scipy.ndimage.label(protein)
    if not count:
        raise ValueError("no protein stands out from the solvent")
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    kept: Mask = (sizes >= LEAST_PART * sizes.max())[labels]
    return kept


def _widened(protein: Mask, reach: float, edge: float) -> NDArray[np.float32]:
    """Return 1 on the protein and near it, falling to 0 over a soft edge (lengths in voxels)."""
    soft = np.zeros(protein.shape, dtype=np.float32)
    margin = math.ceil(reach + edge) + 1
    box = tuple(
        slice(max(0, one.start - margin), one.stop + margin)
        for one in scipy.ndimage.find_objects(protein.astype(np.int8))[0]
    )
    distance = scipy.ndimage.distance_transform_edt(~protein[box])
    beyond = torch.from_numpy(np.asarray(distance, dtype=np.float32)) - reach
    soft[box] = raised_cosine(beyond, max(edge, 1e-3)).numpy()
    return soft

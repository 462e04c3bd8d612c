"""Where the tiles of each image lie, and the Gaussian windows they are seen through.

A window on a tilted specimen has two enemies: it must be wide to resolve the rings (their
spacing is that of two beams displaced by ``r = 2 L dz k``), and narrow across the tilt axis, or
the change of defocus inside washes them out. Through a Gaussian of deviation s the rings keep
``exp(-r^2 / 4 s^2 - pi^2 s^2 (L k^2 slope)^2)`` of their height, which is greatest at
``s^2 = dz / (pi k slope)``. Windows are therefore ellipses, narrower across the axis at high
tilt, and that factor belongs to the model.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tomotui.geometry import TiltGeometry
from tomotui.imaging.ctf import CtfOptics
from tomotui.imaging.masks import edge_taper
from tomotui.imaging.resample import bin_images, binning_correction

Array = NDArray[np.float64]

BOX_SIGMAS = 6.0
HOP_SIGMAS = 1.5
MARGIN_SIGMAS = 1.2
LEAST_SIGMAS_PER_IMAGE = 6.0
LEAST_STEPS = 2.0
LEAST_SIGMA_ANGSTROM, MOST_SIGMA_ANGSTROM = 110.0, 480.0
HIGH_PASS_ANGSTROM = 300.0
OUTLIER_DEVIATIONS = 6.0
_RESOLVE_PER_ANGSTROM = 1 / 6.0
_BALANCE_PER_ANGSTROM = 1 / 9.0
_ROUGH_SLOPE = 0.05


@dataclass(frozen=True)
class Windows:
    """The windows of a series.

    Attributes
    ----------
    size_px
        Side of the square that is transformed, at the working pixel size.
    sigma_angstrom
        Deviations across and along the tilt axis, ``[n_tilts, 2]``.
    """

    size_px: int
    sigma_angstrom: Array


def choose_windows(
    geometry: TiltGeometry,
    defocus_angstrom: float,
    optics: CtfOptics,
    pixel_size_angstrom: float,
    shape: tuple[int, int],
    tile_size_angstrom: float | None = None,
) -> Windows:
    """Return the windows that show the rings of a defocus best.

    Parameters
    ----------
    pixel_size_angstrom, shape
        Of the working images.
    tile_size_angstrom
        Side of the square that is transformed; chosen by the defocus when ``None``.
    """
    displaced = 2 * optics.wavelength_angstrom * abs(defocus_angstrom) * _RESOLVE_PER_ANGSTROM
    along = float(np.clip(displaced, 200.0, MOST_SIGMA_ANGSTROM))
    if tile_size_angstrom is not None:
        along = tile_size_angstrom / BOX_SIGMAS
    along = min(along, min(shape) * pixel_size_angstrom / LEAST_SIGMAS_PER_IMAGE)
    slope = np.abs(np.tan(np.deg2rad(geometry.tilt_deg))) + _ROUGH_SLOPE
    best = np.sqrt(max(abs(defocus_angstrom), 2000.0) / (np.pi * _BALANCE_PER_ANGSTROM * slope))
    across = np.clip(best, min(LEAST_SIGMA_ANGSTROM, along), along)
    size = _smooth_even(BOX_SIGMAS * along / pixel_size_angstrom)
    return Windows(size, np.stack([across, np.full_like(across, along)], axis=1))


def _smooth_even(least: float) -> int:
    """Return an even size with small prime factors that is not below ``least``."""
    size = max(32, 2 * math.ceil(least / 2))
    while True:
        rest = size
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return size
        size += 2


@dataclass(frozen=True)
class WorkingImage:
    """An image ready for tiles: no mean, no slow changes, no outliers, a soft border.

    Attributes
    ----------
    pixel_yx_angstrom
        Pixel sizes after binning, which may differ in the fourth digit.
    """

    values: Tensor
    pixel_yx_angstrom: tuple[float, float]


def prepare_image(
    image: Tensor, pixel_size_angstrom: float, wanted_angstrom: float
) -> WorkingImage:
    """Bin an image in Fourier space to about a pixel size, and flatten it."""
    binning = max(1.0, wanted_angstrom / pixel_size_angstrom)
    if binning < 1.1:
        binning = 1.0
    correction = binning_correction((image.shape[-2], image.shape[-1]), binning)
    y, x = (pixel_size_angstrom * binning / part for part in correction)
    values = image.float()
    values = _without_outliers(values - values.mean())
    values = bin_images(values, binning)
    height, width = values.shape
    ky = torch.fft.fftfreq(height, d=y, device=values.device)[:, None]
    kx = torch.fft.rfftfreq(width, d=x, device=values.device)[None, :]
    keep = 1 - torch.exp(-2 * (math.pi * HIGH_PASS_ANGSTROM) ** 2 * (kx**2 + ky**2))
    spectrum = torch.fft.rfft2(values) * keep
    flat = _without_outliers(torch.fft.irfft2(spectrum, s=(height, width)))
    return WorkingImage(flat * edge_taper((height, width), 0.03, values.device), (y, x))


def _without_outliers(values: Tensor) -> Tensor:
    """Clip what lies many deviations from the middle: hot pixels and the cores of beads."""
    sample = values.reshape(-1)[:: max(1, values.numel() // 200_000)]
    middle = sample.median()
    spread = 1.4826 * (sample - middle).abs().median()
    limit = OUTLIER_DEVIATIONS * (spread if float(spread) > 0 else sample.std())
    return values.clamp(middle - limit, middle + limit)


@dataclass(frozen=True)
class Cell:
    """Tiles of one image that lie at nearly the same depth."""

    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    place_angstrom: Array


def lay_cells(
    shape: tuple[int, int],
    pixel_yx_angstrom: tuple[float, float],
    axis_deg: float,
    tilt_deg: float,
    sigma_angstrom: Array,
    depth_step_angstrom: float,
) -> list[Cell]:
    """Return the tiles of an image, on a lattice along and across the tilt axis, in cells.

    Parameters
    ----------
    sigma_angstrom
        Of the window, across and along the axis.
    depth_step_angstrom
        Depth that a cell may span.

    Returns
    -------
    Cells with the upper left tile centres' pixels and the mean place from pixel ``n // 2``.
    """
    height, width = (n * p for n, p in zip(shape, pixel_yx_angstrom, strict=True))
    reach = 0.5 * math.hypot(height, width)
    margin = MARGIN_SIGMAS * float(sigma_angstrom.max())
    limits = _limit(width, margin), _limit(height, margin)
    # A small image still has places on both sides of its middle.
    hops = [min(HOP_SIGMAS * float(s), min(limits) / LEAST_STEPS) for s in sigma_angstrom]
    across, along = (_steps(reach, hop) for hop in hops)
    u, v = (grid.ravel() for grid in np.meshgrid(across, along, indexing="ij"))
    angle = np.deg2rad(axis_deg)
    x, y = np.cos(angle) * u - np.sin(angle) * v, np.sin(angle) * u + np.cos(angle) * v
    inside = (np.abs(x) <= limits[0]) & (np.abs(y) <= limits[1])
    u, v, x, y = u[inside], v[inside], x[inside], y[inside]
    slope = math.tan(math.radians(min(80.0, abs(tilt_deg) + 6.0)))
    width_u = max(hops[0], depth_step_angstrom / slope)
    number_u = np.rint(u / width_u).astype(int)
    number_v = np.rint(v / max(1e-6, 0.7 * np.abs(v).max(initial=1.0))).astype(int)
    cells = []
    for key in sorted(set(zip(number_u.tolist(), number_v.tolist(), strict=True))):
        some = (number_u == key[0]) & (number_v == key[1])
        columns = np.rint(x[some] / pixel_yx_angstrom[1]).astype(int)
        rows = np.rint(y[some] / pixel_yx_angstrom[0]).astype(int)
        place = np.array(
            [columns.mean() * pixel_yx_angstrom[1], rows.mean() * pixel_yx_angstrom[0]]
        )
        cells.append(Cell(rows + shape[0] // 2, columns + shape[1] // 2, place))
    return cells


def _steps(reach: float, hop: float) -> Array:
    n = int(reach / hop)
    return np.asarray(hop * np.arange(-n, n + 1), dtype=np.float64)


def _limit(extent: float, margin: float) -> float:
    """Return how far from the centre a tile may lie."""
    return 0.5 * extent - min(margin, 0.3 * extent)

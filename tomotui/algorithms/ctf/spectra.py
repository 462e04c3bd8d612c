"""Power spectra of tiles, gathered in cells of like depth, rings and directions."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from tomotui.algorithms.ctf.tiles import Cell, Windows, WorkingImage, lay_cells, prepare_image
from tomotui.geometry import TiltGeometry
from tomotui.imaging.ctf import CtfOptics

N_SECTORS = 16
CROSS_PX = 1.5
DEPTH_PHASE_RAD = 0.6
_TILE_BYTES = 64 * 2**20

ReadImage = Callable[[int], Tensor]


@dataclass(frozen=True)
class Spectra:
    """Spectra of all cells of a series on a polar grid.

    Attributes
    ----------
    tilt
        Which tilt a cell belongs to, ``[cells]``.
    place_angstrom
        Mean place (x, y) of a cell's tiles from pixel ``n // 2``, ``[cells, 2]``.
    n_tiles
        ``[cells]``.
    power
        Mean power, ``[cells, sectors, rings]``.
    k2
        Mean squared frequency of the pixels behind each value, 1/A^2, ``[sectors, rings]``.
    n_pixels
        How many they are.
    azimuth_rad
        Direction of each sector from +x towards +y, ``[sectors]``.
    frequency_per_angstrom
        Of each ring, ``[rings]``.
    sigma_angstrom, axis_rad
        Of the windows: deviations across and along the tilt axis ``[tilts, 2]``, and the
        direction of the axis ``[tilts]``.
    """

    tilt: Tensor
    place_angstrom: Tensor
    n_tiles: Tensor
    power: Tensor
    k2: Tensor
    n_pixels: Tensor
    azimuth_rad: Tensor
    frequency_per_angstrom: Tensor
    sigma_angstrom: Tensor
    axis_rad: Tensor

    @property
    def n_tilts(self) -> int:
        """Number of tilts."""
        return len(self.axis_rad)

    def with_power(self, power: Tensor) -> Spectra:
        """Return the same cells with other values."""
        return replace(self, power=power)


class PolarGrid:
    """Sorts the pixels of ``rfft2`` into sectors and rings; the axes' cross is left out.

    Parameters
    ----------
    size_px
        Side of the transformed square.
    pixel_yx_angstrom
        Pixel sizes.
    lowest_per_angstrom, highest_per_angstrom
        Band that is kept; rings are one Fourier pixel wide.

    Attributes
    ----------
    level_pixels
        Pixels of the upper three quarters of the band, by which tiles are brought to one level.
    """

    def __init__(
        self,
        size_px: int,
        pixel_yx_angstrom: tuple[float, float],
        lowest_per_angstrom: float,
        highest_per_angstrom: float,
        device: torch.device,
    ) -> None:
        y, x = pixel_yx_angstrom
        step = 1.0 / (size_px * math.sqrt(x * y))
        ky = torch.fft.fftfreq(size_px, d=y, device=device, dtype=torch.float64)[:, None]
        kx = torch.fft.rfftfreq(size_px, d=x, device=device, dtype=torch.float64)[None, :]
        k2 = kx**2 + ky**2
        first = max(3, round(lowest_per_angstrom / step))
        self.n_rings = max(8, int(highest_per_angstrom / step) - first + 1)
        ring = (k2.sqrt() / step).round().long() - first
        azimuth = torch.atan2(ky.expand_as(k2), kx.expand_as(k2))
        sector = torch.floor((azimuth / math.pi + 0.5) * N_SECTORS).long().clamp(0, N_SECTORS - 1)
        cross = (kx * size_px * x < CROSS_PX) | ((ky * size_px * y).abs() < CROSS_PX)
        keep = (ring >= 0) & (ring < self.n_rings) & ~cross
        self._where = keep.reshape(-1).nonzero()[:, 0]
        self._index = (sector * self.n_rings + ring).reshape(-1)[self._where]
        self.level_pixels = (keep & (ring >= self.n_rings // 4)).reshape(-1).nonzero()[:, 0]
        total = torch.zeros(N_SECTORS * self.n_rings, device=device, dtype=torch.float64)
        self._count = total.index_add(
            0, self._index, torch.ones_like(self._index, dtype=total.dtype)
        )
        mean_k2 = total.index_add(0, self._index, k2.reshape(-1)[self._where])
        rings = (first + torch.arange(self.n_rings, device=device)).double() * step
        nominal = rings.square().repeat(N_SECTORS)
        filled = self._count > 0
        k2_of = torch.where(filled, mean_k2 / self._count.clamp_min(1), nominal)
        shape = (N_SECTORS, self.n_rings)
        self.k2 = k2_of.reshape(shape)
        self.n_pixels = self._count.reshape(shape).float()
        self.frequency_per_angstrom = rings
        centre = torch.arange(N_SECTORS, device=device, dtype=torch.float64) + 0.5
        self.azimuth_rad = (centre / N_SECTORS - 0.5) * math.pi

    def gather(self, power: Tensor) -> Tensor:
        """Average one spectrum ``[size, size // 2 + 1]`` to ``[sectors, rings]``."""
        total = torch.zeros(N_SECTORS * self.n_rings, device=power.device, dtype=power.dtype)
        total.index_add_(0, self._index, power.reshape(-1)[self._where])
        return (total / self._count.clamp_min(1).to(power)).reshape(N_SECTORS, self.n_rings)


def measure_spectra(
    read: ReadImage,
    indices: Sequence[int],
    geometry: TiltGeometry,
    windows: Windows,
    pixel_size_angstrom: float,
    wanted_pixel_angstrom: float,
    band_per_angstrom: tuple[float, float],
    optics: CtfOptics,
    done: Callable[[float], None],
) -> Spectra:
    """Measure the spectra of images one by one.

    Parameters
    ----------
    read
        Gives the image of a section, physical values, ``[height, width]``.
    indices
        Sections to read, in the order of ``geometry`` and ``windows``.
    band_per_angstrom
        Lowest and highest frequency to keep.
    done
        Told the fraction done; may raise.
    """
    grid: PolarGrid | None = None
    powers, tilts, places, counts = [], [], [], []
    depth_step = DEPTH_PHASE_RAD / float(
        optics.phase_per_defocus(torch.tensor(band_per_angstrom[1] ** 2))
    )
    for number, index in enumerate(indices):
        image = prepare_image(read(index), pixel_size_angstrom, wanted_pixel_angstrom)
        if grid is None:
            grid = PolarGrid(
                windows.size_px, image.pixel_yx_angstrom, *band_per_angstrom, image.values.device
            )
        sigma = windows.sigma_angstrom[number]
        shape = (image.values.shape[0], image.values.shape[1])
        cells = lay_cells(
            shape,
            image.pixel_yx_angstrom,
            float(geometry.axis_deg[number]),
            float(geometry.tilt_deg[number]),
            sigma,
            depth_step,
        )
        window = _window(windows.size_px, image, sigma, float(geometry.axis_deg[number]))
        padded = torch.nn.functional.pad(image.values, (windows.size_px // 2,) * 4)
        for cell in cells:
            powers.append(grid.gather(_cell_power(padded, cell, window, grid)))
            tilts.append(number)
            places.append(cell.place_angstrom)
            counts.append(len(cell.rows))
        done((number + 1) / len(indices))
    assert grid is not None
    device = grid.k2.device
    return Spectra(
        tilt=torch.tensor(tilts, device=device),
        place_angstrom=torch.from_numpy(np.array(places)).to(device),
        n_tiles=torch.tensor(counts, device=device, dtype=torch.float32),
        power=torch.stack(powers),
        k2=grid.k2,
        n_pixels=grid.n_pixels,
        azimuth_rad=grid.azimuth_rad,
        frequency_per_angstrom=grid.frequency_per_angstrom,
        sigma_angstrom=torch.from_numpy(windows.sigma_angstrom).to(device),
        axis_rad=torch.from_numpy(np.deg2rad(geometry.axis_deg)).to(device),
    )


def _window(size: int, image: WorkingImage, sigma: np.ndarray, axis_deg: float) -> Tensor:
    """Return the elliptic Gaussian, its sum of squares 1."""
    y_pixel, x_pixel = image.pixel_yx_angstrom
    place = torch.arange(size, device=image.values.device, dtype=torch.float32) - size // 2
    y, x = (place * y_pixel)[:, None], (place * x_pixel)[None, :]
    angle = math.radians(axis_deg)
    u, v = math.cos(angle) * x + math.sin(angle) * y, math.cos(angle) * y - math.sin(angle) * x
    window = torch.exp(-0.5 * ((u / float(sigma[0])) ** 2 + (v / float(sigma[1])) ** 2))
    return window / window.square().sum().sqrt()


def _cell_power(padded: Tensor, cell: Cell, window: Tensor, grid: PolarGrid) -> Tensor:
    """Return the mean spectrum of a cell's tiles, each of them brought to the same level."""
    size = len(window)
    rows = torch.from_numpy(cell.rows).to(padded.device)
    columns = torch.from_numpy(cell.columns).to(padded.device)
    everywhere = padded.unfold(0, size, 1).unfold(1, size, 1)
    total = padded.new_zeros(size, size // 2 + 1)
    chunk = max(1, _TILE_BYTES // (16 * size**2))
    for start in range(0, len(rows), chunk):
        some = slice(start, start + chunk)
        spectrum = torch.fft.rfft2(everywhere[rows[some], columns[some]] * window)
        power = spectrum.real.square() + spectrum.imag.square()
        level = power.reshape(len(power), -1)[:, grid.level_pixels].mean(dim=1)
        total += (power / level.clamp_min(1e-30)[:, None, None]).sum(dim=0)
    return total / len(rows)

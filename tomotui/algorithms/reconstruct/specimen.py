"""Where the specimen lies: its faces, and how it leans.

Two coarse volumes from every other tilt agree where there is structure. How far that agreement
is smeared along the beam is known from the tilts alone, so that the faces are those of a slab
whose smeared agreement fits best. Its middle may lie on a plane that leans.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import OptimizeResult, least_squares
from scipy.signal import fftconvolve
from torch import Tensor

from tomotui.algorithms.reconstruct.filters import ColumnFilter, column_filter
from tomotui.algorithms.reconstruct.frame import Frame
from tomotui.geometry import TiltGeometry

Array = NDArray[np.float64]

STRUCTURE_ANGSTROM = 250.0
"""Only what changes across the tilt axis over less than this tells depths apart."""

BLOCKS = 6
OUTLIER_DEVIATIONS = 10.0
ERROR_FACTOR = 2.5
"""True over estimated error of the lean on simulated specimens of few particles, whose own
places are uneven; those of crowded ones agree without it."""
MARGIN_FRACTION = 0.1
MOST_UNEVENNESS = 0.05
"""Of the beam from image to image, over what the ice absorbs between low and high tilts."""

LEAST_THICKNESS_ANGSTROM = 150.0
RADII_ANGSTROM = (30.0, 160.0)
"""Of the particles that lie nearest to the faces: less matter is there, but no less ice."""

USUAL_RADIUS_ANGSTROM = 60.0
MEAN_FREE_PATH_ANGSTROM = 2900.0
"""Inelastic, at 300 kV: that of vitreous ice, a little less for what else is in it."""


@dataclass(frozen=True)
class SlabFit:
    """The slab that the specimen fills, in Angstrom from the centre of the volume.

    Attributes
    ----------
    thickness_angstrom
        Distance of the faces along z.
    centre_angstrom
        Height of the middle plane at x = y = 0.
    slope_x, slope_y
        How the middle plane rises along x and y.
    slope_x_sigma, slope_y_sigma
        Standard errors of those.
    explained
        Share of the agreement's variance that the slab explains, 0..1.
    depth_angstrom, profile
        Agreement of the halves per section, along the leaning plane, ``[n_z]`` each.
    """

    thickness_angstrom: float
    centre_angstrom: float
    slope_x: float
    slope_y: float
    slope_x_sigma: float
    slope_y_sigma: float
    explained: float
    depth_angstrom: Array
    profile: Array

    @property
    def faces_angstrom(self) -> tuple[float, float]:
        """Depths of the two faces at the centre."""
        half = self.thickness_angstrom / 2
        return self.centre_angstrom - half, self.centre_angstrom + half

    def covering_angstrom(self, half_width_angstrom: tuple[float, float] = (0.0, 0.0)) -> float:
        """Return the thickness of a volume centred at depth 0 that holds the slab.

        Parameters
        ----------
        half_width_angstrom
            Reach of the volume along x and y, over which the slab's lean adds up.
        """
        lean = (
            abs(self.slope_x) * half_width_angstrom[0] + abs(self.slope_y) * half_width_angstrom[1]
        )
        reach = abs(self.centre_angstrom) + self.thickness_angstrom / 2 + lean
        return 2 * reach + 2 * MARGIN_FRACTION * self.thickness_angstrom


def find_slab(
    even: Tensor,
    odd: Tensor,
    frames: tuple[Frame, Frame],
    kind: ColumnFilter,
    ice_angstrom: float | None = None,
) -> SlabFit:
    """Fit a slab to what two independent halves agree on.

    The halves tell where the particles are; how far the ice goes on beyond the middles of the
    last ones is at least their radius, which they hardly tell. Between reasonable radii the
    absorption decides where it is known.

    Parameters
    ----------
    even, odd
        Coarse reconstructions from every other tilt, ``[n_z, n_y, n_x]``, thicker than the
        specimen, without interpolation between columns (operator ``fourier``).
    frames
        Stretched frames of the halves.
    kind
        Filter that they were made with.
    ice_angstrom
        Thickness by absorption, from `ice_thickness`.
    """
    voxel = frames[0].sampling.voxel_size_angstrom
    agreement, spectrum = _agreement(even, odd, voxel)
    blur = _blur(frames, kind, spectrum)
    n_z = len(agreement)
    depth = (np.arange(n_z, dtype=np.float64) - n_z // 2) * voxel
    places = _block_places(even.shape[1:], voxel)
    fit = _Fit(agreement.reshape(n_z, -1), depth, places, blur, voxel)
    usual = fit.solve(USUAL_RADIUS_ANGSTROM)
    if ice_angstrom is None:
        return usual
    least, most = (fit.solve(radius).thickness_angstrom for radius in RADII_ANGSTROM)
    # Along z a leaning slab is thicker than across.
    wanted = ice_angstrom * float(np.hypot(1.0, np.hypot(usual.slope_x, usual.slope_y)))
    return replace(usual, thickness_angstrom=float(np.clip(wanted, least, max(least, most))))


def ice_thickness(
    mean_counts: Array, dose: Array, geometry: TiltGeometry, voltage_kv: float
) -> float | None:
    """Return the thickness of the ice by what it absorbs more the more it is tilted.

    Parameters
    ----------
    mean_counts
        Of each image, ``[n_tilts]``.
    dose
        Of each image, in any unit.
    geometry
        Of the images; the offset of the tilts is fitted.
    voltage_kv
        Scales the mean free path by the squared speed of the electrons.

    Returns
    -------
    Angstrom, or ``None`` where the images hold no counts, or do not follow Beer and Lambert.
    """
    if len(mean_counts) < 8 or (mean_counts <= 0).any() or (dose <= 0).any():
        return None
    logarithm = np.log(mean_counts / dose)
    best: tuple[float, float, float] | None = None
    for offset in np.arange(-20.0, 20.5, 0.5):
        tilt = np.deg2rad(geometry.tilt_deg - offset)
        if np.cos(tilt).min() < 0.2:
            continue
        path = 1 / np.cos(tilt)
        design = np.stack([np.ones_like(path), -path], axis=-1)
        keep = np.ones(len(path), dtype=bool)
        for _ in range(4):
            solved, *_ = np.linalg.lstsq(design[keep], logarithm[keep])
            residual = logarithm - design @ solved
            spread = 1.4826 * float(np.median(np.abs(residual[keep])))
            keep = np.abs(residual) < max(3 * spread, 1e-4)
        cost = float(np.median(np.abs(residual)))
        if best is None or cost < best[0]:
            best = (cost, float(solved[1]), float(np.ptp(path[keep]) * abs(solved[1])))
    if best is None or best[1] <= 0 or 1.4826 * best[0] > MOST_UNEVENNESS * best[2]:
        return None
    gamma, gamma_300 = (1 + energy / 510.99895 for energy in (voltage_kv, 300.0))
    speed = (1 - 1 / gamma**2) / (1 - 1 / gamma_300**2)
    return best[1] * MEAN_FREE_PATH_ANGSTROM * speed


def _agreement(even: Tensor, odd: Tensor, voxel: float) -> tuple[Array, Array]:
    """Return the product of the halves per section and block, and its spectrum along x."""
    n_y, n_x = even.shape[1:]
    margins = (n_y // 16, n_x // 16)
    inner = (slice(None), slice(margins[0], n_y - margins[0]), slice(margins[1], n_x - margins[1]))
    frequency = torch.fft.rfftfreq(n_x, device=even.device)
    keep = 1 - torch.exp(-((frequency * STRUCTURE_ANGSTROM / voxel) ** 4))
    spectra = [torch.fft.rfft(half, dim=-1) * keep for half in (even, odd)]
    cross = (spectra[0] * spectra[1].conj()).real.sum(dim=(0, 1))
    halves = []
    for spectrum in spectra:
        halves.append(torch.fft.irfft(spectrum, n=n_x, dim=-1)[inner])
    product = halves[0] * halves[1]
    blocks = torch.nn.functional.adaptive_avg_pool2d(product[None], BLOCKS)[0]
    return blocks.double().cpu().numpy(), cross.clamp_min(0).double().cpu().numpy()


def without_outliers(images: Tensor) -> Tensor:
    """Put the mean in place of pixels that are far too dark or bright: gold, ice, X-rays.

    Parameters
    ----------
    images
        Coarse images, ``[n_tilts, height, width]``.
    """
    middle = images.flatten(1).median(dim=1).values[:, None, None]
    deviation = (images - middle).abs().flatten(1).median(dim=1).values[:, None, None] / 0.6745
    loud = ((images - middle).abs() > OUTLIER_DEVIATIONS * deviation).float()
    loud = torch.nn.functional.max_pool2d(loud[:, None], 3, 1, 1)[:, 0] > 0
    return torch.where(loud, middle, images)


def _block_places(shape: torch.Size, voxel: float) -> Array:
    """Return the centres (x, y) of the blocks in Angstrom, ``[blocks, 2]``."""
    lines = []
    for n in (shape[0], shape[1]):
        margin = n // 16
        kept = n - 2 * margin
        first = np.floor(np.arange(BLOCKS) * kept / BLOCKS)
        last = np.ceil((np.arange(BLOCKS) + 1) * kept / BLOCKS)
        lines.append((margin + (first + last - 1) / 2 - n // 2) * voxel)
    y, x = np.meshgrid(*lines, indexing="ij")
    return np.stack([x.ravel(), y.ravel()], axis=-1)


def _blur(frames: tuple[Frame, Frame], kind: ColumnFilter, spectrum: Array) -> Array:
    """Return how the agreement of one thin layer is spread over sections, ``[2 n_z - 1]``.

    At every frequency along x a half sees a layer at a distance d with the sum over its tilts
    of the filter times ``exp(2 pi i f s d)``; the agreement is the product of the two.
    """
    n_z = frames[0].sampling.n_z
    distance = np.arange(-n_z + 1, n_z)
    frequency = np.fft.rfftfreq(2 * (len(spectrum) - 1) if len(spectrum) > 1 else 2)
    seen = []
    for frame in frames:
        across = torch.from_numpy(frequency[:, None] / frame.cosine)
        weight = column_filter(kind, across, frame.n_columns).numpy()
        turns = frequency[:, None, None] * frame.slope * distance[None, :, None]
        seen.append((weight[:, None] * np.exp(2j * np.pi * turns)).sum(axis=-1))
    spread = (seen[0] * np.conj(seen[1])).real
    total = spread.sum(axis=1)
    usable = total > 1e-3 * total.max()
    shares = np.where(usable, spectrum / np.where(usable, total, 1.0), 0.0)
    blur: Array = (spread * shares[:, None]).sum(axis=0)
    return blur / max(blur.sum(), 1e-30)


class _Fit:
    """The least-squares fit of a leaning slab to the agreement of blocks."""

    def __init__(
        self, agreement: Array, depth: Array, places: Array, blur: Array, voxel: float
    ) -> None:
        self.depth, self.blur, self.voxel = depth, blur, voxel
        self.scale = max(float(np.abs(agreement).max()), 1e-30)
        self.agreement = agreement / self.scale
        size = np.sqrt(((self.agreement - self.agreement.mean(axis=0)) ** 2).sum(axis=0))
        # No block may outvote the others, and empty ones shall not shout.
        self.weight = 1 / np.maximum(size, max(0.3 * float(np.median(size)), 1e-12))
        self.reach = max(float(np.abs(places).max()), voxel)
        self.places = places / self.reach
        self.radius = USUAL_RADIUS_ANGSTROM
        self.fine = np.arange(depth[0] - voxel, depth[-1] + 1.5 * voxel, voxel / 4)
        distance = np.arange(len(blur)) - len(blur) // 2
        self.fine_blur = np.interp(
            np.arange(4 * distance[0], 4 * distance[-1] + 1) / 4, distance, blur
        )

    def solve(self, radius: float) -> SlabFit:
        """Search thickness and height from the mean of all blocks, then fit with lean.

        Parameters
        ----------
        radius
            Of the particles next to the faces, Angstrom.
        """
        self.radius = radius
        span = float(self.depth[-1] - self.depth[0])
        mean = self.agreement.mean(axis=1, keepdims=True)
        starts = [
            np.array([thickness, height, 0.0, 0.0])
            for thickness in np.geomspace(2 * LEAST_THICKNESS_ANGSTROM, 0.8 * span, 14)
            for height in np.linspace(-0.35, 0.35, 15) * span
            if thickness / 2 + abs(height) <= span / 2
        ]
        costs = [
            float((_without_scale(mean, self._curves(start, np.zeros((1, 2)))) ** 2).sum())
            for start in starts
        ]
        start = starts[int(np.argmin(costs))]
        lowest = np.array([LEAST_THICKNESS_ANGSTROM, *[-span / 2] * 3])
        highest = np.array([span, *[span / 2] * 3])
        fits = [
            least_squares(
                self._flat_residual,
                np.clip(start + np.array([0, 0, x, y]) * self.reach, lowest + 1, highest - 1),
                bounds=(lowest, highest),
                x_scale=[300.0, 200.0, 200.0, 200.0],
                diff_step=[1e-3] * 4,
                max_nfev=60,
            )
            for x, y in ((0.0, 0.0), (-0.12, 0.0), (0.12, 0.0), (0.0, -0.12), (0.0, 0.12))
        ]
        best = min(fits, key=lambda fit: float(fit.cost))
        # Each half of the field by itself: what particles happen to lie where differs there.
        weight = self.weight
        split = []
        for colour in (0, 1):
            self.weight = weight * (_checkerboard(weight.size) == colour)
            again = least_squares(
                self._flat_residual,
                np.clip(best.x, lowest + 1, highest - 1),
                bounds=(lowest, highest),
                x_scale=[300.0, 200.0, 200.0, 200.0],
                diff_step=[1e-3] * 4,
                max_nfev=40,
            )
            split.append(again.x[2:])
        self.weight = weight
        return self._result(best, np.abs(split[0] - split[1]) / 2)

    def _curves(self, parameters: Array, places: Array) -> Array:
        """Return the smeared slab of each block, ``[n_z, blocks]``."""
        thickness, height, *lean = self._inside(parameters)
        # Whole particles evenly spread between the faces: how much of them lies at a depth.
        radius = min(self.radius, thickness / 2 - self.voxel / 8)
        inner = thickness / 2 - radius
        density = _below((self.fine + inner) / radius) - _below((self.fine - inner) / radius)
        smeared = fftconvolve(density, self.fine_blur, mode="same")
        middle = height + places @ np.asarray(lean)
        curves: Array = np.interp(self.depth[:, None] - middle[None, :], self.fine, smeared)
        return curves

    def _inside(self, parameters: Array) -> Array:
        """Return the parameters of a slab whose faces lie within the sections that there are.

        A slab that reaches beyond them would be one face only, and that of anything.
        """
        half = float(self.depth[-1] - self.depth[0]) / 2
        most = max(2 * (half - abs(float(parameters[1]))), LEAST_THICKNESS_ANGSTROM)
        return np.array([min(float(parameters[0]), most), *parameters[1:]])

    def _residual(self, parameters: Array) -> Array:
        residual = _without_scale(self.agreement, self._curves(parameters, self.places))
        return self.weight * residual

    def _flat_residual(self, parameters: Array) -> Array:
        return self._residual(parameters).ravel()

    def _result(self, best: OptimizeResult, disagreement: Array) -> SlabFit:
        parameters = self._inside(best.x)
        residual = self._residual(parameters)
        # Sections of a block are smeared into each other, and one particle fills many: only the
        # blocks count as independent (a cluster-robust estimate).
        pieces = best.jac.reshape(*residual.shape, -1)
        scores = np.einsum("zbp,zb->bp", pieces, residual)
        inverse = np.linalg.pinv(best.jac.T @ best.jac)
        covariance = inverse @ (scores.T @ scores) @ inverse
        sigma = ERROR_FACTOR * np.sqrt(np.maximum(np.diag(covariance), 0)) / self.reach
        thickness, height, lean_x, lean_y = (float(value) for value in parameters)
        centred = self.weight * (self.agreement - self.agreement.mean(axis=0))
        explained = 1 - float((residual**2).sum() / max(float((centred**2).sum()), 1e-30))
        middle = self.places @ parameters[2:]
        aligned = [
            np.interp(self.depth + offset, self.depth, column)
            for offset, column in zip(middle, self.agreement.T, strict=True)
        ]
        return SlabFit(
            thickness_angstrom=thickness,
            centre_angstrom=height,
            slope_x=lean_x / self.reach,
            slope_y=lean_y / self.reach,
            slope_x_sigma=max(float(sigma[2]), float(disagreement[0]) / self.reach),
            slope_y_sigma=max(float(sigma[3]), float(disagreement[1]) / self.reach),
            explained=explained,
            depth_angstrom=self.depth,
            profile=np.mean(aligned, axis=0) * self.scale,
        )


def _checkerboard(n_blocks: int) -> NDArray[np.int64]:
    """Return 0 or 1 for each block, like the fields of a chessboard."""
    side = round(n_blocks**0.5)
    rows, columns = np.indices((side, side))
    colours: NDArray[np.int64] = ((rows + columns) % 2).ravel()
    return colours


def _below(height: Array) -> Array:
    """Return the share of a ball below a height, in radii from its middle."""
    inside = np.clip(height, -1.0, 1.0)
    share: Array = 0.5 + 0.75 * inside - 0.25 * inside**3
    return share


def _without_scale(measured: Array, model: Array) -> Array:
    """Return what is left after each block's own amplitude, and a background, are fitted."""
    lifted = model - model.mean(axis=0)
    centred = measured - measured.mean(axis=0)
    power = np.maximum((lifted**2).sum(axis=0), 1e-12)
    amplitude = np.maximum((lifted * centred).sum(axis=0) / power, 0.0)
    residual: Array = centred - amplitude * lifted
    return residual

"""Taking gold beads out of the images, with ice that looks like the ice around them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tomotui.algorithms.reconstruct.filters import fast_length
from tomotui.geometry import TiltGeometry
from tomotui.geometry.local import LocalField
from tomotui.imaging.fourier import radial_frequency
from tomotui.imaging.neighbours import highest_around

Array = NDArray[np.float64]

LEAST_DEVIATIONS = 8.0
SHARE_OF_STRONGEST = 0.3
HOLE_FACTOR = 1.5
"""Diameter of the hole over that of the bead: its first bright fringe goes as well."""

RIM_FACTOR = 2.6
SEARCH_FACTOR = 0.6
MAX_BEADS = 400


@dataclass(frozen=True)
class Beads:
    """Beads found in a volume.

    Attributes
    ----------
    places_angstrom
        (x, y, z) from the volume's centre, ``[n, 3]``.
    deviations
        How far each stands out, in robust standard deviations, ``[n]``.
    """

    places_angstrom: Array
    deviations: Array


def find_beads(volume: Tensor, voxel_size_angstrom: float, diameter_angstrom: float) -> Beads:
    """Find dark balls of a diameter that stand out from everything else.

    Parameters
    ----------
    volume
        Reconstruction with voxels of at most the bead's radius, ``[n_z, n_y, n_x]``.
    diameter_angstrom
        Of the beads.

    Returns
    -------
    Beads beyond eight deviations and a third of the strongest ones.
    """
    sigma = diameter_angstrom / voxel_size_angstrom / 2.5
    matched = _difference_of_gaussians(-volume, sigma)
    flat = matched.flatten()[:: max(1, matched.numel() // 2_000_000)]
    deviation = float((flat - flat.median()).abs().median() / 0.6745)
    score = matched / max(deviation, 1e-30)
    highest = highest_around(score, max(1, round(diameter_angstrom / voxel_size_angstrom)))
    strongest = float(torch.quantile(score.amax(dim=0).flatten()[:4_000_000], 0.9999))
    least = max(LEAST_DEVIATIONS, SHARE_OF_STRONGEST * strongest)
    found = torch.nonzero((score == highest) & (score > least)).cpu().numpy()
    scores = score[tuple(found.T)].double().cpu().numpy()
    order = np.argsort(-scores)[:MAX_BEADS]
    centre = np.array(volume.shape) // 2
    places = (found[order] - centre)[:, ::-1] * voxel_size_angstrom
    return Beads(places.astype(np.float64), scores[order])


def _difference_of_gaussians(volume: Tensor, sigma: float) -> Tensor:
    """Return a volume filtered for balls of a width, without what is broader."""
    frequency = torch.stack(
        torch.meshgrid(
            torch.fft.fftfreq(volume.shape[0], device=volume.device),
            torch.fft.fftfreq(volume.shape[1], device=volume.device),
            torch.fft.rfftfreq(volume.shape[2], device=volume.device),
            indexing="ij",
        )
    )
    k2 = frequency.square().sum(dim=0)
    narrow, broad = (torch.exp(-2 * np.pi**2 * s**2 * k2) for s in (0.7 * sigma, 1.4 * sigma))
    return torch.fft.irfftn(torch.fft.rfftn(volume) * (narrow - broad), s=tuple(volume.shape))


def erase_beads(
    images: Tensor,
    beads: Beads,
    geometry: TiltGeometry,
    pixel_size_angstrom: float,
    diameter_angstrom: float,
    local: LocalField | None = None,
    seed: int = 0,
) -> Tensor:
    """Replace beads in the images by the smooth surroundings and noise of the same spectrum.

    Parameters
    ----------
    images
        Any binning, ``[n_tilts, height, width]``.
    beads
        From `find_beads`, in the frame of the geometry.
    pixel_size_angstrom
        Of the images.
    local
        Local displacements of the tilts.
    seed
        Of the noise.

    Returns
    -------
    New images; the old ones are not changed.
    """
    if not len(beads.places_angstrom):
        return images
    places = geometry.project(beads.places_angstrom)[..., :2]
    if local is not None:
        places = places + local.displacement(beads.places_angstrom)
    out = images.clone()
    chance = torch.Generator().manual_seed(seed)
    for tilt, image in enumerate(out):
        at = torch.from_numpy(places[tilt] / pixel_size_angstrom).to(image)
        at = _refined(image, at, diameter_angstrom / pixel_size_angstrom)
        _fill(image, at, diameter_angstrom / pixel_size_angstrom, chance)
    return out


def _patches(image: Tensor, places: Tensor, half: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return square windows about places: row and column indices, and which are inside.

    Returns
    -------
    Rows ``[n, side, 1]``, columns ``[n, 1, side]`` and inside ``[n, side, side]``.
    """
    height, width = image.shape
    offset = torch.arange(-half, half + 1, device=image.device)
    rows = (places[:, 1].round().long() + height // 2)[:, None, None] + offset[None, :, None]
    columns = (places[:, 0].round().long() + width // 2)[:, None, None] + offset[None, None, :]
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    return rows.clamp(0, height - 1), columns.clamp(0, width - 1), inside


def _refined(image: Tensor, places: Tensor, diameter_px: float) -> Tensor:
    """Move places to the darkest spot of a bead's size within half a diameter."""
    reach = max(1, int(np.ceil(SEARCH_FACTOR * diameter_px)))
    smooth = _blurred(image, diameter_px / 4)
    rows, columns, inside = _patches(image, places, reach)
    window = smooth[rows, columns].where(inside, torch.full_like(smooth[:1, :1], torch.inf))
    lowest = window.flatten(1).argmin(dim=1)
    side = 2 * reach + 1
    step = torch.stack([lowest % side - reach, lowest // side - reach], dim=-1)
    return places.round() + step.to(places)


def _blurred(image: Tensor, sigma: float) -> Tensor:
    shape = (image.shape[0], image.shape[1])
    blur = torch.exp(-2 * np.pi**2 * sigma**2 * radial_frequency(shape, image.device) ** 2)
    return torch.fft.irfft2(torch.fft.rfft2(image) * blur, s=shape)


def _fill(image: Tensor, places: Tensor, diameter_px: float, chance: torch.Generator) -> None:
    """Fill the holes of one image in place."""
    height, width = image.shape
    hole = HOLE_FACTOR * diameter_px / 2
    half = int(np.ceil(hole)) + 2
    rows, columns, inside = _patches(image, places, half)
    y = rows - height // 2 - places[:, 1, None, None].to(image)
    x = columns - width // 2 - places[:, 0, None, None].to(image)
    distance = (x**2 + y**2).sqrt().where(inside, torch.full_like(x + y, torch.inf))
    # 1 in the hole, falling to 0 over two pixels.
    share = ((hole + 1 - distance) / 2).clamp(0, 1)
    mask = torch.zeros_like(image)
    index = (rows.expand_as(share), columns.expand_as(share))
    mask.view(-1).scatter_reduce_(
        0, (index[0] * width + index[1]).flatten(), share.flatten(), reduce="amax"
    )
    known = (mask == 0).to(image)
    smooth = _surroundings(image, known, RIM_FACTOR * diameter_px / 2)
    residual = (image - smooth) * known
    noise = _like_noise(residual, known, chance)
    # As strong as around the hole, not as in the mean of the image.
    broad = RIM_FACTOR * diameter_px
    weight = _blurred(known, broad).clamp_min(1e-3)
    here = (_blurred(residual**2, broad).clamp_min(0) / weight).sqrt()
    image.copy_(image * (1 - mask) + mask * (smooth + noise * here))


def _surroundings(image: Tensor, known: Tensor, sigma: float) -> Tensor:
    """Return the local mean of known pixels; farther ones count where none is near."""
    smooth = (image * known).sum() / known.sum().clamp_min(1.0)
    out = smooth.expand_as(image)
    for scale in (8.0, 2.0, 0.5):
        weight = _blurred(known, scale * sigma).clamp_min(0)
        local = _blurred(image * known, scale * sigma) / weight.clamp_min(1e-3)
        trust = (weight / 0.05).clamp(0, 1)
        out = trust * local + (1 - trust) * out
    return out


def _like_noise(residual: Tensor, known: Tensor, chance: torch.Generator) -> Tensor:
    """Return random values of unit deviation with the spectrum of an image's residual."""
    height, width = residual.shape
    shape = (fast_length(height), fast_length(width))
    power = torch.fft.rfft2(residual, s=shape).abs().square()
    # Smoothed along the frequencies, as a single image's spectrum is noise itself.
    pooled = torch.nn.functional.avg_pool2d(power[None, None], 5, 1, 2, count_include_pad=False)
    like: dict[str, Any] = {"generator": chance}
    white = torch.randn(shape, **like).to(residual)
    noise = torch.fft.irfft2(torch.fft.rfft2(white) * pooled[0, 0].sqrt(), s=shape)
    noise = noise[:height, :width]
    return noise / noise.std().clamp_min(1e-12)

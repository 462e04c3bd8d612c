"""The template: a density about its centre of mass, sampled finely enough to be turned."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from tomotui.geometry.symmetry import symmetry_rotations
from tomotui.imaging.fourier import radial_frequency
from tomotui.imaging.masks import raised_cosine, soft_ball
from tomotui.imaging.neighbours import highest_around
from tomotui.imaging.resample import mirrored

OVERSAMPLING = 2
"""Samples of the density for one voxel of the tomogram: turned linearly, it loses little."""

MASS_SHARE = 0.99
"""Of the density that the radius found holds."""

MASK_LEVEL = 0.1
"""Of the greatest density, where the mask made from a map begins."""

EDGE_VOXELS = 2.0


@dataclass(frozen=True)
class MatchTemplate:
    """A particle to look for; protein is bright.

    Attributes
    ----------
    density
        Fine samples about ``m // 2``, ``[m, m, m]``, 0 outside its mask.
    null
        The same amplitudes with random phases, for what chance makes; ``None`` for none.
    own_mask
        Mask of the particle's own shape, fine as the density, for statistics under it; ``None``
        where they are taken under a ball.
    box
        Side of the turned template in voxels, even.
    radius_voxels
        Of the ball that holds the particle.
    voxel_size_angstrom
        Of the tomogram.
    """

    density: Tensor
    null: Tensor | None
    own_mask: Tensor | None
    box: int
    radius_voxels: float
    voxel_size_angstrom: float

    def on(self, device: torch.device | str) -> MatchTemplate:
        """Return the same on a device."""
        null = None if self.null is None else self.null.to(device)
        own_mask = None if self.own_mask is None else self.own_mask.to(device)
        return replace(self, density=self.density.to(device), null=null, own_mask=own_mask)

    def ball(self) -> Tensor:
        """Return the soft ball that statistics are taken under, ``[box, box, box]``."""
        return soft_ball(self.box, self.radius_voxels, EDGE_VOXELS)

    def turned(self, rotations: Tensor) -> Tensor:
        """Return what was sampled finely, turned, on voxels of the tomogram.

        Parameters
        ----------
        rotations
            From the reference to the tomogram, on (x, y, z), ``[n, 3, 3]``.

        Returns
        -------
        ``[n, channels, box, box, box]``: the density, the null and the mask, where there are.
        """
        parts = [one for one in (self.density, self.null, self.own_mask) if one is not None]
        fine = torch.stack(parts)[None]
        side = fine.shape[-1]
        line = torch.arange(self.box, dtype=torch.float32, device=fine.device) - self.box // 2
        z, y, x = torch.meshgrid(line, line, line, indexing="ij")
        places = torch.stack([x, y, z], dim=-1) * OVERSAMPLING
        # Row vectors times R are column vectors times its inverse.
        source = torch.einsum("zyxi,nij->nzyxj", places, rotations) + side // 2
        grid = (source * (2 / (side - 1)) - 1).reshape(1, -1, self.box, self.box, 3)
        found = grid_sample(fine, grid, mode="bilinear", padding_mode="zeros", align_corners=True)
        return found[0].reshape(len(parts), -1, *(self.box,) * 3).transpose(0, 1)


@dataclass(frozen=True)
class Density:
    """A particle's density about its centre of mass.

    Attributes
    ----------
    values
        Protein bright, about ``n // 2``, ``[n, n, n]``.
    voxel_size_angstrom
        Angstrom per voxel.
    radius_angstrom
        Of the ball about the centre that holds nearly all.
    moved_angstrom
        Where its centre of mass was, (x, y, z) from the centre of what was given.
    """

    values: Tensor
    voxel_size_angstrom: float
    radius_angstrom: float
    moved_angstrom: tuple[float, float, float]


def centred(values: Tensor, voxel_size_angstrom: float) -> Density:
    """Return a map in a cube about its centre of mass, with nothing where it shows solvent.

    Parameters
    ----------
    values
        Protein bright, ``[z, y, x]``.

    Raises
    ------
    ValueError
        When the map is empty, the same everywhere, or holds numbers that are not finite.
    """
    if not bool(torch.isfinite(values).all()):
        raise ValueError("it holds values that are not numbers")
    level = float(_rim(values).median())
    above = (values - level).clamp_min(0)
    if float(above.max()) < 0.5 * float((values - level).abs().max()):
        raise ValueError("its protein is dark")
    above = above * (above > MASK_LEVEL * above.max())
    mass = float(above.double().sum())
    if not mass > 0:
        raise ValueError("it is empty")
    axes = [
        torch.arange(n, dtype=torch.float64, device=values.device) - n // 2 for n in values.shape
    ]
    sums = [above.double().sum(dim=[d for d in range(3) if d != axis]) for axis in range(3)]
    centre = [float((line * total).sum()) / mass for line, total in zip(axes, sums, strict=True)]
    z, y, x = torch.meshgrid(
        *[line - c for line, c in zip(axes, centre, strict=True)], indexing="ij"
    )
    distance = (z.square() + y.square() + x.square()).sqrt()
    radius = _radius_of_share(distance.flatten(), above.flatten(), MASS_SHARE)
    side = 2 * math.ceil(radius + 4)
    moved = _shifted_cube(values - level, centre, side)
    c_z, c_y, c_x = (c * voxel_size_angstrom for c in centre)
    return Density(moved, voxel_size_angstrom, radius * voxel_size_angstrom, (c_x, c_y, c_z))


def in_frame_of(density: Density, values: Tensor, voxel_size_angstrom: float) -> Density:
    """Return a mask, given about the same point as a map was, about the map's centre of mass."""
    x, y, z = (moved / voxel_size_angstrom for moved in density.moved_angstrom)
    side = 2 * math.ceil(density.radius_angstrom / voxel_size_angstrom + 4)
    cube = _shifted_cube(values, [z, y, x], side)
    return Density(cube, voxel_size_angstrom, density.radius_angstrom, density.moved_angstrom)


def _rim(values: Tensor) -> Tensor:
    """Return the values on the faces of a volume."""
    faces = [values[0], values[-1], values[:, 0], values[:, -1], values[..., 0], values[..., -1]]
    return torch.cat([face.flatten() for face in faces])


def _radius_of_share(distance: Tensor, weight: Tensor, share: float) -> float:
    order = distance.argsort()
    mass = weight[order].double().cumsum(0)
    at = int(torch.searchsorted(mass, share * mass[-1]))
    return float(distance[order[min(at, len(order) - 1)]])


def _shifted_cube(values: Tensor, centre: list[float], side: int) -> Tensor:
    """Return a cube about a point of a volume, zero outside, linear between voxels."""
    device, shape = values.device, values.shape
    lines = [
        (torch.arange(side, device=device) - side // 2 + c + n // 2) * (2 / max(1, n - 1)) - 1
        for c, n in zip(centre, shape, strict=True)
    ]
    z, y, x = torch.meshgrid(*lines, indexing="ij")
    grid = torch.stack([x, y, z], dim=-1)[None].float()
    return grid_sample(values[None, None], grid, padding_mode="zeros", align_corners=True)[0, 0]


def make_template(
    density: Density,
    voxel_size_angstrom: float,
    resolution_angstrom: float,
    radius_angstrom: float,
    *,
    mask: Density | None = None,
    mirror: bool = False,
    with_null: bool = True,
    shape_statistics: bool = False,
    seed: int = 0,
) -> MatchTemplate:
    """Bring a density to the sampling of a tomogram.

    Parameters
    ----------
    voxel_size_angstrom
        Of the tomogram.
    resolution_angstrom
        Finer detail is left out.
    radius_angstrom
        Of the particle.
    mask
        What belongs to it, between 0 and 1; made from the density where none is given.
    mirror
        Turn the hand round, to see whether that fits better.
    with_null
        Also make the template of random phases.
    shape_statistics
        Keep the mask for local statistics under it instead of under a ball.
    """
    fine = voxel_size_angstrom / OVERSAMPLING
    box = 2 * math.ceil(radius_angstrom / voxel_size_angstrom + EDGE_VOXELS + 1)
    # Turned corner to corner the box must still find samples.
    side = 2 * math.ceil(OVERSAMPLING * box * math.sqrt(3) / 2)
    values = _resampled(_low_passed(density, resolution_angstrom), fine, side)
    if mirror:
        values = mirrored(values, 0)
    if mask is None:
        edge = resolution_angstrom / 2 / fine
        soft = soft_mask(values, edge)
    else:
        soft = _resampled(_low_passed(mask, resolution_angstrom), fine, side).clamp(0, 1)
        soft = mirrored(soft, 0) if mirror else soft
    edge = EDGE_VOXELS * OVERSAMPLING
    radius = radius_angstrom / fine
    ball = soft_ball(side, radius, edge).to(values.device)
    values = values * soft * ball
    null = _random_phases(values, seed) * ball if with_null else None
    own = (soft * ball) if shape_statistics else None
    return MatchTemplate(
        values, null, own, box, radius_angstrom / voxel_size_angstrom, voxel_size_angstrom
    )


def soft_mask(values: Tensor, edge: float) -> Tensor:
    """Return 1 where a density is, falling to 0 over an edge of so many samples."""
    inside = (values > MASK_LEVEL * values.max()).float()
    wide = highest_around(inside, max(1, round(edge / 2)))
    count = max(1, round(edge))
    soft = wide
    for _ in range(2):
        soft = torch.nn.functional.avg_pool3d(
            soft[None, None], 2 * (count // 2) + 1, stride=1, padding=count // 2
        )[0, 0]
    return soft


def _low_passed(density: Density, resolution_angstrom: float) -> Density:
    shape = density.values.shape
    frequency = radial_frequency(tuple(shape), density.values.device)
    cut = density.voxel_size_angstrom / resolution_angstrom
    spectrum = torch.fft.rfftn(density.values) * raised_cosine(frequency - cut, 0.2 * cut)
    values = torch.fft.irfftn(spectrum, s=shape)
    return Density(
        values, density.voxel_size_angstrom, density.radius_angstrom, density.moved_angstrom
    )


def _resampled(density: Density, voxel_size_angstrom: float, side: int) -> Tensor:
    """Return a cube of another sampling about the same centre; coarse densities are refined."""
    values, scale = density.values, voxel_size_angstrom / density.voxel_size_angstrom
    factor = math.ceil(1 / scale)
    if factor > 1:
        values, scale = _finer(values, factor), scale * factor
    n = values.shape[0]
    line = (torch.arange(side, device=values.device) - side // 2) * scale + n // 2
    line = line * (2 / (n - 1)) - 1
    z, y, x = torch.meshgrid(line, line, line, indexing="ij")
    grid = torch.stack([x, y, z], dim=-1)[None].float()
    return grid_sample(values[None, None], grid, padding_mode="zeros", align_corners=True)[0, 0]


def _finer(values: Tensor, factor: int) -> Tensor:
    """Return a cube with ``factor`` samples for one, exact below Nyquist; the centre stays."""
    n = values.shape[0]
    spectrum = torch.fft.fftshift(torch.fft.fftn(values))
    before = n * factor // 2 - n // 2
    after = n * factor - n - before
    padded = torch.nn.functional.pad(spectrum, (before, after) * 3)
    return torch.fft.ifftn(torch.fft.ifftshift(padded)).real * factor**3


def _random_phases(values: Tensor, seed: int) -> Tensor:
    """Return a density of the same amplitudes whose phases are chance."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(values.shape, generator=generator).to(values.device)
    phases = torch.fft.rfftn(noise)
    amplitude = torch.fft.rfftn(values).abs()
    return torch.fft.irfftn(amplitude * phases / phases.abs().clamp_min(1e-12), s=values.shape)


def symmetry_agreement(density: Tensor, symmetry: str) -> float:
    """Return the least correlation of a density with itself, turned as a symmetry allows.

    Parameters
    ----------
    density
        Of a template, ``[m, m, m]``.
    """
    group = symmetry_rotations(symmetry)[1:13]
    if not len(group):
        return 1.0
    side = density.shape[0]
    template = MatchTemplate(density, None, None, side // OVERSAMPLING // 2 * 2, 1.0, 1.0)
    turned = template.turned(torch.from_numpy(np.concatenate([np.eye(3)[None], group])).float())
    flat = turned.flatten(1)
    flat = flat - flat.mean(dim=1, keepdim=True)
    flat = flat / flat.norm(dim=1, keepdim=True).clamp_min(1e-12)
    return float((flat[1:] @ flat[0]).min())

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from tomotui.algorithms.match.field import Band, Field, prepare, search_sampling
from tomotui.algorithms.match.kernels import Kernels
from tomotui.algorithms.match.template import Density, centred, make_template
from tomotui.algorithms.restore.comb import Comb, response
from tomotui.geometry import rotation_y
from tomotui.imaging.potential import sample
from tomotui.simulate.shapes import shape

VOXEL_ANGSTROM = 16.0
RESOLUTION_ANGSTROM = 64.0


@dataclass(frozen=True)
class Planted:
    """Ribosomes of known places (z, y, x) and poses in noise, as a tilt series would show them."""

    density: Density
    comb: Comb
    volume: Tensor
    places: np.ndarray
    rotations: np.ndarray

    def field_and_kernels(self, **choices: object) -> tuple[Field, Kernels]:
        sampling = search_sampling(VOXEL_ANGSTROM, RESOLUTION_ANGSTROM)
        template = make_template(
            self.density,
            VOXEL_ANGSTROM / float(sampling),
            RESOLUTION_ANGSTROM,
            self.density.radius_angstrom,
            **choices,  # type: ignore[arg-type]
        )
        band = Band(RESOLUTION_ANGSTROM, 400.0, True)
        field = prepare(self.volume, VOXEL_ANGSTROM, band, sampling, template.box)
        return field, Kernels.of(template, self.comb, field.filter)


def in_noise(clean: Tensor, comb: Comb, seed: int, noise: float = 1.5) -> Tensor:
    """Return what a tomogram shows of a volume, protein dark."""
    generator = torch.Generator().manual_seed(seed)
    spoilt = clean + noise * torch.randn(clean.shape, generator=generator)
    seen = response(comb, tuple(clean.shape), VOXEL_ANGSTROM)
    return -torch.fft.irfftn(torch.fft.rfftn(spoilt) * seen, s=clean.shape)


def plant() -> Planted:
    """Plant two ribosomes."""
    fine = VOXEL_ANGSTROM / 2
    density = centred(torch.from_numpy(sample(shape("ribosome"), "r", fine).potential_v), fine)
    comb = Comb(rotation_y(np.arange(-60, 61, 3.0))[:, 2, :])
    rotations = Rotation.random(2, random_state=4).as_matrix()
    places = np.array([[13, 17, 28], [18, 33, 12]])
    template = make_template(
        density, VOXEL_ANGSTROM, 2 * VOXEL_ANGSTROM, density.radius_angstrom, with_null=False
    )
    clean, half = torch.zeros(32, 48, 44), template.box // 2
    turned = template.turned(torch.from_numpy(rotations).float())[:, 0]
    padded = torch.nn.functional.pad(clean, (half,) * 6)
    for (z, y, x), one in zip(places, turned, strict=True):
        padded[z : z + 2 * half, y : y + 2 * half, x : x + 2 * half] += one
    clean = padded[half:-half, half:-half, half:-half]
    return Planted(density, comb, in_noise(clean / clean.std(), comb, 1), places, rotations)


@pytest.fixture(scope="session")
def planted() -> Planted:
    return plant()

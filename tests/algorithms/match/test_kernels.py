from __future__ import annotations

import numpy as np
import torch

from tomotui.algorithms.match.field import SpectralFilter
from tomotui.algorithms.match.kernels import Kernels
from tomotui.algorithms.match.template import Density, MatchTemplate, make_template
from tomotui.algorithms.restore.comb import Comb
from tomotui.geometry import rotation_y

NORMALS = rotation_y(np.arange(-60, 61, 3.0))[:, 2, :]
ALL = SpectralFilter(torch.ones(130), 0.001)


def template(**choices: bool) -> MatchTemplate:
    values = torch.rand((36, 36, 36), generator=torch.Generator().manual_seed(0))
    smooth = torch.nn.functional.avg_pool3d(values[None, None], 3, 1, 1)[0, 0]
    return make_template(Density(smooth, 5.0, 70.0, (0, 0, 0)), 10.0, 20.0, 70.0, **choices)


def made(comb: Comb, **choices: bool) -> torch.Tensor:
    kernels, _ = Kernels.of(template(**choices), comb, ALL).make(torch.eye(3)[None])
    return kernels[0]


def test_kernels_have_no_mean_and_score_themselves_with_one() -> None:
    kernels = Kernels.of(template(), Comb(NORMALS), ALL)
    made, mask = kernels.make(torch.eye(3)[None])
    assert float(made.sum(dim=(-3, -2, -1)).abs().max()) < 1e-4
    weight = mask[0, 0]
    inside = weight > 1e-3
    own = torch.where(inside, made[0, 0] / weight.clamp_min(1e-3), 0)
    mean = (own * weight).sum() / weight.sum()
    deviation = ((own - mean).square() * weight).sum().div(weight.sum()).sqrt()
    assert abs(float((made[0, 0] * own).sum() / deviation) - 1) < 0.01


def test_a_transfer_left_uncorrected_turns_the_contrast_round() -> None:
    flat = np.ones((len(NORMALS), 50))
    plain, inverted = (made(Comb(NORMALS, s * flat, 0.002)) for s in (1, -1))
    assert torch.allclose(plain, -inverted, atol=1e-6)


def test_what_the_tilts_have_not_seen_is_not_in_the_kernel() -> None:
    kernels = Kernels.of(template(with_null=False), Comb(NORMALS), ALL)
    # Beyond 60 degrees from the plane of the untilted image lies the wedge: along z.
    assert float(kernels.transfer[5:10, 0, 0].abs().max()) == 0.0
    assert float(kernels.transfer[0, 5, 3]) > 0.9


def test_the_null_is_no_particle_but_as_strong() -> None:
    both = made(Comb(NORMALS))
    assert both.shape[0] == 2
    sizes = both.flatten(1).norm(dim=1)
    assert 0.8 < float(sizes[1] / sizes[0]) < 1.3
    assert abs(float(torch.corrcoef(both.flatten(1))[0, 1])) < 0.5

"""First maps of a particle that is nearly round, from orientations that nobody knows."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from tomotui.algorithms.initial_model.annealing import CALM, Annealing
from tomotui.algorithms.initial_model.plan import AnnealingPlan, Outcome
from tomotui.algorithms.refine.search import turned_references
from tomotui.algorithms.subtomograms.joined import HalfBall, JoinedViews
from tomotui.geometry.angles import super_fibonacci
from tomotui.imaging.round_part import round_share, without_round_part
from tomotui.imaging.slices import SliceSource

SIZE, RADIUS, PIXEL_ANGSTROM, N_PARTICLES = 24, 7.0, 10.0, 40
PLAN = AnnealingPlan(
    130.0, PIXEL_ANGSTROM, 60.0, 35.0, shift_reach_angstrom=5.0, symmetry="O", n_steps=30, batch=24
)


@pytest.fixture(scope="module")
def cage() -> Tensor:
    """A shell with six knobs on the axes, as those of a cube."""
    line = torch.arange(SIZE) - SIZE // 2
    z, y, x = torch.meshgrid(line, line, line, indexing="ij")
    radius = (x**2 + y**2 + z**2).float().sqrt()
    found = torch.exp(-((radius - 4.5) ** 2) / 4)
    for axis in (x, y, z):
        for sign in (-1, 1):
            off = radius.square() - axis**2 + (sign * axis - 5) ** 2
            found += 0.5 * torch.exp(-off / 3)
    return found


@pytest.fixture(scope="module")
def joined(cage: Tensor) -> JoinedViews:
    """Particles turned every way, each with a wedge that it lacks."""
    ball = HalfBall(SIZE, RADIUS)
    rotations = torch.as_tensor(super_fibonacci(N_PARTICLES), dtype=torch.float32)
    spectra = turned_references(SliceSource(cage, RADIUS), ball, rotations)
    x, _, z = ball.frequencies.unbind(-1)
    weights = torch.where(z.abs() > 1.7 * x.abs(), 0.002, 0.02).expand(N_PARTICLES, -1)
    chance = torch.Generator().manual_seed(3)
    parts = torch.randn(*weights.shape, 2, generator=chance)
    values = weights * spectra + weights.sqrt() * torch.view_as_complex(parts)
    return JoinedViews(ball, values, weights.contiguous())


def likeness(first: Tensor, second: Tensor) -> float:
    """Correlate what is not round of two maps."""
    parts = torch.stack([without_round_part(one).flatten() for one in (first, second)])
    return float(torch.corrcoef(parts)[0, 1])


def test_directions_of_a_cage_are_found(cage: Tensor, joined: JoinedViews) -> None:
    found = Annealing(joined, PLAN).run()
    assert round_share(found.maps[0]) > 0.85
    assert found.rival is not None
    assert likeness(found.maps[0], cage) > 0.8


def test_a_search_that_took_directions_the_other_way_gets_out(
    cage: Tensor, joined: JoinedViews
) -> None:
    annealing = Annealing(joined, PLAN)
    annealing.begin()
    wrong = (cage - 2 * without_round_part(cage))[None]
    annealing.maps, annealing.step = wrong, 20
    history = np.array([(annealing.advance().score, 0.0) for _ in range(CALM)])
    stuck = Outcome(annealing.maps, 25, True, history, np.ones(1))
    assert likeness(stuck.maps[0], cage) < 0
    found = annealing._or_its_opposite(stuck, None)
    assert likeness(found.maps[0], cage) > 0.8
    assert found.rival is not None
    assert found.rival > 1

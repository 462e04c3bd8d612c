from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from tomotui.algorithms.reconstruct.frame import Sampling
from tomotui.algorithms.reconstruct.gold import Beads, erase_beads, find_beads
from tomotui.algorithms.reconstruct.plan import CPU_BYTES, plan_slabs, working_bytes
from tomotui.algorithms.reconstruct.prepare import normalise
from tomotui.algorithms.reconstruct.volumes import Material, Recipe, reconstruct_volumes
from tomotui.geometry import TiltGeometry

PIXEL, DIAMETER, SIDE = 20.0, 100.0, 128
GEOMETRY = TiltGeometry.of(
    np.arange(-60.0, 61.0, 3.0), 15.0, 0.0, np.random.default_rng(0).normal(0, 40, (41, 2))
)
BEADS = np.array([[300.0, -400.0, 150.0], [-500.0, 350.0, -140.0], [100.0, 600.0, 20.0]])


def noise(seed: int = 0) -> Tensor:
    """Ice with some correlation, mean 100."""
    torch.manual_seed(seed)
    smooth = torch.nn.functional.avg_pool2d(torch.randn(41, 1, SIDE, SIDE), 3, 1, 1)[:, 0]
    return 100 + 5 * torch.randn(41, SIDE, SIDE) + 12 * smooth


def with_beads(images: Tensor) -> Tensor:
    places = GEOMETRY.project(BEADS)[..., :2] / PIXEL + SIDE // 2
    y, x = np.mgrid[:SIDE, :SIDE]
    out = images.clone()
    for tilt in range(41):
        for px, py in places[tilt]:
            thick = np.sqrt(np.maximum(0, 2.5**2 - (x - px) ** 2 - (y - py) ** 2)) / 2.5
            out[tilt] *= torch.from_numpy(np.exp(-1.5 * thick)).float()
    return out


def volume_of(images: Tensor) -> Tensor:
    slabs = reconstruct_volumes(
        Material(normalise(images), GEOMETRY), Sampling(PIXEL, SIDE, SIDE, 40), Recipe(), "cpu"
    )
    return torch.cat([slab.parts[0] for slab in slabs])


def test_beads_are_found_and_nothing_else() -> None:
    found = find_beads(volume_of(with_beads(noise())), PIXEL, DIAMETER)
    assert len(found.places_angstrom) == 3
    for bead in BEADS:
        assert np.linalg.norm(found.places_angstrom - bead, axis=1).min() < 30
    assert (np.diff(found.deviations) <= 0).all()
    assert len(find_beads(volume_of(noise()), PIXEL, DIAMETER).places_angstrom) == 0


def test_erased_beads_leave_no_trace() -> None:
    clean, gold = noise(), with_beads(noise())
    beads = Beads(BEADS + 12.0, np.ones(3))
    erased = erase_beads(gold, beads, GEOMETRY, PIXEL, DIAMETER)
    # As loud, and as smooth, in the holes as anywhere.
    places = np.round(GEOMETRY.project(BEADS)[..., :2] / PIXEL).astype(int) + SIDE // 2
    inside = torch.stack(
        [erased[t, y - 2 : y + 3, x - 2 : x + 3] for t in range(41) for x, y in places[t]]
    )
    assert float(inside.mean()) == pytest.approx(float(clean.mean()), abs=1.0)
    assert float(inside.std()) == pytest.approx(float(clean.std()), rel=0.15)
    # Far from the beads nothing has changed.
    assert (erased == gold).float().mean() > 0.9
    # In the volume, bead and streaks are gone.
    volumes = [volume_of(images) for images in (clean, gold, erased)]
    deviation = float(volumes[0].std())
    at = np.round(BEADS[:, ::-1] / PIXEL).astype(int) + np.array([20, 64, 64])
    for _, y, x in at:
        near = (slice(None), slice(y - 6, y + 7), slice(x - 6, x + 7))
        assert -float(volumes[1][near].min()) > 8 * deviation
        assert -float(volumes[2][near].min()) < 5 * deviation
        assert float(volumes[2][near].std()) == pytest.approx(
            float(volumes[0][near].std()), rel=0.15
        )


def test_no_beads_no_change() -> None:
    images = noise()
    nothing = Beads(np.zeros((0, 3)), np.zeros(0))
    assert erase_beads(images, nothing, GEOMETRY, PIXEL, DIAMETER) is images


@pytest.mark.parametrize("budget_gib", [0.5, 2, 16, 80])
@pytest.mark.parametrize("side", [720, 4096])
@pytest.mark.parametrize("padding", [1.0, 5.0])
def test_any_volume_is_cut_to_fit(budget_gib: float, side: int, padding: float) -> None:
    budget = int(budget_gib * 2**30)
    columns = int(1.5 * side)
    plan = plan_slabs((41, columns, side), side, side // 2, 3, padding, budget)
    assert 1 <= plan.sections <= side // 2
    assert 1 <= plan.rows <= side
    images = 4 * 41 * columns * side
    used = images if plan.images_stay else 0
    used += 4 * padding * 41 * columns * plan.rows
    used += 4 * padding * side * 3 * plan.rows * plan.sections
    # One section and a few rows are the least there can be.
    least = 4 * padding * (41 * columns * 16 + side * 3 * 16)
    assert used <= max(budget, least)


def test_small_volumes_are_not_cut() -> None:
    plan = plan_slabs((41, 200, 128), 128, 64, 3, 1.0, CPU_BYTES)
    assert (plan.sections, plan.rows, plan.images_stay) == (64, 128, True)
    assert working_bytes("cpu") == CPU_BYTES

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from tomotui.algorithms.match.choose import choose
from tomotui.algorithms.match.peaks import find_peaks
from tomotui.algorithms.match.refine import refine_poses
from tomotui.algorithms.match.search import Best, Search
from tomotui.algorithms.match.tiles import plan_tiles
from tomotui.algorithms.parallel import Ranks
from tomotui.geometry.angles import orientation_grid
from tomotui.geometry.symmetry import symmetric_angle_deg, symmetry_rotations

STEP_DEG = 30.0


def quiet(_: object) -> None:
    pass


def searched(search: Search) -> Best:
    best = search.start()
    search.run(best, quiet, quiet)
    return best


def search_of(planted, rotations: np.ndarray, longest: int | None = None, **choices) -> Search:  # type: ignore[no-untyped-def]
    field, kernels = planted.field_and_kernels(**choices)
    plan = plan_tiles(field.shape, kernels.template.box, "cpu", longest)
    return Search(field, kernels, torch.from_numpy(rotations), plan, Ranks())


@pytest.fixture(scope="module")
def grid() -> np.ndarray:
    return orientation_grid(STEP_DEG)


@pytest.fixture(scope="module")
def found(planted, grid) -> tuple[Search, Best]:  # type: ignore[no-untyped-def]
    search = search_of(planted, grid)
    return search, searched(search)


def test_planted_particles_are_found_where_and_as_they_are(planted, grid, found) -> None:  # type: ignore[no-untyped-def]
    search, best = found
    scores = search.finished(best)
    chosen = choose(
        scores,
        search.kernels.template.radius_voxels,
        torch.ones(scores.shape[:3], dtype=torch.bool),
        1.0,
        search.null_deviation(),
        len(grid),
    )
    above = chosen.peaks.select(chosen.peaks.scores > chosen.threshold)
    assert 2 <= len(above) <= 4
    voxels = above.voxels[:2]
    first = grid[best.index[tuple(voxels.T)].numpy()]
    poses = refine_poses(search.field, search.kernels, voxels, first, STEP_DEG, quiet)
    positions = search.field.positions_angstrom(poses.places)
    centre = np.array(planted.volume.shape) // 2
    true = (planted.places - centre)[:, ::-1] * 16.0
    order = [int(np.linalg.norm(true - p, axis=1).argmin()) for p in positions]
    assert sorted(order) == [0, 1]
    assert np.abs(positions - true[order]).max() < 0.5 * 16.0
    group = symmetry_rotations("C1")
    angles = symmetric_angle_deg(poses.rotations, planted.rotations[order], group)
    assert angles.max() < 6.0
    assert (symmetric_angle_deg(first, planted.rotations[order], group) > angles).all()


def test_scores_are_correlations(found) -> None:  # type: ignore[no-untyped-def]
    search, best = found
    scores = search.finished(best)
    assert 0.5 < float(scores[..., 0].max()) <= 1.0
    assert float(scores[..., 1].max()) < float(scores[..., 0].max())
    assert 0.01 < search.null_deviation() < 0.2


def test_tiles_agree_with_one_piece(planted, grid) -> None:  # type: ignore[no-untyped-def]
    few = grid[:70]
    whole, cut = search_of(planted, few), search_of(planted, few, longest=38)
    assert len(whole.plan.tiles) == 1
    assert len(cut.plan.tiles) > 1
    one, other = (s.finished(searched(s)) for s in (whole, cut))
    assert torch.allclose(one, other, atol=2e-5)


def test_a_search_without_null_scores_alike(planted, grid) -> None:  # type: ignore[no-untyped-def]
    few = grid[:65]
    with_null = search_of(planted, few)
    without = search_of(planted, few, with_null=False)
    best, other = searched(with_null), searched(without)
    assert torch.allclose(
        with_null.finished(best)[..., 0], without.finished(other)[..., 0], atol=2e-5
    )
    assert (best.index == other.index).float().mean() > 0.999


def test_under_a_ball_as_mask_both_statistics_agree(planted, grid) -> None:  # type: ignore[no-untyped-def]
    few = grid[:24]
    ball = search_of(planted, few)
    shape = search_of(planted, few, shape_statistics=True)
    assert shape.kernels.has_own_mask
    scores, own = ball.finished(searched(ball)), shape.finished(searched(shape))
    # The particle fills much of its ball: other weights, but the same picture.
    assert float(own.abs().max()) <= 1.0
    both = torch.stack([scores[..., 0].flatten(), own[..., 0].flatten()])
    assert float(torch.corrcoef(both)[0, 1]) > 0.7


def test_a_stopped_search_goes_on_to_the_same_result(planted, grid) -> None:  # type: ignore[no-untyped-def]
    few = grid[:140]
    straight = searched(search_of(planted, few))
    search = search_of(planted, few)
    best = search.start()

    def stop(share: float) -> None:
        if share > 0.7:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        search.run(best, stop, quiet)
    assert best.blocks_done == 1
    again = search_of(planted, few)
    kept = Best(best.scores.clone(), best.index.clone(), best.blocks_done)
    again.run(kept, quiet, quiet)
    assert torch.equal(kept.scores, straight.scores)
    assert torch.equal(kept.index, straight.index)


def test_a_symmetric_grid_misses_nothing(planted) -> None:  # type: ignore[no-untyped-def]
    group = symmetry_rotations("C4")
    template = planted.density
    cube = template.values
    # About n // 2 a turn by 90 degrees keeps the grid once the first row and column are empty.
    cube = cube.clone()
    cube[:, 0] = cube[:, :, 0] = 0
    turns = [cube]
    for _ in range(3):
        turns.append(turns[-1].transpose(1, 2).flip(2).roll(1, 2))
    symmetric = torch.stack(turns).mean(dim=0)
    density = type(template)(
        symmetric, template.voxel_size_angstrom, template.radius_angstrom, (0, 0, 0)
    )
    changed = type(planted)(
        density, planted.comb, planted.volume, planted.places, planted.rotations
    )
    reduced = orientation_grid(45.0, "C4")
    full = (reduced[:, None] @ group).reshape(-1, 3, 3)
    few, all_of_them = search_of(changed, reduced), search_of(changed, full)
    scores, expected = (s.finished(searched(s))[..., 0] for s in (few, all_of_them))
    assert len(reduced) * 4 == len(full)
    assert float((scores - expected).abs().max()) < 0.03
    assert float((scores - expected).abs().mean()) < 0.003


RANK = """
import sys, torch
import torch.distributed as dist
sys.path.insert(0, sys.argv[1])
from conftest import *
from test_search import *
meeting, rank = sys.argv[2], int(sys.argv[3])
dist.init_process_group("gloo", init_method=f"file://{meeting}", world_size=2, rank=rank)
search = search_of(plant(), orientation_grid(STEP_DEG)[:72])
best = search.start()
search.run(best, quiet, quiet)
torch.save((best.scores, best.index), f"{meeting}.{rank}.pt")
dist.destroy_process_group()
"""


@pytest.mark.slow
def test_two_processes_find_what_one_finds(planted, grid, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    meeting = tmp_path / "meeting"
    words = [sys.executable, "-c", RANK, str(Path(__file__).parent), str(meeting)]
    processes = [subprocess.Popen([*words, str(rank)]) for rank in range(2)]
    assert [process.wait(timeout=120) for process in processes] == [0, 0]
    alone = searched(search_of(planted, grid[:72]))
    for rank in range(2):
        scores, index = torch.load(f"{meeting}.{rank}.pt", weights_only=True)
        assert torch.equal(scores, alone.scores)
        assert torch.equal(index, alone.index)


def test_peaks_keep_their_distance() -> None:
    scores = 0.01 * torch.rand((20, 20, 20), generator=torch.Generator().manual_seed(1))
    for place, value in {
        (5, 5, 5): 1.0,
        (5, 5, 8): 0.9,
        (5, 12, 5): 0.8,
        (15, 15, 15): 0.95,
    }.items():
        scores[place] = value
    found = find_peaks(scores, 5.0).select(slice(0, 3))
    assert found.voxels.tolist() == [[5, 5, 5], [15, 15, 15], [5, 12, 5]]
    blocked: Tensor = torch.ones(20, 20, 20, dtype=torch.bool)
    blocked[:10] = False
    assert find_peaks(scores, 5.0, blocked).voxels.tolist()[0] == [15, 15, 15]

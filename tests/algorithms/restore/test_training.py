from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import pytest
import torch
import torch.multiprocessing as mp

from tomotui.algorithms.parallel import Ranks
from tomotui.algorithms.restore.comb import Comb, measured
from tomotui.algorithms.restore.combine import blended, find_blend, put_back
from tomotui.algorithms.restore.honesty import examine
from tomotui.algorithms.restore.inference import restore_planes, restore_volume
from tomotui.algorithms.restore.network import Architecture, RestorationNet
from tomotui.algorithms.restore.planes import PlaneSampler
from tomotui.algorithms.restore.samples import CubeSampler
from tomotui.algorithms.restore.training import Progress, Schedule, Trainer

SMALL = Architecture(n_dims=3, width=8, fine_width=8, levels=3, dropout=0.1)


def in_wedge(volume: torch.Tensor, truth: torch.Tensor, comb: Comb) -> float:
    """Return the correlation with truth of what was never measured, short of the finest."""
    shape = tuple(truth.shape)
    missing = measured(Comb(comb.normals), shape, 10.0, longest=32).coverage < 1e-3
    radius = sum(
        axis**2
        for axis in (
            torch.fft.fftfreq(shape[0])[:, None, None],
            torch.fft.fftfreq(shape[1])[:, None],
            torch.fft.rfftfreq(shape[2]),
        )
    ).sqrt()
    chosen = missing & (radius < 0.2) & (radius > 0.02)
    a, b = (torch.fft.rfftn(v - v.mean())[chosen] for v in (volume, truth))
    return float(
        (a * b.conj()).real.sum() / (a.abs().square().sum() * b.abs().square().sum()) ** 0.5
    )


def trainer_of(scene: Any, steps: int, **choices: Any) -> Trainer:
    lessons = CubeSampler([scene.material], 24, 0.2, "cpu")
    schedule = Schedule(steps, learning_rate=4e-3, judge_every=10, **choices)
    return Trainer(lessons, SMALL, schedule, seed=0)


@pytest.fixture(scope="module")
def trained(scene: Any) -> tuple[Trainer, list[Progress]]:
    told: list[Progress] = []
    trainer = trainer_of(scene, 80, refill_at=(0.5,))
    trainer.run(told.append)
    return trainer, told


@pytest.fixture(scope="module")
def answers(scene: Any, trained: Any) -> torch.Tensor:
    network = trained[0].final()
    return torch.stack([restore_volume(network, one, 128, "cpu") for one in scene.material.inputs])


def test_training_lowers_the_loss_it_was_not_trained_on(trained: Any) -> None:
    trainer, told = trained
    assert [p.step for p in told] == list(range(1, 81))
    looks = [p.held_out for p in told if p.held_out is not None]
    assert len(looks) == 8
    assert looks[-1][1] < 0.95 * looks[0][1]
    assert trainer.refills == 1


def test_the_wedge_is_filled_with_what_is_true(scene: Any, answers: torch.Tensor) -> None:
    before = in_wedge(scene.material.inputs.mean(dim=0), scene.truth, scene.comb)
    after = in_wedge(answers.mean(dim=0), scene.truth, scene.comb)
    assert abs(before) < 0.15
    assert after > 0.45


def test_blending_is_no_worse_than_data_or_answer(scene: Any, answers: torch.Tensor) -> None:
    material = scene.material
    best = blended(material, answers, find_blend(material, answers))

    def close(volume: torch.Tensor) -> float:
        inner = (slice(8, -8),) * 3
        pair = torch.stack([volume[inner].ravel(), scene.truth[inner].ravel()])
        return float(torch.corrcoef(pair)[0, 1])

    assert close(best) > close(material.inputs.mean(dim=0)) + 0.05
    assert close(best) > close(answers.mean(dim=0)) - 0.02


def test_put_back_leaves_what_was_measured_exactly(scene: Any, answers: torch.Tensor) -> None:
    material = scene.material
    tomogram = material.mean - material.scale * material.targets.mean(dim=0)
    filled = put_back(material, tomogram, scene.comb, answers.mean(dim=0))
    seen = measured(scene.comb, material.shape, 10.0).coverage > 0
    before, after = torch.fft.rfftn(tomogram), torch.fft.rfftn(filled)
    scale = float(before.abs().max())
    assert float((before - after)[seen].abs().max()) < 1e-4 * scale
    wedge = ~seen
    assert float(after[wedge].abs().square().sum()) > 10 * float(before[wedge].abs().square().sum())
    # Protein stays dark.
    assert in_wedge(-filled, scene.truth, scene.comb) > 0.4


def test_nothing_is_filled_into_data_without_structure(
    scene: Any, trained: Any, answers: Any
) -> None:
    network = trained[0].final()

    def restore(volume: torch.Tensor) -> torch.Tensor:
        return restore_volume(network, volume, 128, "cpu")

    found = examine(scene.material, answers, restore, 64)
    # So small a box has few terms in its wedge: of noise alone they correlate by some tenths.
    assert abs(found.null) < 0.4
    assert found.filled > abs(found.null) + 0.3
    assert found.noise_share < 0.5
    assert found.agreement is not None
    assert found.agreement > 0.5


@pytest.mark.slow
def test_going_on_is_as_if_nothing_had_happened(scene: Any) -> None:
    def losses(trainer: Trainer, steps: int) -> list[float]:
        found: list[float] = []

        class Enough(Exception):
            pass

        def told(progress: Progress) -> None:
            found.append(progress.filling)
            if len(found) == steps:
                raise Enough

        with contextlib.suppress(Enough):
            trainer.run(told)
        return found

    whole = losses(trainer_of(scene, 8, refill_at=(0.3,)), 8)
    first = trainer_of(scene, 8, refill_at=(0.3,))
    begun = losses(first, 5)
    kept = first.state()
    second = trainer_of(scene, 8, refill_at=(0.3,))
    second.go_on(kept)
    assert begun + losses(second, 3) == pytest.approx(whole, rel=1e-4)


@pytest.mark.slow
def test_patience_ends_a_training_that_gets_no_better(scene: Any) -> None:
    trainer = trainer_of(scene, 10_000, refill_at=(), patience=2)
    trainer.best_loss = 0.0
    trainer.run(lambda progress: None)
    assert trainer.is_exhausted
    assert trainer.step == 20


@pytest.mark.slow
def test_side_views_are_learnt_from_sections(scene: Any) -> None:
    architecture = Architecture(n_dims=2, width=16, levels=3)
    lessons = PlaneSampler([scene.material], 32, "cpu")
    trainer = Trainer(lessons, architecture, Schedule(150, batch=8, learning_rate=2e-3), seed=0)
    trainer.run(lambda progress: None)
    answer = restore_planes(trainer.final(), scene.material.inputs.mean(dim=0), 8, "cpu")
    assert in_wedge(answer, scene.truth, scene.comb) > 0.25


def test_a_network_that_has_learnt_nothing_changes_nothing() -> None:
    image = torch.randn(1, 1, 16, 24, 32)
    assert torch.equal(RestorationNet(SMALL).eval()(image), image)


def _one_of_two(rank: int, folder: str) -> None:
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2
    )
    torch.manual_seed(rank)
    network = torch.nn.Linear(3, 1, bias=False)
    ranks = Ranks()
    ranks.same_weights(network)
    network(torch.full((1, 3), float(rank + 1))).sum().backward()
    ranks.mean_gradients(network)
    assert network.weight.grad is not None
    np.savez(
        f"{folder}/{rank}.npz",
        weight=network.weight.detach().numpy(),
        gradient=network.weight.grad.numpy(),
    )
    torch.distributed.destroy_process_group()


def test_processes_share_weights_and_gradients(tmp_path: Any) -> None:
    mp.spawn(_one_of_two, (str(tmp_path),), nprocs=2)
    one, two = (np.load(tmp_path / f"{rank}.npz") for rank in range(2))
    assert np.array_equal(one["weight"], two["weight"])
    assert one["gradient"] == pytest.approx(1.5)
    assert two["gradient"] == pytest.approx(1.5)

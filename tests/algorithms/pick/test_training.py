"""A network learns from a few balls, goes on after a stop, and tells what it does not know."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from tomotui.algorithms.pick.calibration import Calibration, HeldOut, calibrated
from tomotui.algorithms.pick.informative import priorities, uncertainty
from tomotui.algorithms.pick.lessons import CropSampler
from tomotui.algorithms.pick.network import Architecture
from tomotui.algorithms.pick.search import find_peaks, look
from tomotui.algorithms.pick.training import Schedule, Trainer, centre_shares

SCHEDULE = Schedule(pretraining_steps=0, steps=45, batch=2, learning_rate=1e-2)


def trainer(balls: SimpleNamespace, schedule: Schedule = SCHEDULE) -> Trainer:
    sampler = CropSampler([balls.volume], balls.labels(5), [10.0], 24, 0.3, "cpu")
    priors = centre_shares(np.array([25.0]), [10.0], [balls.volume])
    return Trainer(sampler, Architecture(1, 8), schedule, priors, seed=1)


def test_few_judgements_find_the_others(balls: SimpleNamespace) -> None:
    training = trainer(balls)
    training.run(lambda progress: None)
    maps = look([training.mean], balls.volume.halves.mean(dim=0), 160, "cpu", 2)
    peaks = find_peaks(maps, 0, 10.0, 25, -20.0)
    distance = np.linalg.norm(peaks.voxels[:, None] - balls.centres[0][None], axis=-1)
    assert (distance.min(axis=0) < 2.0).sum() >= 21


def test_a_stopped_training_goes_on_as_if_nothing_had_happened(balls: SimpleNamespace) -> None:
    schedule = Schedule(pretraining_steps=2, steps=4, batch=1)
    whole = trainer(balls, schedule)
    losses: list[float] = []
    whole.run(lambda progress: losses.append(progress.image))
    first = trainer(balls, schedule)

    class Stop(Exception):
        pass

    def stop(progress: object) -> None:
        if first.step == 3:
            raise Stop

    with pytest.raises(Stop):
        first.run(stop)
    second = trainer(balls, schedule)
    second.go_on(first.state())
    rest: list[float] = []
    second.run(lambda progress: rest.append(progress.image))
    # Threads add up in any order, so the last digits may differ.
    assert rest == pytest.approx(losses[3:], rel=1e-3)


def test_another_species_takes_over_the_eyes_and_not_the_judgement(
    balls: SimpleNamespace,
) -> None:
    old, new = trainer(balls), trainer(balls)
    with torch.no_grad():
        old.network.first.weight.fill_(0.5)
        last = old.network.head[-1]
        last.weight.fill_(0.7)
    new.take_over(old.network, with_centres=False)
    assert float(new.network.first.weight.detach().mean()) == 0.5
    assert float(new.network.head[-1].weight.detach().abs().max()) == 0
    new.take_over(old.network, with_centres=True)
    assert float(new.mean.head[-1].weight.detach().mean()) == pytest.approx(0.7)


def test_calibration_finds_the_true_shares() -> None:
    chance = np.random.default_rng(1)
    logits = chance.normal(0, 4, 4000)
    truth = 1 / (1 + np.exp(-(0.5 * logits - 1)))
    found = calibrated(HeldOut(logits, chance.random(4000) < truth))
    assert found.share(logits) == pytest.approx(truth, abs=0.05)
    assert found.share(np.array([found.logit_of(0.3)])) == pytest.approx(0.3)


def test_calibration_of_few_stays_careful() -> None:
    few = HeldOut(np.array([3.0, 4.0, -2.0, -3.0]), np.array([True, True, False, False]))
    found = calibrated(few)
    assert 0.5 < found.slope < 2.0
    assert calibrated(HeldOut(np.array([3.0]), np.array([True]))) == Calibration()
    assert few.average_precision() == 1.0
    assert np.isnan(HeldOut(np.array([3.0]), np.array([True])).average_precision())


def test_doubt_is_greatest_in_the_middle_and_where_looks_differ() -> None:
    shares = np.array([0.02, 0.5, 0.98, 0.98])
    doubt = uncertainty(shares, np.array([0.0, 0.0, 0.0, 6.0]))
    assert doubt[1] == pytest.approx(1.0)
    assert doubt[0] < 0.1
    assert doubt[2] < doubt[3]


def test_what_is_alike_is_not_asked_twice_in_a_row() -> None:
    uncertain = np.array([0.9, 0.89, 0.88, 0.5, 0.1])
    alike = np.array([[1.0, 0.0], [1.0, 0.01], [1.0, -0.01], [-1.0, 0.5]])
    order = np.argsort(-priorities(uncertain, alike))
    assert order[0] == 0
    assert order[1] == 3
    assert order[-1] == 4

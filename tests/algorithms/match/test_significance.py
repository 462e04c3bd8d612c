from __future__ import annotations

import numpy as np
import pytest
import torch

from tomotui.algorithms.match.choose import choose
from tomotui.algorithms.match.significance import (
    Tail,
    fit_beside_particles,
    fit_tail,
    likely_particles,
    uncertainties,
)


def maxima_of_chance(n_peaks: int, trials_each: int, seed: int) -> np.ndarray:
    uniform = np.random.default_rng(seed).uniform(size=n_peaks)
    from scipy.special import erfcinv

    # The greatest of n Gaussians: its distribution function is that of one to the power n.
    return 0.05 * np.sqrt(2) * erfcinv(2 * -np.expm1(np.log(uniform) / trials_each))


def test_the_fitted_tail_tells_how_many_peaks_chance_makes() -> None:
    above = []
    for seed in range(40):
        tail = fit_tail(maxima_of_chance(800, 5000, seed))
        assert tail is not None
        threshold = tail.threshold(3.0)
        above.append(int((maxima_of_chance(800, 5000, 1000 + seed) > threshold).sum()))
    assert np.mean(above) == pytest.approx(3.0, abs=1.2)


def test_own_peaks_tell_nearly_as_well_beside_particles() -> None:
    above = []
    for seed in range(40):
        peaks = np.concatenate([maxima_of_chance(800, 5000, seed), np.full(100, 0.6)])
        tail = fit_beside_particles(peaks)
        assert tail is not None
        above.append(int((maxima_of_chance(800, 5000, 1000 + seed) > tail.threshold(3.0)).sum()))
    assert 1 < np.mean(above) < 9


def test_hundreds_of_particles_among_the_peaks_of_chance_raise_no_threshold() -> None:
    """Scores of particles that begin where those of chance are most frequent."""
    generator = np.random.default_rng(5)
    chance = maxima_of_chance(4000, 5000, 5)
    wanted = fit_tail(chance)
    assert wanted is not None
    particles = generator.normal(wanted.threshold(20.0), 0.02, 400)
    tail = fit_beside_particles(np.concatenate([chance, particles]))
    assert tail is not None
    assert tail.threshold(3.0) == pytest.approx(wanted.threshold(3.0), abs=0.015)
    spoilt = fit_tail(np.concatenate([chance, particles]))
    assert spoilt is not None
    assert spoilt.threshold(3.0) > wanted.threshold(3.0) + 0.02


def test_those_kept_for_review_hold_as_many_particles_as_chance_makes() -> None:
    chance = maxima_of_chance(4000, 5000, 6)
    tail = fit_tail(chance)
    assert tail is not None
    particles = np.random.default_rng(6).normal(tail.threshold(5.0), 0.01, 200)
    ordered = np.sort(np.concatenate([chance, particles]))[::-1]
    n = likely_particles(ordered, tail)
    by_chance = int((chance >= ordered[n - 1]).sum())
    assert 300 < n < 500
    assert by_chance / n == pytest.approx(0.5, abs=0.1)
    assert likely_particles(np.sort(chance)[::-1], tail) < 20


def test_thresholds_follow_the_error_function() -> None:
    tail = Tail(1e9, 0.05)
    # Beyond 6.0 deviations lies one in 1e9 trials.
    assert tail.threshold(1.0) == pytest.approx(0.05 * 5.998, rel=1e-3)
    assert float(tail.expected(tail.threshold(7.0))) == pytest.approx(7.0)


def test_few_peaks_are_no_tail() -> None:
    assert fit_tail(np.linspace(0.1, 0.2, 5)) is None
    assert fit_tail(np.full(100, 0.2)) is None


def test_scores_at_the_threshold_are_the_least_certain() -> None:
    found = uncertainties([0.2, 0.25, 0.5], 0.2, 0.05)
    assert found[0] == 1.0
    assert 1 > found[1] > found[2]
    assert found[2] < 1e-6


@pytest.mark.parametrize("with_null", [True, False])
def test_noise_gives_about_as_many_candidates_as_expected(with_null: bool) -> None:
    generator = torch.Generator().manual_seed(3)
    counts = []
    for _ in range(3):
        noise = torch.randn((16, 2, 28, 44, 44), generator=generator)
        smooth = torch.nn.functional.avg_pool3d(noise.flatten(0, 1)[:, None], 5, 1, 2)[:, 0]
        best = smooth.reshape(16, 2, 28, 44, 44).amax(dim=0).movedim(0, -1)
        best = best if with_null else best[..., :1]
        allowed = torch.ones(best.shape[:3], dtype=torch.bool)
        chosen = choose(best, 4.0, allowed, 10.0, float(smooth.std()), 16)
        counts.append(int((chosen.peaks.scores > chosen.threshold).sum()))
    assert 4 <= np.mean(counts) <= 20


def test_what_raises_template_and_null_alike_is_taken_off() -> None:
    noise = torch.randn((32, 48, 48, 2), generator=torch.Generator().manual_seed(4))
    best = 0.2 + 0.01 * noise
    best += (0.15 * torch.arange(48) / 48)[:, None]  # such as in ever thicker ice
    best[16, 10, 12, 0] = 0.32
    assert float(best[..., 0].max()) > 0.32
    allowed = torch.ones(best.shape[:3], dtype=torch.bool)
    chosen = choose(best, 3.0, allowed, 0.5, 0.01, 100)
    above = chosen.peaks.select(chosen.peaks.scores > chosen.threshold)
    assert above.voxels[0].tolist() == [16, 10, 12]
    assert len(above) <= 3

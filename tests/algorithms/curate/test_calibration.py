"""Chances, precision and recall at thresholds come near the truth, however one chose to look."""

from __future__ import annotations

import numpy as np
import pytest

from tomotui.algorithms.curate.calibration import calibrate, curve, recall_of_marked


def _scene(n=4000, seed=0):
    random = np.random.default_rng(seed)
    scores = random.normal(0, 1, n)
    truth = random.random(n) < 1 / (1 + np.exp(-(2.5 * scores - 0.5)))
    return scores, truth, random


def test_the_curve_is_right_although_only_doubtful_ones_were_judged():
    scores, truth, random = _scene()
    chance = 1 / (1 + np.exp(-(2.5 * scores - 0.5)))
    judged = np.argsort(abs(chance - 0.5) + 0.2 * random.random(len(scores)))[:200]
    outcomes = np.full(len(scores), np.nan)
    outcomes[judged] = truth[judged]
    found = curve(scores, outcomes, calibrate(scores[judged], truth[judged]))
    for threshold in (-0.5, 0.0, 0.5, 1.0):
        above = scores >= threshold
        assert found.precision(threshold).estimate == pytest.approx(truth[above].mean(), abs=0.06)
        recall = truth[above].sum() / truth.sum()
        assert found.recall(threshold) == pytest.approx(recall, abs=0.06)


def test_the_threshold_for_a_precision_reaches_it():
    reached = []
    for seed in range(12):
        scores, truth, random = _scene(seed=seed)
        judged = random.choice(len(scores), 300, replace=False)
        outcomes = np.full(len(scores), np.nan)
        outcomes[judged] = truth[judged]
        found = curve(scores, outcomes, calibrate(scores[judged], truth[judged]))
        reached.append(truth[scores >= found.threshold_for(0.9)].mean())
    assert np.mean(reached) == pytest.approx(0.9, abs=0.02)
    assert found.threshold_for(1.01) is None


def test_few_judgements_give_no_certainty():
    few = calibrate(np.array([0.9, 0.2]), np.array([True, False]))
    assert 0.5 < few.chances(np.array([0.9]))[0] < 0.9
    one_sided = calibrate(np.array([0.9, 0.8, 0.7]), np.array([True, True, True]))
    assert one_sided.chances(np.array([0.1, 0.9])) == pytest.approx([0.8, 0.8])
    assert calibrate(np.array([np.nan]), np.array([True])) is None


def test_a_few_judgements_of_like_scores_say_little_about_others():
    top = calibrate(np.array([0.99, 0.98, 0.97, 0.96]), np.array([1, 1, 1, 0]) > 0, spread=0.3)
    far, near = top.chances(np.array([0.3, 0.99]))
    assert 0.2 < far < near < 0.9


def test_a_score_that_is_worse_than_nothing_is_taken_as_flat():
    scores = np.linspace(0, 1, 50)
    flat = calibrate(scores, scores < 0.5)
    assert np.ptp(flat.chances(scores)) == 0


def test_equal_scores_count_together_and_missed_ones_lower_the_recall():
    scores, outcomes = np.array([1.0, 1.0, 0.5, np.nan]), np.array([1.0, 0.0, 1.0, 1.0])
    found = curve(scores, outcomes, calibrate(scores[:3], outcomes[:3] > 0), n_missed=2)
    assert found.thresholds.tolist() == [1.0, 0.5]
    assert found.n_above.tolist() == [2, 3]
    assert found.precisions.tolist() == pytest.approx([0.5, 2 / 3])
    assert found.recalls.tolist() == pytest.approx([0.25, 0.5])
    assert found.at(2.0) is None
    assert found.precision(0.7).estimate == 0.5


def test_recall_of_what_was_marked_by_hand():
    found = recall_of_marked(np.array([0.9, 0.4, np.nan, 0.8]), threshold=0.5)
    assert found.estimate == 0.5
    assert found.low < 0.5 < found.high
    assert np.isnan(recall_of_marked(np.array([]), 0.5).estimate)

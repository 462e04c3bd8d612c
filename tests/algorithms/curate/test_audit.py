"""Intervals from samples hold the truth as often as they say, whatever the search was like."""

from __future__ import annotations

import numpy as np
import pytest

from tomotui.algorithms.curate.audit import (
    Stratum,
    draw_sample,
    hypergeometric_interval,
    precision,
    wilson_interval,
)


def _audit(truth, scores, n, seed, n_strata, unsure=0.0):
    """Judge a sample as the truth says, and return the interval."""
    chosen, strata, sizes = draw_sample(scores, n, seed, n_strata)
    doubt = np.random.default_rng(seed).random(len(chosen)) < unsure
    parts = [
        Stratum(
            int(size),
            int(truth[chosen][(strata == h) & ~doubt].sum()),
            int((~truth[chosen])[(strata == h) & ~doubt].sum()),
            int(doubt[strata == h].sum()),
        )
        for h, size in enumerate(sizes)
    ]
    return precision(parts)


@pytest.mark.parametrize("n_strata", [1, 4])
@pytest.mark.parametrize(("rate", "n"), [(0.98, 40), (0.9, 60), (0.6, 30), (0.3, 100)])
def test_the_interval_holds_the_truth_nine_times_of_ten(rate, n, n_strata):
    random = np.random.default_rng(int(1000 * rate) + n)
    scores = random.random(400)
    truth = random.random(400) < np.clip(rate + 0.5 * (scores - 0.5), 0, 1)
    found = [_audit(truth, scores, n, seed, n_strata) for seed in range(120)]
    hits = [one.low <= truth.mean() <= one.high for one in found]
    assert np.mean(hits) >= 0.9
    assert np.mean([one.estimate for one in found]) == pytest.approx(truth.mean(), abs=0.02)


def test_strata_make_the_interval_narrower_where_scores_tell():
    random = np.random.default_rng(0)
    scores = random.random(2000)
    truth = scores > 0.5
    widths = [
        np.mean([(i := _audit(truth, scores, 60, s, n)).high - i.low for s in range(40)])
        for n in (1, 6)
    ]
    assert widths[1] < 0.6 * widths[0]


def test_the_whole_population_leaves_no_doubt():
    found = hypergeometric_interval(37, 50, 50)
    assert found.low == found.high == found.estimate == 0.74


def test_the_exact_interval_is_the_textbook_one_for_a_large_population():
    """Clopper and Pearson's interval for 8 of 10: 0.4439 to 0.9748."""
    found = hypergeometric_interval(8, 10, 200_000)
    assert (found.low, found.high) == pytest.approx((0.4439, 0.9748), abs=1e-3)
    wilson = wilson_interval(8, 10)
    assert (wilson.low, wilson.high) == pytest.approx((0.4902, 0.9433), abs=1e-3)


def test_what_was_judged_before_is_counted_and_not_estimated():
    found = precision([Stratum(100, 10, 0)], n_known=300, n_known_accepted=0)
    assert found.estimate == pytest.approx(0.25)
    assert 0.17 < found.low < found.high <= 0.25
    assert precision([], n_known=4, n_known_accepted=3).low == 0.75


def test_nothing_judged_says_nothing_and_doubt_widens():
    empty = precision([Stratum(50)], n_known=50, n_known_accepted=50)
    assert np.isnan(empty.estimate)
    assert (empty.low, empty.high) == (0.5, 1.0)
    sure, unsure = precision([Stratum(500, 20, 0)]), precision([Stratum(500, 15, 0, 5)])
    assert unsure.low < sure.low
    assert unsure.high == sure.high
    assert unsure.estimate == pytest.approx(17.5 / 20)


def test_a_sample_is_drawn_once_in_random_order_from_all_parts():
    scores = np.arange(100.0)
    chosen, strata, sizes = draw_sample(scores, 20, seed=3, n_strata=5)
    assert len(set(chosen.tolist())) == 20
    assert np.bincount(strata).tolist() == [4] * 5
    assert sizes.tolist() == [20] * 5
    assert (chosen // 20 == strata).all()
    assert sorted(chosen) != chosen.tolist()
    again = draw_sample(scores, 20, seed=3, n_strata=5)[0]
    assert again.tolist() == chosen.tolist()
    assert len(draw_sample(scores[:7], 20, seed=3, n_strata=5)[0]) == 7
    assert len(draw_sample(scores[:0], 20, seed=3)[0]) == 0

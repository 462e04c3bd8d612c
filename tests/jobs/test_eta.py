from __future__ import annotations

import pytest

from tomotui.jobs.eta import RemainingTime


def test_a_steady_pace_gives_the_exact_time() -> None:
    eta = RemainingTime()
    assert eta.update(0.0, now=100.0) is None
    found = [eta.update(0.1 * i, now=100.0 + 3.0 * i) for i in range(1, 11)]
    assert found == pytest.approx([3.0 * (10 - i) for i in range(1, 11)])


def test_a_retry_counts_only_what_it_has_done_itself() -> None:
    eta = RemainingTime()
    eta.update(0.8, now=0.0)
    assert eta.update(0.9, now=10.0) == pytest.approx(10.0)


def test_the_estimate_falls_while_nothing_is_reported_and_never_below_zero() -> None:
    eta = RemainingTime()
    eta.update(0.0, now=0.0)
    eta.update(0.5, now=10.0)
    assert eta.update(0.5, now=14.0) == pytest.approx(6.0)
    assert eta.update(0.5, now=90.0) == 0.0


def test_a_new_pace_is_followed_without_a_jump() -> None:
    eta = RemainingTime()
    eta.update(0.0, now=0.0)
    before = eta.update(0.4, now=40.0)
    assert before == pytest.approx(60.0)
    after = eta.update(0.41, now=45.0)
    assert after is not None
    assert 60.0 < after < 0.59 / (0.01 / 5.0)


def test_going_back_starts_the_estimate_anew() -> None:
    eta = RemainingTime()
    eta.update(0.0, now=0.0)
    eta.update(0.9, now=1.0)
    assert eta.update(0.1, now=2.0) is None
    assert eta.update(0.2, now=12.0) == pytest.approx(80.0)

"""What of maps is round."""

from __future__ import annotations

import torch

from tomotui.imaging.masks import soft_ball
from tomotui.imaging.round_part import without_round_part

N = 32


def distance() -> torch.Tensor:
    line = torch.arange(N) - N // 2
    square = line.float().square()
    return (square[:, None, None] + square[:, None] + square).sqrt()


def test_a_shell_is_round_altogether() -> None:
    shell = torch.exp(-((distance() - 9) ** 2) / 8)
    left = without_round_part(shell)
    assert float(left.norm()) < 0.02 * float(shell.norm())


def test_what_has_direction_stays() -> None:
    line = torch.arange(N) - N // 2
    # Of odd parity: its mean at every distance is nothing.
    lopsided = line.float() * soft_ball(N, 10.0, 3.0)
    torch.testing.assert_close(without_round_part(lopsided), lopsided, atol=1e-4, rtol=0)
    shell = torch.exp(-((distance() - 9) ** 2) / 8)
    both = without_round_part(shell + 0.1 * lopsided)
    correlation = torch.corrcoef(torch.stack([both.flatten(), lopsided.flatten()]))[0, 1]
    assert float(correlation) > 0.99

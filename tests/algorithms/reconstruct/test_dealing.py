from __future__ import annotations

import pytest
import torch

from tomotui.algorithms.reconstruct.dealing import deal_noise, noise_deviation


def make(sigma: float, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Return smooth images, and the same with white noise."""
    generator = torch.Generator().manual_seed(seed)
    rough = torch.randn(3, 1, 160, 192, generator=generator)
    for _ in range(3):
        rough = torch.nn.functional.avg_pool2d(rough, 7, stride=1, padding=3) * 4
    smooth = rough[:, 0]
    return smooth, smooth + sigma * torch.randn(smooth.shape, generator=generator)


@pytest.mark.parametrize("sigma", [0.3, 1.0, 4.0])
def test_the_noise_is_measured_beside_the_signal(sigma: float) -> None:
    _, images = make(sigma)
    for image in images:
        assert float(noise_deviation(image)) == pytest.approx(sigma, rel=0.06)


def test_the_noise_of_both_is_independent_and_nothing_is_lost() -> None:
    signal, images = make(1.0)
    first, second = deal_noise(images, seed=1)
    assert torch.allclose((first + second) / 2, images, atol=1e-5)
    pair = torch.stack([(first - signal).ravel(), (second - signal).ravel()])
    covariance = torch.cov(pair)
    assert covariance[0, 0].item() == pytest.approx(2.0, rel=0.05)
    assert covariance[1, 1].item() == pytest.approx(2.0, rel=0.05)
    assert abs(covariance[0, 1].item()) < 0.08
    # Before, the two would have shared all of it.
    again, _ = deal_noise(images, seed=1)
    assert torch.equal(first, again)

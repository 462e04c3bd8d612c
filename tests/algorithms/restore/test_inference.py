from __future__ import annotations

import pytest
import torch

from tomotui.algorithms.restore.inference import restore_planes, restore_volume


class Counting(torch.nn.Module):
    """Gives back what it sees, and remembers the sizes."""

    def __init__(self) -> None:
        super().__init__()
        self.shapes: list[tuple[int, ...]] = []

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        self.shapes.append(tuple(image.shape))
        return image


@pytest.mark.parametrize("shape", [(40, 50, 60), (17, 120, 33), (96, 96, 96), (200, 40, 40)])
@pytest.mark.parametrize("longest", [64, 96, 320])
def test_tiles_cover_a_volume_without_seams(shape: tuple[int, int, int], longest: int) -> None:
    volume = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    network = Counting()
    fractions: list[float] = []
    restored = restore_volume(network, volume, longest, "cpu", fractions.append)
    assert torch.allclose(restored, volume, atol=1e-5)
    assert all(side % 8 == 0 and side <= longest for s in network.shapes for side in s[2:])
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0


def test_planes_are_side_views_and_come_back_in_their_place() -> None:
    volume = torch.randn(21, 37, 50, generator=torch.Generator().manual_seed(0))
    network = Counting()
    restored = restore_planes(network, volume, 8, "cpu", batch=16)
    assert torch.equal(restored, volume)
    assert sum(shape[0] for shape in network.shapes) == 37
    assert all(side % 8 == 0 for shape in network.shapes for side in shape[2:])
    assert network.shapes[0][2] >= 21
    assert network.shapes[0][3] >= 50


def test_a_caller_may_stop_between_tiles() -> None:
    def stop(fraction: float) -> None:
        if fraction > 0:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        restore_volume(Counting(), torch.zeros(100, 100, 100), 64, "cpu", stop)

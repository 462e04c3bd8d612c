"""Looking: tiles and turns change nothing, and peaks are where the particles are."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tomotui.algorithms.pick.centring import centred, is_centre_of_mass, mass_of
from tomotui.algorithms.pick.network import Architecture, PickNet, fold
from tomotui.algorithms.pick.search import Maps, find_peaks, logits_at, look


class Mean(nn.Module):
    """Calls the mean of eight voxels log odds: what it says does not depend on any turn."""

    architecture = Architecture(n_species=1, width=8)

    def centres_of(self, image: Tensor) -> Tensor:
        return fold(image).mean(dim=1, keepdim=True)


@pytest.mark.parametrize("shape", [(40, 60, 72), (33, 47, 61)])
def test_turns_and_tiles_give_what_one_look_gives(shape: tuple[int, int, int]) -> None:
    image = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    network: Any = Mean()
    whole = look([network], image, 160, "cpu", n_turns=1)
    parts = look([network], image, 64, "cpu", n_turns=4)
    inner = tuple(slice(0, side // 2) for side in shape)
    torch.testing.assert_close(parts.centres[0][inner], whole.centres[0][inner])
    assert float(parts.spread[0][inner].max()) == pytest.approx(0, abs=1e-5)


def test_a_true_network_is_looked_at_alike_in_tiles() -> None:
    torch.manual_seed(0)
    network = PickNet(Architecture(n_species=2, width=8)).eval()
    nn.init.normal_(network.head[-1].weight)
    image = torch.randn(48, 96, 96, generator=torch.Generator().manual_seed(1))
    whole = look([network], image, 160, "cpu", n_turns=1).centres
    tiled = look([network], image, 80, "cpu", n_turns=1).centres
    assert float((whole - tiled).abs().mean()) < 0.02 * float(whole.std())


def test_peaks_lie_between_cells_and_apart() -> None:
    places = np.array([[20.3, 31.0, 40.6], [20.3, 31.0, 60.0], [20.3, 35.5, 40.6]])
    line = torch.arange(40) * 2 + 0.5
    z, y, x = torch.meshgrid(line, line, line, indexing="ij")
    values = torch.full((40, 40, 40), -9.0)
    for height, (a, b, c) in zip((2.0, 1.0, 0.5), places, strict=True):
        distance = (z - a) ** 2 + (y - b) ** 2 + (x - c) ** 2
        values = torch.maximum(values, height - distance / 18)
    peaks = find_peaks(Maps(values[None], torch.zeros_like(values[None])), 0, 10.0, 100, -1.0)
    # The third is nearer to the first than particles can be.
    assert len(peaks.logits) == 2
    assert peaks.voxels == pytest.approx(places[:2], abs=0.3)
    assert peaks.logits == pytest.approx([2.0, 1.0], abs=0.1)
    none = find_peaks(Maps(values[None], torch.zeros_like(values[None])), 0, 10.0, 100, 5.0)
    assert len(none.logits) == 0


def test_judged_places_are_asked_for_near_them(balls: SimpleNamespace) -> None:
    network: Any = Mean()
    places = np.concatenate([balls.centres[0][:5], balls.centres[0][:5] + 9.0])
    image = balls.volume.halves.mean(dim=0)
    kinds, reach = np.zeros(10, dtype=np.int64), np.full(10, 2.5)
    logits = logits_at(network, image, places, kinds, reach, 16, "cpu")
    assert logits[:5].min() > logits[5:].max()


def test_places_move_to_the_mass_about_them(balls: SimpleNamespace) -> None:
    mass = mass_of(balls.volume.halves.mean(dim=0), 10.0)
    true = balls.centres[0]
    beside = true + np.random.default_rng(1).uniform(-1.5, 1.5, true.shape)
    found = centred(mass, beside, 10.0)
    assert np.linalg.norm(found - true, axis=1).max() < 0.5
    assert len(centred(mass, np.zeros((0, 3)), 10.0)) == 0


def test_marks_beside_the_mass_are_known(balls: SimpleNamespace) -> None:
    mass = mass_of(balls.volume.halves.mean(dim=0), 10.0)
    true, none = balls.centres[0][:6], np.zeros(6, dtype=np.int64)
    assert is_centre_of_mass([mass], none, true, 10.0)
    foot = true + np.array([2.4, 0, 0])
    assert not is_centre_of_mass([mass], none, foot, 10.0)

"""Filaments: subunits averaged, and rise and twist found again."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from tomotui.algorithms.refine.helix import Helix, helically_averaged, refined_helix

N, PIXEL_ANGSTROM = 48, 5.0
TRUE = Helix(rise_angstrom=22.0, twist_deg=47.0, length_angstrom=90.0)


def filament(helix: Helix, n_subunits: int = 31) -> Tensor:
    """Return a screw of lopsided subunits along z."""
    line = (torch.arange(N) - N // 2) * PIXEL_ANGSTROM
    z, y, x = torch.meshgrid(line, line, line, indexing="ij")
    found = torch.zeros(N, N, N)
    for step in range(-(n_subunits // 2), n_subunits // 2 + 1):
        angle = np.deg2rad(helix.twist_deg * step)
        for radius, turn, up, strength in ((40.0, 0.0, 0.0, 1.0), (60.0, 0.3, 6.0, 0.6)):
            place = radius * np.cos(angle + turn), radius * np.sin(angle + turn)
            height = helix.rise_angstrom * step + up
            off = (x - place[0]) ** 2 + (y - place[1]) ** 2 + (z - height) ** 2
            found += strength * torch.exp(-off / (2 * 9.0**2))
    return found


@pytest.fixture(scope="module")
def screw() -> Tensor:
    return filament(TRUE)


def central(volume: Tensor) -> Tensor:
    """Return what lies well within the box."""
    cut = slice(6, N - 6)
    return volume[cut, cut, cut]


def correlation(first: Tensor, second: Tensor) -> float:
    pair = torch.stack([central(first).flatten(), central(second).flatten()])
    return float(torch.corrcoef(pair)[0, 1])


def test_what_is_helical_stays_as_it_is(screw: Tensor) -> None:
    found = helically_averaged(screw, PIXEL_ANGSTROM, TRUE)
    assert correlation(found, screw) > 0.995
    # Neither stronger nor weaker anywhere along the axis.
    heights = (central(found) * central(screw)).sum(dim=(1, 2)) / central(screw).square().sum(
        dim=(1, 2)
    )
    torch.testing.assert_close(heights, torch.ones_like(heights), atol=0.06, rtol=0)


def test_the_other_hand_is_another_helix(screw: Tensor) -> None:
    mirrored = Helix(TRUE.rise_angstrom, -TRUE.twist_deg, TRUE.length_angstrom)
    assert correlation(helically_averaged(screw, PIXEL_ANGSTROM, mirrored), screw) < 0.8


def test_averaging_takes_noise_off(screw: Tensor) -> None:
    noise = torch.randn(screw.shape, generator=torch.Generator().manual_seed(1))
    noisy = screw + 0.5 * noise
    before, after = (
        correlation(noisy, screw),
        correlation(helically_averaged(noisy, PIXEL_ANGSTROM, TRUE), screw),
    )
    # Some four subunits lie in the central part.
    gained = (1 / before**2 - 1) / (1 / after**2 - 1)
    assert gained > 2.5


def test_only_the_central_part_is_believed(screw: Tensor) -> None:
    spoilt = screw.clone()
    spoilt[: N // 5] = 0
    spoilt[-(N // 5) :] = 0
    assert correlation(helically_averaged(spoilt, PIXEL_ANGSTROM, TRUE), screw) > 0.98


def test_rise_and_twist_are_found(screw: Tensor) -> None:
    noise = torch.randn(screw.shape, generator=torch.Generator().manual_seed(2))
    wrong = Helix(TRUE.rise_angstrom * 1.03, TRUE.twist_deg - 1.5, TRUE.length_angstrom)
    found = refined_helix(screw + 0.05 * noise, PIXEL_ANGSTROM, wrong, 20.0)
    assert found.rise_angstrom == pytest.approx(TRUE.rise_angstrom, abs=0.1)
    assert found.twist_deg == pytest.approx(TRUE.twist_deg, abs=0.15)
    assert found.length_angstrom == wrong.length_angstrom

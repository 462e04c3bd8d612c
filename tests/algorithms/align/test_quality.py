from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from tomotui.algorithms.align.prepare import prepare_images, remove_outliers
from tomotui.algorithms.align.quality import judge_agreement, judge_counts

TILTS = np.arange(-60.0, 61.0, 6.0)


def counts(seed: int = 0) -> Tensor:
    """Return electron counts that fall with the path through the ice."""
    torch.manual_seed(seed)
    expected = torch.from_numpy(100 * np.exp(-0.5 / np.cos(np.deg2rad(TILTS))))
    return torch.poisson(expected[:, None, None].expand(-1, 40, 50)).float()


def test_good_images_are_good_although_high_tilts_are_darker() -> None:
    assert {v.verdict for v in judge_counts(counts(), TILTS)} == {"good"}


def test_dark_blank_and_invalid_tilts_are_found() -> None:
    images = counts()
    images[2] *= 0.1
    images[7] = 30.0
    images[11, :, :30] = torch.nan
    images[15, :5] = torch.nan
    images[18] = 0.0
    found = judge_counts(images, TILTS)
    bad = {i: v.note for i, v in enumerate(found) if v.verdict == "bad"}
    assert set(bad) == {2, 7, 11, 18}
    assert bad[2].startswith("dark: 1")
    assert "% of the expected counts" in bad[2]
    assert "blank" in bad[7]
    assert "not numbers" in bad[11]
    assert "blank" in bad[18]


@pytest.mark.parametrize("seed", range(5))
def test_images_whose_mean_was_taken_out_are_not_called_dark(seed: int) -> None:
    images = counts(seed)
    images -= images.mean(dim=(1, 2), keepdim=True)
    assert {v.verdict for v in judge_counts(images, TILTS)} == {"good"}
    images[4] = 0
    verdicts = [v.verdict for v in judge_counts(images, TILTS)]
    assert verdicts.count("bad") == 1
    assert verdicts[4] == "bad"


def test_tilts_are_judged_beside_their_neighbours() -> None:
    score = 0.6 * np.cos(np.deg2rad(TILTS))
    score[3] *= 0.35
    score[12] *= 0.1
    score[16] = -0.2
    found = judge_agreement(score, TILTS)
    verdicts = {i: v.verdict for i, v in enumerate(found) if v.verdict != "good"}
    assert verdicts == {3: "poor", 12: "bad", 16: "bad"}
    assert found[16].note == "agrees 0 % as well as its neighbours"
    assert all(v.note for v in found if v.verdict != "good")


def test_nothing_is_judged_where_nothing_agrees() -> None:
    assert {v.verdict for v in judge_agreement(np.zeros(len(TILTS)), TILTS)} == {"good"}


@pytest.mark.parametrize("place", [(20, 25), (0, 0), (39, 25), (20, 49)])
@pytest.mark.parametrize("value", [1e4, float("nan"), float("inf")])
def test_x_rays_and_invalid_pixels_become_their_neighbours(
    place: tuple[int, int], value: float
) -> None:
    images = counts()
    before = images.clone()
    images[3][place] = value
    cleaned = remove_outliers(images)
    assert abs(float(cleaned[3][place]) - float(before[3].mean())) < 10
    others = torch.ones_like(images, dtype=torch.bool)
    others[3][place] = False
    torch.testing.assert_close(cleaned[others], before[others])


def test_prepared_images_are_level_and_tapered() -> None:
    images = counts() + torch.linspace(0, 20, 50)
    found = prepare_images(images, torch.from_numpy(TILTS), 5.0, 2)
    assert found.images.shape == (len(TILTS), 20, 26)
    assert found.pixel_size_angstrom == 10.0
    assert found.frame_px == 26
    assert found.images[:, [0, -1]].abs().max() < 1e-5
    inner = found.images[:, 4:-4, 4:-4]
    assert inner.std(dim=(1, 2)).min() > 0.5
    assert inner.abs().max() < 10
    halves = inner[..., :9].mean() - inner[..., 9:].mean()
    assert abs(float(halves)) < 0.3


def test_a_blank_image_stays_zero() -> None:
    images = counts()
    images[0] = 7.0
    found = prepare_images(images, torch.from_numpy(TILTS), 5.0)
    assert torch.isfinite(found.images).all()
    assert found.images[0].abs().max() < 1e-3

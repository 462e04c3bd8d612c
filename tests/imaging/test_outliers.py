from __future__ import annotations

import torch

from tomotui.imaging.outliers import OUTLIER_REACH, clear_of_outliers


def noise() -> torch.Tensor:
    return torch.randn((24, 30, 28), generator=torch.Generator().manual_seed(2))


def test_gold_and_what_lies_about_it_is_not_clear() -> None:
    volume = noise()
    volume[10:12, 14:16, 8:10] += 400.0
    clear = clear_of_outliers(volume)
    assert not bool(clear[10 - OUTLIER_REACH : 12 + OUTLIER_REACH, 14:16, 8:10].any())
    assert bool(clear[:, 24:].all())


def test_dense_matter_is_no_gold() -> None:
    volume = noise()
    assert bool((clear_of_outliers(volume) == 1).all())
    # Far out of the noise, but not rare.
    volume[4:16, 4:16, 4:16] += 60.0
    assert bool((clear_of_outliers(volume) == 1).all())

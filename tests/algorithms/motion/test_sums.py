from __future__ import annotations

import numpy as np
import pytest
import torch

from tomotui.algorithms.motion.defects import Mender, find_defects
from tomotui.algorithms.motion.field import MotionField
from tomotui.algorithms.motion.sums import Exposure, sum_frames


def _frames(n: int = 5, shape: tuple[int, int] = (96, 120)) -> torch.Tensor:
    counts = np.random.default_rng(6).poisson(4.0, (n, *shape))
    return torch.from_numpy(counts.astype(np.float32))


def test_without_motion_the_sums_are_those_of_the_frames() -> None:
    frames = _frames()
    sums = sum_frames(lambda i: frames[i], MotionField(torch.zeros(5, 2)), 3.0)
    np.testing.assert_allclose(sums.whole, frames.sum(dim=0), atol=1e-3)
    np.testing.assert_allclose(sums.even, frames[[0, 2, 4]].sum(dim=0), atol=1e-3)
    np.testing.assert_allclose(sums.odd, frames[[1, 3]].sum(dim=0), atol=1e-3)


def test_whole_pixels_are_moved_exactly_and_the_border_is_the_mean() -> None:
    frames = _frames(2)
    field = MotionField(torch.tensor([[0.0, 0.0], [3.0, -2.0]]))
    odd = sum_frames(lambda i: frames[i], field, 3.0).odd
    np.testing.assert_allclose(odd[2:, :-3], frames[1, :-2, 3:], atol=1e-3)
    np.testing.assert_allclose(odd[:2], frames[1].mean(), atol=1e-4)
    np.testing.assert_allclose(odd[:, -3:], frames[1].mean(), atol=1e-4)


def test_halves_share_no_frame() -> None:
    frames = _frames(6)
    field = MotionField(torch.randn(6, 2), torch.randn(2, 6, 3) * 0.3)
    before = sum_frames(lambda i: frames[i], field, 3.0)
    frames[3] += 100 * torch.rand(frames[3].shape)
    after = sum_frames(lambda i: frames[i], field, 3.0)
    assert torch.equal(before.even, after.even)
    assert not torch.allclose(before.odd, after.odd)


def test_binning_adds_counts_up() -> None:
    frames = _frames(3, (96, 128))
    sums = sum_frames(lambda i: frames[i], MotionField(torch.zeros(3, 2)), 1.5, binning=2)
    assert sums.whole.shape == (48, 64)
    assert float(sums.whole.sum()) == pytest.approx(float(frames.sum()), rel=1e-5)


def test_the_exposure_filter_keeps_the_noise_and_prefers_early_frames() -> None:
    frames = torch.randn(8, 128, 128)
    exposure = Exposure(torch.linspace(2, 100, 8))
    field = MotionField(torch.zeros(8, 2))
    plain = sum_frames(lambda i: frames[i], field, 2.0)
    weighted = sum_frames(lambda i: frames[i], field, 2.0, exposure=exposure)
    power = [torch.fft.rfft2(s.whole).abs().square() for s in (plain, weighted)]
    assert float(power[1].mean() / power[0].mean()) == pytest.approx(1, abs=0.1)
    fine = (slice(30, 60), slice(30, 60))
    for number, grows in ((0, True), (7, False)):
        one = torch.zeros_like(frames)
        one[number] = frames[number]
        alone = [
            torch.fft.rfft2(sum_frames(lambda i, f=one: f[i], field, 2.0, exposure=e).whole)
            for e in (None, exposure)
        ]
        ratio = float(alone[1][fine].abs().mean() / alone[0][fine].abs().mean())
        assert (ratio > 1.3) == grows
        assert (ratio < 0.7) != grows


def test_a_local_field_is_undone_without_blur() -> None:
    shape = (256, 256)
    rows, columns = np.mgrid[:256, :256].astype(float)
    u, v = 2 * columns / 255 - 1, 2 * rows / 255 - 1
    # Fine stripes of 4 pixels, bent by up to a pixel in a field that is 10 times too small.
    bend = u * v
    bent = np.cos(2 * np.pi * (columns - bend) / 4)
    frames = torch.from_numpy(np.stack([np.zeros(shape), bent]).astype(np.float32))
    local = torch.zeros(2, 6, 1)
    local[0, 4, 0] = 1.0
    field = MotionField(torch.zeros(2, 2), local)
    places = torch.tensor([0.5]), torch.tensor([-0.5])
    assert float(field.local(*places)[0, 1, 0]) == pytest.approx(-0.25, abs=1e-5)
    odd = sum_frames(lambda i: frames[i], field, 3.0).odd
    straight = np.cos(2 * np.pi * columns / 4)
    inner = (slice(16, -16), slice(16, -16))
    assert np.sqrt(np.mean((odd.numpy() - straight)[inner] ** 2)) < 0.06


def test_defects_are_found_and_replaced() -> None:
    chance = np.random.default_rng(2)
    total = torch.from_numpy(chance.poisson(30.0, (96, 96)).astype(np.float32))
    known = torch.zeros(96, 96, dtype=torch.bool)
    known[10, 20:24] = True
    total[10, 20:24] = 0
    total[50, 50], total[70, 3], total[0, 0], total[33, 44] = 400, 0, float("nan"), 160
    found = find_defects(total, known)
    wanted = known.clone()
    for place in ((50, 50), (70, 3), (0, 0), (33, 44)):
        wanted[place] = True
    assert torch.equal(found, wanted)
    mended = Mender(found).mend(total)
    assert mended.isfinite().all()
    assert torch.equal(mended[~found], total[~found])
    assert float((mended[found] - 30).abs().max()) < 8


def test_whole_columns_are_replaced_too() -> None:
    frame = torch.full((64, 64), 5.0)
    defects = torch.zeros(64, 64, dtype=torch.bool)
    defects[:, 10:18] = True
    frame[defects] = 0
    assert torch.allclose(Mender(defects).mend(frame), torch.tensor(5.0))

from __future__ import annotations

import numpy as np
import pytest
import torch

from tomotui.algorithms.restore.comb import Comb, back_projection_response, coverage, measured
from tomotui.algorithms.restore.cubes import cube_rotations
from tomotui.geometry import TiltGeometry


def comb_of(tilts_deg: object, transfer: np.ndarray | None = None, step: float = 1.0) -> Comb:
    normals = TiltGeometry.of(tilts_deg).stage_matrices[:, 2, :]
    return Comb(normals, transfer, step)


def test_one_untilted_image_measures_the_plane_kz_0() -> None:
    coverage = measured(comb_of([0.0]), (16, 16, 16), 10.0).coverage
    assert bool((coverage[0] == 1).all())
    assert bool((coverage[1:] == 0).all())


def test_beyond_the_steepest_tilt_nothing_is_measured() -> None:
    n = 48
    coverage = measured(comb_of(np.arange(-60, 61, 3)), (n, n, n), 10.0).coverage
    kz, kx = np.fft.fftfreq(n)[:, None], np.fft.rfftfreq(n)[None]
    angle = np.rad2deg(np.arctan2(np.abs(kz), kx))
    radius = np.hypot(kz, kx)
    section = coverage[:, 0].numpy()
    assert section[(angle > 66) & (radius > 0.25)].max() == 0
    inside = section[(angle < 58) & (radius < 0.3)]
    assert inside.min() > 0.3
    # The tilt axis lies along y: what is measured does not depend on ky.
    assert torch.allclose(coverage[:, 5], coverage[:, 0])


def test_teeth_part_where_tilts_are_coarse() -> None:
    n = 64
    section = measured(comb_of(np.arange(-60, 61, 12)), (n, n), 10.0).coverage
    row = section[:, n // 2 - 4]
    within = row[: n // 4]
    assert float(within.max()) > 0.9
    assert float(within.min()) == 0


def test_a_turned_comb_is_the_comb_of_a_turned_volume() -> None:
    """The planes that a rotation carries along hold the terms of the volume that it turns."""
    from tomotui.algorithms.restore.cubes import turn_cube

    n = 16
    comb = comb_of([-40.0, 10.0, 55.0])
    noise = torch.randn(n, n, n, generator=torch.Generator().manual_seed(1))
    seen = measured(comb, (n, n, n), 1.0).coverage
    volume = torch.fft.irfftn(torch.fft.rfftn(noise) * (seen > 0), s=(n, n, n))
    for rotation in cube_rotations()[::5]:
        turned = torch.roll(turn_cube(volume, rotation), (0, 0, 0), (0, 1, 2))
        coverage = measured(comb.turned(rotation), (n, n, n), 1.0).coverage
        power = torch.fft.rfftn(turned).abs().square()
        # Up to the shift of one voxel by which even cubes turn about their middle, and Nyquist.
        inner = torch.ones_like(power)
        inner[n // 2] = 0
        inner[:, n // 2] = 0
        inner[..., -1] = 0
        power = power * inner
        assert float(power[coverage > 0].sum()) > 0.999 * float(power.sum())


def test_the_transfer_is_that_of_the_tilts_near_by() -> None:
    transfer = np.array([[1.0, 1.0], [0.5, 0.5]])
    known = measured(comb_of([0.0, 60.0], transfer, 1.0), (32, 32), 1.0)
    assert float(known.transfer[0, 8]) == pytest.approx(1.0, abs=0.02)
    kx = 4
    kz = round(kx * np.tan(np.deg2rad(60)))
    assert (
        min(abs(float(known.transfer[kz, kx]) - 0.5), abs(float(known.transfer[-kz, kx]) - 0.5))
        < 0.05
    )
    assert float(known.transfer.min()) >= 0.1


def test_back_projection_keeps_amplitudes_where_teeth_overlap() -> None:
    shape = (24, 8, 96)
    response = back_projection_response(comb_of(np.arange(-60, 61, 1.0)), shape)
    section = response[0, 0]
    # Along kx all tilts near 0 overlap until the planes part: 1 / (24 sin 1 deg) > Nyquist.
    assert section[4:40].numpy() == pytest.approx(1.0, abs=0.2)
    coarse = back_projection_response(comb_of(np.arange(-60, 61, 12.0)), shape)
    assert float(coarse[0, 0, 40]) > 2 * float(section[40])


@pytest.mark.parametrize("normal", [(0.3, -0.5, 0.8), (0.1, 0.9, -0.2), (1.0, 0.0, 0.0)])
@pytest.mark.parametrize("longest", [None, 12])
def test_a_tooth_is_as_high_as_its_plane_is_near(
    normal: tuple[float, ...], longest: int | None
) -> None:
    shape = (18, 25, 32)
    direction = np.array(normal)[::-1] / np.linalg.norm(normal)
    frequencies = np.meshgrid(
        np.fft.fftfreq(18), np.fft.fftfreq(25), np.fft.rfftfreq(32), indexing="ij"
    )
    away = np.abs(sum(d * f for d, f in zip(direction, frequencies, strict=True)))
    sides = shape if longest is None else [min(n, longest) for n in shape]
    expected = np.clip(1 - away / np.linalg.norm(direction / sides), 0, 1)
    comb = Comb(direction[None, ::-1])
    assert coverage(comb, shape, longest=longest).numpy() == pytest.approx(expected, abs=1e-4)

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from tomotui.algorithms.reconstruct.depth_ctf import DepthCtf, SeriesCtf, raw_frequencies
from tomotui.algorithms.reconstruct.frame import Frame, Sampling, make_frame, sample_frame
from tomotui.algorithms.reconstruct.volumes import Material, Recipe, reconstruct_volumes
from tomotui.geometry import TiltGeometry
from tomotui.imaging.ctf import CtfOptics, ctf_2d, ctf_phase, defocus_along, frequency_polar

VOXEL = 2.5
OPTICS = CtfOptics()


def series_ctf(
    n: int, defocus: float = 20_000.0, hand: int = 1, astigmatism: float = 0.0
) -> SeriesCtf:
    return SeriesCtf(
        np.full(n, defocus + astigmatism / 2),
        np.full(n, defocus - astigmatism / 2),
        np.full(n, 25.0),
        np.zeros(n),
        hand,
        OPTICS,
    )


def point_images(points: np.ndarray, geometry: TiltGeometry, side: int, ctf: SeriesCtf) -> Tensor:
    """Images of points with the CTF of their own depth, exactly in Fourier space."""
    projected = geometry.project(points)
    k2, azimuth = frequency_polar((side, side), VOXEL)
    ky = torch.fft.fftfreq(side, dtype=torch.float64)[:, None]
    kx = torch.fft.rfftfreq(side, dtype=torch.float64)[None, :]
    images = []
    for tilt in range(geometry.n_tilts):
        along = defocus_along(
            azimuth,
            float(ctf.defocus_u_angstrom[tilt]),
            float(ctf.defocus_v_angstrom[tilt]),
            float(ctf.astigmatism_angle_deg[tilt]),
        )
        total = torch.zeros(side, side // 2 + 1, dtype=torch.complex128)
        for x, y, depth in projected[tilt]:
            transfer = torch.sin(ctf_phase(k2, along + ctf.handedness * depth, 0.0, OPTICS))
            place = (x / VOXEL + side // 2) * kx + (y / VOXEL + side // 2) * ky
            soft = torch.exp(-k2 * 2 * (np.pi * 1.5) ** 2)
            total += transfer * soft * torch.exp(-2j * np.pi * place)
        images.append(-torch.fft.irfft2(total, s=(side, side)))
    return torch.stack(images).float()


@pytest.mark.parametrize("x_tilt_deg", [0.0, 6.0])
def test_frequencies_of_the_frame_are_those_of_the_raw_image(x_tilt_deg: float) -> None:
    """A wave over the raw image is a wave over the frame, at the frequency that is said."""
    geometry = TiltGeometry.of([40.0], 30.0, x_tilt_deg)
    frame = make_frame(geometry, Sampling(VOXEL, 64, 64, 4))
    k2, azimuth = raw_frequencies(frame, 0, (64, 64), "cpu")
    at = (3, 5)
    k = float(k2[at].sqrt()) * VOXEL
    angle = float(azimuth[at])
    y, x = torch.meshgrid(torch.arange(160.0) - 80, torch.arange(160.0) - 80, indexing="ij")
    wave = torch.cos(2 * np.pi * k * (np.cos(angle) * x + np.sin(angle) * y))
    seen = sample_frame(wave[None], frame)[0]
    middle = seen.shape[0] // 2, seen.shape[1] // 2
    cut = seen[middle[0] - 32 : middle[0] + 32, middle[1] - 32 : middle[1] + 32]
    spectrum = torch.fft.rfft2(cut).abs()
    assert np.unravel_index(int(spectrum.argmax()), spectrum.shape) == at


@pytest.mark.parametrize(("hand", "x_tilt_deg"), [(-1, 0.0), (1, 5.0)])
def test_every_point_is_corrected_for_its_own_depth(hand: int, x_tilt_deg: float) -> None:
    """Points far from the axis and from the middle come out dark, sharp and where they are."""
    geometry = TiltGeometry.of(np.arange(-60.0, 61.0, 10.0), 20.0, x_tilt_deg)
    side, n_z = 216, 160
    ctf = series_ctf(geometry.n_tilts, hand=hand, astigmatism=1500.0)
    points = np.array([[220.0, -80.0, 180.0], [-200.0, 100.0, -185.0]])
    images = point_images(points, geometry, side, ctf)
    sampling = Sampling(VOXEL, side, side, n_z)
    depth = {}
    for name, used in (
        ("right", ctf),
        ("none", None),
        ("wrong hand", series_ctf(geometry.n_tilts, hand=-hand, astigmatism=1500.0)),
    ):
        recipe = Recipe(correction="flip" if used else None)
        slabs = reconstruct_volumes(Material(images, geometry, ctf=used), sampling, recipe, "cpu")
        volume = torch.cat([slab.parts[0] for slab in slabs])
        at = np.round(points[:, ::-1] / VOXEL).astype(int) + np.array(volume.shape) // 2
        depth[name] = [-float(volume[tuple(place)]) for place in at]
        if name == "right":
            lowest = np.unravel_index(int(volume.argmin()), volume.shape)
            assert np.abs(at - np.array(lowest)).max(axis=1).min() <= 1
    for right, none, wrong in zip(*depth.values(), strict=True):
        assert right > 1.5 * none
        assert right > 1.08 * wrong


def test_a_flat_image_is_corrected_like_any_other() -> None:
    """At no tilt, all columns have the defocus of the section."""
    geometry = TiltGeometry.of([0.0, 0.0, 0.0], 15.0)
    frame = make_frame(geometry, Sampling(VOXEL, 200, 200, 8))
    torch.manual_seed(0)
    noise = torch.randn(3, frame.n_columns, frame.n_rows)
    ctf = series_ctf(3)
    corrected = DepthCtf(frame, ctf, "wiener", snr=2.0).at(0.0, noise)
    transfer = ctf_2d((200, 200), VOXEL, 20_000.0, 20_000.0, 0.0, 0.0, OPTICS)
    factor = transfer * 1.5 / (transfer**2 + 0.5)
    first = (frame.n_columns - 200) // 2
    expected = torch.fft.irfft2(
        torch.fft.rfft2(noise[:, first : first + 200]) * factor, s=(200, 200)
    )
    inner = (slice(None), slice(60, -60), slice(60, -60))
    found = corrected[:, first : first + 200][inner]
    assert np.corrcoef(found.flatten(), expected[inner].flatten())[0, 1] > 0.98


def test_what_is_kept_changes_nothing() -> None:
    geometry = TiltGeometry.of([-50.0, 10.0, 58.0])
    frame: Frame = make_frame(geometry, Sampling(VOXEL, 128, 40, 200))
    torch.manual_seed(0)
    images = torch.randn(3, frame.n_columns, frame.n_rows)
    keeping = DepthCtf(frame, series_ctf(3), "flip", keep_bytes=2**30)
    forgetting = DepthCtf(frame, series_ctf(3), "flip", keep_bytes=0)
    assert 1 <= keeping.sections_per_slab < 200
    for depth in (-90.0, -89.0, -60.0, 40.0):
        torch.testing.assert_close(
            keeping.at(depth, images), forgetting.at(depth, images), atol=1e-5, rtol=1e-5
        )

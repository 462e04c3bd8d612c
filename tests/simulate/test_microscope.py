from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray

from tomotui.imaging.potential import Matter, Scatterers, Template, gaussian_form, sample
from tomotui.simulate import SimulationParameters
from tomotui.simulate.acquisition import acquire
from tomotui.simulate.microscope import Microscope
from tomotui.simulate.optics import Optics, exposure_filter
from tomotui.simulate.specimen import PlacedParticle, Specimen

PIXEL = 6.0


def blob(excess_v_a3: float = 3e5, sigma: float = 8.0) -> Template:
    group = Scatterers(np.zeros((1, 3)), np.ones(1), gaussian_form(excess_v_a3, sigma))
    # Points far out with no weight make room for the whole of the blob.
    room = Scatterers(5 * sigma * np.eye(3), np.zeros(3), gaussian_form(0.0, sigma))
    return sample(Matter((group, room), 100.0), "blob", PIXEL)


def parameters(**changes: Any) -> SimulationParameters:
    plain = {
        "size_px": 128,
        "pixel_size_angstrom": PIXEL,
        "tilt_step_deg": 30.0,
        "n_vesicles": 0,
        "n_particles": 0,
        "ice_noise": 0.0,
        "shot_noise": False,
        "exposure_damage": False,
        "astigmatism_angstrom": 0.0,
        "defocus_jitter_angstrom": 0.0,
    }
    return SimulationParameters(**{**plain, **changes})


def microscope(position: ArrayLike, template: Template | None = None, **changes: Any) -> Microscope:
    p = parameters(**changes)
    particle = PlacedParticle(0, np.asarray(position, dtype=float), np.eye(3), True)
    specimen = Specimen((template or blob(),), (particle,), p.thickness_angstrom)
    return Microscope(p, specimen, acquire(p))


def contrast(camera: Microscope, tilt: int) -> NDArray:
    return camera.expected(tilt) / camera.mean_electrons(tilt) - 1


@pytest.mark.parametrize("axis_deg", [0.0, 85.3, -120.0])
@pytest.mark.parametrize("handedness", [1, -1])
def test_a_particle_lands_where_the_geometry_says(axis_deg: float, handedness: int) -> None:
    position = np.array([95.0, -61.0, 210.0])
    camera = microscope(
        position, axis_deg=axis_deg, handedness=handedness, x_tilt_deg=3.0, tilt_offset_deg=1.5
    )
    for tilt in range(camera.acquisition.n_tilts):
        expected = camera.acquisition.geometry.project(position)[tilt, 0, :2] / PIXEL + 64
        # The strongest disk about the place is symmetric whatever the CTF, so that the place
        # is found by the centre of gravity of its squared contrast.
        weight = contrast(camera, tilt) ** 2
        y, x = np.indices(weight.shape)
        found = np.array([(x * weight).sum(), (y * weight).sum()]) / weight.sum()
        np.testing.assert_allclose(found, expected, atol=0.05)


@pytest.mark.parametrize("handedness", [1, -1])
@pytest.mark.parametrize("z", [-600.0, 600.0])
def test_the_ctf_is_that_of_the_particles_depth(handedness: int, z: float) -> None:
    camera = microscope(
        [0, 0, z],
        blob(sigma=3.0),
        handedness=handedness,
        defocus_angstrom=25_000.0,
        thickness_angstrom=2000.0,
        size_px=256,
        pixel_size_angstrom=PIXEL,
        shift_min_angstrom=0.0,
        shift_max_angstrom=0.0,
    )
    middle = 2
    spectrum = np.abs(np.fft.rfft(contrast(camera, middle).sum(axis=0)))
    k = np.fft.rfftfreq(256, PIXEL)
    optics = Optics.of(camera.parameters)

    def zero(defocus: float) -> float:
        fine = np.linspace(0.03, 0.06, 30_001)
        return float(fine[np.argmin(np.abs(optics.ctf(fine**2, defocus)))])

    expected = zero(25_000.0 + handedness * z)
    window = (k > 0.03) & (k < 0.06)
    found = float(k[window][np.argmin(spectrum[window])])
    assert abs(found - expected) <= 0.6 * (k[1] - k[0])
    # The wrong hand would put the zero farther away than that.
    assert abs(zero(25_000.0 - handedness * z) - expected) > 1.2 * (k[1] - k[0])


def test_protein_is_dark_and_its_contrast_is_physical() -> None:
    made = microscope([0, 0, 0], shift_min_angstrom=0.0, shift_max_angstrom=0.0)
    image = contrast(made, 2)
    assert image[64, 64] < -0.3
    np.testing.assert_allclose(image[1:, 1:], image[:0:-1, :0:-1], atol=1e-3)
    # At zero frequency only amplitude contrast is left: -2 sigma A times the potential.
    expected = -2 * 6.526e-4 * 0.07 * 3e5 / PIXEL**2
    assert image.sum() == pytest.approx(expected, rel=0.02)


def test_exposure_fades_amplitudes_by_the_formula() -> None:
    fresh = microscope([0, 0, 0], dose_e_per_a2=10.0)
    faded = microscope([0, 0, 0], dose_e_per_a2=10.0, exposure_damage=True)
    tilt = 0
    prior = float(faded.acquisition.prior_dose_e_per_a2[tilt])
    assert prior > 0
    before = np.fft.rfft2(contrast(fresh, tilt))
    after = np.fft.rfft2(contrast(faded, tilt))
    k = np.hypot(np.fft.fftfreq(128, PIXEL)[:, None], np.fft.rfftfreq(128, PIXEL)[None])
    strong = np.abs(before) > 0.2 * np.abs(before).max()
    expected = exposure_filter(k, prior, 10.0, 300.0)
    np.testing.assert_allclose((after / before).real[strong], expected[strong], atol=0.01)


def test_counts_are_dose_times_area_times_what_comes_through() -> None:
    p = parameters(shot_noise=True, size_px=256, detection_efficiency=0.9)
    camera = Microscope(p, Specimen((), (), p.thickness_angstrom), acquire(p))
    for tilt, angle in enumerate([-60, -30, 0, 30, 60]):
        through = np.exp(-1500 / (3000 * np.cos(np.deg2rad(angle))))
        expected = 3.0 * PIXEL**2 * 0.9 * through
        counts = camera.expose(camera.expected(tilt), tilt)
        assert counts.mean() == pytest.approx(expected, abs=5 * np.sqrt(expected) / 256)
        assert counts.var() == pytest.approx(expected, rel=0.03)
        np.testing.assert_array_equal(counts, np.rint(counts))


def test_ice_noise_has_its_physical_size_and_differs_between_images() -> None:
    p = parameters(ice_noise=1.0)
    camera = Microscope(p, Specimen((), (), p.thickness_angstrom), acquire(p))
    first, second = contrast(camera, 1), contrast(camera, 3)
    assert 0.01 < first.std() < 0.06
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.05


def test_gold_absorbs_most_of_the_beam_where_the_geometry_says() -> None:
    p = parameters()
    position = np.array([[100.0, 50.0, 200.0]])
    specimen = Specimen((), (), p.thickness_angstrom, gold_angstrom=position)
    camera = Microscope(p, specimen, acquire(p))
    for tilt in range(5):
        image = camera.expected(tilt) / camera.mean_electrons(tilt)
        x, y = camera.acquisition.geometry.project(position)[tilt, 0, :2] / PIXEL + 64
        assert image[round(y), round(x)] < 0.25
        absorbed = 1 - np.clip(image, 0, 0.8)
        absorbed[absorbed < 0.3] = 0
        yy, xx = np.indices(image.shape)
        found = np.array([(xx * absorbed).sum(), (yy * absorbed).sum()]) / absorbed.sum()
        np.testing.assert_allclose(found, [x, y], atol=0.3)


def test_a_dark_tilt_is_dark_and_the_detector_blurs() -> None:
    dark = microscope([0, 0, 0], dark_tilts=(1,))
    assert dark.expected(1).mean() < 0.03 * dark.expected(3).mean()
    sharp, blurred = microscope([0, 0, 0]), microscope([0, 0, 0], mtf_at_nyquist=0.2)
    assert blurred.expected(2).mean() == pytest.approx(sharp.expected(2).mean(), rel=1e-6)
    assert np.ptp(blurred.expected(2)) < 0.95 * np.ptp(sharp.expected(2))

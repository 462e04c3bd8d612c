from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tomotui.algorithms.reconstruct.depth_ctf import SeriesCtf
from tomotui.algorithms.refine.particles import SeriesParticles
from tomotui.algorithms.refine.tilts import TiltRefiner
from tomotui.algorithms.subtomograms.views import SeriesModel
from tomotui.geometry import TiltGeometry
from tomotui.geometry.local import LocalField
from tomotui.imaging.ctf import CtfOptics
from tomotui.imaging.slices import SliceSource

TILTS = np.arange(-45.0, 46.0, 15.0)
N_TILTS, N_PARTICLES = len(TILTS), 30
GEOMETRY = TiltGeometry.of(TILTS, axis_deg=80.0, shift_angstrom=(20.0, -8.0))
CTF = SeriesCtf(
    np.full(N_TILTS, 18e3),
    np.full(N_TILTS, 17e3),
    np.full(N_TILTS, 20.0),
    np.zeros(N_TILTS),
    1,
    CtfOptics(),
)
MODEL = SeriesModel(GEOMETRY, ctf=CTF)
CORRECTIONS = ("shifts", "turns", "defocus", "magnification", "motion")


def never(binning: int) -> Any:
    raise AssertionError("the images are not read again")


def refiner_of(scene: Any, model: SeriesModel = MODEL, strength: float = 1.0) -> TiltRefiner:
    """Refine from a model that may be wrong, with the true map times a strength."""
    rows = np.arange(N_PARTICLES)
    series = SeriesParticles("one", model, never, scene.poses, rows % 2, rows)
    source = SliceSource(scene.volume * strength, scene.views.box / 2 - 1, with_gradient=True)
    refiner = TiltRefiner(series, scene.views, (source, source), scene.n_terms)
    if model.ctf is not MODEL.ctf:
        # Views hold the transfer that their model says.
        refiner.views = refiner._with_ctf(scene.views, model, scene.poses.positions_angstrom)
    return refiner


def corrected(refiner: TiltRefiner, name: str) -> Any:
    if name == "motion":
        return refiner.motion(3, np.arange(N_TILTS))
    return getattr(refiner, name)()


@pytest.fixture(scope="module")
def scene(phantom: Tensor, make_views: Any) -> Any:
    return make_views(phantom, MODEL, n_particles=N_PARTICLES, strength=0.04)


def rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def with_shifts(shifts: np.ndarray) -> SeriesModel:
    return replace(
        MODEL, geometry=replace(GEOMETRY, shift_angstrom=GEOMETRY.shift_angstrom + shifts)
    )


def test_planted_shifts_of_tilts_come_back(scene: Any) -> None:
    planted = np.random.default_rng(1).normal(size=(N_TILTS, 2)) * 2
    refiner = refiner_of(scene, with_shifts(planted))
    for first in (True, False):
        judged = refiner.shifts()
        # What the second round still finds may be too little to be told from chance.
        assert judged.is_kept or not first
        refiner.series.model = judged.model
    left = judged.model.geometry.shift_angstrom - GEOMETRY.shift_angstrom
    assert rms(planted) > 1.0
    assert rms(left) < 0.15


def test_far_shifts_are_found_by_correlation(scene: Any) -> None:
    planted = np.random.default_rng(2).uniform(-1, 1, (N_TILTS, 2)) * 20
    judged = refiner_of(scene, with_shifts(planted)).shifts_by_correlation(6.0)
    left = judged.model.geometry.shift_angstrom - GEOMETRY.shift_angstrom
    assert judged.is_kept
    assert np.abs(left).max() < 1.0


def test_planted_turns_of_tilts_come_back(scene: Any) -> None:
    planted = np.random.default_rng(3).normal(size=(3, N_TILTS)) * 0.3
    wrong = replace(
        MODEL,
        geometry=TiltGeometry(
            GEOMETRY.tilt_deg + planted[0],
            GEOMETRY.x_tilt_deg + planted[1],
            GEOMETRY.axis_deg + planted[2],
            GEOMETRY.shift_angstrom,
        ),
    )
    judged = refiner_of(scene, wrong).turns()
    found = judged.model.geometry
    left = np.stack(
        [
            found.tilt_deg - GEOMETRY.tilt_deg,
            found.x_tilt_deg - GEOMETRY.x_tilt_deg,
            found.axis_deg - GEOMETRY.axis_deg,
        ]
    )
    assert judged.is_kept
    assert rms(left) < 0.5 * rms(planted)


def test_planted_defocus_comes_back(scene: Any) -> None:
    planted = np.random.default_rng(4).normal(size=N_TILTS) * 400
    ctf = replace(
        CTF,
        defocus_u_angstrom=CTF.defocus_u_angstrom + planted,
        defocus_v_angstrom=CTF.defocus_v_angstrom + planted,
    )
    judged = refiner_of(scene, replace(MODEL, ctf=ctf)).defocus()
    assert judged.is_kept
    assert judged.model.ctf is not None
    left = judged.model.ctf.defocus_u_angstrom - CTF.defocus_u_angstrom
    assert rms(left) < 0.5 * rms(planted)
    # Astigmatism is left as it was.
    apart = judged.model.ctf.defocus_u_angstrom - judged.model.ctf.defocus_v_angstrom
    assert apart == pytest.approx(np.full(N_TILTS, 1000.0))


def test_planted_motion_comes_back(phantom: Tensor, make_views: Any) -> None:
    chance = np.random.default_rng(5)
    nodes = np.cumsum(chance.normal(size=(N_TILTS, 3, 3, 2)), axis=0)
    field = LocalField(nodes - nodes.mean(axis=0), (735.0, 735.0))
    moved = make_views(phantom, replace(MODEL, local=field), n_particles=N_PARTICLES, strength=0.04)
    judged = corrected(refiner_of(moved), "motion")
    assert judged.is_kept
    assert judged.model.local is not None
    positions = moved.poses.positions_angstrom
    planted = field.displacement(positions)
    assert rms(judged.model.local.displacement(positions) - planted) < 0.4 * rms(planted)


@pytest.mark.parametrize("name", CORRECTIONS)
def test_what_needs_no_correction_gets_next_to_none(scene: Any, name: str) -> None:
    judged = corrected(refiner_of(scene), name)
    if not judged.is_kept:
        assert judged.model is MODEL
        return
    positions = scene.poses.positions_angstrom
    moved = judged.model.places(positions) - MODEL.places(positions)
    assert rms(moved[..., :2]) < 0.15
    assert judged.gain < 1.0


@pytest.mark.parametrize("name", ["shifts", "turns", "magnification"])
def test_noise_alone_corrects_next_to_nothing(scene: Any, name: str) -> None:
    chance = torch.Generator().manual_seed(7)
    real, imaginary = (torch.randn(scene.views.data.shape, generator=chance) for _ in range(2))
    empty = scene._replace(views=replace(scene.views, data=torch.complex(real, imaginary)))
    # A map of noise is weak once it is weighed by what its halves agree on.
    judged = corrected(refiner_of(empty, strength=0.1), name)
    moved = judged.model.geometry.shift_angstrom - GEOMETRY.shift_angstrom
    assert judged.gain < 1.0
    assert np.abs(moved).max() < 3.0
    if name == "magnification":
        assert not judged.is_kept


def test_planted_magnification_comes_back(phantom: Tensor, make_views: Any) -> None:
    larger = make_views(
        phantom, replace(MODEL, magnification=1.01), n_particles=N_PARTICLES, strength=0.04
    )
    judged = refiner_of(larger).magnification()
    assert judged.is_kept
    assert judged.model.magnification == pytest.approx(1.01, abs=0.002)


def test_a_series_without_ctf_keeps_none(phantom: Tensor, make_views: Any) -> None:
    bare = SeriesModel(GEOMETRY)
    scene = make_views(phantom, bare, n_particles=4, strength=0.04)
    rows = np.arange(4)
    series = SeriesParticles("one", bare, never, scene.poses, rows % 2, rows)
    source = scene.source()
    judged = TiltRefiner(series, scene.views, (source, source), scene.n_terms).defocus()
    assert not judged.is_kept
    assert judged.model is bare

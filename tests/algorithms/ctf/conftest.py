"""Small series with nothing but ice: its rings have the depth of every place."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from tomotui.algorithms.ctf.series import SeriesCtf, Settings, fit_series
from tomotui.geometry import TiltGeometry
from tomotui.imaging.ctf import CtfOptics
from tomotui.simulate import Simulation, SimulationParameters, simulate_tilt_series


class Fit(NamedTuple):
    """A simulation, what was found, and by how much it is wrong."""

    simulation: Simulation
    found: SeriesCtf
    used: list[int]

    @property
    def defocus_error_angstrom(self) -> np.ndarray:
        truth = self.simulation.acquisition
        mean = 0.5 * (truth.defocus_u_angstrom + truth.defocus_v_angstrom)[self.used]
        return 0.5 * (self.found.defocus_u_angstrom + self.found.defocus_v_angstrom) - mean

    @property
    def astigmatism_error_angstrom(self) -> np.ndarray:
        truth = self.simulation.acquisition
        pairs = [
            (truth.defocus_u_angstrom, truth.defocus_v_angstrom, truth.astigmatism_angle_deg),
            (
                self.found.defocus_u_angstrom,
                self.found.defocus_v_angstrom,
                self.found.astigmatism_angle_deg,
            ),
        ]
        true, found = ((u - v) * np.exp(2j * np.deg2rad(angle)) for u, v, angle in pairs)
        return np.abs(found - true[self.used])


@cache
def _simulated(**changes: Any) -> Simulation:
    plain: dict[str, Any] = {
        "size_px": 320,
        "pixel_size_angstrom": 3.0,
        "tilt_step_deg": 12.0,
        "tilt_min_deg": -48.0,
        "tilt_max_deg": 48.0,
        "thickness_angstrom": 600.0,
        "dose_e_per_a2": 6.0,
        "n_particles": 0,
        "species": ("ring",),
        "n_vesicles": 0,
        "ice_noise": 1.5,
        "truth_binning": 0,
        "exposure_damage": False,
        "axis_deg": 35.0,
        "defocus_jitter_angstrom": 250.0,
    }
    return simulate_tilt_series(SimulationParameters(**{**plain, **changes}))


Fitter = Callable[..., Fit]


@pytest.fixture(scope="session")
def fit_simulated() -> Fitter:
    """Simulate with some parameters and fit with some settings."""

    @cache
    def fit(
        settings: Settings | None = None, used: tuple[int, ...] | None = None, **changes: Any
    ) -> Fit:
        simulation = _simulated(**changes)
        p, acquisition = simulation.parameters, simulation.acquisition
        chosen = list(range(p.n_tilts) if used is None else used)
        geometry = TiltGeometry.from_alignment(simulation.alignment).select(chosen)
        found = fit_series(
            lambda index: torch.from_numpy(simulation.stack[index].astype(np.float32)),
            chosen,
            geometry,
            acquisition.acquisition_order[chosen].tolist(),
            p.pixel_size_angstrom,
            p.shape_yx,
            CtfOptics(p.voltage_kv, p.spherical_aberration_mm, p.amplitude_contrast),
            settings or Settings(),
        )
        return Fit(simulation, found, chosen)

    return fit

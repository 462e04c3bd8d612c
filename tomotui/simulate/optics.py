"""The electron-optical numbers of the simulated microscope."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomotui.imaging.potential import ICE_POTENTIAL_V
from tomotui.simulate.parameters import SimulationParameters

Array = NDArray[np.floating]

ICE_MOLECULES_PER_A3 = 0.0311
WATER_POTENTIAL_V_A3 = ICE_POTENTIAL_V / ICE_MOLECULES_PER_A3
ICE_STRUCTURE_FACTOR = 0.06
"""How much less the density of water fluctuates, at low frequency, than that of a gas."""

_REST_ENERGY_EV = 510_998.95
_PLANCK_TIMES_C_EV_A = 12_398.419_8


@dataclass(frozen=True)
class Optics:
    """Wavelength, interaction constant and phase-contrast transfer of one microscope.

    Parameters
    ----------
    voltage_kv, spherical_aberration_mm, amplitude_contrast, phase_shift_deg
        As in the metadata of a tilt series.
    """

    voltage_kv: float
    spherical_aberration_mm: float
    amplitude_contrast: float
    phase_shift_deg: float = 0.0

    @classmethod
    def of(cls, parameters: SimulationParameters) -> Optics:
        """Read the optics out of the parameters."""
        return cls(
            parameters.voltage_kv,
            parameters.spherical_aberration_mm,
            parameters.amplitude_contrast,
            parameters.phase_shift_deg,
        )

    @property
    def wavelength_angstrom(self) -> float:
        """Relativistic wavelength of the electrons."""
        energy = self.voltage_kv * 1e3
        return float(_PLANCK_TIMES_C_EV_A / np.sqrt(energy * (2 * _REST_ENERGY_EV + energy)))

    @property
    def interaction_rad_per_v_a(self) -> float:
        """Phase given by one volt over one Angstrom (6.5e-4 rad at 300 kV)."""
        energy = self.voltage_kv * 1e3
        relativity = (_REST_ENERGY_EV + energy) / (2 * _REST_ENERGY_EV + energy)
        return float(2 * np.pi / (self.wavelength_angstrom * energy) * relativity)

    def phase_by_defocus(self, k2: Array) -> Array:
        """Return radians per Angstrom of defocus at squared frequencies in 1/A^2."""
        return np.asarray(np.pi * self.wavelength_angstrom * k2)

    def phase_at_focus(self, k2: Array) -> Array:
        """Return the phase in radians that is left at zero defocus."""
        cs = self.spherical_aberration_mm * 1e7
        aberration = 0.5 * np.pi * cs * self.wavelength_angstrom**3 * k2**2
        constant = np.deg2rad(self.phase_shift_deg) + np.arcsin(self.amplitude_contrast)
        return np.asarray(constant - aberration)

    def ctf(self, k2: Array, defocus_angstrom: Array | float) -> Array:
        """Return the contrast transfer function, positive at low frequency in underfocus.

        An image is ``1 - 2 CTF(phase)``: matter with a higher potential than ice looks dark.

        Parameters
        ----------
        k2
            Squared frequencies, 1/A^2.
        defocus_angstrom
            Anything that broadcasts against ``k2``; underfocus positive.
        """
        return np.sin(self.phase_by_defocus(k2) * defocus_angstrom + self.phase_at_focus(k2))

    def delocalisation_angstrom(self, k: float, defocus_angstrom: float) -> float:
        """Return how far the frequency ``k`` (1/A) is displaced in the image."""
        wavelength = self.wavelength_angstrom
        cs = self.spherical_aberration_mm * 1e7
        frequencies = np.linspace(0, k, 64)
        moved = wavelength * defocus_angstrom * frequencies - cs * wavelength**3 * frequencies**3
        return float(np.abs(moved).max())


def astigmatic_defocus(
    kx: Array, ky: Array, defocus_u: float, defocus_v: float, angle_deg: float
) -> Array:
    """Return the defocus in Angstrom along each direction of frequency.

    ``defocus_u`` belongs to the direction ``angle_deg``, counted from +x towards +y.
    """
    azimuth = np.arctan2(ky, kx) - np.deg2rad(angle_deg)
    mean, half = 0.5 * (defocus_u + defocus_v), 0.5 * (defocus_u - defocus_v)
    return np.asarray(mean + half * np.cos(2 * azimuth))


def critical_exposure(k: Array, voltage_kv: float) -> Array:
    """Return the exposure in e/A^2 after which an amplitude has fallen to 1/e^(1/2).

    Grant and Grigorieff (2015), measured at 300 kV; scaled by 0.8 at 200 kV as they do, and by
    the interaction cross section (beta^2) elsewhere.

    Parameters
    ----------
    k
        Frequencies in 1/A; infinite exposure is returned at 0.
    """
    with np.errstate(divide="ignore"):
        at_300_kv = 0.245 * np.where(k > 0, k, 0.0) ** -1.665 + 2.81
    known = {300.0: 1.0, 200.0: 0.8}
    scale = known.get(voltage_kv, _beta_squared(voltage_kv) / _beta_squared(300.0))
    return np.asarray(at_300_kv * scale)


def exposure_filter(
    k: Array, prior_dose_e_per_a2: float, dose_e_per_a2: float, voltage_kv: float
) -> Array:
    """Return what is left of each amplitude, averaged over one image's exposure.

    The amplitude after an exposure N is ``exp(-N / (2 N_c))``; the mean of that from the prior
    exposure to the end of the image is exact, not taken at its middle.

    Parameters
    ----------
    k
        Frequencies in 1/A.
    """
    decay = 0.5 / critical_exposure(k, voltage_kv)
    x = decay * dose_e_per_a2
    mean = np.where(x > 1e-9, -np.expm1(-x) / np.where(x > 1e-9, x, 1.0), 1.0)
    return np.asarray(np.exp(-decay * prior_dose_e_per_a2) * mean)


def _beta_squared(voltage_kv: float) -> float:
    """Return the squared speed of the electrons in units of light's."""
    gamma = 1 + voltage_kv * 1e3 / _REST_ENERGY_EV
    return 1 - 1 / gamma**2

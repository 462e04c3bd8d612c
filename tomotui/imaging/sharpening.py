"""Giving an averaged map back the contrast of its fine detail, as far as it is resolved."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tomotui.imaging.fsc import Fsc
from tomotui.imaging.masks import raised_cosine
from tomotui.imaging.shells import Shells

Curve = NDArray[np.float64]

GUINIER_FROM_ANGSTROM = 10.0
"""Coarser detail tells of the particle's shape and not of how sharply it is seen."""

FEWEST_SHELLS = 5
"""A line through fewer says nothing."""

FALL_OFF_SHELLS = 3.0
MOST_GAIN = 30.0
"""Of a shell over the middle one, when amplitudes are brought to a profile."""

DA_PER_ATOM = 13.4
"""Mass of protein for each atom other than hydrogen."""

A3_PER_DA = 1.21
CONTRAST = 0.28
"""Potential of protein above that of the ice in its place, over that of protein."""

SURFACE = 4.5**0.25
"""Of a ball: its intensity falls as ``4.5 (q R)^-4`` (Porod)."""


@dataclass(frozen=True)
class Profile:
    """Amplitudes by frequency, whose scale means nothing.

    Attributes
    ----------
    frequency_per_angstrom, amplitude
        ``[n]``, rising frequencies; amplitudes above 0.
    """

    frequency_per_angstrom: Curve
    amplitude: Curve

    def at(self, frequency_per_angstrom: Curve) -> Curve:
        """Return amplitudes at frequencies, interpolated by their logarithms; flat beyond."""
        logs = np.interp(
            frequency_per_angstrom, self.frequency_per_angstrom, np.log(self.amplitude)
        )
        amplitude: Curve = np.exp(logs)
        return amplitude


@dataclass(frozen=True)
class Guinier:
    """A line through the logarithms of amplitudes over squared frequency.

    Attributes
    ----------
    squared_frequency_per_a2, log_amplitude
        Of each shell but the first, ``[n]``; of the signal alone, NaN where there is none.
    is_fitted
        Which shells the line was laid through, ``[n]``.
    b_factor_a2
        Fall-off: amplitudes go as ``exp(-B / (4 d^2))``.
    intercept
        Of the line at frequency 0.
    """

    squared_frequency_per_a2: Curve
    log_amplitude: Curve
    is_fitted: NDArray[np.bool_]
    b_factor_a2: float
    intercept: float


@dataclass(frozen=True)
class Sharpened:
    """A sharpened map.

    Attributes
    ----------
    values
        ``[n, n, n]``.
    gain
        That each shell was multiplied by, ``[n_shells]``.
    b_factor_a2
        That was made up for; ``None`` where amplitudes were brought to a profile.
    guinier
        How that was found; ``None`` where it was given, or a profile was used.
    """

    values: Tensor
    gain: Curve
    b_factor_a2: float | None
    guinier: Guinier | None


def reference_weight(correlation: Curve) -> Curve:
    """Return how well an average of two halves correlates with the truth, shell by shell.

    ``C_ref = sqrt(2 FSC / (1 + FSC))`` (Rosenthal and Henderson 2003, J. Mol. Biol. 333:721); 0
    where halves do not agree.
    """
    agreed = np.clip(correlation, 0.0, 1.0)
    weight: Curve = np.sqrt(2 * agreed / (1 + agreed))
    return weight


def shell_amplitude(values: Tensor, shells: Shells | None = None) -> Curve:
    """Return the root mean square of Fourier amplitudes in each shell, ``[n_shells]``."""
    shells = shells or Shells(values.shape[-1], values.device)
    spectrum = torch.fft.rfftn(values)
    power = spectrum.real.square() + spectrum.imag.square()
    amplitude: Curve = shells.mean(power).sqrt().cpu().numpy()
    return amplitude


def profile_of(values: Tensor, voxel_size_angstrom: float) -> Profile:
    """Return the amplitudes of a reference structure, ``[n, n, n]``, by frequency.

    Raises
    ------
    ValueError
        When the reference is empty.
    """
    shells = Shells(values.shape[-1], values.device)
    amplitude = shell_amplitude(values - values.mean(), shells)[1:]
    if not amplitude.max() > 0:
        raise ValueError("the reference structure is empty")
    frequency = shells.frequency.cpu().numpy()[1:] / voxel_size_angstrom
    return Profile(frequency, np.maximum(amplitude, 1e-9 * amplitude.max()))


def protein_profile(mass_kda: float) -> Profile:
    """Return amplitudes to be expected of a globular protein, to 5 A.

    Parameters
    ----------
    mass_kda
        Of the particle, which tells its size and how many atoms it has.

    Notes
    -----
    The intensity of a ball of protein in ice, by its fall-off beyond the first maximum (Porod)
    on top of that of atoms which lie as if by chance (Wilson). It is meant for maps that end
    coarser than about 10 A, where the shape tells most: secondary structure is not in it.
    """
    frequency = np.linspace(1e-3, 0.2, 200)
    radius = (3 * A3_PER_DA * 1e3 * mass_kda / (4 * np.pi)) ** (1 / 3)
    shape = (1 + (2 * np.pi * frequency * radius / SURFACE) ** 2) ** -2
    atoms = DA_PER_ATOM / (1e3 * mass_kda) / CONTRAST**2
    return Profile(frequency, np.sqrt(shape + atoms))


def guinier(values: Tensor, fsc: Fsc) -> Guinier:
    """Fit how amplitudes of the signal fall off between 10 A and the resolution.

    Parameters
    ----------
    values
        Average of the half maps, under the mask that the correlation was taken under.

    Raises
    ------
    ValueError
        When the map ends too near to 10 A, or coarser.
    """
    frequency = fsc.frequency_per_angstrom[1:]
    weight = reference_weight(fsc.corrected)[1:]
    amplitude = shell_amplitude(values)[1:] * weight
    known = amplitude > 0
    logs = np.full(len(amplitude), np.nan)
    logs[known] = np.log(amplitude[known])
    resolution = fsc.resolution()
    fitted = known & (frequency >= 1 / GUINIER_FROM_ANGSTROM) & (frequency <= 1 / resolution)
    if fitted.sum() < FEWEST_SHELLS:
        raise ValueError(
            f"a fall-off can be fitted between {GUINIER_FROM_ANGSTROM:g} A and the resolution, "
            f"and the map ends at {resolution:.3g} A"
        )
    slope, intercept = np.polyfit(frequency[fitted] ** 2, logs[fitted], 1)
    return Guinier(frequency**2, logs, fitted, -4 * float(slope), float(intercept))


def sharpened(
    values: Tensor,
    fsc: Fsc,
    *,
    mask: Tensor | None = None,
    b_factor_a2: float | None = None,
    profile: Profile | None = None,
    prefer_profile: bool = False,
    low_pass_angstrom: float | None = None,
) -> Sharpened:
    """Weigh a map by what is known of each shell, and make up for the fall-off of amplitudes.

    Parameters
    ----------
    values
        Average of the half maps, without a filter, ``[n, n, n]``.
    mask
        That the correlation was taken under; amplitudes are measured under it too.
    b_factor_a2
        To make up for; fitted when not given, where the map reaches far enough. A fit that says
        that amplitudes rise is taken for 0.
    profile
        To bring amplitudes to where it does not, such as that of a reference structure
        (`profile_of`) or of any protein (`protein_profile`).
    prefer_profile
        Use the profile also where a fall-off could be fitted.
    low_pass_angstrom
        Where the map ends; at its resolution by default.

    Raises
    ------
    ValueError
        When the map is too coarse for a fit, and no profile is given; or is not resolved at all.
    """
    resolution = low_pass_angstrom or fsc.resolution()
    if not np.isfinite(resolution):
        raise ValueError("the half maps do not agree at all")
    shells = Shells(values.shape[0], values.device)
    seen = values if mask is None else values * mask
    frequency, weight = fsc.frequency_per_angstrom, reference_weight(fsc.corrected)
    fit = None
    if b_factor_a2 is None and not (prefer_profile and profile):
        try:
            fit = guinier(seen, fsc)
            b_factor_a2 = max(0.0, fit.b_factor_a2)
        except ValueError:
            if profile is None:
                raise
    if b_factor_a2 is None and profile is not None:
        gain = _gain_to_profile(shell_amplitude(seen, shells), profile, frequency, resolution)
        gain *= weight > 0
    else:
        gain = weight * np.exp((b_factor_a2 or 0.0) * frequency**2 / 4)
    gain[0] = gain[1]
    beyond = torch.from_numpy((frequency - 1 / resolution) / frequency[1])
    gain *= raised_cosine(beyond, FALL_OFF_SHELLS).numpy()
    spread = shells.spread(torch.from_numpy(gain).to(shells.index.device)).to(values)
    result = torch.fft.irfftn(torch.fft.rfftn(values) * spread, s=values.shape)
    return Sharpened(result, gain, b_factor_a2, fit)


def _gain_to_profile(
    amplitude: Curve, profile: Profile, frequency: Curve, resolution_angstrom: float
) -> Curve:
    """Return what brings amplitudes to a profile; 1 in the middle of the shells that are known."""
    # Single shells of few terms vary: their neighbours have a say.
    logs = np.log(np.maximum(amplitude, 1e-12 * amplitude.max()))
    logs[0] = logs[1]
    smooth = np.convolve(np.pad(logs, 1, mode="edge"), [0.25, 0.5, 0.25], mode="valid")
    ratio = np.log(profile.at(frequency)) - smooth
    known = (frequency > 0) & (frequency <= 1 / resolution_angstrom)
    limit = np.log(MOST_GAIN)
    gain: Curve = np.exp(np.clip(ratio - np.median(ratio[known]), -limit, limit))
    return gain

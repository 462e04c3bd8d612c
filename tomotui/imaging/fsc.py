"""Fourier shell correlation: how far two maps of independent halves of the data agree."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tomotui.imaging.masks import soft_ball
from tomotui.imaging.shells import Shells

Curve = NDArray[np.float64]

RANDOMISE_BELOW = 0.8
"""Correlation in a wide soft ball about the mask, below which phases are made random."""

WIDE_EDGE_SHARE = 0.125
"""Edge of that ball over the side of the box: it mixes few shells."""

MARGIN_SHELLS = 2
"""Shells beyond that, in which a mask still carries signal over."""

EVIDENT = 3.0
"""Standard deviations above which a correlation is not taken for chance."""


@dataclass(frozen=True)
class Fsc:
    """Fourier shell correlation of two half maps; each curve is ``[n_shells]``.

    Attributes
    ----------
    frequency_per_angstrom
        Of each shell, from 0 to Nyquist.
    unmasked
        Of the maps as they are.
    masked
        Under the mask; the same as ``unmasked`` where there is none.
    randomised
        Under the mask, of maps whose phases are random from ``randomised_from_shell`` on: what
        the mask alone makes agree. 0 where there is no mask.
    corrected
        ``masked`` without that share.
    n_terms
        Independent Fourier terms of each shell, without regard to the mask.
    randomised_from_shell
        The first shell of random phases; ``n_shells`` where no phase was changed.
    """

    frequency_per_angstrom: Curve
    unmasked: Curve
    masked: Curve
    randomised: Curve
    corrected: Curve
    n_terms: Curve
    randomised_from_shell: int

    def resolution(self, threshold: float = 0.143) -> float:
        """Return the spacing at which the corrected curve first falls below a threshold, Angstrom.

        Notes
        -----
        Linear between shells, and never finer than Nyquist. A curve that dips and returns ends
        at its first dip: what lies beyond has no claim to be resolved. Infinite where already
        the first shell is below.
        """
        return crossing_angstrom(self.frequency_per_angstrom, self.corrected, threshold)

    def returns_at(self, threshold: float = 0.143) -> float | None:
        """Return where the curve is above a threshold again beyond its resolution, Angstrom.

        ``None`` where it stays below. Two neighbouring shells must be above by more than chance
        would make them: such curves tell of a zero of the contrast transfer, of too tight a mask,
        or of copies of the same data in both halves.
        """
        below = np.flatnonzero(self.corrected[1:] < threshold)
        if not len(below):
            return None
        chance = EVIDENT / np.sqrt(np.maximum(self.n_terms / 2, 1.0))
        above = self.corrected > threshold + chance
        above[: below[0] + 2] = False
        both = np.flatnonzero(above[:-1] & above[1:])
        return float(1 / self.frequency_per_angstrom[both[0]]) if len(both) else None


def crossing_angstrom(frequency_per_angstrom: Curve, curve: Curve, threshold: float) -> float:
    """Return the spacing at which a curve first falls below a threshold, see `Fsc.resolution`."""
    below = np.flatnonzero(curve[1:] < threshold)
    if not len(below):
        return float(1 / frequency_per_angstrom[-1])
    last = int(below[0])
    if last == 0:
        return math.inf
    share = (curve[last] - threshold) / (curve[last] - curve[last + 1])
    step = frequency_per_angstrom[last + 1] - frequency_per_angstrom[last]
    return float(1 / (frequency_per_angstrom[last] + share * step))


def shell_correlation(first: Tensor, second: Tensor, shells: Shells | None = None) -> Tensor:
    """Correlate cubes shell by shell.

    Parameters
    ----------
    first, second
        Shape ``[..., n, n, n]``.
    shells
        Of such cubes; made where none are given.

    Returns
    -------
    Shape ``[..., n_shells]``, float64; 0 where a shell of either is empty.
    """
    axes = (-3, -2, -1)
    spectra = torch.fft.rfftn(first, dim=axes), torch.fft.rfftn(second, dim=axes)
    return spectrum_correlation(*spectra, shells or Shells(first.shape[-1], first.device))


def spectrum_correlation(first: Tensor, second: Tensor, shells: Shells) -> Tensor:
    """Correlate Fourier transforms of cubes, ``[..., n, n, n // 2 + 1]``, shell by shell."""
    product = shells.sum(first.real * second.real + first.imag * second.imag)
    power = shells.sum(_power(first)) * shells.sum(_power(second))
    empty = power <= 0
    return torch.where(empty, 0.0, product / power.where(~empty, 1.0).sqrt())


def _power(spectrum: Tensor) -> Tensor:
    return spectrum.real.square() + spectrum.imag.square()


def randomised_beyond(
    values: Tensor, first_shell: int, generator: torch.Generator, shells: Shells | None = None
) -> Tensor:
    """Return a cube of the same amplitudes whose phases are chance from a shell on.

    Parameters
    ----------
    values
        Shape ``[n, n, n]``.
    first_shell
        The first of random phases; the corners beyond Nyquist become random too.
    generator
        Of the phases, on the CPU, so that they are the same on every device.
    """
    shells = shells or Shells(values.shape[-1], values.device)
    noise = torch.randn(values.shape, generator=generator).to(values)
    # The transform of real noise has the symmetry that that of a real map must have.
    phases = torch.fft.rfftn(noise)
    phases /= phases.abs().clamp_min(torch.finfo(values.dtype).tiny)
    spectrum = torch.fft.rfftn(values)
    changed = torch.where(shells.index >= first_shell, spectrum.abs() * phases, spectrum)
    return torch.fft.irfftn(changed, s=values.shape)


def fourier_shell_correlation(
    first: Tensor,
    second: Tensor,
    voxel_size_angstrom: float,
    mask: Tensor | None = None,
    *,
    seed: int = 0,
) -> Fsc:
    """Return the correlation of two half maps, corrected for what a mask alone makes agree.

    Parameters
    ----------
    first, second
        Half maps, ``[n, n, n]``.
    mask
        Between 0 and 1, ``[n, n, n]``.
    seed
        Of the random phases.

    Raises
    ------
    ValueError
        When the shapes differ, are no cubes, or a value is not finite.

    Notes
    -----
    Phases of both halves are made random, each by itself, from the shell on at which the maps
    correlate by less than 0.8. What then correlates under the mask is taken off: ``(masked -
    randomised) / (1 - randomised)``, beyond the first two of those shells (Chen and others 2013,
    Ultramicroscopy 135:24). Where to begin is read in a wide soft ball that holds the mask: in a
    box much larger than the particle the noise around it would begin too early, and what the
    shells between carry over into others would be missed.
    """
    _check(first, second, mask)
    shells = Shells(first.shape[-1], first.device)
    # A constant tells nothing; taken off, it costs the transforms no digits.
    first, second = (one - one.double().mean().to(one) for one in (first, second))
    unmasked = shell_correlation(first, second, shells)
    masked, randomised, start = unmasked, torch.zeros_like(unmasked), shells.n_shells
    if mask is not None:
        masked = shell_correlation(first * mask, second * mask, shells)
        ball = _wide_ball(mask)
        start = _first_below(shell_correlation(first * ball, second * ball, shells))
        generator = torch.Generator().manual_seed(seed)
        chance = (randomised_beyond(one, start, generator, shells) for one in (first, second))
        randomised = shell_correlation(next(chance) * mask, next(chance) * mask, shells)
    return Fsc(
        shells.frequency.cpu().numpy() / voxel_size_angstrom,
        unmasked.cpu().numpy(),
        masked.cpu().numpy(),
        randomised.cpu().numpy(),
        corrected_for_mask(masked, randomised, start).cpu().numpy(),
        shells.n_terms.cpu().numpy(),
        start,
    )


def corrected_for_mask(masked: Tensor, randomised: Tensor, first_random: int) -> Tensor:
    """Take off what randomised maps correlate by, ``[..., n_shells]``; no less than -1 is left."""
    corrected = masked.clone()
    from_here = slice(first_random + MARGIN_SHELLS, None)
    chance = randomised[..., from_here]
    # Where noise alone agrees fully, nothing is known.
    known = chance < 1 - 1e-6
    share = (masked[..., from_here] - chance) / (1 - chance).where(known, 1.0)
    corrected[..., from_here] = share.where(known, 0.0).clamp_min(-1.0)
    return corrected


def _first_below(curve: Tensor) -> int:
    """Return the first shell of random phases; the number of shells where there is none."""
    below = (curve[1:] < RANDOMISE_BELOW).nonzero()
    return int(below[0]) + 1 if len(below) else len(curve)


def _wide_ball(mask: Tensor) -> Tensor:
    """Return the ball about the box's centre that holds a mask, with a wide edge."""
    n = mask.shape[-1]
    places = (mask > 0).nonzero() - n // 2
    radius = float(places.square().sum(dim=1).max().sqrt()) if len(places) else 0.0
    edge = WIDE_EDGE_SHARE * n
    return soft_ball(n, min(radius, n / 2 - edge), edge).to(mask)


def _check(first: Tensor, second: Tensor, mask: Tensor | None) -> None:
    shape = tuple(first.shape)
    if len(shape) != 3 or len(set(shape)) != 1:
        raise ValueError(f"maps must be cubes, got {shape}")
    for name, one in (("second half map", second), ("mask", mask)):
        if one is not None and tuple(one.shape) != shape:
            raise ValueError(f"the {name} has shape {tuple(one.shape)}, the first half map {shape}")
    if not bool(torch.isfinite(first).all() and torch.isfinite(second).all()):
        raise ValueError("a half map holds values that are not numbers")

"""How well frames agree under given displacements, its slope, and how sharp it is.

Every frame is one picture, displaced, plus noise of its own: at a frequency k the whitened
frames are ``X_f = S exp(-2 pi i k d_f) + N_f`` with the signal-to-noise ratio rho(k) of one
frame. The likelihood of displacements d, the picture integrated out, is

    L(d) = sum_k rho (1 + rho) / (1 + n rho) |sum_f X_f exp(2 pi i k d_f)|^2 + const.

Its slope with respect to d_f compares frame f with the sum of all others only. rho(k) comes from
the frames themselves (their mutual coherence under the present displacements), so that coarse
detail counts first and finer detail joins as the frames come together.

A pattern that the detector adds to every frame agrees best at no motion. It does not move with
the specimen: its share of the cross terms, white and known from frequencies where no specimen
is left, is taken away.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from tomotui.imaging.fourier import radial_frequency

LOWEST_RING = 2
"""Coarser detail is gradients of ice and illumination."""
PATTERN_BAND = (0.38, 0.5)
"""Cycles per working pixel where only the detector's own pattern repeats."""
MAX_COHERENCE = 0.9
SIGNIFICANT = 2.0
"""Deviations by which the coherence of a ring has to stand out."""


@dataclass(frozen=True)
class Coherence:
    """What frames share.

    Attributes
    ----------
    gamma
        Signal power over whole power per ring, ``[n_rings]``.
    weight
        ``rho (1 + rho) / (1 + n rho)`` per ring.
    """

    gamma: Tensor
    weight: Tensor


class FrameSpectra:
    """Whitened spectra of frames (of the whole image or of its patches).

    Parameters
    ----------
    frames
        Real, tapered to zero at the borders, ``[n_patches, n_frames, height, width]``.
    taper_power
        Mean square of the taper: so much of the pixels is independent.
    pattern
        Variance of the detector's pattern in a pixel; found from the frames by default.
    highest
        Highest frequency to keep, cycles per pixel.
    """

    def __init__(
        self,
        frames: Tensor,
        taper_power: float = 1.0,
        pattern: float | None = None,
        highest: float = 0.5,
    ) -> None:
        self.shape = (int(frames.shape[-2]), int(frames.shape[-1]))
        self.n_patches, self.n_frames = int(frames.shape[0]), int(frames.shape[1])
        device = frames.device
        frequency = radial_frequency(self.shape, device)
        n_rings = max(4, min(self.shape) // 2)
        ring = (frequency * 2 * n_rings).round().long()
        first = torch.tensor(LOWEST_RING, device=device)
        inside = (ring >= first) & (frequency <= highest) & (ring <= n_rings)
        self._ring = ring[inside]
        self.n_rings = n_rings + 1
        ky = torch.fft.fftfreq(self.shape[0], device=device)[:, None].expand(frequency.shape)
        kx = torch.fft.rfftfreq(self.shape[1], device=device)[None, :].expand(frequency.shape)
        self._k = 2 * math.pi * torch.stack([kx[inside], ky[inside]]).to(frames.dtype)
        mates = torch.full_like(frequency, 1.0)
        mates[:, 0] = 0.5
        if self.shape[1] % 2 == 0:
            mates[:, -1] = 0.5
        # Each pair of Friedel mates once, and fewer for what the taper has tied together.
        self._independent = mates[inside] * taper_power
        self.spectra = torch.fft.rfft2(frames)[..., inside]
        self.power = self._mean(self.spectra.abs().square().mean(dim=(0, 1)))
        in_band = (frequency[inside] > PATTERN_BAND[0]) & (frequency[inside] < PATTERN_BAND[1])
        per_pixel = self.shape[0] * self.shape[1] * taper_power
        self.pattern = self._find_pattern(in_band) / per_pixel if pattern is None else pattern
        whiten = self.power.clamp_min(1e-20).rsqrt()[self._ring]
        self.spectra *= whiten
        self._pattern = self.pattern * per_pixel * whiten.square()

    def _mean(self, values: Tensor) -> Tensor:
        """Return the mean over each ring."""
        weight = self._sum(torch.ones_like(values))
        return self._sum(values) / weight.clamp_min(1e-20)

    def _sum(self, values: Tensor) -> Tensor:
        """Return the sum of independent terms over each ring, ``[n_rings]``."""
        out = torch.zeros(self.n_rings, dtype=torch.float64, device=values.device)
        weighted = values.double() * self._independent.double()
        return out.index_add_(0, self._ring, weighted).to(values.dtype)

    def _find_pattern(self, band: Tensor) -> float:
        """Return the mean cross power of unmoved frames where the specimen shows nothing."""
        n = self.n_frames
        if n < 2 or not bool(band.any()):
            return 0.0
        some = self.spectra[..., band]
        both = some.sum(dim=1).abs().square() - some.abs().square().sum(dim=1)
        found = float(both.mean()) / (n * (n - 1))
        error = float(some.abs().square().mean()) / math.sqrt(n * (n - 1) * both.numel())
        return found if found > SIGNIFICANT * error else 0.0

    def phases(self, displacement: Tensor) -> Tensor:
        """Return what undoes displacements (x, y) in pixels, ``[n_patches, n_frames, n_k]``."""
        angle = displacement.to(self._k) @ self._k
        return torch.polar(torch.ones_like(angle), angle)

    def coherence(self, displacement: Tensor) -> Coherence:
        """Return what the frames share under displacements ``[n_patches, n_frames, 2]``."""
        n = self.n_frames
        phases = self.phases(displacement)
        moved = self.spectra * phases
        common = moved.sum(dim=1).abs().square() - moved.abs().square().sum(dim=1)
        pattern = (phases.sum(dim=1).abs().square() - n) * self._pattern
        number = self._sum(torch.ones_like(self._independent))
        gamma = self._sum((common - pattern).mean(dim=0)) / (n * (n - 1))
        # Neighbouring rings are pooled: few terms tell little.
        gamma, pooled = _pooled(gamma), _pooled(number)
        error = 1 / (n * (n - 1) * self.n_patches * pooled.clamp_min(1e-9)).sqrt()
        gamma = gamma / pooled.clamp_min(1e-9)
        gamma = gamma.where(gamma > SIGNIFICANT * error, torch.zeros_like(gamma))
        gamma[:LOWEST_RING] = 0
        rho = gamma.clamp(0, MAX_COHERENCE)
        rho = rho / (1 - rho)
        return Coherence(rho / (1 + rho), rho * (1 + rho) / (1 + n * rho))

    def likelihood(self, displacement: Tensor, coherence: Coherence) -> Tensor:
        """Return L for each patch, ``[n_patches]``."""
        phases = self.phases(displacement)
        total = (self.spectra * phases).sum(dim=1).abs().square()
        total = total - self._pattern * phases.sum(dim=1).abs().square()
        return total @ (coherence.weight[self._ring] * self._independent)

    def evidence(self, displacement: Tensor, coherence: Coherence) -> float:
        """Return by how much frames with a common picture are likelier than frames of noise."""
        n, gamma = self.n_frames, coherence.gamma.double()
        rho = gamma / (1 - gamma)
        per_term = n * torch.log1p(rho) - torch.log1p(n * rho) - n * rho
        fixed = float((per_term[self._ring] * self._independent).sum()) * self.n_patches
        return float(self.likelihood(displacement, coherence).sum()) + fixed

    def slope(self, displacement: Tensor, coherence: Coherence) -> Tensor:
        """Return dL/dd, ``[n_patches, n_frames, 2]`` per pixel; it sums to 0 over the frames."""
        phases = self.phases(displacement)
        moved = self.spectra * phases
        cross = (moved * moved.sum(dim=1, keepdim=True).conj()).imag
        cross -= self._pattern * (phases * phases.sum(dim=1, keepdim=True).conj()).imag
        cross *= -2 * coherence.weight[self._ring] * self._independent
        return cross @ self._k.T

    def sharpness(self, coherence: Coherence) -> Tensor:
        """Return the expected curvature of L for one pair of frames, ``[2, 2]`` per pixel^2.

        The curvature of all displacements of a patch is this times ``n I - 1``.
        """
        per_term = 2 * coherence.weight * coherence.gamma
        values = per_term[self._ring] * self._independent
        return (self._k * values) @ self._k.T


def _pooled(per_ring: Tensor) -> Tensor:
    """Sum over five neighbouring rings."""
    kernel = torch.ones(1, 1, 5, dtype=per_ring.dtype, device=per_ring.device)
    return torch.nn.functional.conv1d(per_ring[None, None], kernel, padding=2)[0, 0]

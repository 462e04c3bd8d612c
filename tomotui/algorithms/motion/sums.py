"""Sums of frames that lie upon each other: all of them, and every other one."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from tomotui.algorithms.motion.field import MotionField
from tomotui.imaging.exposure import exposure_weights
from tomotui.imaging.resample import binned_size, fit_about_centre

TILE_PX = 128


@dataclass(frozen=True)
class Exposure:
    """What the frames have been exposed to, for the exposure filter.

    Attributes
    ----------
    until_middle_e_per_a2
        Exposure of the specimen up to the middle of each frame, ``[n_frames]``.
    voltage_kv
        Acceleration voltage.
    """

    until_middle_e_per_a2: Tensor
    voltage_kv: float = 300.0


@dataclass(frozen=True)
class FrameSums:
    """Sums of the frames with even and with odd numbers (the first is 0), ``[height, width]``."""

    even: Tensor
    odd: Tensor

    @property
    def whole(self) -> Tensor:
        """The sum of all frames."""
        return self.even + self.odd


def sum_frames(
    load: Callable[[int], Tensor],
    field: MotionField,
    pixel_size_angstrom: float,
    binning: int = 1,
    exposure: Exposure | None = None,
) -> FrameSums:
    """Undo the motion of every frame and add the frames up, one at a time.

    Whole frames are moved by Fourier phases, together with the exposure filter and the binning;
    the local part is undone in overlapping tiles, each moved by its own phases, so that nothing
    is lost to interpolation. Where a frame has seen nothing of the field, its mean is used.

    The exposure filter is that of Grant & Grigorieff (2015, eLife 4:e06980), with the noise
    brought back to that of the plain sum: frames count by what is left of the signal in them,
    and what the whole exposure has lost is left to the filter of the reconstruction.

    Parameters
    ----------
    load
        Returns a frame, mended and corrected for the gain, ``[height, width]``.
    field
        Motion in pixels of the frames.
    pixel_size_angstrom
        Of the frames.
    binning
        Whole factor; counts add up.
    exposure
        For the exposure filter; ``None`` for plain sums.
    """
    sums: list[Tensor] = []
    plan: _Plan | None = None
    for number in range(field.n_frames):
        frame = load(number)
        if plan is None:
            plan = _Plan(frame, pixel_size_angstrom, binning, exposure)
            sums = [torch.zeros(plan.target, device=frame.device) for _ in range(2)]
        sums[number % 2] += plan.corrected(frame, number, field)
    while len(sums) < 2:
        raise ValueError("a movie has no frames")
    return FrameSums(sums[0], sums[1])


class _Plan:
    """What all frames of a movie share when they are corrected."""

    def __init__(
        self, frame: Tensor, pixel: float, binning: int, exposure: Exposure | None
    ) -> None:
        height, width = frame.shape
        self.binning = binning
        if binning == 1:
            self.source = self.target = (height, width)
        else:
            self.target = (binned_size(height, binning), binned_size(width, binning))
            self.source = (self.target[0] * binning, self.target[1] * binning)
        device = frame.device
        ky = torch.fft.fftfreq(self.target[0], device=device) / binning
        kx = torch.fft.rfftfreq(self.target[1], device=device) / binning
        self._ky, self._kx = 2 * math.pi * ky[:, None], 2 * math.pi * kx[None, :]
        self._exposure, self._pixel = exposure, pixel * binning
        self._norm = None if exposure is None else self._noise(exposure, device)

    def _noise(self, exposure: Exposure, device: torch.device) -> Tensor:
        """Return the deviation of the noise in a filtered sum over that in a plain one."""
        total = torch.zeros(self.target[0], self.target[1] // 2 + 1, device=device)
        for number in range(len(exposure.until_middle_e_per_a2)):
            total += self._weights(exposure, number, device).square()
        return (total / len(exposure.until_middle_e_per_a2)).sqrt().clamp_min(1e-12)

    def _weights(self, exposure: Exposure, number: int, device: torch.device) -> Tensor:
        dose = exposure.until_middle_e_per_a2[number : number + 1].to(device, torch.float32)
        return exposure_weights(self.target, self._pixel, dose, exposure.voltage_kv)[0]

    def corrected(self, frame: Tensor, number: int, field: MotionField) -> Tensor:
        """Return one frame where it belongs, ``[height, width]`` of the sums."""
        mean = frame.mean()
        spectrum = torch.fft.rfft2(fit_about_centre(frame - mean, self.source))
        spectrum = _cropped(spectrum, self.target)
        dx, dy = (float(value) for value in field.shift_px[number])
        angle = self._kx * dx + self._ky * dy
        factor = torch.polar(torch.ones_like(angle), angle)
        if self._exposure is not None and self._norm is not None:
            factor *= self._weights(self._exposure, number, frame.device) / self._norm
        image = torch.fft.irfft2(spectrum * factor, s=self.target)
        if field.local_px is not None:
            image = _move_tiles(image, field, number, self.binning)
        _blank_unseen(image, dx / self.binning, dy / self.binning)
        return image + mean * self.binning**2


def _cropped(spectrum: Tensor, target: tuple[int, int]) -> Tensor:
    """Return the low frequencies of a spectrum that make an image of a smaller size."""
    height, width = target
    if spectrum.shape[-2:] == (height, width // 2 + 1):
        return spectrum
    rows = torch.cat([spectrum[: (height + 1) // 2], spectrum[-(height // 2) :]])
    return rows[:, : width // 2 + 1]


def _blank_unseen(image: Tensor, dx: float, dy: float) -> None:
    """Set to zero what a movement by (-dx, -dy) has brought in from the other border."""
    height, width = image.shape
    right, left = min(width, math.ceil(max(dx, 0))), min(width, math.ceil(max(-dx, 0)))
    top, bottom = min(height, math.ceil(max(dy, 0))), min(height, math.ceil(max(-dy, 0)))
    image[:, width - right :] = 0
    image[:, :left] = 0
    image[height - top :] = 0
    image[:bottom] = 0


def _move_tiles(image: Tensor, field: MotionField, number: int, binning: int) -> Tensor:
    """Undo the local part of the motion in overlapping tiles with windows that add up to one."""
    height, width = image.shape
    side = min(TILE_PX, 2 * (min(height, width) // 4))
    step = side // 2
    rows, columns = -(-height // step) + 1, -(-width // step) + 1
    padded = torch.nn.functional.pad(
        image[None, None],
        (step, (columns - 1) * step - width + step, step, (rows - 1) * step - height + step),
    )[0, 0]
    line = torch.hann_window(side, periodic=True, device=image.device)
    window = line[:, None] * line[None, :]
    ky = 2 * math.pi * torch.fft.fftfreq(side, device=image.device)[:, None]
    kx = 2 * math.pi * torch.fft.rfftfreq(side, device=image.device)[None, :]
    x = (torch.arange(columns, device=image.device) * step).float()
    out = torch.zeros_like(padded)
    tiles_of = padded.unfold(0, side, step).unfold(1, side, step)
    for row in range(rows):
        u = 2 * x / max(1, width - 1) - 1
        v = torch.full_like(u, 2 * row * step / max(1, height - 1) - 1)
        # Beyond the borders the field of the border goes on.
        local = field.local(u.clamp(-1, 1), v.clamp(-1, 1))[:, number] / binning
        angle = local[:, :1, None] * kx + local[:, 1:, None] * ky
        moved = torch.fft.rfft2(tiles_of[row] * window)
        moved = torch.fft.irfft2(moved * torch.polar(torch.ones_like(angle), angle), s=(side, side))
        band = out[row * step : row * step + side]
        for parity in (0, 1):
            some = moved[parity::2]
            start = parity * step
            joined = some.permute(1, 0, 2).reshape(side, -1)
            band[:, start : start + joined.shape[1]] += joined
    return out[step : step + height, step : step + width].contiguous()

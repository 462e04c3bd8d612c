"""One movie: its defects, its motion, its sums."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tomotui.algorithms.motion.defects import MOST_DEFECTS, Mender, find_defects
from tomotui.algorithms.motion.field import MotionField
from tomotui.algorithms.motion.local import LocalUse, align_local, patch_grid
from tomotui.algorithms.motion.sums import Exposure, FrameSums, sum_frames
from tomotui.algorithms.motion.whole import align_whole
from tomotui.imaging.resample import bin_images

WORKING_PIXEL_ANGSTROM = 6.0
"""Finer detail than twice this says nothing at the exposure of one frame (measured)."""
PATCH_ANGSTROM = 1000.0
MOST_PATCHES = 8
FAST_ANGSTROM = 8.0
FAST_PX = 2.0
"""A frame that moves by more than both while it is taken is blurred."""
FAR_ANGSTROM = 100.0

Report = Callable[[float, str], None]


@dataclass(frozen=True)
class Settings:
    """How movies are corrected.

    Attributes
    ----------
    largest_angstrom
        Largest displacement between two frames that is believed.
    local
        Local motion: only if patches that it was not fitted to confirm it (auto), always, or
        never.
    patches
        Along the longer side; ``None`` for patches of some 1000 Angstrom.
    smooth
        Smooth paths in time as far as the frames leave them open.
    binning
        Of the sums.
    """

    largest_angstrom: float = 200.0
    local: LocalUse = "auto"
    patches: int | None = None
    smooth: bool = True
    binning: int = 1


@dataclass(frozen=True)
class Figures:
    """What the motion of one movie was like; lengths in Angstrom.

    Attributes
    ----------
    drift
        Length of the way.
    early, late
        Its parts in the first third of the frames and after it.
    span
        Largest distance of two frames.
    fastest
        Largest step from a frame to the next.
    residual
        Expected error of a frame's displacement, RMS per axis; infinite when nothing was
        measured.
    local_rms
        RMS of the local motion over patches and frames; 0 when none was taken.
    local_gain
        See `LocalMotion.gain`.
    n_defects
        Pixels that were replaced.
    verdict, note
        ``poor`` with the reason where the motion may have spoilt the image.
    """

    drift: float
    early: float
    late: float
    span: float
    fastest: float
    residual: float
    local_rms: float
    local_gain: float
    n_defects: int
    verdict: str
    note: str


@dataclass(frozen=True)
class CorrectedMovie:
    """A movie without its motion.

    Attributes
    ----------
    field
        The motion in pixels of the frames.
    centres, patch_px
        See `LocalMotion`; in pixels of the frames.
    """

    sums: FrameSums
    field: MotionField
    figures: Figures
    centres: NDArray[np.float32]
    patch_px: NDArray[np.float32]


def correct_movie(
    load: Callable[[int], Tensor],
    n_frames: int,
    known_defects: Tensor | None,
    pixel_size_angstrom: float,
    settings: Settings,
    exposure: Exposure | None = None,
    report: Report = lambda fraction, message: None,
) -> CorrectedMovie:
    """Find and undo the motion of one movie.

    Every frame is asked for three times, and no more than one is held at a time beside the small
    ones that the motion is found on.

    Parameters
    ----------
    load
        Returns a frame, corrected for the gain, float32 ``[height, width]``.
    known_defects
        Which pixels the gain reference calls defects.
    exposure
        For the exposure filter; ``None`` for plain sums.
    report
        Told of the progress; may raise to stop.

    Raises
    ------
    ValueError
        When too many pixels are defects.
    """
    mender = _mender(load, n_frames, known_defects, report)
    mended = _Mended(load, mender)
    small, binning = _small_frames(mended, n_frames, pixel_size_angstrom, report)
    working = pixel_size_angstrom * binning
    report(0.45, "finding the motion")
    whole = align_whole(small, settings.largest_angstrom / working, settings.smooth)
    field = MotionField(whole.displacement_px)
    shape = (int(small.shape[-2]), int(small.shape[-1]))
    grid = patch_grid(shape, settings.patches or _patches(shape, working))
    gain, centres = 0.0, torch.zeros(0, 2)
    patch_px = torch.zeros(0, n_frames, 2)
    if settings.local != "off" and n_frames > 2 and math.isfinite(whole.error_px):
        report(0.5, "finding local motion")
        still = _moved(small, field)
        found = align_local(still, grid, whole.pattern, whole.highest, settings.local)
        field = MotionField(field.shift_px, found.coefficients_px)
        gain, centres, patch_px = found.gain, found.centres, found.patch_px * binning
    del small
    field = field.scaled(binning)

    def load_and_report(number: int) -> Tensor:
        report(0.6 + 0.4 * number / n_frames, f"adding frame {number + 1}")
        return mended(number)

    sums = sum_frames(load_and_report, field, pixel_size_angstrom, settings.binning, exposure)
    error = whole.error_px * working
    figures = _figures(field, pixel_size_angstrom, error, gain, mender.n_defects, centres)
    return CorrectedMovie(sums, field, figures, centres.numpy(), patch_px.numpy())


class _Mended:
    """Loads frames without their defects."""

    def __init__(self, load: Callable[[int], Tensor], mender: Mender) -> None:
        self._load, self._mender = load, mender

    def __call__(self, number: int) -> Tensor:
        return self._mender.mend(self._load(number))


def _mender(
    load: Callable[[int], Tensor], n_frames: int, known: Tensor | None, report: Report
) -> Mender:
    total: Tensor | None = None
    for number in range(n_frames):
        report(0.2 * number / n_frames, f"reading frame {number + 1}")
        frame = load(number)
        total = frame.clone() if total is None else total.add_(frame)
    if total is None:
        raise ValueError("a movie has no frames")
    known = torch.zeros_like(total, dtype=torch.bool) if known is None else known.to(total.device)
    defects = find_defects(total, known)
    share = float(defects.float().mean())
    if share > MOST_DEFECTS:
        raise ValueError(f"{share:.0%} of the pixels are defects")
    return Mender(defects)


def _small_frames(
    load: Callable[[int], Tensor], n_frames: int, pixel: float, report: Report
) -> tuple[Tensor, int]:
    """Return binned frames of zero mean, and their binning."""
    binning = max(1, int(WORKING_PIXEL_ANGSTROM / pixel + 1e-6))
    frames = []
    for number in range(n_frames):
        report(0.2 + 0.25 * number / n_frames, f"binning frame {number + 1}")
        frame = load(number)
        frames.append(bin_images(frame - frame.mean(), binning))
    return torch.stack(frames), binning


def _patches(shape: tuple[int, int], working_pixel: float) -> int:
    """Return how many patches go along the longer side."""
    return int(np.clip(round(max(shape) * working_pixel / PATCH_ANGSTROM), 3, MOST_PATCHES))


def _moved(frames: Tensor, field: MotionField) -> Tensor:
    """Return frames without their whole displacement."""
    shape = (int(frames.shape[-2]), int(frames.shape[-1]))
    ky = 2 * math.pi * torch.fft.fftfreq(shape[0], device=frames.device)[:, None]
    kx = 2 * math.pi * torch.fft.rfftfreq(shape[1], device=frames.device)[None, :]
    shift = field.shift_px.to(frames)[:, :, None, None]
    angle = kx * shift[:, 0] + ky * shift[:, 1]
    spectra = torch.fft.rfft2(frames) * torch.polar(torch.ones_like(angle), angle)
    return torch.fft.irfft2(spectra, s=shape)


def _figures(
    field: MotionField, pixel: float, error: float, gain: float, n_defects: int, centres: Tensor
) -> Figures:
    place = field.shift_px.double().numpy() * pixel
    steps = np.linalg.norm(np.diff(place, axis=0), axis=1)
    n_early = max(1, len(place) // 3)
    span = np.linalg.norm(place[:, None] - place[None], axis=-1).max() if len(place) else 0.0
    local = 0.0
    if field.local_px is not None:
        there = field.local(centres[:, 0], centres[:, 1])
        local = float(there.square().mean().sqrt()) * pixel
    fastest = float(steps.max()) if len(steps) else 0.0
    reasons = []
    if len(place) > 1 and not math.isfinite(error):
        reasons.append("the frames show too little to find a motion")
    if fastest > max(FAST_ANGSTROM, FAST_PX * pixel):
        reasons.append(f"moves by up to {fastest:.0f} A within a frame, which blurs it")
    if span > FAR_ANGSTROM:
        reasons.append(f"moves by {span:.0f} A in all")
    return Figures(
        drift=float(steps.sum()),
        early=float(steps[:n_early].sum()),
        late=float(steps[n_early:].sum()),
        span=float(span),
        fastest=fastest,
        residual=error,
        local_rms=local,
        local_gain=gain,
        n_defects=n_defects,
        verdict="poor" if reasons else "good",
        note="; ".join(reasons),
    )

"""Whole-frame alignment: one displacement for each frame."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tomotui.algorithms.motion.likelihood import FrameSpectra
from tomotui.algorithms.motion.smooth import smooth_path
from tomotui.imaging.fourier import high_pass, low_pass, radial_frequency
from tomotui.imaging.masks import edge_taper

PAIR_LAG = 3
COARSE_LOW_PASS = 0.06
"""Cycles per working pixel of the first search."""
MOST_ROUNDS = 25
LONGEST_STEP_PX = 2.0
CONVERGED_PX = 0.003
NEEDED_EVIDENCE = 7.5
"""For each frame, in favour of a common picture; frames are left where they are without it."""
TAPER = 0.08


@dataclass(frozen=True)
class WholeMotion:
    """Where whole frames are seen.

    Attributes
    ----------
    displacement_px
        Of the frames (x, y), working pixels, zero on average, ``[n_frames, 2]``.
    error_px
        Expected error (RMS per axis) of each displacement before smoothing; infinite where the
        frames share nothing: they are then left where they are.
    pattern
        Variance of the detector's pattern in a pixel (see `FrameSpectra`).
    highest
        Highest frequency that frames share, cycles per working pixel.
    """

    displacement_px: Tensor
    error_px: float
    pattern: float
    highest: float


def align_whole(frames: Tensor, largest_px: float, smooth: bool = True) -> WholeMotion:
    """Find the displacement of every frame.

    Neighbouring frames are compared first, at low resolution; from there (or from no motion,
    whichever explains the frames better) the likelihood is climbed with all frames together.

    Parameters
    ----------
    frames
        ``[n_frames, height, width]``, zero on average.
    largest_px
        Largest displacement between two frames that is believed.
    smooth
        Smooth the path in time as far as the frames leave it open.
    """
    n = len(frames)
    if n < 2:
        return WholeMotion(torch.zeros(n, 2), math.inf, 0.0, 0.0)
    shape = (int(frames.shape[-2]), int(frames.shape[-1]))
    taper = edge_taper(shape, TAPER, frames.device)
    spectra = FrameSpectra((frames * taper)[None], float(taper.square().mean()))
    start = _search(frames, taper, largest_px, spectra.pattern)
    best = _climb(spectra, start)
    if float(start.abs().max()) > 0:
        unmoved = _climb(spectra, torch.zeros_like(start))
        if _score(spectra, unmoved) > _score(spectra, best):
            best = unmoved
    coherence = spectra.coherence(best[None])
    sharpness = spectra.sharpness(coherence)
    curvature = float(sharpness.diagonal().mean()) * n
    shared = torch.nonzero(coherence.gamma > 0)
    highest = float(shared.max()) / (2 * (spectra.n_rings - 1)) if len(shared) else 0.0
    # Noise alone, searched for peaks, reaches some 5.5 a frame (measured).
    is_seen = spectra.evidence(best[None], coherence) > NEEDED_EVIDENCE * n
    error = 1 / math.sqrt(curvature) if curvature > 0 and is_seen else math.inf
    if math.isinf(error):
        best = torch.zeros_like(best)
    elif smooth:
        path = smooth_path(best.cpu().double().numpy(), error)
        best = torch.from_numpy(path).to(best)
    best = best - best.mean(dim=0)
    return WholeMotion(best.cpu(), error, spectra.pattern, highest)


def _climb(spectra: FrameSpectra, start: Tensor) -> Tensor:
    """Climb the likelihood by Newton steps with the expected curvature."""
    place, n = start.clone(), spectra.n_frames
    for _ in range(MOST_ROUNDS):
        coherence = spectra.coherence(place[None])
        sharpness = spectra.sharpness(coherence) * n
        if not float(torch.linalg.det(sharpness)) > 0:
            break
        step = torch.linalg.solve(sharpness, spectra.slope(place[None], coherence)[0].T).T
        length = step.norm(dim=1, keepdim=True)
        step = step * (LONGEST_STEP_PX / length.clamp_min(LONGEST_STEP_PX))
        # The slope is that of displacements that are taken away.
        place = place + step
        place = place - place.mean(dim=0)
        if float(length.max()) < CONVERGED_PX:
            break
    return place


def _score(spectra: FrameSpectra, place: Tensor) -> float:
    """Return how much of the frames is common under displacements, whatever the weights."""
    coherence = spectra.coherence(place[None])
    return float(spectra.likelihood(place[None], coherence).sum())


def _search(frames: Tensor, taper: Tensor, largest_px: float, pattern: float) -> Tensor:
    """Return displacements from peaks between neighbouring frames, ``[n_frames, 2]``."""
    n = len(frames)
    shape = (int(frames.shape[-2]), int(frames.shape[-1]))
    pattern = pattern * float(taper.square().sum())
    frequency = radial_frequency(shape, frames.device)
    band = low_pass(frequency, COARSE_LOW_PASS) * high_pass(frequency, 2.0 / min(shape))
    spectra = torch.fft.rfft2(frames * taper)
    power = spectra.abs().square().mean(dim=0)
    # White spectra make sharp peaks; a few neighbours are enough to know the power.
    smooth_power = torch.nn.functional.avg_pool2d(power[None, None], 9, 1, 4)[0, 0]
    band = band / smooth_power.clamp_min(1e-20)
    rows, values, weights = [], [], []
    for lag in range(1, min(PAIR_LAG, n - 1) + 1):
        for first in range(n - lag):
            cross = spectra[first + lag] * spectra[first].conj() - pattern
            peak, height = _peak(torch.fft.irfft2(cross * band, s=shape), largest_px)
            row = np.zeros(n)
            row[first + lag], row[first] = 1.0, -1.0
            rows.append(row)
            values.append(peak)
            weights.append(height)
    path = _robust_path(np.array(rows), np.array(values), np.array(weights), n)
    return torch.from_numpy(path).to(frames)


def _peak(image: Tensor, largest_px: float) -> tuple[list[float], float]:
    """Return the place (x, y) of the highest value near the origin, and how it stands out."""
    height, width = image.shape
    reach_y = min(int(largest_px) + 1, height // 2 - 1)
    reach_x = min(int(largest_px) + 1, width // 2 - 1)
    rolled = torch.roll(image, (reach_y, reach_x), (0, 1))
    window = rolled[: 2 * reach_y + 1, : 2 * reach_x + 1]
    index = int(window.argmax())
    y, x = divmod(index, window.shape[1])
    stands_out = float((window.max() - window.mean()) / image.std().clamp_min(1e-20))
    return [float(x - reach_x), float(y - reach_y)], stands_out


def _robust_path(rows: np.ndarray, values: np.ndarray, weights: np.ndarray, n: int) -> np.ndarray:
    """Solve for the path of which the differences were measured, some of them wrongly."""
    rows = np.vstack([rows, np.full((1, n), 1.0)])
    values = np.vstack([values, np.zeros((1, 2))])
    weights = np.append(weights, weights.max())
    path = np.zeros((n, 2))
    trust = np.ones(len(rows))
    for _ in range(10):
        scale = np.sqrt(weights * trust)[:, None]
        path = np.linalg.lstsq(rows * scale, values * scale, rcond=None)[0]
        off = np.linalg.norm(rows @ path - values, axis=1)
        trust = 1 / np.maximum(off, 1.0)
    return path

"""The mean defocus of a series, and whether there are rings at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tomotui.algorithms.ctf.plane import depth_gradients
from tomotui.algorithms.ctf.rings import RingModel
from tomotui.algorithms.ctf.search import Lines, average_directions, match_rings
from tomotui.algorithms.ctf.spectra import Spectra
from tomotui.geometry import TiltGeometry
from tomotui.imaging.ctf import CtfOptics

Array = NDArray[np.float64]

FINEST_ANGSTROM = 5.0
STEP_PHASE_RAD = 0.6
LEAST_STEP_ANGSTROM = 60.0
SCATTER_ANGSTROM, SCATTER_SHARE = 1200.0, 0.12
PHASE_STEP_DEG = 15.0
PHASE_GAIN, PHASE_MARGIN = 1.15, 50.0
"""A phase shift must better the score by this factor and this much to be believed."""

LEAST_RINGS_FOR_PHASE = 4.0
LEAST_TILTS_TO_SPLIT = 6
_TILT_SPREAD_ANGSTROM = 1500.0


@dataclass(frozen=True)
class Search:
    """What an exhaustive search found.

    Attributes
    ----------
    trials_angstrom, curve
        Defocus tried, and the series' score at each: the sum over tilts of the squared
        signal over noise, at the best phase shift and envelope.
    defocus_angstrom, phase_deg
        The best.
    per_tilt_angstrom
        The best of each tilt, held near the series' by a robust prior.
    best_score
        Highest value of ``curve``.
    detection
        Standard deviations by which the rings found in one half of the data are there in the
        other half too; about 0 +- 1 without rings.
    contrast
        Best score over the best score of inverted rings, which do not exist: the measure of what
        features of the spectra that are no rings can do. Infinite where a phase shift was
        looked for, which can invert rings.
    rival, rival_angstrom
        Second highest peak over the highest, and where it is.
    with_phase
        Whether a phase shift is to be fitted.
    """

    trials_angstrom: Array
    curve: Array
    defocus_angstrom: float
    phase_deg: float
    per_tilt_angstrom: Array
    best_score: float
    detection: float
    contrast: float
    rival: float
    rival_angstrom: float
    with_phase: bool


def search_defocus(
    spectra: Spectra,
    geometry: TiltGeometry,
    optics: CtfOptics,
    hand: int,
    defocus_range_angstrom: tuple[float, float],
    phase_plate: Literal["off", "auto", "on"],
) -> Search:
    """Try every defocus of a range, and phase shifts where there may be a phase plate.

    Parameters
    ----------
    spectra
        Flattened.
    hand
        Sign of the depth in the defocus of the cells.
    """
    highest = min(1 / FINEST_ANGSTROM, float(spectra.frequency_per_angstrom[-1]))
    lines = average_directions(spectra, highest)
    gradient = torch.from_numpy(depth_gradients(geometry)).to(spectra.power.device)
    shift = torch.from_numpy(geometry.shift_angstrom).to(gradient)
    depth = (gradient[lines.tilt] * (spectra.place_angstrom - shift[lines.tilt])).sum(dim=1)
    in_focus = torch.zeros(lines.n_tilts, dtype=torch.float64, device=gradient.device)
    attenuation = RingModel(spectra, optics).attenuation(in_focus, gradient)
    attenuation = attenuation.mean(dim=1)[:, : len(lines.k2)]
    step = STEP_PHASE_RAD / float(2 * optics.phase_per_defocus(torch.tensor(highest**2)))
    step = max(step, LEAST_STEP_ANGSTROM)
    low, high = defocus_range_angstrom
    trials = torch.arange(low, high + step, step, dtype=torch.float64, device=gradient.device)
    phases = torch.zeros(1)
    span = highest**2 - float(spectra.frequency_per_angstrom[0]) ** 2
    if phase_plate == "auto" and optics.wavelength_angstrom * high * span < LEAST_RINGS_FOR_PHASE:
        phase_plate = "off"
    if phase_plate != "off":
        phases = torch.arange(0.0, 180.0, PHASE_STEP_DEG)

    def match(some: Lines, depths: Tensor) -> Tensor:
        return match_rings(some, depths, attenuation, trials, phases, optics)

    matched = match(lines, hand * depth)
    best = _best(matched, trials, phase_plate)
    detection = _detection(matched, trials, phase_plate)
    if lines.n_tilts < LEAST_TILTS_TO_SPLIT:
        halves = _halves(lines, spectra.place_angstrom - shift[lines.tilt])
        parts = [match(_some(lines, half), hand * depth[half]) for half in halves]
        detection = _detection(torch.cat(parts), trials, phase_plate, len(parts[0]))
    inverted = float(_best(-matched[:, :, :1], trials, "off").curve.max())
    contrast = float(best.curve.max()) / max(inverted, 1.0) if best.phase == 0 else float("inf")
    curve = best.curve.cpu().numpy()
    grid = trials.cpu().numpy()
    rival, where = _rival(curve, grid)
    return Search(
        trials_angstrom=grid,
        curve=curve,
        defocus_angstrom=float(trials[best.trial]),
        phase_deg=float(phases[best.phase]),
        per_tilt_angstrom=_per_tilt(matched, best, trials),
        best_score=float(curve.max()),
        detection=detection,
        contrast=contrast,
        rival=rival,
        rival_angstrom=where,
        with_phase=phase_plate == "on" or best.phase > 0,
    )


@dataclass(frozen=True)
class _Best:
    """Numbers of the best envelope, phase and trial, and the curve over the trials."""

    envelope: int
    phase: int
    trial: int
    curve: Tensor


def _best(matched: Tensor, trials: Tensor, phase_plate: str) -> _Best:
    """Find the best of all tilts together; each tilt may lie a little beside the mean."""
    squared = matched.clamp_min(0).square()
    step = float(trials[1] - trials[0]) if len(trials) > 1 else 1.0
    middle = float(trials[len(trials) // 2])
    room = min(SCATTER_ANGSTROM, SCATTER_SHARE * middle) if len(matched) > 1 else 0.0
    half = int(room / step)
    flat = squared.flatten(0, 2)[:, None]
    if half:
        # A tilt beside the mean counts a little less, so that the peak lies in the middle.
        offsets = torch.arange(-half, half + 1, device=flat.device) / max(half, 1)
        padded = torch.nn.functional.pad(flat, (half, half))
        windows = padded.unfold(-1, 2 * half + 1, 1)
        flat = (windows - 2.0 * offsets.square()).amax(dim=-1).clamp_min(0)
    score = flat.reshape(squared.shape).sum(dim=0)
    per_phase = score.amax(dim=(0, 2))
    phase = int(per_phase.argmax())
    if phase_plate == "auto":
        needed = PHASE_GAIN * float(per_phase[0]) + PHASE_MARGIN
        phase = phase if float(per_phase[phase]) > needed else 0
    envelope, trial = divmod(int(score[:, phase].flatten().argmax()), score.shape[-1])
    return _Best(envelope, phase, trial, score[:, phase].amax(dim=0))


def _per_tilt(matched: Tensor, best: _Best, trials: Tensor) -> Array:
    """Return the best trial of each tilt near the best of all."""
    own = 0.5 * matched[:, best.envelope, best.phase].clamp_min(0).square()
    away = (trials - trials[best.trial]) / _TILT_SPREAD_ANGSTROM
    chosen = (own - 2.5 * torch.log1p(away.square() / 4)).argmax(dim=1)
    out: Array = trials[chosen].cpu().numpy()
    return out


def _detection(
    matched: Tensor, trials: Tensor, phase_plate: str, first_half: int | None = None
) -> float:
    """Take the best of each half to the other half, and see what is left of it there."""
    n = len(matched)
    one = torch.zeros(n, dtype=torch.bool, device=matched.device)
    if first_half is None:
        one[::2] = True
    else:
        one[:first_half] = True
    total = 0.0
    for half in (one, ~one):
        best = _best(matched[half], trials, phase_plate)
        total += float(matched[~half, best.envelope, best.phase, best.trial].sum())
    return total / float(np.sqrt(n))


def _halves(lines: Lines, place: Tensor) -> list[Tensor]:
    """Split the cells of each tilt into two sides of the image."""
    spread = place.std(dim=0) if len(place) > 1 else torch.ones(2)
    along = place[:, int(spread.argmax())]
    side = along > along.median()
    return [side, ~side]


def _some(lines: Lines, cells: Tensor) -> Lines:
    return Lines(
        lines.tilt[cells],
        lines.n_tiles[cells],
        lines.values[cells],
        lines.weight,
        lines.k2,
        lines.basis,
    )


def _rival(curve: Array, trials: Array) -> tuple[float, float]:
    """Return the highest peak away from the best one, relative to it."""
    best = int(curve.argmax())
    away = np.abs(trials - trials[best]) > max(2 * SCATTER_ANGSTROM, 0.2 * trials[best])
    inner = np.zeros_like(away)
    inner[1:-1] = (curve[1:-1] >= curve[:-2]) & (curve[1:-1] >= curve[2:])
    peaks = np.flatnonzero(away & inner)
    if len(peaks) == 0 or curve[best] <= 0:
        return 0.0, float("nan")
    other = int(peaks[curve[peaks].argmax()])
    return float(curve[other] / curve[best]), float(trials[other])

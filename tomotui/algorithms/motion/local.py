"""Local motion: a smooth field over the image, kept only where other patches confirm it.

The field is not fitted to peaks of patches, which are lost in noise at tomographic doses: the
likelihood of all patches together is climbed in the coefficients of the field. Every patch then
counts by what it knows, and one that shows nothing does no harm.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from tomotui.algorithms.motion.field import (
    SPACE_TERMS,
    MotionField,
    space_terms,
    time_terms,
)
from tomotui.algorithms.motion.likelihood import Coherence, FrameSpectra
from tomotui.imaging.masks import edge_taper

ROUNDS = 6
CONVERGED_PX = 0.005
PRIOR_PX = 5.0
"""Deviation of each coefficient that is expected at most."""
NEEDED_GAIN = 4.0
"""By how much the likelihood of patches has to grow that the field was not fitted to."""
TAPER = 0.12

LocalUse = Literal["auto", "on", "off"]


@dataclass(frozen=True)
class LocalMotion:
    """The local part of the motion, and why it is there.

    Attributes
    ----------
    coefficients_px
        See `MotionField.local_px`; ``None`` when it was not accepted.
    gain
        Growth of the likelihood on patches that the field was not fitted to.
    centres
        Places (u, v) of the patches, -1..1, ``[n_patches, 2]``.
    patch_px
        Displacement (x, y) of each patch beside that of the whole frame, measured patch by
        patch, ``[n_patches, n_frames, 2]``; NaN where a patch tells nothing.
    """

    coefficients_px: Tensor | None
    gain: float
    centres: Tensor
    patch_px: Tensor


def patch_grid(shape: tuple[int, int], wanted: int) -> tuple[int, int]:
    """Return rows and columns of patches, as square as can be, ``wanted`` along the longer side."""
    longest = max(shape)
    rows, columns = (max(2, round(wanted * side / longest)) for side in shape)
    return rows, columns


def align_local(
    frames: Tensor,
    grid: tuple[int, int],
    pattern: float,
    highest: float,
    use: LocalUse = "auto",
) -> LocalMotion:
    """Find the local motion of frames that lie upon each other as a whole.

    Parameters
    ----------
    frames
        Moved by their whole displacement, zero on average, ``[n_frames, height, width]``.
    grid
        Rows and columns of patches.
    pattern, highest
        See `WholeMotion`.
    use
        ``auto`` asks half of the patches whether the field of the other half helps them.
    """
    patches, centres = _cut(frames, grid)
    taper = edge_taper((patches.shape[-2], patches.shape[-1]), TAPER, frames.device)
    power = float(taper.square().mean())
    spectra = FrameSpectra(patches * taper, power, pattern, min(0.5, max(highest, 0.05)))
    rows = torch.arange(len(centres), device=frames.device)
    even = (rows // grid[1] + rows % grid[1]) % 2 == 0
    whole = _fit(spectra, centres, torch.ones_like(even))
    gain = 0.0
    if use != "on":
        still = torch.zeros(len(centres), len(frames), 2, device=frames.device)
        coherence = spectra.coherence(still)
        before = spectra.likelihood(still, coherence)
        for half in (even, ~even):
            field = _fit(spectra, centres, half)
            after = spectra.likelihood(_at(field, centres, len(frames)), coherence)
            gain += float((after - before)[~half].sum())
    accepted = use == "on" or (use == "auto" and gain > NEEDED_GAIN)
    measured = _each_patch(spectra, _at(whole, centres, len(frames)))
    return LocalMotion(whole.cpu() if accepted else None, gain, centres.cpu(), measured.cpu())


def _cut(frames: Tensor, grid: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Return patches that do not overlap ``[n_patches, n_frames, y, x]`` and their places."""
    n, height, width = frames.shape
    rows, columns = grid
    side_y, side_x = height // rows // 2 * 2, width // columns // 2 * 2
    top, left = (height - rows * side_y) // 2, (width - columns * side_x) // 2
    inner = frames[:, top : top + rows * side_y, left : left + columns * side_x]
    patches = inner.reshape(n, rows, side_y, columns, side_x).permute(1, 3, 0, 2, 4)
    patches = patches.reshape(rows * columns, n, side_y, side_x)
    y = (top + side_y * (torch.arange(rows) + 0.5) - 0.5) * 2 / (height - 1) - 1
    x = (left + side_x * (torch.arange(columns) + 0.5) - 0.5) * 2 / (width - 1) - 1
    v, u = torch.meshgrid(y, x, indexing="ij")
    centres = torch.stack([u.reshape(-1), v.reshape(-1)], dim=-1).to(frames)
    patches = patches - patches.mean(dim=(-2, -1), keepdim=True)
    return patches, centres


def _at(coefficients: Tensor, centres: Tensor, n_frames: int) -> Tensor:
    """Return the displacement of each patch, ``[n_patches, n_frames, 2]``."""
    field = MotionField(torch.zeros(n_frames, 2), coefficients)
    return field.local(centres[:, 0], centres[:, 1])


def _fit(spectra: FrameSpectra, centres: Tensor, used: Tensor) -> Tensor:
    """Climb the likelihood of some patches; returns ``[2, SPACE_TERMS, n_time]``."""
    n = spectra.n_frames
    space = space_terms(centres[:, 0], centres[:, 1])[used]
    time = time_terms(n).to(space)
    n_time = len(time)
    chosen = _select(spectra, used)
    coefficients = space.new_zeros(2, SPACE_TERMS, n_time)
    prior = torch.eye(2 * SPACE_TERMS * n_time, device=space.device) / PRIOR_PX**2
    for _ in range(ROUNDS):
        place = torch.einsum("ps,tf,cst->pfc", space, time, coefficients)
        coherence = chosen.coherence(place)
        sharpness = chosen.sharpness(coherence)
        slope = chosen.slope(place, coherence)
        right = torch.einsum("ps,tf,pfc->cst", space, time, slope).reshape(-1)
        right = right - prior @ coefficients.reshape(-1)
        # The time terms sum to zero, so that of the curvature n I - 1 only n I is left.
        left = n * torch.einsum(
            "ab,ps,pr,tf,uf->astbru", sharpness, space, space, time, time
        ).reshape(prior.shape)
        step = torch.linalg.solve(left + prior, right).reshape(coefficients.shape)
        coefficients = coefficients + step
        if float(step.abs().max()) < CONVERGED_PX:
            break
    return coefficients


def _select(spectra: FrameSpectra, used: Tensor) -> FrameSpectra:
    """Return the spectra of some patches."""
    if bool(used.all()):
        return spectra
    other = FrameSpectra.__new__(FrameSpectra)
    other.__dict__.update(spectra.__dict__)
    other.spectra = spectra.spectra[used]
    other.n_patches = int(used.sum())
    return other


def _each_patch(spectra: FrameSpectra, start: Tensor) -> Tensor:
    """Return what each patch by itself says, from one Newton step beyond the field.

    Patches that know their place worse than by two pixels say nothing.
    """
    n = spectra.n_frames
    coherence: Coherence = spectra.coherence(start)
    sharpness = spectra.sharpness(coherence) * n
    spread = float(sharpness.diagonal().mean())
    if not spread > 0.25 or not float(torch.linalg.det(sharpness)) > 0:
        return torch.full_like(start, float(np.nan))
    slope = spectra.slope(start, coherence)
    step = torch.linalg.solve(sharpness, slope.reshape(-1, 2).T).T.reshape(start.shape)
    return start + step - step.mean(dim=1, keepdim=True)

"""The motion of a whole exposure: a path of the frames, and a smooth local part."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

SPACE_TERMS = 6
MOST_TIME_TERMS = 3


@dataclass(frozen=True)
class MotionField:
    """Where things are seen in each frame, beside where they are in the sum.

    The local part is a polynomial of second degree in the place and of third degree in time
    (Zheng et al. 2017, Nat. Methods 14:331), zero on average over the frames.

    Attributes
    ----------
    shift_px
        Displacement (x, y) of each whole frame, pixels, ``[n_frames, 2]``.
    local_px
        Coefficients (x, y) of the local part in pixels, ``[2, SPACE_TERMS, n_time]``; ``None``
        without one.
    """

    shift_px: Tensor
    local_px: Tensor | None = None

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return len(self.shift_px)

    def scaled(self, factor: float) -> MotionField:
        """Return the same motion in pixels that are ``factor`` times as small."""
        local = None if self.local_px is None else self.local_px * factor
        return MotionField(self.shift_px * factor, local)

    def local(self, u: Tensor, v: Tensor) -> Tensor:
        """Return the local displacement (x, y) at places -1..1, ``[n_places, n_frames, 2]``."""
        if self.local_px is None:
            return torch.zeros(len(u), self.n_frames, 2, device=u.device, dtype=u.dtype)
        local = self.local_px.to(u)
        return torch.einsum(
            "ps,tf,cst->pfc", space_terms(u, v), time_terms(self.n_frames).to(u), local
        )

    def displacement(self, u: Tensor, v: Tensor) -> Tensor:
        """Return the whole displacement (x, y) at places -1..1, ``[n_places, n_frames, 2]``."""
        return self.local(u, v) + self.shift_px.to(u)


def space_terms(u: Tensor, v: Tensor) -> Tensor:
    """Return the terms of a place: Legendre polynomials, ``[n_places, SPACE_TERMS]``."""
    square_u, square_v = 1.5 * u * u - 0.5, 1.5 * v * v - 0.5
    return torch.stack([torch.ones_like(u), u, v, square_u, u * v, square_v], dim=-1)


def time_terms(n_frames: int) -> Tensor:
    """Return polynomials of the time without the constant one, ``[n_time, n_frames]``.

    They are orthogonal, of unit mean square, and zero on average over the frames.
    """
    degree = min(MOST_TIME_TERMS, n_frames - 1)
    if degree < 1:
        return torch.zeros(0, n_frames)
    t = np.linspace(-1, 1, n_frames)
    basis, _ = np.linalg.qr(np.vander(t, degree + 1, increasing=True))
    signs = np.sign(basis[-1])
    return torch.from_numpy((basis * signs * np.sqrt(n_frames)).T[1:].astype(np.float32))

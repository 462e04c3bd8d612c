"""In which order the images of a series were taken, where only the scheme is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

Scheme = Literal["stack-order", "continuous", "dose-symmetric", "bidirectional"]


def acquisition_order(tilts_deg: Sequence[float], scheme: Scheme) -> tuple[int, ...]:
    """Return the rank in time of every image, counted from 0.

    Parameters
    ----------
    scheme
        ``stack-order``: as in the stack. ``continuous``: from the lowest tilt to the highest.
        ``dose-symmetric``: outwards from the tilt nearest zero, one image to a side, the
        positive side first. ``bidirectional``: from the tilt nearest zero up, then from there
        down.
    """
    tilts = np.asarray(tilts_deg, dtype=np.float64)
    n = len(tilts)
    if scheme == "stack-order":
        return tuple(range(n))
    by_tilt = [int(i) for i in np.argsort(tilts, kind="stable")]
    if scheme == "continuous":
        taken = by_tilt
    else:
        start = by_tilt.index(int(np.abs(tilts).argmin()))
        up, down = by_tilt[start + 1 :], by_tilt[:start][::-1]
        taken = [by_tilt[start]]
        if scheme == "bidirectional":
            taken += up + down
        else:
            for step in range(max(len(up), len(down))):
                taken += up[step : step + 1] + down[step : step + 1]
    ranks = [0] * n
    for rank, index in enumerate(taken):
        ranks[index] = rank
    return tuple(ranks)


def summed_before(
    dose: tuple[float | None, ...], order: tuple[int, ...]
) -> tuple[float | None, ...]:
    """Return the exposure before every image, of their exposures and ranks in time.

    Nothing is known of any where one exposure is not.
    """
    if None in dose:
        return (None,) * len(dose)
    return tuple(
        sum(d or 0.0 for d, rank in zip(dose, order, strict=True) if rank < order[i])
        for i in range(len(dose))
    )

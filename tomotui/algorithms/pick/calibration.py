"""From log odds of a network to shares that are true: what its candidates are worth."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomotui.algorithms.curate.calibration import platt_targets

Array = NDArray[np.float64]

FEWEST_OF_A_KIND = 2
"""Accepted and rejected ones, below which there is nothing to calibrate with."""

SLOPE_DEVIATION = 0.5
"""How far the logarithm of the slope is from 0 before anything is known."""

OFFSET_DEVIATION = 3.0


@dataclass(frozen=True)
class Calibration:
    """A particle is there with the share ``1 / (1 + exp(-(slope * logit + offset)))``."""

    slope: float = 1.0
    offset: float = 0.0

    def share(self, logits: Array) -> Array:
        """Return the share of true particles among candidates of these log odds."""
        with np.errstate(over="ignore"):
            found: Array = 1 / (1 + np.exp(-(self.slope * logits + self.offset)))
        return found

    def logit_of(self, share: float) -> float:
        """Return the log odds at which a candidate is a particle with a share."""
        return (math.log(share / (1 - min(share, 1 - 1e-6))) - self.offset) / self.slope


@dataclass(frozen=True)
class HeldOut:
    """What a network said of judged places that it had not learnt from.

    Attributes
    ----------
    logits
        ``[n]`` log odds.
    accepted
        ``[n]``.
    """

    logits: Array
    accepted: NDArray[np.bool_]

    @property
    def suffices(self) -> bool:
        """Whether there is enough of both kinds."""
        kinds = (int(self.accepted.sum()), int((~self.accepted).sum()))
        return min(kinds) >= FEWEST_OF_A_KIND

    def average_precision(self) -> float:
        """Return the mean precision over the accepted ones; NaN where nothing is known."""
        if not self.suffices:
            return math.nan
        order = np.argsort(-self.logits, kind="stable")
        right = self.accepted[order]
        precision = np.cumsum(right) / np.arange(1, len(right) + 1)
        return float(precision[right].mean())


def calibrated(held_out: HeldOut) -> Calibration:
    """Return slope and offset by Platt's method, with what is likely before anything is known.

    The targets are Platt's (1999), which never ask for certainty of a few examples; slope and
    offset are kept near 1 and 0 as Gaussian priors do, so that few examples move them little.
    """
    from scipy.optimize import minimize

    if not held_out.suffices:
        return Calibration()
    targets = platt_targets(held_out.accepted)

    def cost(values: Array) -> float:
        logits = np.exp(values[0]) * held_out.logits + values[1]
        loss = np.logaddexp(0, logits) - targets * logits
        prior = (values[0] / SLOPE_DEVIATION) ** 2 + (values[1] / OFFSET_DEVIATION) ** 2
        return float(loss.sum() + prior / 2)

    found = minimize(cost, np.zeros(2), method="L-BFGS-B").x
    return Calibration(float(np.exp(found[0])), float(found[1]))

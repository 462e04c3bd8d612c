"""One seed, many independent streams of chance."""

from __future__ import annotations

from enum import IntEnum

import numpy as np


class Chance(IntEnum):
    """What a stream of random numbers is for; the numbers must never change."""

    GEOMETRY = 1
    DEFOCUS = 2
    DEFORMATION = 3
    VESICLES = 4
    GOLD = 5
    PARTICLES = 6
    CROWD = 7
    ICE = 8
    SHOT = 9
    SHAPE = 10
    MOTION = 11
    CAMERA = 12
    FRAMES = 13


def generator(seed: int, purpose: Chance, index: int = 0) -> np.random.Generator:
    """Return the stream for one purpose and one image (or shape)."""
    return np.random.default_rng([seed, int(purpose), index])

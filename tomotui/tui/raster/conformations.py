"""Conformations of a landscape as maps, made in a thread: the newest wish alone counts."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tomotui.geometry.mixtures import MovingMixture
from tomotui.tui.raster.density import Density, contour_level

MOVING_BOX, RESTING_BOX = 32, 48
"""Voxels along an edge while the point moves, and when it rests."""
_ROOM = 1.12
_WIDTHS = 1.5
"""Beyond its centre, so many standard deviations of a Gaussian are still seen."""


class Conformation(Density):
    """A map whose contour is that of all maps of its landscape: parts must not come and go."""

    def __init__(
        self, values: NDArray[np.float32], pixel_size_angstrom: float, label: str, level: float
    ) -> None:
        super().__init__(values, pixel_size_angstrom, label)
        self._level = level

    @cached_property
    def level(self) -> float:
        """The level of the landscape."""
        return self._level


@dataclass(frozen=True)
class Wish:
    """A conformation that is wanted.

    Attributes
    ----------
    point
        In the coordinates of the landscape.
    label
        A few words that stand over the map.
    is_fine
        More voxels, for a point that rests.
    """

    point: tuple[float, ...]
    label: str = ""
    is_fine: bool = False

    @property
    def box(self) -> int:
        """Voxels along an edge."""
        return RESTING_BOX if self.is_fine else MOVING_BOX

    def finer(self) -> Wish:
        """Return the same with more voxels."""
        return replace(self, is_fine=True)


class Sculptor:
    """Makes conformations of one landscape; its frame and its level are found once.

    Parameters
    ----------
    mixture
        Gaussians, and how they move.
    reach
        Points at the ends of the landscape: the frame holds what is there, too.
    """

    def __init__(self, mixture: MovingMixture, reach: NDArray[np.float64]) -> None:
        self.mixture = mixture
        self._reach = np.asarray(reach, dtype=np.float32)

    @cached_property
    def radius_angstrom(self) -> float:
        """From the centre to what lies furthest out, anywhere in the landscape."""
        rest = np.zeros((1, self._reach.shape[1]), dtype=np.float32)
        furthest = 1.0
        for point in np.concatenate([rest, self._reach]):
            centres, _ = self.mixture.at(point)
            far = np.linalg.norm(centres, axis=1) + _WIDTHS * self.mixture.widths_angstrom
            # One Gaussian that a network throws far away must not make all others tiny.
            furthest = max(furthest, float(np.percentile(far, 99.0)))
        return furthest

    @cached_property
    def level(self) -> float:
        """Contour of the map of all particles."""
        return contour_level(self._volume(np.zeros(self._reach.shape[1]), RESTING_BOX))

    def make(self, wish: Wish) -> Conformation:
        """Return the map at a point."""
        values = self._volume(np.array(wish.point), wish.box)
        return Conformation(values, self._pixel(wish.box), wish.label, self.level)

    def _pixel(self, box: int) -> float:
        return 2 * self.radius_angstrom * _ROOM / box

    def _volume(self, point: NDArray[np.float64], box: int) -> NDArray[np.float32]:
        return self.mixture.volume(point.astype(np.float32), box, self._pixel(box))


Delivered = Callable[[Sculptor, Wish, Conformation], object]


class Workshop:
    """A thread in which conformations are made; a wish not begun gives way to a newer one.

    Parameters
    ----------
    deliver
        Called in the thread; it must be safe there, as posting a message is.
    """

    def __init__(self, deliver: Delivered) -> None:
        self._deliver = deliver
        self._condition = threading.Condition()
        self._wanted: tuple[Sculptor, Wish] | None = None
        self._is_busy = False
        self._closed = False
        self._thread: threading.Thread | None = None

    @property
    def is_busy(self) -> bool:
        """Whether something is being made, or waits for that."""
        return self._is_busy or self._wanted is not None

    def request(self, sculptor: Sculptor, wish: Wish) -> None:
        """Ask for a conformation."""
        with self._condition:
            self._wanted = (sculptor, wish)
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._run, name="workshop", daemon=True)
                self._thread.start()
            self._condition.notify()

    def close(self) -> None:
        """Stop after what is being made."""
        with self._condition:
            self._closed, self._wanted = True, None
            self._condition.notify()

    def _run(self) -> None:
        while True:
            with self._condition:
                self._is_busy = False
                while self._wanted is None and not self._closed:
                    self._condition.wait()
                if self._closed or self._wanted is None:
                    return
                (sculptor, wish), self._wanted = self._wanted, None
                self._is_busy = True
            made = sculptor.make(wish)
            if not self._closed:
                self._deliver(sculptor, wish, made)

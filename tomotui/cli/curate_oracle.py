"""True positions that answer in a person's place, for rehearsals and benchmarks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tomotui.formats.particles_csv import read_particles_csv

Floats = NDArray[np.float64]


class Oracle:
    """Knows where the particles of a species are.

    Parameters
    ----------
    path
        CSV with the columns tomogram, x, y, z (Angstrom from the tomogram's centre).
    within_angstrom
        A candidate is right when a true position is no further than this.
    series
        Names of the tilt series there are.
    class_number
        Only the true positions of one class of the file.
    """

    def __init__(
        self,
        path: Path,
        within_angstrom: float,
        series: Sequence[str],
        class_number: int | None = None,
    ) -> None:
        self.within_angstrom = within_angstrom
        places: dict[str, list[tuple[float, float, float]]] = {}
        for one in read_particles_csv(path, {name: name for name in series}):
            if class_number is None or one.class_number == class_number:
                at = (one.x_angstrom, one.y_angstrom, one.z_angstrom)
                places.setdefault(one.tomogram_uid, []).append(at)
        self.truths: Mapping[str, Floats] = {
            name: np.array(points, dtype=np.float64) for name, points in places.items()
        }

    @property
    def n_truths(self) -> int:
        """How many particles there are."""
        return sum(map(len, self.truths.values()))

    def is_right(self, series: str, position_angstrom: Floats) -> bool:
        """Tell whether a particle is at a place."""
        truths = self.truths.get(series)
        if truths is None:
            return False
        gaps = np.linalg.norm(truths - position_angstrom, axis=1)
        return bool(gaps.min() <= self.within_angstrom)

    def some(
        self, n: int, seed: int, error_angstrom: float, series: Sequence[str]
    ) -> list[tuple[str, Floats]]:
        """Return some particles of some series as a hand would mark them.

        Parameters
        ----------
        error_angstrom
            Standard deviation of the hand on each axis.
        """
        random = np.random.default_rng(seed)
        there = [(name, at) for name in series for at in self.truths.get(name, ())]
        chosen = random.permutation(len(there))[:n]
        return [
            (there[i][0], there[i][1] + random.normal(0, error_angstrom, 3) * (error_angstrom > 0))
            for i in chosen
        ]

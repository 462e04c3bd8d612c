"""The tomograms that particle files speak of: what they are called, and where their voxels lie."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomotui.formats.errors import FormatError
from tomotui.records import Particle

Floats = NDArray[np.float64]

_ENDING = re.compile(r"\.(mrc|rec|st|hdf|map|mod|json|tbl|star|csv|zarr|tomostar)$", re.IGNORECASE)
_BEFORE = re.compile(r"^(rec|tomo|tomogram)_", re.IGNORECASE)
_AFTER = re.compile(
    r"(_+(info|rec|full|tomogram|tomogram_restored|restored|bin\d+|b\d+|half[12]|even|odd|corrected|denoised|sirt|wbp)"
    r"|_[\d.]+apx)$",
    re.IGNORECASE,
)

_SAME_EXTENT = 0.02


@dataclass(frozen=True)
class KnownTomogram:
    """A tomogram of the project, for files that count in its voxels.

    Attributes
    ----------
    uid
        Its identity.
    size_xyz
        Voxels along x, y and z; voxel ``n // 2`` is the origin of the project's coordinates.
    pixel_size_angstrom
        Angstrom per voxel.
    path
        The volume, for files that name it.
    unbinned_angstrom
        Pixel size of the tilt images.
    tilt_range_deg
        Least and greatest tilt.
    """

    uid: str
    size_xyz: tuple[int, int, int]
    pixel_size_angstrom: float
    path: str = ""
    unbinned_angstrom: float | None = None
    tilt_range_deg: tuple[float, float] = (-60.0, 60.0)

    def sampled(self, pixel_size_angstrom: float) -> Self:
        """Return the same volume with voxels of another size."""
        zoom = self.pixel_size_angstrom / pixel_size_angstrom
        x, y, z = (max(1, round(n * zoom)) for n in self.size_xyz)
        return replace(self, size_xyz=(x, y, z), pixel_size_angstrom=pixel_size_angstrom)

    def counted_in(self, size_xyz: Sequence[int], pixel_size_angstrom: float | None) -> Self | None:
        """Return the same volume as another file samples it.

        ``None`` when that file is of another extent, or does not tell its voxels' size.
        """
        x, y, z = size_xyz
        if (x, y, z) == self.size_xyz:
            return self
        if pixel_size_angstrom is None or not pixel_size_angstrom > 0:
            return None
        theirs = np.array(size_xyz) * pixel_size_angstrom
        ours = np.array(self.size_xyz) * self.pixel_size_angstrom
        if (np.abs(theirs - ours) > _SAME_EXTENT * ours + pixel_size_angstrom).any():
            return None
        return replace(self, size_xyz=(x, y, z), pixel_size_angstrom=pixel_size_angstrom)

    def words(self) -> str:
        """Return its size for a message."""
        return voxel_words(self.size_xyz, self.pixel_size_angstrom)

    def positions(self, voxels: ArrayLike) -> Floats:
        """Return ``[n, 3]`` Angstrom from the centre of (x, y, z) indices counted from 0."""
        indices = np.asarray(voxels, dtype=np.float64).reshape(-1, 3)
        return (indices - self._middle) * self.pixel_size_angstrom

    def voxels(self, positions_angstrom: ArrayLike) -> Floats:
        """Return ``[n, 3]`` indices counted from 0 of Angstrom from the centre."""
        positions = np.asarray(positions_angstrom, dtype=np.float64).reshape(-1, 3)
        return positions / self.pixel_size_angstrom + self._middle

    @property
    def _middle(self) -> Floats:
        return np.array([n // 2 for n in self.size_xyz], dtype=np.float64)


def voxel_words(size_xyz: Sequence[int], pixel_size_angstrom: float | None) -> str:
    """Return the size of a volume for a message."""
    of = f" of {pixel_size_angstrom:.4g} A" if pixel_size_angstrom else " of unknown size"
    return f"{' x '.join(map(str, size_xyz))} voxels{of}"


def meant_name(said: str, known: Iterable[str]) -> str | None:
    """Return the known tomogram that a file means, or ``None``.

    Programs dress the names of their volumes: ``rec_TS_01.mrc``, ``TS_01__bin4.hdf`` and
    ``tomo_TS_01.mrc_15.00Apx.mrc`` are all ``TS_01``. The name as it stands goes first.
    """
    names = set(known)
    name = said.strip().replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]
    seen: list[str] = []
    undressed = [name]
    while undressed:
        name = undressed.pop(0)
        if not name or name in seen:
            continue
        if name in names:
            return name
        seen.append(name)
        undressed += [pattern.sub("", name) for pattern in (_ENDING, _AFTER, _BEFORE)]
    for name in seen:
        alike = [one for one in names if one.lower() == name.lower()]
        if len(alike) == 1:
            return alike[0]
    return None


def meant_names(path: Path, said: Sequence[str], known: Iterable[str]) -> list[str]:
    """Return the known tomograms that the rows of a file mean.

    Raises
    ------
    FormatError
        A tomogram is not in the project.
    """
    there = list(known)
    meant = {name: meant_name(name, there) for name in dict.fromkeys(said)}
    unknown = sorted(name for name, found in meant.items() if found is None)
    if unknown:
        listed = ", ".join(unknown[:5]) + (" ..." if len(unknown) > 5 else "")
        raise FormatError(
            f"{path} has particles of {listed}, which the project does not have",
            "reconstruct or import these tomograms first, under the same names",
        )
    return [meant[name] or "" for name in said]


def only_tomogram(
    path: Path, said: Sequence[str], tomogram: str | None, known: Iterable[str]
) -> str:
    """Return the one tomogram of a file: the one given, or the one that its names mean.

    Raises
    ------
    FormatError
        None is given, and the names mean none.
    """
    if tomogram is not None:
        return tomogram
    there = list(known)
    for name in said:
        found = meant_name(name, there)
        if found is not None:
            return found
    raise FormatError(
        f"{path} does not tell which tomogram its particles lie in",
        "name it with --tomogram",
    )


def by_tomogram(
    particles: Sequence[Particle], names: Mapping[str, str]
) -> dict[str, list[Particle]]:
    """Return the particles of each tomogram, by its name."""
    found: dict[str, list[Particle]] = {}
    for particle in particles:
        found.setdefault(names[particle.tomogram_uid], []).append(particle)
    return found


def positions_of(particles: Sequence[Particle]) -> Floats:
    """Return ``[n, 3]`` Angstrom from the tomogram's centre."""
    rows = [(p.x_angstrom, p.y_angstrom, p.z_angstrom) for p in particles]
    return np.array(rows, dtype=np.float64).reshape(-1, 3)


def angles_of(particles: Sequence[Particle]) -> Floats:
    """Return ``[n, 3]`` (rot, tilt, psi); NaN where unknown."""
    rows = [(p.rot_deg, p.tilt_deg, p.psi_deg) for p in particles]
    return np.array(rows, dtype=np.float64).reshape(-1, 3)

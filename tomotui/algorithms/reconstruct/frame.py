"""The frame that images are brought into before they are put together to a volume.

Of every image a sample is taken for each point (x, r) of the specimen's own middle plane, z = 0,
so that the images of all tilts lie on one grid. What a voxel (x, y, z) shows is then found at

    x' = x + z tan(tilt) / cos(x_tilt)        r = y - z tan(x_tilt)

with no other interpolation along y than one shift of a whole section, the same for all tilts,
and along x with a shift that is the same for a whole section of one tilt. A leaning specimen
(``x_tilt``) costs nothing extra, and at one frequency along x all tilts measure the same line of
the volume's transform, which is what the exact filters build on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from tomotui.geometry import TiltGeometry
from tomotui.geometry.local import LocalField

Array = NDArray[np.float64]

STEEPEST_COLUMNS = 4
"""Columns kept at most, over those of the volume: tilts beyond 75 degrees lose their rims."""

LOCAL_STEP_PX = 16
FARTHEST_VOXELS = 0.25


@dataclass(frozen=True)
class Sampling:
    """The sampling of a reconstruction.

    Attributes
    ----------
    voxel_size_angstrom
        Angstrom per voxel.
    n_x, n_y
        Voxels across and along the tilt axis.
    n_z
        Sections; section ``n_z // 2`` lies at depth 0.
    magnification
        Binned pixels per voxel along y and x; 1 for whole binnings.
    """

    voxel_size_angstrom: float
    n_x: int
    n_y: int
    n_z: int
    magnification: tuple[float, float] = (1.0, 1.0)


@dataclass(frozen=True)
class Frame:
    """The common grid of all tilts, and where a voxel is found on it.

    Attributes
    ----------
    geometry
        Geometry of the tilts.
    sampling
        The volume.
    n_columns, n_rows
        Size of the grid; its origin is at ``n // 2``.
    local
        Local displacements of those tilts, or ``None``.
    stretched
        True for the grid described above; False to take samples at equal distances in the image
        (``x' cos(tilt)`` instead of ``x'``), as a projector about one axis has them.
    """

    geometry: TiltGeometry
    sampling: Sampling
    n_columns: int
    n_rows: int
    local: LocalField | None = None
    stretched: bool = True

    @property
    def n_tilts(self) -> int:
        """Number of tilts."""
        return self.geometry.n_tilts

    @property
    def cosine(self) -> Array:
        """Cosine of each tilt, ``[n_tilts]``."""
        cosine: Array = np.cos(np.deg2rad(self.geometry.tilt_deg))
        return cosine

    @property
    def x_tilt_rad(self) -> float:
        """The specimen's lean about x, the same for all tilts."""
        return float(np.deg2rad(self.geometry.x_tilt_deg.mean()))

    @property
    def slope(self) -> Array:
        """Columns that a voxel moves by for each section above the middle, ``[n_tilts]``."""
        tangent = np.tan(np.deg2rad(self.geometry.tilt_deg))
        slope: Array = tangent / np.cos(np.deg2rad(self.geometry.x_tilt_deg))
        return slope

    @property
    def row_slope(self) -> float:
        """Rows that a voxel moves by, downwards, for each section above the middle."""
        return float(np.tan(self.x_tilt_rad))

    def select(self, indices: ArrayLike) -> Frame:
        """Return the frame of some tilts, in the order given."""
        chosen = np.asarray(indices, dtype=np.intp)
        local = None if self.local is None else self.local.select(chosen)
        return Frame(
            self.geometry.select(chosen),
            self.sampling,
            self.n_columns,
            self.n_rows,
            local,
            self.stretched,
        )

    def jacobian(self, tilt: int) -> Array:
        """Return how the aligned image place (a, b) grows with (x', r), ``[2, 2]``."""
        cosine = float(self.cosine[tilt]) if self.stretched else 1.0
        lean = np.deg2rad(self.geometry.x_tilt_deg[tilt])
        sine = np.sin(np.deg2rad(self.geometry.tilt_deg[tilt]))
        return np.array([[cosine, np.sin(lean) * sine], [0.0, np.cos(lean)]])

    def depth_slopes(self, tilt: int) -> tuple[float, float, float]:
        """Return how the depth ``q_z`` grows with x', r and the section z, in voxels each."""
        angle = np.deg2rad(self.geometry.tilt_deg[tilt])
        lean = np.deg2rad(self.geometry.x_tilt_deg[tilt])
        by_x = -np.sin(angle) if self.stretched else -np.tan(angle)
        by_z = 1 / (np.cos(angle) * np.cos(lean))
        return float(by_x), float(np.cos(angle) * np.sin(lean)), float(by_z)


def make_frame(
    geometry: TiltGeometry,
    sampling: Sampling,
    local: LocalField | None = None,
    stretched: bool = True,
) -> Frame:
    """Return the frame that holds all that a volume can see of the images.

    Parameters
    ----------
    geometry, sampling
        Of the tilts and of the volume.
    local
        Local displacements in the order of the tilts.
    stretched
        See `Frame`.
    """
    lean = abs(np.tan(np.deg2rad(geometry.x_tilt_deg.mean())))
    rows = sampling.n_y + 2 * (int(np.ceil(lean * sampling.n_z / 2)) + 4 if lean > 1e-9 else 0)
    columns = sampling.n_x
    if stretched:
        steepest = float(np.deg2rad(np.abs(geometry.tilt_deg).max()))
        whole = sampling.n_x / max(np.cos(steepest), 1 / STEEPEST_COLUMNS)
        columns = 2 * int(np.ceil(whole / 2)) + 4
        columns += (columns - sampling.n_x) % 2
    return Frame(geometry, sampling, columns, rows, local, stretched)


def sample_frame(images: Tensor, frame: Frame, depth: float = 0.0) -> Tensor:
    """Take the samples of all tilts, undoing shift, rotation, lean and local displacement.

    Parameters
    ----------
    images
        Binned images of the frame's tilts, ``[n_tilts, height, width]``.
    depth
        Section, in voxels from the middle, whose points the local displacements are those of;
        a specimen bends as a sheet, and one ray crosses places that have moved differently.

    Returns
    -------
    ``[n_tilts, n_columns, n_rows]``, zero where there is no data.
    """
    out = images.new_zeros(len(images), frame.n_columns, frame.n_rows)
    for tilt, image in enumerate(images):
        _sample_one(image, frame, tilt, depth, out[tilt])
    return out


def _sample_one(image: Tensor, frame: Frame, tilt: int, depth: float, out: Tensor) -> None:
    """Fill the part of one tilt that its image covers."""
    height, width = image.shape
    like: dict[str, Any] = {"device": image.device, "dtype": image.dtype}
    jacobian = frame.jacobian(tilt)
    reach = float(np.hypot(height, width)) / 2 / abs(jacobian[0, 0])
    reach += float(np.abs(frame.geometry.shift_angstrom[tilt]).sum()) / (
        frame.sampling.voxel_size_angstrom * abs(jacobian[0, 0])
    )
    middle = frame.n_columns // 2
    first = max(0, int(middle - reach) - 2)
    last = min(frame.n_columns, int(middle + reach) + 3)
    x = (torch.arange(first, last, **like) - middle)[:, None]
    r = (torch.arange(frame.n_rows, **like) - frame.n_rows // 2)[None, :]
    place_x, place_y = _places(x, r, frame, tilt, depth)
    grid = torch.stack(
        [
            (place_x * frame.sampling.magnification[1] + width // 2) * (2 / (width - 1)) - 1,
            (place_y * frame.sampling.magnification[0] + height // 2) * (2 / (height - 1)) - 1,
        ],
        dim=-1,
    )
    sampled = torch.nn.functional.grid_sample(
        image[None, None], grid[None], mode="bicubic", padding_mode="zeros", align_corners=True
    )
    out[first:last] = sampled[0, 0]


def _places(x: Tensor, r: Tensor, frame: Frame, tilt: int, depth: float) -> tuple[Tensor, Tensor]:
    """Return where points of the frame are seen, voxels from the image's centre."""
    voxel = frame.sampling.voxel_size_angstrom
    angle = np.deg2rad(frame.geometry.axis_deg[tilt])
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = turn @ frame.jacobian(tilt)
    shift = frame.geometry.shift_angstrom[tilt] / voxel
    place_x = matrix[0, 0] * x + matrix[0, 1] * r + shift[0]
    place_y = matrix[1, 0] * x + matrix[1, 1] * r + shift[1]
    if frame.local is None:
        return place_x, place_y
    # The displacement is smooth: it is worked out on a coarse grid and drawn out from there.
    coarse_x = torch.linspace(float(x[0]), float(x[-1]), _knots(len(x)), dtype=torch.float64)
    coarse_r = torch.linspace(float(r[0, 0]), float(r[0, -1]), _knots(r.shape[1])).double()
    stretch = 1.0 if frame.stretched else 1 / float(frame.cosine[tilt])
    field = frame.local.select([tilt]).over_grid(
        (coarse_x.numpy() * stretch - depth * frame.slope[tilt]) * voxel,
        (coarse_r.numpy() + depth * frame.row_slope) * voxel,
    )
    coarse = torch.from_numpy(field[0] / voxel).to(x)
    moved = torch.nn.functional.interpolate(
        coarse.permute(2, 1, 0)[None],
        size=(len(x), r.shape[1]),
        mode="bicubic",
        align_corners=True,
    )[0]
    return place_x + moved[0], place_y + moved[1]


def _knots(length: int) -> int:
    return max(4, length // LOCAL_STEP_PX + 2)


def local_sections(frame: Frame) -> int:
    """Return over how many sections the local displacements hardly change along any ray.

    The images are taken anew for so many sections at a time, so that no point is seen further
    than a quarter of a voxel from its place.
    """
    n_z = frame.sampling.n_z
    if frame.local is None:
        return n_z
    half_x, half_y = frame.local.half_extent_angstrom
    x, y = (np.linspace(-half, half, 33) for half in (half_x, half_y))
    field = frame.local.over_grid(x, y)
    steepest = np.abs(np.diff(field, axis=2)).max(axis=(1, 2, 3)) / (x[1] - x[0])
    per_section = float((steepest * np.abs(frame.slope)).max())
    return int(np.clip(2 * FARTHEST_VOXELS / max(per_section, 1e-9), 1, n_z))

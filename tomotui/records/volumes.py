"""Volumes: tomograms and averaged maps."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tomotui.records.base import Record


class Tomogram(Record):
    """A reconstructed volume of one tilt series.

    Attributes
    ----------
    path
        MRC volume, relative to the project folder or absolute; protein is dark in the file.
    size_xyz
        Voxels along x, y and z. Voxel ``n // 2`` of each axis is the origin of coordinates.
    half_paths
        Two tomograms of independent halves of the data, for self-supervised training.
    half_kind
        What was halved: every other tilt, or every other frame of each tilt.
    thickness_angstrom
        Thickness of the specimen as found in the volume.
    window_low, window_high
        Grey values between which the volume is well shown.
    thumbnail_path
        Small central slice as 8-bit MRC for instant preview.
    details_path
        What the quality screen draws, as ``.npz``; relative to the project folder.
    restored
        True for a volume changed by a network; averaging refuses those.
    """

    kind: Literal["tomogram"] = "tomogram"
    series_uid: str
    alignment_uid: str
    ctf_uid: str | None = None
    path: str
    size_xyz: tuple[int, int, int]
    pixel_size_angstrom: float = Field(gt=0)
    method: str = "wbp"
    half_paths: tuple[str, str] | None = None
    half_kind: Literal["tilts", "frames"] | None = None
    thickness_angstrom: float | None = None
    window_low: float
    window_high: float
    thumbnail_path: str | None = None
    details_path: str | None = None
    restored: bool = False


class Map(Record):
    """An averaged structure; protein is bright."""

    kind: Literal["map"] = "map"
    name: str
    path: str
    size_xyz: tuple[int, int, int]
    pixel_size_angstrom: float = Field(gt=0)
    half_paths: tuple[str, str] | None = None
    symmetry: str = "C1"
    resolution_angstrom: float | None = None
    particle_set_uid: str | None = None


class Network(Record):
    """Trained weights of a learned stage."""

    kind: Literal["network"] = "network"
    name: str
    purpose: str
    path: str
    architecture: str = ""
    metrics: dict[str, float] = Field(default_factory=dict)

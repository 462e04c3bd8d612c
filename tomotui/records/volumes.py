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
        What was halved: every other tilt, or every other frame of each tilt; or ``noise``, where
        both hold all data, with noise that was dealt out between them.
    thickness_angstrom
        Thickness of the specimen as found in the volume.
    window_low, window_high
        Grey values between which the volume is well shown.
    thumbnail_path
        Small central slice as 8-bit MRC for instant preview.
    details_path
        What the quality screen draws, as ``.npz``; relative to the project folder.
    ctf_correction
        How the contrast transfer function was corrected; ``None`` where it was not.
    exposure_filtered
        Whether what radiation had destroyed was damped.
    restored
        True for a volume changed by a network; averaging refuses those.
    network_uid
        The network that changed it.
    uncertainty_path
        Standard deviation of the network's answers, voxel by voxel, as an MRC volume.
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
    half_kind: Literal["tilts", "frames", "noise"] | None = None
    thickness_angstrom: float | None = None
    window_low: float
    window_high: float
    thumbnail_path: str | None = None
    details_path: str | None = None
    ctf_correction: Literal["flip", "wiener"] | None = None
    exposure_filtered: bool = False
    restored: bool = False
    network_uid: str | None = None
    uncertainty_path: str | None = None


class Map(Record):
    """An averaged structure; protein is bright.

    Attributes
    ----------
    path
        MRC volume, filtered and sharpened to be looked at; relative to the project folder or
        absolute, as all paths here.
    half_paths
        Maps of independent halves of the particles, neither filtered nor sharpened.
    mask_path
        Soft mask, 0 to 1, that the resolution was measured in.
    unfiltered_path
        Map of all particles, neither filtered nor sharpened.
    local_resolution_path
        Resolution around each voxel, Angstrom.
    details_path
        What the screen of maps draws, as ``.npz``.
    particle_set_uid
        The particles as they lie in this map.
    made_by
        The stage that made it; ``import`` for one from a file.
    """

    kind: Literal["map"] = "map"
    name: str
    path: str
    size_xyz: tuple[int, int, int]
    pixel_size_angstrom: float = Field(gt=0)
    half_paths: tuple[str, str] | None = None
    symmetry: str = "C1"
    resolution_angstrom: float | None = None
    particle_set_uid: str | None = None
    mask_path: str | None = None
    unfiltered_path: str | None = None
    local_resolution_path: str | None = None
    details_path: str | None = None
    n_particles: int | None = Field(default=None, ge=0)
    made_by: str = ""


class Network(Record):
    """Trained weights of a learned stage.

    Attributes
    ----------
    purpose
        The stage that applies it.
    path
        Weights and what is needed to build the network again, as safetensors; relative to the
        project folder.
    architecture
        Its sizes in words.
    metrics
        What it reached in training.
    details_path
        What the screen of its training draws, as ``.npz``; relative to the project folder.
    species
        Names of the particle sets that it tells apart; empty for networks that do not pick.
    """

    kind: Literal["network"] = "network"
    name: str
    purpose: str
    path: str
    architecture: str = ""
    metrics: dict[str, float] = Field(default_factory=dict)
    details_path: str | None = None
    species: tuple[str, ...] = ()

"""What the user of template matching may choose."""

from __future__ import annotations

from typing import Literal

from tomotui.stages.base import Parameters, parameter


class MatchParameters(Parameters):
    """The choices of a template search."""

    template: str = parameter(
        ..., "Map with bright protein (MRC), or atomic model (PDB or mmCIF, .gz too)."
    )
    particles: str = parameter(
        "", "Name of the particle set to fill; that of the template's file when empty."
    )
    symmetry: str = parameter("C1", "Point group of the template: C1, C2, D7, T, O, I and so on.")
    diameter_angstrom: float | None = parameter(
        None, "Diameter of the particle; by default as the template shows.", unit="angstrom", gt=0
    )
    resolution_angstrom: float | None = parameter(
        None,
        "Finest detail that is compared; by default three voxels, or a sixth of the diameter "
        "where that is more. Coarser is much faster.",
        unit="angstrom",
        gt=0,
    )
    angle_step_deg: float | None = parameter(
        None,
        "Step between orientations; by default resolution over diameter.",
        unit="degree",
        gt=0.5,
        le=60,
    )
    expected_false_positives: float = parameter(
        1.0, "Candidates by chance that are accepted in each tomogram.", gt=0, le=10_000
    )
    for_review: int = parameter(
        100,
        "Keep at least so many of the best peaks, also where fewer stand out from chance, and "
        "all down to where chance makes as many as there are particles; 0 for none of these.",
        ge=0,
        le=200_000,
    )
    max_candidates: int = parameter(3000, "Most candidates of a tomogram.", ge=1, le=200_000)
    null: bool = parameter(
        True,
        "Also match a template of random phases: its mean scores are taken off as background, and "
        "the threshold is found from it.",
    )
    template_pixel_size_angstrom: float | None = parameter(
        None,
        "Voxel size of the template, where its header is wrong.",
        unit="angstrom",
        group="advanced",
        gt=0,
    )
    template_mask: str = parameter(
        "", "Mask of the template (MRC); made from the template when empty.", group="advanced"
    )
    statistics: Literal["ball", "shape"] = parameter(
        "ball",
        "Compare with the local contrast under a ball, or (twice as slow) under the template's "
        "own mask, for long and flat particles.",
        group="advanced",
    )
    mirror: bool = parameter(
        False,
        "Match the mirror image, to check the hand: the true one scores higher.",
        group="advanced",
    )
    whiten: bool = parameter(True, "Let all spacings count alike.", group="advanced")
    high_pass_angstrom: float = parameter(
        400.0, "Coarsest detail; 0 for no limit.", unit="angstrom", group="advanced", ge=0
    )
    min_score: float | None = parameter(
        None, "Least score, in place of the threshold that is found.", group="advanced"
    )
    z_min_angstrom: float | None = parameter(
        None,
        "Lowest z of particles, from the tomogram's centre.",
        unit="angstrom",
        group="advanced",
    )
    z_max_angstrom: float | None = parameter(
        None,
        "Highest z of particles, from the tomogram's centre.",
        unit="angstrom",
        group="advanced",
    )
    edge_angstrom: float | None = parameter(
        None,
        "Leave out candidates nearer than this to the tomogram's faces; a quarter of the diameter "
        "when not said.",
        unit="angstrom",
        group="advanced",
        ge=0,
    )
    gold_angstrom: float | None = parameter(
        None,
        "Leave out candidates this near to gold, and in its streaks; half a diameter when not "
        "said, 0 to keep them.",
        unit="angstrom",
        group="advanced",
        ge=0,
    )
    specimen_mask: str = parameter(
        "",
        "Volume of the tomogram's size (MRC), above 0 where particles may lie.",
        group="advanced",
    )
    cone_deg: float = parameter(
        180.0,
        "Greatest angle between the template's z axis and the tomogram's.",
        unit="degree",
        group="advanced",
        gt=0,
        le=180,
    )
    in_plane_deg: float = parameter(
        180.0,
        "Greatest turn about that axis, either way.",
        unit="degree",
        group="advanced",
        gt=0,
        le=180,
    )
    refine: bool = parameter(
        True, "Refine place and orientation of each candidate.", group="advanced"
    )
    tile: int | None = parameter(
        None,
        "Longest side of a part that is transformed at once; 512 on a GPU, 320 elsewhere.",
        unit="voxel",
        group="advanced",
        ge=32,
        le=2048,
    )
    data_type: Literal["float16", "float32"] = parameter(
        "float16", "Number format of the volume of scores.", group="advanced"
    )
    seed: int = parameter(0, "Of the random phases.", group="advanced", ge=0)

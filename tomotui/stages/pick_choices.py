"""What the user of picking may choose: of training a network, and of looking with it."""

from __future__ import annotations

from typing import Literal

from tomotui.stages.base import Parameters, SampleParameters, parameter
from tomotui.stages.pick_presets import PRESETS, Preset


class PickTrainParameters(SampleParameters):
    """The choices of training a picking network."""

    particles: tuple[str, ...] = parameter(
        (), "Particle sets to learn, each one species; all with enough judged when none is named."
    )
    preset: Literal["auto", "quick", "standard", "thorough"] = parameter(
        "auto",
        "Sizes and length: quick takes minutes on two cores; auto is standard on a GPU and quick "
        "elsewhere.",
    )
    expected_per_tomogram: float | None = parameter(
        None,
        "About how many particles of a species a tomogram holds, so that those nobody has judged "
        "are not taken for background; four times the accepted ones when not said.",
        gt=0,
        le=1e6,
    )
    network: str = parameter(
        "", "Name of the network to go on from; the newest that picks when empty."
    )
    fresh: bool = parameter(False, "Begin from nothing instead of going on from a network.")
    max_tomograms: int = parameter(
        12, "Look at no more tomograms than this; those with judged particles come first.", ge=1
    )
    steps: int | None = parameter(None, "Updates of the weights; by preset.", ge=1, le=1_000_000)
    pretraining_steps: int | None = parameter(
        None,
        "Updates before that, from the tomograms alone; by preset, none when going on.",
        group="advanced",
        ge=0,
        le=1_000_000,
    )
    width: int | None = parameter(
        None, "Channels of the network; by preset.", group="advanced", ge=8, le=128
    )
    batch: int | None = parameter(None, "Crops at once; by preset.", group="advanced", ge=1, le=256)
    learning_rate: float = parameter(8e-3, "Greatest step size.", group="advanced", gt=0, le=0.1)
    free_rotations: float = parameter(
        0.3,
        "Share of the crops turned by any angle; the others are turned about the beam.",
        group="advanced",
        ge=0,
        le=1,
    )
    unknown_weight: float = parameter(
        8.0,
        "How much a crop's unjudged voxels count together over one judged particle.",
        group="advanced",
        ge=0,
        le=1000,
    )
    seed: int = parameter(0, "Of everything that is random.", group="advanced", ge=0)

    def chosen(self, on_gpu: bool) -> Preset:
        """Return the preset with what was asked for otherwise."""
        name = self.preset
        if name == "auto":
            name = "standard" if on_gpu else "quick"
        own = {
            "width": self.width,
            "steps": self.steps,
            "pretraining_steps": self.pretraining_steps,
            "batch": self.batch,
        }
        changed = {key: value for key, value in own.items() if value is not None}
        return PRESETS[name]._replace(**changed)


class PickParameters(Parameters):
    """The choices of looking for particles with a network."""

    network: str = parameter("", "Name of the network; the newest that picks when empty.")
    min_score: float = parameter(
        0.05, "Keep candidates that are particles with at least this share.", ge=0, le=1
    )
    max_candidates: int = parameter(
        5000, "Keep no more of a species in a tomogram.", ge=1, le=1_000_000
    )
    looks: int | None = parameter(
        None,
        "How often each place is looked at, turned about the beam and upside down; 4 on a GPU, "
        "2 elsewhere.",
        ge=1,
        le=4,
    )
    centre: Literal["auto", "mass", "network"] = parameter(
        "auto",
        "Put candidates at the centre of their mass, or leave them where the network has them; "
        "auto does the first where the marks it has learnt from lay there.",
    )
    edge_angstrom: float = parameter(
        0.0, "Leave out candidates nearer than this to the tomogram's faces.", unit="angstrom", ge=0
    )
    gold_angstrom: float | None = parameter(
        None,
        "Leave out candidates this near to gold, and in its streaks; half a diameter when not "
        "said, 0 to keep them.",
        unit="angstrom",
        ge=0,
    )
    tile: int | None = parameter(
        None,
        "Longest side of the tiles that the network sees; 256 on a GPU, 160 elsewhere.",
        unit="voxel",
        group="advanced",
        ge=64,
        le=512,
    )

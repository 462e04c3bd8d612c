"""What may be asked of the simulated specimen and microscope."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Scheme = Literal["dose-symmetric", "bidirectional", "continuous"]


class SimulationError(ValueError):
    """The simulation cannot be made as asked; the message says what to change."""


class SpeciesShare(NamedTuple):
    """A species of particle and its share among the particles."""

    name: str
    share: float


def _parameter(
    default: Any,
    help: str,
    unit: str = "",
    group: Literal["basic", "advanced"] = "basic",
    **limits: Any,
) -> Any:
    """Declare one parameter with its unit and range."""
    extra: dict[str, Any] = {"unit": unit, "group": group}
    return Field(default, description=help, json_schema_extra=extra, **limits)


class SimulationParameters(BaseModel):
    """A tilt series to simulate; the same parameters give the same bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    name: str = _parameter("simulated", "Name of the series and its files.", min_length=1)
    seed: int = _parameter(0, "All chance of the simulation comes from this number.", ge=0)
    size_px: int = _parameter(720, "Width of the images.", "px", ge=32)
    height_px: int = _parameter(0, "Height of the images; 0 for square ones.", "px", ge=0)
    pixel_size_angstrom: float = _parameter(6.0, "Pixel size.", "angstrom", gt=0)
    thickness_angstrom: float = _parameter(1500.0, "Thickness of the ice.", "angstrom", gt=0)

    tilt_min_deg: float = _parameter(-60.0, "Lowest nominal tilt.", "deg", ge=-75)
    tilt_max_deg: float = _parameter(60.0, "Highest nominal tilt.", "deg", le=75)
    tilt_step_deg: float = _parameter(3.0, "Step between tilts.", "deg", gt=0)
    scheme: Scheme = _parameter("dose-symmetric", "Order in which the tilts are taken.")
    dose_e_per_a2: float = _parameter(3.0, "Exposure of each image.", "e/A^2", gt=0)
    axis_deg: float = _parameter(
        85.3, "Mean direction of the tilt axis, counter-clockwise from +y.", "deg"
    )
    axis_error_deg: float = _parameter(
        0.0, "What the metadata add to the true axis.", "deg", "advanced"
    )
    axis_wander_deg: float = _parameter(
        0.0, "RMS of a smooth change of the axis over the tilts.", "deg", "advanced", ge=0
    )
    tilt_offset_deg: float = _parameter(
        0.0, "True minus nominal tilt, the same for all images.", "deg", "advanced"
    )
    tilt_jitter_deg: float = _parameter(
        0.0, "RMS of true minus nominal tilt per image.", "deg", "advanced", ge=0
    )
    x_tilt_deg: float = _parameter(0.0, "Tilt of the specimen about x.", "deg", "advanced")
    shift_min_angstrom: float = _parameter(
        20.0, "Least length of each image's shift, in a random direction.", "angstrom", ge=0
    )
    shift_max_angstrom: float = _parameter(
        30.0, "Greatest length of each image's shift.", "angstrom", ge=0
    )
    shift_rms_angstrom: float = _parameter(
        0.0, "RMS per axis of a further normal shift of each image.", "angstrom", ge=0
    )
    shift_walk_angstrom: float = _parameter(
        0.0,
        "RMS per axis of each step of a random walk that the stage does from image to image.",
        "angstrom",
        ge=0,
    )
    deformation_angstrom: float = _parameter(
        0.0,
        "RMS of a smooth local displacement over the field and the tilts; 0 for a rigid specimen.",
        "angstrom",
        "advanced",
        ge=0,
    )
    dark_tilts: tuple[int, ...] = _parameter(
        (), "Sections hidden by a grid bar (2 % of the beam comes through).", "", "advanced"
    )

    voltage_kv: float = _parameter(300.0, "Acceleration voltage.", "kV", gt=0)
    spherical_aberration_mm: float = _parameter(2.7, "Spherical aberration.", "mm", ge=0)
    amplitude_contrast: float = _parameter(0.07, "Amplitude contrast.", "", "advanced", ge=0, lt=1)
    phase_shift_deg: float = _parameter(0.0, "Phase plate.", "deg", "advanced")
    defocus_angstrom: float = _parameter(30_000.0, "Mean defocus, underfocus > 0.", "angstrom")
    defocus_jitter_angstrom: float = _parameter(
        400.0, "RMS of each image's defocus about the mean.", "angstrom", ge=0
    )
    astigmatism_angstrom: float = _parameter(
        300.0, "Defocus U minus defocus V.", "angstrom", "advanced"
    )
    astigmatism_angle_deg: float = _parameter(
        30.0, "Direction of defocus U, from +x towards +y.", "deg", "advanced"
    )
    handedness: Literal[-1, 1] = _parameter(
        1, "+1 when defocus grows with the depth q_z, -1 when it falls."
    )
    mean_free_path_angstrom: float = _parameter(
        3000.0, "Inelastic mean free path in ice.", "angstrom", "advanced", gt=0
    )
    exposure_damage: bool = _parameter(True, "Fade the specimen with the exposure.")
    ice_noise: float = _parameter(
        1.0, "Structural noise of the ice; 1 for the physical amount.", "", "advanced", ge=0
    )
    shot_noise: bool = _parameter(True, "Count electrons; off for expected counts.")
    detection_efficiency: float = _parameter(
        1.0, "Share of the electrons that is counted.", "", "advanced", gt=0, le=1
    )
    mtf_at_nyquist: float = _parameter(
        1.0, "Detector's transfer at Nyquist frequency.", "", "advanced", gt=0, le=1
    )
    counts_per_electron: float = _parameter(
        1.0, "Stored counts for one electron.", "", "advanced", gt=0
    )
    output_type: Literal["int16", "float32"] = _parameter("int16", "Number type of the stack.")

    n_particles: int = _parameter(
        100, "Particles inside the untilted field; the same density goes on outside.", ge=0
    )
    species: tuple[str, ...] = _parameter(
        ("ribosome:3", "proteasome:1", "ring:1"),
        "Kinds of particles as NAME or NAME:SHARE, where NAME is a generated shape or the path of "
        "a PDB or mmCIF file (.gz too).",
    )
    n_vesicles: int = _parameter(2, "Closed membranes inside the untilted field.", ge=0)
    vesicle_min_radius_angstrom: float = _parameter(
        250.0, "Least radius of a membrane.", "angstrom", "advanced", gt=60
    )
    vesicle_max_radius_angstrom: float = _parameter(
        450.0, "Greatest radius of a membrane.", "angstrom", "advanced", gt=60
    )
    n_gold: int = _parameter(0, "Gold beads inside the untilted field.", ge=0)
    gold_diameter_angstrom: float = _parameter(100.0, "Diameter of a bead.", "angstrom", gt=0)
    crowding: float = _parameter(
        0.0, "Share of the ice's volume taken by small proteins of 60 kDa.", ge=0, le=0.4
    )
    keep_noise_free: bool = _parameter(False, "Keep the expected counts as well.")
    truth_binning: int = _parameter(
        2, "Binning of the true volume; 0 for no volume.", "", "advanced", ge=0
    )

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.tilt_max_deg < self.tilt_min_deg:
            raise ValueError("tilt_max_deg lies below tilt_min_deg; exchange them")
        if self.shift_max_angstrom < self.shift_min_angstrom:
            raise ValueError("shift_max_angstrom lies below shift_min_angstrom; exchange them")
        if self.vesicle_max_radius_angstrom < self.vesicle_min_radius_angstrom:
            raise ValueError("vesicle_max_radius_angstrom lies below vesicle_min_radius_angstrom")
        if self.height_px and self.height_px < 32:
            raise ValueError("height_px must be 0 (square) or at least 32")
        if self.n_particles and not self.species:
            raise ValueError("particles are asked for, but species is empty")
        beyond = [i for i in self.dark_tilts if not 0 <= i < self.n_tilts]
        if beyond:
            raise ValueError(f"dark_tilts {beyond} do not exist; there are {self.n_tilts} tilts")
        self.species_shares()
        return self

    @property
    def shape_yx(self) -> tuple[int, int]:
        """Height and width of the images in pixels."""
        return (self.height_px or self.size_px, self.size_px)

    @property
    def n_tilts(self) -> int:
        """Number of images."""
        span = self.tilt_max_deg - self.tilt_min_deg
        return int(span / self.tilt_step_deg + 1e-6) + 1

    def species_shares(self) -> list[SpeciesShare]:
        """Read the kinds of particles and their shares.

        Raises
        ------
        ValueError
            When a share is not positive or a species is named twice.
        """
        shares = []
        for text in self.species:
            name, separator, number = text.rpartition(":")
            try:
                share = float(number) if separator else 1.0
            except ValueError:
                name, share = text, 1.0
            shares.append(SpeciesShare(name if separator and name else text, share))
        if any(not s.share > 0 for s in shares):
            raise ValueError(f"the shares of species must be above 0: {', '.join(self.species)}")
        if len({s.name for s in shares}) != len(shares):
            raise ValueError(f"a species is named twice: {', '.join(self.species)}")
        return shares

"""Tilt series: the images as the microscope left them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from tomotui.records.base import Record, Value


class Tilt(Value):
    """One image of a tilt series.

    Attributes
    ----------
    index
        Section of the stack, counted from 0.
    nominal_tilt_deg
        Stage angle reported by the microscope.
    dose_e_per_a2
        Exposure of this image; ``None`` when unknown.
    prior_dose_e_per_a2
        Exposure the specimen had received before this image; ``None`` when unknown.
    acquisition_order
        Rank in time, counted from 0; ``None`` when unknown.
    target_defocus_angstrom
        Defocus asked of the microscope, underfocus positive.
    excluded
        Left out by the user or by a stage, reversibly.
    """

    index: int = Field(ge=0)
    nominal_tilt_deg: float = Field(ge=-180, le=180)
    dose_e_per_a2: float | None = Field(default=None, ge=0)
    prior_dose_e_per_a2: float | None = Field(default=None, ge=0)
    acquisition_order: int | None = Field(default=None, ge=0)
    target_defocus_angstrom: float | None = None
    excluded: bool = False


class TiltSeries(Record):
    """A stack of tilted images of one place of the specimen.

    Attributes
    ----------
    stack_path
        The image stack; absolute, or relative to the project folder.
    intensity_scale, intensity_offset
        Physical value = stored value * scale + offset (1 and 0 for most stacks).
    nominal_tilt_axis_deg
        Tilt axis claimed by the metadata, degrees counter-clockwise from +y; ``None`` when
        nothing was said.
    checksum
        SHA-256 of the stack, hexadecimal.
    """

    kind: Literal["tilt_series"] = "tilt_series"
    name: str = Field(min_length=1)
    dataset: str = "default"
    stack_path: str
    width_px: int = Field(gt=0)
    height_px: int = Field(gt=0)
    pixel_size_angstrom: float = Field(gt=0)
    voltage_kv: float = Field(default=300.0, gt=0)
    spherical_aberration_mm: float = Field(default=2.7, ge=0)
    amplitude_contrast: float = Field(default=0.07, ge=0, le=1)
    nominal_tilt_axis_deg: float | None = None
    intensity_scale: float = 1.0
    intensity_offset: float = 0.0
    checksum: str = ""
    tilts: tuple[Tilt, ...]

    @model_validator(mode="after")
    def _tilts_are_the_sections(self) -> TiltSeries:
        if not self.tilts:
            raise ValueError("a tilt series needs at least one tilt")
        if [tilt.index for tilt in self.tilts] != list(range(len(self.tilts))):
            raise ValueError("tilts must be numbered 0, 1, 2, ... in the order of the stack")
        return self

    @property
    def n_tilts(self) -> int:
        """Number of images in the stack."""
        return len(self.tilts)

    @property
    def tilt_range_deg(self) -> tuple[float, float]:
        """Lowest and highest nominal tilt in degrees."""
        angles = [tilt.nominal_tilt_deg for tilt in self.tilts]
        return min(angles), max(angles)


class TiltAlignment(Value):
    """How one image sees the specimen (``tomotui.geometry.tilt`` owns the equation).

    Attributes
    ----------
    index
        Section of the stack, counted from 0.
    tilt_deg, x_tilt_deg, axis_deg
        Refined stage tilt, tilt about x, and tilt-axis angle, degrees.
    shift_x_angstrom, shift_y_angstrom
        Where the specimen's centre falls in the image, Angstrom from pixel ``n // 2``.
    excluded
        Not to be used for reconstruction.
    verdict
        ``good``, ``poor`` (used with suspicion) or ``bad`` (excluded automatically).
    score
        Agreement with the other tilts, a correlation in -1..1; ``None`` when not measured.
    residual_angstrom
        Remaining disagreement with the other tilts; ``None`` when not measured.
    note
        Why the verdict is not ``good``.
    """

    index: int = Field(ge=0)
    tilt_deg: float
    x_tilt_deg: float = 0.0
    axis_deg: float
    shift_x_angstrom: float
    shift_y_angstrom: float
    excluded: bool = False
    verdict: Literal["good", "poor", "bad"] = "good"
    score: float | None = None
    residual_angstrom: float | None = None
    note: str = ""


class Alignment(Record):
    """The geometry of every tilt of one series."""

    kind: Literal["alignment"] = "alignment"
    series_uid: str
    source: str = "tomotui"
    tilts: tuple[TiltAlignment, ...]
    residual_angstrom: float | None = None
    score: float | None = None
    verdict: Literal["good", "poor", "bad"] = "good"
    note: str = ""

    @property
    def axis_deg(self) -> float:
        """Mean tilt-axis angle in degrees."""
        return sum(tilt.axis_deg for tilt in self.tilts) / len(self.tilts)

    @property
    def included(self) -> tuple[TiltAlignment, ...]:
        """The tilts that reconstruction may use."""
        return tuple(tilt for tilt in self.tilts if not tilt.excluded)


class TiltCtf(Value):
    """Contrast transfer function of one image; the defocus is at the specimen's centre."""

    index: int = Field(ge=0)
    defocus_u_angstrom: float
    defocus_v_angstrom: float
    astigmatism_angle_deg: float = 0.0
    phase_shift_deg: float = 0.0
    fit_resolution_angstrom: float | None = None
    score: float | None = None


class Ctf(Record):
    """Contrast transfer functions of one series, with the measured handedness.

    ``handedness`` is +1 when defocus grows with the depth ``q_z`` of the projection equation,
    -1 when it falls, ``None`` when it was not measured.
    """

    kind: Literal["ctf"] = "ctf"
    series_uid: str
    tilts: tuple[TiltCtf, ...]
    handedness: Literal[-1, 1] | None = None
    handedness_score: float | None = None

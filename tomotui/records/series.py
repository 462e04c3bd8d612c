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
    even_stack_path, odd_stack_path
        Stacks of the sums of every other frame, aligned and scaled as the stack; ``None`` where
        there were no frames.
    details_path
        What the quality screen draws of the motion of the frames, as ``.npz``; relative to the
        project folder.
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
    even_stack_path: str | None = None
    odd_stack_path: str | None = None
    details_path: str | None = None
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


class LocalShifts(Value):
    """Smooth local displacements of the images, as of a specimen that bends under the beam.

    A column (x, y) of the specimen is seen in image i beside its rigid place by ``d_i(x, y)``,
    whatever its depth. The fields are tensor products of natural cubic splines through values
    at the nodes of a regular grid; outside the grid its rim goes on.

    Attributes
    ----------
    n_x, n_y
        Nodes along x and y, at least 2 each.
    half_width_angstrom, half_height_angstrom
        The nodes are spread evenly over ``-half .. +half`` of the specimen, borders included.
    x_angstrom, y_angstrom
        Displacement on the raw image at the nodes, for each tilt ``n_y * n_x`` numbers, rows of
        equal y.
    """

    n_x: int = Field(ge=2)
    n_y: int = Field(ge=2)
    half_width_angstrom: float = Field(gt=0)
    half_height_angstrom: float = Field(gt=0)
    x_angstrom: tuple[tuple[float, ...], ...]
    y_angstrom: tuple[tuple[float, ...], ...]

    @model_validator(mode="after")
    def _every_tilt_has_all_nodes(self) -> LocalShifts:
        sizes = {len(values) for values in (*self.x_angstrom, *self.y_angstrom)}
        if sizes - {self.n_x * self.n_y} or len(self.x_angstrom) != len(self.y_angstrom):
            raise ValueError(f"local shifts need {self.n_x * self.n_y} numbers for every tilt")
        return self


class Alignment(Record):
    """The geometry of every tilt of one series.

    Attributes
    ----------
    source
        The program it came from.
    local
        Local displacements in the order of ``tilts``; ``None`` for a rigid specimen.
    thickness_angstrom
        Thickness of the specimen, where it was measured.
    details_path
        What the quality screen draws, as ``.npz``; relative to the project folder.
    """

    kind: Literal["alignment"] = "alignment"
    series_uid: str
    source: str = "tomotui"
    tilts: tuple[TiltAlignment, ...]
    local: LocalShifts | None = None
    thickness_angstrom: float | None = None
    details_path: str | None = None
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

    Attributes
    ----------
    alignment_uid
        Whose tilt axis and angles were used; ``None`` when the CTF came from outside.
    source
        The program it came from.
    handedness
        +1 when defocus grows with the depth ``q_z`` of the projection equation, -1 when it
        falls, ``None`` when it was not measured.
    handedness_score
        How surely; see the stage that measured it.
    fit_resolution_angstrom
        Finest spacing to which rings are seen in the less tilted half of the images (median).
    verdict, note
        Whether the series can be trusted, and why not.
    details_path
        What the quality screen draws, as ``.npz``; relative to the project folder.
    """

    kind: Literal["ctf"] = "ctf"
    series_uid: str
    alignment_uid: str | None = None
    source: str = "tomotui"
    tilts: tuple[TiltCtf, ...]
    handedness: Literal[-1, 1] | None = None
    handedness_score: float | None = None
    fit_resolution_angstrom: float | None = None
    verdict: Literal["good", "poor", "bad"] = "good"
    note: str = ""
    details_path: str | None = None

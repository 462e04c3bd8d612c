"""The import preview: what would be kept, where each fact comes from, and what is wrong."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypedDict

from tomotui.formats.acquisition import Scheme
from tomotui.formats.errors import FormatError
from tomotui.records import Alignment, Ctf, Tilt, TiltSeries

Source = Literal[
    "given",
    "mdoc",
    "header",
    "tilt file",
    "CTF file",
    "etomo",
    "AreTomo",
    "portal",
    "derived",
    "assumed",
]


class Given(TypedDict, total=False):
    """What the user says; it goes before what the files say."""

    pixel_size_angstrom: float | None
    tilt_axis_deg: float | None
    dose_e_per_a2: float | None
    first_tilt_deg: float | None
    tilt_step_deg: float | None
    acquisition: Scheme | None
    voltage_kv: float | None
    spherical_aberration_mm: float | None
    amplitude_contrast: float | None
    target_defocus_angstrom: float | None


@dataclass(frozen=True)
class Fact:
    """A value and where it comes from."""

    value: Any
    source: Source


@dataclass(frozen=True)
class FoundTomogram:
    """A volume that another program has made of a series."""

    path: Path
    size_xyz: tuple[int, int, int]
    pixel_size_angstrom: float


@dataclass(frozen=True)
class ImportPlan:
    """What an import would keep.

    Attributes
    ----------
    facts
        By the names of the fields of :class:`~tomotui.records.TiltSeries`, and ``tilts_deg``,
        ``dose_e_per_a2``, ``prior_dose_e_per_a2``, ``acquisition_order``,
        ``target_defocus_angstrom``, and ``defocus_angstrom`` (the mean of both axes) where a
        CTF comes along, ``thickness_px`` of another program's tomogram; what nothing tells is
        absent.
    warnings
        What the user should know; nothing is refused for it.
    problems
        Why the stack cannot be used, each with the remedy; empty when it can.
    local_shifts
        See :class:`~tomotui.formats.imported.ImportedAlignment`.
    """

    stack: Path
    name: str
    mdoc: Path | None
    tilts_file: Path | None
    alignment_file: Path | None
    facts: dict[str, Fact]
    tilts: tuple[Tilt, ...]
    warnings: tuple[str, ...]
    problems: tuple[str, ...]
    series_uid: str
    alignment: Alignment | None = None
    local_shifts: Any = None
    ctf_file: Path | None = None
    ctf: Ctf | None = None
    tomogram_file: Path | None = None
    tomogram: FoundTomogram | None = None

    @property
    def is_usable(self) -> bool:
        """True when there is no problem."""
        return not self.problems

    def to_series(
        self,
        name: str = "",
        dataset: str = "default",
        *,
        stack_path: str | None = None,
        checksum: str = "",
        excluded: Iterable[int] = (),
    ) -> TiltSeries:
        """Return the record of the series, with the identity that the alignment refers to.

        Raises
        ------
        FormatError
            The plan has problems.
        """
        if self.problems:
            raise FormatError(self.problems[0])
        left_out = set(excluded)
        fields = TiltSeries.model_fields.keys() & self.facts.keys()
        return TiltSeries(
            uid=self.series_uid,
            name=name or self.name,
            dataset=dataset,
            stack_path=stack_path or str(self.stack.absolute()),
            checksum=checksum,
            tilts=tuple(
                tilt.replace(excluded=True) if tilt.index in left_out else tilt
                for tilt in self.tilts
            ),
            **{key: self.facts[key].value for key in fields},
        )

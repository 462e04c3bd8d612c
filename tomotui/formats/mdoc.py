"""SerialEM and Tomo 5 ``.mdoc`` files: what the microscope wrote down about each image.

``mdocfile`` does the parsing. It insists on the type of every field it knows, so only the
fields that this program uses are handed to it: a careless entry elsewhere does no harm.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from tomotui.formats.errors import FormatError
from tomotui.formats.tilts import read_lines

_HEADER_KEYS = {"PixelSpacing", "Voltage", "ImageFile", "ImageSize"}
_SECTION_KEYS = {
    "TiltAngle",
    "ExposureDose",
    "PriorRecordDose",
    "TargetDefocus",
    "RotationAngle",
    "PixelSpacing",
    "SubFramePath",
    "NumSubFrames",
    "DateTime",
    "Voltage",
}
_SECTION = re.compile(r"^\[\s*(ZValue|MontSection|FrameSet)\s*=\s*(-?\d+)\s*\]?")
_AXIS = re.compile(r"tilt\s*axis\s*angle\s*=\s*(-?[\d.]+)", re.IGNORECASE)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DATE = re.compile(r"^(\d{1,4})[-/. ](\w{1,9})[-/. ](\d{1,4})[ T]+(\d+):(\d+):(\d+)")
_ANGSTROM_PER_UM = 1e4


@dataclass(frozen=True)
class MdocSection:
    """One image of an mdoc; ``None`` where it says nothing (or only zeros, for the dose).

    Attributes
    ----------
    number
        The ``ZValue`` (section of the stack) or the number of the frame set.
    target_defocus_angstrom
        Underfocus positive; mdoc files count it negative and in micrometres.
    sub_frame_path
        The movie of the image, as the microscope's computer named it.
    n_frames
        Frames of that movie.
    """

    number: int
    tilt_deg: float | None = None
    dose_e_per_a2: float | None = None
    prior_record_dose_e_per_a2: float | None = None
    target_defocus_angstrom: float | None = None
    rotation_angle_deg: float | None = None
    pixel_size_angstrom: float | None = None
    voltage_kv: float | None = None
    acquired_at: datetime | None = None
    sub_frame_path: str | None = None
    n_frames: int | None = None


@dataclass(frozen=True)
class Mdoc:
    """What one mdoc file says.

    Attributes
    ----------
    image_size_px
        Width and height.
    title_axis_deg
        Tilt axis given in a title line; degrees counter-clockwise from +y.
    rotation_angle_deg
        The first ``RotationAngle`` of the file.
    sections
        In the order of the stack (by ``ZValue``).
    """

    path: Path
    image_file: str | None
    image_size_px: tuple[int, int] | None
    pixel_size_angstrom: float | None
    voltage_kv: float | None
    title_axis_deg: float | None
    rotation_angle_deg: float | None
    written_by_serialem: bool
    sections: tuple[MdocSection, ...]

    @property
    def tilt_axis_deg(self) -> float | None:
        """The tilt axis: from the title, otherwise from ``RotationAngle``.

        SerialEM's ``RotationAngle`` is the tilt axis plus 90 degrees; other programs write the
        axis itself.
        """
        if self.title_axis_deg is not None:
            return self.title_axis_deg
        rotation = self.rotation_angle_deg
        if rotation is None:
            return None
        return _wrapped(rotation - 90) if self.written_by_serialem else _wrapped(rotation)

    def warnings(self) -> list[str]:
        """Return what is missing or contradicts itself, one sentence each."""
        found = []
        doses = [s.dose_e_per_a2 for s in self.sections]
        if all(dose is None for dose in doses):
            found.append("the mdoc gives no dose (or zero): no exposure filter is possible")
        elif any(dose is None for dose in doses):
            missing = [s.number for s in self.sections if s.dose_e_per_a2 is None]
            found.append(f"the mdoc gives no dose for sections {_listed(missing)}")
        title, rotation = self.title_axis_deg, self.rotation_angle_deg
        if title is not None and rotation is not None:
            # Axes 180 degrees apart are one line; SerialEM's rotation is 90 degrees away.
            apart = min(_angle_between_lines(rotation - quarter, title) for quarter in (0, 90))
            if apart > 2:
                found.append(
                    f"the mdoc's title gives a tilt axis of {title:g} degrees, its RotationAngle "
                    f"{rotation:g}: the title is used"
                )
        elif self.tilt_axis_deg is None:
            found.append("the mdoc gives no tilt axis: it will be searched for")
        if any((s.target_defocus_angstrom or 0) < 0 for s in self.sections):
            found.append("the mdoc's target defocus is overfocus")
        return found


@dataclass(frozen=True)
class Exposure:
    """Dose and time of every section, in the order of the stack.

    Attributes
    ----------
    order
        Rank in time, counted from 0; ``None`` when nothing tells it.
    order_from
        ``DateTime``, ``PriorRecordDose``, ``ZValue`` or empty.
    """

    dose_e_per_a2: tuple[float | None, ...]
    prior_dose_e_per_a2: tuple[float | None, ...]
    order: tuple[int, ...] | None
    order_from: str


def read_mdoc(path: Path | str) -> Mdoc:
    """Read an mdoc of a stack or of one set of frames.

    Raises
    ------
    FormatError
        The file is missing, has no section, or a field that is used has no sensible value.
    """
    from mdocfile.data_models import Mdoc as Parsed
    from pydantic import ValidationError

    path = Path(path)
    lines = read_lines(path)
    try:
        parsed = Parsed.from_lines(_used_lines(lines))
    except ValidationError as error:
        first = error.errors()[0]
        raise FormatError(
            f"{path} has {first['loc'][0]} = {first['input']}, which cannot be understood",
            "correct the line, or import without the mdoc",
        ) from None
    except (ValueError, TypeError, KeyError, IndexError) as error:  # A line that is no entry.
        raise FormatError(
            f"{path} cannot be read as an mdoc: {error}", "correct it, or import without the mdoc"
        ) from error
    sections = tuple(_section(data) for data in parsed.section_data)
    if not sections:
        raise FormatError(
            f"{path} has no sections ([ZValue = ...] or [FrameSet = ...])",
            "give the mdoc that SerialEM or Tomo 5 wrote beside the stack",
        )
    header = parsed.global_data
    titles = " ".join(line for line in lines if line.lstrip("[ ").startswith("T ="))
    axis = _AXIS.search(" ".join(lines))
    return Mdoc(
        path=path,
        image_file=str(header.ImageFile) if header.ImageFile else None,
        image_size_px=header.ImageSize,
        pixel_size_angstrom=_positive(header.PixelSpacing) or sections[0].pixel_size_angstrom,
        voltage_kv=_positive(header.Voltage) or sections[0].voltage_kv,
        title_axis_deg=_wrapped(float(axis.group(1))) if axis else None,
        rotation_angle_deg=next(
            (s.rotation_angle_deg for s in sections if s.rotation_angle_deg is not None), None
        ),
        written_by_serialem="SerialEM" in titles,
        sections=_stack_sections(sections, parsed.section_data),
    )


def exposure(sections: Sequence[MdocSection], dose_e_per_a2: float | None = None) -> Exposure:
    """Work out dose, prior dose and order of acquisition.

    The order comes from the times, otherwise from ``PriorRecordDose``, otherwise the images are
    taken to be in the order of the stack. The prior dose is the recorded one; where there is
    none it is summed along the order of acquisition.

    Parameters
    ----------
    dose_e_per_a2
        Dose of every image; replaces what the mdoc says.
    """
    order, order_from = _order(sections)
    recorded = [s.prior_record_dose_e_per_a2 for s in sections]
    has_recorded = None not in recorded and (len(sections) == 1 or any(recorded))
    doses = [dose_e_per_a2 or s.dose_e_per_a2 for s in sections]
    if all(dose is None for dose in doses) and has_recorded and len(sections) > 1:
        step = _typical_step([float(prior or 0) for prior in recorded])
        doses = [step] * len(sections)
    if has_recorded and dose_e_per_a2 is None:
        return Exposure(tuple(doses), tuple(recorded), order, order_from)
    prior: list[float | None] = [None] * len(sections)
    if None not in doses:
        total = 0.0
        for index in sorted(range(len(sections)), key=lambda i: order[i]):
            prior[index] = total
            total += doses[index] or 0.0
    return Exposure(tuple(doses), tuple(prior), order, order_from)


def _order(sections: Sequence[MdocSection]) -> tuple[tuple[int, ...], str]:
    times = [s.acquired_at for s in sections]
    if None not in times and len(set(times)) > len(times) // 2:
        stamps = [time.timestamp() for time in times if time is not None]
        return _ranks(stamps), "DateTime"
    doses = [s.prior_record_dose_e_per_a2 for s in sections]
    if None not in doses and len(set(doses)) == len(doses):
        return _ranks([dose for dose in doses if dose is not None]), "PriorRecordDose"
    return _ranks([float(s.number) for s in sections]), "ZValue"


def _ranks(keys: Sequence[float]) -> tuple[int, ...]:
    order = sorted(range(len(keys)), key=lambda i: (keys[i], i))
    ranks = [0] * len(keys)
    for rank, index in enumerate(order):
        ranks[index] = rank
    return tuple(ranks)


def _typical_step(prior: list[float]) -> float | None:
    ordered = sorted(prior)
    steps = sorted(b - a for a, b in pairwise(ordered) if b > a)
    return steps[len(steps) // 2] if steps else None


def _used_lines(lines: Sequence[str]) -> list[str]:
    """Return the headings and the fields that this program uses."""
    kept = []
    keys = _HEADER_KEYS
    for line in (line.strip() for line in lines):
        if heading := _SECTION.match(line):
            keys = _SECTION_KEYS
            kept.append(f"[{heading.group(1)} = {heading.group(2)}]")
            continue
        key, separator, value = line.partition("=")
        if separator and key.strip() in keys and value.strip():
            kept.append(f"{key.strip()} = {value.strip()}")
    return kept


def _stack_sections(
    sections: Sequence[MdocSection], parsed: Sequence[Any]
) -> tuple[MdocSection, ...]:
    """Return the sections of the stack in its order, without montages and frame sets as such."""
    of_stack = [s for s, data in zip(sections, parsed, strict=True) if data.ZValue is not None]
    return tuple(sorted(of_stack or sections, key=lambda s: s.number))


def _section(data: Any) -> MdocSection:
    numbers = (data.ZValue, data.MontSection, data.FrameSet)
    defocus = _finite(data.TargetDefocus)
    prior = _finite(data.PriorRecordDose)
    return MdocSection(
        number=next(number for number in numbers if number is not None),
        tilt_deg=_finite(data.TiltAngle),
        dose_e_per_a2=_positive(data.ExposureDose),
        prior_record_dose_e_per_a2=None if prior is None or prior < 0 else prior,
        target_defocus_angstrom=None if defocus is None else -defocus * _ANGSTROM_PER_UM,
        rotation_angle_deg=_finite(data.RotationAngle),
        pixel_size_angstrom=_positive(data.PixelSpacing),
        voltage_kv=_positive(data.Voltage),
        acquired_at=_time(data.DateTime),
        sub_frame_path=None if data.SubFramePath is None else str(data.SubFramePath),
        n_frames=data.NumSubFrames or None,
    )


def _time(text: str | None) -> datetime | None:
    """Read a time such as ``30-Nov-15  15:21:38`` or ``2021-11-30 15:21:38``."""
    match = _DATE.match(text.strip()) if text else None
    if match is None:
        return None
    first, month_text, last = match.group(1), match.group(2), match.group(3)
    day, year = (int(last), int(first)) if len(first) == 4 else (int(first), int(last))
    try:
        month = (
            int(month_text) if month_text.isdigit() else _MONTHS.index(month_text[:3].lower()) + 1
        )
        hour, minute, second = (int(part) for part in match.group(4, 5, 6))
        year = year + 2000 if year < 100 else year
        return datetime(year, month, day, hour, minute, second)
    except (ValueError, OverflowError):
        return None


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def _positive(value: float | None) -> float | None:
    value = _finite(value)
    return None if value is None or value <= 0 else value


def _wrapped(angle_deg: float) -> float:
    """Return the angle in (-180, 180]."""
    return round(180 - (180 - angle_deg) % 360, 6)


def _angle_between_lines(first_deg: float, second_deg: float) -> float:
    apart = (first_deg - second_deg) % 180
    return min(apart, 180 - apart)


def _listed(numbers: Sequence[int]) -> str:
    shown = ", ".join(str(number) for number in numbers[:8])
    return shown if len(numbers) <= 8 else f"{shown}, ... ({len(numbers)} in all)"

"""Writing an ``.mdoc`` beside a tilt series, for simulated data and for other programs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from tomotui.records import TiltSeries

_DATA_MODES = {"int8": 0, "int16": 1, "float32": 2, "uint16": 6, "float16": 12}
_FIRST_EXPOSURE = datetime(2020, 1, 1, 12, 0, 0)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def write_mdoc(
    path: Path | str,
    series: TiltSeries,
    mode: str = "float32",
    movies: Sequence[tuple[str, int]] = (),
) -> None:
    """Write what a series' record knows as an mdoc.

    The order of acquisition, where it is known, is told by ``DateTime``, one minute to an
    image. Target defocus is written as SerialEM does: micrometres, underfocus negative.

    Parameters
    ----------
    movies
        Name and number of frames of the movie of each tilt.
    """
    lines = [
        f"PixelSpacing = {series.pixel_size_angstrom:g}",
        f"Voltage = {series.voltage_kv:g}",
        f"ImageFile = {Path(series.stack_path).name}",
        f"ImageSize = {series.width_px} {series.height_px}",
        f"DataMode = {_DATA_MODES[mode]}",
        "",
    ]
    axis = series.nominal_tilt_axis_deg
    if axis is not None:
        lines += [f"[T =     Tilt axis angle = {axis:g}, binning = 1  spot = 8  camera = 0]", ""]
    for tilt in series.tilts:
        lines += [f"[ZValue = {tilt.index}]", f"TiltAngle = {tilt.nominal_tilt_deg:.3f}"]
        if tilt.dose_e_per_a2 is not None:
            lines.append(f"ExposureDose = {tilt.dose_e_per_a2:.6g}")
        if tilt.prior_dose_e_per_a2 is not None:
            lines.append(f"PriorRecordDose = {tilt.prior_dose_e_per_a2:.6g}")
        if axis is not None:
            lines.append(f"RotationAngle = {axis:g}")
        lines.append(f"PixelSpacing = {series.pixel_size_angstrom:g}")
        if tilt.target_defocus_angstrom is not None:
            lines.append(f"TargetDefocus = {-tilt.target_defocus_angstrom / 1e4:.6g}")
        if tilt.acquisition_order is not None:
            lines.append(f"DateTime = {_time_of(tilt.acquisition_order)}")
        if movies:
            name, n_frames = movies[tilt.index]
            lines += [f"SubFramePath = D:\\frames\\{name}", f"NumSubFrames = {n_frames}"]
        lines.append("")
    Path(path).write_text("\n".join(lines), encoding="ascii", errors="replace")


def _time_of(rank: int) -> str:
    time = _FIRST_EXPOSURE + timedelta(minutes=rank)
    return f"{time.day:02d}-{_MONTHS[time.month - 1]}-{time.year % 100:02d}  {time:%H:%M:%S}"

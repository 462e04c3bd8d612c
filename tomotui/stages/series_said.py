"""What may be said of a tilt series that comes in, as stack or as movies."""

from __future__ import annotations

from typing import Any, Literal

from tomotui.stages.base import parameter

Scheme = Literal["dose-symmetric", "bidirectional", "continuous", "stack-order"]

GIVEN = (
    "pixel_size_angstrom",
    "tilt_axis_deg",
    "dose_e_per_a2",
    "acquisition",
    "voltage_kv",
    "spherical_aberration_mm",
    "amplitude_contrast",
)
"""What goes before the files."""


def said_dataset() -> Any:
    """Return the parameter for the data set."""
    return parameter("default", "Data set that the series belongs to.")


def said_pixel_size(what: str) -> Any:
    """Return the parameter for the pixel size of a stack, or of frames."""
    return parameter(
        None,
        f"Pixel size of the {what}; the mdoc's or the header's when not given.",
        unit="angstrom",
        gt=0,
    )


def said_tilt_axis() -> Any:
    """Return the parameter for the tilt axis."""
    return parameter(
        None,
        "Tilt axis from the vertical, as far as known; alignment finds it anyway.",
        unit="degree",
        ge=-360,
        le=360,
    )


def said_dose() -> Any:
    """Return the parameter for the dose of an image."""
    return parameter(None, "Exposure of each image.", unit="e/angstrom^2", ge=0)


def said_acquisition() -> Any:
    """Return the parameter for the order of the tilts."""
    return parameter(None, "Order in which the tilts were taken, where no mdoc tells.")


def said_voltage() -> Any:
    """Return the parameter for the voltage."""
    return parameter(None, "Acceleration voltage.", unit="kV", group="advanced", gt=0, le=1500)


def said_spherical_aberration() -> Any:
    """Return the parameter for the spherical aberration."""
    return parameter(None, "Spherical aberration.", unit="mm", group="advanced", ge=0, le=20)


def said_amplitude_contrast() -> Any:
    """Return the parameter for the amplitude contrast."""
    return parameter(None, "Share of amplitude contrast.", group="advanced", ge=0, le=1)

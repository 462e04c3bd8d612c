"""The charts of the screen of maps: from details of averages to what is drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomotui.geometry.poses import matrices_of_angles
from tomotui.tui.details import Details
from tomotui.tui.maps_feed import Particles
from tomotui.tui.printing.page import Grid
from tomotui.tui.raster.chart import Axis, Chart, Layer, layer

Floats = NDArray[np.float64]
Drawn = Chart | str
"""A chart, or the words that stand in its place."""

FSC_LEVEL = 0.143
"""Rosenthal and Henderson 2003: where the map from all data correlates with the truth by 0.5."""
_SCORE_BINS = 40


@dataclass(frozen=True)
class Quantity:
    """Something that is known of each tilt."""

    key: str
    title: str
    axis: Axis
    columns: tuple[str, ...] = ("",)


QUANTITIES = (
    Quantity("tilt_score", "score of each tilt", Axis("score")),
    Quantity(
        "tilt_shift_angstrom",
        "shift Å [series.0]x[/] [series.1]y[/]",
        Axis("shift", "Å"),
        ("x", "y"),
    ),
    Quantity("tilt_defocus_change_angstrom", "change of defocus Å", Axis("change of defocus", "Å")),
)


def fsc(details: Details, resolution_angstrom: float | None = None, name: str = "") -> Drawn:
    """Return the Fourier shell correlation of the half maps, with that of random phases."""
    frequency = details.get("fsc_frequency_per_angstrom", 1)
    if frequency is None:
        return details.problem or "no half maps: no resolution"
    curves = (
        ("fsc_unmasked", "dim", "unmasked"),
        ("fsc_randomised", "warning", "random phases"),
        ("fsc_masked", "series.1", "masked"),
        ("fsc_corrected", "series.0", "corrected"),
    )
    layers = []
    for key, role, words in curves:
        values = details.get(key, 1)
        if values is not None and len(values) == len(frequency):
            layers.append(layer(frequency, values, role, name=words))
    uprights: tuple[tuple[float, str, str], ...] = ()
    if resolution_angstrom is not None and resolution_angstrom > 0:
        uprights = ((1 / resolution_angstrom, "success", f"{resolution_angstrom:.1f} Å"),)
    return Chart(
        tuple(layers),
        uprights=uprights,
        levels=((FSC_LEVEL, "accent"), (0.0, "dim")),
        x_range=(0.0, float(frequency[-1])),
        y_range=(-0.1, 1.02),
        title=f"Fourier shell correlation of {name}" if name else "Fourier shell correlation",
        x_axis=Axis("frequency", "1/Å"),
        y_axis=Axis("correlation"),
    )


def series_names(details: Details) -> list[str]:
    """Return the tilt series that an average tells something of."""
    names = details.get("series_names", 1)
    return [] if names is None else [str(one) for one in names]


def tilts(
    details: Details, series: int, quantity: Quantity, cursor_deg: float | None = None
) -> Drawn:
    """Return a quantity over the tilts of a series, with a cursor at one of them."""
    angle = details.get(f"tilt_deg_{series}", 1)
    values = details.get(f"{quantity.key}_{series}", 2 if len(quantity.columns) > 1 else 1)
    if angle is None or values is None or len(values) != len(angle):
        return "nothing is known of single tilts\nrefine with t, r or d tells"
    order = np.argsort(angle)
    columns = values[order].reshape(len(angle), -1)
    layers: list[Layer] = []
    for number in range(min(columns.shape[1], len(quantity.columns))):
        name = quantity.columns[number]
        layers.append(layer(angle[order], columns[:, number], f"series.{number}", name=name))
        layers.append(layer(angle[order], columns[:, number], f"series.{number}", "marks", "·"))
    levels = ((0.0, "dim"),) if np.nanmin(columns) < 0 < np.nanmax(columns) else ()
    names = series_names(details)
    of_series = f" of {names[series]}" if series < len(names) else ""
    return Chart(
        tuple(layers),
        levels=levels,
        cursor=cursor_deg,
        title=f"{quantity.axis.name} of each tilt{of_series}",
        x_axis=Axis("tilt", "°"),
        y_axis=quantity.axis,
    )


def scores(particles: Particles) -> Drawn:
    """Return how many particles have which score: those kept, and those cut."""
    table = particles.table
    known = table.scores[np.isfinite(table.scores)] if table is not None else np.zeros(0)
    if table is None or not len(known):
        return "no particles with scores belong to this map"
    low, high = float(known.min()), float(known.max())
    edges = np.linspace(low, high if high > low else low + 1.0, _SCORE_BINS + 1)
    cut = table.decisions == "rejected"
    layers = []
    for which, role, name in ((~cut, "series.0", "kept"), (cut, "error", "cut")):
        counts, _ = np.histogram(table.scores[which & np.isfinite(table.scores)], edges)
        if counts.any():
            layers.append(layer((edges[1:] + edges[:-1]) / 2, counts, role, "fill", name=name))
    return Chart(
        tuple(layers),
        title="scores of the particles",
        x_axis=Axis("score"),
        y_axis=Axis("particles"),
    )


def views(details: Details, particles: Particles) -> NDArray[np.float32] | None:
    """Return from where particles were seen in the frame of the map, ``[polar, azimuth]``.

    Counts on a map of equal areas (Lambert's cylinder): columns are the azimuth from -180 to 180
    degrees, rows the cosine of the polar angle from 1 down to -1; of each particle as it lies at
    tilt 0. ``None`` when no orientation is known.
    """
    rotations = details.get("view_rotations", 3)
    if rotations is None or rotations.shape[1:] != (3, 3):
        if particles.table is None:
            return None
        rotations = matrices_of_angles(particles.table.angles_deg)
    rotations = rotations[np.isfinite(rotations).all(axis=(1, 2))]
    if not len(rotations):
        return None
    # The beam runs along z of the tomogram; R maps the reference there.
    seen = rotations[:, 2, :]
    azimuth = np.rad2deg(np.arctan2(seen[:, 1], seen[:, 0]))
    fine = float(np.clip(np.sqrt(len(rotations)) / 2, 6, 36))
    shape = (int(fine), int(2 * fine))
    counts, _, _ = np.histogram2d(
        -seen[:, 2], azimuth, bins=shape, range=((-1.0, 1.0), (-180.0, 180.0))
    )
    return counts.astype(np.float32)


def views_grid(heat: NDArray[np.float32]) -> Grid:
    """Return views as they are printed."""
    return Grid(
        heat,
        (-180.0, 180.0),
        (-1.0, 1.0),
        "views of the particles",
        Axis("azimuth", "°"),
        Axis("cosine of the polar angle"),
        Axis("particles"),
    )

"""The charts of the quality screen: from records and details to what is drawn."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomotui.tui.details import NO_DETAILS, Details
from tomotui.tui.quality_feed import QualitySnapshot
from tomotui.tui.raster.chart import Axis, Chart, Layer, layer

Floats = NDArray[np.float64]
Drawn = Chart | str
"""A chart, or the words that stand in its place."""


TILT = Axis("tilt", "°")
LEFT_OUT = "left out"
PAST_RINGS = 1.3
"""How far beyond the last ring that is seen spectra are shown."""


@dataclass(frozen=True)
class Panel:
    """One pane of the screen.

    Attributes
    ----------
    title
        With the colours of its curves as ``[series.N]words[/]``.
    build
        Makes the chart of a series with the cursor on an image; ``None`` for a pane that is not
        a chart.
    of_movies
        Only for series that were made of movies.
    """

    key: str
    title: str
    build: Callable[[QualitySnapshot, int], Drawn] | None = None
    of_movies: bool = False


def needs_alignment(seen: QualitySnapshot, what: str) -> str:
    """Return what to run when the alignment says nothing of something."""
    if seen.alignment is None:
        return "not aligned yet\nL runs align"
    if seen.alignment_details.problem:
        return f"{seen.alignment_details.problem}\nL runs align again"
    source = seen.alignment.source
    if source != "tomotui":
        return f"the alignment is from {source}, without {what}\nL runs align to measure"
    return f"no {what} with this alignment\nL runs align again"


def needs_ctf(seen: QualitySnapshot, what: str) -> str:
    """Return what to run when the transfer function says nothing of something."""
    if seen.ctf is None:
        return "no CTF yet\nL runs ctf" if seen.alignment else "no CTF yet\nL runs align, then ctf"
    if seen.ctf_details.problem:
        return f"{seen.ctf_details.problem}\nL runs ctf again"
    if seen.ctf.source != "tomotui":
        return f"the CTF is from {seen.ctf.source}, without {what}\nL runs ctf to measure"
    return f"no {what} with this CTF\nL runs ctf again"


def needs_tomogram(seen: QualitySnapshot, what: str) -> str:
    """Return what to run when the tomogram says nothing of something."""
    if seen.tomogram is None:
        return "no tomogram yet\nL runs reconstruct"
    if seen.tomogram_details.problem:
        return f"{seen.tomogram_details.problem}\nL runs reconstruct again"
    return f"no {what} with this tomogram\nL runs reconstruct again"


def _angles(seen: QualitySnapshot) -> Floats:
    return np.array([seen.angle(index) for index in seen.order])


def _cursor(seen: QualitySnapshot, index: int) -> float:
    return seen.angle(index)


def _out(seen: QualitySnapshot) -> NDArray[np.bool_]:
    return np.array([seen.is_excluded(index) for index in seen.order], dtype=bool)


def _curve(x: Floats, y: Floats, out: NDArray[np.bool_], role: str, name: str) -> tuple[Layer, ...]:
    """Return a line through what is used, and dim marks where something is left out."""
    used = ~out & np.isfinite(y)
    left = layer(x[out], y[out], "dim", "marks", "○", LEFT_OUT)
    return layer(x[used], y[used], role, name=name), left


def residuals(seen: QualitySnapshot, index: int) -> Drawn:
    """Return the residual of every tilt, marked by verdict."""
    values = np.array([_residual(seen, each) for each in seen.order])
    if not np.isfinite(values).any():
        return needs_alignment(seen, "residuals")
    x, out = _angles(seen), _out(seen)
    verdicts = np.array([_verdict(seen, each) for each in seen.order])
    used = ~out & np.isfinite(values)
    typical = float(np.median(values[used])) if used.any() else 0.0
    # Tilts that were never measured stand on the floor.
    shown = np.where(np.isfinite(values), values, 0.0)
    top = 1.1 * float(values[used].max() if used.any() else np.nanmax(values))
    # Those left out may be far above all others: they stand at the rim.
    shown = np.minimum(shown, top)
    layers = [layer(x[used], values[used], "series.0", name="residual")]
    for verdict, role, mark in (("poor", "warning", "▲"), ("bad", "error", "✗")):
        chosen = used & (verdicts == verdict)
        layers.append(layer(x[chosen], values[chosen], role, "marks", mark, verdict))
    bad = out & (verdicts == "bad")
    layers.append(layer(x[out & ~bad], shown[out & ~bad], "dim", "marks", "○", LEFT_OUT))
    layers.append(layer(x[bad], shown[bad], "dim", "marks", "✗", "bad, left out"))
    return Chart(
        tuple(layers),
        levels=((typical, "track"),),
        cursor=_cursor(seen, index),
        y_range=(0.0, max(top, 1e-3)),
        title=f"residual of the alignment of {seen.name}",
        x_axis=TILT,
        y_axis=Axis("residual", "Å"),
    )


def _verdict(seen: QualitySnapshot, index: int) -> str:
    tilt = seen.aligned.get(index)
    return tilt.verdict if tilt is not None else "good"


def _residual(seen: QualitySnapshot, index: int) -> float:
    tilt = seen.aligned.get(index)
    if tilt is not None and tilt.residual_angstrom is not None:
        return tilt.residual_angstrom
    row = seen.alignment_details.row_of(index)
    values = seen.alignment_details.get("residual_angstrom", 1)
    if tilt is None or row is None or values is None or row >= len(values):
        return math.nan
    return float(values[row])


def shifts(seen: QualitySnapshot, index: int) -> Drawn:
    """Return the shifts in x and y over the tilts."""
    if not set(seen.order) <= set(seen.aligned):
        return needs_alignment(seen, "shifts")
    x, out = _angles(seen), _out(seen)
    tilts = [seen.aligned[each] for each in seen.order]
    along = np.array([tilt.shift_x_angstrom for tilt in tilts])
    across = np.array([tilt.shift_y_angstrom for tilt in tilts])
    layers = (*_curve(x, along, out, "series.0", "x"), *_curve(x, across, out, "series.1", "y"))
    return Chart(
        layers,
        levels=((0.0, "track"),),
        cursor=_cursor(seen, index),
        title=f"shifts of {seen.name}",
        x_axis=TILT,
        y_axis=Axis("shift", "Å"),
    )


def path(seen: QualitySnapshot, index: int) -> Drawn:
    """Return the way that the specimen's centre takes over the images."""
    if not set(seen.order) <= set(seen.aligned):
        return needs_alignment(seen, "shifts")
    tilts = [seen.aligned[each] for each in seen.order]
    x = np.array([tilt.shift_x_angstrom for tilt in tilts])
    # Rows of an image grow downwards on the screen, as y does.
    y = -np.array([tilt.shift_y_angstrom for tilt in tilts])
    out = _out(seen)
    here = seen.aligned[index]
    return Chart(
        (
            *_curve(x, y, out, "series.0", "centre"),
            layer(
                [here.shift_x_angstrom], [-here.shift_y_angstrom], "accent", "marks", "◆", "here"
            ),
        ),
        is_map=True,
        title=f"path of the centre of {seen.name}",
        x_axis=Axis("x", "Å"),
        y_axis=Axis("-y", "Å"),
    )


def axis_curve(seen: QualitySnapshot, index: int) -> Drawn:
    """Return the score over tilt-axis angles, with the one that was chosen."""
    details = seen.alignment_details
    angle, score = details.get("axis_curve_deg", 1), details.get("axis_curve_score", 1)
    if seen.alignment is None or angle is None or score is None or len(angle) != len(score):
        if details.arrays:
            return f"{seen.alignment.axis_deg:.1f}°, not searched" if seen.alignment else ""
        return needs_alignment(seen, "axis search")
    order = np.argsort(angle)
    chosen = seen.alignment.axis_deg
    # An axis and its opposite are one line; the curve may hold either.
    low, high = float(angle[order[0]]), float(angle[order[-1]])
    turned = [chosen + turn for turn in (0, -180, 180, -360, 360)]
    shown = next((one for one in turned if low <= one <= high), chosen)
    uprights = ((shown, "success", f"{chosen:.1f}°"),)
    return Chart(
        (layer(angle[order], score[order], name="score"),),
        uprights=uprights,
        title=f"search for the tilt axis of {seen.name}",
        x_axis=Axis("tilt axis", "°"),
        y_axis=Axis("score"),
    )


def _spectrum_row(details: Details, index: int, name: str) -> Floats | None:
    values, row = details.get(name, 2), details.row_of(index)
    if values is None or row is None or row >= len(values):
        return None
    return np.asarray(values[row], np.float64)


def spectrum(seen: QualitySnapshot, index: int) -> Drawn:
    """Return the radial power spectrum of an image with the fitted curve."""
    details = seen.ctf_details
    frequency = details.get("frequency_per_angstrom", 1)
    observed = _spectrum_row(details, index, "observed")
    if frequency is None or observed is None or len(observed) != len(frequency):
        if frequency is not None and details.get("observed", 2) is not None:
            return "this tilt was left out when the CTF was measured"
        return needs_ctf(seen, "spectra")
    layers = [layer(frequency, observed, "series.0", name="seen")]
    fitted = _spectrum_row(details, index, "fitted")
    if fitted is not None and len(fitted) == len(frequency):
        # Under the curve that was seen, for a cell has one colour.
        layers.insert(0, layer(frequency, fitted, "series.1", "fill", name="fitted"))
    uprights: tuple[tuple[float, str, str], ...] = ()
    last = float(frequency[-1])
    tilt = seen.transfer.get(index)
    if tilt is not None and tilt.fit_resolution_angstrom:
        resolution = tilt.fit_resolution_angstrom
        uprights = ((1 / resolution, "success", f"{resolution:.1f} Å"),)
        last = min(last, PAST_RINGS / resolution)
    values = observed[np.isfinite(observed) & (frequency <= last)]
    low, high = np.percentile(values, (1, 99)) if values.size else (0.0, 1.0)
    room = 0.2 * (high - low)
    return Chart(
        tuple(layers),
        uprights=uprights,
        x_range=(float(frequency[0]), last),
        y_range=(float(low - room), float(high + room)),
        title=f"power spectrum of {seen.name} at {seen.angle(index):.1f}°",
        x_axis=Axis("frequency", "1/Å"),
        y_axis=Axis("power"),
    )


def defocus(seen: QualitySnapshot, index: int) -> Drawn:
    """Return the defocus along both axes over the tilts, in micrometres."""
    known = [each for each in seen.order if each in seen.transfer]
    if not known:
        return needs_ctf(seen, "defocus")
    x = np.array([seen.angle(each) for each in known])
    out = np.array([seen.is_excluded(each) for each in known], dtype=bool)
    u = np.array([seen.transfer[each].defocus_u_angstrom for each in known]) / 1e4
    v = np.array([seen.transfer[each].defocus_v_angstrom for each in known]) / 1e4
    layers = (*_curve(x, v, out, "series.1", "V"), *_curve(x, u, out, "series.0", "U"))
    return Chart(
        layers,
        cursor=_cursor(seen, index),
        title=f"defocus of {seen.name}",
        x_axis=TILT,
        y_axis=Axis("defocus", "µm"),
    )


def depth(seen: QualitySnapshot, index: int) -> Drawn:
    """Return what lies in the sections of the tomogram, with the faces that were found."""
    details = seen.tomogram_details
    place, profile = details.get("depth_angstrom", 1), details.get("density_profile", 1)
    if place is None or profile is None or len(place) != len(profile):
        return needs_tomogram(seen, "depth profile")
    faces = details.get("faces_angstrom", 1)
    known = faces[np.isfinite(faces)] if faces is not None else np.zeros(0)
    uprights = tuple((float(face) / 10, "success", f"{float(face) / 10:.0f}") for face in known)
    order = np.argsort(place)
    layers = (layer(place[order] / 10, profile[order], "series.0", "fill", name="matter"),)
    return Chart(
        layers,
        uprights=uprights,
        title=f"depth profile of {seen.name}",
        x_axis=Axis("depth", "nm"),
        y_axis=Axis("density"),
    )


def _needs_motion(seen: QualitySnapshot, what: str) -> str:
    return seen.motion_details.problem or f"no {what} with this series"


def _motion(seen: QualitySnapshot, name: str) -> Floats:
    """Return a figure of the motion of every tilt in their order, NaN where there is none."""
    known = [seen.motion_of(each, name) for each in seen.order]
    return np.array([math.nan if one is None else one for one in known])


def drift(seen: QualitySnapshot, index: int) -> Drawn:
    """Return the way of the specimen under the beam over the tilts, and where it bent."""
    way = _motion(seen, "drift_angstrom")
    if not np.isfinite(way).any():
        return _needs_motion(seen, "drift")
    x, out = _angles(seen), _out(seen)
    bent = _motion(seen, "local_accepted") > 0
    local = _motion(seen, "local_rms_angstrom")
    poor = _motion(seen, "poor") > 0
    layers = (
        *_curve(x, way, out, "series.0", "drift"),
        layer(x[bent], local[bent], "series.1", "marks", "●", "local"),
        layer(x[poor], way[poor], "warning", "marks", "▲", "poor"),
    )
    top = 1.1 * float(np.nanmax(way))
    return Chart(
        layers,
        cursor=_cursor(seen, index),
        y_range=(0.0, max(top, 1e-3)),
        title=f"motion of {seen.name} under the beam",
        x_axis=TILT,
        y_axis=Axis("motion", "Å"),
    )


def frame_path(seen: QualitySnapshot, index: int) -> Drawn:
    """Return the way from the first frame of an image to its last, whole and of its patches."""
    details = seen.motion_details
    shift, row = details.get("shift_angstrom", 3), details.row_of(index)
    if shift is None or row is None or row >= len(shift) or shift.shape[2] != 2:
        return _needs_motion(seen, "path of the frames")
    way = np.asarray(shift[row], np.float64)
    way = way[np.isfinite(way).all(axis=1)]
    if len(way) < 2:
        return "this tilt has a single frame"
    # Rows of an image grow downwards on the screen, as y does.
    path = (way - way[0]) * (1.0, -1.0)
    layers = [layer(path[:, 0], path[:, 1], "series.0", name="all")]
    patches = details.get("patch_angstrom", 4)
    if patches is not None and seen.motion_of(index, "local_accepted"):
        beside = np.asarray(patches[row, :, : len(way)], np.float64)
        paths = path + (beside - beside[:, :1]) * (1.0, -1.0)
        # A gap after each patch keeps their lines apart.
        paths = np.pad(paths, ((0, 0), (0, 1), (0, 0)), constant_values=np.nan).reshape(-1, 2)
        layers.insert(0, layer(paths[:, 0], paths[:, 1], "series.1", name="patches"))
    layers.append(layer([0.0], [0.0], "dim", "marks", "○"))
    layers.append(layer(path[-1:, 0], path[-1:, 1], "accent", "marks", "◆"))
    return Chart(
        tuple(layers),
        is_map=True,
        title=f"path of the frames of {seen.name} at {seen.angle(index):.1f}°",
        x_axis=Axis("x", "Å"),
        y_axis=Axis("-y", "Å"),
    )


PANELS = (
    Panel("residual", "residual Å", residuals),
    Panel("shift", "shift Å [series.0]x[/] [series.1]y[/]", shifts),
    Panel("path", "path of the centre Å", path),
    Panel("axis", "tilt axis °", axis_curve),
    Panel("spectrum", "spectrum 1/Å [series.0]seen[/] [series.1]fitted[/]", spectrum),
    Panel("rings", "rings"),
    Panel("defocus", "defocus µm [series.0]U[/] [series.1]V[/]", defocus),
    Panel("depth", "depth nm", depth),
    Panel("facts", "series"),
    Panel("drift", "motion Å [series.0]drift[/] [series.1]● local[/]", drift, of_movies=True),
    Panel("frames", "frames Å [series.0]all[/] [series.1]patches[/]", frame_path, of_movies=True),
)
"""The panes in their order on the screen."""


def panels_of(seen: QualitySnapshot) -> tuple[Panel, ...]:
    """Return the panes that a series has."""
    has_motion = seen.motion_details != NO_DETAILS
    return tuple(panel for panel in PANELS if has_motion or not panel.of_movies)

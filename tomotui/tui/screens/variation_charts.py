"""The charts of the screen of variation: from coordinates and classes to what is drawn."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tomotui.geometry.landscapes import LatentSpace
from tomotui.geometry.mixtures import MovingMixture, RigidBodies
from tomotui.tui.details import Details
from tomotui.tui.raster.chart import Axis, Chart, layer

Floats = NDArray[np.float64]
Drawn = Chart | str

_BINS = (12, 60)
_CURVE_POINTS = 61
_FAR = 95.0
"""Percentile of the Gaussians' ways: a few at loose ends must not stand for all."""


def degrees_of(mixture: MovingMixture, direction: Floats, deviation: float) -> float | None:
    """Return by how much bodies turn against each other for one deviation; ``None`` without bodies.

    The largest turn between any two of them.
    """
    bodies = mixture.deformation
    if not isinstance(bodies, RigidBodies):
        return None
    turns = np.einsum("d,dbm->bm", direction * deviation, bodies.modes[..., :3])
    apart = np.linalg.norm(turns[:, None] - turns[None], axis=-1)
    most = float(np.rad2deg(apart.max(initial=0.0)))
    return most or None


def way_angstrom(mixture: MovingMixture, direction: Floats, deviation: float) -> float:
    """Return how far matter goes between one deviation either way."""
    step = (direction * deviation).astype(np.float32)
    before, after = (mixture.at(point)[0] for point in (-step, step))
    return float(np.percentile(np.linalg.norm(after - before, axis=1), _FAR))


def histogram(
    space: LatentSpace,
    direction: int,
    cursor: float,
    selected: NDArray[np.bool_] | None,
    degrees: float | None,
) -> Drawn:
    """Return how many particles stand where along a direction.

    Over it, at the cursor, how uncertain the place of one particle is.

    Parameters
    ----------
    cursor
        Deviations along the direction.
    degrees
        Of turn for one deviation, where bodies turn.
    """
    if not len(space):
        return "no particles stand in this landscape"
    unit = degrees or 1.0
    places = space.along(direction) * unit
    low, high = float(places.min()), float(places.max())
    n_bins = int(np.clip(2 * np.sqrt(len(places)), *_BINS))
    edges = np.linspace(low, high if high > low else low + 1.0, n_bins + 1)
    middles = (edges[1:] + edges[:-1]) / 2
    layers = []
    counts = np.histogram(places, edges)[0].astype(np.float64)
    layers.append(layer(middles, _without_nothing(counts), "series.0", "fill", name="all"))
    if selected is not None and selected.any():
        some = np.histogram(places[selected], edges)[0].astype(np.float64)
        layers.append(layer(middles, _without_nothing(some), "accepted", "fill", name="selected"))
    spread = float(np.median(space.spread_along(direction))) * unit
    if spread > 0:
        x = np.linspace(-3, 3, _CURVE_POINTS) * spread + cursor * unit
        y = counts.max() * np.exp(-0.5 * np.square((x - cursor * unit) / spread))
        layers.append(layer(x, y, "warning", name="spread of one"))
    return Chart(
        tuple(layers),
        uprights=((cursor * unit, "accent", f"{cursor * unit:.3g}"),),
        x_range=(min(low, cursor * unit), max(high, cursor * unit)),
        y_range=(0.0, float(counts.max()) * 1.05),
        title=f"particles along {space.names[direction]}",
        x_axis=Axis(space.names[direction], "°" if degrees else "σ"),
        y_axis=Axis("particles"),
    )


def _without_nothing(counts: Floats) -> Floats:
    """Return counts with gaps where there is none: a line along zero would hide what is behind."""
    return np.where(counts > 0, counts, np.nan)


def histogram_words(
    space: LatentSpace, direction: int, degrees: float | None, ascii_only: bool = False
) -> str:
    """Return what the histogram shows, and how wide it and one particle are."""
    unit = degrees or 1.0
    word = ("deg" if ascii_only else "°") if degrees else (" dev" if ascii_only else " σ")
    places = space.along(direction) * unit
    spread = float(np.median(space.spread_along(direction))) * unit if len(space) else 0.0
    wide = float(places.std()) if len(space) else 0.0
    sign = "+-" if ascii_only else "±"
    return (
        f"{space.names[direction]} {sign}{wide:.2g}{word} [warning]one {sign}{spread:.2g}{word}[/]"
    )


ANGLES = (("tilt_deg", "tilts"), ("azimuth_deg", "azimuths"))
"""What a landscape of bodies may tell of each, from the normal and about it, degrees
``[particles, bodies]``."""

CIRCULAR = "azimuth_deg"
"""An angle all around, of which a mean says nothing."""


def known_angles(details: Details) -> list[tuple[str, str]]:
    """Return which angles of bodies are known, each with its title."""
    return [(key, title) for key, title in ANGLES if details.get(key, 2) is not None]


def angles(details: Details, key: str, title: str) -> tuple[Drawn, str]:
    """Return how many particles have a body at which angle, and words with means and spreads."""
    found = details.get(key, 2)
    if found is None:
        return "no such angles are known", title
    known = found[np.isfinite(found)]
    if not known.size:
        return "no particle has such an angle", title
    low, high = float(known.min()), float(known.max())
    n_bins = int(np.clip(2 * np.sqrt(len(found)), *_BINS))
    edges = np.linspace(low, high if high > low else low + 1.0, n_bins + 1)
    layers, words = [], []
    for number, column in enumerate(found.T):
        mine = column[np.isfinite(column)]
        counts = np.histogram(mine, edges)[0]
        told = f"body {number + 1}"
        middles = (edges[1:] + edges[:-1]) / 2
        layers.append(layer(middles, counts, class_role(number), name=told))
        if len(mine) and key != CIRCULAR:
            told += f" {mine.mean():.0f} ±{mine.std():.0f}°"
        words.append(f"[{class_role(number)}]{told}[/]")
    chart = Chart(tuple(layers), title=title, x_axis=Axis("angle", "°"), y_axis=Axis("particles"))
    return chart, f"{title} {' '.join(words)}"


def class_role(number: int) -> str:
    """Return the colour role of a class, counted from 0."""
    return f"class{number % 9 + 1}"


def populations(details: Details) -> Drawn:
    """Return the share of each class over the iterations, and that of particles that changed."""
    shares = details.get("populations", 2)
    if shares is None:
        return details.problem or "nothing is known of how the classes came about"
    rounds = np.arange(1, len(shares) + 1)
    layers = []
    changed = details.get("changed", 1)
    if changed is not None and len(changed) == len(rounds):
        layers.append(layer(rounds, changed, "dim", name="changed"))
    for number in range(shares.shape[1]):
        name = f"class {number + 1}"
        layers.append(layer(rounds, shares[:, number], class_role(number), name=name))
    return Chart(
        tuple(layers),
        y_range=(0.0, 1.0),
        title="shares of the classes",
        x_axis=Axis("iteration"),
        y_axis=Axis("share"),
    )


def sureness(details: Details) -> Drawn:
    """Return how probable the most probable class of each particle is."""
    shares = details.get("probabilities", 2)
    if shares is None:
        return details.problem or "no probabilities are known"
    best = shares.max(axis=1)
    edges = np.linspace(1 / max(shares.shape[1], 2), 1.0, 25)
    layers = []
    for number in range(shares.shape[1]):
        counts, _ = np.histogram(best[shares.argmax(axis=1) == number], edges)
        if counts.any():
            middles = (edges[1:] + edges[:-1]) / 2
            name = f"class {number + 1}"
            layers.append(layer(middles, counts, class_role(number), name=name))
    return Chart(
        tuple(layers),
        title="how sure the classes are",
        x_axis=Axis("probability of the best class"),
        y_axis=Axis("particles"),
    )


def agreements(details: Details) -> NDArray[np.float64] | None:
    """Return how far pairs of runs agree; ``None`` for a single run."""
    found = details.get("agreements", 2)
    if found is None or found.shape[0] != found.shape[1] or len(found) < 2:
        return None
    return found.astype(np.float64)

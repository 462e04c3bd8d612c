"""The files of an analysis: a table with a row for each particle, and what is drawn."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tomotui.stages.base import StageError, Task

if TYPE_CHECKING:
    from tomotui.stages.analyse import Findings, Place

TABLE_FILE = "particles.csv"
DETAILS_FILE = "analyse.npz"
COLUMNS = (
    "tomogram",
    "particle",
    "x",
    "y",
    "z",
    "neighbour",
    "distance",
    "angle",
    "neighbour_x",
    "neighbour_y",
    "neighbour_z",
    "neighbours_near",
    "cosine_to_beam",
    "chain",
    "place_in_chain",
)
"""Lengths in Angstrom, angles in degrees; the neighbour's direction is in the particle's frame."""


def write_table(task: Task, places: Sequence[Place]) -> None:
    """Write a row for each particle as CSV; what is unknown stays empty.

    Raises
    ------
    StageError
        When the file cannot be written.
    """
    path = task.folder / TABLE_FILE
    temporary = path.with_name(f".{path.name}.partial")
    try:
        with temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            for place in places:
                writer.writerows(_rows(place))
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise _unwritten(path, error) from error
    task.artifact("particles", path)


def _rows(place: Place) -> list[list[str]]:
    near, uids = place.neighbours, place.table.uids
    rows = []
    for i, position in enumerate(place.table.positions_angstrom):
        number = int(near.number[i])
        chain = (-1, -1)
        if place.chains is not None:
            chain = int(place.chains.chain[i]), int(place.chains.place[i])
        numbers = [
            near.distance_angstrom[i],
            near.angle_deg[i],
            *near.direction[i],
            near.count[i],
            place.rotations[i, 2, 2],
        ]
        rows.append(
            [
                place.name,
                str(uids[i]),
                *map(_text, position),
                str(uids[number]) if number >= 0 else "",
                *map(_text, numbers),
                *("" if one < 0 else str(one) for one in chain),
            ]
        )
    return rows


def _text(value: Any) -> str:
    return f"{value:.6g}" if np.isfinite(value) else ""


def write_details(task: Task, places: Sequence[Place], findings: Findings) -> None:
    """Write what a screen draws.

    ``pair_distance``, ``pair_density`` and ``pair_deviation`` are the radial distribution of
    pairs; ``neighbour_distance`` and ``neighbour_angle`` those of all particles; ``cosine_edges``
    and ``cosine_counts`` a histogram of the cosine to the beam; ``view_map`` counts views
    ``[tilt, rot]``; ``coverage_directions`` and ``coverage_sampling`` tell how often directions of
    Fourier space are seen, over the mean; ``chain_sizes`` is there where chains were asked for.

    Raises
    ------
    StageError
        When the file cannot be written.
    """
    values: dict[str, Any] = {
        "pair_distance": findings.pairs.distance_angstrom,
        "pair_density": findings.pairs.density,
        "pair_deviation": findings.pairs.deviation,
        "neighbour_distance": np.concatenate([p.neighbours.distance_angstrom for p in places]),
        "neighbour_angle": np.concatenate([p.neighbours.angle_deg for p in places]),
    }
    if findings.tumbling is not None:
        values["cosine_edges"] = findings.tumbling.cosines
        values["cosine_counts"] = findings.tumbling.counts
    if findings.view_map is not None:
        values["view_map"] = findings.view_map
    if findings.coverage is not None:
        values["coverage_directions"] = findings.coverage.directions
        values["coverage_sampling"] = findings.coverage.sampling
    chains = [one.chains for one in places if one.chains is not None]
    if chains:
        values["chain_sizes"] = np.concatenate([one.sizes for one in chains])
    path = task.folder / DETAILS_FILE
    temporary = path.with_name(f".{path.stem}.partial.npz")
    try:
        np.savez(temporary, **values)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise _unwritten(path, error) from error
    task.artifact("details", path)


def _unwritten(path: Any, error: OSError) -> StageError:
    return StageError(
        f"{path} cannot be written: {error.strerror or error}.", "Make room or check the folder."
    )

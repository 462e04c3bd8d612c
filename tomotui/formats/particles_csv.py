"""Particles as CSV: one row a particle, positions in Angstrom from the tomogram's centre."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tomotui.formats.errors import FormatError
from tomotui.formats.known_tomograms import meant_name
from tomotui.records import Particle, new_uid

COLUMNS = (
    "tomogram",
    "x",
    "y",
    "z",
    "rot",
    "tilt",
    "psi",
    "score",
    "decision",
    "class",
    "half",
    "source",
)
_ATTRIBUTES = {
    "x": "x_angstrom",
    "y": "y_angstrom",
    "z": "z_angstrom",
    "rot": "rot_deg",
    "tilt": "tilt_deg",
    "psi": "psi_deg",
    "score": "score",
    "decision": "decision",
    "class": "class_number",
    "half": "half",
    "source": "source",
}
_WHOLE_NUMBERS = ("class", "half")
_GREATEST = 2.0**31
"""No number of a particle is as great, whatever its unit."""
_WORDS = ("decision", "source")


def write_particles_csv(
    path: Path | str, particles: Sequence[Particle], tomogram_names: Mapping[str, str]
) -> None:
    """Write particles; what is unknown stays empty.

    Parameters
    ----------
    tomogram_names
        Name of each tomogram by its identity.
    """
    with Path(path).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for particle in particles:
            values = [getattr(particle, attribute) for attribute in _ATTRIBUTES.values()]
            writer.writerow([tomogram_names[particle.tomogram_uid], *map(_text, values)])


def read_particles_csv(
    path: Path | str, tomogram_uids: Mapping[str, str], tomogram: str | None = None
) -> list[Particle]:
    """Read particles; only x, y and z must be there.

    Parameters
    ----------
    tomogram_uids
        Identity of each tomogram by its name.
    tomogram
        Name of the tomogram for files without that column.

    Raises
    ------
    FormatError
        A column is missing, a value is no number, or a tomogram is not in the project.
    """
    path = Path(path)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file, skipinitialspace=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise FormatError(f"{path} cannot be read: {error}", "check the path") from error
    if rows:
        needed = ["x", "y", "z"] if tomogram else ["tomogram", "x", "y", "z"]
        missing = [name for name in needed if name not in rows[0]]
        if missing:
            raise FormatError(
                f"{path} has no column {missing[0]!r}", f"the columns are {','.join(COLUMNS)}"
            )
    return [
        _particle(row, f"{path}, line {number}", tomogram_uids, tomogram)
        for number, row in enumerate(rows, start=2)
    ]


def _particle(
    row: dict[str, Any], where: str, tomogram_uids: Mapping[str, str], tomogram: str | None
) -> Particle:
    said = row.get("tomogram") or tomogram or ""
    name = said if said in tomogram_uids else meant_name(said, tomogram_uids)
    if name is None:
        raise FormatError(
            f"{where}: the project has no tomogram {said!r}",
            "reconstruct or import it first, under the same name",
        )
    values: dict[str, Any] = {"uid": new_uid(), "tomogram_uid": tomogram_uids[name]}
    for column, attribute in _ATTRIBUTES.items():
        text = (row.get(column) or "").strip()
        if not text:
            continue
        try:
            values[attribute] = _value(column, text)
        except ValueError:
            raise FormatError(
                f"{where}: {column} is {text!r}, not a number", "correct it, or leave it empty"
            ) from None
    try:
        return Particle.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        raise FormatError(
            f"{where}: {first['loc'][0]} {first['msg'].lower()}", "correct the line"
        ) from None


def _value(column: str, text: str) -> str | int | float:
    if column in _WORDS:
        return text.lower()
    number = float(text)
    if not abs(number) < _GREATEST or (column in _WHOLE_NUMBERS and number != int(number)):
        raise ValueError(text)
    return int(number) if column in _WHOLE_NUMBERS else number


def _text(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)

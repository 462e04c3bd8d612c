"""Writing particles by the million: CSV and RELION, from columns of some thousands at a time.

The files are those of `write_particles_csv` and `write_relion_particles`.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomotui.formats.particles_csv import COLUMNS
from tomotui.formats.relion_particles import ANGLES, CENTRED, ORIGIN
from tomotui.records.particle_table import ParticleTable

Pages = Iterable[ParticleTable]

PAGED = ("csv", "relion")
"""Formats that are written so."""
_PLAIN_WORD = re.compile(r"[^\s\"'#;_$\[\]][^\s\"']*")


def write_csv_pages(path: Path, pages: Pages, tomogram_names: Mapping[str, str]) -> None:
    """Write particles as CSV; what is unknown stays empty.

    Parameters
    ----------
    tomogram_names
        Name of each tomogram by its identity.
    """
    quoted = {uid: _csv_word(name) for uid, name in tomogram_names.items()}
    with path.open("w", newline="", encoding="utf-8") as file:
        file.write(",".join(COLUMNS) + "\r\n")
        for page in pages:
            columns = [
                [quoted[uid] for uid in page.tomogram_uids.tolist()],
                *(_figures(values) for values in page.positions_angstrom.T),
                *(_figures(values) for values in page.angles_deg.T),
                _figures(page.scores),
                page.decisions.tolist(),
                _wholes(page.classes),
                _wholes(page.halves),
                page.sources.tolist(),
            ]
            file.writelines(",".join(row) + "\r\n" for row in zip(*columns, strict=True))


def write_relion_pages(
    path: Path, pages: Pages, tomogram_names: Mapping[str, str], known: Collection[str]
) -> None:
    """Write particles for RELION 5, in centred Angstrom; unknown poses are written as zeros.

    Parameters
    ----------
    tomogram_names
        RELION's name of each tomogram by its identity.
    known
        Which of ``half``, ``class_number`` and ``score`` every particle has: only these are
        columns of the file.
    """
    quoted = {uid: _star_word(name) for uid, name in tomogram_names.items()}
    names = [
        "rlnTomoName", *CENTRED, *ANGLES, *ORIGIN,
        *(["rlnRandomSubset"] if "half" in known else []),
        *(["rlnClassNumber"] if "class_number" in known else []),
        *(["rlnAutopickFigureOfMerit"] if "score" in known else []),
        "rlnOpticsGroup",
    ]  # fmt: skip
    with path.open("w", encoding="utf-8") as file:
        file.write("\ndata_particles\n\nloop_\n")
        file.writelines(f"_{name} #{number}\n" for number, name in enumerate(names, start=1))
        for page in pages:
            columns = _relion_columns(page, quoted, known)
            file.writelines("\t".join(row) + "\n" for row in zip(*columns, strict=True))
        file.write("\n")


def _relion_columns(
    page: ParticleTable, quoted: Mapping[str, str], known: Collection[str]
) -> Iterator[list[str]]:
    yield [quoted[uid] for uid in page.tomogram_uids.tolist()]
    for values in (*page.positions_angstrom.T, *np.nan_to_num(page.angles_deg).T):
        yield list(map("%.6f".__mod__, values.tolist()))
    for _ in ORIGIN:
        yield ["0.000000"] * len(page)
    if "half" in known:
        yield list(map(str, (page.halves + 1).tolist()))
    if "class_number" in known:
        yield list(map(str, page.classes.tolist()))
    if "score" in known:
        yield list(map("%.6f".__mod__, page.scores.tolist()))
    yield ["1"] * len(page)


def _figures(values: NDArray[Any]) -> list[str]:
    if np.isnan(values).all():
        return [""] * len(values)
    return ["" if v != v else f"{v:.6g}" for v in values.tolist()]


def _wholes(values: NDArray[Any]) -> list[str]:
    return ["" if v < 0 else str(v) for v in values.tolist()]


def _csv_word(word: str) -> str:
    """Return a word as `csv` writes it among others."""
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow([word, ""])
    return text.getvalue()[:-1]


def _star_word(word: str) -> str:
    """Return a word as `starfile` writes and reads it."""
    doubled = word.replace('"', '""')
    return word if _PLAIN_WORD.fullmatch(word) else f'"{doubled}"'

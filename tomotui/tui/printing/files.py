"""Charts as files: names that say what they are, and nothing overwritten."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Sequence
from pathlib import Path

from tomotui.tui.printing.page import Printable, lay_out
from tomotui.tui.printing.svg import svg_text
from tomotui.tui.printing.table import csv_text

KINDS = (".svg", ".png", ".csv")
_STRANGE = re.compile(r"[^\w.+-]+")


class PrintError(Exception):
    """A chart cannot be written; says which file, and what to do."""


def write_chart(what: Printable, path: Path) -> Path:
    """Write a chart to a new file, of the kind that its name ends with.

    Raises
    ------
    PrintError
        When there is such a file, its kind is not known, or it cannot be written.
    """
    data = _bytes_of(what, path)
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            raise PrintError(f"{path} is there already: give another name, or remove it first")
        beside.write_bytes(data)
        # A link fails where another has been faster; a renaming would replace what is there.
        try:
            os.link(beside, path)
        except FileExistsError:
            raise PrintError(f"{path} is there already: give another name") from None
        except OSError:
            beside.rename(path)
    except OSError as error:
        raise PrintError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            beside.unlink()
    return path


def write_all_kinds(what: Printable, folder: Path, name: str) -> list[Path]:
    """Write a chart as SVG, PNG and CSV under a name that none of them has yet.

    Raises
    ------
    PrintError
        When they cannot be written.
    """
    stem = free_name(folder, file_name(name), KINDS)
    return [write_chart(what, folder / f"{stem}{kind}") for kind in KINDS]


def _bytes_of(what: Printable, path: Path) -> bytes:
    kind = path.suffix.lower()
    if kind == ".csv":
        return csv_text(what).encode()
    if kind == ".svg":
        return svg_text(lay_out(what)).encode()
    if kind == ".png":
        from tomotui.tui.printing.png import png_bytes

        return png_bytes(lay_out(what))
    raise PrintError(f"{path}: a name that ends with {', '.join(KINDS)} says what to write")


def file_name(words: str) -> str:
    """Return words as a name of a file."""
    return _STRANGE.sub("-", words).strip("-.") or "plot"


def free_name(folder: Path, stem: str, kinds: Sequence[str]) -> str:
    """Return a name, with a number where it is taken."""
    number, name = 1, stem
    while any((folder / f"{name}{kind}").exists() for kind in kinds):
        number += 1
        name = f"{stem}-{number}"
    return name

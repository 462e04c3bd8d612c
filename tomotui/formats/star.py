"""STAR files as plain columns, through ``starfile`` (imported late: it brings pandas)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tomotui.formats.errors import FormatError

Columns = dict[str, list[Any]]


def read_star(path: Path | str) -> dict[str, Columns]:
    """Return the blocks of a STAR file, each as columns of equal length.

    Raises
    ------
    FormatError
        The file is missing or is no STAR file.
    """
    import starfile

    path = Path(path)
    if not path.is_file():
        raise FormatError(f"{path} does not exist", "check the path")
    try:
        blocks = starfile.read(path, always_dict=True)
    except Exception as error:  # starfile raises whatever its parser or pandas ran into.
        raise FormatError(f"{path} cannot be read as a STAR file: {error}") from error
    return {str(name): _columns(path, block) for name, block in blocks.items()}


def write_star(path: Path | str, blocks: Mapping[str, Mapping[str, Any]]) -> None:
    """Write blocks of columns; those of plain values as a list of names and values."""
    import pandas
    import starfile

    frames = {
        name: pandas.DataFrame(dict(columns))
        if any(
            isinstance(values, Sequence) and not isinstance(values, str)
            for values in columns.values()
        )
        else dict(columns)
        for name, columns in blocks.items()
    }
    starfile.write(frames, Path(path), overwrite=True)


def only_block(path: Path, blocks: dict[str, Columns], wanted: str, column: str) -> Columns:
    """Return the block called ``wanted``, or the one that has ``column``.

    Raises
    ------
    FormatError
        No block has the column.
    """
    if column in blocks.get(wanted, {}):
        return blocks[wanted]
    for columns in blocks.values():
        if column in columns:
            return columns
    raise FormatError(
        f"{path} has no column {column}", "give a STAR file of the kind that was asked for"
    )


def _columns(path: Path, block: Any) -> Columns:
    if isinstance(block, dict):
        return {str(key): [value] for key, value in block.items()}
    if not block.columns.is_unique:
        twice = block.columns[block.columns.duplicated()][0]
        raise FormatError(f"{path} has the column {twice} twice", "take one of them out")
    return {str(key): block[key].tolist() for key in block.columns}

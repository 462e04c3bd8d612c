"""Where the files that come with the program lie: themes and sample data."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def _folder(name: str) -> Path:
    """Return a data folder: inside the wheel, or at the top of a source checkout."""
    installed = _PACKAGE / "_data" / name
    return installed if installed.is_dir() else _PACKAGE.parent / name


def themes_folder() -> Path:
    """Return the folder of the built-in themes."""
    return _folder("themes")


def sample_data_folder() -> Path:
    """Return the folder of the sample tilt series."""
    return _folder("sample_data")

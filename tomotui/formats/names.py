"""Names that become names of files."""

from __future__ import annotations

from tomotui.formats.errors import FormatError


def file_name(name: str) -> str:
    """Return a name of a record when a file can bear it and lie where it should.

    Raises
    ------
    FormatError
        When it would lead to another folder, as ``../other`` does, or is no name of a file.
    """
    if name in ("", ".", "..") or any(sign in name for sign in "/\\\0"):
        raise FormatError(
            f"{name!r} cannot be the name of a file",
            "give names without / and \\ and not only dots",
        )
    return name

"""Text files with one angle to a line: ``.rawtlt``, ``.tlt``, ``.xtilt``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tomotui.formats.errors import FormatError


def read_angles(path: Path | str, n_images: int | None = None) -> tuple[float, ...]:
    """Read the first column of a list of angles.

    Further columns (some programs put the dose there) are left alone. Of a ``.tomostar`` the
    tilts are taken, with the sign that they have in the microscope.

    Parameters
    ----------
    n_images
        How many lines the stack asks for; ``None`` when that is not known.

    Raises
    ------
    FormatError
        The file is missing, has a line without a number, or not one line for each image.
    """
    path = Path(path)
    if path.suffix.lower() == ".tomostar":
        from tomotui.formats.warp_rows import read_tomostar

        return _as_many(path, list(read_tomostar(path).tilts_deg), n_images)
    angles = []
    for number, line in enumerate(read_lines(path), start=1):
        words = line.replace(",", " ").split()
        if not words or words[0].startswith("#"):
            continue
        try:
            angles.append(float(words[0]))
        except ValueError:
            raise FormatError(
                f"{path}, line {number}: {words[0]!r} is not an angle",
                "give one angle in degrees to a line",
            ) from None
    return _as_many(path, angles, n_images)


def _as_many(path: Path, angles: Sequence[float], n_images: int | None) -> tuple[float, ...]:
    if n_images is not None and len(angles) != n_images:
        raise FormatError(
            f"{path} has {len(angles)} angles, the stack has {n_images} images",
            "give the file that belongs to this stack, with one angle for each image",
        )
    return tuple(angles)


def write_angles(path: Path | str, angles: Sequence[float]) -> None:
    """Write one angle to a line, in degrees with three decimals."""
    Path(path).write_text("".join(f"{angle:9.3f}\n" for angle in angles), encoding="ascii")


def read_lines(path: Path) -> list[str]:
    """Return the lines of a text file whatever its encoding.

    Raises
    ------
    FormatError
        The file is missing or cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        raise FormatError(f"{path} does not exist", "check the path") from None
    except OSError as error:
        raise FormatError(f"{path} cannot be read: {error.strerror or error}") from error

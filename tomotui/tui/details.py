"""What stages have left for the quality screen, read from their ``.npz`` files."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

# Only who looks at details pays for the library: every screen knows this module.
if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]


@dataclass(frozen=True)
class Details:
    """The arrays of a file; two of the same unchanged file are equal.

    Attributes
    ----------
    path
        Relative to the project; empty when the record names no file.
    problem
        Why there are no arrays although the record names a file.
    """

    path: str = ""
    modified_ns: int = 0
    problem: str = ""
    arrays: dict[str, Array] = field(default_factory=dict, compare=False, repr=False)

    def get(self, name: str, n_axes: int) -> Array | None:
        """Return an array with so many axes and any values; ``None`` when there is none."""
        found = self.arrays.get(name)
        if found is None or found.ndim != n_axes or 0 in found.shape:
            return None
        return found

    def row_of(self, index: int) -> int | None:
        """Return the row that belongs to a tilt, counted as in the stack."""
        known = self.get("tilt_index", 1)
        if known is None:
            return None
        rows = (known.round() == index).nonzero()[0]
        return int(rows[0]) if rows.size else None


NO_DETAILS = Details()


def read_details(folder: Path, path: str | None, *names: str) -> Details:
    """Read a file of details; what is wrong with it is said in ``problem``.

    Parameters
    ----------
    folder
        The project.
    path
        As the record has it.
    names
        Arrays to read; all when none is named.
    """
    import numpy as np

    if not path:
        return NO_DETAILS
    place = folder / path
    try:
        modified = place.stat().st_mtime_ns
        # Nothing of what a file may hold is ever run.
        with np.load(place, allow_pickle=False) as found:
            arrays = {name: found[name] for name in found.files if not names or name in names}
    except FileNotFoundError:
        return Details(path, 0, f"{path} is not there any more")
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        return Details(path, 0, f"{path} cannot be read: {type(error).__name__}")
    return Details(path, modified, "", arrays)

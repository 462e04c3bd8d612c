"""What a file of weights says of itself, read without loading anything that could run.

Weights are kept as safetensors: numbers with a header, in which this program writes what is needed
to build the network again, as JSON under the key ``tomotui``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tomotui.formats.errors import FormatError

KEY = "tomotui"
_LONGEST_HEADER = 16 * 2**20


def read_description(path: Path | str) -> dict[str, Any]:
    """Return the description of a network from the header of its file.

    Raises
    ------
    FormatError
        When the file is missing, torn, or not of this program.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= min(_LONGEST_HEADER, path.stat().st_size - 8):
                raise ValueError("it has no header of safetensors")
            header = json.loads(file.read(length).decode("utf-8"))
        described = header["__metadata__"][KEY]
        found = json.loads(described)
        if not isinstance(found, dict) or not isinstance(found.get("purpose"), str):
            raise ValueError("its description is not complete")
    except OSError as error:
        raise FormatError(f"{path} cannot be read: {error.strerror}", "check the path") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise FormatError(
            f"{path} is not a network of this program ({error})",
            "give a file that tomotui export network has written",
        ) from error
    return found

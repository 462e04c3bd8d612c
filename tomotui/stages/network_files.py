"""Trained networks in files that hold numbers and words, and nothing that could run."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from tomotui.formats.networks import KEY, read_description
from tomotui.records import Network
from tomotui.stages.base import StageError, Task

if TYPE_CHECKING:
    from torch import Tensor

NETWORK_FILE = "network.safetensors"
BuiltT = TypeVar("BuiltT")


def write_network(path: Path, weights: Mapping[str, Tensor], description: dict[str, Any]) -> None:
    """Write weights and what is needed to build the network again, whole or not at all.

    Raises
    ------
    StageError
        When the file cannot be written.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    temporary = path.with_name(f".{path.name}.partial")
    plain = {name: value.detach().cpu().contiguous() for name, value in weights.items()}
    try:
        save_file(plain, temporary, metadata={KEY: json.dumps(description)})
        temporary.replace(path)
    except (OSError, SafetensorError) as error:
        temporary.unlink(missing_ok=True)
        raise StageError(f"{path} cannot be written: {error}.", "Free some room.") from error


def read_network(path: Path, device: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return weights and description of a network.

    Raises
    ------
    FormatError, SafetensorError, OSError
        When the file is missing, torn, or of another program.
    """
    from safetensors.torch import load_file

    return load_file(path, device=device), read_description(path)


def load_network(
    task: Task,
    record: Network,
    build: Callable[[dict[str, Tensor], dict[str, Any]], BuiltT],
    stage: str,
) -> BuiltT:
    """Read the network of a record and build it.

    Parameters
    ----------
    build
        Makes it of weights and description.
    stage
        Which trains such networks.

    Raises
    ------
    StageError
        When its file is missing, torn, or of another program.
    """
    path = task.resolve(record.path)
    try:
        return build(*read_network(path, task.device))
    except Exception as error:  # a torn or foreign file may fail to load in any way
        reason = "it is not there" if not path.exists() else str(error).splitlines()[0]
        raise StageError(
            f"the network {record.name} ({path}) cannot be read: {reason}.",
            f"Train it again: tomotui run {stage}.",
        ) from error
